"""The part of Kubernetes' Service that we read, and of its status that we write."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from havip.api.base import Model
from havip.api.conditions import Condition
from havip.api.metadata import ObjectMeta
from havip.api.names import SERVICE_CONDITION_PREFIX, SERVICE_FINALIZER

LOAD_BALANCER = "LoadBalancer"


class TrafficPolicy(StrEnum):
    """Which endpoints traffic from outside may reach: all, or those of the node it came to."""

    CLUSTER = "Cluster"
    LOCAL = "Local"


class IpMode(StrEnum):
    """How traffic to an ingress address arrives: with that destination, or with the node's."""

    VIP = "VIP"
    PROXY = "Proxy"


class ServicePort(Model):
    """A port of a Service."""

    port: int
    protocol: str = "TCP"


class ServiceSpec(Model):
    """What the user wants."""

    type: str = "ClusterIP"
    load_balancer_class: str | None = None
    load_balancer_ip: Annotated[str, Field(alias="loadBalancerIP")] = ""
    load_balancer_source_ranges: tuple[str, ...] = ()
    ports: tuple[ServicePort, ...] = ()
    selector: dict[str, str] = Field(default_factory=dict)
    external_traffic_policy: TrafficPolicy = TrafficPolicy.CLUSTER
    health_check_node_port: int | None = None
    ip_families: tuple[str, ...] = ("IPv4",)


class Ingress(Model):
    """An address at which a Service is reached."""

    ip: str = ""
    hostname: str | None = None
    ip_mode: IpMode | None = None
    ports: tuple[ServicePort, ...] | None = None


class LoadBalancerStatus(Model):
    """The addresses at which a Service is reached."""

    ingress: tuple[Ingress, ...] | None = None


class ServiceStatus(Model):
    """What is reported of a Service."""

    load_balancer: LoadBalancerStatus = LoadBalancerStatus()
    conditions: tuple[Condition, ...] = ()


class Service(Model):
    """A Service."""

    metadata: ObjectMeta
    spec: ServiceSpec
    status: ServiceStatus = ServiceStatus()

    @property
    def key(self) -> str:
        """Namespace and name, as in default/web."""
        return f"{self.metadata.namespace}/{self.metadata.name}"

    @property
    def path(self) -> str:
        """Path of the object in the API."""
        return service_path(self.key)

    @property
    def has_finalizer(self) -> bool:
        """Whether it waits for the clean-up of its HaVip."""
        return SERVICE_FINALIZER in self.metadata.finalizers

    @property
    def marked(self) -> bool:
        """Whether we ever had to do with it, and did not take leave of it."""
        return any(_ours(each) for each in self.status.conditions)

    @property
    def unmarked_conditions(self) -> tuple[Condition, ...]:
        """The conditions that others set."""
        return tuple(each for each in self.status.conditions if not _ours(each))


def _ours(condition: Condition) -> bool:
    return condition.type.startswith(SERVICE_CONDITION_PREFIX)


def service_path(key: str) -> str:
    """Path in the API of the Service with this namespace and name, as in default/web."""
    namespace, _, name = key.partition("/")
    return f"/api/v1/namespaces/{namespace}/services/{name}"


def newer(body: Mapping[str, Any], version: str) -> bool:
    """Tell whether an object is newer than one of its versions: the API server counts upwards."""
    return int(body["metadata"]["resourceVersion"]) > int(version)
