"""Watch a collection of Kubernetes: the registers, and the Services.

Not by kopf. It watches the whole cluster, and the right to read all Leases of a cluster is more
than we need. And until it has seen all there is, it keeps every object with a task that waits, and
each object that is read wakes all that wait: a cluster may have too many Services for that.

So this is a list and a watch of our own, in a thread, handed over to the event loop one by one. Of
what was handed over only its name is kept.
"""

import json
import logging
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import urllib3.exceptions
from kubernetes import client

from havip.controller.kube import Json, KubernetesError, request

log = logging.getLogger(__name__)

WATCH_SECONDS = 300
SILENCE_SECONDS = 75.0
"""A living watch brings a bookmark each minute."""
PAUSE_SECONDS = 1.0
LIST_SECONDS = 10.0
PAGE = 100
"""Objects per call of a list: so many are in memory at once."""
KEPT = ("name", "namespace", "uid", "labels")

Saw = Callable[[Json, bool], None]
"""Takes an object and whether it is gone; of one that is gone perhaps no more than what is kept."""


class Watch:
    """Follows what is at a path until stopped; ``labelled`` leaves out what has no such label."""

    def __init__(
        self,
        api: client.ApiClient,
        path: str,
        saw: Saw,
        synced: Callable[[], None],
        *,
        labelled: str = "",
    ) -> None:
        self._api = api
        self._path = path
        self._selector = {"labelSelector": labelled} if labelled else {}
        self._saw = saw
        self._synced = synced
        self._known: dict[tuple[str, str], Json] = {}
        """By namespace and name."""

    def run(self, stop: threading.Event) -> None:
        """List and watch, again and again. ``saw`` and ``synced`` are called in this thread."""
        while not stop.is_set():
            try:
                version = self._list()
                self._synced()
                while not stop.is_set():
                    for kind, found in self._watch(version):
                        version = found["metadata"]["resourceVersion"]
                        self._take(kind, found)
                        if stop.is_set():
                            return
            except (KubernetesError, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                log.info("The watch of %s broke: %s", self._path, error)
                stop.wait(PAUSE_SECONDS)

    def _list(self) -> str:
        there: set[tuple[str, str]] = set()
        page: dict[str, Any] = {"limit": PAGE}
        while True:
            answer = request(self._api, "GET", self._query(page), None, LIST_SECONDS)
            for each in answer["items"]:
                there.add(_key(each))
                self._take("ADDED", each)
            page["continue"] = answer["metadata"].get("continue")
            if not page["continue"]:
                break
        for key in self._known.keys() - there:
            self._take("DELETED", self._known[key])
        version: str = answer["metadata"]["resourceVersion"]
        return version

    def _take(self, kind: str, found: Json) -> None:
        if kind not in ("ADDED", "MODIFIED", "DELETED"):
            return
        key, meta = _key(found), found["metadata"]
        before = self._known.pop(key, None)
        if kind != "DELETED":
            if before is not None and before["metadata"]["uid"] != meta["uid"]:
                self._saw(before, True)
            self._known[key] = {"metadata": {each: meta[each] for each in KEPT if each in meta}}
        self._saw(found, kind == "DELETED")

    def _watch(self, version: str) -> Iterator[tuple[str, Json]]:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": WATCH_SECONDS,
        }
        parameters = self._api.param_serialize(
            "GET",
            self._query(query),
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

    def _query(self, query: dict[str, Any]) -> str:
        return f"{self._path}?{urllib.parse.urlencode(self._selector | query)}"


def _key(found: Json) -> tuple[str, str]:
    return found["metadata"].get("namespace", ""), found["metadata"]["name"]
