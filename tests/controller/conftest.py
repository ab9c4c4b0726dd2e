"""A cluster for the controller's tests: real API server, simulated cloud, real controller.

There are no agents: the tests write HaVipNodes and registers themselves.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from kubernetes import client, config

from havip.api.errors import HaVipError
from havip.api.names import (
    API_VERSION,
    DEFAULT_NAMESPACE,
    LABEL_UID,
    TAG_CLUSTER,
    lease_name,
)
from havip.cloud.alibaba import AlibabaCloud, Endpoints
from havip.cloud.credentials import Credentials
from havip.cloud.limiter import Buckets, TokenBucket
from havip.cloud.port import InstanceType, ResourceType
from havip.controller.kube import Json, KubernetesError, request
from havip.simcloud.profiles import Profile
from havip.simcloud.server import RunningCloud, running
from havip.simcloud.topology import Topology
from lab.controlplane import ControlPlane
from tests.simcloud.sdk import Sdk

from .ground import ground

ROOT = Path(__file__).parents[2]
CLUSTER_ID = "test-cluster"
CLASS = "sim"
ACCOUNT = "1000000000000001"
"""Whose the keys AK-SIM and AK-SIM-2 are; AK-TWO is another's."""
IMPATIENT = {"drift": 2.0, "settle": 0.1, "backoff": 0.2, "retry": 1.0, "tie": 1.0}
"""The pace of a controller that waits less than one in production, in seconds."""

PROGRAM = """
import json
import sys
from havip.controller.main import run
from havip.controller.poller import Pace
run(namespace="havip-system", cluster_id="test-cluster", identity=sys.argv[1],
    listen="127.0.0.1:0", pace=Pace(**json.loads(sys.argv[2])))
"""

PLURALS = {
    "HaVip": f"/apis/{API_VERSION}/namespaces/default/havips",
    "HaVipClass": f"/apis/{API_VERSION}/havipclasses",
    "HaVipNode": f"/apis/{API_VERSION}/havipnodes",
    "Node": "/api/v1/nodes",
    "Secret": f"/api/v1/namespaces/{DEFAULT_NAMESPACE}/secrets",
    "Lease": f"/apis/coordination.k8s.io/v1/namespaces/{DEFAULT_NAMESPACE}/leases",
    "Event": "/api/v1/namespaces/default/events",
    "Service": "/api/v1/namespaces/default/services",
}

T = TypeVar("T")


def eventually(look: Callable[[], T], until: Callable[[T], Any] = bool, within: float = 60.0) -> T:
    """Look until what is seen is so; fail with the last sight after the deadline."""
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if until(seen):
            return seen
        assert time.monotonic() < deadline, f"not so within {within} s; last seen: {seen}"
        time.sleep(0.05)


@dataclass
class Cluster:
    """What a test acts on."""

    plane: ControlPlane
    cloud: RunningCloud
    api: client.ApiClient
    kubeconfig: Path
    logs: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    # -- objects

    def get(self, kind: str, name: str = "") -> Json:
        path = f"{PLURALS[kind]}/{name}" if name else PLURALS[kind]
        try:
            return request(self.api, "GET", path, None, 10)
        except KubernetesError as error:
            if error.status == 404:
                return {}
            raise

    def create(self, kind: str, body: Json) -> Json:
        version = {
            "Node": "v1",
            "Secret": "v1",
            "Service": "v1",
            "Lease": "coordination.k8s.io/v1",
        }
        whole = {"apiVersion": version.get(kind, API_VERSION), "kind": kind, **body}
        return request(self.api, "POST", PLURALS[kind], whole, 10)

    def patch(self, kind: str, name: str, *operations: Json, status: bool = False) -> Json:
        path = f"{PLURALS[kind]}/{name}" + ("/status" if status else "")
        return request(self.api, "PATCH", path, list(operations), 10)

    def replace(self, kind: str, body: Json) -> Json:
        path = f"{PLURALS[kind]}/{body['metadata']['name']}"
        return request(self.api, "PUT", path, body, 10)

    def delete(self, kind: str, name: str) -> None:
        request(self.api, "DELETE", f"{PLURALS[kind]}/{name}", None, 10)

    def havip(self, name: str = "web", /, **spec: Any) -> Json:
        body = {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"className": CLASS, **spec},
        }
        return self.create("HaVip", body)

    def edit(self, name: str, /, **spec: Any) -> None:
        self.patch(
            "HaVip",
            name,
            *({"op": "add", "path": f"/spec/{k}", "value": v} for k, v in spec.items()),
        )

    def secret(
        self, key: str = "AK-SIM", secret: str = "SK-SIM", *, name: str = "key", token: str = ""
    ) -> None:
        """Write an access key into a Secret, in place of the one that it has."""
        body = {
            "metadata": {"name": name},
            "stringData": {"accessKeyId": key, "accessKeySecret": secret, "securityToken": token},
        }
        if self.get("Secret", name):
            self.delete("Secret", name)
        self.create("Secret", body)

    def klass(self, name: str = CLASS, v_switch_id: str = "vsw-sim", **spec: Any) -> None:
        endpoint = self.cloud.endpoint
        self.create(
            "HaVipClass",
            {
                "metadata": {"name": name},
                "spec": {
                    "region": "cn-hangzhou",
                    "vSwitchId": v_switch_id,
                    "endpoints": {
                        **dict.fromkeys(("vpc", "ecs", "sts"), endpoint),
                        "protocol": "http",
                    },
                    "credentials": {"secretRef": {"name": "key"}},
                    **spec,
                },
            },
        )

    def node(
        self,
        number: int,
        *,
        agent: bool = True,
        v_switch_id: str = "vsw-sim",
        labels: dict[str, str] | None = None,
    ) -> str:
        name = f"node{number}"
        self.create(
            "Node",
            {
                "metadata": {"name": name, "labels": {"kind": "any", **(labels or {})}},
                "spec": {"providerID": f"cn-hangzhou.i-node{number}"},
            },
        )
        if agent:
            self.create("HaVipNode", {"metadata": {"name": name}})
            self.report(number, vSwitchId=v_switch_id)
        return name

    def report(self, number: int, **status: Any) -> None:
        """Write what the agent of a node would."""
        facts = {
            "instanceId": f"i-node{number}",
            "region": "cn-hangzhou",
            "vpcId": "vpc-sim",
            "vSwitchId": "vsw-sim",
            "heartbeatAt": now(),
            **status,
        }
        self.patch(
            "HaVipNode",
            f"node{number}",
            {"op": "add", "path": "/status", "value": facts},
            status=True,
        )

    def kubelet_says(self, node: str, *, ready: bool) -> None:
        """Write what the kubelet of a node would."""
        told = {"type": "Ready", "status": str(ready)}
        self.patch(
            "Node",
            node,
            {"op": "add", "path": "/status", "value": {"conditions": [told]}},
            status=True,
        )

    def remove_node(self, number: int) -> None:
        self.delete("HaVipNode", f"node{number}")
        self.delete("Node", f"node{number}")

    def hold(self, uid: str, node: str, epoch: int) -> None:
        """Write the register as an agent would that took over, or that let go."""
        lease = self.get("Lease", lease_name(uid))
        lease["spec"] |= {"holderIdentity": node, "leaseTransitions": epoch}
        self.replace("Lease", lease)

    # -- sights

    def status(self, name: str = "web") -> Json:
        found: Json = self.get("HaVip", name).get("status", {})
        return found

    def verdict(self, name: str = CLASS) -> tuple[str, str, str]:
        """Status, reason and message of a class's condition Accepted."""
        conditions = self.get("HaVipClass", name).get("status", {}).get("conditions", [])
        return next(((c["status"], c["reason"], c["message"]) for c in conditions), ("", "", ""))

    def wait_for_verdict(self, status: str, reason: str, name: str = CLASS) -> str:
        """Wait for a class's condition Accepted and return its message."""
        seen = eventually(lambda: self.verdict(name), lambda seen: seen[:2] == (status, reason))
        return seen[2]

    def condition(self, type_: str, name: str = "web") -> tuple[str, str]:
        """Status and reason of a condition."""
        conditions = self.status(name).get("conditions", [])
        return next(
            ((c["status"], c["reason"]) for c in conditions if c["type"] == type_), ("", "")
        )

    def message(self, type_: str, name: str = "web") -> str:
        conditions = self.status(name).get("conditions", [])
        return next((c["message"] for c in conditions if c["type"] == type_), "")

    def members(self, name: str = "web") -> dict[str, str]:
        return {each["node"]: each["state"] for each in self.status(name).get("members", [])}

    def wait_for(
        self, type_: str, status: str, reason: str = "", name: str = "web", within: float = 90.0
    ) -> None:
        """Wait for a condition."""
        eventually(
            lambda: (self.condition(type_, name), self.message(type_, name)),
            lambda seen: seen[0][0] == status and reason in ("", seen[0][1]),
            within,
        )

    def wait_for_members(self, *nodes: str, name: str = "web") -> None:
        """Wait until exactly these nodes are associated, by the status and by the cloud."""
        eventually(
            lambda: self.members(name),
            lambda seen: {n for n, state in seen.items() if state == "Associated"} == set(nodes),
        )

    def wait_for_lead(self, identity: str) -> None:
        """Wait until this controller is the active one."""
        eventually(
            lambda: self.get("Lease", "havip-controller").get("spec", {}).get("holderIdentity"),
            lambda seen: seen == identity,
        )

    def wait_gone(self, name: str = "web", within: float = 90.0) -> None:
        eventually(lambda: self.get("HaVip", name), lambda seen: not seen, within)

    def events(self, name: str = "web") -> list[str]:
        found = self.get("Event")["items"]
        return [each["reason"] for each in found if each["involvedObject"]["name"] == name]

    def writes(self) -> list[str]:
        """Actions of the calls so far that change something, in order."""
        looks = ("Describe", "Get")
        calls = self.cloud.control.calls()
        return [each.action for each in calls if not each.action.startswith(looks)]

    def sdk(self) -> Console:
        """The cloud's console."""
        return Console(self.cloud)

    @property
    def by_hand(self) -> Sdk:
        """The official SDK in the hands of somebody who knows nothing of the operator."""
        return Sdk(self.cloud.endpoint)

    def in_cloud(self, name: str = "web") -> Json:
        """The counterpart of an object, as the cloud has it."""
        ha_vip_id = self.status(name).get("haVipId")
        found = self.cloud.control.ha_vips()
        return next((each for each in found if each["haVipId"] == ha_vip_id), {})

    def eip(self, allocation_id: str) -> Json:
        """An EIP as the cloud has it; empty when there is none of that id."""
        found = self.cloud.control.eips()
        return next((each for each in found if each["allocationId"] == allocation_id), {})

    def routes_of(self, table: str) -> dict[str, str]:
        """Where a table leads, by destination; what is the cloud's own is left out."""
        found = self.cloud.control.route_entries(table)
        return {each["destinationCidrBlock"]: each["nextHopId"] for each in found}

    def leftovers(self) -> list[str]:
        """What in the cloud still says that it is ours."""
        things = [*self.cloud.control.ha_vips(), *self.cloud.control.eips()]
        return [
            each.get("haVipId") or each["allocationId"]
            for each in things
            if each["tags"].get(TAG_CLUSTER) == CLUSTER_ID
        ]

    # -- the controller

    def start_controller(self, identity: str = "one", **pace: float) -> subprocess.Popen[bytes]:
        """Start a controller; ``pace`` has what differs from an impatient one's."""
        with (self.logs / f"{identity}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, identity, json.dumps(IMPATIENT | pace)],
                env={
                    **os.environ,
                    "KUBECONFIG": str(self.kubeconfig),
                    "PYTHONPATH": str(ROOT / "operator"),
                },
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def stop_controllers(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(30)
        self.processes.clear()

    def clean(self, keep: tuple[str, ...] = ()) -> None:
        """Take away all that a test left, without the controller's help."""
        for each in self.get("HaVip")["items"]:
            name = each["metadata"]["name"]
            if not each["metadata"].get("deletionTimestamp"):
                self.delete("HaVip", name)
            if self.get("HaVip", name):
                self.patch("HaVip", name, {"op": "remove", "path": "/metadata/finalizers"})
        for kind in {"HaVipNode", "HaVipClass", "Node", "Secret", "Event"} - set(keep):
            for each in self.get(kind)["items"]:
                self.delete(kind, each["metadata"]["name"])


class Console:
    """What somebody does by hand in the cloud, past the operator."""

    def __init__(self, cloud: RunningCloud) -> None:
        self._cloud = cloud

    def _do(self, work: Callable[[AlibabaCloud], Coroutine[Any, Any, None]]) -> None:
        async def once() -> None:
            with ThreadPoolExecutor(1) as executor:
                await work(sdk_cloud(self._cloud, executor))

        asyncio.run(once())

    def change_name(self, ha_vip_id: str, name: str) -> None:
        self._do(lambda sdk: sdk.modify_ha_vip(ha_vip_id, name, "", uuid.uuid4().hex))

    def untag(self, ha_vip_id: str, keys: list[str]) -> None:
        self._do(lambda sdk: sdk.untag(ResourceType.HA_VIP, ha_vip_id, keys))

    def tag(self, ha_vip_id: str, tags: dict[str, str]) -> None:
        self._do(lambda sdk: sdk.tag(ResourceType.HA_VIP, ha_vip_id, tags))

    def untag_eip(self, allocation_id: str, keys: list[str]) -> None:
        self._do(lambda sdk: sdk.untag(ResourceType.EIP, allocation_id, keys))

    def unassociate(self, ha_vip_id: str, instance_id: str) -> None:
        kind = InstanceType.ECS_INSTANCE
        self._do(
            lambda sdk: sdk.unassociate(ha_vip_id, instance_id, kind, uuid.uuid4().hex, force=True)
        )

    def delete(self, ha_vip_id: str) -> None:
        """Delete it with all its members, however often the controller comes between."""

        def once() -> bool:
            [facts] = [
                each for each in self._cloud.control.ha_vips() if each["haVipId"] == ha_vip_id
            ]
            try:
                for instance_id in facts["members"]:
                    self.unassociate(ha_vip_id, instance_id)
                self._do(lambda sdk: sdk.delete_ha_vip(ha_vip_id, uuid.uuid4().hex))
            except HaVipError:
                return False
            return True

        eventually(once)


def sdk_cloud(cloud: RunningCloud, executor: ThreadPoolExecutor) -> AlibabaCloud:
    """The adapter, with no limit on the rate of its calls to speak of."""
    return AlibabaCloud(
        "cn-hangzhou",
        Credentials("AK-SIM", "SK-SIM"),
        executor,
        Endpoints(vpc=cloud.endpoint, ecs=cloud.endpoint, sts=cloud.endpoint, protocol="http"),
        buckets=Buckets(lambda: TokenBucket(1000, 1000)),
    )


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


settings.register_profile("long", max_examples=50)


@pytest.fixture(scope="session")
def plane() -> Iterator[ControlPlane]:
    """An API server of our own: what other parts' tests leave must not be reconciled."""
    with ControlPlane() as started:
        started.apply_crds(ROOT / "crds")
        for kind in ("havips", "havipclasses", "havipnodes"):
            # The API takes a moment to serve what it has just learnt of.
            eventually(lambda kind=kind: started.try_kubectl("get", kind).returncode == 0)  # type: ignore[misc]
        yield started


@pytest.fixture(scope="session")
def kubeconfig(plane: ControlPlane) -> Path:
    return plane.admin_kubeconfig


@contextmanager
def cluster_with(
    plane: ControlPlane,
    kubeconfig: Path,
    logs: Path,
    profile: str | Profile = "instant",
    *,
    topology: Topology | None = None,
    clock: Callable[[], float] = time.time,
) -> Iterator[Cluster]:
    login = client.Configuration()
    config.load_kube_config(config_file=str(kubeconfig), client_configuration=login)  # type: ignore[no-untyped-call]
    login.retries = False
    with running(topology or ground(), profile, clock=clock) as cloud:
        api = client.ApiClient(configuration=login)
        cluster = Cluster(plane, cloud, api, kubeconfig, logs)
        try:
            yield cluster
        finally:
            cluster.stop_controllers()
            cluster.clean()
            for each in cluster.get("Lease")["items"]:
                cluster.delete("Lease", each["metadata"]["name"])


@pytest.fixture
def bare(
    plane: ControlPlane, kubeconfig: Path, tmp_path: Path, standing: Cluster
) -> Iterator[Cluster]:
    """A cluster and a cloud, and nothing in either; no controller yet."""
    # It would look after what is made here as well: both stand on one API server.
    standing.stop_controllers()
    with cluster_with(plane, kubeconfig, tmp_path) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def standing(
    plane: ControlPlane, kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A cluster with a controller that serves many tests, since starting one takes seconds."""
    with cluster_with(plane, kubeconfig, tmp_path_factory.mktemp("controller")) as cluster:
        yield cluster


@pytest.fixture
def cluster(standing: Cluster) -> Iterator[Cluster]:
    """A cluster of three nodes with a class and a running controller."""
    standing.cloud.control.reset()
    standing.secret()
    standing.klass()
    for number in (1, 2, 3):
        standing.node(number)
    # One that lost its lead ends, as it must; in a cluster it would be started anew.
    standing.processes = [each for each in standing.processes if each.poll() is None]
    if not standing.processes:
        standing.start_controller()
    yield standing
    standing.cloud.control.clear_faults()
    standing.cloud.control.set_policy(ACCOUNT, None)
    for each in standing.get("Lease")["items"]:
        uid = each["metadata"].get("labels", {}).get(LABEL_UID)
        if uid and each["spec"].get("holderIdentity"):
            standing.hold(uid, "", each["spec"]["leaseTransitions"])
    for each in standing.get("HaVip")["items"]:
        if not each["metadata"].get("deletionTimestamp"):
            standing.delete("HaVip", each["metadata"]["name"])
    try:
        eventually(lambda: standing.get("HaVip")["items"], lambda seen: not seen)
    finally:
        standing.clean()
    assert standing.leftovers() == []
