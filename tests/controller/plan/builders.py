"""Pictures of the world in few words, and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from havip.api.conditions import Condition, ConditionType, find_condition
from havip.api.havip import AdoptedState, HaVip, HaVipStatus, Holder
from havip.api.havipclass import HaVipClass
from havip.api.havipnode import HaVipNodeStatus
from havip.cloud.port import (
    EipFacts,
    HaVipFacts,
    InstanceFacts,
    InstanceType,
    NetworkInterfaceFacts,
    NewRoute,
    ResourceType,
    RouteFacts,
)
from havip.controller.cloudview import (
    CloudView,
    EipView,
    NetworkInterfaceView,
    RouteView,
    wanted_tags,
)
from havip.controller.observe import NodeFacts, Observation, RegisterFacts, Taint
from havip.controller.plan import Plan, plan
from havip.controller.plan.steps import (
    Associate,
    AssociateEip,
    CreateRoute,
    DeleteRoute,
    Step,
    Unassociate,
    UnassociateEip,
    Untag,
)
from havip.controller.status import holder_of, status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINE = "havip-1"
ADDRESS = "10.0.0.9"
TABLE = "vtb-1"
BLOCK = "10.9.0.0/16"
ECS = InstanceType.ECS_INSTANCE
CARD = InstanceType.NETWORK_INTERFACE
OURS = ("havip.dev/cluster", "havip.dev/name", "havip.dev/uid")
BY_CARD: dict[str, Any] = {"members": {"type": "NetworkInterface"}}


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def klass(**limits: int) -> HaVipClass:
    spec = {"region": "r-1", "vSwitchId": "vsw-a", "limits": limits}
    return HaVipClass.from_json({"metadata": {"name": "c"}, "spec": spec})


def condition(
    type_: str, state: str = "True", reason: str = "", since: float = 0
) -> dict[str, Any]:
    return {
        "type": type_,
        "status": state,
        "reason": reason or type_,
        "lastTransitionTime": ago(since).isoformat(),
    }


def havip(
    *,
    deleted: float | None = None,
    known: str | None = MINE,
    fence: str = "",
    state: dict[str, Any] | None = None,
    **spec: Any,
) -> HaVip:
    """A HaVip; ``deleted`` is how many seconds ago it was, ``known`` its id in the status."""
    metadata: dict[str, Any] = {"name": "web", "namespace": "n", "uid": "u", "generation": 1}
    if deleted is not None:
        metadata["deletionTimestamp"] = ago(deleted).isoformat()
    if fence:
        metadata["annotations"] = {"havip.dev/fence": fence}
    told: dict[str, Any] = {}
    if known:
        told = {"haVipId": known, "address": ADDRESS, "conditions": [condition("Provisioned")]}
    return HaVip.from_json(
        {
            "metadata": metadata,
            "spec": {"className": "c", **spec},
            "status": {**told, **(state or {})},
        }
    )


OUR_TAGS = wanted_tags(havip(), "k", {})


def facts(*members: str, **changed: Any) -> HaVipFacts:
    usual: dict[str, Any] = {
        "ha_vip_id": MINE,
        "address": ADDRESS,
        "status": "InUse" if members else "Available",
        "v_switch_id": "vsw-a",
        "vpc_id": "vpc-1",
        "name": "n-web",
        "associated_type": str(ECS) if members else "",
        "associated_instances": frozenset(members),
        "tags": OUR_TAGS,
    }
    return HaVipFacts(**{**usual, **changed})


def cards_of(*members: str, **changed: Any) -> HaVipFacts:
    return facts(*members, **{"associated_type": str(CARD), **changed})


def agent(number: int, *, heard: float = 0, **told: Any) -> HaVipNodeStatus:
    return HaVipNodeStatus(instance_id=f"i-{number}", heartbeat_at=ago(heard), **told)


def node(number: int, *, heard: float = 0, out: bool = False, **known: Any) -> NodeFacts:
    """A node that is well; ``heard`` is how long ago its agent spoke, ``out`` taints it."""
    usual: dict[str, Any] = {
        "instance_id": f"i-{number}",
        "v_switch_id": "vsw-a",
        "ready": True,
        "agent": agent(number, heard=heard),
    }
    if out:
        taint = Taint("node.kubernetes.io/out-of-service", "nodeshutdown", "NoExecute")
        usual["taints"] = (taint,)
    return NodeFacts(name=f"node{number}", **{**usual, **known})


def dead(number: int) -> NodeFacts:
    """A node of which nobody hears anything."""
    return node(number, heard=600, ready=False)


def card(number: int, of: int | None = None, **known: Any) -> NetworkInterfaceFacts:
    usual: dict[str, Any] = {
        "network_interface_id": f"eni-{number}",
        "instance_id": f"i-{of}" if of is not None else "",
        "v_switch_id": "vsw-a",
        "primary": False,
        "status": "InUse",
    }
    return NetworkInterfaceFacts(**{**usual, **known})


def eip(number: int, at: str = "", **known: Any) -> EipFacts:
    """An EIP of nobody, bound to ``at``."""
    usual: dict[str, Any] = {
        "allocation_id": f"eip-{number}",
        "address": f"47.0.0.{number}",
        "status": "InUse" if at else "Available",
        "instance_id": at,
        "instance_type": "HaVip" if at else "",
        "charge_type": "PostPaid",
        "business_status": "Normal",
        "bandwidth_mbps": 5,
    }
    return EipFacts(**{**usual, **known})


def allocated(number: int, at: str = "", **known: Any) -> EipFacts:
    """An EIP that we allocated."""
    return eip(number, at, **{"tags": OUR_TAGS, "name": "n-web", **known})


def eips(*facts: EipFacts, listings: int = 9) -> EipView:
    return EipView({each.allocation_id: each for each in facts}, listings)


def entry(
    destination: str = BLOCK, to: str = MINE, *, table: str = TABLE, status: str = "Available"
) -> RouteFacts:
    return RouteFacts(f"rte-{destination}", table, destination, "HaVip", to, status)


def table(*entries: RouteFacts, **known: Any) -> dict[str, RouteView]:
    return {TABLE: RouteView(entries, **{"listings": 9, **known})}


def route(destination: str = BLOCK, table: str = TABLE) -> dict[str, str]:
    return {"routeTableId": table, "destination": destination}


def noted(destination: str = BLOCK, state: str = "Bound", table: str = TABLE) -> dict[str, str]:
    return {**route(destination, table), "state": state}


def member(number: int, state: str = "Associated", **known: Any) -> dict[str, Any]:
    return {"node": f"node{number}", "instanceId": f"i-{number}", "state": state, **known}


def instance(number: int, **known: Any) -> InstanceFacts:
    return InstanceFacts(f"i-{number}", "Running", "vpc-1", "vsw-a", **known)


def had(*members: str, **known: Any) -> AdoptedState:
    """What an adopted HaVip had."""
    return AdoptedState(members=members, **{"name": "old", **known})


def seen(
    object_: HaVip | None = None, mine: HaVipFacts | None = None, *nodes: NodeFacts, **known: Any
) -> Observation:
    """A picture in which the cloud has been seen."""
    usual: dict[str, Any] = {
        "now": NOW,
        "cluster_id": "k",
        "havip": object_ or havip(),
        "klass": klass(),
        "cloud": CloudView(mine=mine),
        "listed": {mine.ha_vip_id: mine} if mine else {},
        "nodes": nodes,
    }
    return Observation(**{**usual, **known})


def cards(*facts: NetworkInterfaceFacts) -> NetworkInterfaceView:
    return NetworkInterfaceView(facts)


def held_by(number: int, *members: int, **known: Any) -> dict[str, Any]:
    """The register: its holder, those whose promises it counts, and for how long it is still."""
    names = tuple(f"node{each}" for each in (number, *members))
    return {"register": RegisterFacts(names[0], 3, names), **known}


# -- what is said


def decide(picture: Observation) -> Plan:
    return plan(picture, holder_of(picture))


def report(picture: Observation) -> HaVipStatus:
    return status(picture, decide(picture))


def told(picture: Observation, type_: ConditionType) -> Condition:
    found = find_condition(report(picture).conditions, type_)
    assert found is not None
    return found


def after(picture: Observation, **changed: Any) -> Observation:
    """The picture of the next round: with the status that this one leads to."""
    before = changed.pop("havip", picture.havip)
    return replace(picture, havip=before.model_copy(update={"status": report(picture)}), **changed)


def states(picture: Observation) -> dict[str, str]:
    return {each.node: str(each.state) for each in report(picture).members}


def holder(number: int, since: float = 0) -> Holder:
    return Holder(node=f"node{number}", instance_id=f"i-{number}", epoch=3, since=ago(since))


# -- steps


def join(number: int) -> Step:
    return Associate(MINE, f"i-{number}", ECS, f"node{number}")


def leave(
    number: int, *, force: bool = False, fencing: bool = False, nameless: bool = False
) -> Step:
    name = "" if nameless else f"node{number}"
    return Unassociate(MINE, f"i-{number}", ECS, name, force, fencing)


def bind(number: int) -> Step:
    return AssociateEip(f"eip-{number}", MINE)


def unbind(number: int) -> Step:
    return UnassociateEip(f"eip-{number}", MINE)


def give_up(number: int) -> Step:
    return Untag(ResourceType.EIP, f"eip-{number}", OURS)


def add_route(destination: str = BLOCK, table: str = TABLE) -> Step:
    return CreateRoute(NewRoute(table, destination, MINE, "", "HaVip n/web"))


def remove_route(destination: str = BLOCK, table: str = TABLE) -> Step:
    return DeleteRoute(table, destination, f"rte-{destination}")
