"""The Kubernetes API as the agent needs it: plain objects, a deadline for each call, watches.

lightkube finds the cluster, its certificates and the token (which it reads again when it was
rotated), and gives an HTTP client. Its typed resources are left aside: they would cost memory on
every node for fields that the agent does not read, and its watch waits for ever on a dead
connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from lightkube.config.client_adapter import ConnectionParams
from lightkube.config.kubeconfig import KubeConfig

from havip.agent.lean import without

# HTTP/2 would be 4 MiB, and is of no use for a few calls a second.
with without("h2"):
    importlib.import_module("httpcore2")

log = logging.getLogger(__name__)

Object = dict[str, Any]

WATCH_SECONDS: Final = 30
"""How long one watch request lasts. A dead connection is noticed soon after."""
_SILENCE: Final = WATCH_SECONDS + 5
_AGAIN: Final = 0.5
_GONE: Final = 410
_REQUEST_TIMEOUT: Final = 408
_CONNECT: Final = 5.0


class KubeError(Exception):
    """The API server did not do what was asked."""


class RefusedError(KubeError):
    """It said no, definitely (a 4xx): what was asked has not happened and will not."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class NoAnswerError(KubeError):
    """It gave no answer, or none that settles it: what was asked may have happened or may yet."""


@dataclass(frozen=True, slots=True)
class Listed:
    """All objects there are; whatever was known before is void."""

    objects: tuple[Object, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """An object was made or changed."""

    object: Object


@dataclass(frozen=True, slots=True)
class Deleted:
    """An object is gone; this was its last state."""

    object: Object


Change = Listed | Changed | Deleted


class Kube:
    """A connection to the API server."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        """Use an HTTP client that has the server's address, trust and credentials."""
        self._http = http
        self.unanswered_since: float | None = None
        """When the first of the calls was made in vain that no answer came after; seconds of the
        event loop's clock."""

    @classmethod
    def from_environment(cls) -> Kube:
        """Connect as $KUBECONFIG says, or as the pod's service account."""
        config = KubeConfig.from_env().get()
        if config is None:
            raise KubeError("the kubeconfig has no current context")
        parameters = ConnectionParams(trust_env=False).httpx_params(config)
        # Each watch keeps a connection. However many there are, a write of the election finds one.
        return cls(httpx2.AsyncClient(**parameters, limits=httpx2.Limits(max_connections=None)))

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def get(self, path: str, timeout: float) -> Object:
        """Read one object past every cache."""
        return await self._call("GET", path, None, timeout)

    async def put(self, path: str, body: Mapping[str, Any], timeout: float) -> Object:
        """Replace one object; the server refuses it when `resourceVersion` is not the newest."""
        return await self._call("PUT", path, body, timeout)

    async def post(self, path: str, body: Mapping[str, Any], timeout: float) -> Object:
        """Make one object."""
        return await self._call("POST", path, body, timeout)

    async def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None, timeout: float
    ) -> Object:
        # One deadline over everything, the wait for a connection included: a timeout per read
        # would let a slow server stretch a call without end.
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(timeout):
                response = await self._http.request(method, path, json=body, timeout=timeout)
        except (TimeoutError, httpx2.HTTPError, OSError) as error:
            if self.unanswered_since is None:
                self.unanswered_since = began
            raise NoAnswerError(f"{method} {path}: {error or type(error).__name__}") from error
        self.unanswered_since = None
        if response.is_client_error and response.status_code != _REQUEST_TIMEOUT:
            raise RefusedError(response.status_code, _message(response))
        if not response.is_success:
            raise NoAnswerError(f"{method} {path}: status {response.status_code}")
        try:
            answer = response.json()
        except ValueError as error:
            raise NoAnswerError(f"{method} {path}: the answer is no JSON") from error
        if not isinstance(answer, dict):
            raise NoAnswerError(f"{method} {path}: the answer is no object")
        return answer

    async def follow(self, path: str, selector: str = "") -> AsyncGenerator[Change, None]:
        """Yield all objects of a collection, then every change, for ever and through outages."""
        while True:
            try:
                listed = await self.get(_query(path, labelSelector=selector), 10)
                yield Listed(tuple(listed.get("items") or ()))
                version = str(listed["metadata"]["resourceVersion"])
                while True:
                    async with contextlib.aclosing(self._watch(path, selector, version)) as events:
                        async for event in events:
                            found: Object = event["object"]
                            version = found["metadata"]["resourceVersion"]
                            if event["type"] == "DELETED":
                                yield Deleted(found)
                            elif event["type"] != "BOOKMARK":
                                yield Changed(found)
            except _StaleError:
                continue
            except (KubeError, KeyError, ValueError) as error:
                log.warning("watch of %s: %s", path, error)
                await asyncio.sleep(_AGAIN)

    async def _watch(self, path: str, selector: str, version: str) -> AsyncGenerator[Object, None]:
        url = _query(
            path,
            labelSelector=selector,
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=version,
            timeoutSeconds=str(WATCH_SECONDS),
        )
        limits = httpx2.Timeout(_CONNECT, read=_SILENCE)
        try:
            async with self._http.stream("GET", url, timeout=limits) as response:
                if response.status_code == _GONE:
                    raise _StaleError
                if not response.is_success:
                    raise NoAnswerError(f"status {response.status_code}")
                async for line in response.aiter_lines():
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise _StaleError
                    yield event
        except (httpx2.HTTPError, OSError) as error:
            raise NoAnswerError(str(error) or type(error).__name__) from error


class _StaleError(Exception):
    """The server does not keep the version any more that the watch was to begin at."""


def _query(path: str, **parameters: str) -> str:
    given = {name: value for name, value in parameters.items() if value}
    return f"{path}?{httpx2.QueryParams(given)}" if given else path


def _message(response: httpx2.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200]
