"""What must never be, at no moment of a life: seen from the cloud's log and the status' history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from havip.controller.kube import Json
from havip.simcloud.faults import Record
from tests.lives.life import Life
from tests.lives.picture import NEW, Picture

if TYPE_CHECKING:
    from tests.lives.driver import Outcome

MAKES = {"CreateHaVip": 1, "DeleteHaVip": -1}
ALLOCATES = {"AllocateEipAddress": 1, "ReleaseEipAddress": -1}
NAMING = ("HaVipId", "AllocationId", "InstanceId", "RouteEntryId", "ResourceId.1")
"""Parameters by which a call names what it changes."""


class Chronicle:
    """The states that the object had. What was true once must not be forgotten."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self._known: dict[str, Any] = {}

    def saw(self, _path: str, body: Json, gone: bool) -> None:
        """Take note of a state."""
        status: Mapping[str, Any] = body.get("status") or {}
        if body["metadata"]["name"] != "web" or gone:
            return
        for name in ("haVipId", "address", "adopted"):
            now, before = status.get(name), self._known.get(name)
            if before and now != before:
                self.complaints.append(f"status.{name} was {before}, and is {now}")
            self._known[name] = now or before
        types = {each["type"] for each in status.get("conditions", [])}
        for each in sorted(self._known.get("types", set()) - types):
            self.complaints.append(f"condition {each} vanished")
        self._known["types"] = types


def judge(
    outcome: Outcome,
    life: Life,
    adopted: str,
    chronicle: Chronicle,
    before: Mapping[str, Any],
) -> None:
    """Add what was wrong with a life to its outcome."""
    done = [each for each in outcome.log if each.effect]
    outcome.doubled = _doubled(done)
    if outcome.doubled:
        outcome.complaints.append("two HaVips or two EIPs at once")
    outcome.complaints += chronicle.complaints
    outcome.complaints += _touched(done, life, adopted, before)
    wanted = life.scenes[-1].wanted(outcome.pictures[0])
    if not life.scenes[-1].keeps:
        outcome.leaked = _left(outcome.pictures[-1], wanted)


def _doubled(done: list[Record]) -> int:
    """Count how often there was one more of a kind than there may be."""
    doubled = 0
    for kind in (MAKES, ALLOCATES):
        there = 0
        for each in done:
            there += kind.get(each.action, 0)
            doubled += kind.get(each.action) == 1 and there > 1
    return doubled


def _touched(
    done: list[Record], life: Life, adopted: str, before: Mapping[str, Any]
) -> Iterator[str]:
    """Tell which calls changed what is others'."""
    foreign = {each["haVipId"] for each in before["haVips"]}
    foreign |= {member for each in before["haVips"] for member in each["members"]}
    foreign |= {each["allocationId"] for each in before["eips"]}
    given = {adopted if each == "the adopted one" else each for each in life.takes}
    for table in before["routeTables"]:
        for each in table["entries"]:
            foreign.add(each["routeEntryId"])
            if each["destinationCidrBlock"] in life.takes:
                given.add(each["routeEntryId"])
    for record in done:
        for name in NAMING:
            id_ = record.parameters.get(name, "")
            if id_ in foreign - given:
                yield f"{record.action} changed {id_}, which is others'"


def _left(found: Picture, wanted: Picture) -> int:
    """Count what was made in the course of the life, or bears our tags, and should not be there."""
    left = 0
    for kind in ("ha_vips", "eips"):
        now, due = getattr(found, kind), getattr(wanted, kind)
        left += sum(key.startswith(NEW) and key not in due for key in now)
        left += sum(each.ours and not (key in due and due[key].ours) for key, each in now.items())
    left += sum(key not in wanted.routes for key in found.routes)
    return left
