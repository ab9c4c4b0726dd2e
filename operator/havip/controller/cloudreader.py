"""Reads the listings into the views that are decided by, no surer than the listings are.

Listings may be late: what one lacks may be there. So each view tells how many listings it is from,
begun after our last change, and whether they lack what is on record for only a short while. Since
when they lack it may be forgotten at any moment, and then takes that long again.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from havip.api.errors import HaVipError, UserError
from havip.api.havip import HaVip
from havip.cloud.port import HaVipFacts
from havip.controller.cloudview import (
    LOST_SECONDS,
    SURE_LISTINGS,
    CloudView,
    EipView,
    NetworkInterfaceView,
    RouteView,
    known_id_of,
    view,
)
from havip.controller.freshness import Freshness
from havip.controller.needs import (
    EIPS,
    HA_VIPS,
    INSTANCES,
    Listing,
    network_interfaces,
    routes,
)
from havip.controller.observe import NodeFacts
from havip.controller.plan.placement import INSTANCES as INSTANCES_SUBJECT
from havip.controller.plan.steps import EIP, HA_VIP
from havip.controller.poller import Snapshot

T = TypeVar("T")


class CloudReader:
    """Reads for one HaVip."""

    def __init__(self, cluster_id: str, freshness: Freshness) -> None:
        self._cluster_id = cluster_id
        self._freshness = freshness
        # When the listings began to lack what is on record, by its id.
        self._missing_since: dict[str, float] = {}

    def ha_vip(self, havip: HaVip, v_switch_id: str) -> CloudView | None:
        """Find the counterpart; None until the HaVips were listed."""
        listed = self._freshness.listed(HA_VIPS)
        if listed.latest is None:
            return None
        known_id, changed_at = known_id_of(havip), self._freshness.changed_at(HA_VIPS)
        found = view(
            havip,
            self._cluster_id,
            v_switch_id,
            listed.latest.items,
            listings=listed.unseen(known_id, float("-inf") if known_id else changed_at),
        )
        early = self._missing_early(listed.latest, known_id)
        return replace(found, early=early, listings=listed.unseen("", changed_at))

    def eips(self, last_allocated: str | None) -> EipView | None:
        """Return the EIPs; None while they are not needed, or cannot be listed."""
        listed, sight = self._freshness.listed(EIPS), self._sight(EIPS)
        if sight is None or listed.latest is None or listed.error is not None:
            return None
        return EipView(*sight, self._missing_early(listed.latest, last_allocated or ""))

    def routes(self, table: str) -> RouteView | None:
        """Return the entries of a table, or why the user must act for them to be listed."""
        listed, listings = self._freshness.listed(routes(table)), self._freshness.listings
        error, sight = listed.error, self._sight(routes(table))
        if isinstance(error, UserError):
            return RouteView(error=error)
        if sight is None or error is not None or listings is None:
            return None
        entries, count = sight
        free = listings.turns.free(table, listed.started)
        return RouteView(tuple(entries.values()), count, free=free)

    def network_interfaces(self, v_switch_id: str) -> NetworkInterfaceView | None:
        """Return those in a vSwitch; None while they are not needed, or not seen yet."""
        sight = self._sight(network_interfaces(v_switch_id))
        return NetworkInterfaceView(tuple(sight[0].values())) if sight else None

    def nodes(self, nodes: tuple[NodeFacts, ...], mine: HaVipFacts | None) -> tuple[NodeFacts, ...]:
        """Add the vSwitch of nodes without an agent, as the cloud knows it.

        Until it was asked, such a node is passed over rather than refused.
        """
        listed = self._freshness.listed(INSTANCES)
        known = listed.latest.items if listed.latest else {}
        present = mine.associated_instances if mine else frozenset()
        asked = listed.latest is not None or listed.error is not None
        return tuple(
            replace(each, v_switch_id=known[each.instance_id].v_switch_id)
            if not each.v_switch_id and each.instance_id in known
            else each
            for each in nodes
            if each.v_switch_id or not each.instance_id or asked or each.instance_id in present
        )

    def errors(self, v_switch_id: str, cards: NetworkInterfaceView | None) -> dict[str, HaVipError]:
        """Return the errors of listings that only a part depends on, by its subject."""
        subjects: dict[Listing[Any], str] = {EIPS: EIP, INSTANCES: INSTANCES_SUBJECT}
        if cards is None:
            # Without them nobody can be a member.
            subjects[network_interfaces(v_switch_id)] = HA_VIP
        errors = {
            subject: self._freshness.listed(listing).error for listing, subject in subjects.items()
        }
        return {subject: error for subject, error in errors.items() if error is not None}

    def _missing_early(self, latest: Snapshot[Any], key: str) -> bool:
        """Tell whether a thing on record is missing from the listings, but not for long."""
        if not key or key == self._freshness.released or key in latest.items:
            self._missing_since.pop(key, None)
            return False
        since = self._missing_since.setdefault(key, latest.started)
        return latest.started - since < LOST_SECONDS

    def _sight(self, listing: Listing[T]) -> tuple[Mapping[str, T], int] | None:
        """Return what the last listings since our change have, and how many these are.

        The newest counts, but what it alone lacks may only be late: that takes two in a row.
        """
        listed = self._freshness.listed(listing)
        if listed.latest is None:
            return None
        recent = listed.recent(self._freshness.changed_at(listing), SURE_LISTINGS)
        items: dict[str, T] = {}
        for each in recent or (listed.latest,):
            items |= each.items
        return items, len(recent)
