"""What the machine does in the moments that matter, step by step, without chance."""

from __future__ import annotations

from dataclasses import replace

import pytest

from havip.election.actions import Acquired, Action, Hold, Read, Release, RememberEpoch, Send, Write
from havip.election.events import (
    Answered,
    CandidatesChanged,
    HealthChanged,
    Leave,
    Outcome,
    Received,
    Seen,
    SettingsChanged,
    Tick,
)
from havip.election.machine import Election
from havip.election.messages import Grant, HandedOver, Heartbeat
from havip.election.record import Record
from havip.election.timing import PROFILES, Timing

FAST = PROFILES["Fast"]


def election(record: Record, others: tuple[str, ...] = ("b", "c")) -> Election:
    """Agent a, which has read `record` and stands beyond the promises of a former life."""
    machine = Election("a", FAST, run=1, now=0.0)
    machine.handle(CandidatesChanged(dict.fromkeys(("a", *others), 100)), 0.0)
    machine.handle(Seen(record, fresh=True), 0.0)
    return machine


def taking(now: float) -> tuple[Election, Write]:
    """Agent a, about to take a vacant register."""
    machine = Election("a", FAST, run=1, now=0.0)
    machine.handle(CandidatesChanged({"a": 100, "b": 100, "c": 100}), 0.0)
    [write] = writes(machine.handle(Seen(Record(version=1), fresh=True), now))
    return machine, write


def holder() -> Election:
    """Agent a, whose takeover was just confirmed."""
    machine, write = taking(0.0)
    machine.handle(Answered(write.record.write, Outcome.CONFIRMED, 2), 0.0)
    assert machine.holding
    return machine


def writes(actions: list[Action]) -> list[Write]:
    return [action for action in actions if isinstance(action, Write)]


def sent(actions: list[Action], kind: type) -> list[Send]:
    return [a for a in actions if isinstance(a, Send) and isinstance(a.message, kind)]


def test_an_agent_reads_the_register_before_anything_else() -> None:
    machine = Election("a", FAST, run=1, now=0.0)
    actions = machine.handle(CandidatesChanged({"a": 100}), 0.0)
    assert [type(action) for action in actions] == [Read]


def test_a_vacant_register_is_taken_with_one_write_and_held_from_its_start() -> None:
    machine, write = taking(1.0)
    assert (write.record.holder, write.record.epoch) == ("a", 1)
    actions = machine.handle(Answered(write.record.write, Outcome.CONFIRMED, 2), 1.5)
    assert [type(a) for a in actions[:2]] == [Acquired, Hold]
    until = machine.hold_until
    assert until is not None
    assert until < 1.0 + FAST.unmembered, "the right counts from before the write was sent"


def test_a_register_that_its_holder_left_empty_is_taken_at_once() -> None:
    machine = election(Record(version=1, holder="b", epoch=3, members=frozenset({"a"})))
    left = Record(version=2, epoch=3, given=True, grant=0.6)
    [write] = writes(machine.handle(Seen(left), 1.0))
    assert (write.record.holder, write.record.epoch) == ("a", 4)


def test_a_member_waits_for_a_cleared_holder_as_after_a_challenge_of_its_own() -> None:
    machine = election(Record(version=1, holder="b", epoch=3, members=frozenset({"a"})))
    machine.handle(Received("b", Heartbeat(3, 9, 1, grant=0.16, healthy=frozenset())), 0.99)
    cleared = Record(version=2, epoch=3, members=frozenset({"a", "b"}), challenge=0.3)
    assert writes(machine.handle(Seen(cleared), 1.0)) == []
    assert writes(machine.handle(Tick(), 1.3)) == []
    [take] = writes(machine.handle(Tick(), 1.33))
    assert (take.record.holder, take.record.epoch) == ("a", 4)


def test_whoever_the_cleared_holder_did_not_count_leaves_the_place_to_its_members() -> None:
    machine = election(Record(version=1, holder="b", epoch=3, members=frozenset({"c"})))
    machine.handle(Seen(Record(version=2, epoch=3, members=frozenset({"b", "c"}))), 1.0)
    assert writes(machine.handle(Tick(), 1000.0)) == []


def test_whose_turn_it_is_not_reads_the_register_now_and_then() -> None:
    for record in (Record(4, epoch=3, members=frozenset("bc")), Record(4, "b", 3, frozenset("c"))):
        machine = election(record)
        assert machine.handle(Tick(), FAST.unmembered - 0.1) == []
        [read] = machine.handle(Tick(), FAST.unmembered + 0.1)
        assert isinstance(read, Read)
        machine.handle(Seen(record, fresh=True), FAST.unmembered + 0.2)
        assert machine.wake_at > 2 * FAST.unmembered  # and not without a pause


def test_a_cleared_register_without_members_rests_as_long_as_its_holder_may_hold() -> None:
    machine = election(Record(version=1, holder="b", epoch=3))
    cleared = Record(version=2, epoch=3, unmembered=7.0)
    assert writes(machine.handle(Seen(cleared), 1.0)) == []
    assert writes(machine.handle(Tick(), 8.0)) == []
    assert len(writes(machine.handle(Tick(), 8.1))) == 1


def test_a_holder_that_is_to_have_it_no_longer_lets_go_before_it_writes() -> None:
    machine = holder()
    actions = machine.handle(Leave(hand_over=False), 0.01)
    assert isinstance(actions[0], Release)
    assert not machine.holding
    [left] = writes(actions)
    assert (left.record.holder, left.record.given) == (None, True)


def test_a_node_that_is_excluded_does_not_take_what_it_is_given() -> None:
    machine = election(Record(version=1, holder="b", epoch=3, members=frozenset({"a", "c"})))
    machine.handle(Leave(hand_over=False), 1.0)
    given = Record(version=2, holder="a", epoch=4, members=frozenset({"c"}), given=True)
    actions = machine.handle(Seen(given), 1.01)
    while confirmations := writes(actions):
        write = confirmations[0].record
        actions = machine.handle(Answered(write.write, Outcome.CONFIRMED, write.version + 1), 1.02)
        assert not machine.holding
        assert not any(isinstance(a, Hold | Acquired) for a in actions)
    assert machine.record is not None
    assert (machine.record.holder, machine.record.given) == (None, True)


def test_the_fence_comes_nearer_before_the_write_that_brings_it_nearer() -> None:
    machine = holder()
    beat = sent(machine.handle(Tick(), 0.5), Heartbeat)[0].message
    assert isinstance(beat, Heartbeat)
    actions = machine.handle(Received("b", Grant(1, 1, beat.sequence, healthy=True)), 0.501)
    [write] = writes(actions)
    assert write.record.members == {"b"}
    nearer = next(i for i, a in enumerate(actions) if isinstance(a, Hold))
    assert nearer < actions.index(write)
    hold = actions[nearer]
    assert isinstance(hold, Hold)
    assert hold.until <= 0.5 + FAST.grant


def test_a_member_grants_the_holder_of_the_register_and_nobody_else() -> None:
    machine = election(Record(version=5, holder="b", epoch=3, members=frozenset({"a", "c"})))
    beat = Heartbeat(epoch=3, run=9, sequence=1, grant=0.16, healthy=frozenset())
    assert sent(machine.handle(Received("c", beat), 1.0), Grant) == []
    older = replace(beat, epoch=2)
    assert sent(machine.handle(Received("b", older), 1.0), Grant) == []
    [grant] = sent(machine.handle(Received("b", beat), 1.0), Grant)
    assert grant.message == Grant(3, 9, 1, healthy=True)


def test_a_grant_to_an_earlier_life_or_epoch_counts_for_nothing() -> None:
    machine = holder()
    machine.handle(Tick(), 1.0)
    for grant in (Grant(1, 7, 2, healthy=True), Grant(0, 1, 2, healthy=True)):
        assert writes(machine.handle(Received("b", grant), 1.001)) == []


def test_a_silent_holder_is_challenged_and_then_taken_over_from() -> None:
    record = Record(version=5, holder="b", epoch=3, members=frozenset({"a"}), challenge=0.1)
    machine = election(record)
    machine.handle(Received("b", Heartbeat(3, 9, 1, grant=0.16, healthy=frozenset({"a"}))), 1.0)
    assert writes(machine.handle(Tick(), 1.0 + 2 * FAST.heartbeat)) == []
    [challenge] = writes(machine.handle(Tick(), 1.0 + FAST.suspicion + 0.001))
    assert challenge.record.challenger == "a"
    answered = 1.1
    machine.handle(Answered(challenge.record.write, Outcome.CONFIRMED, 6), answered)
    assert writes(machine.handle(Tick(), answered + FAST.challenge)) == [], "a drift margin is kept"
    [take] = writes(machine.handle(Tick(), answered + 1.02 * FAST.challenge))
    assert (take.record.version, take.record.epoch, take.record.holder) == (6, 4, "a")


def test_a_challenge_that_the_holder_answers_gives_no_right() -> None:
    record = Record(version=5, holder="b", epoch=3, members=frozenset({"a"}))
    machine = election(record)
    [challenge] = writes(machine.handle(Tick(), 1.0))
    machine.handle(Answered(challenge.record.write, Outcome.CONFIRMED, 6), 1.01)
    machine.handle(Seen(replace(record, version=7, write="b/9/4")), 1.05)
    assert [w.record.holder for w in writes(machine.handle(Tick(), 1.2))] != ["a"]


def test_a_member_waits_as_long_as_the_register_says_whatever_its_own_timing() -> None:
    record = Record(version=5, holder="b", epoch=3, members=frozenset({"a"}), challenge=1.5)
    machine = election(record)
    [challenge] = writes(machine.handle(Tick(), 5.0))
    machine.handle(Answered(challenge.record.write, Outcome.CONFIRMED, 6), 5.01)
    assert writes(machine.handle(Tick(), 6.4)) == []
    assert len(writes(machine.handle(Tick(), 6.6))) == 1


def test_a_holder_asks_for_no_longer_grants_than_the_register_announces() -> None:
    machine = holder()
    slow = Timing(heartbeat=0.04, grant=3.0, challenge=1.0, renew=1.0, unmembered=5.0)
    actions = machine.handle(SettingsChanged(slow, failback=False), 1.0)
    beats = sent(actions, Heartbeat)
    assert {b.message.grant for b in beats if isinstance(b.message, Heartbeat)} == {FAST.grant}


def test_the_address_goes_the_moment_the_right_ends_and_comes_back_by_a_write() -> None:
    machine = holder()
    until = machine.hold_until
    assert until is not None
    [renewal] = writes(machine.handle(Tick(), 1.1))
    actions = machine.handle(Tick(), until)
    assert isinstance(actions[0], Release)
    unknown = Answered(renewal.record.write, Outcome.UNKNOWN)
    [again] = writes(machine.handle(unknown, until + 0.2))
    assert machine.hold_until is None
    actions = machine.handle(Answered(again.record.write, Outcome.CONFIRMED, 3), until + 0.21)
    [acquired] = [a for a in actions if isinstance(a, Acquired)]
    assert acquired.reason == "regained"


def test_an_unfit_holder_without_a_fit_member_keeps_the_address() -> None:
    machine = holder()
    actions = machine.handle(HealthChanged(healthy=False), 0.5)
    assert machine.holding
    assert not any(isinstance(a, Release) for a in actions)


def with_member() -> tuple[Election, Grant]:
    """Agent a, which holds and counts b; b's grant, to be given anew for later heartbeats."""
    machine = holder()
    grant = grant_of(machine.handle(Tick(), 0.5))
    [write] = writes(machine.handle(Received("b", grant), 0.501))
    actions = machine.handle(Answered(write.record.write, Outcome.CONFIRMED, 3), 0.502)
    assert writes(actions) == []
    assert machine.record is not None
    assert machine.record.members == {"b"}
    return machine, grant


def grant_of(actions: list[Action], *, healthy: bool = True) -> Grant:
    beat = sent(actions, Heartbeat)[0].message
    assert isinstance(beat, Heartbeat)
    return Grant(beat.epoch, beat.run, beat.sequence, healthy)


def handing_over() -> tuple[Election, Write]:
    """Agent a, unfit, which has b's word that it is fit and is writing it down as the next."""
    machine, _ = with_member()
    actions = machine.handle(HealthChanged(healthy=False), 0.54)
    [write] = writes(machine.handle(Received("b", grant_of(actions)), 0.541))
    return machine, write


def test_an_unfit_holder_asks_at_once_and_writes_down_the_member_that_says_it_is_fit() -> None:
    machine, _ = with_member()
    actions = machine.handle(HealthChanged(healthy=False), 0.54)
    assert RememberEpoch(2) in actions, "no client waits for the disk"
    assert writes(actions) == [], "what it said before the wish does not count"
    [handover] = writes(machine.handle(Received("b", grant_of(actions)), 0.541))
    assert (handover.record.holder, handover.record.epoch) == ("b", 2)


def test_a_holder_lets_go_once_its_successor_is_written_down_and_only_then_tells_it() -> None:
    machine, write = handing_over()
    assert machine.holding
    assert not write.record.given
    actions = machine.handle(Answered(write.record.write, Outcome.CONFIRMED, 4), 0.55)
    [note] = sent(actions, HandedOver)
    released = next(i for i, each in enumerate(actions) if isinstance(each, Release))
    assert released < actions.index(note)
    assert note.to == "b"
    assert not machine.holding


def test_a_holder_that_may_be_followed_holds_no_longer_than_its_successor_promised() -> None:
    machine, write = handing_over()
    asked = 0.54
    until = machine.hold_until
    assert until is not None
    assert until <= asked + FAST.grant
    # Whom it appointed grants nothing from the moment it sees the register.
    machine.handle(Answered(write.record.write, Outcome.UNKNOWN), 0.64)
    assert any(isinstance(a, Release) for a in machine.handle(Tick(), until))


def test_the_note_names_what_the_successor_granted_before_the_write_was_begun() -> None:
    machine, write = handing_over()
    beat = sent(machine.handle(Tick(), 0.56), Heartbeat)[0].message
    assert isinstance(beat, Heartbeat)
    machine.handle(Received("b", Grant(1, 1, beat.sequence, healthy=True)), 0.561)
    actions = machine.handle(Answered(write.record.write, Outcome.CONFIRMED, 4), 0.57)
    note = sent(actions, HandedOver)[0].message
    assert isinstance(note, HandedOver)
    assert note.sequence == beat.sequence - 1


def test_the_note_is_repeated_until_the_successor_is_heard() -> None:
    machine, write = handing_over()
    machine.handle(Answered(write.record.write, Outcome.CONFIRMED, 4), 0.55)
    assert len(sent(machine.handle(Tick(), 0.571), HandedOver)) == 1
    machine.handle(Received("b", Heartbeat(2, 9, 1, grant=0.16, healthy=frozenset())), 0.58)
    assert sent(machine.handle(Tick(), 0.6), HandedOver) == []


GIVEN = Record(
    version=6, holder="a", epoch=4, members=frozenset("bc"), challenge=0.1, unmembered=5.0,
    grant=0.16,
)  # fmt: skip


def appointed(*granted: float) -> Election:
    """Agent a, which granted the heartbeats 1, 2, ... of b at these times."""
    machine = election(Record(version=5, holder="b", epoch=3, members=frozenset("ac")))
    for sequence, now in enumerate(granted, start=1):
        machine.handle(Received("b", Heartbeat(3, 9, sequence, 0.16, frozenset())), now)
    return machine


def test_the_appointed_holds_without_a_write_from_the_grant_that_the_note_names() -> None:
    machine = appointed(1.0, 1.02)
    actions = machine.handle(Received("b", HandedOver(GIVEN, run=9, sequence=1)), 1.03)
    [acquired] = [a for a in actions if isinstance(a, Acquired)]
    assert (acquired.reason, acquired.previous) == ("handover", "b")
    assert writes(actions) == []
    until = machine.hold_until
    assert until is not None
    assert until < 1.0 + FAST.challenge


@pytest.mark.parametrize(
    ("sequence", "now"),
    [pytest.param(1, 1.06, id="old"), pytest.param(7, 1.01, id="of a grant that we do not know")],
)
def test_a_note_whose_age_is_not_sure_lets_the_appointed_write_at_once(
    sequence: int, now: float
) -> None:
    machine = appointed(1.0)
    actions = machine.handle(Received("b", HandedOver(GIVEN, run=9, sequence=sequence)), now)
    assert not machine.holding
    assert [write.record.holder for write in writes(actions)] == ["a"]


def test_without_the_note_the_appointed_waits_until_its_promises_have_run_out() -> None:
    machine = appointed(1.0)
    assert writes(machine.handle(Seen(GIVEN), 1.01)) == []
    assert writes(machine.handle(Tick(), 1.0 + FAST.grant)) == [], "a drift margin is kept"
    assert len(writes(machine.handle(Tick(), 1.0 + 1.02 * FAST.grant))) == 1


def test_a_note_about_a_register_that_was_challenged_since_gives_no_right_by_itself() -> None:
    machine = appointed(1.0)
    machine.handle(Seen(replace(GIVEN, version=7, challenger="c")), 1.01)
    actions = machine.handle(Received("b", HandedOver(GIVEN, run=9, sequence=1)), 1.02)
    assert not machine.holding
    [write] = writes(actions)
    assert (write.record.version, write.record.challenger) == (7, None)


def test_a_holder_that_must_go_waits_no_longer_than_a_heartbeat_for_a_silent_member() -> None:
    machine, _ = with_member()
    machine.handle(Tick(), 0.54)
    actions = machine.handle(Leave(), 0.545)
    assert writes(actions) == []
    [handover] = writes(machine.handle(Tick(), 0.545 + FAST.heartbeat))
    assert handover.record.holder == "b"


def test_a_holder_that_must_go_and_has_no_successor_first_proves_that_it_can_write() -> None:
    machine = holder()
    [proof] = writes(machine.handle(Leave(), 1.0))
    assert proof.record.holder == "a"
    assert machine.holding
    actions = machine.handle(Answered(proof.record.write, Outcome.CONFIRMED, 3), 1.01)
    released = next(i for i, each in enumerate(actions) if isinstance(each, Release))
    [left] = writes(actions)
    assert released < actions.index(left)
    assert (left.record.holder, left.record.given) == (None, True)


def test_an_unfit_holder_keeps_the_address_when_the_member_says_it_is_unfit_too() -> None:
    machine, _ = with_member()
    actions = machine.handle(HealthChanged(healthy=False), 0.54)
    machine.handle(Received("b", grant_of(actions, healthy=False)), 0.541)
    assert machine.holding
    assert writes(actions) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"grant": 0.1},
        {"challenge": 0.16},
        {"unmembered": 0.5},
        {"heartbeat": 0.0},
    ],
)
def test_durations_that_cannot_work_together_are_refused(wrong: dict[str, float]) -> None:
    values = {
        "heartbeat": 0.04, "grant": 0.16, "challenge": 0.1, "renew": 1.0, "unmembered": 5.0,
    }  # fmt: skip
    with pytest.raises(ValueError, match="must"):
        Timing(**(values | wrong))
