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

from dataclasses import dataclass

from havip.api.havip import FencedMember
from havip.api.names import ANNOTATION_FENCE
from havip.controller.observe import NodeFacts, Observation

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


@dataclass(frozen=True, slots=True)
class Fencing:
    """Who is kept out, and who is to be left in the register if its holder is to go from it."""

    fenced: tuple[FencedMember, ...] = ()
    followers: tuple[str, ...] | None = None
    """The nodes that may follow the holder (none: anybody may); None leaves the register alone."""

    @property
    def barred(self) -> dict[str, str]:
        """Nodes that must be no members, by name, and why."""
        return {each.node: each.reason for each in self.fenced}


def fencing(seen: Observation) -> Fencing:
    """Decide who is fenced now."""
    before = {each.node: each for each in seen.havip.status.fenced}
    if seen.deleting or seen.mine is None:
        return Fencing(tuple(before.values()))
    fenced: list[FencedMember] = []
    declared = _declared(seen)
    dead = _dead_holder(seen, before.keys() | declared.keys())
    for name, reason in (declared | dead).items():
        old = before.pop(name, None)
        if old is not None:
            fenced.append(old.model_copy(update={"reason": reason}))
        elif member_id := seen.member_id_of(name):
            fenced.append(FencedMember(node=name, member_id=member_id, at=seen.now, reason=reason))
    fenced += [each for each in before.values() if not _is_back(seen, each)]
    return Fencing(tuple(sorted(fenced, key=lambda each: each.node)), _followers(seen, fenced))


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
    if seen.register_still < seen.still_enough:
        return {}
    group = {register.holder, *register.members}
    if not all(_gone(seen, name) for name in group):
        return {}
    if not any(_well(seen, node) for node in seen.nodes if node.name not in group | known):
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


def _well(seen: Observation, node: NodeFacts) -> bool:
    """Whether a node could take over: its agent reports, and it is or can become a member."""
    return (
        not seen.silent(node)
        and node.ready is not False
        and node.agent is not None
        and node.agent.healthy.get(seen.havip.metadata.uid) is not False
        and (
            bool(seen.klass)
            and seen.klass is not None
            and node.v_switch_id in ("", seen.klass.spec.v_switch_id)
        )
    )


def _is_back(seen: Observation, fenced: FencedMember) -> bool:
    """Whether a node that nobody declares dead (any more) lives again, or is no node any more.

    One whose Node is gone needs no bar: without a Node it is no member.
    """
    node = seen.node(fenced.node)
    if node is None:
        return seen.mine is not None and fenced.member_id not in seen.mine.associated_instances
    heard = node.agent.heartbeat_at if node.agent else None
    address = seen.havip.status.address
    return (
        heard is not None
        and heard > fenced.at
        and not seen.silent(node)
        and node.agent is not None
        and (address is None or address not in node.agent.kernel_addresses)
        and all(each.uid != seen.havip.metadata.uid for each in node.agent.holds)
    )


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
    member_id = next((e.member_id for e in fenced if e.node == register.holder), "")
    declared_dead = bool(member_id)
    member_id = member_id or seen.member_id_of(register.holder)
    if member_id in mine.associated_instances:
        return None
    # Where nobody fenced it, as when its node was deleted, its agent may still hand over.
    return alive if declared_dead or still else None
