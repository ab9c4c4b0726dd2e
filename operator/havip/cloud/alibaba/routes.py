"""Routes whose next hop is a HaVip."""

from alibabacloud_vpc20160428.models import (
    CreateRouteEntryRequest,
    DeleteRouteEntryRequest,
    DescribeRouteEntryListRequest,
    DescribeRouteTableListRequest,
)

from havip.api.errors import NotFound
from havip.cloud.alibaba.answers import Part
from havip.cloud.alibaba.connection import Family
from havip.cloud.alibaba.listing import by_number, by_token
from havip.cloud.port import NewRoute, RouteFacts

TABLES_PER_PAGE = 50
ENTRIES_PER_PAGE = 100
HA_VIP = "HaVip"


class Routes(Family):
    """See ``havip.cloud.port.RouteCalls``."""

    async def describe_route_tables(self, vpc_id: str) -> tuple[str, ...]:
        """List the ids of the route tables of a VPC."""
        request = DescribeRouteTableListRequest(
            region_id=self._region, vpc_id=vpc_id, page_size=TABLES_PER_PAGE
        )
        items = await by_number(
            self._connection, request, "RouterTableList", "RouterTableListType", "RouteTableId"
        )
        return tuple(item.text("RouteTableId") for item in items if item.text("VpcId") == vpc_id)

    async def describe_routes(self, route_table_id: str) -> tuple[RouteFacts, ...]:
        """List the entries of a table that lead to HaVips."""
        request = DescribeRouteEntryListRequest(next_hop_type=HA_VIP)
        found = await self._list_entries(route_table_id, request)
        return tuple(each for each in found if each.next_hop_type == HA_VIP)

    async def find_route(self, route_table_id: str, destination: str) -> RouteFacts | None:
        """Look up the entry of a table for exactly this block."""
        request = DescribeRouteEntryListRequest(destination_cidr_block=destination)
        found = await self._list_entries(route_table_id, request)
        return next((each for each in found if each.destination == destination), None)

    async def create_route(self, new: NewRoute, token: str) -> None:
        """Add an entry that leads to a HaVip."""
        await self._connection.call(
            CreateRouteEntryRequest(
                region_id=self._region,
                route_table_id=new.route_table_id,
                destination_cidr_block=new.destination,
                next_hop_type=HA_VIP,
                next_hop_id=new.ha_vip_id,
                route_entry_name=new.name or None,
                description=new.description or None,
                client_token=token,
            )
        )

    async def delete_route(self, route_entry_id: str) -> None:
        """Delete an entry."""
        try:
            await self._connection.call(
                DeleteRouteEntryRequest(region_id=self._region, route_entry_id=route_entry_id)
            )
        except NotFound as error:
            if not error.code.startswith("InvalidRouteEntry"):
                raise

    async def _list_entries(
        self, route_table_id: str, request: DescribeRouteEntryListRequest
    ) -> list[RouteFacts]:
        request.region_id = self._region
        request.route_table_id = route_table_id
        request.max_result = ENTRIES_PER_PAGE
        items = await by_token(
            self._connection, request, "RouteEntrys", "RouteEntry", "RouteEntryId", counted=True
        )
        facts = (_route(item) for item in items)
        return [each for each in facts if each.route_table_id == route_table_id]


def _route(item: Part) -> RouteFacts:
    # More than one next hop has only what leads to several router interfaces at once.
    hop = next(iter(item.parts("NextHops", "NextHop")), None)
    return RouteFacts(
        route_entry_id=item.text("RouteEntryId"),
        route_table_id=item.text("RouteTableId"),
        destination=item.text("DestinationCidrBlock"),
        next_hop_type=hop.text("NextHopType") if hop else "",
        next_hop_id=hop.optional("NextHopId") if hop else "",
        status=item.text("Status"),
        name=item.optional("RouteEntryName"),
        description=item.optional("Description"),
    )
