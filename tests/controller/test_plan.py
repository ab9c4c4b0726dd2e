"""What to do next: pictures of the world, and the one step each leads to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from havip.api.conditions import ConditionType, Reason, find_condition, is_true
from havip.api.errors import AddressTaken, Unavailable
from havip.api.havip import HaVip, MemberState
from havip.api.havipclass import HaVipClass
from havip.api.havipnode import HaVipNodeStatus
from havip.cloud.port import HaVipFacts
from havip.controller.events import news
from havip.controller.observe import (
    CloudView,
    NodeFacts,
    Observation,
    RegisterFacts,
    ownership,
    view,
)
from havip.controller.plan import (
    Associate,
    Create,
    Delete,
    Modify,
    Move,
    Tag,
    Unassociate,
    Untag,
    plan,
    wanted_tags,
)
from havip.controller.status import status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KLASS = HaVipClass.from_json(
    {"metadata": {"name": "c"}, "spec": {"region": "r-1", "vSwitchId": "vsw-a"}}
)


def havip(*, deleted: float | None = None, known: str | None = None, **spec: Any) -> HaVip:
    """A HaVip; ``deleted`` is how many seconds ago it was, ``known`` its id in the status."""
    metadata: dict[str, Any] = {"name": "web", "namespace": "n", "uid": "u", "generation": 1}
    if deleted is not None:
        metadata["deletionTimestamp"] = (NOW - timedelta(seconds=deleted)).isoformat()
    state: dict[str, Any] = {}
    if known:
        tried = {
            "type": "Provisioned",
            "status": "True",
            "reason": "Provisioned",
            "lastTransitionTime": NOW.isoformat(),
        }
        state = {"haVipId": known, "address": "10.0.0.9", "conditions": [tried]}
    return HaVip.from_json(
        {"metadata": metadata, "spec": {"className": "c", **spec}, "status": state}
    )


def facts(**changed: Any) -> HaVipFacts:
    usual: dict[str, Any] = {
        "ha_vip_id": "havip-1",
        "address": "10.0.0.9",
        "status": "InUse",
        "v_switch_id": "vsw-a",
        "name": "n-web",
        "tags": wanted_tags(havip(), "k"),
    }
    return HaVipFacts(**{**usual, **changed})


def node(number: int, **known: Any) -> NodeFacts:
    agent = HaVipNodeStatus(instance_id=f"i-{number}", heartbeat_at=NOW)
    usual = {"instance_id": f"i-{number}", "v_switch_id": "vsw-a", "agent": agent}
    return NodeFacts(name=f"node{number}", **{**usual, **known})


def seen(
    object_: HaVip | None = None,
    mine: HaVipFacts | None = None,
    *nodes: NodeFacts,
    absent: bool = False,
    **known: Any,
) -> Observation:
    usual: dict[str, Any] = {
        "now": NOW,
        "cluster_id": "k",
        "havip": object_ or havip(known="havip-1"),
        "klass": KLASS,
        "cloud": CloudView(mine=mine, absent=absent),
        "nodes": nodes,
    }
    return Observation(**{**usual, **known})


MEMBERS = frozenset({"i-1", "i-2"})


@pytest.mark.parametrize(
    ("picture", "step"),
    [
        pytest.param(
            seen(mine=facts(associated_instances=MEMBERS), absent=False),
            Unassociate("havip-1", "i-1", "", force=False),
            id="a member that is no node goes",
        ),
        pytest.param(
            seen(
                None,
                facts(associated_instances=MEMBERS, master_instance_id="i-1"),
            ),
            Unassociate("havip-1", "i-2", "", force=False),
            id="backups go before the master",
        ),
        pytest.param(
            seen(None, facts(), node(1), node(2)),
            Associate("havip-1", "i-1", "node1"),
            id="a node joins, one at a time",
        ),
        pytest.param(
            seen(None, facts(name="x", associated_instances=frozenset({"i-9"})), node(1)),
            Modify("havip-1", "n-web", ""),
            id="a changed name is mended",
        ),
        pytest.param(
            seen(havip(known="havip-1", resourceGroupId="rg-2"), facts(resource_group_id="rg-1")),
            Move("havip-1", "rg-2"),
            id="it moves to its resource group",
        ),
        pytest.param(
            seen(None, facts(tags={**wanted_tags(havip(), "k"), "havip.dev/uid": ""})),
            Tag("havip-1", {"havip.dev/uid": "u"}),
            id="a lost tag comes back",
        ),
        pytest.param(
            seen(None, facts(status="Associating"), node(1)),
            None,
            id="nothing is changed in transition",
        ),
        pytest.param(
            seen(None, facts(status="Funny"), node(1)), None, id="nor in an unknown state"
        ),
        pytest.param(
            seen(havip(known="havip-1", suspend=True), facts(name="x"), node(1)),
            None,
            id="nor while suspended",
        ),
        pytest.param(
            seen(None, facts(name="x"), trouble=Unavailable("away")), None, id="nor in trouble"
        ),
        pytest.param(seen(None, None), None, id="one listing without it proves nothing"),
        pytest.param(
            seen(havip(deleted=0, known="havip-1"), facts(associated_instances=MEMBERS)),
            Unassociate("havip-1", "i-1", "", force=False),
            id="deletion begins with the members",
        ),
        pytest.param(
            seen(
                havip(deleted=0, known="havip-1"),
                facts(associated_instances=frozenset({"i-1"}), master_instance_id="i-1"),
            ),
            Unassociate("havip-1", "i-1", "", force=True),
            id="the last goes by force",
        ),
        pytest.param(
            seen(havip(deleted=0, known="havip-1"), facts(status="Available")),
            Delete("havip-1"),
            id="then the HaVip itself",
        ),
        pytest.param(
            seen(
                havip(deleted=3, known="havip-1"),
                facts(status="Available"),
                register=RegisterFacts("node1", 1),
            ),
            None,
            id="not while a holder has it",
        ),
        pytest.param(
            seen(
                havip(deleted=11, known="havip-1"),
                facts(status="Available"),
                register=RegisterFacts("node1", 1),
            ),
            Delete("havip-1"),
            id="but not for ever",
        ),
        pytest.param(
            seen(havip(deleted=0, known="havip-1", deletionPolicy="Retain"), facts()),
            Untag("havip-1", ("havip.dev/cluster", "havip.dev/name", "havip.dev/uid")),
            id="a retained one only loses our tags",
        ),
    ],
)
def test_the_next_step(picture: Observation, step: object) -> None:
    assert plan(picture).step == step


def test_a_creation_carries_everything_in_one_call() -> None:
    step = plan(seen(havip(address="10.0.0.7", tags={"a": "b"}), absent=True)).step
    assert isinstance(step, Create)
    assert step.new.address == "10.0.0.7"
    assert step.new.tags == {"a": "b", **ownership("k", "u"), "havip.dev/name": "n/web"}
    assert step.instead_of == ""


def test_a_lost_one_is_made_anew_with_its_address() -> None:
    step = plan(seen(absent=True)).step
    assert isinstance(step, Create)
    assert (step.new.address, step.instead_of) == ("10.0.0.9", "havip-1")


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(seen(havip(deleted=0), klass=None, cloud=None), id="nothing was ever tried"),
        pytest.param(seen(havip(deleted=0, known="havip-1"), absent=True), id="it is gone"),
        pytest.param(
            seen(havip(deleted=0, known="havip-1"), facts(tags={})), id="it does not carry our tags"
        ),
        pytest.param(
            seen(havip(deleted=0, known="havip-1"), facts(tags=ownership("other", "u"))),
            id="it is another cluster's",
        ),
    ],
)
def test_a_deletion_is_done_when(picture: Observation) -> None:
    planned = plan(picture)
    assert planned.done
    assert planned.step is None


def test_a_deletion_waits_for_a_cloud_that_is_away() -> None:
    picture = seen(havip(deleted=0, known="havip-1"), cloud=None, trouble=Unavailable("away"))
    assert not plan(picture).done
    ready = find_condition(status(picture, plan(picture)).conditions, ConditionType.READY)
    assert ready is not None
    assert ready.reason == Reason.DELETING
    assert "away" in ready.message


def test_a_leaving_holder_gets_its_time() -> None:
    mine = facts(associated_instances=frozenset({"i-1"}))
    object_ = havip(known="havip-1", members={"nodeSelector": {"never": "so"}})
    held = seen(object_, mine, node(1), register=RegisterFacts("node1", 1))
    assert plan(held).step is None
    assert plan(held).members[0].state is MemberState.LEAVING
    waited = replace(held, waited_for=frozenset({"node1"}))
    assert plan(waited).step == Unassociate("havip-1", "i-1", "node1", force=False)


def test_a_second_one_with_our_tags_is_taken_away() -> None:
    mine = facts(associated_instances=frozenset())
    spare = facts(ha_vip_id="havip-2", status="Available")
    cloud = view(
        havip(known="havip-1"), "k", {each.ha_vip_id: each for each in (spare, mine)}, unseen=0
    )
    assert plan(seen(cloud=cloud)).step == Delete("havip-2")


def test_one_without_our_tags_is_never_taken_for_ours() -> None:
    stranger = facts(ha_vip_id="havip-2", tags={})
    cloud = view(havip(), "k", {"havip-2": stranger}, unseen=1)
    assert cloud == CloudView(absent=True)


@pytest.mark.parametrize(("unseen", "absent"), [(0, False), (1, False), (2, True)])
def test_what_was_known_is_given_up_after_two_listings(unseen: int, absent: bool) -> None:
    assert view(havip(known="havip-1"), "k", {}, unseen=unseen).absent is absent


def test_a_settled_picture_changes_nothing() -> None:
    mine = facts(associated_instances=MEMBERS)
    picture = seen(None, mine, node(1), node(2), register=RegisterFacts("", 0))
    once = status(picture, plan(picture))
    later = replace(
        picture,
        havip=picture.havip.model_copy(update={"status": once}),
        now=NOW + timedelta(seconds=30),
    )
    assert status(later, plan(later)) == once
    assert plan(later).step is None


def test_ready_needs_all_three_views_to_agree() -> None:
    agent = HaVipNodeStatus(instance_id="i-1", heartbeat_at=NOW, kernel_addresses=("10.0.0.9",))
    mine = facts(associated_instances=MEMBERS, master_instance_id="i-1")
    picture = seen(None, mine, node(1, agent=agent), node(2), register=RegisterFacts("node1", 1))
    assert is_true(status(picture, plan(picture)).conditions, ConditionType.READY)
    moved = replace(picture, cloud=CloudView(mine=replace(mine, master_instance_id="i-2")))
    told = status(moved, plan(moved))
    assert not is_true(told.conditions, ConditionType.READY)
    consistent = find_condition(told.conditions, ConditionType.CONSISTENT)
    assert consistent is not None
    assert consistent.reason == Reason.CLOUD_DIFFERS


def test_the_last_report_of_a_dead_holder_is_no_witness() -> None:
    hold = {"uid": "u", "namespace": "n", "name": "web", "address": "10.0.0.9", "epoch": 2}
    dead = HaVipNodeStatus(
        instance_id="i-1",
        heartbeat_at=NOW - timedelta(seconds=10),
        kernel_addresses=("10.0.0.9",),
    )
    alive = HaVipNodeStatus.from_json(
        {
            "instanceId": "i-2",
            "heartbeatAt": NOW.isoformat(),
            "kernelAddresses": ["10.0.0.9"],
            "holds": [{**hold, "since": (NOW - timedelta(seconds=5)).isoformat()}],
        }
    )
    mine = facts(associated_instances=MEMBERS, master_instance_id="i-2")
    picture = seen(
        None,
        mine,
        node(1, agent=dead),
        node(2, agent=alive),
        register=RegisterFacts("node2", 2),
    )
    assert is_true(status(picture, plan(picture)).conditions, ConditionType.CONSISTENT)

    # Were it alive with the address still on, its next report would say so.
    frozen = dead.model_copy(update={"heartbeat_at": NOW})
    split = replace(picture, nodes=(node(1, agent=frozen), node(2, agent=alive)))
    told = find_condition(status(split, plan(split)).conditions, ConditionType.CONSISTENT)
    assert told is not None
    assert told.reason == Reason.SEVERAL_OWNERS


def test_a_cloud_that_is_away_unsays_nothing() -> None:
    mine = facts(associated_instances=MEMBERS)
    picture = seen(None, mine, node(1), node(2))
    settled = picture.havip.model_copy(update={"status": status(picture, plan(picture))})
    away = seen(settled, mine, node(1), node(2), trouble=Unavailable("no answer"))
    told = status(away, plan(away))
    assert is_true(told.conditions, ConditionType.PROVISIONED)
    assert is_true(told.conditions, ConditionType.MEMBERS_READY)


def test_a_refusal_is_told_once() -> None:
    picture = seen(havip(), None, absent=True, trouble=AddressTaken("choose another"))
    before = picture.havip.status
    once = status(picture, plan(picture))
    again = replace(picture, havip=picture.havip.model_copy(update={"status": once}))
    assert [each.reason for each in news(before, once)] == ["AddressTaken"]
    assert news(once, status(again, plan(again))) == ()
