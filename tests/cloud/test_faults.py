"""Error codes, and who must act on each."""

from __future__ import annotations

import pytest

from havip.api.errors import (
    AddressTaken,
    BugError,
    Busy,
    CloudError,
    CredentialsRefused,
    HaVipError,
    InvalidSpec,
    NotFound,
    QuotaExceeded,
    Throttled,
    Unavailable,
)
from havip.cloud.faults import error_of
from havip.cloud.refusal import Refusal


def error(code: str, status: int = 400, *, mutating: bool = True) -> HaVipError:
    return error_of(Refusal("AssociateHaVip", status, code, "words", "R-1"), mutating=mutating)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("Throttling", 400, Throttled),
        ("Throttling.User", 400, Throttled),
        ("Rejected.Throttling", 400, Throttled),
        ("InvalidVip.Status", 400, Busy),
        ("IncorrectHaVipStatus", 400, Busy),
        ("IncorrectInstanceStatus", 403, Busy),
        ("IncorrectStatus.VSwitch", 400, Busy),
        ("OperationFailed.DistibuteLock", 400, Busy),
        ("OperationConflict", 400, Busy),
        ("SystemBusy", 400, Busy),
        ("TaskConflict", 400, Busy),
        ("DependencyViolation.HaVipReferedByRouteEntry", 400, Busy),
        ("Forbidden.UnassociateMaster", 400, Busy),
        ("IdempotentParameterMismatch", 400, Busy),
        ("LastTokenProcessing", 400, Busy),
        ("OperationFailed.IdempotentTokenProcessing", 400, Busy),
        ("CountLimitExceed.HaVipOnInstance", 400, QuotaExceeded),
        ("CountLimitExceeded.HaVipOnECSInstance", 400, QuotaExceeded),
        ("QuotaExceeded", 400, QuotaExceeded),
        ("Forbidden.HaVip", 400, QuotaExceeded),
        ("Forbidden.RAM", 403, CredentialsRefused),
        ("NoPermission", 403, CredentialsRefused),
        ("InvalidAccessKeyId.NotFound", 404, CredentialsRefused),
        ("SignatureDoesNotMatch", 400, CredentialsRefused),
        ("InvalidSecurityToken.Expired", 400, CredentialsRefused),
        ("InvalidTimeStamp.Expired", 400, CredentialsRefused),
        ("InvalidIPAddress.AlreadyUsed", 400, AddressTaken),
        ("InvalidIPAddress.OutOfRange", 400, AddressTaken),
        ("InvalidVSwitch.NotFound", 400, NotFound),
        ("InvalidRegionId.NotFound", 404, NotFound),
        ("InvalidHaVipId.NotFound", 404, NotFound),
        ("InvalidDescription.Malformed", 400, InvalidSpec),
        ("SomethingNew", 400, InvalidSpec),
        ("MissingParameter", 400, BugError),
        ("InvalidAction.NotFound", 404, BugError),
        ("ServiceUnavailable", 503, Unavailable),
        ("InternalError", 500, Unavailable),
        ("SomethingNew", 502, Unavailable),
    ],
)
def test_a_code_leads_to_who_must_act(code: str, status: int, kind: type[HaVipError]) -> None:
    found = error(code, status)
    assert type(found) is kind
    assert found.code == code
    assert found.request_id == "R-1"
    assert "words" in str(found)


@pytest.mark.parametrize("code", ["InternalError", "ServiceUnavailable"])
def test_a_failed_change_may_have_been_made_but_a_failed_look_was_not(code: str) -> None:
    change, look = error(code, 500), error(code, 500, mutating=False)
    assert isinstance(change, CloudError)
    assert isinstance(look, CloudError)
    assert change.outcome_unknown
    assert not look.outcome_unknown


def test_a_call_still_under_way_keeps_its_token() -> None:
    found = error("LastTokenProcessing")
    assert isinstance(found, Busy)
    assert found.outcome_unknown


def test_a_refusal_is_definitive() -> None:
    found = error("IncorrectHaVipStatus")
    assert isinstance(found, Busy)
    assert not found.outcome_unknown


def test_the_cloud_says_how_long_to_wait() -> None:
    refusal = Refusal("CreateHaVip", 400, "Throttling.User", "slow down", retry_after=7.0)
    found = error_of(refusal, mutating=True)
    assert isinstance(found, Throttled)
    assert found.retry_after == 7.0
