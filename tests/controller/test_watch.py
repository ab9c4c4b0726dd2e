"""What a watch of our own brings: all that is there, each change, and what went unseen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kubernetes import client

from havip.controller.kube import Json, request
from havip.controller.watch import PAGE, Watch

from .conftest import Cluster, eventually

pytestmark = pytest.mark.apiserver

PATH = "/api/v1/namespaces/default/configmaps"
LABEL = "watched"


class Follower:
    """Remembers by name, and which of two of a name it was, what a watch of it brought."""

    def __init__(self, api: client.ApiClient) -> None:
        self.there: dict[str, str] = {}
        self.told: list[tuple[str, bool]] = []
        self.synced = threading.Event()
        self._api = api
        self._watch = Watch(api, PATH, self._saw, self.synced.set, labelled=LABEL)

    def _saw(self, found: Json, gone: bool) -> None:
        name, uid = found["metadata"]["name"], found["metadata"]["uid"]
        self.told.append((name, gone))
        if gone:
            assert self.there.pop(name) == uid
        else:
            assert self.there.setdefault(name, uid) == uid

    @contextmanager
    def following(self) -> Iterator[None]:
        stop = threading.Event()
        self.synced.clear()
        thread = threading.Thread(target=self._watch.run, args=(stop,))
        thread.start()
        try:
            assert self.synced.wait(30)
            yield
        finally:
            stop.set()
            # It looks up from the stream at the next word.
            create(self._api, "last-word")
            thread.join(30)
            delete(self._api, "last-word")


def create(api: client.ApiClient, name: str, **labels: str) -> None:
    meta = {"name": name, "labels": {LABEL: "yes"} | labels}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}
    request(api, "POST", PATH, body, 10)


def delete(api: client.ApiClient, name: str) -> None:
    request(api, "DELETE", f"{PATH}/{name}", None, 10)


@pytest.fixture
def api(standing: Cluster) -> Iterator[client.ApiClient]:
    yield standing.api
    request(standing.api, "DELETE", f"{PATH}?labelSelector={LABEL}", None, 10)


def test_more_than_a_page_is_seen_whole(api: client.ApiClient) -> None:
    names = {f"c{number}" for number in range(PAGE + 5)}
    for name in names:
        create(api, name)
    seen = Follower(api)
    with seen.following():
        assert set(seen.there) == names


def test_what_comes_changes_and_goes_is_told_in_this_order(api: client.ApiClient) -> None:
    seen = Follower(api)
    with seen.following():
        create(api, "one")
        relabel = [{"op": "add", "path": "/metadata/labels/new", "value": "label"}]
        request(api, "PATCH", f"{PATH}/one", relabel, 10)
        delete(api, "one")
        eventually(lambda: len(seen.told) >= 3)
        assert seen.told == [("one", False), ("one", False), ("one", True)]


def test_what_went_while_nobody_watched_is_told_to_be_gone(api: client.ApiClient) -> None:
    for name in ("stays", "goes", "is-another"):
        create(api, name)
    seen = Follower(api)
    with seen.following():
        before = dict(seen.there)
    for name in ("goes", "is-another"):
        delete(api, name)
    create(api, "is-another")
    with seen.following():
        there = {name: uid for name, uid in seen.there.items() if name != "last-word"}
    assert set(there) == {"stays", "is-another"}
    assert there["is-another"] != before["is-another"]


def test_what_lacks_the_label_is_not_told_of(api: client.ApiClient) -> None:
    seen = Follower(api)
    with seen.following():
        request(
            api,
            "POST",
            PATH,
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "another"}},
            10,
        )
        create(api, "ours")
        eventually(lambda: seen.told)
        assert seen.told == [("ours", False)]
    delete(api, "another")
