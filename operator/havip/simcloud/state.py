"""The whole state of the cloud as JSON: what the control endpoint shows and dumps."""

from __future__ import annotations

from typing import Any

from .accounts import Session
from .model import Cloud


def state(cloud: Cloud) -> dict[str, Any]:
    """Give the whole state as JSON has it. Call `cloud.settle` first."""
    return {
        "region": cloud.region,
        "profile": cloud.profile.name,
        "haVips": [
            {
                "haVipId": vip.ha_vip_id,
                "accountId": vip.account_id,
                "address": str(vip.address),
                "status": str(vip.status),
                "vpcId": vip.vpc_id,
                "vSwitchId": vip.v_switch_id,
                "name": vip.name,
                "description": vip.description,
                "resourceGroupId": vip.resource_group_id,
                "tags": dict(vip.tags),
                "memberKind": str(vip.member_kind),
                "members": list(vip.members),
                "joining": vip.joining,
                "master": vip.master,
                "eipAddresses": cloud.eip_addresses_at(vip.ha_vip_id),
            }
            for vip in cloud.ha_vips.values()
        ],
        "instances": [
            {
                "instanceId": instance.instance_id,
                "name": instance.name,
                "status": str(instance.status),
                "vSwitchId": instance.v_switch_id,
                "privateIpAddress": str(instance.primary.address),
                "macAddress": instance.primary.mac,
                "networkInterfaceId": instance.primary.network_interface_id,
            }
            for instance in cloud.instances.values()
        ],
        "networkInterfaces": [
            {
                "networkInterfaceId": card.network_interface_id,
                "instanceId": card.instance_id,
                "vSwitchId": card.v_switch_id,
                "privateIpAddress": str(card.address),
                "macAddress": card.mac,
                "primary": card.primary,
                "status": str(card.status),
                "tags": dict(card.tags),
            }
            for card in cloud.network_interfaces.values()
        ],
        "vSwitches": [
            {
                "vSwitchId": switch.v_switch_id,
                "vpcId": switch.vpc_id,
                "cidrBlock": str(switch.cidr_block),
                "zoneId": switch.zone_id,
            }
            for switch in cloud.v_switches.values()
        ],
        "eips": [
            {
                "allocationId": eip.allocation_id,
                "accountId": eip.account_id,
                "address": str(eip.address),
                "status": str(eip.status),
                "instanceType": eip.holder_type,
                "instanceId": eip.holder_id,
                "name": eip.name,
                "description": eip.description,
                "bandwidth": eip.bandwidth,
                "isp": eip.isp,
                "chargeType": eip.charge_type,
                "internetChargeType": eip.internet_charge_type,
                "businessStatus": eip.business_status,
                "deletionProtection": eip.deletion_protection,
                "serviceManaged": eip.service_managed,
                "resourceGroupId": eip.resource_group_id,
                "tags": dict(eip.tags),
            }
            for eip in cloud.eips.values()
        ],
        "routeTables": [
            {
                "routeTableId": table.route_table_id,
                "vpcId": table.vpc_id,
                "routeTableType": table.kind,
                "entries": [
                    {
                        "routeEntryId": entry.route_entry_id,
                        "destinationCidrBlock": str(entry.destination),
                        "nextHopType": entry.next_hop_type,
                        "nextHopId": entry.next_hop_id,
                        "status": str(entry.status),
                        "system": entry.system,
                    }
                    for entry in table.entries.values()
                ],
            }
            for table in cloud.route_tables.values()
        ],
        "keys": [
            {
                "accessKeyId": key.access_key_id,
                "accountId": key.account_id,
                "active": key.active,
                "roleArn": key.role_arn if isinstance(key, Session) else "",
            }
            for key in cloud.accounts.values()
        ],
    }
