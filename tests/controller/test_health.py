"""The page that tells how the controller is."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from havip.controller.health import serve
from havip.controller.measures import HAVIPS, RECONCILES
from havip.metrics import Ledger, Reading, States


class Page:
    """A served page and the facts behind it."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {"healthy": True, "leading": False, "havips": 3}
        self.ledger = Ledger()
        states = States(lambda: [Reading(HAVIPS, (), self.facts["havips"])])
        self.server = serve("127.0.0.1:0", lambda: self.facts, states, self.ledger)

    def get(self, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.server.server_address[1]}{path}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture
def page() -> Iterator[Page]:
    served = Page()
    yield served
    served.server.shutdown()
    served.server.server_close()


def test_the_page_tells_facts(page: Page) -> None:
    status, body = page.get("/healthz")
    assert status == 200
    assert json.loads(body) == page.facts


def test_an_unhealthy_controller_is_answered_with_500(page: Page) -> None:
    page.facts = {"healthy": False}
    assert page.get("/healthz")[0] == 500


def test_metrics_tell_what_is_so_and_what_happened(page: Page) -> None:
    page.ledger.observe(RECONCILES, "ok", value=0.2)
    status, body = page.get("/metrics")
    assert status == 200
    assert "havip_havips 3.0" in body
    assert 'havip_reconcile_duration_seconds_count{result="ok"} 1.0' in body
    assert "process_resident_memory_bytes" in body


def test_nothing_else_is_there(page: Page) -> None:
    assert page.get("/secrets")[0] == 404
