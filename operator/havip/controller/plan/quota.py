"""What would go over a limit is not asked for: the refusal says who uses the limit up.

Pure. The limits are the class's; what the cloud itself refuses counts all the same.
"""

from collections.abc import Iterable

from havip.api.errors import QuotaExceeded
from havip.api.havip import MemberType
from havip.api.names import TAG_NAME
from havip.cloud.port import HaVipFacts
from havip.controller.cloudview import RouteView
from havip.controller.observe import Observation

NAMED_USERS = 10
"""How many of those who use a limit up are named."""


def _name(facts: HaVipFacts) -> str:
    known_as = facts.tags.get(TAG_NAME) or facts.name
    return f"{facts.ha_vip_id} ({known_as})" if known_as else facts.ha_vip_id


def _names(users: Iterable[HaVipFacts]) -> str:
    told = sorted(_name(each) for each in users)
    more = f" and {len(told) - NAMED_USERS} more" if len(told) > NAMED_USERS else ""
    return ", ".join(told[:NAMED_USERS]) + more


def vpc_is_full(seen: Observation) -> QuotaExceeded | None:
    """Say why no HaVip can be created: the VPC has as many as it may."""
    klass = seen.klass
    if klass is None:
        return None
    vpc_id = klass.spec.vpc_id or next(
        (e.vpc_id for e in seen.listed.values() if e.v_switch_id == klass.spec.v_switch_id), ""
    )
    users = [each for each in seen.listed.values() if vpc_id and each.vpc_id == vpc_id]
    limit = klass.spec.limits.ha_vips_per_vpc
    if len(users) < limit:
        return None
    return QuotaExceeded(
        f"The VPC {vpc_id} has {len(users)} HaVips, and {limit} are allowed: delete one of"
        f" {_names(users)}; or have the quota raised, and say so in spec.limits.haVipsPerVpc of the"
        f" HaVipClass {klass.metadata.name}."
    )


def instance_is_full(seen: Observation, member_id: str) -> str:
    """Say why an instance can join no further HaVip; empty when it can."""
    klass, mine = seen.klass, seen.mine
    if klass is None or seen.havip.spec.members.type is not MemberType.ECS_INSTANCE:
        return ""
    users = [
        each
        for each in seen.listed.values()
        if member_id in each.associated_instances
        and (mine is None or each.ha_vip_id != mine.ha_vip_id)
    ]
    limit = klass.spec.limits.ha_vips_per_instance
    if len(users) < limit:
        return ""
    return (
        f"{member_id} is a member of {len(users)} HaVips, and {limit} are allowed: take it out of"
        f" one of {_names(users)}."
    )


def table_is_full(
    seen: Observation, table: str, view: RouteView, going: int = 0
) -> QuotaExceeded | None:
    """Say why a route table takes no further route to a HaVip, once ``going`` entries are gone."""
    klass = seen.klass
    if klass is None or len(view.entries) - going < klass.spec.limits.routes_per_table:
        return None
    used = ", ".join(
        sorted(f"{each.destination} to {each.next_hop_id}" for each in view.entries)[:NAMED_USERS]
    )
    return QuotaExceeded(
        f"{table} has {len(view.entries)} routes to HaVips, and"
        f" {klass.spec.limits.routes_per_table} are allowed: remove one of {used}; or have the"
        " quota raised, and say so in spec.limits.routesPerTable of the HaVipClass"
        f" {klass.metadata.name}."
    )
