"""The address of one HaVip, as this node has it or not: fence, kernel address, announcements.

What the election grants is carried out here, the fence first when it opens and first when it shuts.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from havip.agent import sysctls
from havip.agent.address import Spot
from havip.agent.announce import Announcements
from havip.agent.fence import FenceKind, Place
from havip.agent.measures import OUTAGE
from havip.agent.nftables import NftablesError
from havip.agent.node import Node
from havip.agent.objects import Assignment
from havip.api.havip import AnnounceRequest
from havip.election.actions import Acquired

log = logging.getLogger(__name__)

SPARE: Final = 1.0
"""Seconds by which the address's lifetime exceeds the hold: the kernel counts whole seconds."""
LATE: Final = 1.5
"""Seconds past the end of its lifetime at which an address is surely gone (measured: 1.4)."""
RETRY: Final = 0.05
"""Seconds between two tries to let go of an address."""


@dataclass(slots=True)
class Ownership:
    """How the present ownership began; times are monotonic seconds."""

    acquired: Acquired
    at: float
    since: datetime
    address_set: float | None = None
    announced: float | None = None


class Possession:
    """See the module. Its calls must not overlap: `Keeper` makes them one after the other."""

    def __init__(self, node: Node, assignment: Assignment) -> None:
        """Have nothing yet; `settle` finds the place."""
        self.assignment = assignment
        self.ownership: Ownership | None = None
        self.until = 0.0
        """The address is ours until then (monotonic seconds)."""
        self.failures = 0
        self.repeated = 0
        """How often the address was announced anew because the cloud did not follow."""
        self._node = node
        self._spot: Spot | None = None
        self._address_until = 0.0
        self._announcements: Announcements | None = None
        self._answered: AnnounceRequest | None = None
        """Epoch and number of the newest request to announce again that was seen."""

    @property
    def owned(self) -> bool:
        """Whether the address is ours now."""
        return self.ownership is not None and self._node.clock() < self.until

    @property
    def address_until(self) -> float:
        """When the address's lifetime in the kernel ends (monotonic seconds)."""
        return self._address_until

    @property
    def interface(self) -> str | None:
        """Name of the interface where the address goes; `None` while there is none that fits."""
        return self._spot.place.interface if self._spot else None

    @property
    def missing(self) -> bool:
        """Whether the kernel lacks the address although it is ours: somebody removed it."""
        spot = self._spot
        return self.owned and spot is not None and not self._node.addresses.present(spot.place)

    @property
    def placed(self) -> bool:
        """Whether there is a place for the address here and, once it is ours, it is in that place.

        The node's own address may go for a moment, as when it is leased anew; the interface may
        not.
        """
        spot, place = self._spot, self._find()
        if spot is None or self.ownership is None:
            return spot is not None
        if place is not None:
            return place.place == spot.place
        there = self._node.addresses.link(spot.place.interface) is not None
        return there and self.assignment.network_interface_id is None

    def findings(self) -> list[str]:
        """Say what keeps the address from its place here, or does harm to it there."""
        assignment, links = self.assignment, self._node.addresses
        wanted, named = assignment.network_interface_id, assignment.announce.interface
        if wanted is not None:
            link = self._node.network_interfaces.link_of(wanted)
            if link is None:
                return [
                    f"HaVip {self._name}: its network interface {wanted} is not on this node, which"
                    " cannot hold it: attach the interface, or let another one be the member"
                ]
            if named not in (None, link.name):
                return [
                    f"HaVip {self._name}: spec.announce.interface is {named}, but the member is"
                    f" {wanted}, which is {link.name} here and gets the address: remove"
                    " spec.announce.interface, or change spec.members"
                ]
        if self._spot is None:
            return []
        place = self._spot.place
        beside = [name for name in links.beside(place.address) if name != place.interface]
        others = [name for name in self._node.network_interfaces.names() if name != place.interface]
        return sysctls.findings(place, beside, others if wanted is not None else [])

    def _find(self) -> Spot | None:
        assignment, node = self.assignment, self._node
        name = assignment.announce.interface
        if assignment.network_interface_id is not None:
            # The cloud delivers to this one alone, whatever else is asked for.
            link = node.network_interfaces.link_of(assignment.network_interface_id)
            if link is None:
                return None
            name = link.name
        return node.addresses.spot(assignment.address, name)

    def settle(self) -> None:
        """Find where the address goes, and guard it there; where it is ours it stays."""
        if self.ownership is not None:
            return
        spot = self._find()
        if spot == self._spot:
            return
        if self._spot is not None:
            self._ask_fence(self._node.fence.unguard, self._spot)
        self._spot = spot
        if spot is not None:
            self._ask_fence(self._node.fence.guard, spot)

    def acquire(self, acquired: Acquired) -> None:
        """Take note that the address is ours; `hold` opens it."""
        node = self._node
        self.ownership = Ownership(acquired, node.clock(), node.wall_clock())
        log.info(
            "%s: acquired epoch %d (%s, before: %s)",
            self._name,
            acquired.epoch,
            acquired.reason,
            acquired.previous or "nobody",
        )

    async def hold(self, until: float) -> None:
        """Have the address until then: open the fence, set it in the kernel, announce it."""
        node, spot, ownership = self._node, self._spot, self.ownership
        if ownership is None or spot is None:
            return
        nearer, self.until = until < self.until, until
        try:
            if not await node.holds.hold(spot.place, until):
                return
        except NftablesError as error:
            if nearer:
                # What comes next relies on the nearer end. The next hold sets the address again.
                await node.addresses.remove(spot.place)
            # Closed as far as we know. Without the fence there is no hold.
            self.failures += 1
            log.error("%s: the fence failed: %s", self._name, error)
            return
        now = node.clock()
        if not node.addresses.present(spot.place) or self._address_until < until + SPARE:
            seconds = math.ceil(until - now + 2 * SPARE)
            if not await node.addresses.put(spot, seconds):
                return
            self._address_until = now + seconds
        if ownership.address_set is None:
            ownership.address_set = node.clock()
        if self._announcements is None:
            wish = self.assignment.announce
            self._announcements = Announcements(
                node.announcer, spot.place, wish.burst, wish.refresh_seconds, lambda: self.owned
            )
            if self._announcements.start():
                ownership.announced = node.clock()
            self._measure(ownership)
            node.changed()

    def _measure(self, ownership: Ownership) -> None:
        if ownership.acquired.previous is None:
            return  # Nobody had it, so nobody missed it.
        phases = {
            "acquired": ownership.at,
            "addressSet": ownership.address_set,
            "announced": ownership.announced,
        }
        for phase, at in phases.items():
            if at is not None:
                seconds = max(0.0, at - ownership.acquired.detected)
                self._node.ledger.observe(OUTAGE, ownership.acquired.reason, phase, value=seconds)

    def announce_again(self) -> None:
        """Answer a request to announce again, once, if it means the ownership that we have."""
        request, ownership = self.assignment.announce_request, self.ownership
        # The numbers begin anew when the cloud had followed in between.
        if request == self._answered:
            return
        self._answered = request
        if request is None or not self.owned:
            return
        if ownership is None or ownership.acquired.epoch != request.epoch:
            return
        if self._announcements is not None:
            log.info("%s: announced again: the cloud does not follow", self._name)
            self._announcements.again()
            self.repeated += 1

    async def release(self, reason: str) -> None:
        """Let go of the address; it is surely gone here when this returns."""
        owned, until = self.ownership, max(self.until, self._address_until)
        self.ownership, self.until, self._address_until = None, 0.0, 0.0
        if self._announcements is not None:
            self._announcements.stop()
            self._announcements = None
        if self._spot is not None:
            # What comes next may give the address to another node: not before it is gone here, be
            # it by our doing or, where the kernel does not obey, by its lifetime.
            gone_by = until + LATE
            while not await self._shut(self._spot) and self._node.clock() < gone_by:  # noqa: ASYNC110
                await asyncio.sleep(RETRY)
        if owned is not None:
            log.info("%s: released epoch %d: %s", self._name, owned.acquired.epoch, reason)
            self._node.changed()

    async def close(self, reason: str) -> None:
        """Let go of the address and guard it no more."""
        await self.release(reason)
        if self._spot is not None:
            self._ask_fence(self._node.fence.unguard, self._spot)
            self._spot = None

    async def _shut(self, spot: Spot) -> bool:
        """Shut the fence and remove the address; true when either has surely ended the hold."""
        node = self._node
        fenced = self._ask_fence(node.fence.release, spot) and node.fence.kind is FenceKind.EXACT
        removed = await node.addresses.remove(spot.place)
        return fenced or removed

    def _ask_fence(self, call: Callable[[Place], None], spot: Spot) -> bool:
        """Ask the fence for something; false when it failed."""
        try:
            call(spot.place)
        except NftablesError as error:
            self.failures += 1
            log.error("%s: the fence failed: %s", self._name, error)
            return False
        return True

    @property
    def _name(self) -> str:
        return f"{self.assignment.namespace}/{self.assignment.name}"
