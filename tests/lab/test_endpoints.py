"""The holder follows the endpoints of a Service, and nothing else moves it.

`python -m lab.endpoints` does the same many times and prints how long a client waited.
"""

import os
from collections.abc import Iterator

import pytest

from lab.cluster import Lab
from lab.endpoints import Move, follow_service, healthy_members, judge, run_move
from lab.network import CONTROLLER
from lab.service import Service, State

NAME = "local"


def move(outage: float, double: str = "") -> Move:
    return Move(("node1", "node2"), outage, 1, outage, double)


def test_half_of_the_moves_within_the_bound_are_enough() -> None:
    assert judge([move(0.030), move(0.9)]) == []
    assert judge([move(0.031), move(0.9)]) == ["p50 31 ms is over 30 ms"]


def test_one_move_with_two_owners_is_too_many() -> None:
    wrong = judge([move(0.0), move(0.0, "node1 and node2 for 7 ms")])
    assert wrong == ["two owners: node1 and node2 for 7 ms"]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def service(lab: Lab) -> Service:
    return follow_service(lab, NAME, "Balanced")


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces take root")


@pytest.mark.lab
@needs_root
def test_the_holder_moves_when_its_endpoint_is_to_end(lab: Lab, service: Service) -> None:
    moved = run_move(lab, NAME, service)
    assert len(moved.holders) == 2
    assert moved.double == ""


@pytest.mark.lab
@needs_root
def test_what_was_known_of_endpoints_stands_while_the_api_server_is_away(
    lab: Lab, service: Service
) -> None:
    service.place(dict.fromkeys(lab.nodes, State.READY))
    lab.until("all nodes are healthy", lambda: healthy_members(lab, NAME) == set(lab.nodes), 30)
    holder = lab.settle(NAME)
    prober = lab.probe(lab.address(NAME))
    lab.until("the client is answered", lambda: prober.report().answered_by == (holder,), 10)
    other = next(node for node in lab.nodes if node != holder)
    with lab.api_outage(*lab.nodes, CONTROLLER.name):
        service.place({other: State.READY})
        # Long enough for every watch to have given up and begun anew.
        lab.until("the client was asked for long", lambda: len(prober.report().probes) > 1200, 60)
        assert prober.report().answered_by == (holder,)
        assert prober.report().lost == 0
    lab.until("what changed meanwhile counts", lambda: lab.holder(NAME) == other, 60)
    prober.stop()
