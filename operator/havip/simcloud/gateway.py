"""The front of the cloud: from a request to an answer, by way of everything that can refuse it.

In order: the log, the action table, the signature, the account's rights, the rate, an injected
fault, the ClientToken, the action itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from . import (
    eipbinding,
    eips,
    havips,
    instances,
    interfaces,
    membership,
    routelists,
    routes,
    sts,
    tags,
    vswitches,
)
from .accounts import check_rights
from .answers import Answer, Delivery, after_effect, before_effect, refusal, request_id, success
from .calls import Access, Action, Call
from .faults import CallLog, Fault, FaultKind, Faults, Record
from .history import History
from .model import Cloud
from .signature import Authenticator, Signed
from .throttle import Throttle
from .tokens import TokenStore
from .topology import Account
from .wire import ApiError, Parameters

FAMILIES = (
    *(havips, membership, vswitches, tags, instances, interfaces, sts),
    *(eips, eipbinding, routes, routelists),
)
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

    @cached_property
    def parameters(self) -> dict[str, str]:
        """All parameters, flat."""
        return dict((*self.signed.query, *self.form))


_NOBODY = Account(account_id="", access_key_id="", access_key_secret="")


class _CloudEndedError(Exception):
    """The cloud started anew while a call waited for its effect."""


class Gateway:
    """Answers requests from a Cloud.

    `clock` gives seconds since 1970. `changed` is called after each call that may have changed
    the cloud, before the answer leaves.
    """

    def __init__(
        self, cloud: Cloud, clock: Callable[[], float], changed: Callable[[], None]
    ) -> None:
        self.cloud = cloud
        self._clock = clock
        self._changed = changed
        self._begin()

    def _begin(self) -> None:
        self.faults = Faults()
        self.log = CallLog()
        self._authenticator = Authenticator(self.cloud.accounts)
        self._throttle = Throttle(self.cloud.profile.rates)
        self._tokens = TokenStore()
        self._history = History(self.cloud)
        self.cloud.before_change = self._history.before_change

    def reset(self, seed: int | None = None) -> None:
        """Start anew from the topology: calls, faults and tokens are forgotten as well.

        A call that still waits for its effect has none. With `seed`, chance starts anew too.
        """
        self.cloud.reset(seed)
        self._begin()
        self._changed()

    def inject(self, fault: Fault) -> None:
        """Let a fault wait for its calls from now on."""
        fault.since = self._clock()
        self.faults.waiting.append(fault)

    def settle(self) -> Cloud:
        """Give the cloud as it is now, with its rules in force."""
        self.cloud.settle(self._clock())
        self._changed()
        return self.cloud

    def touch(self) -> Cloud:
        """Give the cloud as it is now to somebody who changes it otherwise than by a call."""
        cloud = self.settle()
        cloud.before_change(self._clock())
        return cloud

    async def answer(self, request: Request) -> Answer:
        """Answer one request."""
        record = self.log.open(self._clock(), request.action, request.parameters)
        try:
            answer = await self._answer(request, record)
        except ApiError as error:
            record.code = error.code
            answer = refusal(error)
        except _CloudEndedError:
            answer = Answer(delivery=Delivery.CUT)
        record.status = answer.status if answer.arrives else None
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
        fault = self.faults.take(action.name, action.changes, self._clock())
        early = None if fault is None else before_effect(fault)
        if fault is not None and early is not None:
            record.code = fault.kind
            return early
        body = await self._perform(action, account, request, record, fault)
        if fault is None or fault.kind.spares_the_answer:
            return success(body)
        record.code = fault.kind
        return after_effect(fault, body)

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
            body = self._carry_out(action, account, parameters, record, fault)
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

    def _carry_out(
        self,
        action: Action,
        account: Account,
        parameters: dict[str, str],
        record: Record,
        fault: Fault | None,
    ) -> dict[str, Any]:
        now = self._clock()
        self.cloud.settle(now)
        cloud, hang = self.cloud, 0.0
        if fault is not None and fault.kind is FaultKind.HANG:
            hang = fault.seconds
        if fault is not None and fault.kind is FaultKind.STALE:
            cloud = self._history.view(now - fault.seconds)
        if action.changes:
            self._history.before_change(now)
        call = Call(cloud, account, Parameters(parameters), now, hang)
        try:
            body = action.handler(call)
        finally:
            record.effect = call.effect
            self._changed()
        return {**body, "RequestId": request_id()}

    async def _wait(self, fault: Fault | None) -> None:
        history = self._history
        seconds = self.cloud.draw(self.cloud.profile.answer)
        if fault is not None and fault.kind is FaultKind.LATENCY:
            seconds += fault.seconds
        if seconds > 0:
            await asyncio.sleep(seconds)
        if history is not self._history:
            raise _CloudEndedError
