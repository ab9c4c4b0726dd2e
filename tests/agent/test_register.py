"""The register is a Lease: a write is confirmed, refused or unknown, and never two of these."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from havip.agent.kube import Changed, Deleted, Kube, Listed, NoAnswerError, RefusedError
from havip.agent.register import LeaseRegister, leases, to_lease, to_record
from havip.api import names
from havip.election.events import Answered, Outcome
from havip.election.record import Record
from lab.controlplane import ControlPlane

NAMESPACE = "default"
NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
FULL = Record(
    version=7,
    holder="node1",
    epoch=4,
    members=frozenset({"node3", "node2"}),
    challenger="node2",
    given=True,
    challenge=0.1,
    unmembered=5.0,
    grant=0.16,
    write="node1/1/9",
)
EMPTY_LEASE: dict[str, Any] = {
    "metadata": {
        "name": "havip-x",
        "labels": {names.LABEL_UID: "x"},
        "annotations": {"others.example": "kept"},
        "resourceVersion": "3",
    },
    "spec": {},
}


def wall_clock() -> datetime:
    return NOW


def test_a_lease_that_was_just_made_has_no_holder() -> None:
    assert to_record(EMPTY_LEASE) == Record(version=3)


@pytest.mark.parametrize(
    "record", [FULL, replace(FULL, holder=None, challenger=None, given=False, members=frozenset())]
)
def test_a_lease_says_what_the_record_says(record: Record) -> None:
    lease = to_lease(EMPTY_LEASE, record, NOW)
    assert to_record(lease) == record
    assert lease["metadata"]["labels"] == {names.LABEL_UID: "x"}
    assert lease["metadata"]["annotations"]["others.example"] == "kept"
    assert lease["spec"]["renewTime"] == "2026-01-02T03:04:05.000678Z"


def test_what_no_longer_holds_leaves_the_lease() -> None:
    full = to_lease(EMPTY_LEASE, FULL, NOW)
    cleared = to_lease(full, replace(FULL, holder=None, challenger=None, given=False), NOW)
    assert "holderIdentity" not in cleared["spec"]
    assert names.ANNOTATION_CHALLENGE not in cleared["metadata"]["annotations"]


# -- against a real API server --------------------------------------------------------------------


@pytest.fixture
async def kube(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kube]:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.admin_kubeconfig))
    connected = Kube.from_environment()
    yield connected
    await connected.close()


async def make(kube: Kube) -> str:
    uid = str(uuid4())
    metadata = {"name": names.lease_name(uid), "labels": {names.LABEL_UID: uid}}
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
    await kube.post(leases(NAMESPACE), body, 5)
    return uid


def register(kube: Kube, uid: str) -> LeaseRegister:
    return LeaseRegister(kube, NAMESPACE, uid, wall_clock)


@pytest.mark.apiserver
async def test_a_write_is_confirmed_with_its_version(kube: Kube) -> None:
    here = register(kube, await make(kube))
    first = await here.read(5)
    wish = replace(FULL, version=first.version)
    answer = await here.write(wish, 5)
    assert answer.outcome is Outcome.CONFIRMED
    assert await here.read(5) == replace(wish, version=answer.version)


@pytest.mark.apiserver
async def test_of_two_writes_against_one_version_one_is_refused(kube: Kube) -> None:
    uid = await make(kube)
    here, there = register(kube, uid), register(kube, uid)
    version = (await here.read(5)).version
    await there.read(5)
    answers = await asyncio.gather(
        here.write(replace(FULL, version=version, write="a"), 5),
        there.write(replace(FULL, version=version, write="b"), 5),
    )
    assert sorted(answer.outcome.value for answer in answers) == ["confirmed", "refused"]


@pytest.mark.apiserver
async def test_a_register_that_is_gone_refuses(kube: Kube) -> None:
    here = LeaseRegister(kube, NAMESPACE, "gone", wall_clock)
    with pytest.raises(RefusedError, match="404"):
        await here.read(5)
    here.saw(EMPTY_LEASE)
    assert (await here.write(FULL, 5)).outcome is Outcome.REFUSED


@pytest.mark.apiserver
async def test_a_watch_tells_what_there_is_and_every_change(kube: Kube) -> None:
    uid = await make(kube)
    here = register(kube, uid)
    changes = kube.follow(leases(NAMESPACE), f"{names.LABEL_UID}={uid}")
    async with asyncio.timeout(20), contextlib.aclosing(changes):
        listed = await anext(changes)
        assert isinstance(listed, Listed)
        (lease,) = listed.objects
        here.saw(lease)
        answer = await here.write(replace(FULL, version=to_record(lease).version), 5)
        changed = await anext(changes)
        assert isinstance(changed, Changed)
        assert to_record(changed.object) == replace(FULL, version=answer.version)
        path = f"{leases(NAMESPACE)}/{names.lease_name(uid)}"
        await kube._http.delete(path)
        assert isinstance(await anext(changes), Deleted)


# -- against servers that fail --------------------------------------------------------------------


@contextlib.asynccontextmanager
async def serving(answer: bytes | None) -> AsyncIterator[Kube]:
    """A server that gives every request the same answer, or (None) none at all."""
    held: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
        if answer is not None:
            writer.write(answer)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    http = httpx2.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False)
    try:
        yield Kube(http)
    finally:
        await http.aclose()
        for writer in held:
            writer.close()
        server.close()


def reply(status: str, body: object) -> bytes:
    data = json.dumps(body).encode()
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n"
    ).encode() + data


async def outcome(answer: bytes | None) -> Answered:
    async with serving(answer) as kube:
        here = LeaseRegister(kube, NAMESPACE, "x", wall_clock)
        here.saw(EMPTY_LEASE)
        return await here.write(FULL, 0.3)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        reply("200 OK", "no object"),
        reply("200 OK", {"metadata": {}}),
        reply("500 Internal Server Error", {"message": "etcd timed out"}),
        reply("503 Service Unavailable", {"message": "shutting down"}),
        reply("504 Gateway Timeout", {"message": "timeout"}),
        reply("408 Request Timeout", {"message": "timeout"}),
        reply("302 Found", {}),
    ],
)
async def test_anything_but_a_definite_no_may_have_been_stored(answer: bytes | None) -> None:
    assert (await outcome(answer)).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("status", ["409 Conflict", "403 Forbidden", "404 Not Found", "422 Bad"])
async def test_a_definite_no_is_a_refusal(status: str) -> None:
    answer = await outcome(reply(status, {"message": "the object has been modified"}))
    assert answer == Answered(FULL.write, Outcome.REFUSED)


async def test_nobody_listening_is_no_answer() -> None:
    async with httpx2.AsyncClient(base_url="http://127.0.0.1:1", trust_env=False) as http:
        with pytest.raises(NoAnswerError):
            await Kube(http).get("/anything", 1)


async def test_a_watch_lives_through_an_outage() -> None:
    """The first list fails; the next one, half a second later, is taken."""
    page = reply("200 OK", {"metadata": {"resourceVersion": "1"}, "items": []})
    answers = iter([b"", reply("500 Oops", {}), page])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(next(answers, b""))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server, httpx2.AsyncClient(base_url=f"http://{host}:{port}") as http:
        changes = Kube(http).follow("/things")
        async with asyncio.timeout(10), contextlib.aclosing(changes):
            assert await anext(changes) == Listed(())
