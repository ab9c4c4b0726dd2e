"""What the cloud's listings say about one HaVip: which is its counterpart, and what is its own.

Pure. Ownership is told by tags alone: without them nothing is ever deleted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from havip.api.errors import HaVipError
from havip.api.havip import HaVip
from havip.api.names import TAG_CLUSTER, TAG_NAME, TAG_UID
from havip.cloud.port import EipFacts, HaVipFacts, NetworkInterfaceFacts, RouteFacts

OWNERSHIP_TAGS = (TAG_CLUSTER, TAG_NAME, TAG_UID)

SURE_LISTINGS = 2
"""Listings in a row that must lack a thing before it is believed to be gone.

One proves little, since the cloud may be late. It is enough for making a thing, which the
ClientToken makes safe to repeat, not for giving up what there was or for ending a deletion.
"""
LOST_SECONDS = 10.0
"""How long what is on record must be missing before another is made in its place.

A reader of the cloud that is behind may show a past without it in several listings, and a second
one is paid for. Who deleted it by hand can wait that long.
"""


@dataclass(frozen=True, slots=True)
class CloudView:
    """What the last listing of HaVips says about one.

    ``mine`` is its counterpart in the cloud; ``surplus`` are others that carry its tags too.
    ``absent`` is set only when the listings leave no doubt that there is none.
    ``foreign`` tells who owns the counterpart if that is somebody else.
    ``early`` says that it was there a short while ago: too early to make another.
    ``listings`` counts the listings since the last change that was asked for.
    """

    mine: HaVipFacts | None = None
    surplus: tuple[HaVipFacts, ...] = ()
    absent: bool = False
    foreign: str = ""
    early: bool = False
    listings: int = SURE_LISTINGS

    @property
    def sure(self) -> bool:
        """Whether what is missing here is gone, and not only late."""
        return self.listings >= SURE_LISTINGS


@dataclass(frozen=True, slots=True)
class EipView:
    """What the last listing of EIPs says: those with the cluster's tags, and those that are named.

    ``listings`` counts the listings since the last change that was asked for.
    ``early`` says that the one allocated last is missing, but not for long: too early for another.
    """

    facts: Mapping[str, EipFacts] = field(default_factory=dict)
    listings: int = 1
    early: bool = False

    @property
    def sure(self) -> bool:
        """Whether what is missing here is gone, and not only late."""
        return self.listings >= SURE_LISTINGS


@dataclass(frozen=True, slots=True)
class RouteView:
    """What the last listing of a route table says: its entries that lead to HaVips.

    ``free`` is false while anybody's change of the table is under way: the cloud takes one at a
    time.
    """

    entries: tuple[RouteFacts, ...] = ()
    listings: int = 1
    free: bool = True
    error: HaVipError | None = None
    """Why the table cannot be listed."""

    @property
    def sure(self) -> bool:
        """Whether what is missing here is gone, and not only late."""
        return self.listings >= SURE_LISTINGS


@dataclass(frozen=True, slots=True)
class NetworkInterfaceView:
    """What the last listing of a vSwitch's network interfaces says."""

    facts: tuple[NetworkInterfaceFacts, ...] = ()


def ownership(cluster_id: str, uid: str) -> dict[str, str]:
    """Tags without which nothing is ever deleted."""
    return {TAG_CLUSTER: cluster_id, TAG_UID: uid}


def wanted_tags(havip: HaVip, cluster_id: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Tags that a resource of a HaVip has in the cloud: the user's and ours."""
    name = f"{havip.metadata.namespace}/{havip.metadata.name}"
    return {**tags, **ownership(cluster_id, havip.metadata.uid), TAG_NAME: name}


def owner_of(tags: Mapping[str, str], cluster_id: str, uid: str) -> str:
    """Tell who owns what has these tags: ``""`` nobody, ``"us"``, or words that name the owner.

    Where one of the two is missing, somebody took it off: then the other makes nobody an owner,
    but it still tells that this is not ours.
    """
    cluster, owner = tags.get(TAG_CLUSTER, ""), tags.get(TAG_UID, "")
    if (cluster, owner) == (cluster_id, uid):
        return "us"
    if cluster in ("", cluster_id) and owner in ("", uid):
        return ""
    return f"object {owner or 'unknown'} of cluster {cluster or 'unknown'}"


def view(
    havip: HaVip,
    cluster_id: str,
    v_switch_id: str,
    listed: Mapping[str, HaVipFacts],
    *,
    listings: int,
) -> CloudView:
    """Find the counterpart of a HaVip among all of the region.

    ``listings`` is the number of listings in a row that did not have it.
    """
    uid = havip.metadata.uid
    known_id = known_id_of(havip)
    tagged = sorted(
        (each for each in listed.values() if owner_of(each.tags, cluster_id, uid) == "us"),
        key=lambda each: (each.ha_vip_id != known_id, each.create_time, each.ha_vip_id),
    )
    mine = listed.get(known_id)
    if mine is None and not known_id and havip.spec.adopt:
        mine = _at(havip.spec.adopt.address or "", v_switch_id, listed)
    if mine is None and not havip.spec.adopt and tagged:
        mine = tagged[0]
    if mine is None:
        enough = SURE_LISTINGS if known_id or havip.metadata.deletion_timestamp else 1
        return CloudView(absent=listings >= enough)
    owner = owner_of(mine.tags, cluster_id, uid)
    if owner not in ("", "us"):
        return CloudView(mine=mine, foreign=owner)
    surplus = tuple(each for each in tagged if each.ha_vip_id != mine.ha_vip_id)
    return CloudView(mine=mine, surplus=surplus)


def known_id_of(havip: HaVip) -> str:
    """Id that the counterpart is known by; empty before it was first seen."""
    adopt = havip.spec.adopt
    return (adopt.ha_vip_id if adopt else None) or havip.status.ha_vip_id or ""


def _at(address: str, v_switch_id: str, listed: Mapping[str, HaVipFacts]) -> HaVipFacts | None:
    place = (address, v_switch_id)
    return next((e for e in listed.values() if (e.address, e.v_switch_id) == place), None)
