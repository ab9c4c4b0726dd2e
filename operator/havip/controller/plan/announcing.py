"""When the cloud does not follow the holder: ask the holder to announce the address again. Pure.

The closed loop behind ``Consistent``: who owns the address by the register and by its kernel must
also be the cloud's master instance. An announcement may be lost, so it is asked for anew, each
time after twice as long.
"""

import math
from datetime import datetime

from havip.api.conditions import ConditionType, Reason, find_condition
from havip.api.havip import AnnounceRequest, Holder
from havip.controller.observe import NodeFacts, Observation

FIRST_SECONDS = 3.0
"""How long the cloud may take to follow before it is asked for the first time."""


def announcing(seen: Observation, holder: Holder | None) -> tuple[AnnounceRequest | None, float]:
    """Return the request to make (None when all is well), and when to look again, in seconds."""
    before = seen.havip.status.announce_request
    mine = seen.mine
    if holder is None or holder.since is None or mine is None or seen.deleting:
        return None, math.inf
    if kernels_with(seen, mine.address, holder) != [holder.node]:
        # Nothing to announce there, or not there alone; the condition Consistent says so.
        return None, math.inf
    if mine.master_instance_id == seen.member_id_of(holder.node):
        return None, math.inf
    begun = _differs_since(seen) or seen.now
    lag = (seen.now - max(begun, holder.since)).total_seconds()
    due = 0 if lag < FIRST_SECONDS else int(math.log2(lag / FIRST_SECONDS)) + 1
    again = FIRST_SECONDS * 2**due - lag
    if due == 0:
        return None, again
    if before is not None and before.epoch == holder.epoch and before.number >= due:
        return before, again
    return AnnounceRequest(epoch=holder.epoch, number=due), again


def kernels_with(seen: Observation, address: str | None, holder: Holder | None) -> list[str]:
    """Return the nodes whose kernels have the address, as far as their agents are heard."""
    return sorted(
        each.name
        for each in seen.nodes
        if each.agent
        and address
        and address in each.agent.kernel_addresses
        and not seen.silent(each)
        and not _before(each, holder)
    )


def _before(node: NodeFacts, holder: Holder | None) -> bool:
    """Whether the node's report is from before another took the address: a dead one's last word."""
    if holder is None or holder.since is None or node.name == holder.node:
        return False
    heard = node.agent.heartbeat_at if node.agent else None
    return heard is not None and heard < holder.since


def _differs_since(seen: Observation) -> datetime | None:
    """Return since when the cloud is seen to differ: it may stray long after it had followed."""
    told = find_condition(seen.havip.status.conditions, ConditionType.CONSISTENT)
    differs = told is not None and told.reason == Reason.CLOUD_DIFFERS
    return told.last_transition_time if told is not None and differs else None
