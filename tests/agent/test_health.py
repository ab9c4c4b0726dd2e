"""A node is fit when all checks pass, and changes its mind only after a streak."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest

from havip.agent.endpoints import Endpoints
from havip.agent.health import CheckFailedError, Checks, Streak, execute, http, tcp
from havip.api.health import HealthCheck, HttpCheck, TcpCheck

from .conftest import eventually


class Web:
    """A server that answers each request with the status of the moment."""

    def __init__(self) -> None:
        self.status = "200 OK"
        self.port = 0
        self.requests: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append((await reader.readline()).decode().strip())
        writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    made = Web()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


def check(**kind: object) -> HealthCheck:
    return HealthCheck.from_json(
        {"name": "it", "intervalMillis": 100, "timeoutMillis": 100, "rise": 2, "fall": 3} | kind
    )


def test_the_first_result_counts_at_once() -> None:
    for passed in (True, False):
        streak = Streak(2, 3)
        assert streak.take(passed)
        assert streak.healthy is passed


def test_only_failures_in_a_row_make_unhealthy() -> None:
    streak = Streak(2, 3, healthy=True)
    assert [streak.take(passed) for passed in (False, False, True, False, False)] == [False] * 5
    assert streak.healthy
    assert streak.take(False)
    assert not streak.healthy


def test_only_successes_in_a_row_make_healthy_again() -> None:
    streak = Streak(2, 3, healthy=False)
    assert [streak.take(passed) for passed in (True, False, True, True)] == [False] * 3 + [True]


async def test_http_passes_from_200_to_399(web: Web) -> None:
    for web.status in ("200 OK", "204 No Content", "301 Moved"):
        await http(HttpCheck(port=web.port, path="/ready?now"))
    assert web.requests[0] == "GET /ready?now HTTP/1.1"
    for web.status in ("404 Not Found", "500 Oops"):
        with pytest.raises(CheckFailedError, match=r"status (404|500)"):
            await http(HttpCheck(port=web.port))


async def test_something_else_than_http_does_not_pass(web: Web) -> None:
    web.status = "not a number"
    with pytest.raises(CheckFailedError, match="not HTTP"):
        await http(HttpCheck(port=web.port))


async def test_tcp_passes_when_accepted(web: Web) -> None:
    await tcp(TcpCheck(port=web.port))


async def test_tcp_does_not_pass_when_refused() -> None:
    with pytest.raises(ConnectionRefusedError):
        await tcp(TcpCheck(port=1))


async def test_a_program_passes_by_its_status() -> None:
    await execute(["true"])
    with pytest.raises(CheckFailedError, match="false ended with status 1"):
        await execute(["false"])


async def test_a_program_that_hangs_is_killed_with_its_children() -> None:
    checks = Checks(
        [check(exec={"command": ["sh", "-c", "sleep 4242 & wait"]})], up, unasked, nothing
    )
    checks.start()
    await eventually(lambda: checks.results()[0].message == "no answer within 100 ms")
    checks.stop()
    assert not checks.healthy
    await eventually_no_process("sleep 4242")


async def eventually_no_process(command: str) -> None:
    async with asyncio.timeout(5):
        while True:
            found = await asyncio.create_subprocess_exec("pgrep", "-xf", command, stdout=-3)
            if await found.wait() != 0:
                return


async def test_a_node_without_checks_is_fit() -> None:
    assert Checks([], up, unasked, nothing).healthy


async def test_a_check_that_has_not_run_is_open() -> None:
    checks = Checks([check(interface={})], up, unasked, nothing)
    assert checks.healthy is None
    assert checks.results()[0].message == "not run yet"
    assert not checks.results()[0].healthy


async def test_a_service_that_fails_and_recovers_changes_the_sum(web: Web) -> None:
    seen: list[bool | None] = []
    checks = Checks(
        [check(http={"port": web.port})], up, unasked, lambda: seen.append(checks.healthy)
    )
    checks.start()
    await eventually(lambda: checks.healthy is True)
    web.status = "503 Away"
    await eventually(lambda: checks.healthy is False)
    assert checks.results()[0].message == "answered with status 503"
    web.status = "200 OK"
    await eventually(lambda: checks.healthy is True)
    checks.stop()
    assert [state for i, state in enumerate(seen) if i == 0 or seen[i - 1] != state] == [
        True,
        False,
        True,
    ]


async def test_an_interface_check_asks_for_the_link() -> None:
    checks = Checks(
        [check(interface={"name": "eth7"})], lambda name: name != "eth7", unasked, nothing
    )
    checks.start()
    await eventually(lambda: "eth7 is down" in checks.results()[0].message)
    checks.stop()


async def test_a_check_that_failed_is_enough_while_another_is_open() -> None:
    open_still = check(name="open", endpoints={"service": "web"})
    checks = Checks([open_still, check(tcp={"port": 1})], up, silent, nothing)
    checks.start()
    await eventually(lambda: checks.healthy is False)
    checks.stop()


async def test_a_check_of_endpoints_follows_each_change_whatever_its_rise_and_fall() -> None:
    told: asyncio.Queue[Endpoints] = asyncio.Queue()

    async def endpoints(service: str) -> AsyncIterator[Endpoints]:
        assert service == "web"
        while True:
            yield await told.get()

    checks = Checks([check(endpoints={"service": "web"}, rise=20, fall=20)], up, endpoints, nothing)
    checks.start()
    for found, healthy, message in (
        (Endpoints(here=True, elsewhere=False), True, "passed"),
        (
            Endpoints(here=False, elsewhere=True),
            False,
            "Service web has no ready endpoint on this node",
        ),
        (
            Endpoints(here=False, elsewhere=False),
            False,
            "Service web has no ready endpoint on this node, nor on any other",
        ),
        (Endpoints(here=True, elsewhere=True), True, "passed"),
    ):
        told.put_nowait(found)
        await eventually(partial(said, checks, message))
        assert checks.healthy is healthy
    checks.stop()


def local(web: Web) -> HealthCheck:
    return check(endpoints={"service": "web", "healthCheckNodePort": web.port})


async def test_an_endpoint_counts_once_the_nodes_kube_proxy_leads_to_it(web: Web) -> None:
    web.status = "503 Service Unavailable"
    checks = Checks([local(web)], up, always(Endpoints(here=True, elsewhere=False)), nothing)
    checks.start()
    await eventually(lambda: len(web.requests) > 1)
    assert checks.healthy is None
    web.status = "200 OK"
    await eventually(lambda: checks.healthy is True)
    assert set(web.requests) == {"GET /healthz HTTP/1.1"}
    checks.stop()


async def test_an_endpoint_counts_in_the_end_though_no_kube_proxy_says_so(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("havip.agent.health.PROXY_SECONDS", 0.1)
    web.status = "503 Service Unavailable"
    checks = Checks([local(web)], up, always(Endpoints(here=True, elsewhere=False)), nothing)
    checks.start()
    await eventually(lambda: checks.healthy is True)
    checks.stop()


async def test_an_endpoint_that_goes_while_kube_proxy_is_asked_does_not_count(web: Web) -> None:
    told: asyncio.Queue[Endpoints] = asyncio.Queue()

    async def endpoints(service: str) -> AsyncIterator[Endpoints]:
        while True:
            yield await told.get()

    web.status = "503 Service Unavailable"
    checks = Checks([local(web)], up, endpoints, nothing)
    checks.start()
    told.put_nowait(Endpoints(here=True, elsewhere=True))
    await eventually(lambda: len(web.requests) > 0)
    told.put_nowait(Endpoints(here=False, elsewhere=True))
    await eventually(lambda: checks.healthy is False)
    checks.stop()


def always(found: Endpoints) -> Callable[[str], AsyncIterator[Endpoints]]:
    async def endpoints(service: str) -> AsyncIterator[Endpoints]:
        yield found
        await asyncio.Event().wait()

    return endpoints


def said(checks: Checks, message: str) -> bool:
    return checks.results()[0].message == message


def up(name: str | None) -> bool:
    return True


def unasked(service: str) -> AsyncIterator[Endpoints]:
    raise AssertionError(f"nobody asked for the endpoints of {service}")


async def silent(service: str) -> AsyncIterator[Endpoints]:
    await asyncio.Event().wait()
    yield Endpoints(here=False, elsewhere=False)


def nothing() -> None:
    pass
