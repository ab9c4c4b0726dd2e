"""What the chart makes for the Prometheus operator is what that operator takes."""

from collections.abc import Iterator
from typing import Any

import pytest

from havip.api.names import DEFAULT_NAMESPACE
from lab import chart, monitoring
from lab.controlplane import ControlPlane

from .conftest import find, objects

API = "monitoring.coreos.com/v1"
MADE = {
    "podmonitor.monitoring.coreos.com/havip-controller",
    "podmonitor.monitoring.coreos.com/havip-agent",
    "prometheusrule.monitoring.coreos.com/havip",
}
VALUES: dict[str, dict[str, Any]] = {
    "the defaults": {},
    "all values": {
        "enabled": True,
        "labels": {"release": "prometheus", "team.example.com/name": "edge"},
        "interval": "1h1m30s500ms",
        "dashboardLabels": {"grafana_dashboard": "yes"},
    },
}


@pytest.fixture(scope="module")
def monitored(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """A real Kubernetes API that has the Prometheus operator's kinds while these tests run."""
    crds = monitoring.crds()
    control_plane.apply_crds(crds)
    yield control_plane
    # What is installed later must not find them.
    control_plane.kubectl("delete", "-f", str(crds))
    control_plane.kubectl("api-resources")


@pytest.mark.parametrize("values", VALUES.values(), ids=list(VALUES))
def test_the_api_server_takes_it_by_the_operators_own_definitions(
    monitored: ControlPlane, values: dict[str, Any]
) -> None:
    said = monitored.kubectl(
        *("apply", "--dry-run=server", "--validate=strict", "-f", "-"),
        input=chart.render({"monitoring": values}, apis=(API,)),
    )

    assert {line.split()[0] for line in said.splitlines()} >= MADE


def test_helm_makes_it_unasked_where_the_operator_is(monitored: ControlPlane) -> None:
    done = chart.helm(
        *("install", "other", str(chart.CHART), f"--namespace={DEFAULT_NAMESPACE}"),
        *("--dry-run=server", "--set=crds.install=false"),
        kubeconfig=monitored.admin_kubeconfig,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"apiVersion: {API}") == len(MADE)


@pytest.mark.parametrize(
    ("kind", "name"), [("Deployment", "havip-controller"), ("DaemonSet", "havip-agent")]
)
def test_a_pod_monitor_picks_a_port_of_the_pods_that_it_means(kind: str, name: str) -> None:
    rendered = objects(chart.render(apis=(API,)))
    pod = find(rendered, kind, name)["spec"]["template"]
    ports = {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}

    monitor = find(rendered, "PodMonitor", name)["spec"]

    assert monitor["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert {endpoint["port"] for endpoint in monitor["podMetricsEndpoints"]} <= ports
