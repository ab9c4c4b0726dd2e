"""A node knows which of its links is which network interface, also as they come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from havip.agent import interfaces
from havip.agent.address import Addresses
from havip.agent.interfaces import TRIES, NetworkInterfaces
from havip.agent.report import interfaces_of
from havip.simcloud.profiles import PROFILES
from havip.simcloud.server import Server

from .conftest import CLOUD, SECOND, SECOND_MAC, Segment, eventually

pytestmark = pytest.mark.kernel


class Desk:
    """The node's interfaces, asked for at a cloud of its own."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.server = Server(CLOUD, PROFILES["instant"])
        self.addresses = Addresses()
        self.answers = 0

    def answered(self) -> None:
        self.answers += 1
        self.interfaces.look()

    def found(self) -> str | None:
        link = self.interfaces.link_of(SECOND)
        return link.name if link else None

    async def open(self, endpoint: str) -> None:
        await self.addresses.open()
        self.interfaces = NetworkInterfaces(f"http://{endpoint}", self.addresses, self.answered)
        self.addresses.on_change = self.interfaces.look


@pytest.fixture
async def desk(segment: Segment, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(interfaces, "SHORTEST", 0.02)
    made = Desk(segment)
    async with made.server.listening("127.0.0.1", 0) as endpoint:
        await made.open(endpoint)
        work = asyncio.create_task(made.interfaces.run())
        yield made
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await made.addresses.close()


async def test_a_link_is_found_by_its_network_interface(desk: Desk) -> None:
    await eventually(lambda: desk.answers > 0)
    first = desk.interfaces.link_of("eni-first")
    assert first is not None
    assert first.name == "eth0"
    assert desk.interfaces.names() == ["eth0"]
    assert desk.interfaces.instance is not None
    assert desk.interfaces.instance.instance_id == "i-here"


async def test_one_that_is_attached_later_is_asked_about(desk: Desk) -> None:
    await eventually(lambda: desk.answers > 0)
    assert desk.found() is None
    desk.segment.attach("eth1", SECOND_MAC)
    await eventually(lambda: desk.found() == "eth1")
    (_, second) = interfaces_of(desk.addresses, desk.interfaces)
    assert (second.name, second.network_interface_id, second.addresses) == ("eth1", SECOND, ())


async def test_one_that_the_service_learns_of_after_the_kernel_is_asked_about_again(
    desk: Desk,
) -> None:
    card = desk.server.cloud.network_interfaces[SECOND]
    card.instance_id = None
    desk.segment.attach("eth1", SECOND_MAC)
    before = desk.answers
    await eventually(lambda: desk.answers > before + 1)
    assert desk.found() is None
    card.instance_id = "i-here"
    await eventually(lambda: desk.found() == "eth1")


async def test_one_that_is_detached_is_forgotten(desk: Desk) -> None:
    desk.segment.attach("eth1", SECOND_MAC)
    await eventually(lambda: desk.found() == "eth1")
    desk.segment.detach("eth1")
    await eventually(lambda: desk.found() is None)
    assert desk.interfaces.names() == ["eth0"]


async def test_a_link_that_is_no_network_interface_is_asked_about_a_few_times_only(
    desk: Desk,
) -> None:
    await eventually(lambda: desk.answers == 1)
    desk.segment.attach("pod", "02:00:00:00:99:77")
    await eventually(lambda: desk.answers >= 1 + TRIES)
    desk.segment.attach("eth1", SECOND_MAC)
    await eventually(lambda: desk.found() == "eth1")
    assert desk.answers == 2 + TRIES


async def test_of_links_with_one_mac_address_the_one_with_addresses_counts(desk: Desk) -> None:
    desk.segment.attach("eth1", SECOND_MAC)
    await eventually(lambda: desk.found() == "eth1")
    node = desk.segment.node
    desk.segment.ip(node, "link", "add", "br0", "address", SECOND_MAC, "type", "bridge")
    desk.segment.ip(node, "address", "add", "10.98.0.1/24", "dev", "br0")
    await eventually(lambda: desk.found() == "br0")


async def test_without_an_answer_the_reason_is_said(segment: Segment) -> None:
    addresses = Addresses()
    await addresses.open()
    answers: list[str] = []
    asking = NetworkInterfaces("http://127.0.0.1:1", addresses, lambda: answers.append(""))
    work = asyncio.create_task(asking.run())
    await eventually(lambda: bool(answers))
    assert "give --metadata-endpoint" in asking.finding
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await addresses.close()
