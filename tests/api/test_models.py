import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from havip.api import names
from havip.api.fields import DeletionPolicy
from havip.api.havip import ElectionSpec, HaVip, HaVipSpec, LastFailover, MembersSpec, PriorityRule
from havip.api.havipclass import Credentials, HaVipClass


def havip(**spec: Any) -> HaVip:
    metadata = {"name": "web", "namespace": "shop", "uid": "u-1"}
    return HaVip.from_json({"metadata": metadata, "spec": {"className": "main", **spec}})


def test_json_names_become_python_names_and_back() -> None:
    given = havip(adopt={"haVipId": "havip-1"}, announce={"refreshSeconds": 7})
    assert given.spec.adopt is not None
    assert given.spec.adopt.ha_vip_id == "havip-1"
    assert given.spec.announce.refresh_seconds == 7
    assert given.to_json()["spec"]["adopt"] == {"haVipId": "havip-1"}


def test_an_object_survives_the_way_to_the_api_and_back() -> None:
    given = havip(
        members={"nodeSelector": {"role": "edge"}}, health=[{"name": "a", "tcp": {"port": 80}}]
    )
    assert HaVip.from_json(given.to_json()) == given


def test_a_name_that_python_keeps_for_itself_gets_a_line_behind_it() -> None:
    moved = LastFailover(from_="node1", to="node2", at=datetime(2026, 1, 1, tzinfo=UTC))
    written = moved.to_json()
    assert written["from"] == "node1"
    assert LastFailover.from_json(written) == moved


def test_fields_of_a_newer_version_are_ignored() -> None:
    assert havip(fieldOfTomorrow=1) == havip()


def test_an_object_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        havip().spec.suspend = True  # type: ignore[misc]


def test_a_selector_for_all_nodes_is_left_out_since_the_api_refuses_an_empty_one() -> None:
    assert "nodeSelector" not in MembersSpec().to_json()
    assert MembersSpec(node_selector={"a": "b"}).to_json()["nodeSelector"] == {"a": "b"}


@pytest.mark.parametrize(
    ("spec", "exclusive"),
    [
        ({}, True),
        ({"adopt": {"haVipId": "havip-1"}}, False),
        ({"members": {"exclusive": False}}, False),
        ({"adopt": {"haVipId": "havip-1"}, "members": {"exclusive": True}}, True),
    ],
)
def test_strange_members_of_what_we_made_go_and_of_what_was_adopted_stay_unless_the_user_says(
    spec: dict[str, Any], exclusive: bool
) -> None:
    assert havip(**spec).spec.exclusive_members is exclusive


@pytest.mark.parametrize("policy", [None, *DeletionPolicy])
def test_a_deletion_policy_that_was_left_out_stays_so(policy: DeletionPolicy | None) -> None:
    spec = {} if policy is None else {"deletionPolicy": policy}
    written = havip(**spec).to_json()["spec"]
    assert written.get("deletionPolicy") == policy
    assert HaVip.from_json(havip(**spec).to_json()).spec.deletion_policy is policy


def test_the_limits_of_a_class_are_the_guides_figures_unless_told_otherwise() -> None:
    where = {"region": "cn-hangzhou", "vSwitchId": "vsw-1"}
    limits = HaVipClass.from_json({"metadata": {"name": "main"}, "spec": where}).spec.limits
    assert (limits.ha_vips_per_vpc, limits.ha_vips_per_instance) == (50, 5)
    assert (limits.members_per_ha_vip, limits.routes_per_table) == (10, 5)


def test_a_class_whose_credentials_are_rrsa_finds_the_token_where_ack_puts_it() -> None:
    oidc = {"roleArn": "acs:ram::1:role/a", "oidcProviderArn": "acs:ram::1:oidc-provider/b"}
    read = Credentials.from_json({"oidc": oidc}).oidc
    assert read is not None
    assert read.token_file == "/var/run/secrets/ack.alibabacloud.com/rrsa-tokens/token"


def test_the_name_in_the_cloud_is_the_one_given_or_made_of_namespace_and_name() -> None:
    assert havip().cloud_name == "shop-web"
    assert havip(name="front door").cloud_name == "front door"


def test_the_first_priority_rule_that_selects_a_node_counts() -> None:
    election = ElectionSpec(
        priorities=(
            PriorityRule(node_selector={"zone": "a", "size": "big"}, priority=200),
            PriorityRule(node_selector={"zone": "a"}, priority=150),
        )
    )
    assert election.priority_of({"zone": "a", "size": "big", "more": "x"}) == 200
    assert election.priority_of({"zone": "a", "size": "small"}) == 150
    assert election.priority_of({"zone": "b"}) == 100


def test_the_register_is_named_after_the_uid() -> None:
    assert names.lease_name("u-1") == "havip-u-1"


def test_defaults_are_those_of_the_schema() -> None:
    spec = HaVipSpec(class_name="main")
    assert spec.members.max == 10
    assert spec.election.profile == "Balanced"
    assert spec.election.failback == "Never"
    assert (spec.announce.burst, spec.announce.refresh_seconds) == (5, 5)


def loaded_by(module: str) -> set[str]:
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    return set(done.stdout.split())


def test_reading_objects_loads_no_yaml() -> None:
    loaded = loaded_by("havip.api.havip, havip.api.havipclass, havip.api.havipnode")
    assert "pydantic" in loaded
    assert "yaml" not in loaded


def test_names_and_errors_load_no_pydantic() -> None:
    assert "pydantic" not in loaded_by("havip.api.names, havip.api.errors")
