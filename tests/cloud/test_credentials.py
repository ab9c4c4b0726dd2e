"""Keys that end: when they are renewed, by whom, and what happens when that fails."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from havip.api.errors import CloudError, CredentialsRefused, HaVipError, NotFound, Unavailable
from havip.api.havipclass import Oidc
from havip.cloud.alibaba import AlibabaCloud, Endpoints
from havip.cloud.alibaba.sources import source_of
from havip.cloud.credentials import (
    EARLY_SECONDS,
    FAILED_SECONDS,
    RENEW_AGAIN_SECONDS,
    Credentials,
    CredentialSource,
    Held,
    Renewed,
    TemporaryKey,
)
from havip.simcloud.server import RunningCloud, running
from havip.simcloud.topology import Role, sample
from tests.simcloud.test_ram_role import instance, run, within

__all__ = ["instance"]

ACCOUNT = "1000000000000001"
PROVIDER = f"acs:ram::{ACCOUNT}:oidc-provider/ack-rrsa-c1"
OPERATOR = f"acs:ram::{ACCOUNT}:role/operator"
TOKEN = "token-of-the-pod"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Giver:
    """Gives keys of an hour, one after the other, or fails."""

    def __init__(self, clock: Clock, lifetime: float = 3600.0) -> None:
        self.clock = clock
        self.lifetime = lifetime
        self.asked = 0
        self.error: HaVipError | None = None

    def __call__(self) -> TemporaryKey:
        self.asked += 1
        if self.error is not None:
            raise self.error
        key = Credentials(f"STS.{self.asked}", "secret", "token")
        return TemporaryKey(key, self.clock() + self.lifetime)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def giver(clock: Clock) -> Giver:
    return Giver(clock)


@pytest.fixture
def source(giver: Giver, clock: Clock) -> Renewed:
    return Renewed(giver, clock=clock)


def key(source: CredentialSource) -> str:
    return source.current().access_key_id


class TestAKeyThatEnds:
    def test_is_fetched_when_it_is_needed_and_kept(self, source: Renewed, giver: Giver) -> None:
        assert giver.asked == 0
        assert [key(source) for _ in range(3)] == ["STS.1"] * 3

    def test_is_renewed_well_before_its_end(self, source: Renewed, clock: Clock) -> None:
        assert key(source) == "STS.1"
        clock.now += 3600 - EARLY_SECONDS - 1
        assert key(source) == "STS.1"
        clock.now += 1
        assert key(source) == "STS.2"

    def test_that_lives_shortly_is_renewed_in_its_last_third(
        self, source: Renewed, giver: Giver, clock: Clock
    ) -> None:
        giver.lifetime = 90
        assert key(source) == "STS.1"
        clock.now += 59
        assert key(source) == "STS.1"
        clock.now += 1
        assert key(source) == "STS.2"

    def test_is_used_to_its_very_end_while_it_cannot_be_renewed(
        self, source: Renewed, giver: Giver, clock: Clock
    ) -> None:
        assert key(source) == "STS.1"
        clock.now += 3600 - EARLY_SECONDS
        giver.error = Unavailable("STS is away")
        assert key(source) == "STS.1"
        clock.now += EARLY_SECONDS - 1
        assert key(source) == "STS.1"
        clock.now += 1
        with pytest.raises(Unavailable, match="STS is away"):
            source.current()

    def test_that_cannot_be_renewed_is_asked_for_again_but_not_with_each_call(
        self, source: Renewed, giver: Giver, clock: Clock
    ) -> None:
        source.current()
        clock.now += 3600 - EARLY_SECONDS
        giver.error = Unavailable("STS is away")
        for _ in range(5):
            source.current()
        assert giver.asked == 2
        clock.now += RENEW_AGAIN_SECONDS
        giver.error = None
        assert key(source) == "STS.3"

    def test_that_there_is_none_of_is_the_same_answer_to_all_for_a_while(
        self, source: Renewed, giver: Giver, clock: Clock
    ) -> None:
        giver.error = CredentialsRefused("no such role")
        for _ in range(5):
            with pytest.raises(CredentialsRefused, match="no such role"):
                source.current()
        assert giver.asked == 1
        clock.now += FAILED_SECONDS
        giver.error = None
        assert key(source) == "STS.2"

    def test_that_has_ended_when_it_comes_is_not_taken(self, source: Renewed, giver: Giver) -> None:
        giver.lifetime = 0
        with pytest.raises(Unavailable, match="has expired already"):
            source.current()

    def test_that_comes_back_unrenewed_is_not_asked_for_with_each_call(self, clock: Clock) -> None:
        asked: list[float] = []
        ends = clock() + 3600

        def metadata() -> TemporaryKey:
            asked.append(clock())
            return TemporaryKey(Credentials("STS.1", "secret", "token"), ends)

        source = Renewed(metadata, clock=clock)
        source.current()
        clock.now += 3600 - EARLY_SECONDS
        for _ in range(5):
            source.current()
        assert len(asked) == 2

    def test_that_is_refused_is_renewed_before_its_end_unless_it_is_young(
        self, source: Renewed, clock: Clock
    ) -> None:
        held = Held(source)
        held.discard()
        assert key(held) == "STS.1"
        clock.now += RENEW_AGAIN_SECONDS - 1
        held.discard()
        assert key(held) == "STS.1"
        clock.now += 1
        held.discard()
        assert key(held) == "STS.2"

    def test_is_renewed_by_one_caller_while_the_others_go_on(self, clock: Clock) -> None:
        begun, go = threading.Event(), threading.Event()
        asked: list[str] = []

        def slow() -> TemporaryKey:
            asked.append("")
            if len(asked) > 1:
                begun.set()
                assert go.wait(20)
            key = Credentials(f"STS.{len(asked)}", "secret", "token")
            return TemporaryKey(key, clock() + 3600)

        source = Renewed(slow, clock=clock)
        source.current()
        clock.now += 3600 - EARLY_SECONDS
        with ThreadPoolExecutor(1) as pool:
            renewing = pool.submit(source.current)
            assert begun.wait(20)
            assert key(source) == "STS.1"
            go.set()
            assert renewing.result(20).access_key_id == "STS.2"
        assert len(asked) == 2

    def test_is_fetched_once_for_all_who_wait_for_the_first(self, clock: Clock) -> None:
        all_there = threading.Barrier(8)
        asked: list[str] = []

        def fetch() -> TemporaryKey:
            asked.append("")
            return TemporaryKey(Credentials("STS.1", "secret", "token"), clock() + 3600)

        source = Renewed(fetch, clock=clock)

        def come() -> str:
            all_there.wait(20)
            return key(source)

        with ThreadPoolExecutor(8) as pool:
            keys = [each.result(20) for each in [pool.submit(come) for _ in range(8)]]
        assert (keys, len(asked)) == (["STS.1"] * 8, 1)


def test_a_source_is_replaced_while_it_is_in_use() -> None:
    held = Held(Credentials("a", "secret"))
    assert not held.replace(Credentials("a", "secret"))
    assert held.replace(Credentials("b", "secret"))
    assert key(held) == "b"


def test_no_secret_is_shown() -> None:
    shown = repr(TemporaryKey(Credentials("AK", "the-secret", "the-token"), 0.0))
    assert "AK" in shown
    assert "the-secret" not in shown
    assert "the-token" not in shown


@pytest.fixture
def sts() -> Iterator[RunningCloud]:
    role = Role(
        name="operator",
        account_id=ACCOUNT,
        oidc_provider_arn=PROVIDER,
        oidc_tokens=(TOKEN,),
        expired_oidc_tokens=("token-of-yesterday",),
    )
    with running(sample().model_copy(update={"roles": (role,)})) as cloud:
        yield cloud


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    return file


class TestAServiceAccount:
    """RRSA, over the SDK's generic client and the simulated STS."""

    def rrsa(self, sts: RunningCloud, file: Path, role: str = OPERATOR) -> CredentialSource:
        way = Oidc(role_arn=role, oidc_provider_arn=PROVIDER, token_file=str(file))
        return source_of(way, sts.endpoint, "http")

    async def test_acts_as_its_role(self, sts: RunningCloud, token_file: Path) -> None:
        with ThreadPoolExecutor(2) as threads:
            cloud = AlibabaCloud(
                "cn-hangzhou",
                self.rrsa(sts, token_file),
                threads,
                Endpoints(vpc=sts.endpoint, ecs=sts.endpoint, sts=sts.endpoint, protocol="http"),
            )
            assert await cloud.describe_ha_vips() == ()
            identity = await cloud.identify()
        assert identity.account_id == ACCOUNT
        assert identity.arn == f"acs:ram::{ACCOUNT}:assumed-role/operator/havip-operator"
        assert len(sts.control.calls("AssumeRoleWithOIDC")) == 1

    def test_has_its_token_read_anew(self, sts: RunningCloud, token_file: Path) -> None:
        token_file.write_text("token-of-yesterday")
        source = self.rrsa(sts, token_file)
        with pytest.raises(CredentialsRefused, match="cannot be assumed: correct") as refused:
            source.current()
        assert refused.value.code == "AuthenticationFail.OIDCToken.Expired"
        token_file.write_text(TOKEN)
        assert key(self.rrsa(sts, token_file)).startswith("STS.")

    def test_without_a_token_is_told_to_mount_it(self, sts: RunningCloud, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match=r"cannot be read from .*none: mount it") as missing:
            self.rrsa(sts, tmp_path / "none").current()
        assert missing.value.reason == "CredentialsMissing"

    def test_with_another_role_is_refused(self, sts: RunningCloud, token_file: Path) -> None:
        with pytest.raises(CredentialsRefused, match=r"EntityNotExist\.Role"):
            self.rrsa(sts, token_file, f"acs:ram::{ACCOUNT}:role/nobody").current()

    @pytest.mark.parametrize(
        "kind", ["drop-before", "error-500", "proxy-503", "malformed", "garbled", "throttle"]
    )
    def test_waits_while_sts_is_away(self, sts: RunningCloud, token_file: Path, kind: str) -> None:
        sts.control.fault("AssumeRoleWithOIDC", kind)
        with pytest.raises(CloudError):
            self.rrsa(sts, token_file).current()

    def test_shows_its_token_to_nobody_when_sts_is_not_there(self, token_file: Path) -> None:
        way = Oidc(role_arn=OPERATOR, oidc_provider_arn=PROVIDER, token_file=str(token_file))
        with pytest.raises(Unavailable) as away:
            source_of(way, "127.0.0.1:9", "http").current()
        shown = ""
        error: BaseException | None = away.value
        while error is not None:
            shown += repr(error)
            error = error.__cause__ or error.__context__
        assert TOKEN not in shown


class TestWhatThereIs:
    """No choice in the class: the environment, RRSA, the instance's role, in this order."""

    def test_a_key_in_the_environment_comes_first(self) -> None:
        environment = {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "AK",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "secret",
            "ALIBABA_CLOUD_SECURITY_TOKEN": "token",
            "ALIBABA_CLOUD_ROLE_ARN": OPERATOR,
            "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": PROVIDER,
            "ALIBABA_CLOUD_OIDC_TOKEN_FILE": "/none",
        }
        found = source_of(None, "127.0.0.1:9", "http", environment).current()
        assert found == Credentials("AK", "secret", "token")

    def test_rrsa_comes_before_the_instances_role(
        self, sts: RunningCloud, token_file: Path
    ) -> None:
        environment = {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "AK",  # half a key is none
            "ALIBABA_CLOUD_ROLE_ARN": OPERATOR,
            "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": PROVIDER,
            "ALIBABA_CLOUD_OIDC_TOKEN_FILE": str(token_file),
        }
        assert key(source_of(None, sts.endpoint, "http", environment)).startswith("STS.")


ON_THE_INSTANCE = """
import json, sys, threading
from havip.api.errors import HaVipError
from havip.api.havipclass import EcsRamRole
from havip.cloud.alibaba.sources import source_of
told = []
for way in (EcsRamRole(role_name="nodes"), EcsRamRole(), EcsRamRole(role_name="other"), None):
    try:
        found = source_of(way, "", "http", {}).current()
        told.append([found.access_key_id[:4], bool(found.security_token)])
    except HaVipError as error:
        told.append([error.reason, str(error)])
print(json.dumps([told, [each.name for each in threading.enumerate()]]))
"""


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def program(text: str) -> tuple[str, ...]:
    root = Path(__file__).parents[2] / "operator"
    return ("env", f"PYTHONPATH={root}", sys.executable, "-c", text)


@pytest.mark.kernel
@needs_root
@pytest.mark.usefixtures("instance")
def test_an_instances_role_gives_keys_and_leaves_no_thread() -> None:
    told: list[Any] = json.loads(within(*program(ON_THE_INSTANCE)))
    (named, found, other, none), threads = told
    assert named == found == none == ["STS.", True]
    assert other[0] == "CredentialsMissing"
    assert "does not have the RAM role other: attach it" in other[1]
    assert threads == ["MainThread"]


ELSEWHERE = """
from havip.cloud.alibaba.sources import source_of
try:
    source_of(None, "", "http", {}).current()
except Exception as error:
    print(type(error).__name__, error.reason, error)
"""


@pytest.mark.kernel
@needs_root
def test_a_machine_that_is_no_instance_is_told_what_it_may_do() -> None:
    said = run("unshare", "--net", *program(ELSEWHERE))
    assert said.startswith(
        "NotFound CredentialsMissing The controller has no credentials of its own"
    )
