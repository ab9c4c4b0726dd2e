"""Whoever counts the calls is told of each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from havip.api.errors import HaVipError, NotFound
from havip.cloud.alibaba import AlibabaCloud, Endpoints
from havip.cloud.call import Call
from havip.simcloud.server import RunningCloud

from .conftest import KEY


@pytest.fixture
def calls() -> list[Call]:
    return []


@pytest.fixture
def watched(sim: RunningCloud, executor: ThreadPoolExecutor, calls: list[Call]) -> AlibabaCloud:
    endpoints = Endpoints(vpc=sim.endpoint, ecs=sim.endpoint, sts=sim.endpoint, protocol="http")
    return AlibabaCloud("cn-hangzhou", KEY, executor, endpoints, observe=calls.append)


async def test_a_call_that_was_answered(watched: AlibabaCloud, calls: list[Call]) -> None:
    await watched.describe_ha_vips()
    (call,) = calls
    assert (call.action, call.error) == ("DescribeHaVips", None)
    assert call.took > 0
    assert call.waited >= 0


async def test_a_call_that_was_refused_is_told_with_the_error(
    watched: AlibabaCloud, calls: list[Call]
) -> None:
    with pytest.raises(HaVipError) as raised:
        await watched.modify_ha_vip("havip-none", "web", "", token="t")
    (call,) = calls
    assert call.error is raised.value
    assert isinstance(call.error, NotFound)
