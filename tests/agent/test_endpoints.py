"""A node is fit for a Service while one of its endpoints there takes new connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from havip.agent.endpoints import Endpoints, endpoints_of, follow_endpoints
from havip.agent.kube import Kube
from havip.api.health import HealthCheck
from lab.controlplane import ControlPlane

from .conftest import Stage, eventually

SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"

HERE = Endpoints(here=True, elsewhere=False)
ELSEWHERE = Endpoints(here=False, elsewhere=True)
NOWHERE = Endpoints(here=False, elsewhere=False)


def endpoint(node: str | None = "node1", /, **conditions: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"addresses": ["10.244.1.2"], "conditions": conditions}
    return made | ({"nodeName": node} if node else {})


def slice_of(
    service: str, *endpoints: dict[str, Any], name: str = "", kind: str = "IPv4"
) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name or f"{service}-1",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": kind,
        "endpoints": list(endpoints),
    }


@pytest.mark.parametrize(
    ("conditions", "taken"),
    [
        ({}, True),
        ({"ready": True}, True),
        ({"ready": True, "serving": True, "terminating": False}, True),
        ({"ready": False}, False),
        ({"ready": False, "serving": True, "terminating": True}, False),
        # As of a Service that publishes addresses that are not ready.
        ({"ready": True, "serving": True, "terminating": True}, False),
        ({"ready": True, "serving": False, "terminating": False}, False),
    ],
)
def test_an_endpoint_counts_when_it_is_ready_serving_and_not_terminating(
    conditions: dict[str, bool], taken: bool
) -> None:
    assert endpoints_of([slice_of("web", endpoint(**conditions))], "node1").here is taken


def test_endpoints_of_other_nodes_and_of_none_are_elsewhere() -> None:
    assert endpoints_of([slice_of("web", endpoint("node2"))], "node1") == ELSEWHERE
    assert endpoints_of([slice_of("web", endpoint(None))], "node1") == ELSEWHERE
    assert endpoints_of([slice_of("web")], "node1") == NOWHERE
    assert endpoints_of([slice_of("web") | {"endpoints": None}], "node1") == NOWHERE


def test_an_ipv6_endpoint_is_no_use_to_an_ipv4_address() -> None:
    six = slice_of("web", endpoint() | {"addresses": ["fd00::1"]}, kind="IPv6")
    assert endpoints_of([six], "node1") == NOWHERE


class Cluster:
    """The EndpointSlices of a real API server."""

    def __init__(self, kube: Kube) -> None:
        self.kube = kube
        self.service = f"web-{uuid4().hex[:8]}"

    async def make(self, *endpoints: dict[str, Any], name: str = "1") -> None:
        made = slice_of(self.service, *endpoints, name=f"{self.service}-{name}")
        await self.kube.post(SLICES, made, 10)

    async def change(self, *endpoints: dict[str, Any], name: str = "1") -> None:
        path = f"{SLICES}/{self.service}-{name}"
        found = await self.kube.get(path, 10)
        await self.kube.put(path, found | {"endpoints": list(endpoints)}, 10)

    @contextlib.asynccontextmanager
    async def followed(self) -> AsyncIterator[list[Endpoints]]:
        """What node1 is told of the Service's endpoints."""
        told: list[Endpoints] = []

        async def follow() -> None:
            async for each in follow_endpoints(self.kube, "node1", "default", self.service):
                told.append(each)

        task = asyncio.create_task(follow())
        try:
            yield told
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def cluster(
    control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Cluster]:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.admin_kubeconfig))
    kube = Kube.from_environment()
    yield Cluster(kube)
    await kube.close()


@pytest.mark.apiserver
async def test_what_is_there_at_first_is_told_and_then_every_change(cluster: Cluster) -> None:
    await cluster.make(endpoint(ready=True))
    async with cluster.followed() as told:
        await eventually(lambda: told == [HERE])
        await cluster.change(endpoint(ready=False, serving=True, terminating=True))
        await eventually(lambda: told[1:] == [NOWHERE])
        await cluster.change(endpoint("node2", ready=True))
        await eventually(lambda: told[2:] == [ELSEWHERE])


@pytest.mark.apiserver
async def test_a_service_has_the_endpoints_of_all_its_slices_and_of_no_other_service(
    cluster: Cluster, control_plane: ControlPlane
) -> None:
    await cluster.make(endpoint("node2"), name="1")
    await cluster.make(endpoint("node1"), name="2")
    await cluster.kube.post(SLICES, slice_of(f"{cluster.service}-other", endpoint("node3")), 10)
    async with cluster.followed() as told:
        await eventually(lambda: told == [Endpoints(here=True, elsewhere=True)])
        control_plane.kubectl("delete", "endpointslice", f"{cluster.service}-1")
        await eventually(lambda: told[1:] == [HERE])


@pytest.mark.apiserver
async def test_a_service_without_any_slice_has_no_endpoints(cluster: Cluster) -> None:
    async with cluster.followed() as told:
        await eventually(lambda: told == [NOWHERE])


def check(service: str) -> HealthCheck:
    return HealthCheck.from_json({"name": "local", "endpoints": {"service": service}})


@pytest.mark.kernel
@pytest.mark.apiserver
async def test_an_owner_whose_last_endpoint_goes_stays_where_no_other_is_fit_and_says_so(
    stage: Stage,
) -> None:
    cluster = Cluster(stage.kube)
    await cluster.make(endpoint(ready=True))
    await stage.acquire()
    stage.change(health=(check(cluster.service),))
    await eventually(lambda: stage.keeper.checks.healthy is True)
    assert stage.findings() == ()
    await cluster.change(endpoint(ready=False, serving=True, terminating=True))
    await eventually(lambda: not stage.keeper.healthy)
    (finding,) = stage.findings()
    assert "stays here although this node is not healthy, for no other member is" in finding
    assert stage.has("eth0")
    await cluster.change(endpoint(ready=True))
    await eventually(lambda: stage.keeper.healthy)
    assert stage.findings() == ()


@pytest.mark.kernel
@pytest.mark.apiserver
async def test_a_check_that_was_just_asked_for_changes_nothing_until_its_first_word(
    stage: Stage,
) -> None:
    cluster = Cluster(stage.kube)
    await cluster.make(endpoint(ready=True))
    await stage.acquire()
    await eventually(lambda: stage.keeper.healthy)
    stage.change(health=(check(cluster.service),))
    assert stage.keeper.checks.healthy is None
    assert stage.keeper.healthy
    await eventually(lambda: stage.keeper.checks.healthy is True)
    assert stage.keeper.healthy
