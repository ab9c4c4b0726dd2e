"""The few calls to the Kubernetes API that kopf does not make for us.

Plain JSON in and out over the official client's connection and login; synchronous calls in a
thread pool of their own, each with a deadline.
"""

import asyncio
import functools
import json
import os
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import urllib3.exceptions
from kubernetes import client, config

from havip.api.errors import Unavailable
from havip.api.havip import HaVip
from havip.api.names import API_VERSION, HAVIP_PLURAL

Json = dict[str, Any]

TIMEOUT_SECONDS = 10.0
CONTENT_TYPES = {"PATCH": "application/json-patch+json"}


class KubernetesError(Unavailable):
    """The Kubernetes API refused or did not answer; ``status`` is 0 when there was no answer.

    ``causes`` are its words on each field that it objects to, as in ``spec.address``.
    """

    default_reason = "KubernetesUnavailable"

    def __init__(
        self, message: str, status: int = 0, causes: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, outcome_unknown=status == 0 or status >= 500)
        self.status = status
        self.causes = dict(causes or {})


def replacing(field: str, value: object, *, uid: str, version: str = "") -> list[Mapping[str, Any]]:
    """Return a patch that sets one field of the object with this uid, in this version if given.

    On any other it fails (422): the name may have been given to another object since.
    """
    operations = [{"op": "test", "path": "/metadata/uid", "value": uid}]
    if version:
        operations.append({"op": "test", "path": "/metadata/resourceVersion", "value": version})
    return [*operations, {"op": "add", "path": field, "value": value}]


def load_client() -> client.ApiClient:
    """Log in by the KUBECONFIG if there is one, else as the pod's service account."""
    settings = client.Configuration()
    kubeconfig = os.environ.get("KUBECONFIG")
    if kubeconfig:
        config.load_kube_config(config_file=kubeconfig, client_configuration=settings)  # type: ignore[no-untyped-call]
    else:
        config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
    settings.retries = False
    return client.ApiClient(configuration=settings)


class Kube:
    """Asynchronous face of the API server."""

    def __init__(self, api: client.ApiClient, threads: int = 8) -> None:
        self._api = api
        self._executor: Executor = ThreadPoolExecutor(threads, thread_name_prefix="kubernetes")

    async def get(self, path: str) -> Json | None:
        """Read an object, None if there is none."""
        try:
            return await self._request("GET", path)
        except KubernetesError as error:
            if error.status == 404:
                return None
            raise

    async def cluster_uid(self) -> str:
        """Return what tells this cluster from all others, for as long as it lives."""
        namespace = await self._request("GET", "/api/v1/namespaces/kube-system")
        uid: str = namespace["metadata"]["uid"]
        return uid

    async def create(self, path: str, body: Json) -> Json:
        """Create an object in the collection at ``path``."""
        return await self._request("POST", path, body)

    async def replace(self, path: str, body: Json) -> Json:
        """Replace an object, if its ``resourceVersion`` is still the one in ``body``."""
        return await self._request("PUT", path, body)

    async def delete(self, path: str, uid: str = "") -> None:
        """Delete an object; one that is gone counts as deleted.

        Where ``uid`` is given, another object of the same name is not touched (status 409).
        """
        body = {"preconditions": {"uid": uid}} if uid else None
        try:
            await self._request("DELETE", path, body)
        except KubernetesError as error:
            if error.status != 404:
                raise

    async def patch(self, path: str, operations: list[Mapping[str, Any]]) -> Json:
        """Apply a JSON patch."""
        return await self._request("PATCH", path, operations)

    async def _request(self, method: str, path: str, body: object = None) -> Json:
        call = functools.partial(request, self._api, method, path, body, TIMEOUT_SECONDS)
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)


def path_of(havip: HaVip) -> str:
    """Return the path of a HaVip."""
    meta = havip.metadata
    return f"/apis/{API_VERSION}/namespaces/{meta.namespace}/{HAVIP_PLURAL}/{meta.name}"


def request(api: client.ApiClient, method: str, path: str, body: object, timeout: float) -> Json:
    """Make one call and wait for its answer in this thread; raises ``KubernetesError``."""
    headers = {
        "Accept": "application/json",
        "Content-Type": CONTENT_TYPES.get(method, "application/json"),
    }
    try:
        parameters = api.param_serialize(
            method, path, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        response = api.call_api(*parameters, _request_timeout=(min(3.0, timeout), timeout))
        response.read()  # type: ignore[no-untyped-call]
    except urllib3.exceptions.HTTPError as error:
        raise KubernetesError(f"{method} {path}: no answer: {error}") from error
    if response.status >= 300:
        detail = (response.data or b"").decode(errors="replace")
        raise KubernetesError(
            f"{method} {path}: {response.status}: {detail[:500]}", response.status, _causes(detail)
        )
    answer: Json = json.loads(response.data or b"null")
    return answer


def _causes(answer: str) -> dict[str, str]:
    """Read which fields a refusal speaks of, and what it says of each."""
    try:
        details = json.loads(answer).get("details") or {}
        causes = details.get("causes") or []
        return {each.get("field", ""): each.get("message", "") for each in causes}
    except (ValueError, AttributeError):
        return {}
