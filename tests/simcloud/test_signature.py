"""Requests that are not signed as the cloud asks are refused with the cloud's codes."""

import http.client
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from havip.simcloud.server import RunningCloud
from havip.simcloud.signature import ALGORITHM, Signed, sign
from havip.simcloud.topology import Account, sample
from tests.simcloud.conftest import Clock, Start
from tests.simcloud.sdk import Sdk, refusal

Headers = dict[str, str]


def send(
    cloud: RunningCloud,
    *,
    before: Callable[[Headers], None] = lambda _: None,
    after: Callable[[Headers], None] = lambda _: None,
    method: str = "POST",
    query: dict[str, str] | None = None,
) -> tuple[int, str]:
    """Sign a DescribeHaVips by hand, changed before or after signing; give status and code."""
    parameters = {"RegionId": "cn-hangzhou", "ResourceGroupId": "a b*~"} if query is None else query
    headers = {
        "host": cloud.endpoint,
        "x-acs-action": "DescribeHaVips",
        "x-acs-version": "2016-04-28",
        "x-acs-date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": uuid.uuid4().hex,
    }
    before(headers)
    names = sorted(headers)
    signature = sign(Signed(method, list(parameters.items()), headers), names, "SK-SIM")
    headers["authorization"] = (
        f"{ALGORITHM} Credential=AK-SIM,SignedHeaders={';'.join(names)},Signature={signature}"
    )
    after(headers)
    connection = http.client.HTTPConnection(cloud.endpoint, timeout=5)
    try:
        connection.request(method, f"/?{urlencode(parameters)}", headers=headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read()).get("Code", "")
    finally:
        connection.close()


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_request_signed_by_hand_is_accepted(cloud: RunningCloud, method: str) -> None:
    assert send(cloud, method=method) == (200, "")


def test_a_wrong_secret_does_not_match(cloud: RunningCloud) -> None:
    sdk = Sdk(cloud.endpoint, secret="SK-WRONG")
    assert refusal(sdk.describe) == (400, "SignatureDoesNotMatch")


def test_an_unknown_key_is_not_found(cloud: RunningCloud) -> None:
    sdk = Sdk(cloud.endpoint, key="AK-NOBODY")
    assert refusal(sdk.describe) == (404, "InvalidAccessKeyId.NotFound")


def account(**fields: object) -> Account:
    return sample().accounts[0].model_copy(update=fields)


def test_a_disabled_key_is_inactive(start: Start) -> None:
    cloud = start(sample().model_copy(update={"accounts": (account(active=False),)}))
    assert refusal(Sdk(cloud.endpoint).describe) == (400, "InvalidAccessKeyId.Inactive")


def test_temporary_credentials_need_their_token(start: Start) -> None:
    cloud = start(sample().model_copy(update={"accounts": (account(security_token="STS"),)}))
    assert refusal(Sdk(cloud.endpoint).describe) == (400, "InvalidSecurityToken.Malformed")
    assert Sdk(cloud.endpoint, security_token="STS").describe().total_count == 0


@pytest.mark.parametrize("ahead", [16 * 60, -16 * 60])
def test_a_date_too_far_from_the_clouds_clock_is_expired(
    cloud: RunningCloud, sdk: Sdk, clock: Clock, ahead: float
) -> None:
    clock.advance(ahead)
    assert refusal(sdk.describe) == (400, "InvalidTimeStamp.Expired")
    clock.advance(-ahead)
    assert sdk.describe().total_count == 0


def test_a_date_in_another_form_is_refused(cloud: RunningCloud) -> None:
    assert send(cloud, before=lambda h: h.update({"x-acs-date": "yesterday"})) == (
        400,
        "InvalidTimeStamp.Format",
    )


def test_a_nonce_is_used_once(cloud: RunningCloud) -> None:
    def same(headers: Headers) -> None:
        headers["x-acs-signature-nonce"] = "n1"

    assert send(cloud, before=same) == (200, "")
    assert send(cloud, before=same) == (400, "SignatureNonceUsed")


def test_a_nonce_of_a_request_that_was_not_authentic_is_not_used_up(cloud: RunningCloud) -> None:
    def same(headers: Headers) -> None:
        headers["x-acs-signature-nonce"] = "n1"

    def spoil(headers: Headers) -> None:
        headers["authorization"] = headers["authorization"][:-4] + "0000"

    assert send(cloud, before=same, after=spoil) == (400, "SignatureDoesNotMatch")
    assert send(cloud, before=same) == (200, "")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda headers: headers.pop("authorization"),
        lambda headers: headers.update(authorization="Basic abc"),
    ],
    ids=["none", "another scheme"],
)
def test_a_request_without_a_signature_is_incomplete(
    cloud: RunningCloud, spoil: Callable[[Headers], None]
) -> None:
    assert send(cloud, after=spoil) == (400, "IncompleteSignature")


def test_a_request_without_a_nonce_is_incomplete(cloud: RunningCloud) -> None:
    def forget(headers: Headers) -> None:
        del headers["x-acs-signature-nonce"]

    assert send(cloud, before=forget) == (400, "IncompleteSignature")


def test_a_header_changed_on_the_way_does_not_match(cloud: RunningCloud) -> None:
    assert send(cloud, after=lambda h: h.update({"x-acs-action": "DescribeVSwitches"})) == (
        400,
        "SignatureDoesNotMatch",
    )


def test_a_header_added_on_the_way_is_not_signed(cloud: RunningCloud) -> None:
    def drop(headers: Headers) -> None:
        del headers["x-acs-action"]

    def add(headers: Headers) -> None:
        headers["x-acs-action"] = "DescribeHaVips"

    assert send(cloud, before=drop, after=add) == (400, "IncompleteSignature")
