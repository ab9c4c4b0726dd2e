"""HaVips and their members."""

from alibabacloud_vpc20160428.models import (
    AssociateHaVipRequest,
    CreateHaVipRequest,
    CreateHaVipRequestTag,
    DeleteHaVipRequest,
    DescribeHaVipsRequest,
    ModifyHaVipAttributeRequest,
    UnassociateHaVipRequest,
)

from havip.api.errors import HaVipError, NotFound
from havip.cloud.alibaba.answers import Part
from havip.cloud.alibaba.connection import Family
from havip.cloud.alibaba.listing import by_number
from havip.cloud.port import HaVipFacts, InstanceType, NewHaVip

PAGE_SIZE = 50
"""HaVips per page, the most the cloud gives."""


class HaVips(Family):
    """See ``havip.cloud.port.HaVipCalls``."""

    async def describe_ha_vips(self) -> tuple[HaVipFacts, ...]:
        """List all HaVips of the region."""
        request = DescribeHaVipsRequest(region_id=self._region, page_size=PAGE_SIZE)
        items = await by_number(self._connection, request, "HaVips", "HaVip", "HaVipId")
        return tuple(_ha_vip(item) for item in items)

    async def create_ha_vip(self, new: NewHaVip, token: str) -> str:
        """Create a HaVip; the answer names it at once, though it is still being made."""
        body = await self._connection.call(
            CreateHaVipRequest(
                region_id=self._region,
                v_switch_id=new.v_switch_id,
                ip_address=new.address or None,
                name=new.name or None,
                description=new.description or None,
                resource_group_id=new.resource_group_id or None,
                tag=[
                    CreateHaVipRequestTag(key=key, value=value)
                    for key, value in sorted(new.tags.items())
                ],
                client_token=token,
            )
        )
        return body.text("HaVipId")

    async def delete_ha_vip(self, ha_vip_id: str, token: str) -> None:
        """Delete a HaVip."""
        try:
            await self._connection.call(
                DeleteHaVipRequest(region_id=self._region, ha_vip_id=ha_vip_id, client_token=token)
            )
        except NotFound as error:
            if not error.code.startswith("InvalidHaVip"):
                raise

    async def modify_ha_vip(self, ha_vip_id: str, name: str, description: str, token: str) -> None:
        """Set name and description."""
        await self._connection.call(
            ModifyHaVipAttributeRequest(
                region_id=self._region,
                ha_vip_id=ha_vip_id,
                name=name,
                description=description,
                client_token=token,
            )
        )

    async def associate(
        self, ha_vip_id: str, instance_id: str, instance_type: InstanceType, token: str
    ) -> None:
        """Make the instance or network interface a member."""
        await self._connection.call(
            AssociateHaVipRequest(
                region_id=self._region,
                ha_vip_id=ha_vip_id,
                instance_id=instance_id,
                instance_type=str(instance_type),
                client_token=token,
            )
        )

    async def unassociate(
        self,
        ha_vip_id: str,
        instance_id: str,
        instance_type: InstanceType,
        token: str,
        *,
        force: bool,
    ) -> None:
        """End the membership. Force goes out as a string: that is the API's type for it."""
        try:
            await self._connection.call(
                UnassociateHaVipRequest(
                    region_id=self._region,
                    ha_vip_id=ha_vip_id,
                    instance_id=instance_id,
                    instance_type=str(instance_type),
                    force="True" if force else "False",
                    client_token=token,
                )
            )
        except HaVipError as error:
            if not error.code.startswith("ResourceNotAssociated"):
                raise


def _ha_vip(item: Part) -> HaVipFacts:
    return HaVipFacts(
        ha_vip_id=item.text("HaVipId"),
        address=item.text("IpAddress"),
        status=item.text("Status"),
        v_switch_id=item.text("VSwitchId"),
        vpc_id=item.optional("VpcId"),
        name=item.optional("Name"),
        description=item.optional("Description"),
        resource_group_id=item.optional("ResourceGroupId"),
        master_instance_id=item.optional("MasterInstanceId"),
        associated_type=item.optional("AssociatedInstanceType"),
        # The small letters and the missing one are the cloud's own.
        associated_instances=item.texts("AssociatedInstances", "associatedInstance"),
        associated_eip_addresses=item.texts("AssociatedEipAddresses", "associatedEipAddresse"),
        tags=item.tags(),
        create_time=item.optional("CreateTime"),
    )
