"""The control plane is a real one: rights are checked, tokens are bound, nodes are Ready."""

import json

import pytest

from lab.controlplane import ControlPlane, ControlPlaneError

pytestmark = pytest.mark.apiserver


def test_the_api_serves_our_resources_by_their_short_names(control_plane: ControlPlane) -> None:
    for short_name in ("hv", "hvc", "hvn"):
        control_plane.kubectl("get", short_name, "--all-namespaces")


def test_a_service_account_gets_a_token_and_has_no_rights_of_its_own(
    control_plane: ControlPlane,
) -> None:
    control_plane.create_namespace("lab-rights")
    control_plane.kubectl("create", "serviceaccount", "nobody", "-n", "lab-rights")

    who = control_plane.kubectl("auth", "whoami", "-o", "json", user="lab-rights/nobody")
    refused = control_plane.try_kubectl("get", "hv", user="lab-rights/nobody")

    assert json.loads(who)["status"]["userInfo"]["username"] == (
        "system:serviceaccount:lab-rights:nobody"
    )
    assert "forbidden" in refused.stderr


def test_a_node_is_ready_with_its_address_and_provider_id(control_plane: ControlPlane) -> None:
    control_plane.create_node("lab-node", address="10.0.0.7", provider_id="cn-hangzhou.i-7")

    node = json.loads(control_plane.kubectl("get", "node", "lab-node", "-o", "json"))

    assert node["spec"]["providerID"] == "cn-hangzhou.i-7"
    assert node["status"]["addresses"] == [{"type": "InternalIP", "address": "10.0.0.7"}]
    assert {c["type"]: c["status"] for c in node["status"]["conditions"]} == {"Ready": "True"}


def test_a_failing_kubectl_says_what_the_server_said(control_plane: ControlPlane) -> None:
    with pytest.raises(ControlPlaneError, match="not found"):
        control_plane.kubectl("get", "hv", "there-is-none")
