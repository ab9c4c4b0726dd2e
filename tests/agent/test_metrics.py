"""The pages report facts."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import httpx2
import pytest

from havip.agent.announce import Announcer
from havip.agent.fence import CoarseFence
from havip.agent.metrics import Facts, Pages
from havip.agent.transport import Peers
from havip.election.wire import Drop, Opener, Sealer

KEY = b"k" * 32


@pytest.fixture
async def site() -> AsyncIterator[tuple[httpx2.AsyncClient, Peers]]:
    peers = Peers(Sealer("node1", 1, KEY), Opener("node1", [KEY]), lambda _, __: None)
    facts = Facts({}, peers, Announcer(), CoarseFence(time.monotonic), time.monotonic)
    server = await Pages(facts).open("127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server, httpx2.AsyncClient(base_url=f"http://{host}:{port}") as client:
        yield client, peers


async def test_the_page_of_facts_is_json(site: tuple[httpx2.AsyncClient, Peers]) -> None:
    client, peers = site
    peers.datagram_received(b"rubbish", ("127.0.0.1", 9))
    page = json.loads((await client.get("/healthz")).text)
    assert page == {"fence": "Coarse", "datagramsDropped": {"foreign": 1}, "havips": []}


async def test_metrics_count_what_was_dropped(site: tuple[httpx2.AsyncClient, Peers]) -> None:
    client, peers = site
    peers.datagram_received(b"rubbish", ("127.0.0.1", 9))
    text = (await client.get("/metrics")).text
    assert f'havip_datagrams_dropped_total{{reason="{Drop.FOREIGN}"}} 1.0' in text
    assert "havip_fence_exact 0.0" in text


async def test_any_other_path_says_which_there_are(site: tuple[httpx2.AsyncClient, Peers]) -> None:
    client, _ = site
    answer = await client.get("/")
    assert answer.status_code == 404
    assert "/metrics" in answer.text


async def test_a_client_that_says_nothing_or_nonsense_harms_nobody(
    site: tuple[httpx2.AsyncClient, Peers],
) -> None:
    client, _ = site
    url = client.base_url
    for said in (b"", b"\r\n\r\n", b"x" * 9000 + b"\r\n\r\n"):
        _, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(said)
        writer.close()
    assert (await client.get("/healthz")).status_code == 200
