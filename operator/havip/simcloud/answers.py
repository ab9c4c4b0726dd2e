"""What leaves the gateway: bodies, refusals, and what injected faults make of both."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from .faults import Fault, FaultKind
from .throttle import throttled
from .wire import ApiError

Json = dict[str, Any] | list[Any] | str | int | float | None


class Delivery(Enum):
    """How an answer reaches the client."""

    WHOLE = auto()
    CUT = auto()
    """Not at all: the connection is closed."""
    RESET = auto()
    """Not at all: the connection is reset."""
    HELD = auto()
    """Not at all: nothing comes until the client goes."""
    TRUNCATED = auto()
    """The first half, under a Content-Length of the whole; then the connection is closed."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, or what is there instead of one."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.WHOLE

    @property
    def arrives(self) -> bool:
        """Whether the client gets the whole of it."""
        return self.delivery is Delivery.WHOLE


_INSTEAD_BEFORE = {
    FaultKind.DROP_BEFORE: Answer(delivery=Delivery.CUT),
    FaultKind.RESET_BEFORE: Answer(delivery=Delivery.RESET),
    FaultKind.TIMEOUT_BEFORE: Answer(delivery=Delivery.HELD),
    FaultKind.PROXY_503: Answer(
        503, b"<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>", "text/html"
    ),
}
_INSTEAD_AFTER = {
    FaultKind.DROP_AFTER: Answer(delivery=Delivery.CUT),
    FaultKind.RESET_AFTER: Answer(delivery=Delivery.RESET),
    FaultKind.TIMEOUT_AFTER: Answer(delivery=Delivery.HELD),
    FaultKind.MALFORMED: Answer(body=b'{"Result": "ok"}'),
    FaultKind.GARBLED: Answer(body=b'{"RequestId": "'),
    FaultKind.EMPTY_BODY: Answer(),
}


def ended() -> Answer:
    """Give what a call gets whose cloud is not there any more."""
    return Answer(delivery=Delivery.CUT)


def before_effect(fault: Fault) -> Answer | None:
    """Give the answer of a fault that strikes before the call has any effect, if it is one."""
    match fault.kind:
        case FaultKind.ERROR_500:
            raise _internal_error()
        case FaultKind.ERROR_503:
            raise ApiError(503, "ServiceUnavailable", "The request has failed; try again later.")
        case FaultKind.THROTTLE:
            raise throttled(fault.seconds or None)
        case FaultKind.REFUSE:
            raise ApiError(fault.status, fault.code, "The request is refused.")
    return _INSTEAD_BEFORE.get(fault.kind)


def after_effect(fault: Fault, body: dict[str, Any]) -> Answer:
    """Give the answer that a fault lets a call have that had its effect."""
    if fault.kind is FaultKind.ERROR_500_AFTER:
        raise _internal_error()
    if fault.kind is FaultKind.TRUNCATED:
        return Answer(body=json.dumps(body).encode(), delivery=Delivery.TRUNCATED)
    bend = _BENT.get(fault.kind)
    return _INSTEAD_AFTER.get(fault.kind) or success(bend(body) if bend else body)


def success(body: Json) -> Answer:
    """Give the answer to a call that went well."""
    return Answer(body=json.dumps(body).encode())


def refusal(error: ApiError) -> Answer:
    """Give the answer to a call that was refused."""
    body = {
        "RequestId": request_id(),
        "HostId": "vpc.simulated",
        "Code": error.code,
        "Message": error.message,
        "Recommend": f"https://api.aliyun.com/troubleshoot?q={error.code}&product=Vpc",
        **error.details,
    }
    headers = {}
    if error.retry_after is not None:
        headers["x-acs-retry-after"] = str(max(1, round(error.retry_after * 1000)))
    return Answer(error.status, json.dumps(body).encode(), headers=headers)


def request_id() -> str:
    """Make the id by which the cloud's support would find a call."""
    return str(uuid.uuid4()).upper()


def _internal_error() -> ApiError:
    return ApiError(500, "InternalError", "The request processing has failed.")


def _emptied(body: dict[str, Any]) -> Json:
    return {
        name: {inner: [] for inner in value} if isinstance(value, dict) else value
        for name, value in body.items()
    } | ({"TotalCount": 0} if "TotalCount" in body else {})


def _without_keys(value: Json) -> Json:
    """Leave out ids, statuses and counts, however deep."""
    if isinstance(value, dict):
        return {
            name: _without_keys(inner)
            for name, inner in value.items()
            if name == "RequestId" or not name.endswith(("Id", "Status", "Count"))
        }
    return [_without_keys(inner) for inner in value] if isinstance(value, list) else value


def _with_other_types(value: Json) -> Json:
    """Turn texts into numbers and numbers into texts, however deep."""
    if isinstance(value, dict):
        return {name: _with_other_types(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_other_types(inner) for inner in value]
    return len(value) if isinstance(value, str) else f"about {value}"


def _with_other_shapes(body: dict[str, Any]) -> Json:
    """Turn structures into lists, and single values into structures."""
    return {
        name: list(value) if isinstance(value, dict) else {"Value": value}
        for name, value in body.items()
    }


_BENT: dict[FaultKind, Callable[[dict[str, Any]], Json]] = {
    FaultKind.EMPTY: _emptied,
    FaultKind.MISSING_KEYS: _without_keys,
    FaultKind.WRONG_TYPES: _with_other_types,
    FaultKind.WRONG_SHAPES: _with_other_shapes,
}
