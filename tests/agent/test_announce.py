"""The owner tells its neighbours where the address is, and nobody else does."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from havip.agent.announce import Announcements, Announcer, frames

from .conftest import NODE_MAC, PLACE, SECOND_MAC, VIP, Segment, eventually, inside, until

MAC = bytes.fromhex(NODE_MAC.replace(":", ""))
ETH_P_ARP = 0x0806


def listening(segment: Segment, interface: str = "eth0") -> socket.socket:
    with inside(segment.neighbour):
        heard = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP))
    heard.bind((interface, ETH_P_ARP))
    heard.setblocking(False)
    return heard


def drain(heard: socket.socket) -> list[bytes]:
    found: list[bytes] = []
    while True:
        try:
            frame = heard.recv(100)
        except BlockingIOError:
            return found
        if frame[28:32] == VIP.packed == frame[38:42]:
            found.append(frame)


def test_both_forms_name_the_address_twice_and_go_to_all() -> None:
    request, reply = frames(MAC, PLACE)
    for frame in (request, reply):
        assert len(frame) == 42
        assert frame[:6] == b"\xff" * 6
        assert frame[6:12] == frame[22:28] == MAC
        assert frame[28:32] == frame[38:42] == VIP.packed
    assert request[20:22] == b"\x00\x01"
    assert reply[20:22] == b"\x00\x02"


@pytest.mark.kernel
def test_a_neighbour_turns_to_the_announcer(segment: Segment) -> None:
    segment.ip(
        segment.neighbour,
        *("neighbour", "add", str(VIP), "lladdr", "02:00:00:00:00:77", "dev", "eth0"),
        *("nud", "stale"),
    )
    announcer = Announcer()
    assert announcer.announce(PLACE)
    until(lambda: segment.neighbour_knows(VIP) == NODE_MAC)
    announcer.close()


@pytest.mark.kernel
def test_an_interface_that_is_not_there_is_no_error_of_ours(segment: Segment) -> None:
    assert not Announcer().announce(type(PLACE)("eth9", VIP))


@pytest.mark.kernel
async def test_an_ownership_begins_with_a_burst_and_goes_on(segment: Segment) -> None:
    with listening(segment) as heard:
        announcer = Announcer()
        announcements = Announcements(announcer, PLACE, burst=5, refresh=0.2, ours=lambda: True)
        assert announcements.start()
        begun = time.monotonic()
        frames_heard: list[bytes] = []
        async with asyncio.timeout(10):
            while len(frames_heard) < 2 * 8:
                await asyncio.sleep(0.02)
                frames_heard += drain(heard)
        assert time.monotonic() - begun > 0.7, "the burst is spread over its second"
        announcements.stop()
        announcer.close()


@pytest.mark.kernel
async def test_a_burst_may_be_asked_for_again(segment: Segment) -> None:
    announcer = Announcer()
    announcements = Announcements(announcer, PLACE, burst=3, refresh=60, ours=lambda: True)
    announcements.start()
    await eventually(lambda: announcer.sent == 3)
    announcements.again()
    assert announcer.sent == 4, "at once"
    await eventually(lambda: announcer.sent == 6)
    announcements.stop()
    announcer.close()


@pytest.mark.kernel
def test_an_interface_that_took_the_name_of_another_announces_its_own_mac(
    segment: Segment,
) -> None:
    announcer = Announcer()
    assert announcer.announce(PLACE)
    segment.attach("eth1", SECOND_MAC)
    segment.ip(segment.node, "link", "set", "eth0", "down")
    for old, new in (("eth0", "eth9"), ("eth1", "eth0")):
        segment.ip(segment.node, "link", "set", old, "down", "name", new)
    for name in ("eth0", "eth9"):
        segment.ip(segment.node, "link", "set", name, "up")
    with listening(segment, "eth1") as heard:
        assert announcer.announce(PLACE)
        until(lambda: bool(found := drain(heard)) and found[0][6:12].hex(":") == SECOND_MAC)
    announcer.close()


@pytest.mark.kernel
async def test_nobody_announces_what_it_does_not_own(segment: Segment) -> None:
    owned = True
    with listening(segment) as heard:
        announcer = Announcer()
        announcements = Announcements(announcer, PLACE, 20, 0.05, lambda: owned)
        announcements.start()
        owned = False
        drain(heard)
        sent = announcer.sent
        await asyncio.sleep(0.3)
        assert announcer.sent == sent
        assert drain(heard) == []
        announcements.stop()
        announcer.close()
