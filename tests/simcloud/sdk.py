"""The unmodified official SDK, with less to type: what a test says to the simulated cloud."""

import time
from collections.abc import Callable
from typing import Any

from alibabacloud_ecs20140526 import models as ecs
from alibabacloud_ecs20140526.client import Client as EcsClient
from alibabacloud_tea_openapi.exceptions import ClientException, ServerException
from alibabacloud_tea_openapi.models import Config
from alibabacloud_vpc20160428 import models as vpc
from alibabacloud_vpc20160428.client import Client as VpcClient

REGION = "cn-hangzhou"
V_SWITCH = "vsw-sim"


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

    def stop(self, instance_id: str) -> None:
        self.ecs.stop_instance(ecs.StopInstanceRequest(instance_id=instance_id, force_stop=True))

    def start(self, instance_id: str) -> None:
        self.ecs.start_instance(ecs.StartInstanceRequest(instance_id=instance_id))

    def instances(self, **request: Any) -> Any:
        return self.ecs.describe_instances(
            ecs.DescribeInstancesRequest(region_id=REGION, **request)
        ).body

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
    except (ClientException, ServerException) as error:
        return error.status_code, error.code
    raise AssertionError(f"not refused: {answer}")


def eventually(holds: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until a condition holds, or fail at the deadline."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)
