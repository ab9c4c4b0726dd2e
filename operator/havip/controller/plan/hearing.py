"""Whether the members hear each other by UDP: what agents say of peers that report to us. Pure.

An agent tells whom it does not hear. Where that peer's agent goes on reporting to the API server,
it is not the peer that is gone: something drops what it sends. Nothing is said of a peer before it
has reported for longer than an agent ever takes from one report to the next: until then its last
report may be that of an agent that has died since, or is about to be heard again.
"""

from collections.abc import Iterator
from typing import NamedTuple

from havip.api.conditions import ConditionStatus, Reason
from havip.api.havip import MemberState
from havip.api.havipnode import REPORTED_WITHIN, HaVipNodeStatus, Unheard
from havip.controller.observe import Observation
from havip.controller.plan.outcome import Member, Verdict

LOOK_AGAIN_SECONDS = 10.0
"""A report that only renews the last wakes nobody, and what is too early to tell waits for it."""
TOLD = 3
"""Ways that are named; the others are counted."""


class _Gap(NamedTuple):
    """A way that datagrams do not get, and whether that is beyond doubt."""

    sender: str
    hearer: str
    port: int
    certain: bool


def hearing(seen: Observation, members: tuple[Member, ...]) -> Verdict | None:
    """Return what ``PeersHeard`` says; None while it is too early to tell."""
    agents = dict(_agents(seen, members))
    gaps = [
        _Gap(unheard.node, name, agent.peer_port, _certain(unheard, agent, agents[unheard.node]))
        for name, agent in agents.items()
        for unheard in agent.unheard
        if unheard.node in agents and agent.peer_port is not None
    ]
    certain = [each for each in gaps if each.certain]
    if certain:
        return Verdict(ConditionStatus.FALSE, Reason.HEARTBEATS_MISSING, _told(certain))
    if gaps:
        return None
    if len(agents) < 2:
        told = "There are no two members whose agents report."
    else:
        told = "No member misses the heartbeats of another that reports."
    return Verdict(ConditionStatus.TRUE, Reason.PEERS_HEARD, told)


def _agents(
    seen: Observation, members: tuple[Member, ...]
) -> Iterator[tuple[str, HaVipNodeStatus]]:
    """Return what the agents of the members say, where they are not silent also to us."""
    for each in members:
        agent = each.node.agent
        if each.state is MemberState.ASSOCIATED and agent and not seen.silent(each.node):
            yield each.node.name, agent


def _certain(unheard: Unheard, hearer: HaVipNodeStatus, sender: HaVipNodeStatus) -> bool:
    """Tell whether both report without a gap, and the sender has long after it was last heard."""
    return (
        _steady(hearer)
        and _steady(sender)
        and sender.heartbeat_at is not None
        and sender.heartbeat_at - unheard.since > REPORTED_WITHIN
    )


def _steady(agent: HaVipNodeStatus) -> bool:
    """Tell whether an agent has reported for a while: one that came back is heard in a moment."""
    if agent.heartbeat_at is None or agent.reporting_since is None:
        return False
    return agent.heartbeat_at - agent.reporting_since > REPORTED_WITHIN


def _told(gaps: list[_Gap]) -> str:
    ways = [f"from {each.sender} to {each.hearer}" for each in gaps]
    more = f" and {len(ways) - TOLD} more" if len(ways) > TOLD else ""
    ports = ", ".join(sorted({str(each.port) for each in gaps}))
    return (
        f"Heartbeats do not get {', '.join(ways[:TOLD])}{more}, though these agents run and report:"
        f" allow UDP port {ports} between the nodes, in the security groups of their instances and"
        " in the firewalls of the nodes. If it is allowed, see that the agents have one heartbeat"
        " key. The address is answered, but these nodes take over from each other only slowly."
    )
