"""Routes: which entries come and go, one at a time to a table, and why one cannot be had."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from havip.api.conditions import ConditionType, Reason
from havip.api.errors import CredentialsRefused, NotFound, QuotaExceeded, RouteTaken
from havip.controller.cloudview import RouteView
from havip.controller.observe import Observation
from havip.controller.plan.steps import route_subject
from tests.controller.plan.builders import (
    BLOCK,
    TABLE,
    add_route,
    after,
    decide,
    entry,
    facts,
    had,
    havip,
    klass,
    noted,
    remove_route,
    report,
    route,
    seen,
    table,
    told,
)

OTHER = "10.8.0.0/16"
FIVE = tuple(entry(f"10.{number}.0.0/16", f"havip-{number}") for number in range(20, 25))
REFUSED = CredentialsRefused("vpc:DescribeRouteEntryList is missing", reason="PermissionMissing")
GONE = NotFound("There is no vtb-1.", reason=Reason.ROUTE_TABLE_NOT_FOUND)


def picture(
    routes: dict[str, RouteView],
    *wanted: str,
    record: tuple[dict[str, str], ...] = (),
    **known: Any,
) -> Observation:
    object_ = havip(
        routes=[route(each) for each in wanted], state={"routes": list(record)} if record else {}
    )
    return seen(object_, facts(), **{"routes": routes, **known})


def verdict(of: Observation) -> tuple[str, str]:
    found = told(of, ConditionType.ROUTES_BOUND)
    return str(found.status), found.reason


def states(of: Observation) -> dict[str, str]:
    return {each.destination: str(each.state) for each in report(of).routes}


@pytest.mark.parametrize(
    ("of", "step", "said"),
    [
        pytest.param(picture({}), None, ("True", "NotWanted"), id="none is wanted"),
        pytest.param(
            picture(table(), BLOCK), add_route(), ("False", "Binding"), id="one is added"
        ),
        pytest.param(
            picture(table(entry()), BLOCK), None, ("True", "Bound"), id="one is there"
        ),
        pytest.param(
            picture(table(entry(status="Pending")), BLOCK), None, ("False", "Binding"),
            id="one is on its way",
        ),
        pytest.param(
            picture(table(entry(to="havip-9")), BLOCK), add_route(), ("False", "Binding"),
            id="the block of another HaVip is asked for, and refused by the cloud",
        ),
        pytest.param(
            picture(table(entry()), record=(noted(),)), remove_route(), ("True", "Unbinding"),
            id="one is removed",
        ),
        pytest.param(
            picture(table(entry(status="Deleting")), record=(noted(),)), None,
            ("True", "Unbinding"), id="one is being removed",
        ),
        pytest.param(
            picture(table(entry()), OTHER, record=(noted(),)), remove_route(),
            ("False", "Binding"), id="old ones make room for new ones first",
        ),
        pytest.param(
            picture(table(entry())), None, ("True", "NotWanted"), id="others' are left alone"
        ),
        pytest.param(
            picture(table(entry(to="havip-9")), record=(noted(),)), None, ("True", "NotWanted"),
            id="one that somebody led elsewhere is not removed",
        ),
        pytest.param(
            picture(table(entry(OTHER, "havip-9", status="Pending")), BLOCK), None,
            ("False", "Binding"), id="another's change of the table is waited for",
        ),
        pytest.param(
            picture(table(free=False), BLOCK), None, ("False", "Binding"),
            id="so is one that no listing shows yet",
        ),
    ],
)  # fmt: skip
def test_the_next_step_and_what_is_said(
    of: Observation, step: object, said: tuple[str, str]
) -> None:
    assert decide(of).step == step
    assert verdict(of) == said


def test_a_table_that_is_busy_does_not_hold_up_another() -> None:
    object_ = havip(routes=[route(), route(BLOCK, "vtb-2")])
    views = {**table(free=False), "vtb-2": RouteView((), 9)}
    assert decide(seen(object_, facts(), routes=views)).step == add_route(BLOCK, "vtb-2")


def test_before_its_table_is_seen_nothing_is_said_of_a_route() -> None:
    bound = after(picture(table(entry()), BLOCK))
    assert report(replace(bound, routes={})) == report(bound)


def test_a_route_that_is_dropped_is_forgotten_only_when_it_is_surely_gone() -> None:
    late = picture(table(listings=1), record=(noted(state="Creating"),))
    assert states(late) == {BLOCK: "Deleting"}
    appeared = after(late, routes=table(entry()))
    assert decide(appeared).step == remove_route()
    gone = after(appeared, routes=table())
    assert states(gone) == {}


def test_what_an_adopted_one_had_stays_when_it_is_not_wanted_any_more() -> None:
    object_ = havip(adopt={"haVipId": "havip-1"}, state={"routes": [noted()]})
    state = object_.status.model_copy(update={"adopted": had(routes=(f"{TABLE} {BLOCK}",))})
    of = seen(object_.model_copy(update={"status": state}), facts(), routes=table(entry()))
    assert decide(of).step is None
    assert states(of) == {}


# -- refused


def test_a_full_table_is_not_asked_and_those_who_use_it_up_are_named() -> None:
    full = picture(table(*FIVE), BLOCK)
    assert decide(full).step is None
    assert verdict(full) == ("False", Reason.QUOTA_EXCEEDED)
    message = told(full, ConditionType.ROUTES_BOUND).message
    assert "10.20.0.0/16 to havip-20" in message
    assert "spec.limits.routesPerTable" in message


def test_a_limit_that_only_the_cloud_knows_is_tried_again_in_time() -> None:
    subject = route_subject(TABLE, BLOCK)
    again = picture(table(), BLOCK, setbacks={subject: QuotaExceeded("the VPC is full")})
    assert decide(again).step == add_route()
    assert states(again) == {BLOCK: "Refused"}


def test_a_raised_limit_counts() -> None:
    assert decide(picture(table(*FIVE), BLOCK, klass=klass(routesPerTable=6))).step == add_route()


def test_a_full_table_is_none_while_one_of_ours_leaves_it() -> None:
    of = picture(table(*FIVE[:4], entry(OTHER)), BLOCK, record=(noted(OTHER),))
    assert decide(of).step == remove_route(OTHER)
    assert states(of) == {OTHER: "Deleting", BLOCK: "Creating"}
    passing = replace(of, routes=table(*FIVE[:4], entry(OTHER, status="Deleting")))
    assert decide(passing).step is None
    assert verdict(passing) == verdict(of)


def test_a_refusal_of_one_holds_up_no_other() -> None:
    subject = route_subject(TABLE, OTHER)
    of = picture(
        table(), OTHER, BLOCK, setbacks={subject: RouteTaken("It leads to an instance.")},
        resting=frozenset({subject}),
    )  # fmt: skip
    assert decide(of).step == add_route(BLOCK)
    assert states(of) == {OTHER: "Refused", BLOCK: "Creating"}
    assert "leads to an instance" in told(of, ConditionType.ROUTES_BOUND).message


def test_a_removal_that_is_refused_holds_up_no_other_and_is_told() -> None:
    subject = route_subject(TABLE, OTHER)
    of = picture(
        table(entry(OTHER)), BLOCK, record=(noted(OTHER),), setbacks={subject: REFUSED},
        resting=frozenset({subject}),
    )  # fmt: skip
    assert decide(of).step == add_route(BLOCK)
    assert "DescribeRouteEntryList" in told(of, ConditionType.ROUTES_BOUND).message


def test_a_table_that_is_gone_refuses_its_routes() -> None:
    of = picture({TABLE: RouteView(error=GONE)}, BLOCK)
    assert decide(of).step is None
    assert states(of) == {BLOCK: "Refused"}


@pytest.mark.parametrize(("error", "left"), [(GONE, {}), (REFUSED, {BLOCK: "Deleting"})])
def test_only_a_table_that_is_gone_takes_its_routes_along(
    error: Exception, left: dict[str, str]
) -> None:
    assert states(picture({TABLE: RouteView(error=error)}, record=(noted(),))) == left  # type: ignore[arg-type]
