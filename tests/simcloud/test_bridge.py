"""The cloud's rules on a real bridge, between real network namespaces."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from havip.simcloud.client import ControlClient
from havip.simcloud.topology import Instance, NetworkInterface, Topology, VSwitch, sample
from tests.simcloud.sdk import Sdk, eventually, refusal

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]

ROOT = Path(__file__).parents[2]
PREFIX = f"sim{os.getpid()}"
# Of the range for benchmarks, so that a lab on this machine is not disturbed.
NET = f"198.18.{os.getpid() % 250}"
HA_VIP = f"{NET}.99"
NODE1 = f"{NET}.11"
NODE2 = f"{NET}.12"
CLIENT = f"{NET}.50"
SECOND = 21
"""The last part of the address of n1's second interface, and of its MAC."""

ANNOUNCE = """
import socket, sys
mac, address = bytes.fromhex(sys.argv[1].replace(":", "")), socket.inet_aton(sys.argv[2])
operation = int(sys.argv[3]).to_bytes(2)
frame = b"\\xff" * 6 + mac + bytes.fromhex("0806000108000604") + operation
frame += mac + address + (b"\\xff" * 6 if operation == b"\\0\\2" else b"\\0" * 6) + address
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
    link.bind((sys.argv[4], 0x0806))
    link.send(frame)
"""

CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 9), timeout=1.0).close()
except ConnectionRefusedError:
    print("answered")
except OSError:
    pass
"""

SEND = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
    link.bind((sys.argv[1], 0))
    link.sendto(b"x", (sys.argv[2], 9))
"""


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout


def within(name: str, *command: str) -> str:
    return run("ip", "netns", "exec", f"{PREFIX}-{name}", *command)


def mac(number: int) -> str:
    return f"02:00:c6:12:00:{number:02x}"


def datagrams(name: str) -> int:
    """Tell how many datagrams for a closed port a machine has got."""
    lines = within(name, "cat", "/proc/net/snmp").splitlines()
    names, values = (line.split() for line in lines if line.startswith("Udp:"))
    return int(dict(zip(names, values, strict=True))["NoPorts"])


@dataclass
class Bridge:
    """A bridge `vpc` with two instances and a client, ruled by a simulated cloud."""

    sdk: Sdk
    control: ControlClient

    def announce(self, number: int, operation: int = 1) -> None:
        """Have an instance announce the HaVip, as a request (1) or as a reply (2)."""
        order = (mac(number), HA_VIP, str(operation), "eth0")
        within(f"n{number}", sys.executable, "-c", ANNOUNCE, *order)

    def announce_by_second(self) -> None:
        """Have the first instance announce the HaVip from its second interface."""
        within("n1", sys.executable, "-c", ANNOUNCE, mac(SECOND), HA_VIP, "1", "eth1")

    def answered(self) -> bool:
        """Tell whether somebody answers the client for the HaVip."""
        return "answered" in within("client", sys.executable, "-c", CONNECT, HA_VIP)

    def master(self) -> str:
        (ha_vip,) = self.control.ha_vips()
        return str(ha_vip["master"])

    def up(self, port: str) -> bool:
        (link,) = json.loads(within("fabric", "ip", "-json", "link", "show", port))
        return "UP" in link["flags"]


def topology() -> Topology:
    plain = sample(0)
    return plain.model_copy(
        update={
            "v_switches": (
                VSwitch(
                    v_switch_id="vsw-sim",
                    vpc_id="vpc-sim",
                    cidr_block=IPv4Network(f"{NET}.0/24"),
                    zone_id="cn-hangzhou-a",
                ),
            ),
            "instances": tuple(
                Instance(
                    instance_id=f"i-n{number}",
                    name=f"n{number}",
                    v_switch_id="vsw-sim",
                    private_ip_address=IPv4Address(f"{NET}.{10 + number}"),
                    mac_address=mac(number),
                    network_interface_id=f"eni-n{number}",
                    bridge_port=f"port-n{number}",
                )
                for number in (1, 2)
            ),
            "network_interfaces": (
                NetworkInterface(
                    network_interface_id="eni-second",
                    v_switch_id="vsw-sim",
                    private_ip_address=IPv4Address(f"{NET}.{SECOND}"),
                    mac_address=mac(SECOND),
                    instance_id="i-n1",
                    bridge_port="port-second",
                ),
            ),
        }
    )


def build_network() -> None:
    fabric = f"{PREFIX}-fabric"
    run("ip", "netns", "add", fabric)
    within("fabric", "ip", "link", "set", "lo", "up")
    within("fabric", "ip", "link", "add", "vpc", "type", "bridge", "mcast_snooping", "0")
    within("fabric", "ip", "link", "set", "vpc", "up")
    for name, host in (("n1", 11), ("n2", 12), ("client", 50)):
        run("ip", "netns", "add", f"{PREFIX}-{name}")
        within(
            *(name, "ip", "link", "add", "eth0", "address", mac(host - 10)),
            *("type", "veth", "peer", "name", f"port-{name}", "netns", fabric),
        )
        within(name, "ip", "address", "add", f"{NET}.{host}/24", "dev", "eth0")
        within(name, "ip", "link", "set", "eth0", "up")
        within("fabric", "ip", "link", "set", f"port-{name}", "master", "vpc", "up")
    within(
        *("n1", "ip", "link", "add", "eth1", "address", mac(SECOND)),
        *("type", "veth", "peer", "name", "port-second", "netns", fabric),
    )
    within("n1", "ip", "link", "set", "eth1", "up")
    within("fabric", "ip", "link", "set", "port-second", "master", "vpc", "up")
    # Two interfaces in one subnet: each answers for its own addresses only.
    within("n1", "sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1")
    # How this process reaches the cloud: a link beside the bridge.
    run(
        *("ip", "link", "add", f"{PREFIX}", "type", "veth"),
        *("peer", "name", "outside", "netns", fabric),
    )
    run("ip", "address", "add", f"{NET}.253/30", "dev", PREFIX)
    run("ip", "link", "set", PREFIX, "up")
    within("fabric", "ip", "address", "add", f"{NET}.254/30", "dev", "outside")
    within("fabric", "ip", "link", "set", "outside", "up")


def remove_network() -> None:
    # At once: with its namespace it would go some time later.
    subprocess.run(["ip", "link", "del", PREFIX], check=False, capture_output=True)
    for name in ("fabric", "n1", "n2", "client"):
        subprocess.run(["ip", "netns", "del", f"{PREFIX}-{name}"], check=False, capture_output=True)


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    file = tmp_path / "topology.json"
    file.write_text(topology().to_json())
    try:
        build_network()
        program = subprocess.Popen(
            [
                *("ip", "netns", "exec", f"{PREFIX}-fabric", sys.executable, "-m", "havip"),
                *("simcloud", "--listen", f"{NET}.254:8480", "--topology", str(file)),
                *("--profile", "instant", "--bridge", "vpc"),
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT / "operator")},
            stdout=subprocess.PIPE,
            text=True,
        )
        with program:
            try:
                assert program.stdout is not None
                assert "listens" in program.stdout.readline()
                endpoint = f"{NET}.254:8480"
                yield Bridge(Sdk(endpoint), ControlClient(endpoint))
            finally:
                program.send_signal(signal.SIGTERM)
                program.wait(timeout=10)
        assert program.returncode == 0
        assert "havip_simcloud" not in within("fabric", "nft", "list", "tables")
    finally:
        remove_network()


@pytest.mark.parametrize("operation", [1, 2], ids=["request", "reply"])
def test_a_gratuitous_arp_moves_the_master(bridge: Bridge, operation: int) -> None:
    ha_vip = bridge.sdk.create(ip_address=HA_VIP).ha_vip_id
    for member in ("i-n1", "i-n2"):
        bridge.sdk.associate(ha_vip, member)
    assert bridge.sdk.item(ha_vip).master_instance_id == ""
    bridge.announce(1, operation)
    eventually(lambda: bridge.master() == "i-n1")
    bridge.announce(2, operation)
    eventually(lambda: bridge.master() == "i-n2")
    assert bridge.sdk.item(ha_vip).master_instance_id == "i-n2"


def test_an_announcement_of_an_instance_that_is_no_member_goes_nowhere(bridge: Bridge) -> None:
    ha_vip = bridge.sdk.create(ip_address=HA_VIP).ha_vip_id
    bridge.sdk.associate(ha_vip, "i-n1")
    bridge.sdk.item(ha_vip)
    bridge.announce(2)
    bridge.announce(1)
    eventually(lambda: bridge.master() == "i-n1")
    bridge.announce(2)
    assert "havip_simcloud" in within("fabric", "nft", "list", "tables")
    assert bridge.master() == "i-n1"


def test_only_a_member_can_use_the_address(bridge: Bridge) -> None:
    ha_vip = bridge.sdk.create(ip_address=HA_VIP).ha_vip_id
    within("n1", "ip", "address", "add", f"{HA_VIP}/32", "dev", "eth0")
    assert not bridge.answered()
    bridge.sdk.associate(ha_vip, "i-n1")
    bridge.sdk.item(ha_vip)
    eventually(bridge.answered)
    bridge.sdk.unassociate(ha_vip, "i-n1", force="True")
    bridge.sdk.item(ha_vip)
    assert not bridge.answered()


def test_an_announcement_of_a_stranger_leaves_the_clients_neighbours_alone(bridge: Bridge) -> None:
    ha_vip = bridge.sdk.create(ip_address=HA_VIP).ha_vip_id
    bridge.sdk.associate(ha_vip, "i-n1")
    bridge.sdk.item(ha_vip)
    within("n1", "ip", "address", "add", f"{HA_VIP}/32", "dev", "eth0")
    eventually(bridge.answered)
    bridge.announce(2)
    before = datagrams("client")
    within("n2", sys.executable, "-c", SEND, NODE2, CLIENT)
    eventually(lambda: datagrams("client") > before)
    assert mac(1) in within("client", "ip", "neigh", "show", HA_VIP)


@pytest.mark.parametrize(
    ("sender", "source", "receiver", "destination"),
    [("client", CLIENT, "n1", HA_VIP), ("n1", HA_VIP, "client", CLIENT)],
    ids=["to it", "from it"],
)
def test_packets_of_the_address_pass_for_a_member_only(
    bridge: Bridge, sender: str, source: str, receiver: str, destination: str
) -> None:
    within("n1", "ip", "address", "add", f"{HA_VIP}/32", "dev", "eth0")
    # Known neighbours, so that ARP has no part in it.
    for address, number in ((HA_VIP, 1), (NODE1, 1), (CLIENT, 40)):
        for name in ("client", "n1"):
            within(
                *(name, "ip", "neigh", "replace", address, "lladdr", mac(number)),
                *("dev", "eth0", "nud", "permanent"),
            )
    plain = (NODE1, CLIENT) if sender == "n1" else (CLIENT, NODE1)

    def passed() -> int:
        """Send one datagram of the address and one that nobody minds; tell how many arrived."""
        before = datagrams(receiver)
        for pair in ((source, destination), plain):
            within(sender, sys.executable, "-c", SEND, *pair)
        return datagrams(receiver) - before

    ha_vip = bridge.sdk.create(ip_address=HA_VIP).ha_vip_id
    assert passed() == 1
    bridge.sdk.associate(ha_vip, "i-n1")
    bridge.sdk.item(ha_vip)
    assert passed() == 2


def test_a_stopped_instance_has_no_link_until_it_runs_again(bridge: Bridge) -> None:
    assert bridge.up("port-n1")
    bridge.sdk.stop("i-n1")
    assert not bridge.up("port-n1")
    assert bridge.up("port-n2")
    bridge.sdk.instances()
    bridge.control.fault("StartInstance", "hang", seconds=0.5)
    bridge.sdk.start("i-n1")
    eventually(lambda: bridge.up("port-n1"))
    assert refusal(lambda: bridge.sdk.start("i-n1")) == (403, "IncorrectInstanceStatus")


def with_bound_second_interface(bridge: Bridge) -> str:
    """Have a HaVip whose one member is the second interface of n1, configured there."""
    ha_vip = str(bridge.sdk.create(ip_address=HA_VIP).ha_vip_id)
    bridge.sdk.associate(ha_vip, "eni-second", instance_type="NetworkInterface")
    bridge.sdk.item(ha_vip)
    within("n1", "ip", "address", "add", f"{HA_VIP}/32", "dev", "eth1")
    within("n1", "ip", "rule", "add", "from", HA_VIP, "table", "100")
    within("n1", "ip", "route", "add", "default", "dev", "eth1", "table", "100")
    return ha_vip


def test_an_announcement_counts_by_the_interface_that_sends_it(bridge: Bridge) -> None:
    ha_vip = with_bound_second_interface(bridge)
    bridge.announce(1)
    bridge.announce_by_second()
    eventually(lambda: bridge.master() == "eni-second")
    assert bridge.sdk.item(ha_vip).associated_instance_type == "NetworkInterface"


def test_the_address_passes_at_the_bound_interface_only(bridge: Bridge) -> None:
    with_bound_second_interface(bridge)
    eventually(bridge.answered)
    within("n1", "ip", "address", "del", f"{HA_VIP}/32", "dev", "eth1")
    within("n1", "ip", "rule", "del", "from", HA_VIP, "table", "100")
    within("n1", "ip", "address", "add", f"{HA_VIP}/32", "dev", "eth0")
    within("client", "ip", "neigh", "flush", "all")
    assert not bridge.answered()


def test_a_detached_interface_has_no_link_until_it_is_attached_to_what_runs(
    bridge: Bridge,
) -> None:
    ha_vip = with_bound_second_interface(bridge)
    assert bridge.up("port-second")
    bridge.sdk.detach_interface("eni-second", "i-n1")
    assert not bridge.up("port-second")
    assert bridge.up("port-n1")
    assert not bridge.answered()
    assert bridge.sdk.item(ha_vip).associated_instances.associated_instance == ["eni-second"]
    bridge.sdk.attach_interface("eni-second", "i-n1")
    assert bridge.up("port-second")
    eventually(bridge.answered)
    bridge.sdk.stop("i-n1")
    assert not bridge.up("port-second")
    assert not bridge.up("port-n1")
