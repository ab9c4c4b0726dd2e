"""What the controller tells of the HaVips, as a pure function of what it heard."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from havip.api.errors import Throttled
from havip.api.names import LABEL_UID
from havip.cloud.call import Call
from havip.controller import measures
from havip.controller.events import News
from havip.controller.metrics import Ears, readings
from havip.controller.world import World
from havip.metrics import Measure

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WEB = ("default", "web")


def havip(name: str = "web", **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "default", "uid": name},
        "spec": {"className": "main"},
        "status": status,
    }


def member(node: str, state: str = "Associated", **known: Any) -> dict[str, Any]:
    return {"node": node, "instanceId": f"i-{node}", "state": state, **known}


def told(world: World, measure: Measure, drift: Any = None) -> dict[tuple[str, ...], float]:
    found = [each for each in readings(world, drift or {}, NOW) if each.measure is measure]
    assert all(len(each.labels) == len(measure.labels) for each in found)
    return {each.labels: each.value for each in found}


def test_a_condition_is_told_with_its_reason() -> None:
    world = World()
    no_holder = {"type": "Held", "status": "False", "reason": "NoHolder"}
    world.saw_havip(havip(conditions=[{**no_holder, "lastTransitionTime": NOW.isoformat()}]))
    assert told(world, measures.CONDITION) == {(*WEB, "Held", "False", "NoHolder"): 1}


def test_the_holder_and_the_epoch_are_those_of_the_register() -> None:
    world = World()
    world.saw_havip(havip())
    spec = {"holderIdentity": "node2", "leaseTransitions": 7}
    metadata = {"name": "havip-web", "labels": {LABEL_UID: "web"}, "resourceVersion": "1"}
    world.saw_lease({"metadata": metadata, "spec": spec})
    assert told(world, measures.HOLDER) == {(*WEB, "node2"): 1}
    assert told(world, measures.REGISTER_EPOCH) == {WEB: 7}


def test_a_member_that_is_not_associated_is_no_healthy_one() -> None:
    world = World()
    members = [
        member("node1", healthy=True),
        member("node2", healthy=False),
        member("node3", "Refused", healthy=True),
    ]
    world.saw_havip(havip(members=members, wantedMembers=3, readyMembers=2))
    assert told(world, measures.MEMBERS_HEALTHY) == {WEB: 1}
    assert told(world, measures.MEMBERS_READY) == {WEB: 2}
    assert told(world, measures.MEMBERS_WANTED) == {WEB: 3}


def test_an_agent_s_silence_is_told_of_members_alone() -> None:
    world = World()
    world.saw_havip(havip(members=[member("node1"), member("node2")]))
    for name in ("node1", "node2", "node3"):
        world.saw_node({"metadata": {"name": name}})
    heard = (NOW - timedelta(seconds=42)).isoformat()
    world.saw_agent({"metadata": {"name": "node1"}, "status": {"heartbeatAt": heard}})
    assert told(world, measures.AGENT_SILENCE) == {("node1",): 42, ("node2",): math.inf}


def test_the_last_failover_is_told_phase_by_phase_in_seconds() -> None:
    world = World()
    failover = {"from": "node1", "to": "node2", "at": NOW.isoformat(), "reason": "crash"}
    phases = {"detected": 0, "acquired": 120, "announced": 125}
    world.saw_havip(havip(lastFailover={**failover, "phases": phases}))
    assert told(world, measures.FAILOVER_PHASE) == {
        (*WEB, "acquired"): 0.12,
        (*WEB, "announced"): 0.125,
    }
    assert told(world, measures.FAILOVER_AT) == {WEB: NOW.timestamp()}


def test_of_a_quota_that_is_counted_apart_the_fullest_is_told() -> None:
    world = World()
    limits = {"haVipsPerVpc": 40, "routesPerTable": 8, "haVipsPerInstance": 4}
    spec = {"region": "r-1", "vSwitchId": "vsw-1", "limits": limits}
    world.saw_class({"metadata": {"name": "main"}, "spec": spec, "status": {"haVips": 30}})
    for name, table in (("web", "vtb-1"), ("shop", "vtb-1"), ("mail", "vtb-2")):
        route = {"routeTableId": table, "destination": "10.9.0.0/16", "state": "Bound"}
        world.saw_havip(havip(name, members=[member("node1")], routes=[route], readyMembers=1))
    assert told(world, measures.QUOTA_USED) == {
        ("main", "HaVipsPerVpc"): 30,
        ("main", "RoutesPerTable"): 2,
        ("main", "MembersPerHaVip"): 1,
        ("main", "HaVipsPerInstance"): 3,
    }
    assert told(world, measures.QUOTA_LIMIT)["main", "RoutesPerTable"] == 8


def test_mended_drift_is_counted_by_its_event_which_is_still_posted() -> None:
    world, ears, posted = World(), Ears(), list[str]()
    world.saw_havip(havip())
    tell = ears.telling(lambda _, news: posted.append(news.reason))
    for reason in ("MemberJoined", "DriftMended"):
        tell(havip(), News(reason, "so it is"))
    assert told(world, measures.DRIFT, ears.drift) == {WEB: 1}
    assert posted == ["MemberJoined", "DriftMended"]


def test_nothing_is_told_of_a_havip_that_is_gone() -> None:
    world, ears = World(), Ears()
    ears.telling(lambda *_: None)(havip(), News("DriftMended", "so it is"))
    assert list(readings(world, ears.drift, NOW)) == []


def test_calls_are_counted_by_how_they_ended() -> None:
    ears = Ears()
    ears.called(Call("CreateHaVip", waited=0.0, took=0.3, error=None))
    ears.called(Call("CreateHaVip", waited=2.0, took=0.1, error=Throttled("too many")))
    samples = {
        (sample.name, sample.labels.get("result")): sample.value
        for family in ears.ledger.collect()
        for sample in family.samples
        if not sample.name.endswith("_bucket")
    }
    assert samples["havip_cloud_call_duration_seconds_count", "Ok"] == 1
    assert samples["havip_cloud_call_duration_seconds_count", "Throttled"] == 1
    assert samples["havip_cloud_call_wait_seconds_total", None] == 2
