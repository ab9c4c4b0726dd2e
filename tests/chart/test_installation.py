"""Helm installs, upgrades and removes the chart on a real API server."""

import json
import os
import subprocess
import sys

import pytest

from havip.api.names import DEFAULT_NAMESPACE
from lab import chart
from lab.controlplane import ControlPlane

SECRET = "havip-heartbeat-key"


def helm(plane: ControlPlane, *arguments: str) -> subprocess.CompletedProcess[str]:
    return chart.helm(
        *arguments,
        *("--namespace", DEFAULT_NAMESPACE, "--set=crds.install=false"),
        kubeconfig=plane.admin_kubeconfig,
    )


def upgrade(plane: ControlPlane, *options: str) -> subprocess.CompletedProcess[str]:
    return helm(plane, "upgrade", chart.RELEASE, str(chart.CHART), *options)


def key(plane: ControlPlane) -> dict[str, str]:
    secret = plane.kubectl("get", "secret", SECRET, "-n", DEFAULT_NAMESPACE, "-o", "json")
    data: dict[str, str] = json.loads(secret)["data"]
    return data


def test_an_upgrade_keeps_the_key_by_which_agents_know_each_other(installed: ControlPlane) -> None:
    before = key(installed)

    done = upgrade(installed, "--set=controller.logLevel=DEBUG")

    assert done.returncode == 0, done.stderr
    assert key(installed) == before


def test_an_upgrade_keeps_a_key_that_is_being_rotated(installed: ControlPlane) -> None:
    rotation = {"data": {"previous": key(installed)["current"]}}
    installed.kubectl(
        *("patch", "secret", SECRET, "-n", DEFAULT_NAMESPACE, "-p", json.dumps(rotation))
    )
    before = key(installed)

    assert upgrade(installed).returncode == 0
    assert set(before) == {"current", "previous"}
    assert key(installed) == before


def test_a_secret_that_is_not_there_is_missed_before_anything_is_made(
    installed: ControlPlane,
) -> None:
    before = helm(installed, "history", chart.RELEASE).stdout

    done = upgrade(installed, "--set=heartbeatKey.existingSecret=ours")

    assert done.returncode != 0
    assert "heartbeatKey.existingSecret: there is no Secret ours" in done.stderr
    assert helm(installed, "history", chart.RELEASE).stdout == before


def test_wrong_values_make_nothing(control_plane: ControlPlane) -> None:
    done = helm(control_plane, "install", "other", str(chart.CHART), "--set=agent.peerPort=0")

    assert done.returncode != 0
    assert "/agent/peerPort" in done.stderr
    made = control_plane.kubectl(
        *("get", "secrets,deployments,daemonsets,serviceaccounts,clusterroles", "-A", "-o", "name"),
        *("-l", "app.kubernetes.io/instance=other"),
    )
    assert made == ""


# -- what the hook before an uninstallation asks


def may_uninstall(plane: ControlPlane) -> subprocess.CompletedProcess[str]:
    kubeconfig = plane.kubeconfig(f"{DEFAULT_NAMESPACE}/havip-controller")
    return subprocess.run(
        [sys.executable, "-m", "havip", "may-uninstall"],
        env=os.environ | {"KUBECONFIG": str(kubeconfig), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def havip(installed: ControlPlane) -> str:
    manifest = {
        "apiVersion": "havip.dev/v1alpha1",
        "kind": "HaVip",
        "metadata": {"name": "leftover", "namespace": "default"},
        "spec": {"className": "none"},
    }
    installed.apply(json.dumps(manifest))
    return "default/leftover"


def test_the_release_may_not_go_while_there_are_havips(installed: ControlPlane, havip: str) -> None:
    refused = may_uninstall(installed)

    assert refused.returncode == 1
    assert f"There are HaVips: {havip}." in refused.stderr
    assert "uninstall.force=true" in refused.stderr

    installed.kubectl("delete", "hv", "leftover")

    assert may_uninstall(installed).returncode == 0


def test_who_insists_is_not_asked() -> None:
    assert "may-uninstall" in chart.render()
    assert "may-uninstall" not in chart.render({"uninstall": {"force": True}})
