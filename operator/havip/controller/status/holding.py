"""Who owns the address, since when, and how it came there. Pure."""

from datetime import datetime, timedelta

from havip.api.havip import Holder, LastFailover
from havip.api.havipnode import Hold
from havip.controller.observe import Observation

CLOUD_MOVED_WITHIN = timedelta(minutes=10)
"""A master seen later than this after a failover says nothing about the failover."""


def holder_of(seen: Observation) -> Holder | None:
    """Return who owns the address, as the register says."""
    if seen.register is None or not seen.register.holder:
        return None
    node = seen.node(seen.register.holder)
    holder = Holder(
        node=seen.register.holder,
        instance_id=node.instance_id if node else "",
        epoch=seen.register.epoch,
    )
    hold = _agents_hold(seen, holder)
    before = seen.havip.status.holder
    if hold is not None:
        since: datetime | None = hold.since
    elif before and (before.node, before.epoch) == (holder.node, holder.epoch):
        since = before.since
    else:
        since = None
    return holder.model_copy(update={"since": since})


def _agents_hold(seen: Observation, holder: Holder) -> Hold | None:
    """Return what the holder's own agent says about this very ownership."""
    node = seen.node(holder.node)
    if node is None or node.agent is None:
        return None
    uid = seen.havip.metadata.uid
    return next(
        (each for each in node.agent.holds if each.uid == uid and each.epoch == holder.epoch),
        None,
    )


def last_failover(seen: Observation, holder: Holder | None) -> LastFailover | None:
    """Return the last time the address moved, with where the time went."""
    before = seen.havip.status.last_failover
    hold = _agents_hold(seen, holder) if holder else None
    if holder is None or hold is None or hold.failover is None or not hold.failover.from_:
        return before
    told = hold.failover
    moved = told.phases.cloud_moved
    if moved is None and before and (before.to, before.at) == (holder.node, told.at):
        moved = before.phases.cloud_moved
    if moved is None and seen.cloud_moved_at is not None:
        taken = seen.cloud_moved_at - told.at
        if taken <= CLOUD_MOVED_WITHIN:
            # ``at`` is when it was acquired; the phases count from when the outage was noticed.
            acquired = told.phases.acquired or 0
            moved = acquired + max(0, round(taken / timedelta(milliseconds=1)))
    return LastFailover(
        from_=told.from_,
        to=holder.node,
        reason=told.reason,
        at=told.at,
        phases=told.phases.model_copy(update={"cloud_moved": moved}),
    )
