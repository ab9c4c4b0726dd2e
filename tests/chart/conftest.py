"""What the tests of the chart share."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from havip.api.names import DEFAULT_NAMESPACE
from lab import chart
from lab.controlplane import ControlPlane


def objects(manifests: str) -> list[dict[str, Any]]:
    """Return the objects of a YAML stream."""
    return [each for each in yaml.safe_load_all(manifests) if each]


def find(rendered: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """Return the one object of this kind and name."""
    (found,) = (
        each for each in rendered if each["kind"] == kind and each["metadata"]["name"] == name
    )
    return found


@pytest.fixture(scope="session")
def installed(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """A real Kubernetes API in which Helm has installed the chart."""
    # These are there already, from the folder; Helm would not take them for its own.
    done = chart.helm(
        *("install", chart.RELEASE, str(chart.CHART), f"--namespace={DEFAULT_NAMESPACE}"),
        "--set=crds.install=false",
        kubeconfig=control_plane.admin_kubeconfig,
    )
    assert done.returncode == 0, done.stderr
    yield control_plane
    chart.helm(
        *("uninstall", chart.RELEASE, f"--namespace={DEFAULT_NAMESPACE}", "--no-hooks"),
        kubeconfig=control_plane.admin_kubeconfig,
    )
