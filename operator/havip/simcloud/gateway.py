"""The front of the cloud: from a request to an answer, by way of everything that can refuse it.

In order: the log, the action table, the signature, the account's rights, the rate, an injected
fault, the ClientToken, the action itself.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import havips, instances, interfaces, membership, sts, tags, vswitches
from .accounts import check_rights
from .calls import Access, Action, Call
from .faults import CallLog, Fault, FaultKind, Faults, Record
from .model import Cloud
from .signature import Authenticator, Signed
from .throttle import Throttle, throttled
from .tokens import TokenStore
from .topology import Account
from .wire import ApiError, Parameters

FAMILIES = (havips, membership, vswitches, tags, instances, interfaces, sts)
"""The modules with the actions. A new family of resources is one more module here."""
TABLE: dict[tuple[str, str], Action] = {
    (action.version, action.name): action for module in FAMILIES for action in module.ACTIONS
}
"""All actions by API version and name."""


@dataclass(frozen=True)
class Request:
    """An HTTP request to the API. `form` holds parameters that came in a body."""

    signed: Signed
    form: tuple[tuple[str, str], ...] = ()

    @property
    def action(self) -> str:
        """The action's name: in a header, or in the query as older clients have it."""
        return self.signed.headers.get("x-acs-action", "") or self.parameters.get("Action", "")

    @property
    def version(self) -> str:
        """The API's version, which tells VPC from ECS."""
        return self.signed.headers.get("x-acs-version", "") or self.parameters.get("Version", "")

    @property
    def parameters(self) -> dict[str, str]:
        """All parameters, flat."""
        return dict((*self.signed.query, *self.form))


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, or a cut connection."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


_CUT = Answer(cut=True)
_NOBODY = Account(account_id="", access_key_id="", access_key_secret="")


class Gateway:
    """Answers requests from a Cloud.

    `clock` gives seconds since 1970. `changed` is called after each call that may have changed
    the cloud, before the answer leaves.
    """

    def __init__(
        self, cloud: Cloud, clock: Callable[[], float], changed: Callable[[], None]
    ) -> None:
        self.cloud = cloud
        self.faults = Faults()
        self.log = CallLog()
        self._clock = clock
        self._changed = changed
        self._authenticator = Authenticator(cloud.accounts)
        self._throttle = Throttle(cloud.profile.rates)
        self._tokens = TokenStore()

    def settle(self) -> Cloud:
        """Give the cloud as it is now, with its rules in force."""
        self.cloud.settle(self._clock())
        self._changed()
        return self.cloud

    async def answer(self, request: Request) -> Answer:
        """Answer one request."""
        record = self.log.open(self._clock(), request.action, request.parameters)
        try:
            answer = await self._answer(request, record)
        except ApiError as error:
            record.code = error.code
            answer = _refusal(error)
        record.status = None if answer.cut else answer.status
        return answer

    async def _answer(self, request: Request, record: Record) -> Answer:
        action = TABLE.get((request.version, request.action))
        if action is None:
            raise ApiError(
                404, "InvalidAction.NotFound", "Specified api is not found, please check your url."
            )
        account = _NOBODY
        if action.access is not Access.ANYBODY:
            account = self._authenticator.authenticate(request.signed, self._clock())
        if action.access is Access.GRANTED:
            check_rights(account, action)
        self._throttle.spend(account.account_id, action.name, action.changes, self._clock())
        fault = self.faults.take(action.name)
        early = _answer_without_effect(fault, record)
        if early is not None:
            return early
        body = await self._perform(action, account, request, record, fault)
        if fault is not None and fault.kind is FaultKind.DROP_AFTER:
            record.code = fault.kind
            return _CUT
        return _success(body, fault)

    async def _perform(
        self,
        action: Action,
        account: Account,
        request: Request,
        record: Record,
        fault: Fault | None,
    ) -> dict[str, Any]:
        parameters = request.parameters
        token = parameters.get("ClientToken", "") if action.tokens else ""
        if token:
            told = self._tokens.begin(account.account_id, token, {**parameters, "": action.name})
            if told is not None:
                return told
        try:
            await self._wait(fault)
            hang = fault.seconds if fault is not None and fault.kind is FaultKind.HANG else 0.0
            call = Call(self.cloud, account, Parameters(parameters), self._clock(), hang)
            self.cloud.settle(call.now)
            try:
                body = action.handler(call)
            finally:
                record.effect = call.effect
                self._changed()
            body["RequestId"] = _request_id()
        except ApiError as error:
            if token:
                self._tokens.finish(account.account_id, token, error)
            raise
        except BaseException:
            if token:
                self._tokens.abandon(account.account_id, token)
            raise
        if token:
            self._tokens.finish(account.account_id, token, body)
        return body

    async def _wait(self, fault: Fault | None) -> None:
        seconds = self.cloud.draw(self.cloud.profile.answer)
        if fault is not None and fault.kind is FaultKind.LATENCY:
            seconds += fault.seconds
        if seconds > 0:
            await asyncio.sleep(seconds)


def _answer_without_effect(fault: Fault | None, record: Record) -> Answer | None:
    """Give the answer of a fault that strikes before the call has any effect."""
    if fault is None:
        return None
    match fault.kind:
        case FaultKind.DROP_BEFORE:
            record.code = fault.kind
            return _CUT
        case FaultKind.ERROR_500:
            raise ApiError(500, "InternalError", "The request processing has failed.")
        case FaultKind.ERROR_503:
            raise ApiError(503, "ServiceUnavailable", "The request has failed; try again later.")
        case FaultKind.PROXY_503:
            record.code = fault.kind
            page = b"<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>"
            return Answer(503, page, "text/html")
        case FaultKind.THROTTLE:
            raise throttled(fault.seconds or None)
        case FaultKind.REFUSE:
            raise ApiError(400, fault.code, "The request is refused.")
    return None


def _success(body: dict[str, Any], fault: Fault | None) -> Answer:
    if fault is not None and fault.kind is FaultKind.MALFORMED:
        return Answer(body=json.dumps({"Result": "ok"}).encode())
    if fault is not None and fault.kind is FaultKind.GARBLED:
        return Answer(body=b'{"RequestId": "')
    if fault is not None and fault.kind is FaultKind.EMPTY:
        body = {name: _emptied(name, value) for name, value in body.items()}
    return Answer(body=json.dumps(body).encode())


def _emptied(name: str, value: object) -> object:
    if isinstance(value, dict):
        return {inner: [] for inner in value}
    return 0 if name == "TotalCount" else value


def _refusal(error: ApiError) -> Answer:
    body = {
        "RequestId": _request_id(),
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


def _request_id() -> str:
    return str(uuid.uuid4()).upper()
