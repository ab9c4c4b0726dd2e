"""When a node is taken for dead, so that it is taken out of the cloud's HaVip by force. Pure.

The cloud delivers nothing to what is no member, so a node that was taken out cannot be an owner,
whatever it believes; only then is the register cleared for another. That makes a mistaken fencing
safe, but it would still interrupt a service that works, so a suspicion alone is not enough. A node
is fenced when

1. somebody who can know says so: the annotation ``havip.dev/fence`` on the HaVip, or the taint
   ``node.kubernetes.io/out-of-service`` on the Node (the one Kubernetes has for this); or
2. it is the holder, and nobody else can take over: nobody has written the register for long, and
   the holder and every member whose promise it counts are silent to everybody: no report of the
   agent, no kubelet that says Ready. Then another node, which is well and would be a member, is
   there to take over; without one nothing is gained.

A node comes back when its agent reports anew and whoever declared it dead has taken that back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from havip.api.havip import FencedMember, MemberState
from havip.api.names import ANNOTATION_FENCE
from havip.controller.observe import NodeFacts, Observation
from havip.controller.plan.members import membership

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


@dataclass(frozen=True, slots=True)
class Fencing:
    """Who is kept out, and who is to be left in the register if its holder is to go from it."""

    fenced: tuple[FencedMember, ...] = ()
    followers: tuple[str, ...] | None = None
    """The nodes that may follow the holder (none: anybody may); None leaves the register alone."""
    declared: Mapping[str, str] = field(default_factory=dict)
    """Nodes that somebody says are dead, by name, and why: also such as are no members."""

    @property
    def barred(self) -> dict[str, str]:
        """Nodes that must be no members, by name, and why."""
        return {**self.declared, **{each.node: each.reason for each in self.fenced}}


def as_before(seen: Observation) -> Fencing:
    """Keep out who was kept out: nothing new is known."""
    return Fencing(seen.havip.status.fenced)


def fencing(seen: Observation) -> Fencing:
    """Decide who is fenced now."""
    mine = seen.mine
    if mine is None:
        return as_before(seen)
    before = {each.node: each for each in seen.havip.status.fenced}
    holder = seen.register.holder if seen.register else ""
    fenced: list[FencedMember] = []
    declared = _declared(seen)
    dead = _dead_holder(seen, before.keys() | declared.keys())
    for name, reason in (declared | dead).items():
        old = before.pop(name, None)
        if old is not None:
            fenced.append(old.model_copy(update={"reason": reason}))
        elif name == holder or seen.ids_of(name) & mine.associated_instances:
            # Others have nothing to be taken out.
            member_id = seen.member_id_of(name)
            fenced.append(FencedMember(node=name, member_id=member_id, at=seen.now, reason=reason))
    fenced += [each for each in before.values() if not _is_back(seen, each)]
    fenced.sort(key=lambda each: each.node)
    return Fencing(tuple(fenced), _followers(seen, fenced), declared)


def _declared(seen: Observation) -> dict[str, str]:
    """Nodes that somebody says are dead."""
    annotation = seen.havip.metadata.annotations.get(ANNOTATION_FENCE, "")
    found = {
        name.strip(): f"The annotation {ANNOTATION_FENCE} names it: it is kept out until that goes."
        for name in annotation.split(",")
        if name.strip()
    }
    for node in seen.nodes:
        if any(taint.key == OUT_OF_SERVICE for taint in node.taints):
            told = f"The Node has the taint {OUT_OF_SERVICE}: it is kept out until that goes."
            found.setdefault(node.name, told)
    return found


def _dead_holder(seen: Observation, known: frozenset[str] | set[str]) -> dict[str, str]:
    """Return the holder if it and all who could follow it are gone."""
    register = seen.register
    if register is None or not register.holder or register.holder in known:
        return {}
    if _is_out(seen, register.holder):
        return {}
    if seen.register_still < seen.still_enough:
        return {}
    group = {register.holder, *register.members}
    if not all(_gone(seen, name) for name in group):
        return {}
    if not _has_successor(seen, group | known):
        return {}
    others = ", ".join(sorted(group - {register.holder}))
    told = (
        f"It held the address, and nothing was heard of it"
        f"{f' and its members {others}' if others else ''} for long: it is kept out until its"
        " agent reports again."
    )
    return {register.holder: told}


def _gone(seen: Observation, name: str) -> bool:
    node = seen.node(name)
    return node is None or (seen.silent(node) and node.ready is not True)


def _has_successor(seen: Observation, out: frozenset[str] | set[str]) -> bool:
    """Whether a node is well that is a member or would be one, were these nodes kept out."""
    now = membership(seen, dict.fromkeys(out, ""))
    becoming = (MemberState.ASSOCIATED, MemberState.ASSOCIATING)
    return now is not None and any(
        each.state in becoming and _well(seen, each.node) for each in now.members
    )


def _well(seen: Observation, node: NodeFacts) -> bool:
    return (
        not seen.silent(node)
        and node.ready is not False
        and node.agent is not None
        and node.agent.healthy.get(seen.havip.metadata.uid) is not False
    )


def _is_back(seen: Observation, fenced: FencedMember) -> bool:
    """Whether a node that nobody declares dead (any more) lives again, or is no node any more.

    One whose Node is gone needs no bar: without a Node it is no member. One that is heard of before
    it was taken out was no dead one, and keeps what it has; later it must have let go first.
    """
    node, out = seen.node(fenced.node), _is_out(seen, fenced.node)
    if node is None:
        return out
    heard = node.agent.heartbeat_at if node.agent else None
    return (
        heard is not None
        and heard > fenced.at
        and not seen.silent(node)
        and node.agent is not None
        and not (out and _has_address(seen, node))
    )


def _has_address(seen: Observation, node: NodeFacts) -> bool:
    """Whether a node that is out has not noticed yet that it is no owner any more."""
    if node.agent is None:
        return False
    uid = seen.havip.metadata.uid
    on_kernel = seen.havip.status.address in node.agent.kernel_addresses
    return on_kernel or any(each.uid == uid for each in node.agent.holds)


def _is_out(seen: Observation, node: str) -> bool:
    """Whether the cloud delivers nothing to a node: none of what it has is a member."""
    return seen.mine is not None and not seen.ids_of(node) & seen.mine.associated_instances


def _followers(seen: Observation, fenced: list[FencedMember]) -> tuple[str, ...] | None:
    """Say whom to leave in the register in the holder's place, once it can receive nothing.

    Its members have promised it something, so they know best when to follow; those among them that
    are gone would keep all others from it. Also a place that is empty already must not be kept for
    the gone.
    """
    register, mine = seen.register, seen.mine
    if register is None or mine is None or not mine.settled:
        return None
    out = {each.node for each in fenced}
    alive = tuple(name for name in register.members if name not in out and not _gone(seen, name))
    still = seen.register_still >= seen.still_enough
    if not register.holder:
        kept_for_the_gone = bool(register.members) and not register.given and not alive
        return () if kept_for_the_gone and still else None
    if not _is_out(seen, register.holder):
        return None
    # Where nobody fenced it, as when its node was deleted, its agent may still hand over.
    return alive if register.holder in out or still else None
