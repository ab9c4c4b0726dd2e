"""Owners are spread over the members as HaVips are made, and no running one is moved for it."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havip.api.havip import HaVip, HaVipSpec
from havip.controller.observe import NodeFacts
from havip.controller.services.spread import (
    candidates,
    owned_by_host,
    preferred_hosts,
    priorities,
)
from havip.election.situation import Situation
from havip.election.timing import PROFILES

from .pure import havip_body, klass


def made_one_by_one(havips: int, hosts: list[str]) -> list[tuple[str, ...]]:
    """Make HaVips, each while those before are owned by whom they prefer."""
    owned: Counter[str] = Counter()
    chosen = []
    for number in range(havips):
        preferred = preferred_hosts(f"default/{number}", hosts, owned)
        owned[preferred[0]] += 1
        chosen.append(preferred)
    return chosen


@given(st.integers(1, 40), st.integers(1, 12))
def test_no_host_is_to_own_two_more_than_another(havips: int, hosts: int) -> None:
    names = [f"h{number}" for number in range(hosts)]
    first = Counter(each[0] for each in made_one_by_one(havips, names))
    counts = [first[name] for name in names]
    assert max(counts) - min(counts) <= 1


def test_the_havips_of_a_host_that_dies_go_to_several_others() -> None:
    chosen = made_one_by_one(40, ["h1", "h2", "h3", "h4", "h5"])
    heirs = Counter(second for first, second, *_ in chosen if first == "h1")
    assert len(heirs) >= 3
    assert max(heirs.values()) <= 4


def test_a_host_that_owns_less_is_preferred_whoever_made_what_the_others_own() -> None:
    nodes = [node(number) for number in (1, 2, 3)]
    owned = owned_by_host(
        [
            HaVip.from_json(havip_body("a/a", status={"holder": {"node": "node1"}})),
            # Where nobody owns it yet, the choice counts; an owner counts more than a choice.
            HaVip.from_json(havip_body("a/b", annotations={"havip.dev/preferred-hosts": "h2,h1"})),
            HaVip.from_json(
                havip_body(
                    "a/c",
                    annotations={"havip.dev/preferred-hosts": "h3"},
                    status={"holder": {"node": "node1"}},
                )
            ),
            HaVip.from_json(havip_body("a/d", deleting=True, status={"holder": {"node": "node3"}})),
        ],
        nodes,
    )
    assert owned == {"h1": 2, "h2": 1}
    assert preferred_hosts("a/e", ["h1", "h2", "h3"], owned) == ("h3", "h2", "h1")


def test_the_election_gives_the_address_to_the_preferred_host_first() -> None:
    """The real order of candidates, from the priorities that the HaVip gets."""
    spec = HaVipSpec.from_json(
        {"className": "c", "election": {"priorities": priorities(("h3", "h2"))}}
    )
    situation = Situation("node1", PROFILES["Balanced"], 1, 0.0, None)
    situation.priorities = {
        each.name: spec.election.priority_of(dict(each.labels)) for each in map(node, range(1, 5))
    }
    everybody = list(situation.priorities)
    assert situation.rank(everybody, everybody) == ["node3", "node2", "node1", "node4"]


def node(number: int, **facts: object) -> NodeFacts:
    known = {
        "labels": {"kubernetes.io/hostname": f"h{number}"},
        "instance_id": f"i-{number}",
        "region": "cn-hangzhou",
        "v_switch_id": "vsw-1",
    }
    return NodeFacts(name=f"node{number}", **{**known, **facts})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["EcsInstance", "NetworkInterface"])
def test_only_hosts_that_can_be_members_are_preferred(kind: str) -> None:
    spec = HaVipSpec.from_json({"className": "c", "members": {"type": kind}})
    nodes = [
        node(1),
        node(2, v_switch_id="vsw-2"),
        node(3, labels={}),
        node(4, ready=False),
        node(5),
    ]
    assert candidates(spec, klass(), nodes) == ["h1", "h5"]
