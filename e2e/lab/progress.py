"""Long steps say that they go on and how long they took. Standard library only: set-up uses it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

REPEAT_WITHOUT_TERMINAL_SECONDS = 30


@contextmanager
def step(title: str, usual: str = "") -> Iterator[None]:
    """Show `title` with the elapsed seconds while the body runs, and the total when it ends.

    `usual` tells how long the step commonly takes, such as "about 6 min". A terminal sees one
    line that counts; a log file gets a line each half minute.
    """
    began = time.monotonic()
    ended = threading.Event()
    terminal = sys.stderr.isatty()
    hint = f" ({usual})" if usual else ""

    def say(state: str, end: str = "\n") -> None:
        start = "\r\033[K" if terminal else ""
        print(f"{start}  {title}{hint} {state}", end=end, file=sys.stderr, flush=True)

    def tick() -> None:
        while not ended.wait(1 if terminal else REPEAT_WITHOUT_TERMINAL_SECONDS):
            say(f"... {time.monotonic() - began:.0f} s", end="" if terminal else "\n")

    say("...", end="" if terminal else "\n")
    ticker = threading.Thread(target=tick, name="progress", daemon=True)
    ticker.start()
    outcome = "failed"
    try:
        yield
        outcome = "done"
    finally:
        ended.set()
        ticker.join()
        say(f"{outcome}, {time.monotonic() - began:.1f} s")
