"""Faults to inject into the next calls of an action, and the log of all calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class FaultKind(StrEnum):
    """What goes wrong."""

    LATENCY = "latency"
    """The call waits `seconds` before it has its effect."""
    DROP_BEFORE = "drop-before"
    """The connection is cut, and nothing has happened."""
    DROP_AFTER = "drop-after"
    """The call has its effect, then the connection is cut."""
    RESET_BEFORE = "reset-before"
    """The connection is reset (RST), and nothing has happened."""
    RESET_AFTER = "reset-after"
    """The call has its effect, then the connection is reset."""
    TIMEOUT_BEFORE = "timeout-before"
    """Nothing happens and no answer comes until the client gives up, or a minute has passed."""
    TIMEOUT_AFTER = "timeout-after"
    """The call has its effect, and no answer comes until the client gives up, or for a minute."""
    ERROR_500 = "error-500"
    """InternalError, without an effect."""
    ERROR_500_AFTER = "error-500-after"
    """The call has its effect, then InternalError."""
    ERROR_503 = "error-503"
    """ServiceUnavailable, without an effect."""
    PROXY_503 = "proxy-503"
    """A 503 page in HTML, as from a proxy on the way, without an effect."""
    THROTTLE = "throttle"
    """Throttling.User as a 400; `seconds` of 0 leaves out the header that says when to retry."""
    MALFORMED = "malformed"
    """The call has its effect; the 200 is JSON of another shape, which the SDK reads as empty."""
    GARBLED = "garbled"
    """The call has its effect; the 200 is no JSON."""
    EMPTY_BODY = "empty-body"
    """The call has its effect; the 200 has no body at all."""
    TRUNCATED = "truncated"
    """The call has its effect; of the 200 comes half of what its Content-Length promises."""
    MISSING_KEYS = "missing-keys"
    """The call has its effect; ids, statuses and counts are missing in the 200."""
    WRONG_TYPES = "wrong-types"
    """The call has its effect; in the 200, texts are numbers and numbers are texts."""
    WRONG_SHAPES = "wrong-shapes"
    """The call has its effect; in the 200, structures are lists and values are structures."""
    HANG = "hang"
    """The status that the call starts lasts `seconds` longer."""
    REFUSE = "refuse"
    """A refusal with the HTTP status `status` and the error code `code`, without an effect."""
    EMPTY = "empty"
    """The call has its effect; the lists in its 200 are empty, as from a replica far behind."""
    STALE = "stale"
    """A call that only reads is answered from the state of `seconds` ago; others are let be."""

    @property
    def spares_the_answer(self) -> bool:
        """Whether the answer is as if there were no fault."""
        return self in {FaultKind.LATENCY, FaultKind.HANG, FaultKind.STALE}


ANY = "*"
ANY_READ = "*read"
ANY_WRITE = "*write"


@dataclass
class Fault:
    """A fault for `count` calls of an action, after letting `skip` calls pass.

    The action may also be one of the patterns for any, any that only reads, and any that is meant
    to change something.
    """

    action: str
    kind: FaultKind
    count: int = 1
    skip: int = 0
    seconds: float = 1.0
    code: str = "OperationConflict"
    status: int = 400
    lasts: float | None = None
    """Seconds for which the fault strikes every call, in place of `count`; 0 is until cleared."""
    since: float = 0.0
    """When it was injected, in seconds since 1970."""

    def strikes(self, action: str, changes: bool) -> bool:
        """Tell whether it is meant for a call of an action."""
        if self.kind is FaultKind.STALE and changes:
            return False
        return self.action in {ANY, action, ANY_WRITE if changes else ANY_READ}

    def over(self, now: float) -> bool:
        """Tell whether its time has passed."""
        return bool(self.lasts) and now >= self.since + (self.lasts or 0.0)


@dataclass
class Faults:
    """The faults waiting for their calls."""

    waiting: list[Fault] = field(default_factory=list)

    def take(self, action: str, changes: bool, now: float) -> Fault | None:
        """Give the fault that hits a call of an action, and count it."""
        for fault in [*self.waiting]:
            if fault.over(now):
                self.waiting.remove(fault)
                continue
            if not fault.strikes(action, changes):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.lasts is None:
                fault.count -= 1
                if fault.count <= 0:
                    self.waiting.remove(fault)
            return fault
        return None


@dataclass
class Record:
    """One call as it was received and answered."""

    number: int
    at: float
    """Seconds since 1970."""
    action: str
    parameters: dict[str, str]
    status: int | None = None
    """HTTP status; none while the call runs, and where the connection was cut."""
    code: str = ""
    """The error code, or the kind of fault that ate the answer."""
    effect: bool = False
    """Whether the call changed anything in the cloud."""


@dataclass
class CallLog:
    """All calls since the start or the last `clear`; numbers go on."""

    records: list[Record] = field(default_factory=list)
    _number: int = 0

    def open(self, at: float, action: str, parameters: dict[str, str]) -> Record:
        """Note a call that came in; its answer is filled in later."""
        self._number += 1
        record = Record(self._number, at, action, parameters)
        self.records.append(record)
        return record

    def clear(self) -> None:
        """Forget the calls so far."""
        self.records.clear()

    def to_json(self) -> Iterator[dict[str, Any]]:
        """Give the calls as the control endpoint answers them."""
        return (asdict(record) for record in self.records)
