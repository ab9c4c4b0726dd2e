"""What stands in the cloud when a test of the controller begins."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

from havip.simcloud.samples import two_accounts
from havip.simcloud.topology import (
    Eip,
    Instance,
    NetworkInterface,
    RouteEntry,
    RouteTable,
    Topology,
    VSwitch,
)

SEVERAL = 32
"""Instances: i-node1 and so on."""

SPREAD = {21: ("ds-far", 1), 22: ("ds-far", 2), 23: ("ds-near", 1), 24: ("ds-near", 1)}
"""Instances in deployment sets, and in which group."""
ELSEWHERE = (27, 28)
"""Instances of another vSwitch, each with a second network interface in that of the HaVips."""

TABLES = ("vtb-one", "vtb-side")
SOMEBODY_S = "10.99.0.0/16"
"""A destination that vtb-one leads to i-node30."""


def ground() -> Topology:
    """Give two accounts, the first with EIPs, route tables, ENIs and deployment sets."""
    plain = two_accounts(SEVERAL)
    return plain.model_copy(
        update={
            "v_switches": (
                *plain.v_switches,
                VSwitch(
                    v_switch_id="vsw-far",
                    vpc_id="vpc-sim",
                    cidr_block=IPv4Network("10.77.1.0/24"),
                    zone_id="cn-hangzhou-a",
                ),
            ),
            "instances": tuple(
                _placed(number, each) for number, each in enumerate(plain.instances, start=1)
            ),
            "network_interfaces": (
                *(_interface(f"eni-near{number}", 100 + number, number) for number in ELSEWHERE),
                *(_interface(f"eni-vip{n}", 110 + n, n, role="vip") for n in (1, 2)),
                _interface("eni-spare", 120, None, role="vip"),
            ),
            "eips": (
                _eip("eip-one", 1),
                _eip("eip-two", 2),
                _eip("eip-prepaid", 3, charge_type="PrePaid"),
                _eip("eip-server", 4, instance_type="EcsInstance", instance_id="i-node30"),
                _eip("eip-gateway", 5, instance_type="Nat", instance_id="ngw-one"),
                _eip("eip-managed", 6, service_managed=True),
                _eip("eip-locked", 7, business_status="FinancialLocked"),
            ),
            "route_tables": tuple(
                RouteTable(
                    route_table_id=each,
                    vpc_id="vpc-sim",
                    entries=(
                        RouteEntry(
                            destination_cidr_block=IPv4Network(SOMEBODY_S),
                            next_hop_type="Instance",
                            next_hop_id="i-node30",
                        ),
                    )
                    if each == "vtb-one"
                    else (),
                )
                for each in TABLES
            ),
        }
    )


def _placed(number: int, instance: Instance) -> Instance:
    if number in ELSEWHERE:
        return instance.model_copy(
            update={
                "v_switch_id": "vsw-far",
                "private_ip_address": IPv4Address(f"10.77.1.{10 + number}"),
            }
        )
    if number in SPREAD:
        name, group = SPREAD[number]
        return instance.model_copy(
            update={"deployment_set_id": name, "deployment_set_group_no": group}
        )
    return instance


def _interface(
    network_interface_id: str, host: int, owner: int | None, **tags: str
) -> NetworkInterface:
    return NetworkInterface(
        network_interface_id=network_interface_id,
        v_switch_id="vsw-sim",
        private_ip_address=IPv4Address(f"10.77.0.{host}"),
        mac_address=f"02:00:0a:4d:01:{host:02x}",
        instance_id=f"i-node{owner}" if owner else None,
        tags=tags,
    )


def _eip(allocation_id: str, host: int, **more: Any) -> Eip:
    return Eip(allocation_id=allocation_id, ip_address=IPv4Address(f"203.0.113.{host}"), **more)
