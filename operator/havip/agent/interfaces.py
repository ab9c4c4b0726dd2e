"""Which network interface (ENI) of the cloud each link of this node is, as they come and go.

The metadata service knows them by their MAC addresses. It is asked at the start and when a link
came that its last answer did not name; it may know of an attachment later than the kernel does, so
it is asked again a few times. Links that are no ENI (those of pods, say) cost no more than that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from havip.agent.address import Addresses, Link
from havip.agent.instance import Instance, MetadataError, identify

log = logging.getLogger(__name__)

TRIES: Final = 6
"""How often the service is asked about one link."""
SHORTEST: Final = 1.0
"""Seconds between two questions at least; they double from one to the next."""
LONGEST: Final = 16.0
UNKNOWN: Final = 5.0
"""Seconds between two questions while it is not known which instance this is."""
_NO_MAC: Final = ("", "00:00:00:00:00:00")


class NetworkInterfaces:
    """See the module."""

    def __init__(self, endpoint: str, addresses: Addresses, changed: Callable[[], None]) -> None:
        """Ask the service at `endpoint`; call `changed` after an answer, or when there is none."""
        self.instance: Instance | None = None
        self.finding = ""
        """Why the service could not be asked, and what to do about it; "" when it could."""
        self._endpoint = endpoint
        self._addresses = addresses
        self._changed = changed
        self._ids: dict[str, str] = {}
        self._tries: dict[str, int] = {}
        self._came = asyncio.Event()

    def id_of(self, link: Link) -> str | None:
        """Return the id of the network interface that a link is."""
        return self._ids.get(link.mac.lower())

    def link_of(self, network_interface_id: str) -> Link | None:
        """Return the link of a network interface; `None` where it is not on this node.

        A link may stand upon another and share its MAC address: the one with addresses counts.
        """
        numbered = {own.index for own in self._addresses.assigned.values() if not own.ours}
        return min(
            (
                link
                for link in self._addresses.links.values()
                if self.id_of(link) == network_interface_id
            ),
            key=lambda link: (link.index not in numbered, link.index),
            default=None,
        )

    def names(self) -> list[str]:
        """Return the names of the links that are network interfaces in the cloud."""
        links = self._addresses.links.values()
        return sorted(link.name for link in links if self.id_of(link) is not None)

    def look(self) -> None:
        """Links came or went: forget those that are gone, and ask about those that are new."""
        present = self._macs()
        self._ids = {mac: found for mac, found in self._ids.items() if mac in present}
        self._tries = {mac: count for mac, count in self._tries.items() if mac in present}
        if any(self._tries.get(mac, 0) == 0 for mac in self._strangers()):
            self._came.set()

    async def run(self) -> None:
        """Ask for ever, whenever there is a reason."""
        while True:
            self._came.clear()
            await self._ask()
            await asyncio.sleep(SHORTEST)
            try:
                async with asyncio.timeout(self._pause()):
                    await self._came.wait()
            except TimeoutError:
                pass

    async def _ask(self) -> None:
        for mac in self._macs():
            self._tries[mac] = self._tries.get(mac, 0) + 1
        try:
            self.instance = await identify(self._endpoint)
        except MetadataError as error:
            if not self.finding:
                log.warning("%s", error)
            self.finding = f"{error}: let the node reach it, or give --metadata-endpoint"
        else:
            self.finding = ""
            self._ids = dict(self.instance.network_interfaces)
        self._changed()

    def _pause(self) -> float | None:
        """How long to wait for a new link before the next question; `None`: until one comes."""
        if self.instance is None:
            return UNKNOWN - SHORTEST
        tries = [self._tries.get(mac, 0) for mac in self._strangers()]
        if not tries:
            return None
        return min(SHORTEST * 2.0 ** max(0, min(tries) - 1), LONGEST) - SHORTEST

    def _strangers(self) -> set[str]:
        """The MAC addresses that the service has not named, and may yet."""
        return {
            mac for mac in self._macs() if mac not in self._ids and self._tries.get(mac, 0) < TRIES
        }

    def _macs(self) -> set[str]:
        found = {link.mac.lower() for link in self._addresses.links.values()}
        return found.difference(_NO_MAC)
