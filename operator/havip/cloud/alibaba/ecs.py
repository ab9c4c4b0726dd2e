"""Instances and network interfaces: looked at, never changed."""

import json
from collections.abc import Collection

from alibabacloud_ecs20140526.models import (
    DescribeInstancesRequest,
    DescribeNetworkInterfacesRequest,
)

from havip.cloud.alibaba.answers import Part
from havip.cloud.alibaba.connection import Family
from havip.cloud.alibaba.listing import by_token
from havip.cloud.port import InstanceFacts, NetworkInterfaceFacts

INSTANCES_PER_CALL = 100
INTERFACES_PER_PAGE = 500


class Ecs(Family):
    """See ``havip.cloud.port.EcsCalls``. ECS gives no count with pages that go by tokens."""

    async def describe_instances(self, ids: Collection[str]) -> tuple[InstanceFacts, ...]:
        """Look up instances, a hundred to a call."""
        ordered = sorted(set(ids))
        found: list[InstanceFacts] = []
        for start in range(0, len(ordered), INSTANCES_PER_CALL):
            some = ordered[start : start + INSTANCES_PER_CALL]
            request = DescribeInstancesRequest(
                region_id=self._region,
                instance_ids=json.dumps(some),
                max_results=INSTANCES_PER_CALL,
            )
            items = await by_token(
                self._connection, request, "Instances", "Instance", "InstanceId", counted=False
            )
            found += [each for each in map(_instance, items) if each.instance_id in some]
        return tuple(found)

    async def describe_network_interfaces(
        self, v_switch_id: str
    ) -> tuple[NetworkInterfaceFacts, ...]:
        """List the network interfaces in a vSwitch."""
        request = DescribeNetworkInterfacesRequest(
            region_id=self._region, v_switch_id=v_switch_id, max_results=INTERFACES_PER_PAGE
        )
        items = await by_token(
            self._connection,
            request,
            "NetworkInterfaceSets",
            "NetworkInterfaceSet",
            "NetworkInterfaceId",
            counted=False,
        )
        facts = (_network_interface(item) for item in items)
        return tuple(each for each in facts if each.v_switch_id == v_switch_id)


def _instance(item: Part) -> InstanceFacts:
    network = item.part("VpcAttributes")
    host = item.content.get("DedicatedHostAttribute")
    return InstanceFacts(
        instance_id=item.text("InstanceId"),
        status=item.text("Status"),
        # Empty for an instance outside of any VPC, but never left out.
        vpc_id=network.present("VpcId"),
        v_switch_id=network.present("VSwitchId"),
        deployment_set_id=item.optional("DeploymentSetId"),
        deployment_set_group=item.optional_number("DeploymentSetGroupNo"),
        dedicated_host_id=(
            item.part("DedicatedHostAttribute").optional("DedicatedHostId") if host else ""
        ),
    )


def _network_interface(item: Part) -> NetworkInterfaceFacts:
    return NetworkInterfaceFacts(
        network_interface_id=item.text("NetworkInterfaceId"),
        instance_id=item.optional("InstanceId"),
        v_switch_id=item.text("VSwitchId"),
        primary=item.text("Type") == "Primary",
        status=item.text("Status"),
        mac=item.optional("MacAddress"),
        address=item.optional("PrivateIpAddress"),
        service_managed=item.flag("ServiceManaged"),
        tags=item.tags("TagKey", "TagValue"),
    )
