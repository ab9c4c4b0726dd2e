"""What is said of a class, as a pure function."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from havip.api.conditions import Condition, find_condition
from havip.api.errors import (
    BugError,
    CredentialsRefused,
    HaVipError,
    NotFound,
    Throttled,
    Unavailable,
)
from havip.api.havipclass import HaVipClass
from havip.cloud.port import Identity
from havip.controller.classstatus import AS_LAST_SEEN, ClassSight, class_status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
IDENTITY = Identity("1", "acs:ram::1:user/operator")


def klass(generation: int = 1, **spec: Any) -> HaVipClass:
    return HaVipClass.from_json(
        {
            "metadata": {"name": "main", "generation": generation},
            "spec": {"region": "cn-hangzhou", "vSwitchId": "vsw-1", **spec},
        }
    )


def sight(before: HaVipClass, **seen: Any) -> ClassSight:
    usual: dict[str, Any] = {"identity": IDENTITY, "vpc_id": "vpc-1", "ha_vips": 3}
    return ClassSight(NOW, before, **usual | seen)


def after(before: HaVipClass, **seen: Any) -> HaVipClass:
    status = class_status(sight(before, **seen))
    return before.model_copy(update={"status": status})


def accepted(of: HaVipClass) -> Condition:
    found = find_condition(of.status.conditions, "Accepted")
    assert found is not None
    return found


def verdict(of: HaVipClass) -> tuple[str, str]:
    return accepted(of).status, accepted(of).reason


def test_a_class_that_works_tells_whose_it_is_and_how_many_havips_there_are() -> None:
    seen = after(klass())
    assert verdict(seen) == ("True", "Accepted")
    assert (seen.status.account_id, seen.status.identity) == ("1", IDENTITY.arn)
    assert (seen.status.ha_vips, seen.status.observed_generation) == (3, 1)
    assert accepted(seen).message == "HaVips are made in vsw-1 of vpc-1."


def test_what_is_seen_again_changes_nothing() -> None:
    seen = after(klass())
    later = class_status(ClassSight(NOW + timedelta(hours=1), seen, IDENTITY, "vpc-1", 3))
    assert later == seen.status


def test_before_the_first_listing_nobody_knows() -> None:
    assert verdict(after(klass(), ha_vips=None)) == ("Unknown", "Pending")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NotFound("no Secret", reason="CredentialsMissing"), "CredentialsMissing"),
        (CredentialsRefused("no such key"), "CredentialsRefused"),
        (
            CredentialsRefused(
                "grant it", reason="PermissionMissing", permission="vpc:CreateHaVip"
            ),
            "PermissionMissing",
        ),
        (NotFound("no vSwitch", reason="VSwitchNotFound"), "VSwitchNotFound"),
    ],
)
def test_what_the_user_must_mend_makes_the_class_not_accepted(
    error: HaVipError, reason: str
) -> None:
    seen = after(after(klass()), trouble=error, identity=None, ha_vips=None)
    assert verdict(seen) == ("False", reason)
    assert accepted(seen).message == str(error)
    assert (seen.status.account_id, seen.status.ha_vips) == ("1", 3)


def test_a_class_that_worked_is_thought_to_while_the_cloud_is_away() -> None:
    seen = after(after(klass()), trouble=Unavailable("no answer"), ha_vips=None)
    assert verdict(seen) == ("True", "CloudUnavailable")
    assert accepted(seen).message == f"no answer {AS_LAST_SEEN}"
    again = after(seen, trouble=Unavailable("no answer, in other words"))
    assert again == seen
    assert verdict(after(seen, trouble=Throttled("too many"))) == ("True", "Throttled")
    assert verdict(after(seen)) == ("True", "Accepted")


@pytest.mark.parametrize(
    "before",
    [klass(), after(klass(), trouble=CredentialsRefused("no"))],
    ids=["never seen", "refused"],
)
def test_a_class_that_never_worked_is_unknown_while_the_cloud_is_away(before: HaVipClass) -> None:
    seen = after(before, trouble=Unavailable("no answer"))
    assert verdict(seen) == ("Unknown", "CloudUnavailable")


def test_what_was_said_of_another_spec_does_not_count() -> None:
    changed = klass(generation=2).model_copy(update={"status": after(klass()).status})
    seen = after(changed, trouble=Unavailable("no answer"))
    assert verdict(seen) == ("Unknown", "CloudUnavailable")
    assert verdict(after(changed, ha_vips=None)) == ("Unknown", "Pending")


def test_our_own_fault_is_not_blamed_on_the_class() -> None:
    assert verdict(after(after(klass()), trouble=BugError("?"))) == ("Unknown", "InternalError")


@pytest.mark.parametrize(
    ("ha_vips", "spec", "near"),
    [
        (44, {}, False),
        (45, {}, True),
        (45, {"limits": {"haVipsPerVpc": 100}}, False),
        (90, {"limits": {"haVipsPerVpc": 100}}, True),
    ],
)
def test_a_quota_that_is_near_is_told(ha_vips: int, spec: dict[str, Any], near: bool) -> None:
    seen = after(klass(**spec), ha_vips=ha_vips)
    assert verdict(seen) == ("True", "Accepted")
    limit = seen.spec.limits.ha_vips_per_vpc
    told = f"The VPC has {ha_vips} HaVips of the {limit} that it may have"
    assert (told in accepted(seen).message) is near
