"""Temporary credentials: who gets them, what they may do, and how they end."""

import http.client
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from alibabacloud_tea_openapi.client import Client
from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions

from havip.simcloud.policy import Policy, Statement
from havip.simcloud.samples import two_accounts
from havip.simcloud.server import RunningCloud
from havip.simcloud.topology import Role, Topology
from tests.simcloud.conftest import Clock, Start
from tests.simcloud.sdk import Sdk, refusal

ONE, TWO = "1000000000000001", "1000000000000002"
PROVIDER = f"acs:ram::{ONE}:oidc-provider/ack-rrsa-c1"
OPERATOR = f"acs:ram::{ONE}:role/operator"
READER = f"acs:ram::{ONE}:role/reader"


def topology(**role: Any) -> Topology:
    """Give two accounts; the first has a role for tokens, and one that reads only."""
    reading = Policy(statement=(Statement(effect="Allow", action="vpc:Describe*"),))
    given: dict[str, Any] = {
        "name": "operator",
        "account_id": ONE,
        "oidc_provider_arn": PROVIDER,
        "oidc_tokens": ("token-of-the-pod",),
        "expired_oidc_tokens": ("token-of-yesterday",),
    }
    roles = (Role(**given | role), Role(name="reader", account_id=ONE, policy=reading))
    return two_accounts().model_copy(update={"roles": roles})


@pytest.fixture
def cloud(start: Start) -> RunningCloud:
    return start(topology())


def call(cloud: RunningCloud, action: str, key: tuple[str, ...] = (), **query: str) -> Any:
    """Call STS by the generic client of the SDK; anonymously without a key."""
    names = ("access_key_id", "access_key_secret", "security_token")
    config = Config(endpoint=cloud.endpoint, protocol="http", **dict(zip(names, key, strict=False)))
    params = Params(
        action=action,
        version="2015-04-01",
        protocol="HTTP",
        pathname="/",
        method="POST",
        auth_type="AK" if key else "Anonymous",
        style="RPC",
        req_body_type="formData",
        body_type="json",
    )
    return Client(config).call_api(params, OpenApiRequest(query=query), RuntimeOptions())["body"]


def with_token(cloud: RunningCloud, **query: str) -> Any:
    given = {
        "RoleArn": OPERATOR,
        "OIDCProviderArn": PROVIDER,
        "OIDCToken": "token-of-the-pod",
        "RoleSessionName": "havip",
    }
    return call(cloud, "AssumeRoleWithOIDC", (), **given | query)


def key_of(answer: Any) -> tuple[str, str, str]:
    given = answer["Credentials"]
    return given["AccessKeyId"], given["AccessKeySecret"], given["SecurityToken"]


def sdk_of(cloud: RunningCloud, answer: Any) -> Sdk:
    key, secret, token = key_of(answer)
    return Sdk(cloud.endpoint, key, secret, security_token=token)


def test_a_pods_token_gives_credentials_that_the_account_is_served_by(cloud: RunningCloud) -> None:
    answer = with_token(cloud)
    assert answer["AssumedRoleUser"]["Arn"] == f"acs:ram::{ONE}:assumed-role/operator/havip"
    ha_vip = sdk_of(cloud, answer).create().ha_vip_id
    assert Sdk(cloud.endpoint).item(ha_vip).ha_vip_id == ha_vip


def test_the_action_may_come_in_the_query_as_the_credentials_library_sends_it(
    cloud: RunningCloud,
) -> None:
    query = {
        "Action": "AssumeRoleWithOIDC",
        "Version": "2015-04-01",
        "Format": "JSON",
        "RoleArn": OPERATOR,
        "OIDCProviderArn": PROVIDER,
        "OIDCToken": "token-of-the-pod",
        "RoleSessionName": "havip",
    }
    connection = http.client.HTTPConnection(cloud.endpoint, timeout=5)
    try:
        connection.request("POST", f"/?{urlencode(query)}")
        answer = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    assert sdk_of(cloud, answer).describe().total_count == 0


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ({"OIDCToken": "forged"}, (400, "AuthenticationFail.OIDCToken.Invalid")),
        ({"OIDCToken": "token-of-yesterday"}, (400, "AuthenticationFail.OIDCToken.Expired")),
        ({"OIDCToken": ""}, (400, "MissingParameter")),
        ({"RoleArn": f"acs:ram::{ONE}:role/nobody"}, (404, "EntityNotExist.Role")),
        ({"RoleArn": READER}, (403, "AuthenticationFail.NoPermission")),
        ({"OIDCProviderArn": "acs:ram::9"}, (403, "AuthenticationFail.NoPermission")),
        ({"RoleSessionName": ""}, (400, "MissingParameter")),
        ({"DurationSeconds": "899"}, (400, "InvalidParameter")),
        ({"DurationSeconds": "43201"}, (400, "InvalidParameter")),
    ],
)
def test_no_credentials_for(
    cloud: RunningCloud, query: dict[str, str], answer: tuple[int, str]
) -> None:
    assert refusal(lambda: with_token(cloud, **query)) == answer


@pytest.mark.parametrize(
    ("query", "seconds"), [({}, 3600), ({"DurationSeconds": "900"}, 900)], ids=["default", "asked"]
)
def test_credentials_say_when_they_end(
    cloud: RunningCloud, clock: Clock, query: dict[str, str], seconds: float
) -> None:
    earliest = int(clock() + seconds)
    text = with_token(cloud, **query)["Credentials"]["Expiration"]
    ends = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    assert earliest <= ends <= clock() + seconds


def test_credentials_end_when_they_say(cloud: RunningCloud, clock: Clock) -> None:
    sdk = sdk_of(cloud, with_token(cloud, DurationSeconds="900"))
    clock.advance(870)
    assert sdk.describe().total_count == 0
    clock.advance(31)
    assert refusal(sdk.describe) == (400, "InvalidSecurityToken.Expired")


def test_a_role_may_have_short_sessions_for_a_test(start: Start, clock: Clock) -> None:
    cloud = start(topology(session_seconds=5.0))
    sdk = sdk_of(cloud, with_token(cloud))
    assert sdk.describe().total_count == 0
    clock.advance(6)
    assert refusal(sdk.describe) == (400, "InvalidSecurityToken.Expired")
    assert sdk_of(cloud, with_token(cloud)).describe().total_count == 0


def test_credentials_need_their_own_token(cloud: RunningCloud) -> None:
    key, secret, _ = key_of(with_token(cloud))
    malformed = (400, "InvalidSecurityToken.Malformed")
    assert refusal(Sdk(cloud.endpoint, key, secret).describe) == malformed
    other = Sdk(cloud.endpoint, key, secret, security_token=key_of(with_token(cloud))[2])
    assert refusal(other.describe) == malformed
    unknown = Sdk(cloud.endpoint, "STS.nobody", secret, security_token="t")
    assert refusal(unknown.describe) == (404, "InvalidAccessKeyId.NotFound")


def test_a_session_has_its_roles_rights_and_follows_them(start: Start) -> None:
    cloud = start(topology(denied_actions=("CreateHaVip",)))
    sdk = sdk_of(cloud, with_token(cloud))
    assert refusal(sdk.create) == (403, "Forbidden.RAM")
    assert sdk.describe().total_count == 0
    nothing = Policy(statement=(Statement(effect="Deny", action="*"),))
    cloud.control.set_policy(OPERATOR, nothing)
    assert refusal(sdk.describe) == (403, "Forbidden.RAM")
    assert refusal(sdk_of(cloud, with_token(cloud)).describe) == (403, "Forbidden.RAM")
    assert Sdk(cloud.endpoint).describe().total_count == 0


def test_a_key_assumes_a_role_of_its_account(cloud: RunningCloud) -> None:
    query = {"RoleArn": READER, "RoleSessionName": "look"}
    answer = call(cloud, "AssumeRole", ("AK-SIM", "SK-SIM"), **query)
    sdk = sdk_of(cloud, answer)
    assert sdk.describe().total_count == 0
    assert refusal(sdk.create) == (403, "Forbidden.RAM")
    assert refusal(lambda: call(cloud, "AssumeRole", ("AK-TWO", "SK-TWO"), **query)) == (
        403,
        "AuthenticationFail.NoPermission",
    )


def test_a_role_may_trust_another_account(start: Start) -> None:
    cloud = start(topology(trusted_accounts=(TWO,)))
    query = {"RoleArn": OPERATOR, "RoleSessionName": "help"}
    sdk = sdk_of(cloud, call(cloud, "AssumeRole", ("AK-TWO", "SK-TWO"), **query))
    assert sdk.create().ha_vip_id in [item.ha_vip_id for item in Sdk(cloud.endpoint).items()]


def test_who_calls_is_told_whatever_the_policy(cloud: RunningCloud) -> None:
    nothing = Policy(statement=(Statement(effect="Deny", action="*"),))
    for owner in (ONE, OPERATOR):
        cloud.control.set_policy(owner, nothing)
    key = call(cloud, "GetCallerIdentity", ("AK-SIM", "SK-SIM"))
    assert (key["IdentityType"], key["AccountId"], key["Arn"], key["UserId"]) == (
        "Account",
        ONE,
        f"acs:ram::{ONE}:root",
        ONE,
    )
    session = call(cloud, "GetCallerIdentity", key_of(with_token(cloud)))
    assert (session["IdentityType"], session["AccountId"]) == ("AssumedRoleUser", ONE)
    assert session["Arn"] == f"acs:ram::{ONE}:assumed-role/operator/havip"
    assert session["PrincipalId"] == f"{session['RoleId']}:havip"
    assert refusal(lambda: call(cloud, "GetCallerIdentity", ("AK-NO", "SK"))) == (
        404,
        "InvalidAccessKeyId.NotFound",
    )


@pytest.mark.parametrize("action", ["AssumeRole", "GetCallerIdentity"])
def test_only_the_exchange_of_a_token_needs_no_signature(cloud: RunningCloud, action: str) -> None:
    assert refusal(lambda: call(cloud, action)) == (400, "IncompleteSignature")
