"""What stands in the cloud before the first call: accounts, networks, instances."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Literal, Self
from zlib import crc32

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from .policy import Policy

DEFAULT_RESOURCE_GROUP = "rg-default"

ChargeType = Literal["PostPaid", "PrePaid"]
InternetChargeType = Literal["PayByBandwidth", "PayByTraffic"]
BusinessStatus = Literal["Normal", "FinancialLocked"]
RouteTableType = Literal["System", "Custom"]


class _Part(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid"
    )


class Account(_Part):
    """One access key and what its owner may do."""

    account_id: str
    access_key_id: str
    access_key_secret: str = Field(repr=False)
    security_token: str = Field(default="", repr=False)
    """Asked for in every request when set, as with temporary credentials."""
    expires_at: float | None = None
    """When the key ends, in seconds since 1970."""
    user: str = ""
    """Name of the RAM user that has the key; empty for the account itself."""
    user_id: str = ""
    active: bool = True
    may_create_ha_vips: bool = True
    """The quota item `vpc_privilege_allow_buy_havip_instance`."""
    denied_actions: tuple[str, ...] = ()
    """Actions that its RAM policy does not allow."""
    policy: Policy | None = None
    """What it may do; everything where there is none."""


class Role(_Part):
    """A RAM role of an account, and who may act in it."""

    name: str
    account_id: str
    oidc_provider_arn: str = ""
    oidc_tokens: tuple[str, ...] = Field(default=(), repr=False)
    """The texts that the provider's tokens have."""
    expired_oidc_tokens: tuple[str, ...] = Field(default=(), repr=False)
    trusted_accounts: tuple[str, ...] = ()
    """Accounts besides its own whose keys may assume it."""
    session_seconds: float | None = None
    """How long every session lasts, whatever is asked for."""
    denied_actions: tuple[str, ...] = ()
    policy: Policy | None = None
    """What its sessions may do; everything where there is none."""

    @property
    def arn(self) -> str:
        """Its resource name."""
        return f"acs:ram::{self.account_id}:role/{self.name}"

    @property
    def role_id(self) -> str:
        """Its number, which the cloud would draw."""
        return f"3{crc32(self.arn.encode()):010d}"


class Vpc(_Part):
    """A network; seen by one account, or by all where none is named."""

    vpc_id: str
    cidr_block: IPv4Network
    account_id: str | None = None


class VSwitch(_Part):
    """A subnet of a VPC in one zone."""

    v_switch_id: str
    vpc_id: str
    cidr_block: IPv4Network
    zone_id: str
    reserved_addresses: tuple[IPv4Address, ...] = ()
    """Taken by something that is no part of the simulated cloud, such as the lab's bridge."""


class Instance(_Part):
    """An ECS instance with its primary network interface."""

    instance_id: str
    name: str
    v_switch_id: str
    private_ip_address: IPv4Address
    mac_address: str
    network_interface_id: str
    bridge_port: str | None = None
    """The bridge's side of the instance's link, where there is a bridge."""
    require_metadata_token: bool = False
    ram_role: str = ""
    """ARN of the role that its metadata service gives credentials of."""
    deployment_set_id: str = ""
    deployment_set_group_no: int | None = None
    """Which part of the set's hardware it runs on."""
    dedicated_host_id: str = ""
    tags: dict[str, str] = Field(default_factory=dict)


class NetworkInterface(_Part):
    """A secondary network interface, attached to an instance or to none."""

    network_interface_id: str
    v_switch_id: str
    private_ip_address: IPv4Address
    mac_address: str
    instance_id: str | None = None
    bridge_port: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)


class Eip(_Part):
    """An elastic IP address that somebody allocated before, bound to something or to nothing."""

    allocation_id: str
    ip_address: IPv4Address
    account_id: str = ""
    """The first account's where none is named."""
    name: str = ""
    bandwidth: int = 5
    isp: str = "BGP"
    charge_type: ChargeType = "PostPaid"
    internet_charge_type: InternetChargeType = "PayByBandwidth"
    business_status: BusinessStatus = "Normal"
    deletion_protection: bool = False
    service_managed: bool = False
    resource_group_id: str = DEFAULT_RESOURCE_GROUP
    tags: dict[str, str] = Field(default_factory=dict)
    instance_type: str = ""
    """What it is bound to: `EcsInstance`, or any kind that is no part of the simulated cloud."""
    instance_id: str = ""


class RouteEntry(_Part):
    """A custom route entry; its id is made from the table's where none is given."""

    destination_cidr_block: IPv4Network
    next_hop_type: str
    next_hop_id: str
    route_entry_id: str = ""


class RouteTable(_Part):
    """A route table. A VPC that has no system table here gets one without custom entries."""

    route_table_id: str
    vpc_id: str
    route_table_type: RouteTableType = "Custom"
    name: str = ""
    v_switch_ids: tuple[str, ...] = ()
    entries: tuple[RouteEntry, ...] = ()


class Topology(_Part):
    """The whole of it, in one region. Reading raises ValueError where it does not fit together."""

    region: str = "cn-hangzhou"
    accounts: tuple[Account, ...]
    roles: tuple[Role, ...] = ()
    vpcs: tuple[Vpc, ...]
    v_switches: tuple[VSwitch, ...]
    instances: tuple[Instance, ...] = ()
    network_interfaces: tuple[NetworkInterface, ...] = ()
    eips: tuple[Eip, ...] = ()
    route_tables: tuple[RouteTable, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        vpcs = {vpc.vpc_id for vpc in self.vpcs}
        switches = {switch.v_switch_id: switch for switch in self.v_switches}
        for switch in self.v_switches:
            if switch.vpc_id not in vpcs:
                raise ValueError(f"{switch.v_switch_id} names the unknown VPC {switch.vpc_id}")
        roles = {role.arn for role in self.roles}
        instances = {instance.instance_id for instance in self.instances}
        for instance in self.instances:
            if instance.ram_role and instance.ram_role not in roles:
                raise ValueError(
                    f"{instance.instance_id} names the unknown role {instance.ram_role}"
                )
        for each in self.network_interfaces:
            if each.instance_id is not None and each.instance_id not in instances:
                raise ValueError(
                    f"{each.network_interface_id} names the unknown instance {each.instance_id}"
                )
        cards: list[Instance | NetworkInterface] = [*self.instances, *self.network_interfaces]
        for card in cards:
            home = switches.get(card.v_switch_id)
            if home is None:
                raise ValueError(
                    f"{card.network_interface_id} names the unknown vSwitch {card.v_switch_id}"
                )
            if card.private_ip_address not in home.cidr_block:
                raise ValueError(f"{card.private_ip_address} is not in {home.cidr_block}")
        return self

    @model_validator(mode="after")
    def _routes_fit(self) -> Self:
        vpcs = {vpc.vpc_id for vpc in self.vpcs}
        system = [table.vpc_id for table in self.route_tables if table.route_table_type == "System"]
        for table in self.route_tables:
            if table.vpc_id not in vpcs:
                raise ValueError(f"{table.route_table_id} names the unknown VPC {table.vpc_id}")
            if system.count(table.vpc_id) > 1:
                raise ValueError(f"{table.vpc_id} has more than one system route table")
            destinations = [entry.destination_cidr_block for entry in table.entries]
            if len(set(destinations)) < len(destinations):
                raise ValueError(f"{table.route_table_id} has two entries for one destination")
        return self

    @model_validator(mode="after")
    def _eips_fit(self) -> Self:
        instances = {instance.instance_id for instance in self.instances}
        accounts = {account.account_id for account in self.accounts}
        for eip in self.eips:
            if eip.account_id and eip.account_id not in accounts:
                raise ValueError(f"{eip.allocation_id} names the unknown account {eip.account_id}")
            if eip.instance_type == "HaVip":
                raise ValueError(f"{eip.allocation_id}: there is no HaVip before the first call")
            if eip.instance_type == "EcsInstance" and eip.instance_id not in instances:
                raise ValueError(
                    f"{eip.allocation_id} names the unknown instance {eip.instance_id}"
                )
        return self

    @classmethod
    def read(cls, path: Path) -> Topology:
        """Read a topology from a JSON file."""
        return cls.model_validate_json(path.read_text())

    def to_json(self) -> str:
        """Give the JSON that `read` takes."""
        return self.model_dump_json(by_alias=True, exclude_defaults=True, indent=2)


def sample(instances: int = 3) -> Topology:
    """Give one account, one vSwitch 10.77.0.0/24 and some instances from 10.77.0.11 on."""
    return Topology(
        accounts=(
            Account(
                account_id="1000000000000001",
                access_key_id="AK-SIM",
                access_key_secret="SK-SIM",  # noqa: S106
            ),
        ),
        vpcs=(Vpc(vpc_id="vpc-sim", cidr_block=IPv4Network("10.77.0.0/16")),),
        v_switches=(
            VSwitch(
                v_switch_id="vsw-sim",
                vpc_id="vpc-sim",
                cidr_block=IPv4Network("10.77.0.0/24"),
                zone_id="cn-hangzhou-a",
                reserved_addresses=(IPv4Address("10.77.0.1"),),
            ),
        ),
        instances=tuple(
            Instance(
                instance_id=f"i-node{number}",
                name=f"node{number}",
                v_switch_id="vsw-sim",
                private_ip_address=IPv4Address(f"10.77.0.{10 + number}"),
                mac_address=f"02:00:0a:4d:00:{10 + number:02x}",
                network_interface_id=f"eni-node{number}",
            )
            for number in range(1, instances + 1)
        ),
    )
