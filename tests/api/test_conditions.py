from datetime import UTC, datetime, timedelta

from havip.api.conditions import (
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
    find_condition,
    is_true,
    set_condition,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)


def held(message: str = "node1 owns it", *, status: bool = True) -> tuple[Condition, ...]:
    reason = Reason.HELD if status else Reason.NO_HOLDER
    return set_condition((), ConditionType.HELD, status, reason, message, now=NOON)


def test_a_new_condition_begins_now() -> None:
    (condition,) = held()
    assert condition.type == "Held"
    assert condition.status == ConditionStatus.TRUE
    assert condition.last_transition_time == NOON


def test_the_time_stays_when_only_reason_and_message_change() -> None:
    (condition,) = set_condition(
        held(), ConditionType.HELD, True, Reason.READY, "node2 owns it", now=LATER
    )
    assert condition.reason == "Ready"
    assert condition.message == "node2 owns it"
    assert condition.last_transition_time == NOON


def test_the_time_moves_when_the_status_changes() -> None:
    (condition,) = set_condition(
        held(), ConditionType.HELD, False, Reason.NO_HOLDER, "nobody owns it", now=LATER
    )
    assert condition.last_transition_time == LATER


def test_unknown_is_another_status_than_false() -> None:
    before = held(status=False)
    (condition,) = set_condition(
        before, ConditionType.HELD, ConditionStatus.UNKNOWN, "HolderUnknown", "?", now=LATER
    )
    assert condition.status == ConditionStatus.UNKNOWN
    assert condition.last_transition_time == LATER


def test_setting_what_is_so_already_changes_nothing() -> None:
    before = held()
    after = set_condition(before, ConditionType.HELD, True, Reason.HELD, "node1 owns it", now=LATER)
    assert after == before


def test_the_generation_is_the_one_last_judged() -> None:
    (condition,) = set_condition(
        held(), ConditionType.HELD, True, Reason.HELD, "", now=LATER, observed_generation=7
    )
    assert condition.observed_generation == 7


def test_other_conditions_and_their_order_stay() -> None:
    first = set_condition((), ConditionType.READY, False, Reason.PENDING, "", now=NOON)
    both = set_condition(first, ConditionType.HELD, False, Reason.NO_HOLDER, "", now=NOON)
    changed = set_condition(both, ConditionType.READY, True, Reason.READY, "", now=LATER)
    assert [each.type for each in changed] == ["Ready", "Held"]
    assert changed[1] == both[1]


def test_what_was_given_is_not_changed_in_place() -> None:
    before = list(held())
    set_condition(before, ConditionType.HELD, False, Reason.NO_HOLDER, "", now=LATER)
    assert tuple(before) == held()


def test_a_condition_is_found_by_its_type() -> None:
    assert find_condition(held(), ConditionType.HELD) == held()[0]
    assert find_condition(held(), ConditionType.READY) is None


def test_only_true_is_true() -> None:
    assert is_true(held(), ConditionType.HELD)
    assert not is_true(held(status=False), ConditionType.HELD)
    assert not is_true(held(), ConditionType.READY)


def test_a_condition_survives_the_way_to_the_api_and_back() -> None:
    (condition,) = held()
    written = condition.to_json()
    assert written["lastTransitionTime"] == "2026-01-01T12:00:00Z"
    assert Condition.from_json(written) == condition
