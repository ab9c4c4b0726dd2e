"""The address goes beside the node's own, for a time, and only what is ours is touched."""

from __future__ import annotations

from collections.abc import AsyncIterator
from ipaddress import IPv4Address

import pytest

from havip.agent.address import Addresses, Spot

from .conftest import PLACE, SECOND_MAC, VIP, Segment, eventually

pytestmark = pytest.mark.kernel

SPOT = Spot(PLACE, 24)


@pytest.fixture
async def addresses(segment: Segment) -> AsyncIterator[Addresses]:
    opened = Addresses()
    await opened.open()
    yield opened
    await opened.close()


def kernel(segment: Segment) -> str:
    return segment.ip(segment.node, "address", "show", "dev", "eth0")


async def test_an_address_goes_where_its_subnet_is(addresses: Addresses) -> None:
    assert addresses.spot(VIP) == SPOT


async def test_the_longest_prefix_wins(segment: Segment, addresses: Addresses) -> None:
    segment.ip(segment.node, "address", "add", "10.99.0.33/27", "dev", "lo")
    await addresses.look()
    assert addresses.spot(VIP) == Spot(type(PLACE)("lo", VIP), 27)


async def test_an_address_of_no_subnet_goes_only_where_the_user_says(addresses: Addresses) -> None:
    stranger = IPv4Address("192.0.2.7")
    assert addresses.spot(stranger) is None
    assert addresses.spot(stranger, "eth0") == Spot(type(PLACE)("eth0", stranger), 32)
    assert addresses.spot(stranger, "eth9") is None


async def test_the_interfaces_of_one_subnet_are_known(
    segment: Segment, addresses: Addresses
) -> None:
    segment.attach("eth1", SECOND_MAC, "10.99.0.11/24")
    segment.attach("eth2", "02:00:00:00:99:03", "10.98.0.1/24")
    await addresses.look()
    assert addresses.beside(VIP) == ["eth0", "eth1"]


async def test_an_address_is_set_with_our_mark_and_a_lifetime(
    segment: Segment, addresses: Addresses
) -> None:
    assert await addresses.put(SPOT, 30)
    assert f"{VIP}/24" in kernel(segment)
    assert "valid_lft 30sec" in kernel(segment)
    await addresses.look()
    assert addresses.ours() == [VIP]


async def test_setting_it_again_renews_its_lifetime(segment: Segment, addresses: Addresses) -> None:
    await addresses.put(SPOT, 30)
    await addresses.put(SPOT, 60)
    assert "valid_lft 60sec" in kernel(segment)


async def test_the_kernel_removes_an_address_that_nobody_renews(
    segment: Segment, addresses: Addresses
) -> None:
    await addresses.put(SPOT, 2)
    await eventually(lambda: not addresses.present(PLACE))
    assert str(VIP) not in kernel(segment)


async def test_an_address_that_somebody_removed_is_noticed(
    segment: Segment, addresses: Addresses
) -> None:
    await addresses.put(SPOT, 30)
    segment.ip(segment.node, "address", "delete", f"{VIP}/24", "dev", "eth0")
    await eventually(lambda: not addresses.present(PLACE))


async def test_an_address_is_gone_once_it_is_removed(
    segment: Segment, addresses: Addresses
) -> None:
    await addresses.put(SPOT, 30)
    assert await addresses.remove(PLACE)
    assert str(VIP) not in kernel(segment)
    assert await addresses.remove(PLACE), "gone is gone, whoever removed it"


async def test_a_new_life_removes_what_is_ours_and_nothing_else(
    segment: Segment, addresses: Addresses
) -> None:
    await addresses.put(SPOT, 30)
    segment.ip(segment.node, "address", "add", "10.99.0.60/24", "dev", "eth0")
    assert await addresses.remove_ours() == [VIP]
    assert str(VIP) not in kernel(segment)
    assert "10.99.0.60" in kernel(segment)
    assert "10.99.0.1/24" in kernel(segment)


async def test_a_link_that_goes_down_is_noticed(segment: Segment, addresses: Addresses) -> None:
    calls: list[bool] = []
    addresses.on_change = lambda: calls.append(addresses.up("eth0"))
    assert addresses.up("eth0")
    segment.ip(segment.neighbour, "link", "set", "eth0", "down")
    await eventually(lambda: not addresses.up("eth0"))
    segment.ip(segment.neighbour, "link", "set", "eth0", "up")
    await eventually(lambda: addresses.up("eth0"))
    assert False in calls
    assert calls[-1]


async def test_an_address_on_an_interface_that_is_gone_cannot_be_set(addresses: Addresses) -> None:
    assert not await addresses.put(Spot(type(PLACE)("eth9", VIP), 24), 30)
