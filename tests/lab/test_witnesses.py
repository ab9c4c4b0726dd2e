"""The lab's witnesses against real kernels: they see what is there, also what must not be."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.network import CLIENT, Direction, Machine, Network, enter, run
from lab.processes import Program
from lab.watching import HTTP_PORT, UDP_PORT, ArpCapture, OwnerWatch, Prober, program

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces take root"),
]

ADDRESS = "10.77.0.100"
NODES = (Machine("node1", "10.77.0.11"), Machine("node2", "10.77.0.12"))
FENCE = """
table inet havip_agent {
    set guarded { type ifname . ipv4_addr; }
    set held { type ifname . ipv4_addr; flags timeout; }
}
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = Network([*NODES, CLIENT])
    network.create()
    logs = tmp_path_factory.mktemp("services")
    services = [
        Program(
            f"service-{node.name}",
            program("responder", node.name, UDP_PORT, HTTP_PORT),
            machine=node.name,
            log=logs / node.name,
        )
        for node in NODES
    ]
    yield network
    for service in services:
        service.kill()
    network.remove()


@pytest.fixture
def give(network: Network) -> Iterator[Callable[[str], None]]:
    """Put the address on a node's interface, until the test ends."""
    given = []

    def put(node: str) -> None:
        run("ip", "-n", f"havip-lab-{node}", "address", "add", f"{ADDRESS}/24", "dev", "eth0")
        given.append(node)

    yield put
    for node in given:
        run("ip", "-n", f"havip-lab-{node}", "address", "delete", f"{ADDRESS}/24", "dev", "eth0")


@pytest.fixture
def fence(network: Network) -> Iterator[Callable[[str, str], None]]:
    """Make the agent's sets on a node, and fill them by nft's own words."""
    made = []

    def fill(node: str, elements: str) -> None:
        run(*enter(node), "nft", "-f", "-", input=FENCE + elements)
        made.append(node)

    yield fill
    for node in made:
        run(*enter(node), "nft", "delete", "table", "inet", "havip_agent")


def wait(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline, "this did not come to be"
        time.sleep(0.01)


GUARDED = f'add element inet havip_agent guarded {{ "eth0" . {ADDRESS} }}\n'
HELD = f'add element inet havip_agent held {{ "eth0" . {ADDRESS} timeout 1h }}\n'


def watch(folder: Path) -> OwnerWatch:
    return OwnerWatch.start(ADDRESS, [node.name for node in NODES], folder / "owners")


def test_nobody_owns_an_address_that_is_nowhere(network: Network, tmp_path: Path) -> None:
    owners = watch(tmp_path)

    assert owners.stop().spans == ()


def test_an_address_without_a_fence_is_owned(give: Callable[[str], None], tmp_path: Path) -> None:
    owners = watch(tmp_path)
    give("node1")

    wait(lambda: owners.report().now == ("node1",))
    assert owners.stop().overlaps == ()


def test_an_address_behind_a_closed_fence_is_not_owned(
    give: Callable[[str], None], fence: Callable[[str, str], None], tmp_path: Path
) -> None:
    fence("node1", GUARDED)
    give("node1")
    give("node2")
    owners = watch(tmp_path)

    wait(lambda: owners.report().now)
    assert {span.node for span in owners.stop().spans} == {"node2"}


def test_an_address_whose_fence_is_held_open_is_owned(
    give: Callable[[str], None], fence: Callable[[str, str], None], tmp_path: Path
) -> None:
    fence("node1", GUARDED + HELD)
    give("node1")
    owners = watch(tmp_path)

    wait(lambda: owners.report().now == ("node1",))
    owners.stop()


def test_two_owners_are_seen_as_two(give: Callable[[str], None], tmp_path: Path) -> None:
    give("node1")
    give("node2")
    owners = watch(tmp_path)

    wait(lambda: len(owners.report().now) == 2)
    time.sleep(0.02)  # an overlap needs some length
    ((first, second, seconds),) = owners.stop().overlaps
    assert {first, second} == {"node1", "node2"}
    assert seconds > 0


def test_the_client_loses_probes_while_the_link_is_cut_and_none_before(
    give: Callable[[str], None], network: Network, tmp_path: Path
) -> None:
    give("node1")
    prober = Prober.start(CLIENT.name, ADDRESS, tmp_path / "probes")
    wait(lambda: prober.report().answered_by == ("node1",))
    network.cut("node1")
    time.sleep(0.1)  # what is measured is a time
    network.heal("node1")
    before_healing = len(prober.report().probes)
    wait(lambda: len(prober.report().probes) > before_healing)

    seen = prober.stop()

    assert seen.lost > 0
    assert 0 < seen.outage < float("inf")
    assert seen.answered_by == ("node1",)


@pytest.mark.parametrize("direction", ["from", "to"])
def test_a_one_way_cut_loses_probes_too(
    give: Callable[[str], None], network: Network, direction: Direction, tmp_path: Path
) -> None:
    give("node1")
    prober = Prober.start(CLIENT.name, ADDRESS, tmp_path / "probes")
    wait(lambda: prober.report().answered_by == ("node1",))
    network.cut_one_way("node1", direction)
    time.sleep(0.1)  # what is measured is a time
    network.heal("node1")

    assert prober.stop().lost > 0


def test_an_announcement_is_told_from_a_question(
    give: Callable[[str], None], network: Network, tmp_path: Path
) -> None:
    capture = ArpCapture.start(tmp_path / "arp")
    give("node2")
    wait(lambda: _ask(ADDRESS) and capture.frames())

    frames = capture.stop()

    assert {frame.kind for frame in frames} >= {"request"}
    assert not any(frame.is_announcement for frame in frames)


def _ask(address: str) -> str:
    """Make the client ask by ARP anew."""
    run("ip", "-n", CLIENT.namespace, "neigh", "flush", "all")
    page = f"http://{address}/"
    return run(*enter(CLIENT.name), "curl", "--silent", "--max-time", "2", page)
