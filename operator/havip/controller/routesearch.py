"""Looks through all route tables of a VPC for routes to a HaVip that no listing is made of.

Listed are only the tables that the object names. Others may lead to its HaVip from any table:
before it is adopted these routes are put on record, and one that is left keeps it from being
deleted. Each search costs a call or more for each table, so it is made once.
"""

from havip.api.errors import HaVipError
from havip.api.havip import AdoptedState
from havip.cloud.port import Cloud, HaVipFacts

ROUTE_LEFT = "DependencyViolation.HaVipRefer"
"""Beginning of the code of a deletion that a route stands in the way of."""


class RouteSearch:
    """What was searched for one HaVip."""

    def __init__(self) -> None:
        self.tables: frozenset[str] = frozenset()
        """All tables of the VPC, once a route in one of them stood in the way of the deletion."""
        self._found: tuple[str, AdoptedState] | None = None

    async def widen(self, refusal: HaVipError | None, cloud: Cloud, vpc_id: str) -> None:
        """Look for the route that stands in the way of a deletion, in all tables of the VPC."""
        hidden = refusal is not None and refusal.code.startswith(ROUTE_LEFT)
        if hidden and not self.tables:
            self.tables = frozenset(await cloud.describe_route_tables(vpc_id))

    async def before_adoption(self, cloud: Cloud, mine: HaVipFacts) -> AdoptedState:
        """Return what a HaVip has that is about to be adopted; seen once, before it is changed."""
        if self._found is None or self._found[0] != mine.ha_vip_id:
            leading: list[str] = []
            for table in await cloud.describe_route_tables(mine.vpc_id):
                leading += [
                    f"{table} {each.destination}"
                    for each in await cloud.describe_routes(table)
                    if each.next_hop_id == mine.ha_vip_id
                ]
            self._found = (mine.ha_vip_id, _state(mine, leading))
        return self._found[1]


def _state(mine: HaVipFacts, leading: list[str]) -> AdoptedState:
    return AdoptedState(
        name=mine.name,
        description=mine.description,
        resource_group_id=mine.resource_group_id,
        tags=dict(mine.tags),
        members=tuple(sorted(mine.associated_instances)),
        eip_addresses=tuple(sorted(mine.associated_eip_addresses)),
        routes=tuple(sorted(leading)),
    )
