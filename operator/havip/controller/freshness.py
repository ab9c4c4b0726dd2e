"""Which listings are young enough to decide by: begun after our last change of what they list.

What is kept here may be lost at any moment: a controller that starts lists everything anew.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from havip.controller.listings import Listed, Listings
from havip.controller.needs import Listing, routes
from havip.controller.plan.steps import (
    CreateRoute,
    DeleteRoute,
    ReleaseEip,
    Step,
    rests_on,
    touches,
)

T = TypeVar("T")


class Freshness:
    """What one HaVip's listings are worth. All moments are on the monotonic clock, in seconds."""

    def __init__(self, uid: str) -> None:
        self._uid = uid
        self.listings: Listings | None = None
        """Those of the account where the HaVip lives, as of the last look."""
        self.released = ""
        """Id of the EIP that we released last: nobody is surprised that it is missing."""
        self._changed_at: dict[Listing[Any], float] = {}
        # When the listings began that the last look saw; others may have come in since.
        self._seen_at: dict[Listing[Any], float] = {}

    def listed(self, listing: Listing[T]) -> Listed[T]:
        """Return a listing as the HaVip may rely on it; empty where it lives nowhere."""
        return self.listings.of(self._uid, listing) if self.listings else Listed(None, 0.0, None)

    # -- what was changed, and what was seen

    def changed(self, step: Step, now: float) -> None:
        """Take note that a step was asked for: what was listed before is of no use."""
        if isinstance(step, ReleaseEip):
            self.released = step.allocation_id
        for listing in touches(step):
            self.outdate(listing, now)
            self.want(listing, now)

    def outdate(self, listing: Listing[Any], now: float) -> None:
        """Decide nothing by what was listed before."""
        self._changed_at[listing] = now

    def changed_at(self, listing: Listing[Any]) -> float:
        """Return since when a listing counts: our last change, or ever."""
        return self._changed_at.get(listing, float("-inf"))

    def saw(self, begun: Mapping[Listing[Any], float]) -> None:
        """Take note of what a look saw: when each of its listings began."""
        self._seen_at = dict(begun)

    # -- what may be decided

    def fresh(self, step: Step) -> bool:
        """Tell whether what the step was planned from was listed after our last change."""
        return all(self.is_fresh(each) for each in rests_on(step))

    def all_fresh(self) -> bool:
        """Tell whether every listing that was ever changed was listed after that."""
        return not self.stale()

    def stale(self) -> frozenset[Listing[Any]]:
        """Return the listings of which the last look saw what was before our last change."""
        return frozenset(each for each in self._changed_at if not self.is_fresh(each))

    def is_fresh(self, listing: Listing[Any]) -> bool:
        """Tell whether the last look saw what we changed, if that is needed at all any more."""
        return self._seen_at.get(listing, float("inf")) >= self.changed_at(listing)

    def has_turn(self, step: CreateRoute | DeleteRoute) -> bool:
        """Tell whether nobody else has changed the route table since the last look."""
        table = step.route_table_id
        seen_at = self._seen_at.get(routes(table), float("-inf"))
        return self.listings is not None and self.listings.turns.free(table, seen_at)

    # -- what is to be listed

    def want(self, listing: Listing[Any], after: float | None = None) -> None:
        """Have a listing made that begins after a moment, or after the last of its kind."""
        listed = self.listed(listing)
        listed.want(listed.started if after is None else after)

    def want_fresh(self) -> None:
        """Have all that is older than our last change listed anew."""
        for listing, at in self._changed_at.items():
            if not self.is_fresh(listing):
                self.want(listing, at)
