"""The cloud as its user has it: what somebody does there by hand, through the official SDK."""

from __future__ import annotations

from alibabacloud_ecs20140526.client import Client
from alibabacloud_ecs20140526.models import StartInstanceRequest, StopInstanceRequest
from alibabacloud_tea_openapi.models import Config
from alibabacloud_vpc20160428.client import Client as VpcClient
from alibabacloud_vpc20160428.models import ModifyHaVipAttributeRequest

from lab.fleet import CLOUD_ENDPOINT


class CloudConsole:
    """What an administrator would do in the cloud's console."""

    def __init__(self) -> None:
        """Use the lab's access key."""
        config = Config(
            access_key_id="AK-SIM",
            access_key_secret="SK-SIM",
            endpoint=CLOUD_ENDPOINT,
            protocol="http",
            region_id="cn-hangzhou",
        )
        self._ecs = Client(config)
        self._vpc = VpcClient(config)

    def stop_instance(self, node: str) -> None:
        """Stop a node's instance: in the lab, its link goes down."""
        self._ecs.stop_instance(StopInstanceRequest(instance_id=f"i-{node}", force_stop=True))

    def start_instance(self, node: str) -> None:
        """Start a node's instance again."""
        self._ecs.start_instance(StartInstanceRequest(instance_id=f"i-{node}"))

    def rename_ha_vip(self, ha_vip_id: str, name: str) -> None:
        """Give a HaVip another name."""
        self._vpc.modify_ha_vip_attribute(
            ModifyHaVipAttributeRequest(region_id="cn-hangzhou", ha_vip_id=ha_vip_id, name=name)
        )
