"""Watch the registers: the Leases of HaVips in the release's namespace, and no others.

kopf watches the whole cluster; the right to read all Leases of a cluster is more than we need. So
this is a list and a watch of our own, in a thread, handed over to the event loop one by one.
"""

import json
import logging
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import urllib3.exceptions
from kubernetes import client

from havip.api.names import LABEL_UID
from havip.controller.kube import Json, KubernetesError, request

log = logging.getLogger(__name__)

WATCH_SECONDS = 300
SILENCE_SECONDS = 75.0
"""A living watch brings a bookmark each minute."""
PAUSE_SECONDS = 1.0
LIST_SECONDS = 10.0

Saw = Callable[[Json, bool], None]
"""Takes a Lease and whether it is gone."""


class LeaseWatch:
    """Follows the Leases until stopped."""

    def __init__(
        self, api: client.ApiClient, namespace: str, saw: Saw, synced: Callable[[], None]
    ) -> None:
        self._api = api
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._saw = saw
        self._synced = synced
        self._known: dict[str, Json] = {}

    def run(self, stop: threading.Event) -> None:
        """List and watch, again and again. ``saw`` and ``synced`` are called in this thread."""
        while not stop.is_set():
            try:
                version = self._list()
                self._synced()
                for kind, lease in self._watch(version):
                    self._take(kind, lease)
                    if stop.is_set():
                        return
            except (KubernetesError, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                log.info("The watch of the registers broke: %s", error)
                stop.wait(PAUSE_SECONDS)

    def _list(self) -> str:
        query = urllib.parse.urlencode({"labelSelector": LABEL_UID})
        answer = request(self._api, "GET", f"{self._path}?{query}", None, LIST_SECONDS)
        listed = {each["metadata"]["name"]: each for each in answer["items"]}
        for name in [each for each in self._known if each not in listed]:
            self._take("DELETED", self._known[name])
        for lease in listed.values():
            self._take("ADDED", lease)
        version: str = answer["metadata"]["resourceVersion"]
        return version

    def _take(self, kind: str, lease: Json) -> None:
        if kind == "DELETED":
            self._known.pop(lease["metadata"]["name"], None)
        elif kind in ("ADDED", "MODIFIED"):
            self._known[lease["metadata"]["name"]] = lease
        else:
            return
        self._saw(lease, kind == "DELETED")

    def _watch(self, version: str) -> Iterator[tuple[str, Json]]:
        query = urllib.parse.urlencode(
            {
                "labelSelector": LABEL_UID,
                "watch": "true",
                "allowWatchBookmarks": "true",
                "resourceVersion": version,
                "timeoutSeconds": WATCH_SECONDS,
            }
        )
        parameters = self._api.param_serialize(
            "GET",
            f"{self._path}?{query}",
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
        )
        answer = self._api.call_api(*parameters, _request_timeout=(3.0, SILENCE_SECONDS))
        stream: Any = answer.response
        try:
            if answer.status != 200:
                raise KubernetesError(f"watch: {answer.status}", answer.status)
            pending = b""
            for chunk in stream.stream(amt=None, decode_content=True):
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        # Mostly "too old resource version": the list starts it over.
                        raise KubernetesError(f"watch: {event['object']}", 410)
                    yield event["type"], event["object"]
        finally:
            stream.close()
