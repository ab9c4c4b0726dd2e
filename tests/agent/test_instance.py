"""A node learns from the metadata service who it is in the cloud."""

from __future__ import annotations

import pytest

from havip.agent.instance import Instance, MetadataError, identify
from havip.simcloud.server import running
from havip.simcloud.topology import Topology

LOOPBACK = {
    "accounts": [{"accountId": "1", "accessKeyId": "AK", "accessKeySecret": "SK"}],
    "vpcs": [{"vpcId": "vpc-1", "cidrBlock": "127.0.0.0/8"}],
    "vSwitches": [
        {"vSwitchId": "vsw-1", "vpcId": "vpc-1", "cidrBlock": "127.0.0.0/24", "zoneId": "z"}
    ],
    "instances": [
        {
            "instanceId": "i-here",
            "name": "here",
            "vSwitchId": "vsw-1",
            "privateIpAddress": "127.0.0.1",
            "macAddress": "02:00:00:00:00:01",
            "networkInterfaceId": "eni-here",
            "requireMetadataToken": True,
        }
    ],
}


async def test_a_node_learns_who_it_is_even_where_a_session_token_is_required() -> None:
    with running(Topology.model_validate(LOOPBACK)) as cloud:
        found = await identify(f"http://{cloud.endpoint}")
    assert found == Instance(
        "i-here", "cn-hangzhou", "vpc-1", "vsw-1", {"02:00:00:00:00:01": "eni-here"}
    )


async def test_nobody_there_is_said_in_a_sentence() -> None:
    with pytest.raises(MetadataError, match=r"metadata service at http://127\.0\.0\.1:1"):
        await identify("http://127.0.0.1:1")
