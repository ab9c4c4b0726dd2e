"""The address goes where the member is, whatever else the node has, and follows it."""

from __future__ import annotations

import socket

import pytest

from havip.api.havip import Announce, AnnounceRequest

from .conftest import NODE_MAC, SECOND, SECOND_MAC, VIP, Segment, Stage, eventually, inside

pytestmark = [pytest.mark.kernel, pytest.mark.apiserver]

ETH_P_ARP = 0x0806
SAME_SUBNET = "10.99.0.11/24"
OTHER_SUBNET = "10.98.0.1/24"


def listening(segment: Segment, interface: str) -> socket.socket:
    with inside(segment.neighbour):
        heard = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP))
    heard.bind((interface, ETH_P_ARP))
    heard.setblocking(False)
    return heard


def announced(heard: socket.socket) -> set[str]:
    """The MAC addresses at which the address was announced since this was last asked."""
    found: set[str] = set()
    while True:
        try:
            frame = heard.recv(100)
        except BlockingIOError:
            return found
        if frame[28:32] == VIP.packed == frame[38:42]:
            found.add(frame[22:28].hex(":"))


# -- where ----------------------------------------------------------------------------------------


async def test_of_two_interfaces_in_one_subnet_it_is_the_member_s(stage: Stage) -> None:
    stage.segment.attach("eth1", SECOND_MAC, SAME_SUBNET)
    with listening(stage.segment, "eth0") as first, listening(stage.segment, "eth1") as second:
        await stage.start(network_interface_id=SECOND)
        await eventually(lambda: stage.has("eth1"))
        await eventually(lambda: announced(second) == {SECOND_MAC})
        assert announced(first) == set()
    assert f"{VIP}/24" in stage.kernel("eth1")
    assert str(VIP) not in stage.kernel("eth0")


async def test_the_first_of_two_interfaces_is_as_good_as_the_second(stage: Stage) -> None:
    stage.segment.attach("eth1", SECOND_MAC, "10.99.0.11/26")
    with listening(stage.segment, "eth0") as first:
        await stage.start(network_interface_id="eni-first")
        await eventually(lambda: stage.has("eth0"))
        await eventually(lambda: announced(first) == {NODE_MAC})
    assert str(VIP) not in stage.kernel("eth1")


async def test_an_interface_of_another_subnet_gets_it_alone(stage: Stage) -> None:
    stage.segment.attach("eth1", SECOND_MAC, OTHER_SUBNET)
    await stage.start(network_interface_id=SECOND)
    await eventually(lambda: stage.has("eth1"))
    assert f"{VIP}/32" in stage.kernel("eth1")
    assert str(VIP) not in stage.kernel("eth0")


async def test_another_interface_in_announce_is_said_and_not_followed(stage: Stage) -> None:
    stage.segment.attach("eth1", SECOND_MAC, SAME_SUBNET)
    await stage.start(network_interface_id=SECOND, announce=Announce(interface="eth0"))
    await eventually(lambda: stage.has("eth1"))
    [finding] = stage.findings()
    assert "spec.announce.interface is eth0, but the member is eni-second" in finding


async def test_what_would_answer_on_the_wrong_interface_is_said(stage: Stage) -> None:
    stage.segment.attach("eth1", SECOND_MAC, SAME_SUBNET)
    await stage.start(network_interface_id=SECOND)
    await eventually(lambda: stage.has("eth1"))
    assert any("set net.ipv4.conf.eth0.arp_ignore=1" in said for said in stage.findings())


# -- coming and going -----------------------------------------------------------------------------


async def test_without_its_interface_the_node_says_so_and_leaves_the_register_alone(
    stage: Stage,
) -> None:
    await stage.start(network_interface_id=SECOND)
    await eventually(lambda: stage.keeper.last_answer is not None)
    [finding] = stage.findings()
    assert "its network interface eni-second is not on this node" in finding
    assert not stage.keeper.healthy
    assert "holderIdentity" not in (await stage.lease())["spec"]


async def test_an_interface_that_is_attached_later_gets_the_address(stage: Stage) -> None:
    await stage.start(network_interface_id=SECOND)
    await eventually(lambda: stage.keeper.last_answer is not None)
    stage.segment.attach("eth1", SECOND_MAC, SAME_SUBNET)
    await eventually(lambda: stage.has("eth1"))
    assert stage.keeper.healthy


async def test_an_interface_that_is_detached_ends_the_ownership_until_it_is_back(
    stage: Stage,
) -> None:
    stage.segment.attach("eth1", SECOND_MAC, SAME_SUBNET)
    await stage.start(network_interface_id=SECOND)
    await eventually(lambda: stage.has("eth1"))
    stage.segment.detach("eth1")
    await eventually(lambda: stage.keeper.possession.ownership is None)
    assert not stage.keeper.healthy
    assert str(VIP) not in stage.kernel("eth0")
    version = None
    async for version in stage.versions():
        if not version["spec"].get("holderIdentity"):
            break
    assert version is not None
    assert "havip.dev/given" in version["metadata"]["annotations"], "it left by itself"
    stage.segment.attach("eth1", SECOND_MAC, SAME_SUBNET)
    await eventually(lambda: stage.has("eth1"))


async def test_an_owner_follows_to_another_interface_by_letting_go_first(stage: Stage) -> None:
    stage.segment.attach("eth1", SECOND_MAC, SAME_SUBNET)
    await stage.start(announce=Announce(interface="eth0"))
    await eventually(lambda: stage.has("eth0"))
    stage.change(announce=Announce(interface="eth1"))
    await eventually(lambda: stage.has("eth1"))
    assert str(VIP) not in stage.kernel("eth0")
    ownership = stage.keeper.possession.ownership
    assert ownership is not None
    assert ownership.acquired.epoch == 2


async def test_an_owner_stays_while_its_own_address_is_leased_anew(stage: Stage) -> None:
    await stage.acquire()
    node = stage.segment.node
    stage.segment.ip(node, "address", "delete", "10.99.0.1/24", "dev", "eth0")
    await eventually(lambda: not stage.addresses.beside(VIP))
    await eventually(lambda: stage.has("eth0"))
    stage.segment.ip(node, "address", "add", "10.99.0.1/24", "dev", "eth0")
    await eventually(lambda: bool(stage.addresses.beside(VIP)))
    ownership = stage.keeper.possession.ownership
    assert ownership is not None
    assert ownership.acquired.epoch == 1


# -- announcing again -----------------------------------------------------------------------------

ONCE = Announce(burst=1, refresh_seconds=60)


async def test_an_owner_answers_a_request_to_announce_again_once(stage: Stage) -> None:
    await stage.start(announce=ONCE)
    await eventually(lambda: stage.has("eth0"))
    sent = stage.node.announcer.sent
    request = AnnounceRequest(epoch=1, number=1)
    for _ in range(2):
        stage.change(announce_request=request)
        assert stage.node.announcer.sent == sent + 1
    stage.change(announce_request=AnnounceRequest(epoch=1, number=2))
    assert stage.node.announcer.sent == sent + 2
    # The cloud followed, and then it did not again: the numbers begin anew.
    stage.change(announce_request=None)
    assert stage.node.announcer.sent == sent + 2
    stage.change(announce_request=request)
    assert stage.node.announcer.sent == sent + 3
    assert stage.keeper.possession.repeated == 3


async def test_a_request_from_before_the_ownership_is_answered_by_its_first_burst(
    stage: Stage,
) -> None:
    request = AnnounceRequest(epoch=1, number=1)
    await stage.start(announce=ONCE, announce_request=request)
    await eventually(lambda: stage.has("eth0"))
    sent = stage.node.announcer.sent
    stage.change(announce_request=request)
    assert stage.node.announcer.sent == sent


async def test_a_request_of_another_ownership_is_not_answered(stage: Stage) -> None:
    await stage.start(announce=ONCE)
    await eventually(lambda: stage.has("eth0"))
    sent = stage.node.announcer.sent
    stage.change(announce_request=AnnounceRequest(epoch=7, number=1))
    assert stage.node.announcer.sent == sent
    assert stage.keeper.possession.repeated == 0


async def test_whoever_does_not_own_the_address_does_not_announce_it(stage: Stage) -> None:
    await stage.start(announce=ONCE)
    await eventually(lambda: stage.has("eth0"))
    stage.keeper.leave(hand_over=True)
    await eventually(stage.keeper.left.is_set)
    sent = stage.node.announcer.sent
    stage.change(announce_request=AnnounceRequest(epoch=1, number=1))
    assert stage.node.announcer.sent == sent
