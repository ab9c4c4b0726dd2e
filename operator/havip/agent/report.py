"""The HaVipNode of this node: what the agent sees, written on change and at least each 30 s."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from havip.agent.address import Addresses
from havip.agent.interfaces import NetworkInterfaces
from havip.agent.keeper import Keeper
from havip.agent.kube import Kube, KubeError, Object, RefusedError
from havip.agent.objects import NODES
from havip.agent.possession import Ownership
from havip.api import names
from havip.api.havipnode import (
    REPORTED_WITHIN,
    CheckResult,
    HaVipNodeStatus,
    Hold,
    HoldFailover,
    NodeInterface,
)
from havip.api.havipstatus import FailoverPhases

log = logging.getLogger(__name__)

EVERY: Final = 20.0
"""Seconds between two writes when nothing changes."""
_GATHER: Final = 0.1
"""Seconds for which changes are gathered into one write."""
_DEADLINE: Final = 5.0
_AGAIN: Final = 2.0
_MESSAGE: Final = 512
_FINDINGS: Final = 64


def hold_of(keeper: Keeper) -> Hold | None:
    """Return what there is to report of a HaVip that this node owns."""
    ownership = keeper.possession.ownership
    if ownership is None or not keeper.possession.owned:
        return None
    assignment = keeper.assignment
    return Hold(
        uid=assignment.uid,
        namespace=assignment.namespace,
        name=assignment.name,
        address=str(assignment.address),
        epoch=ownership.acquired.epoch,
        since=ownership.since,
        failover=HoldFailover.model_validate(
            {
                "from": ownership.acquired.previous or "",
                "reason": ownership.acquired.reason,
                "at": ownership.since,
                "phases": phases_of(ownership),
            }
        ),
    )


def phases_of(ownership: Ownership) -> FailoverPhases:
    """Return the milliseconds from when we noticed that the owner was gone to each step."""
    begin = ownership.acquired.detected

    def since(time: float | None) -> int | None:
        return None if time is None else max(0, round((time - begin) * 1000))

    return FailoverPhases(
        detected=0,
        acquired=since(ownership.at),
        address_set=since(ownership.address_set),
        announced=since(ownership.announced),
    )


def interfaces_of(
    addresses: Addresses, network_interfaces: NetworkInterfaces
) -> tuple[NodeInterface, ...]:
    """Return the node's interfaces that have an address, or an id in the cloud."""
    own = {
        index: sorted(
            str(each.value)
            for each in addresses.assigned.values()
            if each.index == index and not each.ours
        )
        for index in addresses.links
    }
    return tuple(
        NodeInterface(
            name=link.name,
            mac=link.mac,
            network_interface_id=network_interfaces.id_of(link),
            addresses=tuple(own[link.index]),
        )
        for link in sorted(addresses.links.values(), key=lambda link: link.index)
        if link.name != "lo" and (own[link.index] or network_interfaces.id_of(link))
    )


def status_of_keepers(base: HaVipNodeStatus, keepers: Iterable[Keeper]) -> HaVipNodeStatus:
    """Add what the keepers have to say to the facts of the node."""
    known = sorted(keepers, key=lambda keeper: keeper.assignment.uid)
    findings = [*base.findings, *(said for k in known for said in k.findings())]
    return base.model_copy(
        update={
            "holds": tuple(hold for keeper in known if (hold := hold_of(keeper))),
            "findings": tuple(dict.fromkeys(findings))[:_FINDINGS],
            "healthy": {keeper.assignment.uid: keeper.healthy for keeper in known},
            "health": tuple(
                CheckResult(
                    uid=keeper.assignment.uid,
                    name=result.name,
                    healthy=result.healthy,
                    message=result.message[:_MESSAGE],
                )
                for keeper in known
                for result in keeper.checks.results()
            ),
        }
    )


class Reporter:
    """Writes the HaVipNode. Its failures are nobody's business but the log's."""

    def __init__(
        self,
        kube: Kube,
        node: str,
        status: Callable[[], HaVipNodeStatus],
        wall_clock: Callable[[], datetime],
    ) -> None:
        """Write what `status()` returns, with the time from `wall_clock` (UTC)."""
        self._kube = kube
        self._node = node
        self._status = status
        self._wall_clock = wall_clock
        self._changed = asyncio.Event()
        self._stored: Object | None = None
        self._written: HaVipNodeStatus | None = None
        self._written_at: datetime | None = None
        self._reporting_since: datetime | None = None

    def changed(self) -> None:
        """Say that there may be something new; costs nothing when there is not."""
        self._changed.set()

    async def run(self) -> None:
        """Write for ever."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            try:
                async with asyncio.timeout_at(due):
                    await self._changed.wait()
                await asyncio.sleep(_GATHER)
            except TimeoutError:
                pass
            self._changed.clear()
            status = self._status()
            if status == self._written and loop.time() < due:
                continue
            try:
                await self.write(status)
                due = loop.time() + EVERY
            except (KubeError, KeyError) as error:
                log.warning("HaVipNode not written: %s", error)
                self._stored = None
                due = loop.time() + _AGAIN
                await asyncio.sleep(_AGAIN / 2)

    async def write(self, status: HaVipNodeStatus | None = None) -> None:
        """Write once. Raises `KubeError`."""
        status = status or self._status()
        if self._stored is None:
            self._stored = await self._find_or_make()
        now = self._wall_clock()
        if self._written_at is None or now - self._written_at > REPORTED_WITHIN:
            self._reporting_since = now
        stamped = status.model_copy(
            update={"heartbeat_at": now, "reporting_since": self._reporting_since}
        )
        body = self._stored | {"status": stamped.to_json()}
        self._stored = await self._kube.put(f"{self._path}/status", body, _DEADLINE)
        self._written, self._written_at = status, now

    @property
    def _path(self) -> str:
        return f"{NODES}/{self._node}"

    async def _find_or_make(self) -> Object:
        try:
            return await self._kube.get(self._path, _DEADLINE)
        except RefusedError as error:
            if error.status != 404:
                raise
        node = await self._kube.get(f"/api/v1/nodes/{self._node}", _DEADLINE)
        owner = {
            "apiVersion": "v1",
            "kind": "Node",
            "name": self._node,
            "uid": node["metadata"]["uid"],
        }
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.HAVIPNODE_KIND,
            "metadata": {"name": self._node, "ownerReferences": [owner]},
        }
        return await self._kube.post(NODES, body, _DEADLINE)
