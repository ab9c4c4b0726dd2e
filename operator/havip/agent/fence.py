"""The fence: the kernel ends a hold by itself, whatever becomes of this process.

A HaVip of this node is *guarded*: its packets and its ARP pass the HaVip's interface only while it
is also *held*. An element of `held` carries a timeout, what is left of the hold, so a process that
is frozen, killed or starved is cut off the moment its right ends. Other interfaces are not touched:
a pod of this node may talk to the HaVip wherever it lives.

The tables outlive a killed agent on purpose: guarded and no longer held means closed.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final, Protocol

from havip.agent.nftables import Nftables, NftablesError

log = logging.getLogger(__name__)

TABLE: Final = "havip_agent"
_FAMILIES: Final = ("inet", "arp")

# `add` before `delete` so that the delete never fails for want of the table.
_REMOVE: Final = "".join(
    f"add table {family} {TABLE}\ndelete table {family} {TABLE}\n" for family in _FAMILIES
)

# Input ARP whose *sender* is a HaVip passes: it is the announcement of whoever holds it now, and a
# member that does not hold must learn from it like any other neighbour. The kernel may answer it
# where the address is still set; the output chain drops that answer.
_CREATE: Final = f"""
table inet {TABLE} {{
    set guarded {{ type ifname . ipv4_addr; }}
    set held {{ type ifname . ipv4_addr; flags timeout; }}
    chain prerouting {{
        type filter hook prerouting priority -300; policy accept;
        iifname . ip daddr @guarded iifname . ip daddr != @held counter drop
    }}
    chain postrouting {{
        type filter hook postrouting priority 300; policy accept;
        oifname . ip saddr @guarded oifname . ip saddr != @held counter drop
    }}
}}
table arp {TABLE} {{
    set guarded {{ type ifname . ipv4_addr; }}
    set held {{ type ifname . ipv4_addr; flags timeout; }}
    chain input {{
        type filter hook input priority 0; policy accept;
        iifname . arp saddr ip @guarded accept
        iifname . arp daddr ip @guarded iifname . arp daddr ip != @held counter drop
    }}
    chain output {{
        type filter hook output priority 0; policy accept;
        oifname . arp saddr ip @guarded oifname . arp saddr ip != @held counter drop
    }}
}}
"""


class FenceKind(enum.StrEnum):
    """How exactly a hold ends when this process cannot end it."""

    EXACT = "Exact"
    COARSE = "Coarse"


@dataclass(frozen=True, slots=True)
class Place:
    """A HaVip where this node keeps it: its address on one interface."""

    interface: str
    address: IPv4Address

    def __str__(self) -> str:
        return f'"{self.interface}" . {self.address}'


class Fence(Protocol):
    """What the loop needs of a fence, Exact or Coarse."""

    kind: FenceKind

    def shut(self) -> None:
        """Close every HaVip that an earlier process of this node left open."""

    def reset(self) -> None:
        """Forget all that an earlier process guarded. Call it once its addresses are gone."""

    def guard(self, place: Place) -> None:
        """From now on the place is closed except while it is held."""

    def unguard(self, place: Place) -> None:
        """Forget the place, which opens it: remove the address first."""

    def hold(self, ends: Mapping[Place, float]) -> set[Place]:
        """Open each place until its end, in seconds of the fence's clock.

        Returns the places that are open now; one whose end is past is closed.
        """

    def release(self, place: Place) -> None:
        """Close the place now."""

    def close(self) -> None:
        """Leave nothing behind. Call it once all addresses are gone."""


class ExactFence:
    """The fence by nftables: ends a hold within milliseconds."""

    kind: FenceKind = FenceKind.EXACT

    def __init__(self, nftables: Nftables, clock: Callable[[], float]) -> None:
        """Use `clock` (monotonic seconds) to turn deadlines into timeouts."""
        self._nftables = nftables
        self._clock = clock
        self._guarded: set[Place] = set()
        self._held: dict[Place, float] = {}

    def shut(self) -> None:
        """See `Fence.shut`."""
        for family in _FAMILIES:
            try:
                self._nftables.run(f"flush set {family} {TABLE} held")
            except NftablesError:
                continue  # no table, so no earlier process

    def reset(self) -> None:
        """See `Fence.reset`. Raises `NftablesError` where the kernel lacks what the fence needs."""
        self._guarded.clear()
        self._held.clear()
        self._nftables.run(_REMOVE + _CREATE)

    def guard(self, place: Place) -> None:
        """See `Fence.guard`."""
        self._guarded.add(place)
        self._run(_guard(place))

    def unguard(self, place: Place) -> None:
        """See `Fence.unguard`."""
        self.release(place)
        self._guarded.discard(place)
        self._run(
            _guard(place)
            + "".join(f"delete element {f} {TABLE} guarded {{ {place} }}\n" for f in _FAMILIES)
        )

    def hold(self, ends: Mapping[Place, float]) -> set[Place]:
        """See `Fence.hold`."""
        now = self._clock()
        left = {place: int((until - now) * 1000) for place, until in ends.items()}
        for place in [place for place, rest in left.items() if rest <= 0]:
            del left[place]
            self.release(place)
        if not left:
            return set()
        self._held |= {place: ends[place] for place in left}
        self._run("".join(_hold(place, rest) for place, rest in left.items()))
        now = self._clock()
        for place in [place for place in left if now >= ends[place]]:
            # We were stopped between reading the clock and the commit: the timeout we asked for
            # was counted from too late.
            del left[place]
            self.release(place)
        return set(left)

    def release(self, place: Place) -> None:
        """See `Fence.release`."""
        self._held.pop(place, None)
        self._run(_release(place))

    def close(self) -> None:
        """See `Fence.close`."""
        self._nftables.run(_REMOVE)
        self._nftables.close()

    def _run(self, commands: str) -> None:
        """Apply the commands; where our tables were flushed by somebody, make them anew first."""
        try:
            self._nftables.run(commands)
        except NftablesError as error:
            log.warning("the fence was damaged and is made anew: %s", str(error).splitlines()[0])
            now = self._clock()
            held = ((place, int((until - now) * 1000)) for place, until in self._held.items())
            self._nftables.run(
                _REMOVE
                + _CREATE
                + "".join(map(_guard, self._guarded))
                + "".join(_hold(place, left) for place, left in held if left > 0)
            )


def _guard(place: Place) -> str:
    return "".join(f"add element {f} {TABLE} guarded {{ {place} }}\n" for f in _FAMILIES)


def _hold(place: Place, milliseconds: int) -> str:
    # Adding an element that exists does not renew its timeout; add, delete, add does, and as one
    # transaction no packet meets the gap.
    timed = f"{place} timeout {milliseconds}ms"
    return "".join(
        f"add element {f} {TABLE} held {{ {timed} }}\n"
        f"delete element {f} {TABLE} held {{ {place} }}\n"
        f"add element {f} {TABLE} held {{ {timed} }}\n"
        for f in _FAMILIES
    )


def _release(place: Place) -> str:
    return "".join(
        f"add element {f} {TABLE} held {{ {place} timeout 1s }}\n"
        f"delete element {f} {TABLE} held {{ {place} }}\n"
        for f in _FAMILIES
    )


class CoarseFence:
    """No fence: only the lifetime of the address ends a hold, up to some seconds late."""

    kind: FenceKind = FenceKind.COARSE

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def shut(self) -> None:
        """Nothing to close."""

    def reset(self) -> None:
        """Nothing to forget."""

    def guard(self, place: Place) -> None:
        """Nothing to guard with."""

    def unguard(self, place: Place) -> None:
        """Nothing was guarded."""

    def hold(self, ends: Mapping[Place, float]) -> set[Place]:
        """See `Fence.hold`."""
        now = self._clock()
        return {place for place, until in ends.items() if now < until}

    def release(self, place: Place) -> None:
        """Nothing to close."""

    def close(self) -> None:
        """Nothing to leave."""


class Holds:
    """Gathers the holds that come within one turn of the event loop into one transaction.

    The heartbeats of a node's HaVips are answered together, so their holds are renewed together.
    """

    def __init__(self, fence: Fence) -> None:
        """Open places in this fence."""
        self._fence = fence
        self._waiting: list[tuple[Place, float, asyncio.Future[bool]]] = []

    async def hold(self, place: Place, until: float) -> bool:
        """Open the place until `until`; False if that is past. Cancelled, it opens nothing.

        Raises:
            NftablesError: the fence failed; the place is as it was.

        """
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._settle)
        answer: asyncio.Future[bool] = loop.create_future()
        self._waiting.append((place, until, answer))
        return await answer

    def _settle(self) -> None:
        waiting, self._waiting = self._waiting, []
        asked = [entry for entry in waiting if not entry[2].done()]
        try:
            opened = self._fence.hold({place: until for place, until, _ in asked})
        except NftablesError as error:
            for _, _, answer in asked:
                answer.set_exception(error)
            return
        for place, _, answer in asked:
            answer.set_result(place in opened)


def open_fence(clock: Callable[[], float]) -> tuple[Fence, str]:
    """Return the best fence of this node, shut, and why it is not Exact ("" when it is)."""
    try:
        nftables = Nftables()
        fence = ExactFence(nftables, clock)
        fence.shut()
        # Tried on a table of another name, so that what an earlier process guards stays guarded.
        trial = (_REMOVE + _CREATE).replace(TABLE, f"{TABLE}_trial")
        nftables.run(trial)
        nftables.run(_REMOVE.replace(TABLE, f"{TABLE}_trial"))
    except NftablesError as error:
        return CoarseFence(clock), str(error).splitlines()[0]
    return fence, ""
