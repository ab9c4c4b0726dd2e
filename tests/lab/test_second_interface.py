"""Nodes of the lab with a second interface, in the subnet of the first or in one of its own."""

import os
import sys
import time
from collections.abc import Iterator
from ipaddress import IPv4Interface

import pytest

from lab.fleet import topology
from lab.network import CLIENT, PREFIX, Machine, Network, enter, mac_of, run

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces take root")

CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 9), timeout=1.0).close()
except ConnectionRefusedError:
    print("refused")
except OSError:
    pass
"""

SECONDS = {
    "same subnet": (IPv4Interface("10.77.0.61/24"), "10.77.0.161"),
    "its own subnet": (IPv4Interface("10.77.1.61/24"), "10.77.1.161"),
}


def test_the_cloud_knows_the_second_interface_with_its_port() -> None:
    second = SECONDS["its own subnet"][0]
    made = topology({"node1": Machine("node1", "10.77.0.11", second)})
    (card,) = made.network_interfaces
    assert (card.instance_id, card.bridge_port) == ("i-node1", "port2-node1")
    assert (card.v_switch_id, str(card.private_ip_address)) == ("vsw-second", "10.77.1.61")
    assert [str(switch.cidr_block) for switch in made.v_switches] == [
        "10.77.0.0/24",
        "10.77.1.0/24",
    ]


def test_a_second_interface_in_the_same_subnet_is_in_the_same_vswitch() -> None:
    second = SECONDS["same subnet"][0]
    made = topology({"node1": Machine("node1", "10.77.0.11", second)})
    assert [card.v_switch_id for card in made.network_interfaces] == ["vsw-sim"]
    assert len(made.v_switches) == 1


def test_a_node_has_one_interface_unless_asked() -> None:
    assert topology({"node1": Machine("node1", "10.77.0.11")}).network_interfaces == ()


@pytest.fixture(params=SECONDS.values(), ids=list(SECONDS))
def lab(request: pytest.FixtureRequest) -> Iterator[tuple[Network, str]]:
    """Give a network whose node has a second interface, and an address on that beside its own."""
    second, address = request.param
    network = Network([Machine("node1", "10.77.0.11", second), CLIENT])
    network.create()
    try:
        inside = ["ip", "-n", f"{PREFIX}node1"]
        run(*inside, "address", "add", f"{address}/32", "dev", "eth1")
        run(*inside, "rule", "add", "from", address, "table", "101")
        yield network, address
    finally:
        network.remove()


def reached(address: str) -> bool:
    """Tell whether somebody answers the client for an address."""
    return "refused" in run(*enter(CLIENT.name), sys.executable, "-c", CONNECT, address)


def come_back(address: str) -> None:
    """Wait until an address is reached: a link that comes up takes a moment to carry."""
    deadline = time.monotonic() + 10
    while not reached(address):
        assert time.monotonic() < deadline, "it never came back"


@pytest.mark.kernel
@needs_root
def test_the_client_reaches_an_address_of_the_second_interface_there(
    lab: tuple[Network, str],
) -> None:
    _, address = lab
    assert reached(address)
    assert reached("10.77.0.11")
    found = run("ip", "-n", f"{PREFIX}{CLIENT.name}", "neigh", "show", address)
    assert mac_of(address.replace(".161", ".61")) in found


@pytest.mark.kernel
@needs_root
def test_a_cut_takes_both_links_and_healing_gives_both_back(lab: tuple[Network, str]) -> None:
    network, address = lab
    network.cut("node1")
    assert not reached(address)
    assert not reached("10.77.0.11")
    network.heal("node1")
    come_back(address)
    network.cut_one_way("node1", "from")
    assert not reached(address)
    network.heal("node1")
    come_back(address)
