"""What the HaVip objects ask of this node, and where its peers are. Decisions here are pure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from pydantic import ValidationError

from havip.agent.kube import Change, Changed, Deleted, Kube, Listed, Object
from havip.agent.transport import Endpoint
from havip.api import names
from havip.api.election import ElectionSpec, Failback
from havip.api.havip import Announce, AnnounceRequest, HaVip, MemberState
from havip.api.health import HealthCheck
from havip.election.timing import PROFILES, Timing

log = logging.getLogger(__name__)

HAVIPS: Final = f"/apis/{names.API_VERSION}/{names.HAVIP_PLURAL}"
NODES: Final = f"/apis/{names.API_VERSION}/{names.HAVIPNODE_PLURAL}"


@dataclass(frozen=True, slots=True)
class Assignment:
    """A HaVip that this node may hold."""

    uid: str
    namespace: str
    name: str
    address: IPv4Address
    priorities: Mapping[str, int]
    timing: Timing
    failback: bool
    announce: Announce
    health: tuple[HealthCheck, ...]
    network_interface_id: str | None = None
    """The network interface (ENI) that is the member, and so the one that the address goes on;
    `None` where the instance is the member."""
    announce_request: AnnounceRequest | None = None


@dataclass(frozen=True, slots=True)
class Assignments:
    """All that the HaVip objects ask of this node."""

    taken: Mapping[str, Assignment]
    """By uid: those that this node takes part in."""
    existing: frozenset[str]
    """The uids of the HaVips that exist and are not being deleted."""
    fenced: frozenset[str] = frozenset()
    """The uids of those that the cloud has taken this node out of by force."""


def timing_of(election: ElectionSpec) -> Timing:
    """Return the durations to use; those of the profile where the user's own cannot work."""
    own = election.timings
    if own is not None:
        try:
            return Timing(
                heartbeat=own.heartbeat_millis / 1000,
                grant=own.grant_millis / 1000,
                challenge=own.challenge_millis / 1000,
                renew=own.renew_millis / 1000,
                unmembered=own.unmembered_millis / 1000,
            )
        except ValueError as error:
            log.warning("timings cannot work, using the profile's: %s", error)
    return PROFILES[election.profile.value]


def fenced(havip: HaVip) -> frozenset[str]:
    """Return the nodes that the cloud has taken out of this HaVip by force."""
    marked = (each.node for each in havip.status.members if each.state is MemberState.FENCED)
    return frozenset(each.node for each in havip.status.fenced) | frozenset(marked)


def assignment(havip: HaVip, node: str) -> Assignment | None:
    """Return what this HaVip asks of `node`; `None` when it takes no part in it."""
    out = fenced(havip)
    members = {
        member.node: member
        for member in havip.status.members
        if member.state is MemberState.ASSOCIATED and member.node not in out
    }
    deleted = havip.metadata.deletion_timestamp is not None
    if deleted or not havip.status.address or node not in members:
        return None
    return Assignment(
        uid=havip.metadata.uid,
        namespace=havip.metadata.namespace,
        name=havip.metadata.name,
        address=IPv4Address(havip.status.address),
        priorities={name: member.priority for name, member in members.items()},
        timing=timing_of(havip.spec.election),
        failback=havip.spec.election.failback is Failback.WHEN_HEALTHY,
        announce=havip.spec.announce,
        health=havip.spec.health,
        network_interface_id=members[node].network_interface_id or None,
        announce_request=havip.status.announce_request,
    )


def assignments(havips: Iterable[HaVip], node: str) -> Assignments:
    """Return what all HaVips together ask of `node`."""
    known = list(havips)
    wanted = [found for havip in known if (found := assignment(havip, node)) is not None]
    return Assignments(
        taken={found.uid: found for found in wanted},
        existing=frozenset(
            havip.metadata.uid for havip in known if havip.metadata.deletion_timestamp is None
        ),
        fenced=frozenset(havip.metadata.uid for havip in known if node in fenced(havip)),
    )


def endpoints(nodes: Iterable[Object]) -> dict[str, Endpoint]:
    """Return where the agents of the nodes listen."""
    found: dict[str, Endpoint] = {}
    for node in nodes:
        status = node.get("status") or {}
        address, port = status.get("nodeAddress"), status.get("peerPort")
        if address and port:
            found[node["metadata"]["name"]] = (address, port)
    return found


class Store:
    """The objects of one collection, by key, as a watch tells."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}

    def take(self, change: Change) -> None:
        """Follow one change."""
        match change:
            case Listed(objects):
                self.objects = {_key(found): found for found in objects}
            case Changed(found):
                self.objects[_key(found)] = found
            case Deleted(found):
                self.objects.pop(_key(found), None)


def _key(found: Object) -> str:
    metadata = found["metadata"]
    return str(metadata.get("uid") or metadata["name"])


def read_havip(found: Object) -> HaVip | None:
    """Read a HaVip; `None` for one that the schema would have refused."""
    try:
        return HaVip.from_json(found)
    except ValidationError as error:
        log.error("HaVip %s makes no sense: %s", found["metadata"].get("name"), error)
        return None


async def follow_havips(kube: Kube, node: str, changed: Callable[[Assignments], None]) -> None:
    """Call `changed` with all assignments of `node`, at first and whenever a HaVip changed."""
    store = Store()
    parsed: dict[str, tuple[str, HaVip]] = {}
    async for change in kube.follow(HAVIPS):
        store.take(change)
        parsed = {uid: entry for uid, entry in parsed.items() if uid in store.objects}
        for uid, found in store.objects.items():
            version = found["metadata"]["resourceVersion"]
            if uid in parsed and parsed[uid][0] == version:
                continue
            havip = read_havip(found)
            if havip is not None:
                parsed[uid] = (version, havip)
        changed(assignments((havip for _, havip in parsed.values()), node))


async def follow_nodes(kube: Kube, changed: Callable[[dict[str, Endpoint]], None]) -> None:
    """Call `changed` with where all agents listen, at first and whenever that changed."""
    store = Store()
    known: dict[str, Endpoint] | None = None
    async for change in kube.follow(NODES):
        store.take(change)
        now = endpoints(store.objects.values())
        if now != known:
            known = now
            changed(now)
