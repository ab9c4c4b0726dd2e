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
    ERROR_500 = "error-500"
    """InternalError, without an effect."""
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
    HANG = "hang"
    """The status that the call starts lasts `seconds` longer."""
    REFUSE = "refuse"
    """A 400 with the error code `code`, without an effect."""
    EMPTY = "empty"
    """The call has its effect; the lists in its 200 are empty, as from a replica far behind."""


@dataclass
class Fault:
    """A fault for `count` calls of an action (`*`: of any), after letting `skip` calls pass."""

    action: str
    kind: FaultKind
    count: int = 1
    skip: int = 0
    seconds: float = 1.0
    code: str = "OperationConflict"


@dataclass
class Faults:
    """The faults waiting for their calls."""

    waiting: list[Fault] = field(default_factory=list)

    def take(self, action: str) -> Fault | None:
        """Give the fault that hits a call of an action, and count it."""
        for fault in self.waiting:
            if fault.action not in {"*", action}:
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
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
