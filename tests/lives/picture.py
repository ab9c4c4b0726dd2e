"""What is in the cloud, in a form to be compared: what a life expects, and what it found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from havip.api.names import TAG_CLUSTER, TAG_UID

OURS_BEGINS = "havip.dev/"

NEW = "new"
"""Stands for the id of what was made in the course of the life; a second is ``new 2``."""


@dataclass(frozen=True)
class HaVip:
    members: frozenset[str]
    name: str = ""
    description: str = ""
    group: str = "rg-default"
    tags: Mapping[str, str] = field(default_factory=dict)
    ours: bool = True
    """Whether it bears our tags."""
    settled: bool = True


@dataclass(frozen=True)
class Eip:
    bound_to: str = ""
    name: str = ""
    description: str = ""
    bandwidth: str = "5"
    group: str = "rg-default"
    tags: Mapping[str, str] = field(default_factory=dict)
    ours: bool = False
    settled: bool = True


@dataclass(frozen=True)
class Picture:
    """Everything that a controller could change."""

    ha_vips: Mapping[str, HaVip]
    eips: Mapping[str, Eip]
    routes: Mapping[str, str]
    """From table and destination to the next hop."""

    def against(self, wanted: Picture) -> list[str]:
        """Tell the differences to what was wanted."""
        told: list[str] = []
        kinds: tuple[tuple[str, Mapping[str, Any], Mapping[str, Any]], ...] = (
            ("HaVip", self.ha_vips, wanted.ha_vips),
            ("EIP", self.eips, wanted.eips),
            ("route", self.routes, wanted.routes),
        )
        for what, found, expected in kinds:
            for key in sorted(found.keys() | expected.keys()):
                if found.get(key) != expected.get(key):
                    told.append(f"{what} {key}: {found.get(key)} in place of {expected.get(key)}")
        return told

    @property
    def ours(self) -> int:
        """How many things bear our tags."""
        things: list[HaVip | Eip] = [*self.ha_vips.values(), *self.eips.values()]
        return sum(each.ours for each in things)


NOTHING = Picture({}, {}, {})


def picture(state: Mapping[str, Any], before: Picture = NOTHING) -> Picture:
    """Read a state of the cloud. Ids that were not in the picture before are new."""
    names: dict[str, str] = {}
    for found, known in (("haVips", before.ha_vips), ("eips", before.eips)):
        news = 0
        for each in state[found]:
            id_ = each.get("haVipId") or each["allocationId"]
            if before is not NOTHING and id_ not in known:
                news += 1
                names[id_] = NEW if news == 1 else f"{NEW} {news}"
    return Picture(
        {names.get(each["haVipId"], each["haVipId"]): _ha_vip(each) for each in state["haVips"]},
        {
            names.get(each["allocationId"], each["allocationId"]): _eip(each, names)
            for each in state["eips"]
        },
        {
            f"{table['routeTableId']} {each['destinationCidrBlock']}": names.get(
                each["nextHopId"], each["nextHopId"]
            )
            + ("" if each["status"] == "Available" else f" ({each['status']})")
            for table in state["routeTables"]
            for each in table["entries"]
            if not each["system"]
        },
    )


def _ha_vip(state: Mapping[str, Any]) -> HaVip:
    return HaVip(
        members=frozenset(state["members"]),
        name=state["name"],
        description=state["description"],
        group=state["resourceGroupId"],
        settled=state["status"] in {"Available", "InUse"},
        **_tags(state["tags"]),
    )


def _eip(state: Mapping[str, Any], names: Mapping[str, str]) -> Eip:
    return Eip(
        bound_to=names.get(state["instanceId"], state["instanceId"]),
        name=state["name"],
        description=state["description"],
        bandwidth=str(state["bandwidth"]),
        group=state["resourceGroupId"],
        settled=state["status"] in {"Available", "InUse"},
        **_tags(state["tags"]),
    )


def _tags(tags: Mapping[str, str]) -> dict[str, Any]:
    others = {key: value for key, value in tags.items() if not key.startswith(OURS_BEGINS)}
    return {"tags": others, "ours": bool({TAG_CLUSTER, TAG_UID} & tags.keys())}


def least(before: Picture, after: Picture) -> Counter[str]:
    """Count the calls that lead from one picture to another: one for each change, and no more."""
    calls: Counter[str] = Counter()
    nobody = HaVip(frozenset(), ours=False)
    for key in before.ha_vips.keys() | after.ha_vips.keys():
        old, new = before.ha_vips.get(key), after.ha_vips.get(key)
        calls["CreateHaVip"] += old is None
        calls["DeleteHaVip"] += new is None
        calls["AssociateHaVip"] += len((new or nobody).members - (old or nobody).members)
        calls["UnassociateHaVip"] += len((old or nobody).members - (new or nobody).members)
        if old is not None and new is not None:
            texts = (old.name, old.description) != (new.name, new.description)
            calls["ModifyHaVipAttribute"] += texts
            calls += _common(old, new)
    for key in before.eips.keys() | after.eips.keys():
        was, is_ = before.eips.get(key), after.eips.get(key)
        there, here = was.bound_to if was else "", is_.bound_to if is_ else ""
        calls["AllocateEipAddress"] += was is None
        calls["ReleaseEipAddress"] += is_ is None
        calls["UnassociateEipAddress"] += bool(there) and there != here
        calls["AssociateEipAddress"] += bool(here) and there != here
        if was is not None and is_ is not None:
            texts = (was.name, was.description, was.bandwidth) != (
                is_.name,
                is_.description,
                is_.bandwidth,
            )
            calls["ModifyEipAddressAttribute"] += texts
            calls += _common(was, is_)
    calls["CreateRouteEntry"] += len(after.routes.keys() - before.routes.keys())
    calls["DeleteRouteEntry"] += len(before.routes.keys() - after.routes.keys())
    return +calls


def _common(old: HaVip | Eip, new: HaVip | Eip) -> Counter[str]:
    added = new.tags.items() - old.tags.items()
    removed = old.tags.keys() - new.tags.keys()
    return Counter(
        MoveResourceGroup=int(old.group != new.group),
        TagResources=int(bool(added) or (new.ours and not old.ours)),
        UnTagResources=int(bool(removed) or (old.ours and not new.ours)),
    )


def by_hand(before: Picture, after: Picture) -> int:
    """Count what a person does in the console for the same: all but the tags that are ours."""

    def plain(seen: Picture) -> Picture:
        return Picture(
            {key: replace(each, ours=False) for key, each in seen.ha_vips.items()},
            {key: replace(each, ours=False) for key, each in seen.eips.items()},
            seen.routes,
        )

    return least(plain(before), plain(after)).total()
