"""A Service of the lab, with endpoints where the caller says: what its controllers would write.

There is no controller-manager in the process lab, and a Deployment's own pace would only blur when
an endpoint went.
"""

from __future__ import annotations

import json
import ssl
import time
import urllib.request
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from lab.kubectl import ADMIN, KubernetesAccess
from lab.watching import HTTP_PORT, UDP_PORT

NAMESPACE = "default"


class State(StrEnum):
    """How an endpoint is: fit, or its pod was asked to end and serves on meanwhile."""

    READY = "ready"
    TERMINATING = "terminating"


class Service:
    """A Service with one EndpointSlice, written past kubectl so that the moment is known."""

    def __init__(
        self,
        plane: KubernetesAccess,
        name: str,
        addresses: Mapping[str, str],
        *,
        target_port: int = HTTP_PORT,
    ) -> None:
        """Name it; `addresses` has the address of each node's endpoint."""
        self.name = name
        self._plane = plane
        self._addresses = addresses
        self._ports = [
            {"name": "http", "protocol": "TCP", "port": target_port},
            {"name": "probe", "protocol": "UDP", "port": UDP_PORT},
        ]
        trust = ssl.create_default_context(cafile=str(plane.ca_file))
        # No proxy of the surroundings has a say in how we reach our own server.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )
        self._token = plane.token(ADMIN)

    def apply(self, **spec: object) -> None:
        """Apply it as a Service of type LoadBalancer, `Local` unless `spec` says otherwise."""
        http, probe = ({**port, "targetPort": port["port"]} for port in self._ports)
        manifest = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": self.name, "namespace": NAMESPACE},
            "spec": {
                "type": "LoadBalancer",
                "loadBalancerClass": "havip.dev/lab",
                "externalTrafficPolicy": "Local",
                "ports": [{**http, "port": HTTP_PORT}, probe],
            }
            | spec,
        }
        self._plane.apply(json.dumps(manifest))

    def delete(self) -> None:
        """Delete it and its EndpointSlice; return when it is gone."""
        self._plane.kubectl("delete", "service", self.name, "-n", NAMESPACE, "--timeout=60s")
        slice_ = f"endpointslice/{self.name}-lab"
        self._plane.kubectl("delete", slice_, "-n", NAMESPACE, "--ignore-not-found")

    @property
    def published(self) -> str:
        """The addresses that its status says it is reached at, with a space between."""
        path = "jsonpath={.status.loadBalancer.ingress[*].ip}"
        return self._plane.kubectl("get", "service", self.name, "-n", NAMESPACE, "-o", path)

    def place(self, states: Mapping[str, State]) -> float:
        """Let it have endpoints on these nodes and no others.

        Returns the monotonic time in seconds just before the API server was told.
        """
        endpoints = [
            {
                "addresses": [self._addresses[node]],
                "nodeName": node,
                "conditions": {
                    "ready": state is State.READY,
                    "serving": True,
                    "terminating": state is State.TERMINATING,
                },
            }
            for node, state in states.items()
        ]
        body = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{self.name}-lab",
                "namespace": NAMESPACE,
                "labels": {"kubernetes.io/service-name": self.name},
            },
            "addressType": "IPv4",
            "ports": self._ports,
            "endpoints": endpoints,
        }
        at = time.monotonic()
        self._server_side_apply(body)
        return at

    def _server_side_apply(self, body: Mapping[str, Any]) -> None:
        path = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
        request = urllib.request.Request(
            f"{self._plane.url}{path}/{body['metadata']['name']}?fieldManager=lab&force=true",
            data=json.dumps(body).encode(),
            method="PATCH",
            headers={
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/apply-patch+yaml",
            },
        )
        with self._opener.open(request, timeout=10):
            pass
