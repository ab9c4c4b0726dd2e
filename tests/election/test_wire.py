"""What agents send each other arrives as it was said, or does not arrive at all."""

from __future__ import annotations

import hmac
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havip.election.messages import Farewell, Grant, HandedOver, Heartbeat, Message
from havip.election.record import Record
from havip.election.wire import (
    COMFORTABLE,
    MAX_DATAGRAM,
    Addressed,
    Datagram,
    Drop,
    Opener,
    Sealer,
)

KEY = b"k" * 32
OLD_KEY = b"o" * 32

numbers = st.integers(0, 2**64 - 1)
seconds = st.floats(0, 3600)
node_names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-.", min_size=1, max_size=63)
members = st.frozensets(node_names, max_size=10)
records = st.builds(
    Record,
    version=numbers,
    holder=st.none() | node_names,
    epoch=numbers,
    members=members,
    challenger=st.none() | node_names,
    given=st.booleans(),
    challenge=seconds,
    unmembered=seconds,
    grant=seconds,
    write=st.text(max_size=80),
)
messages = st.one_of(
    st.builds(Heartbeat, numbers, numbers, numbers, seconds, members),
    st.builds(Grant, numbers, numbers, numbers, st.booleans()),
    st.builds(HandedOver, records, numbers, numbers),
    st.builds(Farewell, numbers),
)
entries = st.lists(st.builds(Addressed, st.uuids().map(str), messages), max_size=30)


def sealer(sender: str = "node1", start: int = 1, key: bytes = KEY) -> Sealer:
    return Sealer(sender, start, key)


def opener(me: str = "node2", *keys: bytes) -> Opener:
    return Opener(me, keys or (KEY,))


def one(seal: Sealer, message: Message | None = None, to: str = "node2") -> bytes:
    (datagram,) = seal.seal(to, [Addressed("uid", message or Farewell(7))])
    return datagram


@given(entries)
def test_every_message_arrives_as_it_was_said(said: list[Addressed]) -> None:
    receive = opener()
    heard = [receive.open(datagram) for datagram in sealer().seal("node2", said)]
    assert [entry for one in heard if one is not None for entry in one.entries] == said
    assert None not in heard


def test_many_havips_share_a_datagram() -> None:
    beat = Heartbeat(3, 1, 9, 0.6, frozenset({"node2", "node3"}))
    said = [Addressed(f"12345678-1234-1234-1234-{n:012}", beat) for n in range(10)]
    assert len(sealer().seal("node2", said)) == 1


def test_what_does_not_fit_one_datagram_goes_in_several() -> None:
    said = [Addressed(f"uid-{n}", Farewell(n)) for n in range(500)]
    datagrams = sealer().seal("node2", said)
    assert len(datagrams) > 1
    assert all(len(datagram) <= COMFORTABLE for datagram in datagrams)


def test_nothing_to_say_is_no_datagram() -> None:
    assert sealer().seal("node2", []) == []


def test_a_greeting_says_who_sent_it_and_nothing_else() -> None:
    receive, greeting = opener(), sealer().greet("node2")
    heard = receive.open(greeting)
    assert heard is not None
    assert (heard.sender, heard.entries) == ("node1", ())
    assert receive.open(greeting) is None, "a recorded one is of no use"


def test_a_message_beyond_all_bounds_is_refused_where_it_is_made() -> None:
    record = Record(1, members=frozenset("m" * 250 + str(n) for n in range(100)))
    with pytest.raises(ValueError, match="does not fit"):
        one(sealer(), HandedOver(record, 1, 2))


def test_a_datagram_is_accepted_once() -> None:
    receive, datagram = opener(), one(sealer())
    assert receive.open(datagram) == Datagram(
        "node1", "node2", 1, 1, (Addressed("uid", Farewell(7)),)
    )
    assert receive.open(datagram) is None
    assert receive.dropped == {Drop.REPLAYED: 1}


def test_an_overtaken_datagram_is_refused() -> None:
    receive, seal = opener(), sealer()
    first, second = one(seal), one(seal)
    assert receive.open(second) is not None
    assert receive.open(first) is None
    assert receive.dropped == {Drop.REPLAYED: 1}


def test_a_new_life_of_the_sender_is_heard() -> None:
    receive, former = opener(), sealer(start=1)
    for _ in range(5):
        receive.open(one(former))
    assert receive.open(one(sealer(start=2))) is not None


def test_a_datagram_of_an_earlier_life_is_refused_even_if_it_was_never_seen() -> None:
    receive, former = opener(), sealer(start=1)
    receive.open(one(former))
    unseen = one(former)
    receive.open(one(sealer(start=2)))
    assert receive.open(unseen) is None
    assert receive.dropped == {Drop.REPLAYED: 1}


def test_senders_are_numbered_apart() -> None:
    receive = opener()
    assert receive.open(one(sealer("node1", start=9))) is not None
    assert receive.open(one(sealer("node3", start=1))) is not None


def test_a_datagram_for_another_node_is_refused() -> None:
    receive = opener("node3")
    assert receive.open(one(sealer(), to="node2")) is None
    assert receive.dropped == {Drop.FOREIGN: 1}


def test_our_own_datagram_sent_back_to_us_is_refused() -> None:
    receive = opener("node1")
    assert receive.open(one(sealer("node1"), to="node1")) is None
    assert receive.dropped == {Drop.FOREIGN: 1}


@pytest.mark.parametrize("data", [b"", b"x", b"GET / HTTP/1.1\r\n\r\n" * 10, bytes(100)])
def test_bytes_of_another_protocol_are_foreign(data: bytes) -> None:
    receive = opener()
    assert receive.open(data) is None
    assert receive.dropped == {Drop.FOREIGN: 1}


def test_an_oversized_datagram_is_not_read() -> None:
    receive = opener()
    assert receive.open(one(sealer()) + bytes(MAX_DATAGRAM)) is None
    assert receive.dropped == {Drop.OVERSIZED: 1}


def test_a_datagram_under_a_foreign_key_is_refused() -> None:
    receive = opener()
    assert receive.open(one(sealer(key=b"z" * 32))) is None
    assert receive.dropped == {Drop.UNSIGNED: 1}


@given(st.data())
def test_a_changed_bit_is_noticed(data: st.DataObject) -> None:
    receive, datagram = opener(), bytearray(one(sealer()))
    at = data.draw(st.integers(0, len(datagram) * 8 - 1))
    datagram[at // 8] ^= 1 << at % 8
    assert receive.open(bytes(datagram)) is None


@given(st.binary(max_size=200))
def test_signed_nonsense_is_dropped_and_raises_nothing(noise: bytes) -> None:
    body = b"HVP1" + noise
    receive = opener()
    assert receive.open(body + hmac.digest(KEY, body, "sha256")) is None
    assert receive.dropped.total() == 1


def test_a_duration_beyond_reason_is_malformed() -> None:
    receive = opener()
    assert receive.open(one(sealer(), Heartbeat(1, 1, 1, 1e9, frozenset()))) is None
    nan = replace(Record(1), grant=float("nan"))
    assert receive.open(one(sealer(), HandedOver(nan, 1, 2))) is None
    assert receive.dropped == {Drop.MALFORMED: 2}


def test_both_keys_are_accepted_during_a_rotation() -> None:
    receive = opener("node2", KEY, OLD_KEY)
    assert receive.open(one(sealer("node1", key=OLD_KEY))) is not None
    assert receive.open(one(sealer("node3", key=KEY))) is not None


def test_the_previous_key_ends_with_the_rotation() -> None:
    receive = opener("node2", KEY, OLD_KEY)
    receive.keys = (KEY,)
    assert receive.open(one(sealer(key=OLD_KEY))) is None
    assert receive.dropped == {Drop.UNSIGNED: 1}


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        Sealer("node1", 1, b"short")
    with pytest.raises(ValueError, match="at least 32 bytes"):
        Opener("node1", [b"short"])
