"""Injected faults: each kind as the official SDK feels it."""

from dataclasses import replace

import pytest
from alibabacloud_tea_openapi.exceptions import (
    ClientException,
    ServerException,
    ThrottlingException,
)
from darabonba.exceptions import RetryError, UnretryableException

from havip.simcloud.faults import FaultKind
from havip.simcloud.profiles import INSTANT, Rates
from havip.simcloud.server import RunningCloud
from tests.simcloud.conftest import Clock, Start
from tests.simcloud.sdk import Sdk, eventually, refusal


def test_a_late_call_has_its_effect_after_the_client_gave_up(cloud: RunningCloud) -> None:
    impatient = Sdk(cloud.endpoint, read_timeout=100)
    cloud.control.fault("CreateHaVip", FaultKind.LATENCY, seconds=1.0)
    with pytest.raises(UnretryableException):
        impatient.create(client_token="t1")
    eventually(lambda: len(cloud.control.ha_vips()) == 1)
    (ha_vip,) = cloud.control.ha_vips()
    assert Sdk(cloud.endpoint).create(client_token="t1").ha_vip_id == ha_vip["haVipId"]


def test_a_connection_cut_before_leaves_nothing(cloud: RunningCloud, sdk: Sdk) -> None:
    cloud.control.fault("CreateHaVip", FaultKind.DROP_BEFORE)
    with pytest.raises(UnretryableException) as caught:
        sdk.create()
    assert isinstance(caught.value.inner_exception, RetryError)
    assert cloud.control.ha_vips() == []
    (call,) = cloud.control.calls()
    assert (call.status, call.code, call.effect) == (None, "drop-before", False)


def test_a_connection_cut_after_hides_what_happened(cloud: RunningCloud, sdk: Sdk) -> None:
    cloud.control.fault("CreateHaVip", FaultKind.DROP_AFTER)
    with pytest.raises(UnretryableException) as caught:
        sdk.create(client_token="t1")
    assert isinstance(caught.value.inner_exception, RetryError)
    (ha_vip,) = cloud.control.ha_vips()
    (call,) = cloud.control.calls()
    assert (call.status, call.code, call.effect) == (None, "drop-after", True)
    assert sdk.create(client_token="t1").ha_vip_id == ha_vip["haVipId"]


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (FaultKind.ERROR_500, (500, "InternalError")),
        (FaultKind.ERROR_503, (503, "ServiceUnavailable")),
    ],
)
def test_a_server_error_leaves_nothing(
    cloud: RunningCloud, sdk: Sdk, kind: FaultKind, answer: tuple[int, str]
) -> None:
    cloud.control.fault("CreateHaVip", kind)
    with pytest.raises(ServerException) as caught:
        sdk.create(client_token="t1")
    assert (caught.value.status_code, caught.value.code) == answer
    assert cloud.control.ha_vips() == []
    sdk.create(client_token="t1")


def test_a_proxys_error_page_is_no_answer(cloud: RunningCloud, sdk: Sdk) -> None:
    cloud.control.fault("CreateHaVip", FaultKind.PROXY_503)
    with pytest.raises(UnretryableException):
        sdk.create()
    assert cloud.control.ha_vips() == []


def test_throttling_says_when_to_come_back(cloud: RunningCloud, sdk: Sdk) -> None:
    cloud.control.fault("CreateHaVip", FaultKind.THROTTLE, seconds=2.5)
    with pytest.raises(ThrottlingException) as caught:
        sdk.create()
    assert (caught.value.status_code, caught.value.code) == (400, "Throttling.User")
    assert caught.value.retry_after == 2500


def test_throttling_without_a_time_is_a_plain_400(cloud: RunningCloud, sdk: Sdk) -> None:
    cloud.control.fault("CreateHaVip", FaultKind.THROTTLE, seconds=0)
    with pytest.raises(ClientException) as caught:
        sdk.create()
    assert not isinstance(caught.value, ThrottlingException)
    assert caught.value.code == "Throttling.User"


def test_a_malformed_answer_reads_as_one_without_content(cloud: RunningCloud, sdk: Sdk) -> None:
    created = sdk.create()
    cloud.control.fault("DescribeHaVips", FaultKind.MALFORMED)
    body = sdk.describe()
    assert (body.ha_vips, body.total_count, body.request_id) == (None, None, None)
    assert sdk.item(created.ha_vip_id).status == "Available"


def test_a_garbled_answer_is_no_answer_but_has_its_effect(cloud: RunningCloud, sdk: Sdk) -> None:
    cloud.control.fault("CreateHaVip", FaultKind.GARBLED)
    with pytest.raises(UnretryableException):
        sdk.create()
    assert len(cloud.control.ha_vips()) == 1


def test_any_refusal_can_be_had(cloud: RunningCloud, sdk: Sdk) -> None:
    cloud.control.fault("UnassociateHaVip", "refuse", code="OperationFailed.DistibuteLock")
    ha_vip = sdk.create().ha_vip_id
    sdk.associate(ha_vip, "i-node1")
    assert refusal(lambda: sdk.unassociate(ha_vip, "i-node1")) == (
        400,
        "OperationFailed.DistibuteLock",
    )
    sdk.unassociate(ha_vip, "i-node1")


def test_a_list_may_come_empty_for_once(cloud: RunningCloud, sdk: Sdk) -> None:
    sdk.create()
    cloud.control.fault("DescribeHaVips", FaultKind.EMPTY)
    body = sdk.describe()
    assert (body.ha_vips.ha_vip, body.total_count) == ([], 0)
    assert sdk.describe().total_count == 1


def test_a_hanging_status_lasts_longer(slow: RunningCloud, slow_sdk: Sdk, clock: Clock) -> None:
    slow.control.fault("CreateHaVip", FaultKind.HANG, seconds=60)
    ha_vip = slow_sdk.create().ha_vip_id
    clock.advance(60)
    assert slow_sdk.item(ha_vip).status == "Creating"
    clock.advance(5)
    assert slow_sdk.item(ha_vip).status == "Available"


def test_a_fault_hits_its_action_and_as_often_as_said(cloud: RunningCloud, sdk: Sdk) -> None:
    cloud.control.fault("CreateHaVip", FaultKind.ERROR_500, skip=1, count=2)
    assert sdk.describe().total_count == 0
    sdk.create()
    assert refusal(sdk.create) == (500, "InternalError")
    assert refusal(sdk.create) == (500, "InternalError")
    sdk.create()


def test_a_fault_can_hit_any_action_and_be_taken_back(cloud: RunningCloud, sdk: Sdk) -> None:
    cloud.control.fault("*", FaultKind.ERROR_503, count=99)
    assert refusal(sdk.describe) == (503, "ServiceUnavailable")
    assert refusal(sdk.create) == (503, "ServiceUnavailable")
    cloud.control.clear_faults()
    sdk.create()


def test_an_unknown_kind_of_fault_is_refused(cloud: RunningCloud) -> None:
    with pytest.raises(ValueError, match="400"):
        cloud.control.fault("CreateHaVip", "earthquake")


def test_calls_over_the_rate_are_throttled_until_time_passes(start: Start, clock: Clock) -> None:
    profile = replace(INSTANT, rates=Rates(reads=3, writes=1, window=60))
    sdk = Sdk(start(profile=profile).endpoint)
    sdk.create()
    for _ in range(3):
        sdk.describe()
    with pytest.raises(ThrottlingException) as caught:
        sdk.create()
    assert 0 < caught.value.retry_after <= 60_000
    with pytest.raises(ThrottlingException):
        sdk.describe()
    clock.advance(61)
    sdk.create()
    sdk.describe()
