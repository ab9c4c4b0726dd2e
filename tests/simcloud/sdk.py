"""The unmodified official SDK, with less to type: what a test says to the simulated cloud."""

import time
from collections.abc import Callable
from typing import Any

from alibabacloud_ecs20140526 import models as ecs
from alibabacloud_ecs20140526.client import Client as EcsClient
from alibabacloud_tea_openapi.exceptions import (
    ClientException,
    ServerException,
    ThrottlingException,
)
from alibabacloud_tea_openapi.models import Config
from alibabacloud_vpc20160428 import models as vpc
from alibabacloud_vpc20160428.client import Client as VpcClient

REGION = "cn-hangzhou"
V_SWITCH = "vsw-sim"
ROUTE_TABLE = "vtb-sim"


class Sdk:
    """One account's clients. Answers are given as the maps that the SDK read."""

    def __init__(
        self, endpoint: str, key: str = "AK-SIM", secret: str = "SK-SIM", **more: Any
    ) -> None:
        config = Config(
            endpoint=endpoint,
            protocol="http",
            region_id=REGION,
            access_key_id=key,
            access_key_secret=secret,
            **more,
        )
        self.vpc = VpcClient(config)
        self.ecs = EcsClient(config)

    def create(self, **request: Any) -> Any:
        given = {"region_id": REGION, "v_switch_id": V_SWITCH, **request}
        tags = given.pop("tags", {})
        given["tag"] = [vpc.CreateHaVipRequestTag(key=k, value=v) for k, v in tags.items()]
        return self.vpc.create_ha_vip(vpc.CreateHaVipRequest(**given)).body

    def delete(self, ha_vip_id: str, **request: Any) -> Any:
        return self.vpc.delete_ha_vip(
            vpc.DeleteHaVipRequest(region_id=REGION, ha_vip_id=ha_vip_id, **request)
        ).body

    def modify(self, ha_vip_id: str, **request: Any) -> Any:
        return self.vpc.modify_ha_vip_attribute(
            vpc.ModifyHaVipAttributeRequest(region_id=REGION, ha_vip_id=ha_vip_id, **request)
        ).body

    def associate(self, ha_vip_id: str, member: str, **request: Any) -> Any:
        return self.vpc.associate_ha_vip(
            vpc.AssociateHaVipRequest(
                region_id=REGION, ha_vip_id=ha_vip_id, instance_id=member, **request
            )
        ).body

    def unassociate(self, ha_vip_id: str, member: str, **request: Any) -> Any:
        return self.vpc.unassociate_ha_vip(
            vpc.UnassociateHaVipRequest(
                region_id=REGION, ha_vip_id=ha_vip_id, instance_id=member, **request
            )
        ).body

    def untag(self, resource_id: str, keys: list[str], kind: str = "HAVIP") -> None:
        self.vpc.un_tag_resources(
            vpc.UnTagResourcesRequest(
                region_id=REGION, resource_type=kind, resource_id=[resource_id], tag_key=keys
            )
        )

    def describe(self, *, filters: dict[str, list[str]] | None = None, **request: Any) -> Any:
        tags = request.pop("tags", {})
        return self.vpc.describe_ha_vips(
            vpc.DescribeHaVipsRequest(
                region_id=REGION,
                filter=[
                    vpc.DescribeHaVipsRequestFilter(key=key, value=values)
                    for key, values in (filters or {}).items()
                ],
                tags=[vpc.DescribeHaVipsRequestTags(key=k, value=v) for k, v in tags.items()],
                **request,
            )
        ).body

    def release_instance(self, instance_id: str) -> None:
        self.ecs.delete_instance(ecs.DeleteInstanceRequest(instance_id=instance_id, force=True))

    def attach_interface(self, interface_id: str, instance_id: str) -> None:
        self.ecs.attach_network_interface(
            ecs.AttachNetworkInterfaceRequest(
                region_id=REGION, network_interface_id=interface_id, instance_id=instance_id
            )
        )

    def detach_interface(self, interface_id: str, instance_id: str) -> None:
        self.ecs.detach_network_interface(
            ecs.DetachNetworkInterfaceRequest(
                region_id=REGION, network_interface_id=interface_id, instance_id=instance_id
            )
        )

    def delete_interface(self, interface_id: str) -> None:
        self.ecs.delete_network_interface(
            ecs.DeleteNetworkInterfaceRequest(region_id=REGION, network_interface_id=interface_id)
        )

    def stop(self, instance_id: str) -> None:
        self.ecs.stop_instance(ecs.StopInstanceRequest(instance_id=instance_id, force_stop=True))

    def start(self, instance_id: str) -> None:
        self.ecs.start_instance(ecs.StartInstanceRequest(instance_id=instance_id))

    def instances(self, **request: Any) -> Any:
        return self.ecs.describe_instances(
            ecs.DescribeInstancesRequest(region_id=REGION, **request)
        ).body

    def allocate_eip(self, **request: Any) -> Any:
        tags = request.pop("tags", {})
        given = {"region_id": REGION, **request}
        given["tag"] = [vpc.AllocateEipAddressRequestTag(key=k, value=v) for k, v in tags.items()]
        return self.vpc.allocate_eip_address(vpc.AllocateEipAddressRequest(**given)).body

    def release_eip(self, allocation_id: str, **request: Any) -> Any:
        return self.vpc.release_eip_address(
            vpc.ReleaseEipAddressRequest(allocation_id=allocation_id, **request)
        ).body

    def modify_eip(self, allocation_id: str, **request: Any) -> Any:
        return self.vpc.modify_eip_address_attribute(
            vpc.ModifyEipAddressAttributeRequest(
                region_id=REGION, allocation_id=allocation_id, **request
            )
        ).body

    def bind_eip(self, allocation_id: str, holder: str, **request: Any) -> Any:
        given = {"instance_type": "HaVip", **request}
        return self.vpc.associate_eip_address(
            vpc.AssociateEipAddressRequest(allocation_id=allocation_id, instance_id=holder, **given)
        ).body

    def unbind_eip(self, allocation_id: str, **request: Any) -> Any:
        return self.vpc.unassociate_eip_address(
            vpc.UnassociateEipAddressRequest(allocation_id=allocation_id, **request)
        ).body

    def eips(self, **request: Any) -> list[Any]:
        tags = request.pop("tags", {})
        found: list[Any] = self.vpc.describe_eip_addresses(
            vpc.DescribeEipAddressesRequest(
                region_id=REGION,
                tag=[vpc.DescribeEipAddressesRequestTag(key=k, value=v) for k, v in tags.items()],
                **request,
            )
        ).body.eip_addresses.eip_address
        return found

    def eip(self, allocation_id: str) -> Any:
        (found,) = self.eips(allocation_id=allocation_id)
        return found

    def route(self, destination: str, next_hop: str, **request: Any) -> Any:
        given = {"route_table_id": ROUTE_TABLE, "next_hop_type": "HaVip", **request}
        return self.vpc.create_route_entry(
            vpc.CreateRouteEntryRequest(
                region_id=REGION, destination_cidr_block=destination, next_hop_id=next_hop, **given
            )
        ).body

    def unroute(self, **request: Any) -> Any:
        return self.vpc.delete_route_entry(
            vpc.DeleteRouteEntryRequest(region_id=REGION, **request)
        ).body

    def describe_routes(self, **request: Any) -> Any:
        given = {"route_table_id": ROUTE_TABLE, **request}
        return self.vpc.describe_route_entry_list(
            vpc.DescribeRouteEntryListRequest(region_id=REGION, **given)
        ).body

    def routes(self, **request: Any) -> list[Any]:
        found: list[Any] = self.describe_routes(**request).route_entrys.route_entry
        return found

    def items(self, **request: Any) -> list[Any]:
        found: list[Any] = self.describe(**request).ha_vips.ha_vip
        return found

    def item(self, ha_vip_id: str) -> Any:
        (found,) = self.items(filters={"HaVipId": [ha_vip_id]})
        return found


def refusal(call: Callable[[], Any]) -> tuple[int, str]:
    """Make a call that must be refused; give the HTTP status and the code."""
    try:
        answer = call()
    except (ClientException, ServerException, ThrottlingException) as error:
        return error.status_code, error.code
    raise AssertionError(f"not refused: {answer}")


def eventually(holds: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until a condition holds, or fail at the deadline."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)
