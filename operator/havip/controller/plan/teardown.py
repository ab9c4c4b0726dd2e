"""Undo in order when the object is deleted: routes, EIP, members (the master last), the HaVip.

Pure. What becomes of it is told by ``spec.deletionPolicy``: *Delete* undoes all of it, *Retain*
leaves all of it as it is without our tags, so that another object may adopt it. Left out for an
adopted HaVip, what was added goes and what was found stays. An EIP is released only if we
allocated it.
"""

from dataclasses import replace
from typing import Any

from havip.api.havip import DeletionPolicy
from havip.cloud.port import EipFacts, HaVipFacts, InstanceType, ResourceType
from havip.controller.cloudview import OWNERSHIP_TAGS, EipView, owner_of
from havip.controller.needs import EIPS, HA_VIPS, Listing, routes
from havip.controller.observe import Observation, RegisterFacts
from havip.controller.plan.members import backups_first
from havip.controller.plan.outcome import Plan
from havip.controller.plan.owned import dispose, lingers, nothing_left, ours_bound, owned_eips
from havip.controller.plan.owned import found_before as eip_found_before
from havip.controller.plan.routes import found_before, is_gone, removal
from havip.controller.plan.steps import (
    EIP,
    HA_VIP,
    Delete,
    Modify,
    Move,
    Step,
    Tag,
    Unassociate,
    UnassociateEip,
    Untag,
    needs_rest,
    subject,
)

RELEASE_SECONDS = 10.0
"""How long a deletion waits for the agents to let go of the address."""


def teardown(seen: Observation) -> Plan:
    """Decide on the next step of a deletion; one is done only when the cloud shows it."""
    havip, cloud = seen.havip, seen.cloud
    if cloud is None or seen.klass is None or seen.trouble is not None:
        return Plan(trouble=seen.trouble, waiting="Deletion waits for the cloud.")
    if havip.spec.suspend:
        return Plan(
            waiting="spec.suspend is set, so deletion waits: set spec.suspend to false to let it"
            " go on."
        )
    mine = cloud.mine
    if mine is None and not cloud.absent:
        return Plan(watch=frozenset({HA_VIPS}), waiting="Looking again.")
    ours = mine is not None and owner_of(mine.tags, seen.cluster_id, havip.metadata.uid) == "us"
    if ours and (remaining := _release_seconds(seen, seen.register)) > 0:
        return Plan(
            waiting=f"Waiting for {seen.register.holder if seen.register else ''} to release"
            " the address.",
            retry_seconds=remaining,
        )
    policy = havip.spec.deletion_policy
    if policy is None and not havip.spec.adopt:
        policy = DeletionPolicy.DELETE
    # What is not ours (any more) is never touched; what we allocated for it goes all the same.
    ours_left = mine if ours else None
    planned = _routes(seen, ours_left, policy) or _eip(seen, ours_left, policy)
    return _in_time(seen, planned or _rest(seen, mine, policy))


def _in_time(seen: Observation, planned: Plan) -> Plan:
    """Hold back a step that was refused or failed a moment ago, and tell why."""
    step = planned.step
    if step is None:
        return planned
    about = subject(step)
    error = seen.setbacks.get(about) or seen.setbacks.get(HA_VIP)
    rests = about in seen.resting or (needs_rest(step) and HA_VIP in seen.resting)
    return replace(planned, step=None if rests else step, trouble=error)


def _release_seconds(seen: Observation, register: RegisterFacts | None) -> float:
    deleted_at = seen.havip.metadata.deletion_timestamp
    if register is None or not register.holder or deleted_at is None:
        return 0.0
    return RELEASE_SECONDS - (seen.now - deleted_at).total_seconds()


def _step(mine: HaVipFacts | None, step: Step, waiting: str) -> Plan:
    """Return the plan for a step, or to wait while the cloud takes none."""
    if mine is not None and not mine.settled:
        return Plan(waiting=f"The cloud says {mine.status}.", watch=frozenset({HA_VIPS}))
    return Plan(step=step, waiting=waiting)


# -- routes


def _routes(
    seen: Observation, mine: HaVipFacts | None, policy: DeletionPolicy | None
) -> Plan | None:
    if mine is None or policy is DeletionPolicy.RETAIN:
        return None
    tables = {each.route_table_id for each in seen.havip.status.routes} | set(seen.routes)
    watch: set[Listing[Any]] = set()
    for table in sorted(tables):
        view = seen.routes.get(table)
        if view is None:
            watch.add(routes(table))
            continue
        if is_gone(view):
            continue
        on_record = [
            each.destination for each in seen.havip.status.routes if each.route_table_id == table
        ]
        unfounded = [each for each in on_record if not found_before(seen.havip, (table, each))]
        if view.error is not None:
            if unfounded:
                return Plan(trouble=view.error, waiting="The routes cannot be looked at.")
            continue
        step, passing = removal(
            mine.ha_vip_id, view, None if policy is DeletionPolicy.DELETE else unfounded
        )
        if step is not None:
            return _step(mine, step, "Removing the routes.")
        # A route that was asked for may still appear; it must not be left behind.
        if passing or (on_record and not view.sure):
            watch.add(routes(table))
    if watch:
        return Plan(watch=frozenset(watch), waiting="Waiting for the routes to go.")
    return None


# -- EIP


def _eip(seen: Observation, mine: HaVipFacts | None, policy: DeletionPolicy | None) -> Plan | None:
    on_record = seen.havip.status.eip is not None
    foreign = policy is DeletionPolicy.DELETE and mine is not None and mine.associated_eip_addresses
    if not on_record and not foreign:
        return None
    if seen.eips is None:
        waiting = "The EIPs have not been seen yet."
        return Plan(watch=frozenset({EIPS}), waiting=waiting, trouble=seen.setbacks.get(EIP))
    owned = owned_eips(seen, seen.eips)
    if mine is not None and policy is not DeletionPolicy.RETAIN:
        bound = _bound(seen, mine, policy, seen.eips)
        if bound is not None and bound.settled:
            step = UnassociateEip(bound.allocation_id, mine.ha_vip_id)
            return _step(mine, step, "Unbinding the EIP.")
        if bound is not None:
            return Plan(
                watch=frozenset({EIPS, HA_VIPS}),
                waiting=f"The cloud says {bound.status} of {bound.allocation_id}.",
            )
        if lingers(seen, mine):
            return Plan(watch=frozenset({EIPS, HA_VIPS}), waiting="Looking at the EIP again.")
    rest, passing = dispose(seen, owned, release=policy is not DeletionPolicy.RETAIN)
    if rest is not None:
        return Plan(step=rest, waiting="Giving back the EIP.")
    if passing or (on_record and not nothing_left(seen, seen.eips)):
        return Plan(watch=frozenset({EIPS}), waiting="Waiting for the EIP to go.")
    return None


def _bound(
    seen: Observation,
    mine: HaVipFacts,
    policy: DeletionPolicy | None,
    view: EipView,
) -> EipFacts | None:
    """Return the EIP to unbind: with Delete whichever is bound, else ours."""
    if policy is DeletionPolicy.DELETE:
        bound = (e for e in view.facts.values() if e.instance_id == mine.ha_vip_id)
        return next(bound, None)
    ours = ours_bound(seen, mine.ha_vip_id, view)
    return None if ours is None or eip_found_before(seen.havip, ours) else ours


# -- members and the HaVip


def _rest(seen: Observation, mine: HaVipFacts | None, policy: DeletionPolicy | None) -> Plan:
    if mine is None:
        return Plan(done=True)
    # What is given up on one late listing would be left behind.
    sure = seen.cloud is not None and seen.cloud.sure
    look_again = Plan(waiting="Looking again.", watch=frozenset({HA_VIPS}))
    if owner_of(mine.tags, seen.cluster_id, seen.havip.metadata.uid) != "us":
        # Not ours, or not ours any more.
        done = Plan(done=True, note=f"{mine.ha_vip_id} is left in the cloud.")
        return done if sure else look_again
    going = seen.cloud.surplus if seen.cloud else ()
    if policy is DeletionPolicy.DELETE:
        going = (*going, mine)
    for each in going:
        if each.settled:
            return Plan(step=dismantle(seen, each), waiting="Removing it from the cloud.")
    if going:
        waiting = f"The cloud says {going[0].status} of {going[0].ha_vip_id}."
        return Plan(waiting=waiting, watch=frozenset({HA_VIPS}))
    if mine.settled:
        retain = policy is DeletionPolicy.RETAIN
        step = None if retain else _restore(seen, mine)
        if step is None and not retain and not sure:
            return look_again
        leave = _untag(seen, mine, added=not retain)
        return Plan(step=step or leave, waiting="Leaving the HaVip in the cloud.")
    return Plan(waiting=f"The cloud says {mine.status}.", watch=frozenset({HA_VIPS}))


def dismantle(seen: Observation, facts: HaVipFacts) -> Step:
    """Return the next step to delete a HaVip that carries our tags."""
    members = backups_first(facts)
    if not members:
        return Delete(facts.ha_vip_id)
    # The cloud may name another master by now; Force costs nothing where it is not needed.
    return _unassociate(seen, facts, members[0], force=len(members) == 1)


def _unassociate(seen: Observation, facts: HaVipFacts, member_id: str, *, force: bool) -> Step:
    names = {
        each.network_interface_id or each.instance_id: each.node
        for each in seen.havip.status.members
    }
    type_ = InstanceType(facts.associated_type or InstanceType.ECS_INSTANCE)
    return Unassociate(facts.ha_vip_id, member_id, type_, names.get(member_id, ""), force)


def _restore(seen: Observation, mine: HaVipFacts) -> Step | None:
    """Give an adopted HaVip back as it was, but for the tags: ours say that it is not done yet."""
    before = seen.havip.status.adopted
    if before is None:
        return None
    ours = {
        each.network_interface_id or each.instance_id for each in seen.havip.status.members
    } - set(before.members)
    for member_id in backups_first(mine):
        if member_id in ours:
            force = member_id == mine.master_instance_id
            return _unassociate(seen, mine, member_id, force=force)
    if (mine.name, mine.description) != (before.name, before.description):
        return Modify(mine.ha_vip_id, before.name, before.description)
    if before.resource_group_id and mine.resource_group_id != before.resource_group_id:
        return Move(ResourceType.HA_VIP, mine.ha_vip_id, before.resource_group_id)
    had = {key: before.tags[key] for key in seen.havip.spec.tags if key in before.tags}
    if any(mine.tags.get(key) != value for key, value in had.items()):
        return Tag(ResourceType.HA_VIP, mine.ha_vip_id, had)
    return None


def _untag(seen: Observation, mine: HaVipFacts, *, added: bool) -> Step:
    """Take our tags off, and of an adopted HaVip those of the spec that it did not have."""
    before = seen.havip.status.adopted
    keys = dict.fromkeys(OWNERSHIP_TAGS)
    if added and before is not None:
        keys |= {key: None for key in seen.havip.spec.tags if key not in before.tags}
    there = tuple(key for key in keys if key in mine.tags)
    return Untag(ResourceType.HA_VIP, mine.ha_vip_id, there)
