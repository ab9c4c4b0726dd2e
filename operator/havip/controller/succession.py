"""Who holds the address after whom, watched over time. Pure: the time is passed in.

What is kept here only tells how long something has been the case; it may be lost at any moment,
and then takes that long again. All moments are on the monotonic clock, in seconds.
"""

from dataclasses import dataclass
from datetime import datetime

from havip.api.havip import HaVip, MemberState
from havip.controller.observe import Observation, RegisterFacts

LEAVING_SECONDS = 10.0
"""How long a leaving holder may take to hand the address over."""
CLOUD_FOLLOWS_SECONDS = 30.0
"""How long after a change of holder the cloud is watched closely for following it."""


@dataclass(slots=True)
class _Ownership:
    """A holder and its epoch, since when they are seen, and when the cloud followed."""

    of: tuple[str, int] | None
    since: float
    begun_in_sight: bool
    followed_at: datetime | None = None


class Succession:
    """Since when a HaVip's register is still, its leavers leave and its holder holds."""

    def __init__(self) -> None:
        self._register: tuple[str, float] = ("", 0.0)
        self._leaving: dict[str, float] = {}
        self._ownership: _Ownership | None = None

    def register_still(self, register: RegisterFacts | None, now: float) -> float:
        """Return for how many seconds nobody has written the register, as far as we saw."""
        version = register.resource_version if register else ""
        if version != self._register[0]:
            self._register = (version, now)
        return now - self._register[1]

    def waited_for(self, havip: HaVip, now: float) -> frozenset[str]:
        """Return the nodes that had their time to hand over, and take note of who leaves now."""
        waited = {name for name, since in self._leaving.items() if now - since >= LEAVING_SECONDS}
        names = [each.node for each in havip.status.members if each.state is MemberState.LEAVING]
        self._leaving = {name: self._leaving.get(name, now) for name in names}
        return frozenset(waited)

    def cloud_moved_at(self, seen: Observation, listed_at: float, now: float) -> datetime | None:
        """Tell when the cloud followed the present holder; ``listed_at`` is when it was asked."""
        register = seen.register
        of = (register.holder, register.epoch) if register and register.holder else None
        if self._ownership is None or of != self._ownership.of:
            # Of an ownership from before our start nobody knows when the cloud followed.
            self._ownership = _Ownership(of, now, self._ownership is not None)
        ownership, mine = self._ownership, seen.mine
        if of is None or mine is None:
            return None
        follows = mine.master_instance_id == seen.member_id_of(of[0])
        if ownership.followed_at is None and listed_at >= ownership.since and follows:
            ownership.followed_at = seen.now
        return ownership.followed_at if ownership.begun_in_sight else None

    def awaited_since(self, now: float) -> float | None:
        """Tell since when the cloud should follow the holder; None once it did, or is too late."""
        ownership = self._ownership
        if ownership is None or ownership.of is None or ownership.followed_at is not None:
            return None
        return ownership.since if now - ownership.since < CLOUD_FOLLOWS_SECONDS else None
