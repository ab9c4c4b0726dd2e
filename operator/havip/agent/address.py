"""The addresses in the kernel, and the links they are on, by netlink.

An address of ours bears the mark `MARK` (where the kernel keeps one) and a lifetime, the coarse
switch behind the fence: an agent that dies leaves nothing behind for long. What others set is
neither changed nor removed.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import Any, Final

from havip.agent.fence import Place
from havip.agent.netlink import RTMGRP_IPV4_IFADDR, RTMGRP_LINK, AsyncIPRoute, NetlinkError

log = logging.getLogger(__name__)

MARK: Final = 0x76
"""Value of IFA_PROTO that says an address is ours."""
SHORTEST: Final = 2
"""Seconds of lifetime that the kernel keeps exactly enough."""
_IPV4: Final = 2
_UP: Final = 0x1
_LOWER_UP: Final = 0x10000
_EADDRNOTAVAIL: Final = 99
_ENODEV: Final = 19


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface."""

    index: int
    name: str
    mac: str
    up: bool
    """Switched on and with a carrier."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """An address on an interface."""

    index: int
    value: IPv4Interface
    ours: bool


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a HaVip goes on this node."""

    place: Place
    prefix: int


class Addresses:
    """What the kernel has, kept up to date by its own notices."""

    def __init__(self) -> None:
        self.links: dict[int, Link] = {}
        self.assigned: dict[tuple[int, IPv4Address], Assigned] = {}
        self.on_change: Callable[[], None] = lambda: None
        """Called when a link or an address changed."""
        self._route: Any = None
        self._monitor: Any = None
        self._task: asyncio.Task[None] | None = None
        # Two dumps at once on one socket are refused by the kernel.
        self._dumping = asyncio.Lock()

    async def open(self) -> None:
        """Read what there is, and listen for changes."""
        self._route = AsyncIPRoute()
        await self._route.setup_endpoint()
        await self._listen()
        await self.look()
        self._task = asyncio.create_task(self._watch(), name="netlink")

    async def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for endpoint in (self._monitor, self._route):
            if endpoint is not None:
                endpoint.close()

    async def look(self) -> None:
        """Read anew all that there is; notices may have been lost."""
        async with self._dumping:
            links = [message async for message in await self._route.get_links()]
            addresses = [message async for message in await self._route.get_addr(family=_IPV4)]
        self.links = {link.index: link for link in map(_link, links)}
        self.assigned = {(a.index, a.value.ip): a for a in map(_assigned, addresses)}

    # -- questions --------------------------------------------------------------------------------

    def link(self, name: str) -> Link | None:
        """Return the interface of this name."""
        return next((link for link in self.links.values() if link.name == name), None)

    def spot(self, address: IPv4Address, interface: str | None = None) -> Spot | None:
        """Return where `address` goes: beside the node's own address of its subnet.

        With `interface`, only there, and with a prefix of 32 where none of its subnets fits.
        """
        fits = [
            (own.value.network.prefixlen, self.links[own.index].name)
            for own in self.assigned.values()
            if not own.ours
            and own.index in self.links
            and own.value.ip != address
            and own.value.network.prefixlen < 32
            and address in own.value.network
            and interface in (None, self.links[own.index].name)
        ]
        if fits:
            prefix, name = max(fits)
            return Spot(Place(name, address), prefix)
        if interface is not None and self.link(interface) is not None:
            return Spot(Place(interface, address), 32)
        return None

    def beside(self, address: IPv4Address) -> list[str]:
        """Return the interfaces where the node has an address of its own in the same subnet."""
        return sorted(
            {
                self.links[own.index].name
                for own in self.assigned.values()
                if not own.ours
                and own.index in self.links
                and own.value.ip != address
                and own.value.network.prefixlen < 32
                and address in own.value.network
            }
        )

    def up(self, name: str) -> bool:
        """Tell whether the interface is there, switched on and with a carrier."""
        link = self.link(name)
        return link is not None and link.up

    def present(self, place: Place) -> bool:
        """Tell whether the kernel has the address on this interface."""
        link = self.link(place.interface)
        return link is not None and (link.index, place.address) in self.assigned

    def ours(self) -> list[IPv4Address]:
        """All addresses that bear our mark."""
        return sorted(assigned.value.ip for assigned in self.assigned.values() if assigned.ours)

    # -- changes ----------------------------------------------------------------------------------

    async def put(self, spot: Spot, seconds: float) -> bool:
        """Have the address for `seconds` (whole ones, at least 2) more; False if that failed."""
        link = self.link(spot.place.interface)
        if link is None:
            return False
        lifetime = max(SHORTEST, math.ceil(seconds))
        try:
            await self._route.addr(
                "replace",
                index=link.index,
                address=str(spot.place.address),
                prefixlen=spot.prefix,
                preferred_lft=lifetime,
                valid_lft=lifetime,
                IFA_PROTO=MARK,
            )
        except (NetlinkError, OSError) as error:
            log.warning("cannot set %s on %s: %s", spot.place.address, link.name, error)
            return False
        value = IPv4Interface((spot.place.address, spot.prefix))
        self.assigned[link.index, spot.place.address] = Assigned(link.index, value, ours=True)
        return True

    async def remove(self, place: Place) -> bool:
        """Remove the address; True when it is not there any more, whoever removed it."""
        link = self.link(place.interface)
        if link is None:
            return True
        known = self.assigned.pop((link.index, place.address), None)
        return await self._remove(
            link.index, place.address, known.value.network.prefixlen if known else 32
        )

    async def remove_ours(self) -> list[IPv4Address]:
        """Remove all addresses that bear our mark, left by an earlier life; return them."""
        await self.look()
        left = [assigned for assigned in self.assigned.values() if assigned.ours]
        for assigned in left:
            await self._remove(assigned.index, assigned.value.ip, assigned.value.network.prefixlen)
            self.assigned.pop((assigned.index, assigned.value.ip), None)
        return [assigned.value.ip for assigned in left]

    async def _remove(self, index: int, address: IPv4Address, prefix: int) -> bool:
        try:
            await self._route.addr("del", index=index, address=str(address), prefixlen=prefix)
        except NetlinkError as error:
            if getattr(error, "code", None) not in (_EADDRNOTAVAIL, _ENODEV):
                log.error("cannot remove %s: %s", address, error)
                return False
        except OSError as error:
            log.error("cannot remove %s: %s", address, error)
            return False
        return True

    # -- notices ----------------------------------------------------------------------------------

    async def _listen(self) -> None:
        self._monitor = AsyncIPRoute()
        await self._monitor.setup_endpoint()
        await self._monitor.bind(groups=RTMGRP_LINK | RTMGRP_IPV4_IFADDR)

    async def _watch(self) -> None:
        while True:
            try:
                async for message in self._monitor.get():
                    self._note(message)
            except (NetlinkError, OSError) as error:
                # The queue overflowed: what was in it is lost, so read all anew.
                log.warning("netlink notices were lost: %s", error)
                self._monitor.close()
                await self._listen()
                await self.look()
                self.on_change()

    def _note(self, message: Any) -> None:  # noqa: ANN401
        before = dict(self.links), dict(self.assigned)
        match message["event"]:
            case "RTM_NEWLINK":
                link = _link(message)
                self.links[link.index] = link
            case "RTM_DELLINK":
                self.links.pop(message["index"], None)
            case "RTM_NEWADDR":
                assigned = _assigned(message)
                self.assigned[assigned.index, assigned.value.ip] = assigned
            case "RTM_DELADDR":
                gone = _assigned(message)
                self.assigned.pop((gone.index, gone.value.ip), None)
        # Every renewal of a lifetime brings a notice; only what is new is worth a look.
        if before != (self.links, self.assigned):
            self.on_change()


def _link(message: Any) -> Link:  # noqa: ANN401
    flags = message["flags"]
    return Link(
        index=message["index"],
        name=message.get_attr("IFLA_IFNAME"),
        mac=message.get_attr("IFLA_ADDRESS") or "",
        up=bool(flags & _UP and flags & _LOWER_UP),
    )


def _assigned(message: Any) -> Assigned:  # noqa: ANN401
    # On a point-to-point link IFA_ADDRESS is the other end's; IFA_LOCAL is always this one's.
    address = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    return Assigned(
        index=message["index"],
        value=IPv4Interface((address, message["prefixlen"])),
        ours=message.get_attr("IFA_PROTO") == MARK,
    )
