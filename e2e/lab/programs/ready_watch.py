"""Asks a page again and again whether all is well, and writes down when that changes.

    ready_watch.py URL INTERVAL_MILLISECONDS

Writes `well TIME` at the first answer 200, `ill TIME` at the first other answer or none. Times are
seconds since the machine's boot, by which the kernel tells when a process began. The first line is
`ready`.
"""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request

ANSWER_SECONDS = 0.5


def is_well(url: str) -> bool:
    """Tell whether the page answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def watch(url: str, interval: float) -> None:
    """Ask until killed."""
    # No proxy of the surroundings has a say in what we ask on our own network.
    urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))
    state = ""
    print("ready", flush=True)
    while True:
        now = "well" if is_well(url) else "ill"
        if now != state:
            print(now, f"{time.clock_gettime(time.CLOCK_BOOTTIME):.3f}", flush=True)
            state = now
        time.sleep(interval)


if __name__ == "__main__":
    watch(sys.argv[1], float(sys.argv[2]) / 1000)
