"""Traffic goes through real kube-proxies in nftables mode: they and our fence share each node.

What is asked is answered by pods only. The nodes' own services listen on the same ports, so an
answer that came around kube-proxy would show.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import threading
from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import pytest

from lab.binaries import KUBE_PROXY, find
from lab.cluster import Lab
from lab.endpoints import healthy_members
from lab.kubeproxy import HOW_TO_BUILD, KubeProxies, pod
from lab.network import CLIENT, PREFIX, enter, run
from lab.service import Service, State
from lab.watching import UDP_PORT, Prober

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces take root"),
    pytest.mark.skipif(find(KUBE_PROXY) is None, reason=f"no kube-proxy: {HOW_TO_BUILD}"),
]

NAME = "web"
_libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def proxies(lab: Lab) -> Iterator[KubeProxies]:
    with KubeProxies(lab) as proxies:
        yield proxies


@pytest.fixture(scope="module")
def published(lab: Lab, proxies: KubeProxies) -> Service:
    """A Service of our class: the operator makes its HaVip and publishes the address."""
    service = proxies.service(NAME)
    service.apply()
    everywhere(lab, service)
    lab.until("it has an address", lambda: service.published, 60)
    assert service.published == lab.address(NAME)
    return service


@pytest.fixture
def web(lab: Lab, published: Service) -> Service:
    """The Service with an endpoint on each node, which all nodes' kube-proxies know."""
    everywhere(lab, published)
    lab.until("all are healthy", lambda: healthy_members(lab, NAME) == set(lab.nodes), 30)
    holder = lab.settle(NAME)
    lab.until("its pod answers", lambda: lab.curl(lab.address(NAME)) == pod(holder), 30)
    return published


def everywhere(lab: Lab, service: Service) -> None:
    service.place(dict.fromkeys(lab.nodes, State.READY))


class Requests:
    """A client that asks for one page after the other, until it is told to stop."""

    def __init__(self, lab: Lab, address: str) -> None:
        self.answers: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, args=(lab, address))
        self._thread.start()

    def _ask(self, lab: Lab, address: str) -> None:
        while not self._stop.is_set():
            self.answers.append(lab.curl(address))

    def stop(self) -> list[str]:
        self._stop.set()
        self._thread.join()
        return self.answers


def test_a_rolling_change_of_endpoints_takes_the_traffic_along(
    lab: Lab, proxies: KubeProxies, web: Service
) -> None:
    first, address = lab.settle(NAME), lab.address(NAME)
    order = [first, *(node for node in lab.nodes if node != first)]
    web.place({first: State.READY})
    lab.until("only one is healthy", lambda: healthy_members(lab, NAME) == {first}, 30)
    prober, owners, requests = lab.probe(address), lab.owners(address), Requests(lab, address)
    lab.until("its pod answers", lambda: prober.report().answered_by == (pod(first),), 10)
    # What a Deployment does that replaces one pod by one: the new is ready, the old is to end and
    # serves on, it has ended.
    for old, new in pairwise(order):
        web.place({old: State.READY, new: State.READY})
        web.place({old: State.TERMINATING, new: State.READY})
        lab.until(f"{pod(new)} answers", partial(answers_last, prober, pod(new)), 30)
        web.place({new: State.READY})
        proxies.stop_pod(old)
    answers, seen, owned = requests.stop(), prober.stop(), owners.stop()
    for node in order[:-1]:
        proxies.start_pod(node)

    print(
        f"{answers.count('')} of {len(answers)} requests lost; {seen.lost} of {len(seen.probes)}"
        f" probes lost, {seen.outage * 1000:.0f} ms at the longest"
    )
    assert seen.answered_by == tuple(map(pod, order))
    assert seen.doubly_answered == ()
    assert owned.overlaps == ()
    assert set(answers) - {""} <= set(map(pod, order))
    assert answers.count("") <= len(order) - 1, "at most the one that was under way in a move"


def answers_last(prober: Prober, who: str) -> bool:
    return prober.report().answered_by[-1] == who


def test_where_all_pods_are_to_end_the_holder_stays_and_they_serve_to_their_end(
    lab: Lab, web: Service
) -> None:
    holder, address = lab.settle(NAME), lab.address(NAME)
    prober = lab.probe(address)
    web.place(dict.fromkeys(lab.nodes, State.TERMINATING))

    lab.until("the status says so", lambda: "nor on any other" in reason_of(lab, holder), 30)
    assert lab.holder(NAME) == holder
    assert lab.curl(address) == pod(holder)
    seen = prober.stop()
    assert (seen.answered_by, seen.lost) == ((pod(holder),), 0)


def reason_of(lab: Lab, node: str) -> str:
    members = lab.havip(NAME)["status"]["members"]
    return next(str(each.get("reason", "")) for each in members if each["node"] == node)


def test_the_node_of_a_frozen_agent_does_not_answer_through_kube_proxy_either(
    lab: Lab, web: Service
) -> None:
    holder, address = lab.settle(NAME), lab.address(NAME)
    with frozen(lab, holder), deluded(address, lab.nodes[holder].mac):
        assert lab.curl(address) == ""
        # Nothing but the fence keeps it from that.
        run(*enter(holder), "nft", "delete", "table", "inet", "havip_agent")
        assert lab.curl(address) == pod(holder)


def test_replies_of_a_pod_do_not_leave_the_node_of_a_frozen_agent(
    lab: Lab, proxies: KubeProxies, web: Service
) -> None:
    holder, address = lab.settle(NAME), lab.address(NAME)
    proxies.stop_pod(holder)
    with socket_in(CLIENT.name) as client, socket_in(pod(holder)) as served:
        served.bind(("0.0.0.0", UDP_PORT))
        client.sendto(b"hello", (address, UDP_PORT))
        _, peer = served.recvfrom(64)
        assert peer[0] == CLIENT.address, "Local keeps the client's own address"
        served.sendto(b"in time", peer)
        assert client.recvfrom(64) == (b"in time", (address, UDP_PORT))
        with frozen(lab, holder):
            served.sendto(b"late", peer)
            with pytest.raises(TimeoutError):
                client.recvfrom(64)
            # Nothing but the fence keeps it from that.
            run(*enter(holder), "nft", "delete", "table", "inet", "havip_agent")
            served.sendto(b"unfenced", peer)
            assert client.recvfrom(64) == (b"unfenced", (address, UDP_PORT))
    proxies.start_pod(holder)


def test_load_balancer_source_ranges_are_kept_by_kube_proxy(lab: Lab, web: Service) -> None:
    holder, address = lab.settle(NAME), lab.address(NAME)
    web.apply(loadBalancerSourceRanges=["192.0.2.0/24"])
    lab.until("a client outside is not served", lambda: lab.curl(address) == "", 30)
    web.apply(loadBalancerSourceRanges=["192.0.2.0/24", f"{CLIENT.address}/32"])
    lab.until("a client inside is", lambda: lab.curl(address) == pod(holder), 30)
    web.apply()


def test_what_somebody_changes_of_the_havip_is_put_right_and_costs_no_request(
    lab: Lab, web: Service
) -> None:
    holder, address = lab.settle(NAME), lab.address(NAME)
    wanted = lab.havip(NAME)["spec"]
    prober = lab.probe(address)
    lab.kubectl("patch", "hv", NAME, "--type=merge", "-p", '{"spec": {"health": []}}')
    lab.until("it is put right", lambda: lab.havip(NAME)["spec"] == wanted, 30)
    lab.until("an event says so", lambda: "DriftMended" in events_of(lab), 30)
    assert lab.curl(address) == pod(holder)
    assert prober.stop().lost == 0


def events_of(lab: Lab) -> str:
    field = f"involvedObject.kind=Service,involvedObject.name={NAME}"
    return lab.kubectl(
        "get", "events", f"--field-selector={field}", "-o", "jsonpath={.items[*].reason}"
    )


def test_when_the_service_goes_nothing_is_left_of_it(lab: Lab, web: Service) -> None:
    address = lab.address(NAME)
    web.delete()
    assert lab.kubectl("get", "service,hv", "-o", "name").split() == ["service/kubernetes"]
    assert lab.cloud.ha_vips() == []
    lab.until("no kernel knows it any more", lambda: not list(known_to(lab, address)), 30)


def known_to(lab: Lab, address: str) -> Iterator[str]:
    """Find what the nodes' kernels keep of an address: kube-proxy's rules, our fence, itself."""
    for node in lab.nodes:
        for kept in (("ip", "address"), ("nft", "list", "ruleset")):
            if address in run(*enter(node), *kept):
                yield f"{' '.join(kept)} of {node}"


@contextlib.contextmanager
def frozen(lab: Lab, holder: str) -> Iterator[None]:
    """Freeze the holder's agent; another node owns the address within the body."""
    owners = lab.owners(lab.address(NAME))
    lab.until("it is owned", lambda: owners.report().now == (holder,), 10)
    lab.freeze(holder)
    try:
        lab.until("another owns it", lambda: set(owners.report().now) - {holder}, 30)
        yield
    finally:
        lab.thaw(holder)
        owners.stop()


@contextlib.contextmanager
def deluded(address: str, mac: str) -> Iterator[None]:
    """Within the body the client takes the machine with this MAC for the owner, come what may."""
    neighbour = ["ip", "-n", PREFIX + CLIENT.name, "neigh"]
    run(*neighbour, "replace", address, "lladdr", mac, "dev", "eth0", "nud", "permanent")
    try:
        yield
    finally:
        run(*neighbour, "delete", address, "dev", "eth0")


def socket_in(machine: str) -> socket.socket:
    """Return a UDP socket that was opened in a machine's network; it waits for a second."""
    made: list[socket.socket] = []

    def make() -> None:
        with open(f"/run/netns/{PREFIX}{machine}", "rb") as namespace:
            # It moves this thread alone, which ends here.
            if _libc.setns(namespace.fileno(), 0) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    made[0].settimeout(1.0)
    return made[0]
