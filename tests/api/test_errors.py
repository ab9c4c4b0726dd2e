import inspect

import pytest

from havip.api import errors
from havip.api.conditions import Reason
from havip.api.errors import BugError, CloudError, HaVipError, Throttled, UserError

EVERY_CLASS = [
    each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, HaVipError)
]


@pytest.mark.parametrize("error", EVERY_CLASS)
def test_an_error_says_who_must_act_by_one_branch_alone(error: type[HaVipError]) -> None:
    branches = [each for each in (UserError, CloudError, BugError) if issubclass(error, each)]
    assert len(branches) == (0 if error is HaVipError else 1)


@pytest.mark.parametrize("error", EVERY_CLASS)
def test_the_reason_of_an_error_fits_a_condition(error: type[HaVipError]) -> None:
    assert error.default_reason in set(Reason)


@pytest.mark.parametrize("error", EVERY_CLASS)
def test_the_picture_of_the_tree_shows_every_class(error: type[HaVipError]) -> None:
    assert error.__name__ in (errors.__doc__ or "")


def test_an_error_reads_as_its_sentence_and_keeps_what_the_cloud_said() -> None:
    error = UserError(
        "make a vSwitch first",
        reason=Reason.V_SWITCH_NOT_FOUND,
        code="InvalidVSwitch.NotFound",
        request_id="42",
    )
    assert str(error) == "make a vSwitch first"
    assert error.reason == "VSwitchNotFound"
    assert (error.code, error.request_id) == ("InvalidVSwitch.NotFound", "42")


def test_a_cloud_error_says_how_long_to_wait_and_whether_to_look_first() -> None:
    error = Throttled("too many calls", retry_after=2.5, outcome_unknown=True)
    assert error.retry_after == 2.5
    assert error.outcome_unknown


def test_unless_told_otherwise_nothing_was_done_and_the_wait_is_ours_to_choose() -> None:
    error = CloudError("no route to the cloud")
    assert error.retry_after is None
    assert not error.outcome_unknown
