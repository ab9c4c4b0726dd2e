"""What the chart renders is what a real API server takes, and as hardened as it says."""

import json
from typing import Any

import pytest

from havip.simcloud.topology import Topology
from lab import chart
from lab.controlplane import ControlPlane

from .conftest import find, objects

MONITORING = "monitoring.coreos.com/v1"
SIMCLOUD = {
    "enabled": True,
    "node": "node1",
    "address": "10.0.0.11",
    "cidr": "10.0.0.0/24",
    "instances": [
        {"name": "node1", "address": "10.0.0.11"},
        {"name": "node2", "address": "10.0.0.12"},
    ],
}
VALUES: dict[str, dict[str, Any]] = {
    "the defaults": {},
    "a simulated cloud": {"simcloud": SIMCLOUD},
    "RRSA for all classes": {
        "rrsa": {
            "enabled": True,
            "roleArn": "acs:ram::1:role/havip",
            "oidcProviderArn": "acs:ram::1:oidc-provider/ack-rrsa-c1",
        }
    },
    "keys elsewhere": {
        "credentials": {"secretNames": ["ours"], "namespaces": ["default"]},
        "heartbeatKey": {"existingSecret": "ours"},
    },
    "an image of one's own": {
        "image": {
            "registry": "registry.example.com:5000/havip",
            "agent": {"digest": f"sha256:{'0' * 64}"},
            "pullSecrets": ["pull"],
            "pullPolicy": "Always",
        }
    },
    "all else": {
        "clusterId": "c1",
        "controller": {
            "nodeSelector": {"pool": "system"},
            "tolerations": [{"key": "system", "operator": "Exists"}],
            "podAnnotations": {"a.example.com/b": "c"},
            "serviceAccountAnnotations": {"pod-identity.alibabacloud.com/role-name": "havip"},
            "priorityClassName": "",
        },
        "agent": {
            "nodeSelector": {"pool": "edge"},
            "tolerations": [],
            "podAnnotations": {"a": "b"},
        },
        "networkPolicy": {"enabled": False},
        "uninstall": {"force": True},
        "crds": {"install": False},
    },
}


@pytest.mark.parametrize("values", VALUES.values(), ids=list(VALUES))
def test_the_api_server_takes_all_of_it(
    control_plane: ControlPlane, values: dict[str, Any]
) -> None:
    # Strict: a field that the API server does not know is an error, not a warning.
    control_plane.kubectl(
        *("apply", "--dry-run=server", "--validate=strict", "-f", "-"), input=chart.render(values)
    )


def test_helm_finds_nothing_to_complain_of() -> None:
    done = chart.helm("lint", "--strict", str(chart.CHART))

    assert done.returncode == 0, done.stdout


# -- custom resources


def test_the_chart_has_the_crds_that_the_models_stand_for() -> None:
    folder = chart.CHART.parent.parent / "crds"
    packed = chart.CHART / "files" / "crds"

    assert {each.name: each.read_text() for each in packed.iterdir()} == {
        each.name: each.read_text() for each in folder.iterdir()
    }


def test_crds_are_upgraded_with_the_release_and_outlive_it() -> None:
    crds = [each for each in objects(chart.render()) if each["kind"] == "CustomResourceDefinition"]

    assert len(crds) == 3
    for each in crds:
        assert each["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


# -- Pod Security


def pod_of(workload: dict[str, Any]) -> str:
    template = workload["spec"]["template"]
    metadata = {"name": "probe", "namespace": "restricted"}
    return json.dumps(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    )


@pytest.fixture(scope="module")
def restricted(control_plane: ControlPlane) -> ControlPlane:
    """A control plane with a namespace that enforces the restricted standard."""
    control_plane.create_namespace("restricted")
    control_plane.kubectl(
        "label", "namespace", "restricted", "pod-security.kubernetes.io/enforce=restricted"
    )
    return control_plane


@pytest.mark.parametrize(
    ("kind", "name"), [("Deployment", "havip-controller"), ("Job", "havip-may-uninstall")]
)
def test_the_controller_meets_the_restricted_pod_security_standard(
    restricted: ControlPlane, kind: str, name: str
) -> None:
    workload = find(objects(chart.render(VALUES["RRSA for all classes"])), kind, name)

    restricted.kubectl("create", "--dry-run=server", "-f", "-", input=pod_of(workload))


def test_the_agent_cannot_be_restricted_for_these_reasons_only(restricted: ControlPlane) -> None:
    agent = find(objects(chart.render()), "DaemonSet", "havip-agent")

    refused = restricted.try_kubectl("create", "--dry-run=server", "-f", "-", input=pod_of(agent))

    reasons = refused.stderr.partition('violates PodSecurity "restricted:latest": ')[2].strip()
    assert reasons.split("), ") == [
        "host namespaces (hostNetwork=true",
        'hostPort (container "agent" uses hostPorts 9494, 9495',
        'probe or lifecycle host (container "agent" uses probe or lifecycle host "127.0.0.1"',
        'unrestricted capabilities (container "agent" must not include "NET_ADMIN", "NET_RAW" in'
        " securityContext.capabilities.add",
        'restricted volume types (volume "state" uses restricted volume type "hostPath"',
        'runAsNonRoot != true (pod or container "agent" must set securityContext.runAsNonRoot=true',
        'runAsUser=0 (container "agent" must not set runAsUser=0)',
    ]


def test_the_agent_has_two_capabilities_and_cannot_write_its_image() -> None:
    (container,) = find(objects(chart.render()), "DaemonSet", "havip-agent")["spec"]["template"][
        "spec"
    ]["containers"]

    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsUser": 0,
        "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "NET_RAW"]},
    }


# -- what the agents are told


def test_metrics_of_agents_stay_on_the_node_unless_something_scrapes_them() -> None:
    def listens(apis: tuple[str, ...], **monitoring: object) -> str:
        rendered = objects(chart.render({"monitoring": monitoring}, apis=apis))
        pod = find(rendered, "DaemonSet", "havip-agent")["spec"]["template"]["spec"]
        (told,) = (each for each in pod["containers"][0]["args"] if each.startswith("--listen="))
        return str(told)

    assert listens(()) == "--listen=127.0.0.1:9495"
    assert listens((MONITORING,)) == "--listen=$(NODE_ADDRESS):9495"
    assert listens((MONITORING,), enabled=False) == "--listen=127.0.0.1:9495"
    assert listens((), enabled=True) == "--listen=$(NODE_ADDRESS):9495"


def test_without_the_prometheus_operator_there_are_no_objects_of_it() -> None:
    def kinds(apis: tuple[str, ...]) -> set[str]:
        return {
            each["kind"]
            for each in objects(chart.render(apis=apis))
            if each["apiVersion"] == MONITORING
        }

    assert kinds(()) == set()
    assert "PodMonitor" in kinds((MONITORING,))


def test_the_simulated_cloud_gets_a_topology_that_it_takes() -> None:
    rendered = objects(chart.render({"simcloud": SIMCLOUD}))

    config = find(rendered, "ConfigMap", "havip-simcloud")
    topology = Topology.model_validate_json(config["data"]["topology.json"])

    assert [each.instance_id for each in topology.instances] == ["i-node1", "i-node2"]
    environment = find(rendered, "DaemonSet", "havip-agent")["spec"]["template"]["spec"][
        "containers"
    ][0]["env"]
    assert {"name": "METADATA_ENDPOINT", "value": "http://10.0.0.11:8100"} in environment
