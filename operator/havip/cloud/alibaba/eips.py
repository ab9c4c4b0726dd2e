"""Public addresses (EIPs)."""

from collections.abc import Collection, Mapping

from alibabacloud_vpc20160428.models import (
    AllocateEipAddressRequest,
    AllocateEipAddressRequestTag,
    AssociateEipAddressRequest,
    DescribeEipAddressesRequest,
    DescribeEipAddressesRequestTag,
    ModifyEipAddressAttributeRequest,
    ReleaseEipAddressRequest,
    UnassociateEipAddressRequest,
)

from havip.api.errors import HaVipError, NotFound
from havip.cloud.alibaba.answers import Part
from havip.cloud.alibaba.connection import Family
from havip.cloud.alibaba.listing import by_number
from havip.cloud.port import EipFacts, NewEip

PAGE_SIZE = 100
"""EIPs per page, the most the cloud gives."""
NAMES_PER_CALL = 50
"""Ids or addresses that one call may ask for."""

GONE = "InvalidAllocationId"
NOT_BOUND_SO = ("IncorrectEipStatus", "InvalidBindingStatus", GONE)
"""Codes of the refusal to unbind an EIP that is in transition, unbound, elsewhere or gone."""


class Eips(Family):
    """See ``havip.cloud.port.EipCalls``."""

    async def describe_eips(
        self,
        *,
        tags: Mapping[str, str],
        ids: Collection[str],
        addresses: Collection[str] = (),
    ) -> tuple[EipFacts, ...]:
        """List by tags in one go, then look up the ids and addresses that this did not give."""
        found: dict[str, EipFacts] = {}
        if tags:
            wanted = [
                DescribeEipAddressesRequestTag(key=key, value=value)
                for key, value in sorted(tags.items())
            ]
            for facts in await self._list_eips(DescribeEipAddressesRequest(tag=wanted)):
                # The cloud leaves out a filter it does not understand.
                if tags.items() <= facts.tags.items():
                    found[facts.allocation_id] = facts
        for some in _batches(set(ids) - found.keys()):
            for facts in await self._list_eips(DescribeEipAddressesRequest(allocation_id=some)):
                if facts.allocation_id in some.split(","):
                    found[facts.allocation_id] = facts
        for some in _batches(set(addresses) - {each.address for each in found.values()}):
            for facts in await self._list_eips(DescribeEipAddressesRequest(eip_address=some)):
                if facts.address in some.split(","):
                    found[facts.allocation_id] = facts
        return tuple(found.values())

    async def allocate_eip(self, new: NewEip, token: str) -> str:
        """Allocate an EIP, paid as it is used."""
        body = await self._connection.call(
            AllocateEipAddressRequest(
                region_id=self._region,
                bandwidth=str(new.bandwidth_mbps),
                instance_charge_type="PostPaid",
                internet_charge_type=new.internet_charge_type or None,
                isp=new.isp or None,
                public_ip_address_pool_id=new.public_ip_pool or None,
                name=new.name or None,
                description=new.description or None,
                resource_group_id=new.resource_group_id or None,
                tag=[
                    AllocateEipAddressRequestTag(key=key, value=value)
                    for key, value in sorted(new.tags.items())
                ],
                client_token=token,
            )
        )
        return body.text("AllocationId")

    async def release_eip(self, allocation_id: str) -> None:
        """Release an EIP."""
        try:
            await self._connection.call(
                ReleaseEipAddressRequest(region_id=self._region, allocation_id=allocation_id)
            )
        except NotFound as error:
            if not error.code.startswith(GONE):
                raise

    async def modify_eip(
        self, allocation_id: str, *, name: str, description: str, bandwidth_mbps: int
    ) -> None:
        """Set name, description and bandwidth."""
        await self._connection.call(
            ModifyEipAddressAttributeRequest(
                region_id=self._region,
                allocation_id=allocation_id,
                name=name,
                description=description,
                bandwidth=str(bandwidth_mbps),
            )
        )

    async def associate_eip(self, allocation_id: str, ha_vip_id: str, token: str) -> None:
        """Bind an EIP to a HaVip."""
        await self._connection.call(
            AssociateEipAddressRequest(
                region_id=self._region,
                allocation_id=allocation_id,
                instance_id=ha_vip_id,
                instance_type="HaVip",
                client_token=token,
            )
        )

    async def unassociate_eip(self, allocation_id: str, ha_vip_id: str, token: str) -> None:
        """Unbind an EIP from a HaVip.

        The same codes refuse an EIP that is not bound and one that is in transition, so after a
        refusal its binding is looked at.
        """
        try:
            await self._connection.call(
                UnassociateEipAddressRequest(
                    region_id=self._region,
                    allocation_id=allocation_id,
                    instance_id=ha_vip_id,
                    instance_type="HaVip",
                    client_token=token,
                )
            )
        except HaVipError as error:
            if not error.code.startswith(NOT_BOUND_SO):
                raise
            found = await self.describe_eips(tags={}, ids=[allocation_id])
            if any(each.instance_id == ha_vip_id for each in found):
                raise

    async def _list_eips(self, request: DescribeEipAddressesRequest) -> list[EipFacts]:
        request.region_id = self._region
        request.page_size = PAGE_SIZE
        items = await by_number(
            self._connection, request, "EipAddresses", "EipAddress", "AllocationId"
        )
        return [_eip(item) for item in items]


def _batches(names: Collection[str]) -> list[str]:
    """Write names as the cloud takes them: as lists with commas, not too long."""
    ordered = sorted(names)
    return [
        ",".join(ordered[start : start + NAMES_PER_CALL])
        for start in range(0, len(ordered), NAMES_PER_CALL)
    ]


def _eip(item: Part) -> EipFacts:
    instance_id = item.optional("InstanceId")
    return EipFacts(
        allocation_id=item.text("AllocationId"),
        address=item.text("IpAddress"),
        status=item.text("Status"),
        instance_id=instance_id,
        instance_type=item.text("InstanceType") if instance_id else "",
        name=item.optional("Name"),
        description=item.optional("Description"),
        bandwidth_mbps=item.number("Bandwidth"),
        charge_type=item.text("ChargeType"),
        business_status=item.optional("BusinessStatus"),
        deletion_protection=item.flag("DeletionProtection"),
        service_managed=item.flag("ServiceManaged"),
        resource_group_id=item.optional("ResourceGroupId"),
        tags=item.tags(),
    )
