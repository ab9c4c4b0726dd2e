"""Members that do not hear each other although both report: the network between them is told of."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from havip.api.conditions import ConditionStatus, ConditionType, Reason, find_condition
from havip.api.havipnode import Unheard
from havip.controller.events import news
from havip.controller.observe import NodeFacts, Observation
from tests.controller.plan.builders import (
    ADDRESS,
    NOW,
    after,
    agent,
    ago,
    dead,
    decide,
    facts,
    havip,
    held_by,
    node,
    report,
    seen,
    told,
)

HEARD = ConditionType.PEERS_HEARD


def ear(
    number: int,
    *unheard: int,
    silent: float = 60,
    since: float = 900,
    heard: float = 0,
    **more: Any,
) -> NodeFacts:
    """A node that has heard nothing of some others for ``silent`` seconds.

    Its agent reports since ``since`` seconds, and did so last ``heard`` seconds ago.
    """
    says: dict[str, Any] = {
        "peer_port": 9494,
        "reporting_since": ago(since),
        "unheard": tuple(Unheard(node=f"node{each}", since=ago(silent)) for each in unheard),
        **more,
    }
    return node(number, agent=agent(number, heard=heard, **says))


def picture(*nodes: NodeFacts, **more: Any) -> Observation:
    members = [each.instance_id for each in nodes]
    return seen(None, facts(*members), *nodes, **more)


def said(of: Observation) -> str | None:
    found = find_condition(report(of).conditions, HEARD)
    return str(found.status) if found else None


# -- what is told


def test_the_condition_names_both_nodes_the_direction_the_port_and_what_to_do() -> None:
    found = told(picture(ear(1), ear(2, 1), ear(3)), HEARD)
    assert (found.status, found.reason) == (ConditionStatus.FALSE, Reason.HEARTBEATS_MISSING)
    assert "from node1 to node2, though" in found.message
    assert "from node2 to node1" not in found.message
    assert "node3" not in found.message
    assert "allow UDP port 9494" in found.message
    assert "security groups" in found.message
    assert "firewalls" in found.message


def test_a_port_that_is_blocked_both_ways_is_told_as_two_ways() -> None:
    message = told(picture(ear(1, 2), ear(2, 1)), HEARD).message
    assert "from node2 to node1, from node1 to node2" in message


def test_the_port_is_that_of_the_agent_that_should_hear() -> None:
    of = picture(ear(1, peer_port=9000), ear(2, 1, peer_port=9001))
    assert "UDP port 9001 " in told(of, HEARD).message


def test_of_many_ways_the_first_are_told_and_the_others_counted() -> None:
    others = (2, 3, 4, 5, 6)
    message = told(picture(ear(1, *others), *map(ear, others)), HEARD).message
    assert "from node4 to node1 and 2 more" in message
    assert "node5" not in message


def test_members_that_hear_each_other_are_said_to() -> None:
    assert told(picture(ear(1), ear(2)), HEARD).reason == Reason.PEERS_HEARD


def test_it_is_taken_back_when_the_peer_is_heard() -> None:
    blocked = picture(ear(1), ear(2, 1))
    assert said(after(blocked, nodes=(ear(1), ear(2)))) == "True"


def test_ready_does_not_heed_it() -> None:
    held = {"master_instance_id": "i-1"}
    nodes = (ear(1, kernel_addresses=(ADDRESS,)), ear(2, 1))
    blocked = after(seen(None, facts("i-1", "i-2", **held), *nodes, **held_by(1)))
    assert said(blocked) == "False"
    assert told(blocked, ConditionType.READY).status is ConditionStatus.TRUE


def test_it_is_an_event_once() -> None:
    of = after(picture(ear(1), ear(2)))
    blocked = replace(of, nodes=(ear(1), ear(2, 1)))
    (event,) = news(of.havip.status, report(blocked))
    assert (event.reason, event.warning) == ("HeartbeatsMissing", True)
    assert "from node1 to node2" in event.message
    both = after(blocked, nodes=(ear(1, 2), ear(2, 1)))
    assert news(both.havip.status, report(both)) == ()


# -- what is no blocked port


@pytest.mark.parametrize(
    "nodes",
    [
        pytest.param((dead(1), ear(2, 1)), id="the peer's agent is silent to us too"),
        pytest.param((node(1, agent=None), ear(2, 1)), id="the peer has no agent"),
        pytest.param((ear(1), ear(2, 1, heard=600)), id="who says so is silent itself"),
        pytest.param((ear(1), ear(2, 7)), id="the peer is a member of something else"),
    ],
)
def test_a_silence_that_has_another_reason_is_not_told(nodes: tuple[NodeFacts, ...]) -> None:
    assert said(picture(*nodes)) == "True"


@pytest.mark.parametrize("state", ["going", "fenced", "joining"])
def test_only_members_count(state: str) -> None:
    of = picture(ear(1), ear(2, 1))
    if state == "going":
        of = replace(of, havip=havip(members={"nodeSelector": {"edge": "yes"}}))
    elif state == "fenced":
        of = replace(of, havip=havip(fence="node1"))
    else:
        of = replace(of, cloud=seen(None, facts("i-2")).cloud)
    assert {each.node: str(each.state) for each in report(of).members}["node1"] != "Associated"
    assert said(of) == "True"


def test_nothing_is_said_of_a_havip_that_is_deleted_or_not_seen() -> None:
    nodes = (ear(1), ear(2, 1))
    assert said(seen(havip(deleted=0), facts("i-1", "i-2"), *nodes)) is None
    assert said(seen(havip(known=None), None, *nodes, cloud=None)) != "False"


def test_a_suspended_havip_goes_on_being_told_of() -> None:
    suspended = replace(after(picture(ear(1), ear(2))), nodes=(ear(1), ear(2, 1)))
    spec = havip(suspend=True).spec
    suspended = replace(suspended, havip=suspended.havip.model_copy(update={"spec": spec}))
    assert said(suspended) == "False"


# -- what is too early to tell


EARLY = [
    pytest.param((ear(1, heard=60), ear(2, 1, silent=60)), id="the peer died when it fell silent"),
    pytest.param((ear(1, heard=15), ear(2, 1, silent=40)), id="the peer may have died since"),
    pytest.param((ear(1, since=5), ear(2, 1)), id="the peer's agent has just come back"),
    pytest.param((ear(1), ear(2, 1, since=5)), id="who says so has just come back"),
    pytest.param((ear(1, reporting_since=None), ear(2, 1)), id="the peer's agent is an old one"),
]


@pytest.mark.parametrize("nodes", EARLY)
def test_what_is_too_early_to_tell_is_neither_said_nor_unsaid(nodes: tuple[NodeFacts, ...]) -> None:
    assert said(picture(*nodes)) is None
    assert said(replace(after(picture(ear(1), ear(2))), nodes=nodes)) == "True"
    assert said(replace(after(picture(ear(1), ear(2, 1))), nodes=nodes)) == "False"


@pytest.mark.parametrize("nodes", EARLY)
def test_what_is_too_early_to_tell_is_looked_at_again_soon(nodes: tuple[NodeFacts, ...]) -> None:
    assert decide(picture(*nodes)).retry_seconds == 10
    assert decide(picture(ear(1), ear(2, 1))).retry_seconds is None


def test_an_outage_of_the_api_server_makes_no_alarm_at_its_end() -> None:
    """All were away for ten minutes; one has died meanwhile, one is not yet heard again."""
    died, back = ear(1, heard=600), ear(3, since=0)
    witness = ear(2, 1, 3, silent=590, since=0)
    before = after(picture(ear(1), ear(2), ear(3)))
    end = replace(before, nodes=(died, witness, back))
    assert said(end) == "True"
    # Half a minute later the witness hears the one, and reports without a gap.
    later = after(
        end,
        now=NOW + timedelta(seconds=40),
        nodes=(died, ear(2, 1, silent=590, since=0, heard=-40), ear(3, since=0, heard=-40)),
    )
    assert said(later) == "True"
