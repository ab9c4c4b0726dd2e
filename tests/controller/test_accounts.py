"""Who shares what: accounts by keys in Secrets, over the real SDK and a real API server."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from havip.api.errors import CredentialsRefused, NotFound, Unavailable, UserError
from havip.api.havipclass import HaVipClass
from havip.api.names import DEFAULT_NAMESPACE
from havip.cloud.alibaba import AlibabaCloud
from havip.cloud.credentials import CredentialSource
from havip.cloud.limiter import Buckets
from havip.cloud.port import Cloud, NewEip, NewHaVip
from havip.controller.accounts import Account, Accounts, Place
from havip.controller.kube import Kube
from havip.controller.needs import (
    EIPS,
    HA_VIPS,
    INSTANCES,
    Listing,
    Needs,
    network_interfaces,
    routes,
)
from havip.controller.poller import Pace
from havip.simcloud.policy import Policy, Statement
from havip.simcloud.samples import two_accounts
from havip.simcloud.topology import Account as Key
from havip.simcloud.topology import Role, Topology, VSwitch, sample
from lab.controlplane import ControlPlane

from .conftest import CLUSTER_ID, Cluster, cluster_with

pytestmark = pytest.mark.apiserver

PACE = Pace(drift=60.0, settle=0.02, backoff=0.02, retry=0.2)
FIRST, SECOND = "1000000000000001", "1000000000000002"
PROVIDER = f"acs:ram::{FIRST}:oidc-provider/ack-rrsa-c1"
TOKEN = "token-of-the-pod"
ROLE = Role(
    name="operator",
    account_id=FIRST,
    oidc_provider_arn=PROVIDER,
    oidc_tokens=(TOKEN,),
    session_seconds=2.0,
)
TAGS = {"havip.dev/cluster": CLUSTER_ID}


def topology() -> Topology:
    """Two accounts; the first has two keys, two vSwitches and a role."""
    plain = two_accounts()
    another = VSwitch(
        v_switch_id="vsw-more",
        vpc_id="vpc-sim",
        cidr_block=IPv4Network("10.77.1.0/24"),
        zone_id="cn-hangzhou-h",
        reserved_addresses=(IPv4Address("10.77.1.1"),),
    )
    more: dict[str, Any] = {"v_switches": (*plain.v_switches, another), "roles": (ROLE,)}
    return plain.model_copy(update=more)


class Clock:
    """The cloud's clock, which a test can put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cluster(
    plane: ControlPlane, kubeconfig: Path, tmp_path: Path, standing: Cluster, clock: Clock
) -> Iterator[Cluster]:
    """A cluster whose cloud has two accounts; no controller."""
    # It would look after these classes as well: both stand on one API server.
    standing.stop_controllers()
    with cluster_with(plane, kubeconfig, tmp_path, topology=topology(), clock=clock) as cluster:
        cluster.secret("AK-SIM", "SK-SIM", name="one")
        cluster.secret("AK-SIM-2", "SK-SIM-2", name="one-more")
        cluster.secret("AK-TWO", "SK-TWO", name="two")
        cluster.klass("one", credentials={"secretRef": {"name": "one"}})
        cluster.klass("one-more", credentials={"secretRef": {"name": "one-more"}})
        cluster.klass("two", "vsw-two", credentials={"secretRef": {"name": "two"}})
        yield cluster


class Bench:
    """Accounts under test, and what they woke."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.control = cluster.cloud.control
        self.woken: set[str] = set()
        self.threads = ThreadPoolExecutor(4)
        self.accounts = Accounts(
            Kube(cluster.api, threads=2),
            DEFAULT_NAMESPACE,
            self._connect,
            PACE,
            self._wake,
            cluster_id=CLUSTER_ID,
        )

    def _connect(self, place: Place, source: CredentialSource, buckets: Buckets) -> Cloud:
        return AlibabaCloud(place.region, source, self.threads, place.endpoints, buckets=buckets)

    def _wake(self, uids: Collection[str]) -> None:
        self.woken |= set(uids)

    async def of(self, name: str, uid: str = "") -> Account:
        klass = HaVipClass.from_json(self.cluster.get("HaVipClass", name))
        return await self.accounts.of(klass, uid or name)

    async def account_once(self, name: str, wanted: Callable[[Account], Any]) -> Account:
        """Ask for the account, as each reconcile does, until it is so."""
        async with asyncio.timeout(20):
            while not wanted(account := await self.of(name)):  # noqa: ASYNC110  (as objects do)
                await asyncio.sleep(0.02)
        return account

    async def until(self, look: Callable[[], Any]) -> None:
        async with asyncio.timeout(20):
            while not look():  # noqa: ASYNC110  (not all that is looked for is told)
                await asyncio.sleep(0.02)

    async def listed(self, account: Account, uid: str, listing: Listing[Any] = HA_VIPS) -> set[str]:
        """Return the keys of a listing that begins after now."""
        listed = account.listings.of(uid, listing)
        now = time.monotonic()
        listed.want(now)
        await self.until(lambda: listed.latest and listed.latest.started > now)
        assert listed.latest is not None
        return set(listed.latest.items)

    def count(self, action: str) -> int:
        return len(self.control.calls(action))


@pytest.fixture
async def bench(cluster: Cluster) -> AsyncIterator[Bench]:
    before = asyncio.all_tasks()
    bench = Bench(cluster)
    yield bench
    for task in asyncio.all_tasks() - before:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    bench.threads.shutdown()


def deny(*actions: str) -> Policy:
    return Policy(
        statement=(
            Statement(effect="Allow", action="*"),
            *(Statement(effect="Deny", action=each) for each in actions),
        )
    )


class TestOneAccount:
    async def test_is_listed_once_for_all_its_keys(self, bench: Bench) -> None:
        one, more = await asyncio.gather(bench.of("one"), bench.of("one-more"))
        assert one.identity == more.identity
        assert one.identity is not None
        assert one.identity.account_id == FIRST
        assert one.listings is more.listings
        assert one.cloud is not more.cloud
        await bench.until(lambda: more.listings.of("one-more", HA_VIPS).latest)
        assert one.listings.of("one", HA_VIPS).latest is not None
        assert bench.count("DescribeHaVips") == 1

    async def test_is_asked_once_who_it_is_for_all_who_use_a_key(self, bench: Bench) -> None:
        found = await asyncio.gather(*(bench.of("one", f"uid-{each}") for each in range(20)))
        assert len(set(map(id, found))) == 1
        assert bench.count("GetCallerIdentity") == 1

    async def test_is_another_in_another_place_or_with_other_endpoints(self, bench: Bench) -> None:
        host = bench.cluster.cloud.endpoint.replace("127.0.0.1", "localhost")
        endpoints = {**dict.fromkeys(("vpc", "ecs", "sts"), host), "protocol": "http"}
        bench.cluster.klass(
            "elsewhere", endpoints=endpoints, credentials={"secretRef": {"name": "one"}}
        )
        one, elsewhere = await bench.of("one"), await bench.of("elsewhere")
        assert one.identity == elsewhere.identity
        assert one.listings is not elsewhere.listings

    async def test_serves_several_v_switches(self, bench: Bench) -> None:
        bench.cluster.klass("more", "vsw-more", credentials={"secretRef": {"name": "one"}})
        one, more = await bench.of("one"), await bench.of("more")
        assert one is more
        for name, v_switch in (("one", "vsw-sim"), ("more", "vsw-more")):
            klass = HaVipClass.from_json(bench.cluster.get("HaVipClass", name))
            assert (await one.check_place(klass)).v_switch_id == v_switch
            assert (await one.check_place(klass)).vpc_id == "vpc-sim"
        assert bench.count("DescribeVSwitches") == 2

    async def test_has_no_listing_when_nobody_is_left(self, bench: Bench) -> None:
        one = await bench.of("one")
        await bench.until(lambda: one.listings.of("one", HA_VIPS).latest)
        bench.accounts.forget("one")
        assert not one.listings.in_use
        again = await bench.of("one")
        assert again is not one


class TestTwoAccounts:
    async def test_see_nothing_of_each_other(self, bench: Bench) -> None:
        one, two = await bench.of("one"), await bench.of("two")
        assert one.listings is not two.listings
        assert one.listings.buckets is not two.listings.buckets
        mine = await one.cloud.create_ha_vip(NewHaVip("vsw-sim", "", "a", "", "", {}), "a")
        theirs = await two.cloud.create_ha_vip(NewHaVip("vsw-two", "", "b", "", "", {}), "b")
        assert await bench.listed(one, "one") == {mine}
        assert await bench.listed(two, "two") == {theirs}

    async def test_in_one_that_fails_nothing_holds_up_the_other(self, bench: Bench) -> None:
        bench.control.set_key_active("AK-TWO", False)
        one, two = await bench.of("one"), await bench.of("two")
        await bench.until(lambda: two.listings.of("two", HA_VIPS).error)
        assert isinstance(two.listings.of("two", HA_VIPS).error, CredentialsRefused)
        assert await bench.listed(one, "one") == set()
        assert one.listings.of("one", HA_VIPS).error is None


class TestRotation:
    async def test_to_a_key_of_the_same_account_changes_nothing_else(self, bench: Bench) -> None:
        one = await bench.of("one")
        await bench.listed(one, "one")
        listed = bench.count("DescribeHaVips")
        bench.cluster.secret("AK-SIM-2", "SK-SIM-2", name="one")
        bench.control.delete_key("AK-SIM")
        same = await bench.account_once("one", lambda _: bench.count("GetCallerIdentity") == 2)
        assert same is one
        assert bench.count("DescribeHaVips") == listed
        await bench.listed(one, "one")
        latest = one.listings.of("one", HA_VIPS).latest
        assert latest is not None
        assert latest.number > 1

    async def test_of_a_refused_key_is_seen_at_once(self, bench: Bench) -> None:
        bench.cluster.secret("AK-SIM", "wrong", name="one")
        one = await bench.of("one")
        await bench.until(lambda: one.listings.of("one", HA_VIPS).error)
        bench.cluster.secret("AK-SIM", "SK-SIM", name="one")
        again = await bench.account_once("one", lambda a: a.listings.of("one", HA_VIPS).latest)
        assert again.identity is not None

    async def test_to_a_key_of_another_account_leads_there(self, bench: Bench) -> None:
        one = await bench.of("one")
        await bench.of("one", "another")
        bench.cluster.secret("AK-TWO", "SK-TWO", name="one")
        other = await bench.account_once("one", lambda account: account is not one)
        assert other.identity is not None
        assert other.identity.account_id == SECOND
        assert not one.listings.in_use
        assert "another" in bench.woken

    async def test_of_a_session_that_expired_heals(self, bench: Bench, clock: Clock) -> None:
        def session(number: int, expires_at: float) -> tuple[str, str, str]:
            key = (f"STS.{number}", f"secret-{number}", f"token-{number}")
            names = ("access_key_id", "access_key_secret", "security_token")
            bench.control.add_key(
                Key(account_id=FIRST, expires_at=expires_at, **dict(zip(names, key, strict=True)))
            )
            return key

        key, secret, token = session(1, clock() + 600)
        bench.cluster.secret(key, secret, name="one", token=token)
        one = await bench.of("one")
        await bench.listed(one, "one")
        clock.ahead = 700
        one.listings.of("one", HA_VIPS).want(time.monotonic())
        await bench.until(lambda: one.listings.of("one", HA_VIPS).error)
        error = one.listings.of("one", HA_VIPS).error
        assert isinstance(error, CredentialsRefused)
        assert error.code == "InvalidSecurityToken.Expired"
        key, secret, token = session(2, clock() + 600)
        bench.cluster.secret(key, secret, name="one", token=token)
        same = await bench.account_once("one", lambda a: not a.listings.of("one", HA_VIPS).error)
        assert same is one


class TestAKeyThatIsRefused:
    @pytest.mark.parametrize(("name", "key"), [("one", "AK-SIM"), ("one-more", "AK-SIM-2")])
    async def test_does_not_end_the_listing_while_another_class_has_a_good_one(
        self, bench: Bench, name: str, key: str
    ) -> None:
        accounts = {each: await bench.of(each) for each in ("one", "one-more")}
        refused = accounts.pop(name)
        [other] = accounts.values()
        bench.control.set_key_active(key, False)
        # Every second listing is its turn.
        for _ in range(2):
            await bench.listed(refused, name)
        assert refused.listings.of(name, HA_VIPS).error is None
        failure = refused.listings.failure(refused.cloud)
        assert failure is not None
        assert failure.code == "InvalidAccessKeyId.Inactive"
        assert refused.listings.failure(other.cloud) is None
        bench.control.set_key_active(key, True)
        async with asyncio.timeout(20):
            while refused.listings.failure(refused.cloud) is not None:
                await bench.listed(refused, name)

    async def test_for_what_its_class_does_not_need_is_no_fault(self, bench: Bench) -> None:
        one, more = await bench.of("one"), await bench.of("one-more")
        bench.control.set_key_active("AK-SIM-2", False)
        more.listings.needs("one-more", Needs(allocates=True))
        await bench.until(lambda: more.listings.of("one-more", EIPS).latest)
        assert more.listings.of("one-more", EIPS).error is None
        assert more.listings.failure(one.cloud) is None
        assert more.listings.failure(more.cloud) is not None

    async def test_names_the_permission_and_leaves_the_other_listings_alone(
        self, bench: Bench
    ) -> None:
        bench.control.set_policy(FIRST, deny("vpc:DescribeEipAddresses"))
        one = await bench.of("one")
        one.listings.needs("one", Needs(allocates=True))
        await bench.until(lambda: one.listings.of("one", EIPS).error)
        error = one.listings.of("one", EIPS).error
        assert isinstance(error, CredentialsRefused)
        assert error.permission == "vpc:DescribeEipAddresses"
        await bench.listed(one, "one")
        assert one.listings.of("one", HA_VIPS).error is None
        bench.control.set_policy(FIRST, None)
        await bench.until(lambda: one.listings.of("one", EIPS).latest)
        assert one.listings.failure(one.cloud) is None


class TestAClassWhoseCredentialsCannotBeHad:
    """A role by the service account, whose sessions end at once, while STS gives no others."""

    @pytest.fixture
    async def away(self, bench: Bench, tmp_path: Path) -> Account:
        file = tmp_path / "token"
        file.write_text(TOKEN)
        oidc = {"roleArn": ROLE.arn, "oidcProviderArn": PROVIDER, "tokenFile": str(file)}
        bench.cluster.klass("rrsa", credentials={"oidc": oidc})
        rrsa = await bench.of("rrsa")
        assert rrsa.identity is not None
        bench.control.fault("AssumeRoleWithOIDC", "error-503", lasts=0)
        return rrsa

    async def test_is_told_and_holds_up_no_other(self, bench: Bench, away: Account) -> None:
        one = await bench.of("one")
        assert one.listings is away.listings
        errors = []
        async with asyncio.timeout(20):
            while away.listings.failure(away.cloud) is None:
                await bench.listed(one, "one")
                errors.append(one.listings.of("one", HA_VIPS).error)
        assert isinstance(away.listings.failure(away.cloud), Unavailable)
        assert set(errors) == {None}
        assert one.listings.failure(one.cloud) is None

    async def test_is_tried_beside_the_listing_and_heals(self, bench: Bench, away: Account) -> None:
        one = await bench.of("one")
        async with asyncio.timeout(20):
            while away.listings.failure(away.cloud) is None:
                await bench.listed(one, "one")
        bench.control.clear_faults()
        bench.control.fault("AssumeRoleWithOIDC", "latency", seconds=3.0)
        asked = bench.count("AssumeRoleWithOIDC")
        async with asyncio.timeout(20):
            while bench.count("AssumeRoleWithOIDC") == asked:
                await bench.listed(one, "one")
        await bench.listed(one, "one")
        # The listing came while the trial was still waiting for its key.
        assert bench.control.calls("AssumeRoleWithOIDC")[-1].status is None
        async with asyncio.timeout(30):
            while away.listings.failure(away.cloud) is not None:
                await bench.listed(one, "one")


class TestWithoutSts:
    async def test_each_secret_has_its_own_listing_until_sts_answers(self, bench: Bench) -> None:
        bench.control.fault("GetCallerIdentity", "error-503", lasts=0)
        one, more = await bench.of("one"), await bench.of("one-more")
        assert one.identity is more.identity is None
        assert one.listings is not more.listings
        assert await bench.listed(one, "one") == set()
        bench.control.clear_faults()
        shared = await bench.account_once("one", lambda account: account.identity)
        others = await bench.account_once("one-more", lambda account: account.identity)
        assert shared.listings is others.listings
        assert {"one", "one-more"} <= bench.woken

    async def test_a_rotated_key_stays_where_it_was(self, bench: Bench) -> None:
        bench.control.fault("GetCallerIdentity", "error-503", lasts=0)
        one = await bench.of("one")
        await bench.listed(one, "one")
        bench.cluster.secret("AK-SIM-2", "SK-SIM-2", name="one")
        bench.control.delete_key("AK-SIM")
        asked = bench.count("GetCallerIdentity")
        await bench.account_once("one", lambda _: bench.count("GetCallerIdentity") > asked)
        assert await bench.of("one") is one
        await bench.listed(one, "one")


class TestCredentials:
    async def test_that_are_missing_are_named(self, bench: Bench) -> None:
        bench.cluster.delete("Secret", "one")
        with pytest.raises(NotFound, match="create the Secret one in namespace") as missing:
            await bench.of("one")
        assert missing.value.reason == "CredentialsMissing"
        bench.cluster.create(
            "Secret", {"metadata": {"name": "one"}, "stringData": {"accessKeyId": "AK-SIM"}}
        )
        with pytest.raises(NotFound, match="lacks accessKeySecret: add it"):
            await bench.of("one")

    async def test_that_are_no_text_are_named_but_not_told(self, bench: Bench) -> None:
        bench.cluster.delete("Secret", "one")
        data = {"accessKeyId": "/w==", "accessKeySecret": "/w=="}
        bench.cluster.create("Secret", {"metadata": {"name": "one"}, "data": data})
        with pytest.raises(UserError, match="is not text: write it anew") as wrong:
            await bench.of("one")
        assert wrong.value.__cause__ is None


class TestWhatAHaVipNeeds:
    async def test_is_listed_and_nothing_else(self, bench: Bench) -> None:
        one = await bench.of("one")
        await bench.listed(one, "one")
        assert {each.action for each in bench.control.calls()} == {
            "GetCallerIdentity",
            "DescribeHaVips",
        }
        assert one.listings.of("one", EIPS).latest is None
        needs = Needs(v_switches=frozenset({"vsw-sim"}), instances=frozenset({"i-node1", "i-no"}))
        one.listings.needs("one", needs)
        assert await bench.listed(one, "one", INSTANCES) == {"i-node1"}
        interfaces = await bench.listed(one, "one", network_interfaces("vsw-sim"))
        assert len(interfaces) == 3
        assert bench.count("DescribeEipAddresses") == bench.count("DescribeRouteEntryList") == 0

    async def test_is_listed_no_more_when_nobody_needs_it(self, bench: Bench) -> None:
        one = await bench.of("one")
        await bench.of("one", "other")
        for uid in ("one", "other"):
            one.listings.needs(uid, Needs(allocates=True))
        await bench.listed(one, "one", EIPS)
        one.listings.needs("one", Needs())
        assert one.listings.of("one", EIPS).latest is None
        assert one.listings.of("other", EIPS).latest is not None
        bench.accounts.forget("other")
        asked = bench.count("DescribeEipAddresses")
        one.listings.needs("one", Needs(allocates=True))
        assert await bench.listed(one, "one", EIPS) == set()
        assert bench.count("DescribeEipAddresses") > asked

    async def test_said_again_costs_nothing(self, bench: Bench) -> None:
        one = await bench.of("one")
        needs = Needs(instances=frozenset({"i-node1"}))
        one.listings.needs("one", needs)
        await bench.listed(one, "one", INSTANCES)
        asked = bench.count("DescribeInstances")
        for _ in range(50):
            one.listings.needs("one", needs)
        await bench.listed(one, "one")  # time enough for another
        assert bench.count("DescribeInstances") == asked

    async def test_that_is_new_is_not_read_from_an_older_listing(self, bench: Bench) -> None:
        one = await bench.of("one")
        await bench.of("one", "other")
        eip = await one.cloud.allocate_eip(
            NewEip(5, "PayByTraffic", "BGP", "", "e", "", "", {}), "token"
        )
        one.listings.needs("other", Needs(eips=frozenset({"eip-none"})))
        await bench.listed(one, "other", EIPS)
        one.listings.needs("one", Needs(eips=frozenset({eip})))
        eips = one.listings.of("one", EIPS)
        assert (eips.latest, eips.unseen(eip)) == (None, 0)
        await bench.until(lambda: eips.latest)
        assert eips.latest is not None
        assert set(eips.latest.items) == {eip}
        assert eips.unseen(eip) == 0
        assert eips.unseen("eip-none") == 1
        assert one.listings.of("other", EIPS).unseen("eip-none") >= 2

    async def test_is_found_by_the_clusters_tag_where_eips_are_allocated(
        self, bench: Bench
    ) -> None:
        one = await bench.of("one")
        found = [
            await one.cloud.allocate_eip(
                NewEip(5, "PayByTraffic", "BGP", "", "e", "", "", tags), f"token-{number}"
            )
            for number, tags in enumerate((TAGS, {"havip.dev/cluster": "other"}))
        ]
        one.listings.needs("one", Needs(allocates=True))
        assert await bench.listed(one, "one", EIPS) == {found[0]}
        one.listings.needs("one", Needs(allocates=True, eips=frozenset({found[1]})))
        assert await bench.listed(one, "one", EIPS) == set(found)

    async def test_and_is_not_there_is_the_error_of_that_listing_alone(self, bench: Bench) -> None:
        one = await bench.of("one")
        one.listings.needs("one", Needs(route_tables=frozenset({"vtb-none"})))
        await bench.until(lambda: one.listings.of("one", routes("vtb-none")).error)
        assert isinstance(one.listings.of("one", routes("vtb-none")).error, NotFound)
        await bench.listed(one, "one")
        assert one.listings.of("one", HA_VIPS).error is None
        assert one.listings.failure(one.cloud) is None


def test_the_sample_has_what_these_tests_build_on() -> None:
    assert {each.account_id for each in two_accounts().accounts} == {FIRST, SECOND}
    assert sample().accounts[0].account_id == FIRST
