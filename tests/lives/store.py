"""What the API server stores, as far as the controller asks for it: a memory with versions."""

from __future__ import annotations

import asyncio
import itertools
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from havip.controller.kube import Json, Kube, KubernetesError

ANSWER_SECONDS = 0.004
"""To a call, and again from it."""
WATCH_SECONDS = 0.002
"""From a change to those who watch."""


def _copy(body: Json) -> Json:
    copied: Json = pickle.loads(pickle.dumps(body))
    return copied


Watch = Callable[[str, Json, bool], None]
"""Is told the path of an object, the object, and whether it is gone."""


class Store(Kube):
    """Objects by path. Everything above the request itself is the controller's own."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self._versions = itertools.count(1)
        self._watches: list[Watch] = []

    @contextmanager
    def watched(self, watch: Watch) -> Iterator[None]:
        """Tell somebody of all there is and of all changes, within the block."""
        for path, body in self.objects.items():
            watch(path, _copy(body), False)
        self._watches.append(watch)
        try:
            yield
        finally:
            self._watches.remove(watch)

    # -- what the user and the agents do

    def put(self, path: str, body: Json) -> None:
        """Store an object; another spec is another generation."""
        before = self.objects.get(path)
        metadata = {**body["metadata"], "resourceVersion": str(next(self._versions))}
        if before is None or before.get("spec") != body.get("spec"):
            metadata["generation"] = metadata.get("generation", 0) + 1
        self.objects[path] = {**body, "metadata": metadata}
        self._tell(path, self.objects[path], False)

    def end(self, path: str, now: float) -> None:
        """Have an object deleted, once nobody holds it back."""
        body = self.objects[path]
        if not body["metadata"].get("finalizers"):
            self._tell(path, self.objects.pop(path), True)
        elif not body["metadata"].get("deletionTimestamp"):
            date = datetime.fromtimestamp(now, UTC).isoformat()
            self.put(path, {**body, "metadata": {**body["metadata"], "deletionTimestamp": date}})

    # -- what the controller asks for

    async def _request(self, method: str, path: str, body: object = None) -> Json:
        await asyncio.sleep(ANSWER_SECONDS)
        answer = _copy(self._answer(method, path, body))
        await asyncio.sleep(ANSWER_SECONDS)
        return answer

    def _answer(self, method: str, path: str, body: Any) -> Json:
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            if path in self.objects:
                raise KubernetesError(f"{path} exists", 409)
            self.put(path, body)
            return self.objects[path]
        stored = path.removesuffix("/status")
        if stored not in self.objects:
            raise KubernetesError(f"there is no {stored}", 404)
        found = self.objects[stored]
        match method:
            case "PATCH":
                return self._patch(stored, found, body)
            case "PUT":
                if body["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
                    raise KubernetesError(f"{stored} changed", 409)
                self.put(stored, body)
            case "DELETE":
                self._tell(stored, self.objects.pop(stored), True)
        return self.objects.get(stored, found)

    def _patch(self, path: str, found: Json, operations: list[Json]) -> Json:
        patched = _copy(found)
        for each in operations:
            *way, last = each["path"].strip("/").split("/")
            place = patched
            for name in way:
                place = place[name]
            if each["op"] == "test" and place.get(last) != each["value"]:
                raise KubernetesError(f"{path} changed", 422)
            if each["op"] == "add":
                place[last] = _copy(each["value"])
        metadata = patched["metadata"]
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            self._tell(path, self.objects.pop(path), True)
            return patched
        self.put(path, patched)
        return self.objects[path]

    def _tell(self, path: str, body: Json, gone: bool) -> None:
        told = _copy(body)
        for watch in self._watches:
            asyncio.get_running_loop().call_later(WATCH_SECONDS, watch, path, told, gone)
