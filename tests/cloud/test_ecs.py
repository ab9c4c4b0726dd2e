"""Instances, network interfaces and vSwitches, over the real SDK."""

from __future__ import annotations

import pytest

from havip.cloud.alibaba import AlibabaCloud
from havip.cloud.port import InstanceType
from havip.simcloud.server import running
from tests.cloud.conftest import NEW, Connect, token, topology


async def test_instances_are_looked_up(cloud: AlibabaCloud) -> None:
    found = await cloud.describe_instances(["i-node1", "i-node3", "i-nowhere"])
    assert {each.instance_id: each.v_switch_id for each in found} == {
        "i-node1": "vsw-sim",
        "i-node3": "vsw-sim",
    }
    assert {each.vpc_id for each in found} == {"vpc-sim"}
    assert {each.status for each in found} == {"Running"}


async def test_an_instance_tells_where_it_is_placed(connect: Connect) -> None:
    given = topology()
    placed = given.instances[0].model_copy(
        update={
            "deployment_set_id": "ds-1",
            "deployment_set_group_no": 2,
            "dedicated_host_id": "dh-1",
        }
    )
    with running(given.model_copy(update={"instances": (placed, *given.instances[1:])})) as sim:
        found = await connect(sim.endpoint).describe_instances(["i-node1", "i-node2"])
    first, second = sorted(found, key=lambda each: each.instance_id)
    assert (first.deployment_set_id, first.deployment_set_group) == ("ds-1", 2)
    assert first.dedicated_host_id == "dh-1"
    assert (second.deployment_set_id, second.deployment_set_group) == ("", 0)
    assert second.dedicated_host_id == ""


async def test_more_instances_than_fit_a_call_are_looked_up(
    cloud: AlibabaCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("havip.cloud.alibaba.ecs.INSTANCES_PER_CALL", 2)
    found = await cloud.describe_instances(["i-node1", "i-node2", "i-node3"])
    assert len(found) == 3
    assert await cloud.describe_instances([]) == ()


async def test_network_interfaces_of_a_v_switch_are_listed(cloud: AlibabaCloud) -> None:
    found = {
        each.network_interface_id: each
        for each in await cloud.describe_network_interfaces("vsw-sim")
    }
    assert set(found) == {"eni-node1", "eni-node2", "eni-node3", "eni-second", "eni-loose"}
    second = found["eni-second"]
    assert second.instance_id == "i-node1"
    assert not second.primary
    assert second.status == "InUse"
    assert (second.mac, second.address) == ("02:00:0a:4d:00:1f", "10.77.0.31")
    assert second.tags == {"team": "second"}
    assert not second.service_managed
    assert found["eni-node1"].primary
    assert found["eni-loose"].instance_id == ""
    assert found["eni-loose"].status == "Available"
    assert await cloud.describe_network_interfaces("vsw-nowhere") == ()


async def test_a_listing_of_network_interfaces_has_all_pages(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("havip.cloud.alibaba.ecs.INTERFACES_PER_PAGE", 10)
    given = topology()
    more = tuple(
        given.network_interfaces[1].model_copy(
            update={
                "network_interface_id": f"eni-{number}",
                "mac_address": f"02:00:0a:4d:01:{number:02x}",
            }
        )
        for number in range(25)
    )
    with running(given.model_copy(update={"network_interfaces": more})) as sim:
        cloud = connect(sim.endpoint)
        assert len(await cloud.describe_network_interfaces("vsw-sim")) == 28
        assert len(sim.control.calls("DescribeNetworkInterfaces")) == 3


async def test_a_network_interface_is_a_member(cloud: AlibabaCloud) -> None:
    kind = InstanceType.NETWORK_INTERFACE
    ha_vip = await cloud.create_ha_vip(NEW, token())
    await cloud.associate(ha_vip, "eni-second", kind, token())
    [facts] = await cloud.describe_ha_vips()
    assert facts.associated_type == kind
    assert facts.associated_instances == {"eni-second"}
    await cloud.unassociate(ha_vip, "eni-second", kind, token(), force=False)
    [facts] = await cloud.describe_ha_vips()
    assert facts.associated_instances == frozenset()
    assert facts.associated_type == ""


async def test_a_v_switch_is_looked_up(cloud: AlibabaCloud) -> None:
    found = await cloud.describe_v_switch("vsw-sim")
    assert found is not None
    assert (found.vpc_id, found.zone_id) == ("vpc-sim", "cn-hangzhou-a")
    assert found.cidr_block == "10.77.0.0/24"
    assert 0 < found.available_addresses < 256
    assert await cloud.describe_v_switch("vsw-nowhere") is None
