"""Public addresses, over the real SDK."""

from __future__ import annotations

from dataclasses import replace

import pytest

from havip.api.errors import Busy, CloudError, NotFound, UserError
from havip.cloud.alibaba import AlibabaCloud
from havip.cloud.port import ResourceType
from havip.simcloud.profiles import Profile
from havip.simcloud.server import RunningCloud, running
from tests.cloud.conftest import NEW, NEW_EIP, Connect, token, topology
from tests.cloud.spoiler import Spoiler

OURS = {"a": "b"}


async def test_what_is_allocated_is_described(cloud: AlibabaCloud) -> None:
    allocation_id = await cloud.allocate_eip(NEW_EIP, token())
    [facts] = await cloud.describe_eips(tags=OURS, ids=[])
    assert facts.allocation_id == allocation_id
    assert facts.address
    assert (facts.name, facts.description) == ("shop", "door")
    assert facts.bandwidth_mbps == 5
    assert facts.charge_type == "PostPaid"
    assert facts.business_status == "Normal"
    assert facts.tags == OURS
    assert (facts.instance_id, facts.instance_type) == ("", "")
    assert facts.settled
    assert not facts.deletion_protection
    assert not facts.service_managed


async def test_what_an_eip_is_allocated_with_reaches_the_cloud(
    sim: RunningCloud, cloud: AlibabaCloud
) -> None:
    new = replace(NEW_EIP, bandwidth_mbps=7, isp="BGP_PRO", public_ip_pool="pippool-1")
    await cloud.allocate_eip(replace(new, resource_group_id="rg-shop"), token())
    [call] = sim.control.calls("AllocateEipAddress")
    assert {
        "Bandwidth": "7",
        "ISP": "BGP_PRO",
        "InternetChargeType": "PayByTraffic",
        "InstanceChargeType": "PostPaid",
        "PublicIpAddressPoolId": "pippool-1",
        "ResourceGroupId": "rg-shop",
        "RegionId": "cn-hangzhou",
    }.items() <= call.parameters.items()


async def test_the_same_token_allocates_nothing_new(cloud: AlibabaCloud) -> None:
    once = token()
    first = await cloud.allocate_eip(NEW_EIP, once)
    assert await cloud.allocate_eip(NEW_EIP, once) == first
    assert len(await cloud.describe_eips(tags=OURS, ids=[])) == 1


async def test_every_change_of_an_eip_is_seen(cloud: AlibabaCloud) -> None:
    eip = await cloud.allocate_eip(NEW_EIP, token())
    await cloud.modify_eip(eip, name="gate", description="", bandwidth_mbps=9)
    await cloud.tag(ResourceType.EIP, eip, {"c": "d"})
    await cloud.untag(ResourceType.EIP, eip, ["a"])
    await cloud.move_resource_group(ResourceType.EIP, eip, "rg-other")
    [facts] = await cloud.describe_eips(tags={}, ids=[eip])
    assert (facts.name, facts.description, facts.bandwidth_mbps) == ("gate", "", 9)
    assert facts.tags == {"c": "d"}
    assert facts.resource_group_id == "rg-other"


async def test_an_eip_is_bound_and_unbound_and_released(cloud: AlibabaCloud) -> None:
    ha_vip = await cloud.create_ha_vip(NEW, token())
    eip = await cloud.allocate_eip(NEW_EIP, token())
    await cloud.associate_eip(eip, ha_vip, token())
    [bound] = await cloud.describe_eips(tags={}, ids=[eip])
    assert (bound.instance_id, bound.instance_type) == (ha_vip, "HaVip")
    [facts] = await cloud.describe_ha_vips()
    assert facts.associated_eip_addresses == {bound.address}
    await cloud.unassociate_eip(eip, ha_vip, token())
    await cloud.release_eip(eip)
    assert await cloud.describe_eips(tags=OURS, ids=[eip]) == ()


async def test_a_listing_by_tags_gives_no_eip_of_others(cloud: AlibabaCloud) -> None:
    mine = await cloud.allocate_eip(NEW_EIP, token())
    await cloud.allocate_eip(replace(NEW_EIP, tags={"a": "other"}), token())
    found = await cloud.describe_eips(tags=OURS, ids=[])
    assert [each.allocation_id for each in found] == [mine]


async def test_an_eip_found_by_tag_and_by_id_is_given_once(
    sim: RunningCloud, cloud: AlibabaCloud
) -> None:
    eip = await cloud.allocate_eip(NEW_EIP, token())
    found = await cloud.describe_eips(tags=OURS, ids=[eip, eip, "eip-elsewhere", "eip-nowhere"])
    assert sorted(each.allocation_id for each in found) == sorted([eip, "eip-elsewhere"])


async def test_an_eip_is_looked_up_by_its_address(cloud: AlibabaCloud) -> None:
    eip = await cloud.allocate_eip(NEW_EIP, token())
    [facts] = await cloud.describe_eips(tags={}, ids=[eip])
    addresses = [facts.address, "198.51.100.9", "203.0.113.1"]
    found = await cloud.describe_eips(tags=OURS, ids=[eip], addresses=addresses)
    assert sorted(each.allocation_id for each in found) == sorted([eip, "eip-elsewhere"])


async def test_without_tags_or_ids_nothing_is_asked(sim: RunningCloud, cloud: AlibabaCloud) -> None:
    assert await cloud.describe_eips(tags={}, ids=[]) == ()
    assert sim.control.calls() == []


async def test_a_filter_that_the_cloud_leaves_out_brings_no_strangers(
    spoiler: Spoiler, connect: Connect
) -> None:
    """A filter that the cloud does not understand is ignored: all EIPs come back."""
    stranger = {
        "AllocationId": "eip-stranger",
        "IpAddress": "198.51.100.8",
        "Status": "Available",
        "Bandwidth": "5",
        "ChargeType": "PostPaid",
    }
    spoiler.spoil(
        "DescribeEipAddresses",
        lambda body: {**body, "TotalCount": 1, "EipAddresses": {"EipAddress": [stranger]}},
    )
    cloud = connect(spoiler.endpoint)
    assert await cloud.describe_eips(tags=OURS, ids=["eip-ours"]) == ()
    assert len(await cloud.describe_eips(tags={}, ids=["eip-stranger"])) == 1


async def test_a_listing_of_eips_has_all_pages(
    cloud: AlibabaCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("havip.cloud.alibaba.eips.PAGE_SIZE", 2)
    monkeypatch.setattr("havip.cloud.alibaba.eips.NAMES_PER_CALL", 3)
    made = {await cloud.allocate_eip(NEW_EIP, token()) for _ in range(7)}
    by_tag = await cloud.describe_eips(tags=OURS, ids=[])
    by_id = await cloud.describe_eips(tags={}, ids=made)
    addresses = [each.address for each in by_id]
    by_address = await cloud.describe_eips(tags={}, ids=[], addresses=addresses)
    for found in (by_tag, by_id, by_address):
        assert {each.allocation_id for each in found} == made


async def test_releasing_what_is_gone_is_done(cloud: AlibabaCloud) -> None:
    await cloud.release_eip("eip-nowhere")


async def test_unbinding_what_is_not_bound_so_is_done(cloud: AlibabaCloud) -> None:
    ha_vip = await cloud.create_ha_vip(NEW, token())
    free = await cloud.allocate_eip(NEW_EIP, token())
    for eip in (free, "eip-elsewhere", "eip-nowhere"):
        await cloud.unassociate_eip(eip, ha_vip, token())
    [elsewhere] = await cloud.describe_eips(tags={}, ids=["eip-elsewhere"])
    assert elsewhere.instance_id == "i-node2"


async def test_an_eip_that_is_on_its_way_is_not_unbound(connect: Connect) -> None:
    with running(topology(), Profile("slow", associate_eip=(60, 60))) as sim:
        cloud = connect(sim.endpoint)
        ha_vip = await cloud.create_ha_vip(NEW, token())
        eip = await cloud.allocate_eip(NEW_EIP, token())
        await cloud.associate_eip(eip, ha_vip, token())
        with pytest.raises(Busy):
            await cloud.unassociate_eip(eip, ha_vip, token())
        [facts] = await cloud.describe_eips(tags={}, ids=[eip])
        assert facts.instance_id == ha_vip
        assert not facts.settled


async def test_a_bound_eip_is_not_released(cloud: AlibabaCloud) -> None:
    with pytest.raises(Busy):
        await cloud.release_eip("eip-elsewhere")


async def test_an_eip_that_is_not_there_is_the_users_matter(cloud: AlibabaCloud) -> None:
    ha_vip = await cloud.create_ha_vip(NEW, token())
    with pytest.raises(NotFound) as told:
        await cloud.associate_eip("eip-nowhere", ha_vip, token())
    assert told.value.reason == "EipNotFound"


async def test_a_second_eip_for_a_ha_vip_is_the_users_matter(cloud: AlibabaCloud) -> None:
    ha_vip = await cloud.create_ha_vip(NEW, token())
    first, second = [await cloud.allocate_eip(NEW_EIP, token()) for _ in range(2)]
    await cloud.associate_eip(first, ha_vip, token())
    with pytest.raises(UserError) as told:
        await cloud.associate_eip(second, ha_vip, token())
    assert told.value.reason == "EipElsewhere"


async def test_an_eip_that_is_not_paid_for_is_the_users_matter(
    sim: RunningCloud, cloud: AlibabaCloud
) -> None:
    ha_vip = await cloud.create_ha_vip(NEW, token())
    eip = await cloud.allocate_eip(NEW_EIP, token())
    sim.control.set_eip(eip, business_status="FinancialLocked")
    with pytest.raises(UserError) as told:
        await cloud.associate_eip(eip, ha_vip, token())
    assert told.value.reason == "EipUnusable"
    assert "pay" in str(told.value)
    [facts] = await cloud.describe_eips(tags={}, ids=[eip])
    assert facts.business_status == "FinancialLocked"


async def test_what_protects_an_eip_is_told(sim: RunningCloud, cloud: AlibabaCloud) -> None:
    eip = await cloud.allocate_eip(NEW_EIP, token())
    sim.control.set_eip(eip, charge_type="PrePaid", deletion_protection=True, service_managed=True)
    [facts] = await cloud.describe_eips(tags={}, ids=[eip])
    assert facts.charge_type == "PrePaid"
    assert facts.deletion_protection
    assert facts.service_managed


@pytest.mark.parametrize("kind", ["drop-after", "error-500-after", "truncated", "missing-keys"])
async def test_an_allocation_without_a_clear_answer_may_have_been_made(
    sim: RunningCloud, cloud: AlibabaCloud, kind: str
) -> None:
    once = token()
    sim.control.fault("AllocateEipAddress", kind)
    with pytest.raises(CloudError) as told:
        await cloud.allocate_eip(NEW_EIP, once)
    assert told.value.outcome_unknown
    [made] = await cloud.describe_eips(tags=OURS, ids=[])
    assert await cloud.allocate_eip(NEW_EIP, once) == made.allocation_id
