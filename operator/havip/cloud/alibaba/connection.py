"""The way to the cloud: the SDK's clients, threads for them, limits, and refusals as our errors.

The SDK is called synchronously in a small thread pool: its coroutines build a TLS context per
call and block the event loop while credentials refresh. It retries nothing by itself, and so do
we not here: who knows the object decides about trying again.

Requests are the SDK's models, so that a misspelt parameter is an error. Answers are taken as the
JSON they are: the SDK would turn an unexpected one into a model full of None and empty lists.
"""

# ruff: noqa: ANN401 -- the SDK has no types; they begin where its answers become facts.

import asyncio
import logging
import time
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from alibabacloud_credentials.models import CredentialModel
from alibabacloud_ecs20140526.client import Client as EcsClient
from alibabacloud_tea_openapi.client import Client as AnyClient
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException, ThrottlingException
from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
from alibabacloud_tea_openapi.utils import Utils
from alibabacloud_vpc20160428.client import Client as VpcClient
from darabonba.exceptions import UnretryableException
from darabonba.runtime import RuntimeOptions

from havip.api.errors import BugError, CredentialsRefused, HaVipError, Unavailable
from havip.cloud.actions import ACTIONS, Action, Product
from havip.cloud.alibaba.answers import Part
from havip.cloud.call import Call, Observer, ignore
from havip.cloud.credentials import CredentialSource
from havip.cloud.faults import error_of
from havip.cloud.limiter import Buckets
from havip.cloud.refusal import Refusal

THROTTLED_SECONDS = 5.0
"""Pause of all calls of an action when the cloud throttles without saying for how long."""
VERSIONS = {Product.VPC: "2016-04-28", Product.ECS: "2014-05-26", Product.STS: "2015-04-01"}

# Importing the SDK hangs handlers on its loggers that print to stderr past our own format.
for _name in ("darabonba-core", "alibabacloud-tea", "credentials"):
    _logger = logging.getLogger(_name)
    _logger.handlers.clear()
    _logger.setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the cloud's API answers; empty means the public endpoint of the region."""

    vpc: str = ""
    ecs: str = ""
    protocol: str = "https"
    sts: str = ""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a call waits, in milliseconds."""

    connect_millis: int = 3_000
    read_millis: int = 10_000


class Connection:
    """One account in one region. The cloud counts calls per action, so each has its bucket."""

    def __init__(
        self,
        region: str,
        credentials: CredentialSource,
        executor: Executor,
        endpoints: Endpoints,
        buckets: Buckets,
        *,
        timeouts: Timeouts,
        observe: Observer = ignore,
    ) -> None:
        self.region = region
        self._observe = observe
        self._executor = executor
        self._buckets = buckets
        key = _Key(credentials)
        sts = endpoints.sts or f"sts.{region}.aliyuncs.com"

        def config(endpoint: str) -> Config:
            return _config(region, key, endpoint, endpoints.protocol, timeouts)

        self._clients = {
            Product.VPC: VpcClient(config(endpoints.vpc)),
            Product.ECS: EcsClient(config(endpoints.ecs)),
            Product.STS: AnyClient(config(sts)),
        }

    async def call(self, request: Any) -> Part:
        """Make the call that a request of the SDK stands for, and return the answer's body."""
        name = type(request).__name__.removesuffix("Request")
        action = ACTIONS.get(name)
        if action is None:
            raise BugError(f"{name} is not in the table of actions, so no policy would allow it.")
        try:
            return await self._send(action, request)
        except CredentialsRefused as error:
            if not error.code.startswith("InvalidSecurityToken"):
                raise
        # The token ended after it was given to us: ask for credentials anew, once.
        return await self._send(action, request)

    async def _send(self, action: Action, request: Any) -> Part:
        began = time.monotonic()
        await self._buckets.of(action.name).take()
        sent = time.monotonic()

        def tell(error: HaVipError | None) -> None:
            self._observe(Call(action.name, sent - began, time.monotonic() - sent, error))

        try:
            answer = await self._answer(action, request)
        except HaVipError as error:
            tell(error)
            raise
        tell(None)
        return answer

    async def _answer(self, action: Action, request: Any) -> Part:
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(self._executor, self._post, action, request)
        except AlibabaCloudException as error:
            refusal = _refusal(action, error)
            if "Throttling" in refusal.code:
                pause = refusal.retry_after or THROTTLED_SECONDS
                self._buckets.of(action.name).pause(pause)
            raise error_of(refusal, mutating=action.changes) from error
        except UnretryableException as error:
            if isinstance(error.inner_exception, HaVipError):
                # There were no credentials, so nothing was sent.
                raise error.inner_exception from None
            raise Unavailable(
                f"{action.name} got no answer that can be read: {error.inner_exception}",
                outcome_unknown=action.changes,
            ) from error
        except Exception as error:
            # The SDK lets many kinds of errors through when a body is not what it expects.
            raise Unavailable(
                f"{action.name} failed: {error!r}", outcome_unknown=action.changes
            ) from error
        body = Part(action, answer).part("body")
        body.text("RequestId")
        return body

    def _post(self, action: Action, request: Any) -> Any:
        return self._clients[action.product].call_api(
            Params(
                action=action.name,
                version=VERSIONS[action.product],
                protocol="HTTPS",
                pathname="/",
                method="POST",
                auth_type="AK",
                style="RPC",
                req_body_type="formData",
                body_type="json",
            ),
            OpenApiRequest(query=Utils.query(request.to_map())),
            RuntimeOptions(),
        )


class Family:
    """A family of calls over a connection, which all families of an account share."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._region = connection.region


class _Key:
    """What the SDK asks for a key, in the worker thread, before it signs a call."""

    def __init__(self, source: CredentialSource) -> None:
        self._source = source

    def get_credential(self) -> CredentialModel:
        key = self._source.current()
        return CredentialModel(
            access_key_id=key.access_key_id,
            access_key_secret=key.access_key_secret,
            security_token=key.security_token or None,
            type="sts" if key.security_token else "access_key",
        )


def _config(region: str, key: _Key, endpoint: str, protocol: str, timeouts: Timeouts) -> Config:
    return Config(
        region_id=region,
        credential=key,
        endpoint=endpoint or None,
        protocol=protocol,
        connect_timeout=timeouts.connect_millis,
        read_timeout=timeouts.read_millis,
        user_agent="havip-operator",
    )


def _refusal(action: Action, error: AlibabaCloudException) -> Refusal:
    code = str(error.code or "")
    millis = error.retry_after if isinstance(error, ThrottlingException) else None
    if millis is not None and "Throttling" not in code:
        code = f"Throttling.{code}"
    return Refusal(
        action=action.name,
        status=int(error.status_code or 400),
        code="no code" if code == "None" else code,
        message=_plain(str(error.message or ""), code),
        request_id=str(error.request_id or ""),
        retry_after=millis / 1000 if millis else None,
        permission=_denied(error) or action.permission,
    )


def _denied(error: AlibabaCloudException) -> str:
    """Return the RAM action that the cloud says is missing, which may be another than called."""
    detail = getattr(error, "access_denied_detail", None)
    denied = detail.get("AuthAction") if isinstance(detail, dict) else None
    return denied if isinstance(denied, str) else ""


def _plain(message: str, code: str) -> str:
    """Cut the code in front and the request id behind, which differs from try to try."""
    text = message.split(" request id:", maxsplit=1)[0]
    return text.removeprefix("code: ").removeprefix(code).lstrip(", :0123456789")
