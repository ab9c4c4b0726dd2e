"""The real SDK against the simulated cloud, with somebody in between where answers must be bad."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address

import pytest

from havip.cloud.alibaba import AlibabaCloud, Endpoints
from havip.cloud.credentials import Credentials, CredentialSource
from havip.cloud.limiter import Buckets, TokenBucket
from havip.cloud.port import NewEip, NewHaVip
from havip.simcloud.server import RunningCloud, running
from havip.simcloud.topology import Eip, NetworkInterface, RouteTable, Topology, sample
from tests.cloud.spoiler import Spoiler

KEY = Credentials("AK-SIM", "SK-SIM")
NEW = NewHaVip("vsw-sim", "10.77.0.50", "web", "front", "", {"a": "b"})
NEW_EIP = NewEip(5, "PayByTraffic", "BGP", "", "shop", "door", "", {"a": "b"})


def token() -> str:
    return uuid.uuid4().hex


def topology() -> Topology:
    """Three instances; a card in a slot and one in none; a second table; somebody's EIP."""
    cards = tuple(
        NetworkInterface(
            network_interface_id=f"eni-{name}",
            v_switch_id="vsw-sim",
            private_ip_address=IPv4Address(f"10.77.0.{number}"),
            mac_address=f"02:00:0a:4d:00:{number:02x}",
            instance_id=instance_id,
            tags={"team": name},
        )
        for name, number, instance_id in (("second", 31, "i-node1"), ("loose", 32, None))
    )
    return sample(3).model_copy(
        update={
            "network_interfaces": cards,
            "route_tables": (RouteTable(route_table_id="vtb-own", vpc_id="vpc-sim"),),
            "eips": (
                Eip(
                    allocation_id="eip-elsewhere",
                    ip_address=IPv4Address("198.51.100.9"),
                    instance_type="EcsInstance",
                    instance_id="i-node2",
                ),
            ),
        }
    )


@pytest.fixture
def sim() -> Iterator[RunningCloud]:
    with running(topology()) as cloud:
        yield cloud


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


Connect = Callable[..., AlibabaCloud]


@pytest.fixture
def connect(executor: ThreadPoolExecutor) -> Connect:
    """Gives the adapter at an endpoint, with no limit on the rate of its calls to speak of."""

    def at(
        endpoint: str, credentials: CredentialSource = KEY, buckets: Buckets | None = None
    ) -> AlibabaCloud:
        return AlibabaCloud(
            "cn-hangzhou",
            credentials,
            executor,
            Endpoints(vpc=endpoint, ecs=endpoint, sts=endpoint, protocol="http"),
            buckets=buckets or Buckets(lambda: TokenBucket(1000, 1000)),
        )

    return at


@pytest.fixture
def cloud(sim: RunningCloud, connect: Connect) -> AlibabaCloud:
    return connect(sim.endpoint)


@pytest.fixture
def spoiler(sim: RunningCloud) -> Iterator[Spoiler]:
    with Spoiler(sim.endpoint) as between:
        yield between
