"""What to do next for one HaVip: at most one change in the cloud. Pure.

The cloud takes one change of a HaVip at a time, and everything else is worked out anew from what
it then shows. So a plan has no memory and no second step.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from havip.api.conditions import ConditionType, Reason, find_condition
from havip.api.errors import HaVipError, InvalidSpec, NotFound, OwnedByAnother
from havip.api.havip import DeletionPolicy, HaVip, MemberState
from havip.api.names import TAG_CLUSTER, TAG_NAME, TAG_UID
from havip.cloud.port import HaVipFacts, NewHaVip
from havip.controller.observe import (
    NodeFacts,
    Observation,
    RegisterFacts,
    owner_of,
    ownership,
)
from havip.controller.selection import Selection, select

RELEASE_SECONDS = 10.0
"""How long a deletion waits for the agents to let go of the address."""


@dataclass(frozen=True, slots=True)
class Create:
    """Make the HaVip. ``instead_of`` is the id of one that was lost, empty for the first."""

    new: NewHaVip
    instead_of: str


@dataclass(frozen=True, slots=True)
class Tag:
    """Add or mend tags."""

    ha_vip_id: str
    tags: Mapping[str, str]
    adopting: bool = False


@dataclass(frozen=True, slots=True)
class Untag:
    """Take tags off."""

    ha_vip_id: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Modify:
    """Mend name and description."""

    ha_vip_id: str
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Move:
    """Move to another resource group."""

    ha_vip_id: str
    resource_group_id: str


@dataclass(frozen=True, slots=True)
class Associate:
    """Make an instance a member."""

    ha_vip_id: str
    instance_id: str
    node: str


@dataclass(frozen=True, slots=True)
class Unassociate:
    """End a membership."""

    ha_vip_id: str
    instance_id: str
    node: str
    force: bool


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the HaVip."""

    ha_vip_id: str


Step = Create | Tag | Untag | Modify | Move | Associate | Unassociate | Delete


@dataclass(frozen=True, slots=True)
class Member:
    """A node that is, becomes, ceases to be or cannot be a member."""

    node: NodeFacts
    state: MemberState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The next step, and what is to be said while there is none."""

    step: Step | None = None
    members: tuple[Member, ...] = ()
    wanted: int = 0
    trouble: HaVipError | None = None
    waiting: str = ""
    """What is waited for, as a sentence; empty when all is as wanted."""
    retry_seconds: float | None = None
    """When to look again though nothing is heard."""
    watch_cloud: bool = False
    """The cloud is in transition: have it listed soon."""
    done: bool = False
    """A deletion is complete; nothing of the object is left to us."""
    note: str = ""
    """What the user would want to hear about the end of a deletion."""


def plan(seen: Observation) -> Plan:
    """Decide on the next step."""
    if seen.havip.metadata.deletion_timestamp is not None:
        return _teardown(seen)
    members, wanted = _members(seen)
    base = Plan(members=members, wanted=wanted)
    return _next(seen, base)


def _next(seen: Observation, base: Plan) -> Plan:
    havip, cloud = seen.havip, seen.cloud
    if seen.trouble is not None:
        return _with(base, trouble=seen.trouble)
    if havip.spec.suspend:
        return _with(base, waiting="spec.suspend is set: nothing is changed in the cloud.")
    if seen.klass is None or cloud is None:
        return _with(base, waiting="The cloud has not been seen yet.")
    mine = cloud.mine
    if mine is None:
        return _absent(seen, base)
    if cloud.foreign:
        return _with(
            base,
            trouble=OwnedByAnother(
                f"{mine.ha_vip_id} belongs to {cloud.foreign}: delete the object there, or take"
                f" the tags {TAG_CLUSTER} and {TAG_UID} off the HaVip."
            ),
        )
    if mine.v_switch_id != seen.klass.spec.v_switch_id:
        return _with(
            base,
            trouble=InvalidSpec(
                f"{mine.ha_vip_id} is in vSwitch {mine.v_switch_id}, the class"
                f" {seen.klass.metadata.name} in {seen.klass.spec.v_switch_id}: name a class of"
                " that vSwitch."
            ),
        )
    if not mine.settled:
        return _with(base, waiting=f"The cloud says {mine.status}.", watch_cloud=True)
    step = _mend(seen, mine) or _tidy(cloud.surplus) or _membership(seen, mine, base.members)
    leaving = [each.node.name for each in base.members if each.state is MemberState.LEAVING]
    waiting = f"Waiting for {', '.join(leaving)} to hand the address over." if leaving else ""
    return _with(
        base,
        step=step,
        waiting=waiting,
        watch_cloud=any(not each.settled for each in cloud.surplus),
        retry_seconds=1.0 if leaving and step is None else None,
    )


def _absent(seen: Observation, base: Plan) -> Plan:
    havip, cloud, klass = seen.havip, seen.cloud, seen.klass
    if cloud is None or klass is None or not cloud.absent:
        return _with(
            base, waiting="The HaVip is missing from one listing; looking again.", watch_cloud=True
        )
    if havip.spec.adopt:
        return _with(
            base,
            trouble=NotFound(
                f"{havip.spec.adopt.ha_vip_id} is not in region {klass.spec.region} of this"
                " account: correct spec.adopt.haVipId or the class.",
                reason=Reason.ADOPTED_NOT_FOUND,
            ),
        )
    new = NewHaVip(
        v_switch_id=klass.spec.v_switch_id,
        # One that was lost comes back with the address its clients know.
        address=havip.spec.address or havip.status.address or "",
        name=havip.cloud_name,
        description=havip.spec.description,
        resource_group_id=havip.spec.resource_group_id or "",
        tags=wanted_tags(havip, seen.cluster_id),
    )
    return _with(base, step=Create(new, instead_of=havip.status.ha_vip_id or ""))


def ever_tried(havip: HaVip) -> bool:
    """Tell whether the cloud may have something of this object.

    The condition Provisioned is written before the first change is asked for, and never taken
    away; an object without it left nothing behind.
    """
    return find_condition(havip.status.conditions, ConditionType.PROVISIONED) is not None


def _with(
    base: Plan,
    *,
    step: Step | None = None,
    trouble: HaVipError | None = None,
    waiting: str = "",
    watch_cloud: bool = False,
    retry_seconds: float | None = None,
) -> Plan:
    return Plan(
        step=step,
        members=base.members,
        wanted=base.wanted,
        trouble=trouble,
        waiting=waiting,
        watch_cloud=watch_cloud,
        retry_seconds=retry_seconds,
    )


def wanted_tags(havip: HaVip, cluster_id: str) -> dict[str, str]:
    """Tags that a HaVip has in the cloud: the user's and ours."""
    name = f"{havip.metadata.namespace}/{havip.metadata.name}"
    return {**havip.spec.tags, **ownership(cluster_id, havip.metadata.uid), TAG_NAME: name}


def _mend(seen: Observation, mine: HaVipFacts) -> Step | None:
    """Mend what somebody changed, or what the user wants otherwise now."""
    havip = seen.havip
    wanted = wanted_tags(havip, seen.cluster_id)
    missing = {key: value for key, value in wanted.items() if mine.tags.get(key) != value}
    if missing:
        adopting = owner_of(mine, seen.cluster_id, havip.metadata.uid) == ""
        return Tag(mine.ha_vip_id, missing, adopting=adopting and havip.spec.adopt is not None)
    if (mine.name, mine.description) != (havip.cloud_name, havip.spec.description):
        return Modify(mine.ha_vip_id, havip.cloud_name, havip.spec.description)
    group = havip.spec.resource_group_id
    if group and group != mine.resource_group_id:
        return Move(mine.ha_vip_id, group)
    return None


def _tidy(surplus: tuple[HaVipFacts, ...]) -> Step | None:
    """Take away a second HaVip with our tags, should there ever be one."""
    for facts in surplus:
        if facts.settled:
            return _dismantle(facts, {})
    return None


def _membership(seen: Observation, mine: HaVipFacts, members: tuple[Member, ...]) -> Step | None:
    """Let leavers go, then take joiners, one at a time."""
    staying = {
        each.node.instance_id
        for each in members
        if each.state in (MemberState.ASSOCIATED, MemberState.LEAVING)
    }
    names = {each.instance_id: each.name for each in seen.nodes if each.instance_id}
    for instance_id in _backups_first(mine):
        if instance_id not in staying:
            force = instance_id == mine.master_instance_id
            return Unassociate(mine.ha_vip_id, instance_id, names.get(instance_id, ""), force)
    for each in members:
        if each.state is MemberState.ASSOCIATING:
            return Associate(mine.ha_vip_id, each.node.instance_id, each.node.name)
    return None


def _backups_first(facts: HaVipFacts) -> list[str]:
    return sorted(
        facts.associated_instances, key=lambda each: (each == facts.master_instance_id, each)
    )


def _members(seen: Observation) -> tuple[tuple[Member, ...], int]:
    """Work out the state of each node; unknown while the class or the cloud is unknown."""
    if seen.klass is None or seen.cloud is None:
        return (), 0
    mine = seen.cloud.mine
    associated = mine.associated_instances if mine else frozenset()
    selection: Selection = select(
        seen.havip.spec,
        seen.nodes,
        region=seen.klass.spec.region,
        v_switch_id=seen.klass.spec.v_switch_id,
        members=associated,
        refused=seen.refused,
    )
    members = [
        Member(
            node,
            MemberState.ASSOCIATED if node.instance_id in associated else MemberState.ASSOCIATING,
        )
        for node in selection.chosen
    ]
    chosen = {node.name for node in selection.chosen}
    reasons = {node.name: reason for node, reason in selection.refused}
    for node in sorted(seen.nodes, key=lambda each: each.name):
        if node.name in chosen:
            continue
        if node.instance_id and node.instance_id in associated:
            holds = seen.register is not None and seen.register.holder == node.name
            goes = holds and node.name not in seen.waited_for
            state = MemberState.LEAVING if goes else MemberState.UNASSOCIATING
            reason = reasons.get(node.name, "spec.members does not select it any more.")
            members.append(Member(node, state, reason))
        elif node.name in reasons:
            members.append(Member(node, MemberState.REFUSED, reasons[node.name]))
    return tuple(members), selection.wanted


# -- deletion


def _teardown(seen: Observation) -> Plan:
    """Undo in order: address released, members out (the master last), the HaVip itself.

    What is retained stays in the cloud with its members, just as it is; it only loses our tags,
    so that another object may adopt it.
    """
    havip, cloud = seen.havip, seen.cloud
    if cloud is None or seen.klass is None:
        if not ever_tried(havip):
            return Plan(done=True)
        return Plan(trouble=seen.trouble, waiting="Deletion waits for the cloud.")
    if seen.trouble is not None:
        return Plan(trouble=seen.trouble, waiting="Deletion waits for the cloud.")
    if havip.spec.suspend:
        return Plan(
            waiting="spec.suspend is set, so deletion waits: set spec.suspend to false to let it"
            " go on."
        )
    facts = cloud.mine
    if facts is None:
        return Plan(done=True) if cloud.absent else Plan(watch_cloud=True, waiting="Looking again.")
    if owner_of(facts, seen.cluster_id, havip.metadata.uid) != "us":
        # Never touch what does not carry our tags: not ours, or not ours any more.
        return Plan(done=True, note=f"{facts.ha_vip_id} is left in the cloud.")
    remaining = _release_seconds(seen, seen.register)
    if remaining > 0:
        return Plan(
            waiting=f"Waiting for {seen.register.holder if seen.register else ''} to release"
            " the address.",
            retry_seconds=remaining,
        )
    left_out = DeletionPolicy.RETAIN if havip.spec.adopt else DeletionPolicy.DELETE
    if (havip.spec.deletion_policy or left_out) is DeletionPolicy.RETAIN:
        ours = tuple(key for key in (TAG_CLUSTER, TAG_NAME, TAG_UID) if key in facts.tags)
        return Plan(step=Untag(facts.ha_vip_id, ours), waiting="Leaving the HaVip in the cloud.")
    names = {each.instance_id: each.name for each in seen.nodes if each.instance_id}
    for each in (*cloud.surplus, facts):
        if each.settled:
            return Plan(step=_dismantle(each, names), waiting="Removing it from the cloud.")
    return Plan(waiting=f"The cloud says {facts.status}.", watch_cloud=True)


def _release_seconds(seen: Observation, register: RegisterFacts | None) -> float:
    deleted_at = seen.havip.metadata.deletion_timestamp
    if register is None or not register.holder or deleted_at is None:
        return 0.0
    return RELEASE_SECONDS - (seen.now - deleted_at).total_seconds()


def _dismantle(facts: HaVipFacts, names: Mapping[str, str]) -> Step:
    members = _backups_first(facts)
    if not members:
        return Delete(facts.ha_vip_id)
    first = members[0]
    # The cloud may name another master by now; Force costs nothing where it is not needed.
    return Unassociate(facts.ha_vip_id, first, names.get(first, ""), force=len(members) == 1)
