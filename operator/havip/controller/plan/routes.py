"""What becomes of the routes that lead to the HaVip, and the next step towards it.

Pure. The cloud changes one entry of a route table at a time, and takes a few to HaVips in all.
Ours are the routes of ``spec.routes``, and those that were in it and are on record in the status.
Others that lead to the HaVip are left alone while the object lives.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from havip.api.conditions import ConditionStatus, Reason
from havip.api.errors import HaVipError, NotFound, UserError
from havip.api.havip import HaVip, RouteState, RouteStatus
from havip.cloud.port import HaVipFacts, NewRoute, RouteFacts
from havip.controller.cloudview import RouteView
from havip.controller.needs import Listing, routes
from havip.controller.observe import Observation
from havip.controller.plan.outcome import NOT_WANTED_ROUTES, RoutesPart, Verdict
from havip.controller.plan.quota import table_is_full
from havip.controller.plan.steps import (
    CreateRoute,
    DeleteRoute,
    Step,
    route_subject,
    subject,
)

TRUE, FALSE = ConditionStatus.TRUE, ConditionStatus.FALSE

Key = tuple[str, str]
"""Route table and destination."""


@dataclass
class _Sheet:
    """What is gathered while the routes are gone through one by one."""

    status: list[RouteStatus] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    watch: set[Listing[Any]] = field(default_factory=set)
    going: Counter[str] = field(default_factory=Counter)
    """By table, the entries that make room."""
    errors: dict[RouteState, HaVipError] = field(default_factory=dict)
    """By state, what keeps a route in it; what the user must mend before all else."""

    def note(self, key: Key, state: RouteState, why: HaVipError | str = "") -> None:
        self.status.append(
            RouteStatus(route_table_id=key[0], destination=key[1], state=state, reason=str(why))
        )
        if isinstance(why, HaVipError) and not isinstance(self.errors.get(state), UserError):
            self.errors[state] = why


def routes_part(seen: Observation, mine: HaVipFacts) -> RoutesPart | None:
    """Decide on the routes of a living HaVip; None while not all of their tables were seen.

    Old ones go first, so as to make room.
    """
    wanted = {(each.route_table_id, each.destination) for each in seen.havip.spec.routes}
    on_record = {(each.route_table_id, each.destination) for each in seen.havip.status.routes}
    if not wanted and not on_record:
        return RoutesPart()
    if any(table not in seen.routes for table, _ in wanted | on_record):
        return None
    sheet = _Sheet()
    for key in sorted(on_record - wanted):
        _drop(seen, mine, key, sheet)
    for key in sorted(wanted):
        _have(seen, mine, key, sheet)
    step = next((each for each in sheet.steps if subject(each) not in seen.resting), None)
    return RoutesPart(
        _verdict(sheet, bool(wanted)), tuple(sheet.status), step, frozenset(sheet.watch)
    )


def entries_to(mine_id: str, view: RouteView) -> tuple[RouteFacts, ...]:
    """Return the entries of a table that lead to this HaVip."""
    return tuple(each for each in view.entries if each.next_hop_id == mine_id)


def found_before(havip: HaVip, key: Key) -> bool:
    """Whether an adopted HaVip had this route already."""
    return havip.status.adopted is not None and " ".join(key) in havip.status.adopted.routes


def _have(seen: Observation, mine: HaVipFacts, key: Key, sheet: _Sheet) -> None:
    """Have a route."""
    table, destination = key
    view = seen.routes[table]
    if view.error is not None:
        sheet.note(key, RouteState.REFUSED, view.error)
        return
    entry = next(
        (e for e in entries_to(mine.ha_vip_id, view) if e.destination == destination), None
    )
    if entry is not None and entry.settled:
        sheet.note(key, RouteState.BOUND)
        return
    if entry is not None:
        sheet.watch.add(routes(table))
        sheet.note(key, RouteState.CREATING, f"The cloud says {entry.status}.")
        return
    full = table_is_full(seen, table, view, sheet.going[table])
    error = full or seen.setbacks.get(route_subject(table, destination))
    state = RouteState.REFUSED if isinstance(error, UserError) else RouteState.CREATING
    sheet.note(key, state, error or "")
    # What was refused is tried again in time; what is over a limit is not even asked for.
    if full is not None:
        return
    if not _is_free(view) or table_is_full(seen, table, view):
        sheet.watch.add(routes(table))
        return
    sheet.steps.append(CreateRoute(_new_route(seen.havip, mine.ha_vip_id, key)))


def _new_route(havip: HaVip, ha_vip_id: str, key: Key) -> NewRoute:
    wish = next(e for e in havip.spec.routes if (e.route_table_id, e.destination) == key)
    whose = f"HaVip {havip.metadata.namespace}/{havip.metadata.name}"
    return NewRoute(*key, ha_vip_id, wish.name or "", wish.description or whose)


def _drop(seen: Observation, mine: HaVipFacts, key: Key, sheet: _Sheet) -> None:
    """Be rid of a route that is not wanted any more."""
    table, destination = key
    if found_before(seen.havip, key):
        return
    view = seen.routes[table]
    if view.error is not None:
        if not is_gone(view):
            sheet.note(key, RouteState.DELETING, view.error)
        return
    step, passing = removal(mine.ha_vip_id, view, (destination,))
    if step is not None:
        sheet.steps.append(step)
    elif not passing and view.sure:
        return
    error = seen.setbacks.get(route_subject(table, destination)) if step is not None else None
    if not isinstance(error, UserError) and (step is not None or passing):
        sheet.going[table] += 1
    sheet.watch.add(routes(table))
    sheet.note(key, RouteState.DELETING, error or "")


def is_gone(view: RouteView) -> bool:
    """Whether there is no such table any more: it has taken its entries along."""
    return isinstance(view.error, NotFound)


def removal(
    mine_id: str, view: RouteView, destinations: Iterable[str] | None = None
) -> tuple[Step | None, bool]:
    """Return the step that removes an entry to the HaVip, and whether one has to be waited for.

    ``destinations`` says which; all of the table if left out.
    """
    for each in entries_to(mine_id, view):
        if destinations is None or each.destination in destinations:
            if not _is_free(view):
                return None, True
            return DeleteRoute(each.route_table_id, each.destination, each.route_entry_id), False
    return None, False


def _is_free(view: RouteView) -> bool:
    return view.free and all(each.settled for each in view.entries)


def _verdict(sheet: _Sheet, wanted: bool) -> Verdict:
    refused = [each for each in sheet.status if each.state is RouteState.REFUSED]
    if refused:
        told = "; ".join(
            f"{each.destination} in {each.route_table_id}: {each.reason.rstrip('.')}"
            for each in refused[:3]
        )
        return Verdict(FALSE, sheet.errors[RouteState.REFUSED].reason, f"{told}.")
    under_way = [each for each in sheet.status if each.state is not RouteState.BOUND]
    if under_way:
        told = "; ".join(
            f"{e.destination} in {e.route_table_id}"
            + (f": {e.reason.rstrip('.')}" * bool(e.reason))
            for e in under_way[:3]
        )
        unbinding = all(each.state is RouteState.DELETING for each in under_way)
        error = sheet.errors.get(RouteState.DELETING if unbinding else RouteState.CREATING)
        reason = Reason.UNBINDING if unbinding else Reason.BINDING
        # What goes does not keep what is there from working, but it must not stay for ever.
        goes = unbinding and not isinstance(error, UserError)
        return Verdict(
            TRUE if goes else FALSE, error.reason if error else reason, f"Under way: {told}."
        )
    if not wanted:
        return NOT_WANTED_ROUTES
    return Verdict(TRUE, Reason.BOUND, f"{len(sheet.status)} routes lead to the HaVip.")
