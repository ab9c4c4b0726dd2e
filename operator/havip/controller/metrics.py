"""What there is to know of the HaVips, as metrics: read from what the watches brought. Pure.

Besides, the ears that count what happens: reconciles, calls to the cloud, events.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from havip.api.conditions import Condition
from havip.api.havip import HaVip, MemberState
from havip.api.havipclass import HaVipClass
from havip.cloud.call import Call
from havip.controller import measures
from havip.controller.events import DRIFT_MENDED, News
from havip.controller.world import World
from havip.metrics import Ledger, Measure, Reading

Key = tuple[str, str]
"""Namespace and name of a HaVip."""


class Ears:
    """Counts what happens in the controller."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.drift: Counter[Key] = Counter()

    def reconciled(self, result: str, seconds: float) -> None:
        """Count a look at a HaVip."""
        self.ledger.observe(measures.RECONCILES, result, value=seconds)

    def called(self, call: Call) -> None:
        """Count a call to the cloud."""
        result = "Ok" if call.error is None else type(call.error).__name__
        self.ledger.observe(measures.CLOUD_CALLS, call.action, result, value=call.took)
        self.ledger.count(measures.CLOUD_WAITS, call.action, by=call.waited)

    def telling(
        self, tell: Callable[[Mapping[str, Any], News], None]
    ) -> Callable[[Mapping[str, Any], News], None]:
        """Return what counts an event, and then posts it by ``tell``."""

        def counted(body: Mapping[str, Any], told: News) -> None:
            if told.reason == DRIFT_MENDED:
                self.drift[body["metadata"]["namespace"], body["metadata"]["name"]] += 1
            tell(body, told)

        return counted


def readings(world: World, drift: Mapping[Key, int], now: datetime) -> Iterator[Reading]:
    """Return what is so now."""
    havips = list(world.havips.values())
    for havip in havips:
        key = (havip.metadata.namespace, havip.metadata.name)
        yield Reading(measures.DRIFT, key, drift.get(key, 0))
        yield from _of_havip(havip, key)
        register = world.registers.get(havip.metadata.uid)
        if register is not None:
            yield Reading(measures.REGISTER_EPOCH, key, register.epoch)
            if register.holder:
                yield Reading(measures.HOLDER, (*key, register.holder), 1)
    yield from _of_agents(world, havips, now)
    for klass in world.classes.values():
        name = klass.metadata.name
        yield from _conditions(measures.CLASS_CONDITION, (name,), klass.status.conditions)
        members = [each for each in havips if each.spec.class_name == name]
        yield from _quotas(klass, members)


def _of_havip(havip: HaVip, key: Key) -> Iterator[Reading]:
    status = havip.status
    yield from _conditions(measures.CONDITION, key, status.conditions)
    ready = [each for each in status.members if each.state is MemberState.ASSOCIATED]
    yield Reading(measures.MEMBERS_WANTED, key, status.wanted_members or 0)
    yield Reading(measures.MEMBERS_READY, key, status.ready_members or 0)
    yield Reading(measures.MEMBERS_HEALTHY, key, sum(1 for each in ready if each.healthy))
    request = status.announce_request
    yield Reading(measures.ANNOUNCE_REQUESTED, key, request.number if request else 0)
    if status.last_failover is not None:
        yield Reading(measures.FAILOVER_AT, key, status.last_failover.at.timestamp())
        for phase, millis in status.last_failover.phases.to_json().items():
            if phase != "detected":
                yield Reading(measures.FAILOVER_PHASE, (*key, phase), millis / 1000)


def _conditions(
    measure: Measure, labels: tuple[str, ...], conditions: Iterable[Condition]
) -> Iterator[Reading]:
    for each in conditions:
        yield Reading(measure, (*labels, each.type, str(each.status), each.reason), 1)


def _of_agents(world: World, havips: Iterable[HaVip], now: datetime) -> Iterator[Reading]:
    members = {each.node for havip in havips for each in havip.status.members}
    for node in world.nodes:
        if node.name in members:
            heard = node.agent.heartbeat_at if node.agent else None
            silence = (now - heard).total_seconds() if heard else math.inf
            yield Reading(measures.AGENT_SILENCE, (node.name,), max(0.0, silence))


def _quotas(klass: HaVipClass, havips: Iterable[HaVip]) -> Iterator[Reading]:
    tables: Counter[str] = Counter()
    instances: Counter[str] = Counter()
    largest = 0
    for havip in havips:
        tables.update(each.route_table_id for each in havip.status.routes)
        instances.update(each.instance_id for each in havip.status.members if each.instance_id)
        largest = max(largest, havip.status.ready_members or 0)
    limits, name = klass.spec.limits, klass.metadata.name
    quotas = {
        "HaVipsPerVpc": (klass.status.ha_vips or 0, limits.ha_vips_per_vpc),
        "RoutesPerTable": (max(tables.values(), default=0), limits.routes_per_table),
        "MembersPerHaVip": (largest, limits.members_per_ha_vip),
        "HaVipsPerInstance": (max(instances.values(), default=0), limits.ha_vips_per_instance),
    }
    for quota, (used, limit) in quotas.items():
        yield Reading(measures.QUOTA_USED, (name, quota), used)
        yield Reading(measures.QUOTA_LIMIT, (name, quota), limit)
