"""The pages report facts, and count what happened."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
import pytest

from havip.agent.announce import Announcer
from havip.agent.fence import CoarseFence
from havip.agent.kube import Kube, NoAnswerError, RefusedError
from havip.agent.measures import ALL, OUTAGE, REGISTER_CALLS
from havip.agent.metrics import Facts, new_ledger
from havip.agent.pages import Pages
from havip.agent.transport import Peers
from havip.election.wire import Drop, Opener, Sealer
from havip.metrics import Ledger

KEY = b"k" * 32


@dataclass
class Site:
    """The pages of an agent without HaVips."""

    client: httpx2.AsyncClient
    peers: Peers
    ledger: Ledger

    async def metrics(self) -> str:
        return (await self.client.get("/metrics")).text


@asynccontextmanager
async def api_server(*answers: int | None) -> AsyncIterator[Kube]:
    """An API server that answers each call with a status in turn, or hangs up for None."""
    turns = iter(answers)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        status = next(turns)
        if status is not None:
            head = f"HTTP/1.1 {status} So\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + b"{}")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server, httpx2.AsyncClient(base_url=f"http://{host}:{port}") as client:
        yield Kube(client)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    peers = Peers(Sealer("node1", 1, KEY), Opener("node1", [KEY]), lambda _, __: None)
    clock = asyncio.get_running_loop().time
    ledger = new_ledger("node1")
    kube = Kube(httpx2.AsyncClient())
    fence = CoarseFence(time.monotonic)
    facts = Facts({}, peers, Announcer(), fence, kube, clock, "1.2.3")
    server = await Pages("node1", facts, ledger).open("127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server, httpx2.AsyncClient(base_url=f"http://{host}:{port}") as client:
        yield Site(client, peers, ledger)
    await kube.close()


async def test_the_page_of_facts_is_json(site: Site) -> None:
    site.peers.datagram_received(b"rubbish", ("127.0.0.1", 9))
    page = json.loads((await site.client.get("/healthz")).text)
    assert page == {"fence": "Coarse", "datagramsDropped": {"foreign": 1}, "havips": []}


async def test_metrics_count_what_was_dropped(site: Site) -> None:
    site.peers.datagram_received(b"rubbish", ("127.0.0.1", 9))
    text = await site.metrics()
    assert f'havip_datagrams_rejected_total{{node="node1",reason="{Drop.FOREIGN}"}} 1.0' in text
    assert f'havip_datagrams_rejected_total{{node="node1",reason="{Drop.UNSIGNED}"}} 0.0' in text
    assert 'havip_fence_exact{node="node1"} 0.0' in text


async def test_metrics_tell_the_build_and_what_the_process_takes(site: Site) -> None:
    text = await site.metrics()
    assert 'havip_agent_build_info{node="node1",version="1.2.3"} 1.0' in text
    assert "process_resident_memory_bytes" in text


async def test_what_was_counted_is_in_the_buckets_of_its_size(site: Site) -> None:
    site.ledger.observe(REGISTER_CALLS, "write", "confirmed", value=0.015)
    text = await site.metrics()
    for bound, count in (("0.01", 0.0), ("0.02", 1.0)):
        labels = f'action="write",le="{bound}",node="node1",result="confirmed"'
        assert f"{REGISTER_CALLS.name}_bucket{{{labels}}} {count}" in text


async def test_outages_are_there_before_the_first_so_that_a_rate_sees_it(site: Site) -> None:
    labels = 'node="node1",phase="announced",reason="crash"'
    assert f"{OUTAGE.name}_count{{{labels}}} 0.0" in await site.metrics()


async def test_every_metric_is_one_of_the_table(site: Site) -> None:
    told = re.findall(r"^# TYPE (havip_\w+) ", await site.metrics(), re.MULTILINE)
    assert told
    assert set(told) <= {measure.name for measure in ALL}


@pytest.mark.parametrize(("status", "error"), [(404, RefusedError), (500, NoAnswerError)])
async def test_an_api_server_that_says_anything_is_not_silent(
    status: int, error: type[Exception]
) -> None:
    async with api_server(status) as kube:
        with pytest.raises(error):
            await kube.get("/api", 1)
        assert kube.unanswered_since is None


async def test_silence_counts_from_the_first_call_without_an_answer_to_the_next_answer() -> None:
    async with api_server(None, None, 200) as kube:
        with pytest.raises(NoAnswerError):
            await kube.get("/api", 1)
        first = kube.unanswered_since
        with pytest.raises(NoAnswerError):
            await kube.get("/api", 1)
        assert first is not None
        assert kube.unanswered_since == first
        await kube.get("/api", 1)
        assert kube.unanswered_since is None
