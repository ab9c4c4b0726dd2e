"""How long fifty HaVips take to be ready, and how long they must take.

``make scale`` runs the real controller at its ordinary pace against a simulated cloud whose calls
and transitions take as long as the real one's, with its rates. The bound is worked out by a model
that knows at once what happens, and whose own work costs nothing: the same calls, one change of a
HaVip and of a route table at a time, the same latencies and the same rates, ours and the cloud's.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from havip.controller.poller import Pace
from havip.simcloud.profiles import REALISTIC, Profile, Quotas
from havip.simcloud.topology import RouteTable, Topology, sample
from lab.controlplane import ControlPlane

from .conftest import ROOT, Cluster, cluster_with, eventually

HAVIPS = 50
MEMBERS = 3
TABLES = 10
GROUPS = 10
"""Of three nodes each, with five HaVips each: an instance takes no more."""
PROFILE = replace(REALISTIC, quotas=Quotas(eips_per_account=60, ha_vip_routes_per_vpc=50))
OUR_RATE, OUR_BURST = 4.0, 40
"""The default of ``havip.cloud.limiter.Buckets``."""
READY = ("MembersReady", "EipBound", "RoutesBound")
MODEL_RUNS = 50
HEARTBEAT_SECONDS = 30.0


# -- the bound


@dataclass
class _Bucket:
    """Says when the next call may leave, if calls are asked for in the order of time."""

    rate: float
    burst: int
    full_at: float = 0.0

    def take(self, now: float) -> float:
        self.full_at = max(self.full_at, now)
        leaves = max(now, self.full_at - (self.burst - 1) / self.rate)
        self.full_at += 1 / self.rate
        return leaves


@dataclass
class _HaVip:
    table: int
    settled: bool = False
    calling: bool = False
    members: int = 0
    joined: int = 0
    eip: str = ""
    """How far the EIP is: allocated, binding, bound."""
    route: str = ""
    """How far the route is: creating, bound."""

    @property
    def ready(self) -> bool:
        return self.joined == MEMBERS and self.eip == self.route == "bound"


@dataclass
class Model:
    """The chain of calls of each HaVip, in virtual time."""

    profile: Profile
    chance: random.Random
    now: float = 0.0
    _later: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)
    _buckets: dict[str, tuple[_Bucket, _Bucket]] = field(default_factory=dict)
    _busy_tables: set[int] = field(default_factory=set)

    def run(self) -> float:
        """Return the seconds until all are ready."""
        self._all = [_HaVip(number % TABLES) for number in range(HAVIPS)]
        for each in self._all:
            self._call("create", self.profile.create, lambda: None, self._settles(each))
            self._call("allocate", (0.0, 0.0), self._sets(each, "eip", "allocated"), lambda: None)
        while not all(each.ready for each in self._all):
            self.now, _, happen = heapq.heappop(self._later)
            happen()
            for each in self._all:
                self._next(each)
        return self.now

    def _next(self, each: _HaVip) -> None:
        """Ask for what occupies the HaVip least: a route and an EIP need it for a call's time."""
        if each.calling or not each.settled:
            return
        if not each.route and each.table not in self._busy_tables:
            each.calling, each.route = True, "creating"
            self._busy_tables.add(each.table)
            self._call("route", self.profile.create_route, self._answered(each), self._routed(each))
        elif each.eip == "allocated":
            each.calling, each.eip = True, "binding"
            bound = self._sets(each, "eip", "bound")
            self._call("bind", self.profile.associate_eip, self._answered(each), bound)
        elif each.members < MEMBERS:
            each.calling, each.settled = True, False
            each.members += 1
            self._call("associate", self.profile.associate, self._answered(each), self._joins(each))

    def _call(
        self,
        action: str,
        span: tuple[float, float],
        answered: Callable[[], None],
        over: Callable[[], None],
    ) -> None:
        rates = self.profile.rates
        assert rates is not None
        if action not in self._buckets:
            ours = _Bucket(OUR_RATE, OUR_BURST)
            self._buckets[action] = (ours, _Bucket(rates.writes / rates.window, rates.writes))
        ours, theirs = self._buckets[action]
        at = theirs.take(ours.take(self.now)) + self.chance.uniform(*self.profile.answer)
        heapq.heappush(self._later, (at, next(self._order), answered))
        at += self.chance.uniform(*span)
        heapq.heappush(self._later, (at, next(self._order), over))

    # What happens later

    def _settles(self, each: _HaVip) -> Callable[[], None]:
        return lambda: setattr(each, "settled", True)

    def _answered(self, each: _HaVip) -> Callable[[], None]:
        return lambda: setattr(each, "calling", False)

    def _sets(self, each: _HaVip, what: str, value: str) -> Callable[[], None]:
        return lambda: setattr(each, what, value)

    def _joins(self, each: _HaVip) -> Callable[[], None]:
        def joined() -> None:
            each.joined += 1
            each.settled = True

        return joined

    def _routed(self, each: _HaVip) -> Callable[[], None]:
        def routed() -> None:
            each.route = "bound"
            self._busy_tables.discard(each.table)

        return routed


def bound(profile: Profile) -> float:
    """Return how long it takes at best, in seconds: the median of many draws of the latencies."""
    runs = (Model(profile, random.Random(seed)).run() for seed in range(MODEL_RUNS))
    return statistics.median(runs)


# -- the controller


def topology() -> Topology:
    """Give thirty instances and ten route tables."""
    tables = tuple(RouteTable(route_table_id=f"vtb-{n}", vpc_id="vpc-sim") for n in range(TABLES))
    return sample(MEMBERS * GROUPS).model_copy(update={"route_tables": tables})


def prepare(cluster: Cluster) -> None:
    """Have nodes and a class, and a controller that leads."""
    cluster.secret()
    cluster.klass()
    for number in range(1, MEMBERS * GROUPS + 1):
        cluster.node(number, labels={"group": f"g{number % GROUPS}"})
    cluster.start_controller("scale", **asdict(Pace()))
    eventually(lambda: cluster.cloud.control.calls("DescribeHaVips"), within=120)


def create_all(cluster: Cluster) -> None:
    for number in range(HAVIPS):
        create(cluster, number)


def create(cluster: Cluster, number: int) -> None:
    """Create the HaVip of a number, with members, an EIP and a route of its own."""
    cluster.havip(
        f"h{number}",
        members={"nodeSelector": {"group": f"g{number % GROUPS}"}},
        eip={"allocate": {}},
        routes=[
            {
                "routeTableId": f"vtb-{number % TABLES}",
                "destination": f"10.{100 + number}.0.0/16",
            }
        ],
    )


def how_many(cluster: Cluster) -> Counter[str]:
    """Count for how many a condition is True, and for how many all are."""
    found: Counter[str] = Counter()
    for each in cluster.get("HaVip")["items"]:
        conditions = each.get("status", {}).get("conditions", [])
        true = {
            c["type"] for c in conditions if c["status"] == "True" and c["reason"] != "NotWanted"
        }
        found.update(true)
        found["all"] += set(READY) <= true
    return found


def heartbeat(cluster: Cluster) -> None:
    """Report as the agents of all nodes do; a silent one counts for no ready member."""
    for number in range(1, MEMBERS * GROUPS + 1):
        cluster.report(number)


def measure(cluster: Cluster) -> float:
    """Return the seconds until all are ready, and tell on the way."""
    prepare(cluster)
    heartbeat(cluster)
    cluster.cloud.control.clear_calls()
    begun = reported = time.monotonic()
    create_all(cluster)
    told: dict[str, float] = {}

    def look() -> Counter[str]:
        nonlocal reported
        if time.monotonic() - reported > HEARTBEAT_SECONDS:
            reported = time.monotonic()
            heartbeat(cluster)
        found = how_many(cluster)
        for name in (*READY, "all"):
            if found[name] == HAVIPS and name not in told:
                told[name] = time.monotonic() - begun
        return found

    eventually(look, lambda seen: seen["all"] == HAVIPS, within=600)
    taken = time.monotonic() - begun
    for name in READY:
        print(f"  {name:13} {told[name]:6.1f} s")
    calls = cluster.cloud.control.calls()
    refused = Counter(each.code for each in calls if each.code)
    print(f"  calls: {dict(Counter(each.action for each in calls))}")
    print(f"  refused: {dict(refused)}")
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1)
    arguments = parser.parse_args()
    least = bound(PROFILE)
    print(f"{HAVIPS} HaVips of {MEMBERS} members, an EIP and a route, {TABLES} route tables")
    print(f"bound: {least:.1f} s (median of {MODEL_RUNS} draws of the latencies)")
    for _ in range(arguments.runs):
        with ControlPlane() as plane, tempfile.TemporaryDirectory() as logs:
            plane.apply_crds(ROOT / "crds")
            eventually(lambda: plane.try_kubectl("get", "havips").returncode == 0)
            with cluster_with(
                plane, plane.admin_kubeconfig, Path(logs), PROFILE, topology=topology()
            ) as cluster:
                taken = measure(cluster)
        print(f"taken: {taken:.1f} s, ratio {taken / least:.2f}")


if __name__ == "__main__":
    main()
