"""The cloud as its user has it: instances stopped and started through the official SDK."""

from __future__ import annotations

from alibabacloud_ecs20140526.client import Client
from alibabacloud_ecs20140526.models import StartInstanceRequest, StopInstanceRequest
from alibabacloud_tea_openapi.models import Config

from lab.fleet import CLOUD_ENDPOINT


class CloudConsole:
    """What an administrator would do in the cloud's console."""

    def __init__(self) -> None:
        """Use the lab's access key."""
        self._ecs = Client(
            Config(
                access_key_id="AK-SIM",
                access_key_secret="SK-SIM",
                endpoint=CLOUD_ENDPOINT,
                protocol="http",
                region_id="cn-hangzhou",
            )
        )

    def stop_instance(self, node: str) -> None:
        """Stop a node's instance: in the lab, its link goes down."""
        self._ecs.stop_instance(StopInstanceRequest(instance_id=f"i-{node}", force_stop=True))

    def start_instance(self, node: str) -> None:
        """Start a node's instance again."""
        self._ecs.start_instance(StartInstanceRequest(instance_id=f"i-{node}"))
