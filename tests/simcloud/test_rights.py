"""Keys and policies that change while the cloud runs, and accounts beside each other."""

import pytest
from alibabacloud_tea_openapi.exceptions import ClientException
from pydantic import ValidationError

from havip.simcloud.policy import Policy, Verdict
from havip.simcloud.samples import two_accounts
from havip.simcloud.server import RunningCloud
from havip.simcloud.topology import Account, Topology, sample
from tests.simcloud.conftest import Start
from tests.simcloud.sdk import Sdk, refusal

ACCOUNT = "1000000000000001"

READ_AND_CREATE = """
{
  "Version": "1",
  "Statement": [
    {"Effect": "Allow", "Action": ["vpc:Describe*", "vpc:CreateHaVip"], "Resource": "*"},
    {"Effect": "Allow", "Action": "ecs:*", "Resource": "acs:ecs:*:*:*"},
    {"Effect": "Deny", "Action": "ecs:Delete*", "Resource": "*"}
  ]
}
"""


@pytest.mark.parametrize(
    ("action", "verdict"),
    [
        ("vpc:DescribeHaVips", Verdict.ALLOW),
        ("vpc:CreateHaVip", Verdict.ALLOW),
        ("vpc:DeleteHaVip", Verdict.IMPLICIT_DENY),
        ("ecs:StopInstance", Verdict.ALLOW),
        ("ecs:DeleteInstance", Verdict.EXPLICIT_DENY),
        ("sts:AssumeRole", Verdict.IMPLICIT_DENY),
    ],
)
def test_a_policy_allows_what_it_names_and_denial_wins(action: str, verdict: Verdict) -> None:
    assert Policy.model_validate_json(READ_AND_CREATE).verdict(action) is verdict


def test_a_policy_with_something_unknown_in_it_is_refused() -> None:
    conditional = '{"Statement":[{"Effect":"Allow","Action":"*","Condition":{}}]}'
    with pytest.raises(ValidationError, match="Condition"):
        Policy.model_validate_json(conditional)


def test_a_policy_of_the_topology_holds_and_is_kept_in_its_file(start: Start) -> None:
    plain = sample()
    user = plain.accounts[0].model_copy(
        update={"policy": Policy.model_validate_json(READ_AND_CREATE), "user": "operator"}
    )
    text = plain.model_copy(update={"accounts": (user,)}).to_json()
    sdk = Sdk(start(Topology.model_validate_json(text)).endpoint)
    ha_vip = sdk.create().ha_vip_id
    assert sdk.item(ha_vip).status == "Available"
    with pytest.raises(ClientException) as refused:
        sdk.delete(ha_vip)
    detail = refused.value.access_denied_detail
    assert (refused.value.status_code, refused.value.code) == (403, "Forbidden.RAM")
    assert detail["AuthAction"] == "vpc:DeleteHaVip"
    assert detail["AuthPrincipalType"] == "SubUser"
    assert detail["AuthPrincipalDisplayName"] == "operator"
    assert detail["NoPermissionType"] == "ImplicitDeny"


def test_a_refusal_names_the_product_whose_action_it_is(start: Start) -> None:
    denied = sample().accounts[0].model_copy(update={"denied_actions": ("DescribeInstances",)})
    sdk = Sdk(start(sample().model_copy(update={"accounts": (denied,)})).endpoint)
    with pytest.raises(ClientException) as refused:
        sdk.instances()
    assert refused.value.access_denied_detail["AuthAction"] == "ecs:DescribeInstances"


def test_a_policy_changes_while_the_cloud_runs(cloud: RunningCloud, sdk: Sdk) -> None:
    cloud.control.set_policy(ACCOUNT, Policy.model_validate_json(READ_AND_CREATE))
    ha_vip = sdk.create().ha_vip_id
    assert refusal(lambda: sdk.delete(ha_vip)) == (403, "Forbidden.RAM")
    cloud.control.set_policy(ACCOUNT, None)
    sdk.delete(ha_vip)


def test_a_key_is_disabled_enabled_and_deleted(cloud: RunningCloud, sdk: Sdk) -> None:
    cloud.control.set_key_active("AK-SIM", False)
    assert refusal(sdk.describe) == (400, "InvalidAccessKeyId.Inactive")
    cloud.control.set_key_active("AK-SIM", True)
    assert sdk.describe().total_count == 0
    cloud.control.delete_key("AK-SIM")
    assert refusal(sdk.describe) == (404, "InvalidAccessKeyId.NotFound")


def test_a_new_key_takes_the_place_of_an_old_one(cloud: RunningCloud, sdk: Sdk) -> None:
    ha_vip = sdk.create().ha_vip_id
    cloud.control.add_key(
        Account(account_id=ACCOUNT, access_key_id="AK-NEW", access_key_secret="SK-NEW")
    )
    cloud.control.delete_key("AK-SIM")
    assert [key["accessKeyId"] for key in cloud.control.state()["keys"]] == ["AK-NEW"]
    assert Sdk(cloud.endpoint, "AK-NEW", "SK-NEW").item(ha_vip).status == "Available"


def test_a_key_or_an_owner_that_is_not_there_cannot_be_changed(cloud: RunningCloud) -> None:
    with pytest.raises(ValueError, match="no key AK-NOBODY"):
        cloud.control.delete_key("AK-NOBODY")
    with pytest.raises(ValueError, match="no account or role 9"):
        cloud.control.set_policy("9", None)


def test_each_account_sees_its_own(start: Start) -> None:
    cloud = start(two_accounts())
    one, two = Sdk(cloud.endpoint), Sdk(cloud.endpoint, "AK-TWO", "SK-TWO")
    first = one.create(ip_address="10.77.0.99").ha_vip_id
    second = two.create(v_switch_id="vsw-two", ip_address="10.78.0.99").ha_vip_id
    assert [item.ha_vip_id for item in one.items()] == [first]
    assert [item.ha_vip_id for item in two.items()] == [second]
    assert {each.instance_id for each in two.instances().instances.instance} == {
        "i-two1",
        "i-two2",
        "i-two3",
    }
    assert refusal(two.create) == (400, "InvalidVSwitch.NotFound")
    assert refusal(lambda: two.associate(second, "i-node1")) == (404, "InvalidInstanceId.NotFound")
    two.associate(second, "i-two1")


def test_two_keys_of_an_account_serve_the_same_account(start: Start) -> None:
    cloud = start(two_accounts())
    ha_vip = Sdk(cloud.endpoint).create().ha_vip_id
    cloud.control.set_key_active("AK-SIM", False)
    assert Sdk(cloud.endpoint, "AK-SIM-2", "SK-SIM-2").item(ha_vip).ha_vip_id == ha_vip
