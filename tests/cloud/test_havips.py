"""HaVips, and what holds for all calls, over the real SDK."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from havip.api.errors import (
    AddressTaken,
    CloudError,
    CredentialsRefused,
    NotFound,
    Throttled,
    Unavailable,
)
from havip.cloud.alibaba import AlibabaCloud
from havip.cloud.credentials import Credentials
from havip.cloud.limiter import Buckets, TokenBucket
from havip.cloud.port import InstanceType, ResourceType
from havip.simcloud.server import RunningCloud
from tests.cloud.conftest import NEW, Connect, token

ECS = InstanceType.ECS_INSTANCE


async def test_what_is_created_is_described(cloud: AlibabaCloud) -> None:
    ha_vip_id = await cloud.create_ha_vip(NEW, token())
    await cloud.associate(ha_vip_id, "i-node1", ECS, token())
    [facts] = await cloud.describe_ha_vips()
    assert facts.ha_vip_id == ha_vip_id
    assert facts.address == "10.77.0.50"
    assert (facts.name, facts.description) == ("web", "front")
    assert facts.v_switch_id == "vsw-sim"
    assert facts.associated_instances == {"i-node1"}
    assert facts.tags == {"a": "b"}
    assert facts.settled


async def test_every_change_is_seen(cloud: AlibabaCloud) -> None:
    ha_vip_id = await cloud.create_ha_vip(NEW, token())
    await cloud.modify_ha_vip(ha_vip_id, "shop", "", token())
    await cloud.tag(ResourceType.HA_VIP, ha_vip_id, {"c": "d"})
    await cloud.untag(ResourceType.HA_VIP, ha_vip_id, ["a"])
    await cloud.move_resource_group(ResourceType.HA_VIP, ha_vip_id, "rg-other")
    [facts] = await cloud.describe_ha_vips()
    assert facts.name == "shop"
    assert facts.tags == {"c": "d"}
    assert facts.resource_group_id == "rg-other"
    await cloud.associate(ha_vip_id, "i-node1", ECS, token())
    await cloud.unassociate(ha_vip_id, "i-node1", ECS, token(), force=False)
    await cloud.delete_ha_vip(ha_vip_id, token())
    assert await cloud.describe_ha_vips() == ()


async def test_a_listing_has_all_pages(
    cloud: AlibabaCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An account has at most 50 HaVips, one page; smaller pages try the paging all the same.
    monkeypatch.setattr("havip.cloud.alibaba.havips.PAGE_SIZE", 2)
    made = {await cloud.create_ha_vip(replace(NEW, address=""), token()) for _ in range(5)}
    assert {each.ha_vip_id for each in await cloud.describe_ha_vips()} == made


async def test_the_same_token_makes_nothing_new(cloud: AlibabaCloud) -> None:
    once = token()
    first = await cloud.create_ha_vip(NEW, once)
    assert await cloud.create_ha_vip(NEW, once) == first
    assert len(await cloud.describe_ha_vips()) == 1


async def test_ending_what_has_ended_is_done(cloud: AlibabaCloud) -> None:
    await cloud.delete_ha_vip("havip-nowhere", token())
    ha_vip_id = await cloud.create_ha_vip(NEW, token())
    await cloud.associate(ha_vip_id, "i-node1", ECS, token())
    await cloud.unassociate(ha_vip_id, "i-node2", ECS, token(), force=False)


async def test_a_taken_address_is_the_users_matter(cloud: AlibabaCloud) -> None:
    await cloud.create_ha_vip(NEW, token())
    with pytest.raises(AddressTaken) as told:
        await cloud.create_ha_vip(NEW, token())
    assert told.value.code.startswith("InvalidIPAddress")
    assert "request id" not in str(told.value)


async def test_an_unknown_v_switch_is_the_users_matter(cloud: AlibabaCloud) -> None:
    with pytest.raises(NotFound) as told:
        await cloud.create_ha_vip(replace(NEW, v_switch_id="vsw-nowhere"), token())
    assert told.value.reason == "VSwitchNotFound"


async def test_a_wrong_key_is_the_users_matter(sim: RunningCloud, connect: Connect) -> None:
    with pytest.raises(CredentialsRefused):
        await connect(sim.endpoint, Credentials("AK-SIM", "wrong")).describe_ha_vips()


@pytest.mark.parametrize("kind", ["malformed", "garbled", "drop-before", "error-503", "proxy-503"])
async def test_a_listing_that_makes_no_sense_is_not_empty(
    sim: RunningCloud, cloud: AlibabaCloud, kind: str
) -> None:
    await cloud.create_ha_vip(NEW, token())
    sim.control.fault("DescribeHaVips", kind)
    with pytest.raises(Unavailable) as told:
        await cloud.describe_ha_vips()
    assert not told.value.outcome_unknown


@pytest.mark.parametrize(
    "kind", ["malformed", "garbled", "drop-before", "drop-after", "error-500", "proxy-503"]
)
async def test_a_change_without_a_clear_answer_may_have_been_made(
    sim: RunningCloud, cloud: AlibabaCloud, kind: str
) -> None:
    sim.control.fault("CreateHaVip", kind)
    with pytest.raises(CloudError) as told:
        await cloud.create_ha_vip(NEW, token())
    assert told.value.outcome_unknown


async def test_throttling_pauses_the_action(sim: RunningCloud, connect: Connect) -> None:
    paused: list[float] = []

    class Bucket(TokenBucket):
        def pause(self, seconds: float) -> None:
            paused.append(seconds)

    cloud = connect(sim.endpoint, buckets=Buckets(lambda: Bucket(100, 100)))
    sim.control.fault("DescribeHaVips", "throttle", seconds=2)
    with pytest.raises(Throttled) as told:
        await cloud.describe_ha_vips()
    assert told.value.retry_after == 2.0
    assert paused == [2.0]


async def test_a_slow_call_holds_up_no_other(sim: RunningCloud, cloud: AlibabaCloud) -> None:
    sim.control.fault("DescribeHaVips", "latency", seconds=1.0)
    slow = asyncio.create_task(cloud.describe_ha_vips())
    while not sim.control.calls("DescribeHaVips"):  # noqa: ASYNC110 -- another thread's doing
        await asyncio.sleep(0.01)
    await cloud.describe_v_switch("vsw-sim")
    assert not slow.done()
    assert await slow == ()


def test_the_sdk_prints_nothing_by_itself() -> None:
    for name in ("darabonba-core", "alibabacloud-tea", "credentials"):
        assert logging.getLogger(name).handlers == []
