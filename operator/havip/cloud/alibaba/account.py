"""What concerns the account and all kinds of resources: who calls, vSwitches, tags, groups."""

from collections.abc import Collection, Mapping

from alibabacloud_vpc20160428.models import (
    DescribeVSwitchesRequest,
    MoveResourceGroupRequest,
    TagResourcesRequest,
    TagResourcesRequestTag,
    UnTagResourcesRequest,
)

from havip.cloud.alibaba.connection import Family
from havip.cloud.alibaba.listing import by_number
from havip.cloud.port import Identity, ResourceType, VSwitchFacts

TAGGED_AS = {ResourceType.HA_VIP: "HAVIP", ResourceType.EIP: "EIP"}
"""What the actions on tags call a type of resources; those on groups call it as we do."""


class GetCallerIdentityRequest:
    """Asks nothing but who asks. The SDK has a package of its own for STS, which brings no more."""

    def to_map(self) -> dict[str, str]:
        """Return the parameters, as the SDK's requests do."""
        return {}


class Account(Family):
    """See ``havip.cloud.port.Cloud``."""

    async def identify(self) -> Identity:
        """Ask whom the credentials stand for."""
        body = await self._connection.call(GetCallerIdentityRequest())
        return Identity(body.text("AccountId"), body.text("Arn"))

    async def describe_v_switch(self, v_switch_id: str) -> VSwitchFacts | None:
        """Look up a vSwitch."""
        request = DescribeVSwitchesRequest(
            region_id=self._region, v_switch_id=v_switch_id, page_size=50
        )
        items = await by_number(self._connection, request, "VSwitches", "VSwitch", "VSwitchId")
        for item in items:
            if item.text("VSwitchId") == v_switch_id:
                return VSwitchFacts(
                    v_switch_id=v_switch_id,
                    vpc_id=item.text("VpcId"),
                    zone_id=item.text("ZoneId"),
                    cidr_block=item.text("CidrBlock"),
                    available_addresses=item.number("AvailableIpAddressCount"),
                )
        return None

    async def tag(self, kind: ResourceType, resource_id: str, tags: Mapping[str, str]) -> None:
        """Add tags or change their values."""
        await self._connection.call(
            TagResourcesRequest(
                region_id=self._region,
                resource_type=TAGGED_AS[kind],
                resource_id=[resource_id],
                tag=[
                    TagResourcesRequestTag(key=key, value=value)
                    for key, value in sorted(tags.items())
                ],
            )
        )

    async def untag(self, kind: ResourceType, resource_id: str, keys: Collection[str]) -> None:
        """Remove tags."""
        await self._connection.call(
            UnTagResourcesRequest(
                region_id=self._region,
                resource_type=TAGGED_AS[kind],
                resource_id=[resource_id],
                tag_key=sorted(keys),
            )
        )

    async def move_resource_group(
        self, kind: ResourceType, resource_id: str, resource_group_id: str
    ) -> None:
        """Move a resource to another resource group."""
        await self._connection.call(
            MoveResourceGroupRequest(
                region_id=self._region,
                resource_type=str(kind),
                resource_id=resource_id,
                new_resource_group_id=resource_group_id,
            )
        )
