"""Two replicas, one active: also while the API server is away."""

from __future__ import annotations

import contextlib
import copy
import random
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from havip.controller.elector import Elector, ElectorTiming, KubernetesLease
from havip.controller.kube import KubernetesError

from .conftest import Cluster

TIMING = ElectorTiming(duration=15.0, renew_deadline=10.0, retry=2.0, call=3.0)


@dataclass
class Store:
    """A Lease in memory, with the API server's compare-and-swap and its outages."""

    lease: dict[str, Any] | None = None
    version: int = 0
    away: set[str] = field(default_factory=set)
    """Replicas that cannot reach it."""


@dataclass
class Reach:
    """One replica's way to the store; a lost answer may hide a stored write."""

    store: Store
    who: str
    lose_answers: bool = False

    def read(self, timeout: float) -> dict[str, Any] | None:
        self._reach()
        return copy.deepcopy(self.store.lease)

    def create(self, lease: dict[str, Any], timeout: float) -> dict[str, Any]:
        self._reach()
        if self.store.lease is not None:
            raise KubernetesError("exists", 409)
        return self._write(lease)

    def replace(self, lease: dict[str, Any], timeout: float) -> dict[str, Any]:
        self._reach()
        if lease["metadata"]["resourceVersion"] != str(self.store.version):
            raise KubernetesError("conflict", 409)
        return self._write(lease)

    def _reach(self) -> None:
        if self.who in self.store.away:
            raise KubernetesError("no answer")

    def _write(self, lease: dict[str, Any]) -> dict[str, Any]:
        self.store.version += 1
        self.store.lease = copy.deepcopy(lease)
        self.store.lease["metadata"] = {"resourceVersion": str(self.store.version)}
        if self.lose_answers:
            raise KubernetesError("no answer")
        return self.store.lease


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def two(store: Store, clock: Clock) -> tuple[Elector, Elector]:
    one, other = (Elector(Reach(store, who), who, TIMING, clock=clock) for who in ("a", "b"))
    return one, other


def test_the_first_leads_and_the_second_waits() -> None:
    one, other = two(Store(), Clock())
    assert one.step()
    assert not other.step()
    assert one.valid()
    assert not other.valid()


def test_a_leader_that_renews_leads_on() -> None:
    clock = Clock()
    one, other = two(Store(), clock)
    for _ in range(50):
        assert one.step()
        assert not other.step()
        clock.now += TIMING.retry


def test_a_dead_leader_is_followed_after_the_duration_and_not_before() -> None:
    clock = Clock()
    one, other = two(Store(), clock)
    one.step()
    other.step()
    clock.now += TIMING.duration - 0.1
    assert not other.step()
    clock.now += 0.2
    assert other.step()


def test_in_an_outage_the_leader_stops_before_anybody_may_follow() -> None:
    store, clock = Store(), Clock()
    one, other = two(store, clock)
    one.step()
    other.step()
    store.away.add("a")
    stopped_at = started_at = 0.0
    while not started_at:
        clock.now += 0.5
        if not one.step() and not stopped_at:
            stopped_at = clock.now
        if other.step():
            started_at = clock.now
    assert stopped_at
    assert started_at - stopped_at >= TIMING.duration - TIMING.renew_deadline - 0.5


def test_a_short_outage_changes_nothing() -> None:
    store, clock = Store(), Clock()
    one, other = two(store, clock)
    one.step()
    store.away |= {"a", "b"}
    clock.now += TIMING.renew_deadline - 1
    assert one.step()
    store.away.clear()
    assert one.step()
    assert not other.step()


def test_a_stopped_leader_is_followed_at_once() -> None:
    one, other = two(Store(), Clock())
    one.step()
    one.release()
    assert not one.valid()
    assert other.step()


def test_a_follower_does_not_release_the_leaders_lease() -> None:
    store = Store()
    one, other = two(store, Clock())
    one.step()
    other.step()
    other.release()
    assert store.lease is not None
    assert store.lease["spec"]["holderIdentity"] == "a"


@pytest.mark.parametrize("seed", range(200))
def test_never_two_leaders(seed: int) -> None:
    """Random outages, lost answers and pauses of a replica that would freeze any process."""
    chance = random.Random(seed)
    store, clock = Store(), Clock()
    reaches = [Reach(store, who) for who in ("a", "b", "c")]
    electors = [Elector(each, each.who, TIMING, clock=clock) for each in reaches]
    led = 0
    for _ in range(300):
        clock.now += chance.uniform(0.1, 3.0)
        for reach, elector in zip(reaches, electors, strict=True):
            if chance.random() < 0.05:
                store.away ^= {reach.who}
            reach.lose_answers = chance.random() < 0.1
            if chance.random() < 0.7:
                elector.step()
            leaders = [each for each in electors if each.valid()]
            assert len(leaders) <= 1
            led += len(leaders)
    assert led > 0


def elector_at(kubeconfig: Path, name: str, lease: str) -> Elector:
    settings = client.Configuration()
    config.load_kube_config(  # type: ignore[no-untyped-call]
        config_file=str(kubeconfig), client_configuration=settings
    )
    settings.retries = False
    store = KubernetesLease(client.ApiClient(configuration=settings), "havip-system", lease)
    return Elector(store, name, ElectorTiming(duration=4.0, renew_deadline=2.0, retry=0.2, call=1))


@pytest.mark.apiserver
def test_on_a_real_api_server_one_leads_and_hands_over(bare: Cluster) -> None:
    one, other = (elector_at(bare.kubeconfig, who, "try-elector") for who in ("a", "b"))
    stop = threading.Event()
    assert one.acquire(stop)
    keeping = threading.Thread(target=one.keep, args=(stop,))
    keeping.start()
    try:
        assert not other.step()
        assert one.valid()
    finally:
        stop.set()
        keeping.join()
    one.release()
    assert other.acquire(threading.Event())
    assert not one.valid()


class Wire:
    """A TCP connection to the API server that can go silent: what is sent is not answered."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self.silent = threading.Event()
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._sockets += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                if not self.silent.is_set():
                    other.sendall(data)

    def close(self) -> None:
        for each in (self._listener, *self._sockets):
            each.close()


@pytest.mark.apiserver
def test_a_leader_that_hears_nothing_stops_before_it_is_followed(
    bare: Cluster, tmp_path: Path
) -> None:
    wire = Wire(bare.plane.port)
    over_wire = tmp_path / "kubeconfig"
    over_wire.write_text(bare.kubeconfig.read_text().replace(bare.plane.url, wire.url))
    cut_off = elector_at(over_wire, "a", "try-outage")
    other = elector_at(bare.kubeconfig, "b", "try-outage")
    stop = threading.Event()
    assert cut_off.acquire(stop)
    keeping = threading.Thread(target=cut_off.keep, args=(stop,))
    keeping.start()
    try:
        assert not other.step()
        wire.silent.set()
        while not other.step():
            stopped = not cut_off.valid()
            stop.wait(0.02)
        assert stopped
        assert not cut_off.valid()
        keeping.join(10)
        assert not keeping.is_alive()
    finally:
        stop.set()
        wire.close()


@pytest.mark.apiserver
def test_of_two_controllers_the_second_takes_over_when_the_first_is_killed(
    cluster: Cluster,
) -> None:
    cluster.wait_for_lead("one")
    cluster.start_controller("two")
    first = cluster.processes[0]
    cluster.havip()
    cluster.wait_for("MembersReady", "True")
    first.kill()
    first.wait()
    cluster.processes.remove(first)

    cluster.havip("later")
    cluster.wait_for("MembersReady", "True", name="later", within=60)
    assert len(cluster.cloud.control.ha_vips()) == 2
    cluster.wait_for_lead("two")
