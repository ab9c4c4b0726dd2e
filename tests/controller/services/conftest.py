"""Services on the controller's test cluster; the test plays the agents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from havip.api.names import API_VERSION, LOAD_BALANCER_CLASS_PREFIX, lease_name
from havip.controller.kube import Json, KubernetesError, request
from tests.controller.conftest import CLASS, Cluster, eventually

OURS = f"{LOAD_BALANCER_CLASS_PREFIX}{CLASS}"
OTHER_NAMESPACE = "shop"


@dataclass
class Shop:
    """What a user with Services sees and does. Objects are named as in default/web."""

    cluster: Cluster
    made: list[str] = field(default_factory=list)

    def wait_for_lead(self, identity: str) -> None:
        """Wait until this controller is the active one, which on a busy machine takes long."""
        eventually(
            lambda: self.cluster.get("Lease", "havip-controller")["spec"].get("holderIdentity"),
            lambda seen: seen == identity,
            within=120,
        )

    # -- any object

    def call(self, method: str, path: str, body: object = None) -> Json:
        return request(self.cluster.api, method, path, body, 10)

    def look(self, path: str) -> Json:
        try:
            return self.call("GET", path)
        except KubernetesError as error:
            if error.status == 404:
                return {}
            raise

    @staticmethod
    def service_path(key: str) -> str:
        namespace, _, name = key.partition("/")
        return f"/api/v1/namespaces/{namespace}/services/{name}"

    @staticmethod
    def havip_path(key: str) -> str:
        namespace, _, name = key.partition("/")
        return f"/apis/{API_VERSION}/namespaces/{namespace}/havips/{name}"

    # -- Services

    def service(
        self,
        key: str = "default/web",
        *,
        ports: tuple[int, ...] = (80,),
        protocol: str = "TCP",
        annotations: dict[str, str] | None = None,
        **spec: Any,
    ) -> Json:
        namespace, _, name = key.partition("/")
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": name,
                "annotations": {
                    "team": "a",
                    **{f"havip.dev/{k}": v for k, v in (annotations or {}).items()},
                },
            },
            "spec": {
                "type": "LoadBalancer",
                "loadBalancerClass": OURS,
                "selector": {"app": name},
                "ports": [{"name": f"p{p}", "port": p, "protocol": protocol} for p in ports],
                **spec,
            },
        }
        self.made.append(key)
        return self.call("POST", f"/api/v1/namespaces/{namespace}/services", body)

    def see(self, key: str = "default/web") -> Json:
        return self.look(self.service_path(key))

    def change(self, key: str, *operations: Json) -> Json:
        return self.call("PATCH", self.service_path(key), list(operations))

    def annotate(self, key: str, name: str, value: str) -> None:
        path = f"/metadata/annotations/havip.dev~1{name}"
        self.change(key, {"op": "add", "path": path, "value": value})

    def become(self, key: str, type_: str, class_: str | None = None) -> None:
        """Change the type of a Service, as `kubectl apply` would."""

        def once() -> bool:
            body = self.see(key)
            spec = body["spec"] | {"type": type_}
            for each in ("loadBalancerClass", "allocateLoadBalancerNodePorts"):
                spec.pop(each, None)
            if type_ != "LoadBalancer":
                spec.pop("externalTrafficPolicy", None)
            if class_ is not None:
                spec["loadBalancerClass"] = class_
            try:
                self.call("PUT", self.service_path(key), body | {"spec": spec})
            except KubernetesError as error:
                if error.status == 409:  # the controller wrote something between
                    return False
                raise
            return True

        eventually(once)

    def delete(self, key: str = "default/web") -> None:
        self.call("DELETE", self.service_path(key))

    def ingress(self, key: str = "default/web") -> list[Json]:
        found = self.see(key).get("status", {}).get("loadBalancer", {}).get("ingress", [])
        return list(found)

    def addresses(self, key: str = "default/web") -> list[str]:
        return [each["ip"] for each in self.ingress(key)]

    def condition(self, type_: str, key: str = "default/web") -> tuple[str, str, str]:
        """Status, reason and message of one of our conditions."""
        conditions = self.see(key).get("status", {}).get("conditions", [])
        return next(
            (
                (each["status"], each["reason"], each["message"])
                for each in conditions
                if each["type"] == f"havip.dev/{type_}"
            ),
            ("", "", ""),
        )

    def wait_for(self, type_: str, reason: str, key: str = "default/web") -> str:
        """Wait for the reason of a condition and return its message."""
        seen = eventually(lambda: self.condition(type_, key), lambda seen: seen[1] == reason)
        return seen[2]

    def wait_gone(self, key: str = "default/web") -> None:
        eventually(lambda: self.see(key), lambda seen: not seen)

    def events(self, key: str = "default/web") -> list[tuple[str, str]]:
        """Reasons and messages of what was told about a Service."""
        namespace, _, name = key.partition("/")
        found = self.look(f"/api/v1/namespaces/{namespace}/events").get("items", [])
        return [
            (each["reason"], each["message"])
            for each in found
            if each["involvedObject"]["kind"] == "Service"
            and each["involvedObject"]["name"] == name
        ]

    def wait_for_event(self, reason: str, key: str = "default/web") -> str:
        """Wait until something was told, and return the words of the first time."""
        seen = eventually(
            lambda: [words for told, words in self.events(key) if told == reason], bool
        )
        return seen[0]

    # -- HaVips

    def havip(self, key: str = "default/web") -> Json:
        return self.look(self.havip_path(key))

    def wait_for_havip(self, key: str = "default/web") -> Json:
        """Wait until a HaVip is there and has its address."""
        return eventually(
            lambda: self.havip(key), lambda seen: seen.get("status", {}).get("address")
        )

    def edit_havip(self, key: str, *operations: Json) -> None:
        self.call("PATCH", self.havip_path(key), list(operations))

    def wait_no_havip(self, key: str = "default/web") -> None:
        eventually(lambda: self.havip(key), lambda seen: not seen)

    def hold(self, key: str = "default/web", node: str = "node1", epoch: int = 1) -> str:
        """Have a node own the address of a HaVip, and return the address."""
        havip = self.wait_for_havip(key)
        uid = havip["metadata"]["uid"]
        eventually(lambda: self.cluster.get("Lease", lease_name(uid)))
        self.cluster.hold(uid, node, epoch)
        address: str = havip["status"]["address"]
        return address

    def serve(self, key: str = "default/web", node: str = "node1") -> str:
        """Have the Service's own HaVip held, wait until it is told, and return the address."""
        address = self.hold(key, node)
        eventually(lambda: self.addresses(key), lambda seen: address in seen)
        return address


@pytest.fixture
def shop(cluster: Cluster) -> Iterator[Shop]:
    """A user's view of a cluster with a class, three nodes and a running controller."""
    cluster.plane.create_namespace(OTHER_NAMESPACE)
    # On a busy machine the first start of a controller takes longer than all that follows.
    eventually(lambda: cluster.verdict()[0], lambda seen: seen == "True", within=120)
    shop = Shop(cluster)
    yield shop
    for key in shop.made:
        if shop.see(key) and not shop.see(key)["metadata"].get("deletionTimestamp"):
            shop.delete(key)
    for lease in cluster.get("Lease")["items"]:
        uid = lease["metadata"].get("labels", {}).get("havip.dev/uid")
        if uid and lease["spec"].get("holderIdentity"):
            cluster.hold(uid, "", lease["spec"]["leaseTransitions"])
    for key in shop.made:
        shop.wait_gone(key)
    everywhere = f"/apis/{API_VERSION}/havips"
    eventually(
        lambda: [
            each["metadata"]["name"]
            for each in shop.call("GET", everywhere)["items"]
            if "havip.dev/services" in each["metadata"].get("annotations", {})
        ],
        lambda seen: not seen,
    )
