"""The bytes that agents send each other: many HaVips in one datagram, signed, numbered, addressed.

::

    "HVP1"  sender  recipient  start:u64  sequence:u64  count:u16  entry * count  HMAC-SHA256

An entry is the HaVip's uid, the kind of message and its fields. Strings are UTF-8 behind a 16-bit
length; numbers are in network order. The signature covers all before it. A greeting has no entries.

``start`` numbers the lives of the sender and rises from one to the next, ``sequence`` rises with
each datagram of a life. So a recorded datagram is of no use a second time, nor (being addressed)
at another node: it keeps no dead holder alive.
"""

from __future__ import annotations

import hmac
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from havip.election.messages import Farewell, Grant, HandedOver, Heartbeat, Message
from havip.election.record import Record

MAGIC: Final = b"HVP1"
COMFORTABLE: Final = 1400
"""Bytes after which a further message goes into a datagram of its own, to spare fragments."""
MAX_DATAGRAM: Final = 8192
"""Bytes above which a datagram is dropped unread."""
MIN_KEY: Final = 32
_SIGNATURE: Final = 32

_HEAD: Final = struct.Struct("!QQH")
_HEARTBEAT: Final = struct.Struct("!QQQdH")
_GRANT: Final = struct.Struct("!QQQ?")
_GIVEN: Final = struct.Struct("!QQ")
_RECORD: Final = struct.Struct("!QQ?dddH")
_EPOCH: Final = struct.Struct("!Q")
_LENGTH: Final = struct.Struct("!H")


class Drop(StrEnum):
    """Why a datagram was not accepted."""

    OVERSIZED = "oversized"
    MALFORMED = "malformed"
    FOREIGN = "foreign"
    """Not of this protocol, or meant for another node."""
    UNSIGNED = "unsigned"
    REPLAYED = "replayed"


class _Kind:
    HEARTBEAT = 1
    GRANT = 2
    HANDED_OVER = 3
    FAREWELL = 4


@dataclass(frozen=True, slots=True)
class Addressed:
    """A message about one HaVip."""

    uid: str
    message: Message


@dataclass(frozen=True, slots=True)
class Datagram:
    """What an authentic datagram says."""

    sender: str
    recipient: str
    start: int
    sequence: int
    entries: tuple[Addressed, ...]


class Sealer:
    """Makes the datagrams of one life of one node.

    Args:
        sender: the name of this node.
        start: the number of this life; greater than that of every former one.
        key: the current key, at least 32 bytes. It may be replaced at any time.

    """

    def __init__(self, sender: str, start: int, key: bytes) -> None:
        self._sender = sender
        self._start = start
        self._sequence = 0
        self.key = checked_key(key)

    def seal(self, recipient: str, entries: Sequence[Addressed]) -> list[bytes]:
        """Return the datagrams, most often one, that carry the entries to ``recipient``.

        Raises:
            ValueError: a single message does not fit into a datagram.

        """
        head = MAGIC + _text(self._sender) + _text(recipient)
        room = COMFORTABLE - len(head) - _HEAD.size - _SIGNATURE
        batches: list[list[bytes]] = []
        filled = room
        for entry in entries:
            packed = _text(entry.uid) + _pack(entry.message)
            if filled + len(packed) > room:
                batches.append([])
                filled = 0
            batches[-1].append(packed)
            filled += len(packed)
        return [self._sign(head, batch) for batch in batches]

    def greet(self, recipient: str) -> bytes:
        """Return a datagram that says nothing but that it came from us to ``recipient``."""
        return self._sign(MAGIC + _text(self._sender) + _text(recipient), [])

    def _sign(self, head: bytes, batch: list[bytes]) -> bytes:
        self._sequence += 1
        body = head + _HEAD.pack(self._start, self._sequence, len(batch)) + b"".join(batch)
        if len(body) + _SIGNATURE > MAX_DATAGRAM:
            raise ValueError(f"a message of {len(body)} bytes does not fit into a datagram")
        return body + hmac.digest(self.key, body, "sha256")


class Opener:
    """Accepts what is authentic, meant for us and new; counts and drops the rest.

    Args:
        me: the name of this node.
        keys: the current key and, during a rotation, the previous one. They may be replaced at
            any time.

    """

    def __init__(self, me: str, keys: Sequence[bytes]) -> None:
        self._me = me
        self._newest: dict[str, tuple[int, int]] = {}
        self.keys = tuple(checked_key(key) for key in keys)
        self.dropped: Counter[Drop] = Counter()

    def open(self, data: bytes) -> Datagram | None:
        """Return what ``data`` says, or `None` when it was dropped."""
        opened = self._judge(data)
        if isinstance(opened, Drop):
            self.dropped[opened] += 1
            return None
        return opened

    def _judge(self, data: bytes) -> Datagram | Drop:
        if len(data) > MAX_DATAGRAM:
            return Drop.OVERSIZED
        if not data.startswith(MAGIC):
            return Drop.FOREIGN
        body, signature = data[:-_SIGNATURE], data[-_SIGNATURE:]
        if len(body) < len(MAGIC) + _HEAD.size:
            return Drop.MALFORMED
        if not any(
            hmac.compare_digest(hmac.digest(k, body, "sha256"), signature) for k in self.keys
        ):
            return Drop.UNSIGNED
        try:
            datagram = decode(body)
        except ValueError:
            return Drop.MALFORMED
        if datagram.recipient != self._me or datagram.sender == self._me:
            return Drop.FOREIGN
        # One pair is enough: a life that ended has a lower start than any that follows, so an
        # older life compares as a lower sequence does.
        number = (datagram.start, datagram.sequence)
        if number <= self._newest.get(datagram.sender, (0, 0)):
            return Drop.REPLAYED
        self._newest[datagram.sender] = number
        return datagram


def checked_key(key: bytes) -> bytes:
    """Return the key. Raises `ValueError` for one that is too short to be a secret."""
    if len(key) < MIN_KEY:
        raise ValueError(f"a key has at least {MIN_KEY} bytes, this one has {len(key)}")
    return key


def decode(body: bytes) -> Datagram:
    """Read what is before the signature. Raises `ValueError` for bytes that make no sense."""
    reader = _Reader(body, len(MAGIC))
    sender, recipient = reader.text(), reader.text()
    start, sequence, count = reader.take(_HEAD)
    entries = tuple(Addressed(reader.text(), _unpack(reader)) for _ in range(count))
    reader.end()
    return Datagram(sender, recipient, start, sequence, entries)


def _text(value: str) -> bytes:
    data = value.encode()
    if len(data) > 0xFFFF:
        raise ValueError("a name is too long")
    return _LENGTH.pack(len(data)) + data


def _pack(message: Message) -> bytes:
    match message:
        case Heartbeat(epoch, run, sequence, grant, healthy):
            numbers = _HEARTBEAT.pack(epoch, run, sequence, grant, len(healthy))
            return bytes([_Kind.HEARTBEAT]) + numbers + b"".join(map(_text, sorted(healthy)))
        case Grant(epoch, run, sequence, healthy):
            return bytes([_Kind.GRANT]) + _GRANT.pack(epoch, run, sequence, healthy)
        case HandedOver(record, run, sequence):
            numbers = _GIVEN.pack(run, sequence)
            return bytes([_Kind.HANDED_OVER]) + numbers + _pack_record(record)
        case Farewell(epoch):
            return bytes([_Kind.FAREWELL]) + _EPOCH.pack(epoch)


def _unpack(reader: _Reader) -> Message:
    match reader.byte():
        case _Kind.HEARTBEAT:
            epoch, run, sequence, grant, count = reader.take(_HEARTBEAT)
            return Heartbeat(epoch, run, sequence, reader.sane(grant), reader.texts(count))
        case _Kind.GRANT:
            return Grant(*reader.take(_GRANT))
        case _Kind.HANDED_OVER:
            run, sequence = reader.take(_GIVEN)
            return HandedOver(_unpack_record(reader), run, sequence)
        case _Kind.FAREWELL:
            return Farewell(*reader.take(_EPOCH))
        case kind:
            raise ValueError(f"unknown kind of message: {kind}")


def _pack_record(record: Record) -> bytes:
    numbers = _RECORD.pack(
        record.version,
        record.epoch,
        record.given,
        record.challenge,
        record.unmembered,
        record.grant,
        len(record.members),
    )
    # A node's name is never empty, so an empty one stands for nobody.
    names = (record.holder or "", record.challenger or "", record.write, *sorted(record.members))
    return numbers + b"".join(map(_text, names))


def _unpack_record(reader: _Reader) -> Record:
    version, epoch, given, challenge, unmembered, grant, count = reader.take(_RECORD)
    holder, challenger, write = reader.text(), reader.text(), reader.text()
    return Record(
        version=version,
        holder=holder or None,
        epoch=epoch,
        members=reader.texts(count),
        challenger=challenger or None,
        given=given,
        challenge=reader.sane(challenge),
        unmembered=reader.sane(unmembered),
        grant=reader.sane(grant),
        write=write,
    )


class _Reader:
    """Walks over bytes; raises `ValueError` where they end too early or make no sense."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def take(self, form: struct.Struct) -> tuple[Any, ...]:
        end = self._at + form.size
        if end > len(self._data):
            raise ValueError("the datagram ends within a field")
        values = form.unpack_from(self._data, self._at)
        self._at = end
        return values

    def byte(self) -> int:
        if self._at >= len(self._data):
            raise ValueError("the datagram ends before a message")
        self._at += 1
        return self._data[self._at - 1]

    def text(self) -> str:
        length: int = self.take(_LENGTH)[0]
        end = self._at + length
        if end > len(self._data):
            raise ValueError("the datagram ends within a name")
        value = self._data[self._at : end].decode()
        self._at = end
        return value

    def texts(self, count: int) -> frozenset[str]:
        return frozenset(self.text() for _ in range(count))

    def sane(self, seconds: float) -> float:
        if not 0 <= seconds <= 3600:
            raise ValueError("a duration is out of bounds")
        return seconds

    def end(self) -> None:
        if self._at != len(self._data):
            raise ValueError("bytes are left over")
