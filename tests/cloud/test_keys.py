"""Keys that change, that are refused and that lack rights; and that no secret gets out."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable

import pytest

from havip.api.errors import BugError, CredentialsRefused, HaVipError, Unavailable
from havip.cloud.alibaba import AlibabaCloud
from havip.cloud.credentials import Credentials, CredentialSource
from havip.simcloud.policy import Policy, Statement
from havip.simcloud.server import RunningCloud
from havip.simcloud.topology import Account
from tests.cloud.conftest import KEY, NEW, Connect, token
from tests.cloud.spoiler import Spoiler

ACCOUNT = "1000000000000001"
TEMPORARY = Credentials("STS.one", "SK-ONE", "token-one")


class Asked:
    """A source that counts how often and by whom it is asked."""

    def __init__(self, answer: Callable[[int], Credentials]) -> None:
        self._answer = answer
        self.threads: list[str] = []

    def current(self) -> Credentials:
        self.threads.append(threading.current_thread().name)
        return self._answer(len(self.threads))


def session(key: Credentials, **more: object) -> Account:
    return Account.model_validate(
        {
            "account_id": ACCOUNT,
            "access_key_id": key.access_key_id,
            "access_key_secret": key.access_key_secret,
            "security_token": key.security_token,
            **more,
        }
    )


async def test_a_key_tells_whom_it_stands_for(sim: RunningCloud, connect: Connect) -> None:
    root = await connect(sim.endpoint).identify()
    assert (root.account_id, root.arn) == (ACCOUNT, f"acs:ram::{ACCOUNT}:root")
    sim.control.add_key(session(TEMPORARY, user="havip"))
    user = await connect(sim.endpoint, TEMPORARY).identify()
    assert (user.account_id, user.arn) == (ACCOUNT, f"acs:ram::{ACCOUNT}:user/havip")


async def test_a_key_without_any_right_may_ask_whom_it_stands_for(
    sim: RunningCloud, cloud: AlibabaCloud
) -> None:
    sim.control.set_policy(ACCOUNT, Policy(statement=()))
    assert (await cloud.identify()).account_id == ACCOUNT


async def test_the_key_is_asked_for_before_every_call_in_its_thread(
    sim: RunningCloud, connect: Connect
) -> None:
    source = Asked(lambda _: KEY)
    cloud = connect(sim.endpoint, source)
    assert source.threads == []
    await cloud.describe_ha_vips()
    await cloud.describe_instances(["i-node1"])
    await cloud.identify()
    assert len(source.threads) == 3
    assert threading.current_thread().name not in source.threads


async def test_a_new_key_counts_from_the_next_call_on(sim: RunningCloud, connect: Connect) -> None:
    new = Credentials("AK-NEW", "SK-NEW")
    cloud = connect(sim.endpoint, Asked(lambda times: KEY if times == 1 else new))
    await cloud.describe_ha_vips()
    sim.control.add_key(session(new))
    sim.control.delete_key(KEY.access_key_id)
    await cloud.describe_ha_vips()


async def test_temporary_credentials_sign_with_their_token(
    sim: RunningCloud, connect: Connect
) -> None:
    sim.control.add_key(session(TEMPORARY))
    assert await connect(sim.endpoint, TEMPORARY).describe_ha_vips() == ()


async def test_a_token_that_ended_meanwhile_is_changed_for_another_once(
    sim: RunningCloud, connect: Connect
) -> None:
    sim.control.add_key(session(TEMPORARY, expires_at=time.time() - 1))
    source = Asked(lambda times: TEMPORARY if times == 1 else KEY)
    ha_vip_id = await connect(sim.endpoint, source).create_ha_vip(NEW, token())
    assert [each["haVipId"] for each in sim.control.ha_vips()] == [ha_vip_id]
    assert len(source.threads) == 2


async def test_a_token_that_stays_refused_is_the_users_matter(
    sim: RunningCloud, connect: Connect
) -> None:
    sim.control.add_key(session(TEMPORARY, expires_at=time.time() - 1))
    source = Asked(lambda _: TEMPORARY)
    with pytest.raises(CredentialsRefused) as told:
        await connect(sim.endpoint, source).describe_ha_vips()
    assert told.value.code == "InvalidSecurityToken.Expired"
    assert told.value.reason == "CredentialsRefused"
    assert len(source.threads) == 2


@pytest.mark.parametrize("key", [Credentials("AK-NOBODY", "x"), Credentials("AK-SIM", "wrong")])
async def test_a_key_that_is_refused_is_not_tried_again(
    sim: RunningCloud, connect: Connect, key: Credentials
) -> None:
    source = Asked(lambda _: key)
    with pytest.raises(CredentialsRefused) as told:
        await connect(sim.endpoint, source).describe_ha_vips()
    assert told.value.permission == ""
    assert len(source.threads) == 1


@pytest.mark.parametrize(
    "trouble", [CredentialsRefused("there is no Secret"), Unavailable("STS does not answer")]
)
async def test_what_the_source_says_comes_out_as_it_is_and_nothing_is_sent(
    sim: RunningCloud, connect: Connect, trouble: HaVipError
) -> None:
    def fail(_times: int) -> Credentials:
        raise trouble

    with pytest.raises(type(trouble)) as told:
        await connect(sim.endpoint, Asked(fail)).create_ha_vip(NEW, token())
    assert told.value is trouble
    assert sim.control.calls() == []


async def test_a_missing_permission_is_named(sim: RunningCloud, cloud: AlibabaCloud) -> None:
    rule = Statement(effect="Allow", action="vpc:Describe*")
    sim.control.set_policy(ACCOUNT, Policy(statement=(rule,)))
    with pytest.raises(CredentialsRefused) as told:
        await cloud.create_ha_vip(NEW, token())
    assert told.value.permission == "vpc:CreateHaVip"
    assert told.value.reason == "PermissionMissing"
    assert "vpc:CreateHaVip" in str(told.value)
    with pytest.raises(CredentialsRefused) as told:
        await cloud.describe_instances(["i-node1"])
    assert told.value.permission == "ecs:DescribeInstances"


@pytest.mark.parametrize(
    ("detail", "permission"),
    [
        ({"AuthAction": "vpc:TagResources"}, "vpc:TagResources"),
        ({"AuthAction": ""}, "vpc:CreateHaVip"),
        ({"AuthAction": 7}, "vpc:CreateHaVip"),
        ("no", "vpc:CreateHaVip"),
        (None, "vpc:CreateHaVip"),
    ],
)
@pytest.mark.parametrize("code", ["Forbidden.RAM", "NoPermission", "Forbidden"])
async def test_the_cloud_may_miss_another_permission_than_that_of_the_call(
    spoiler: Spoiler, connect: Connect, code: str, detail: object, permission: str
) -> None:
    body = {"RequestId": "R", "Code": code, "Message": "no", "AccessDeniedDetail": detail}
    spoiler.refuse("CreateHaVip", 403, body)
    with pytest.raises(CredentialsRefused) as told:
        await connect(spoiler.endpoint).create_ha_vip(NEW, token())
    assert told.value.permission == permission


async def test_a_call_that_no_policy_allows_is_a_bug(cloud: AlibabaCloud) -> None:
    class DeleteEverythingRequest:
        def to_map(self) -> dict[str, str]:
            return {}

    with pytest.raises(BugError):
        await cloud._connection.call(DeleteEverythingRequest())


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("refuse", "Forbidden.RAM"),
        ("refuse", "InvalidSecurityToken.Expired"),
        ("refuse", "IncorrectHaVipStatus"),
        ("error-500", ""),
        ("proxy-503", ""),
        ("drop-before", ""),
        ("drop-after", ""),
        ("truncated", ""),
        ("garbled", ""),
        ("malformed", ""),
        ("throttle", ""),
    ],
)
async def test_no_secret_gets_out(
    sim: RunningCloud,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    kind: str,
    code: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    sim.control.add_key(session(TEMPORARY))
    cloud = connect(sim.endpoint, TEMPORARY)
    sim.control.fault("CreateHaVip", kind, count=2, code=code)
    with pytest.raises(HaVipError) as told:
        await cloud.create_ha_vip(NEW, token())
    texts = [*traceback.format_exception(told.value), repr(told.value), repr(TEMPORARY)]
    shown = "".join((*texts, repr(vars(told.value)), caplog.text, *capfd.readouterr()))
    for secret in (TEMPORARY.access_key_secret, TEMPORARY.security_token, "Signature="):
        assert secret not in shown


def test_a_fixed_key_is_a_source() -> None:
    source: CredentialSource = KEY
    assert source.current() is KEY
