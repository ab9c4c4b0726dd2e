"""An agent's token, stolen from its node, is good for little, and for that node only."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from havip.api.names import DEFAULT_NAMESPACE, LABEL_UID
from lab.controlplane import ControlPlane

Manifest = dict[str, Any]

ACCOUNT = f"{DEFAULT_NAMESPACE}/havip-agent"


@dataclass(frozen=True)
class Thief:
    """Somebody with the token of the agent of node1, as its kubelet gave it to the pod."""

    plane: ControlPlane
    token: str

    def __call__(self, *arguments: str, input: str = "") -> subprocess.CompletedProcess[str]:
        return self.plane.try_kubectl(*arguments, f"--token={self.token}", input=input)

    def replace(self, wanted: Manifest, *options: str) -> str:
        """Return what the API server says to an object in place of the one there is."""
        metadata = wanted["metadata"]
        where = ("-n", metadata["namespace"]) if "namespace" in metadata else ()
        version = self.plane.kubectl(
            *("get", wanted["kind"], metadata["name"], *where),
            *("-o", "jsonpath={.metadata.resourceVersion}"),
        )
        newest = wanted | {"metadata": metadata | {"resourceVersion": version}}
        done = self("replace", "-f", "-", *options, input=json.dumps(newest))
        return done.stdout + done.stderr


def node_object(name: str) -> Manifest:
    return {
        "apiVersion": "havip.dev/v1alpha1",
        "kind": "HaVipNode",
        "metadata": {"name": name},
        "status": {"instanceId": "i-forged"},
    }


def lease(name: str, holder: str, **metadata: object) -> Manifest:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": DEFAULT_NAMESPACE} | metadata,
        "spec": {"holderIdentity": holder, "leaseTransitions": 7},
    }


def register(holder: str) -> Manifest:
    return lease("havip-1", holder, labels={LABEL_UID: "1"})


def until(what: str, answer: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not answer():
        assert time.monotonic() < deadline, what


@pytest.fixture(scope="module")
def thief(installed: ControlPlane) -> Iterator[Thief]:
    for name in ("node1", "node2"):
        installed.create_node(name)
        installed.apply(json.dumps(node_object(name)))
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "agent", "namespace": DEFAULT_NAMESPACE},
        "spec": {
            "nodeName": "node1",
            "serviceAccountName": "havip-agent",
            "containers": [{"name": "agent", "image": "agent"}],
        },
    }
    installed.apply(json.dumps(pod))
    token = installed.kubectl(
        *("create", "token", "havip-agent", "-n", DEFAULT_NAMESPACE),
        *("--bound-object-kind=Pod", "--bound-object-name=agent"),
    ).strip()
    thief = Thief(installed, token)
    # The API server takes a moment to heed a policy that is new.
    until(
        "the policy is heeded",
        lambda: "denied" in thief.replace(node_object("node2"), "--subresource=status"),
    )
    yield thief
    # Others use this API server too.
    installed.kubectl("delete", "hvn,node", "node1", "node2")
    installed.kubectl("delete", "pod", "agent", "-n", DEFAULT_NAMESPACE, "--force")
    installed.kubectl("delete", "lease", "havip-1", "havip-controller", "-n", DEFAULT_NAMESPACE)


@pytest.fixture(autouse=True)
def _registers(installed: ControlPlane, thief: Thief) -> None:
    for each in (register("node2"), lease("havip-controller", "replica-1")):
        installed.apply(json.dumps(each))


def test_it_writes_what_its_own_node_reports(thief: Thief) -> None:
    assert "replaced" in thief.replace(node_object("node1"), "--subresource=status")


def test_it_cannot_write_what_another_node_reports(thief: Thief) -> None:
    said = thief.replace(node_object("node2"), "--subresource=status")

    assert "the agent of node node1 may write the HaVipNode node1 only, not node2" in said


def test_it_cannot_make_the_object_of_another_node(thief: Thief) -> None:
    done = thief("create", "-f", "-", input=json.dumps(node_object("node3")))

    assert "may write the HaVipNode node1 only, not node3" in done.stderr


@pytest.mark.parametrize("name", ["havip-heartbeat-key", "cloud-credentials"])
def test_it_can_read_no_secret(thief: Thief, name: str) -> None:
    done = thief("get", "secret", name, "-n", DEFAULT_NAMESPACE)

    assert done.stdout == ""
    assert "cannot get resource" in done.stderr


def test_it_can_list_no_secrets(thief: Thief) -> None:
    done = thief("get", "secrets", "--all-namespaces")

    assert "cannot list resource" in done.stderr


def test_it_takes_an_address_for_its_own_node(thief: Thief) -> None:
    assert "replaced" in thief.replace(register("node1"))


def test_it_gives_the_address_of_its_own_node_to_another(
    installed: ControlPlane, thief: Thief
) -> None:
    installed.apply(json.dumps(register("node1")))

    assert "replaced" in thief.replace(register("node2"))


def test_it_cannot_move_an_address_between_other_nodes(thief: Thief) -> None:
    said = thief.replace(register("node3"))

    assert 'give its own away, not move it from "node2" to "node3"' in said


def test_it_cannot_take_the_lead_of_the_controller(thief: Thief) -> None:
    said = thief.replace(lease("havip-controller", "node1"))

    assert "may write the Leases of HaVips only" in said


def test_it_cannot_make_the_controllers_lease_that_of_a_havip(thief: Thief) -> None:
    said = thief.replace(lease("havip-controller", "node1", labels={LABEL_UID: "2"}))

    assert "may write the Leases of HaVips only" in said


def test_a_token_that_is_bound_to_no_node_writes_nothing(thief: Thief) -> None:
    unbound = Thief(thief.plane, thief.plane.token(ACCOUNT))

    said = unbound.replace(node_object("node1"), "--subresource=status")

    assert "this token of an agent is not bound to a node" in said


def test_the_lab_gives_agents_tokens_of_the_same_strength(thief: Thief) -> None:
    bound = Thief(thief.plane, thief.plane.token(ACCOUNT, node="node2"))

    assert "replaced" in bound.replace(node_object("node2"), "--subresource=status")
    assert "not node1" in bound.replace(node_object("node1"), "--subresource=status")
