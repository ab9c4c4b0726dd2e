"""ECS instances and network interfaces (ENIs) as the cloud has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address

from . import topology
from .topology import DEFAULT_RESOURCE_GROUP


class InstanceStatus(StrEnum):
    """Life of an ECS instance."""

    RUNNING = "Running"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    STARTING = "Starting"

    @property
    def settled(self) -> bool:
        """Whether the instance may join or leave a HaVip."""
        return self in {InstanceStatus.RUNNING, InstanceStatus.STOPPED}


class InterfaceStatus(StrEnum):
    """Life of a network interface, which it spends with instances or alone."""

    AVAILABLE = "Available"
    ATTACHING = "Attaching"
    IN_USE = "InUse"
    DETACHING = "Detaching"


@dataclass
class NetworkInterface:
    """An elastic network interface (ENI)."""

    network_interface_id: str
    v_switch_id: str
    address: IPv4Address
    mac: str
    instance_id: str | None
    primary: bool
    bridge_port: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    resource_group_id: str = DEFAULT_RESOURCE_GROUP
    status: InterfaceStatus = InterfaceStatus.AVAILABLE

    def __post_init__(self) -> None:
        if self.instance_id is not None:
            self.status = InterfaceStatus.IN_USE

    def leave(self) -> None:
        """Be without an instance."""
        self.instance_id = None
        self.status = InterfaceStatus.AVAILABLE

    @classmethod
    def given(cls, card: topology.NetworkInterface) -> NetworkInterface:
        """Make a secondary interface of the topology."""
        return cls(
            card.network_interface_id,
            card.v_switch_id,
            card.private_ip_address,
            card.mac_address.lower(),
            card.instance_id,
            primary=False,
            bridge_port=card.bridge_port,
            tags=dict(card.tags),
        )


@dataclass
class Instance:
    """An ECS instance. Its place in the network is that of its primary interface."""

    instance_id: str
    name: str
    primary: NetworkInterface
    require_metadata_token: bool
    status: InstanceStatus = InstanceStatus.RUNNING
    stopped_mode: str = "KeepCharging"
    ram_role: str = ""
    deployment_set_id: str = ""
    deployment_set_group_no: int | None = None
    dedicated_host_id: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    resource_group_id: str = DEFAULT_RESOURCE_GROUP

    @property
    def v_switch_id(self) -> str:
        """The vSwitch of the primary interface."""
        return self.primary.v_switch_id

    @classmethod
    def given(cls, instance: topology.Instance) -> Instance:
        """Make an instance of the topology, with its primary interface."""
        primary = NetworkInterface(
            instance.network_interface_id,
            instance.v_switch_id,
            instance.private_ip_address,
            instance.mac_address.lower(),
            instance.instance_id,
            primary=True,
            bridge_port=instance.bridge_port,
        )
        return cls(
            instance.instance_id,
            instance.name,
            primary,
            instance.require_metadata_token,
            ram_role=instance.ram_role,
            deployment_set_id=instance.deployment_set_id,
            deployment_set_group_no=instance.deployment_set_group_no,
            dedicated_host_id=instance.dedicated_host_id,
            tags=dict(instance.tags),
        )
