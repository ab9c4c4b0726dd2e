"""Prometheus and promtool, and a Prometheus that scrapes a lab.

Looked for on `PATH`, then in the cache. `python e2e/setup.py prometheus` puts Debian's package into
the cache, unpacked and not installed: installed, it would start a service.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab import binaries
from lab.network import FABRIC_ADDRESS
from lab.processes import Program

PACKAGE = "prometheus"
PORT = 9090
START_SECONDS = 20.0


class PrometheusError(Exception):
    """Prometheus is not here, does not start, or refuses a query; the text says which."""


@dataclass(frozen=True)
class Series:
    """One series of an answer."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]
    """Time and value."""


def cache_folder() -> Path:
    """Where the unpacked package is kept between runs and checkouts."""
    return binaries.cache_folder().with_name(PACKAGE)


def find(program: str) -> Path | None:
    """Return `prometheus` or `promtool` where there is one."""
    path = f"{os.environ.get('PATH', os.defpath)}:{cache_folder() / 'usr' / 'bin'}"
    found = shutil.which(program, path=path)
    return Path(found) if found else None


def unpack() -> None:
    """Fetch Debian's package and unpack it into the cache. Raises `CalledProcessError`."""
    with tempfile.TemporaryDirectory() as folder:
        _run("apt-get", "download", PACKAGE, cwd=folder)
        (archive,) = Path(folder).glob("*.deb")
        # Renamed only when whole, so that an interrupted fetch leaves nothing that looks complete.
        unfinished = cache_folder().with_name(f"{PACKAGE}.{os.getpid()}.unfinished")
        _run("dpkg-deb", "--extract", str(archive), str(unfinished), cwd=folder)
        unfinished.rename(cache_folder())


def _run(*command: str, cwd: str) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True)


class Prometheus:
    """A running one that scrapes each second and is asked over HTTP."""

    def __init__(self, directory: Path, machine: str, targets: Mapping[str, list[str]]) -> None:
        """Scrape the `targets` of each job from a machine of the lab; keep data in `directory`.

        Raises PrometheusError when it does not start.
        """
        program = find("prometheus")
        if program is None:
            raise PrometheusError("there is no Prometheus: run `python3 e2e/setup.py prometheus`")
        directory.mkdir(parents=True)
        config = directory / "prometheus.json"
        # JSON is YAML.
        config.write_text(json.dumps(_config(targets), indent=1))
        self._url = f"http://{FABRIC_ADDRESS}:{PORT}"
        command = [
            str(program),
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={FABRIC_ADDRESS}:{PORT}",
            "--log.level=warn",
        ]
        log = directory / "prometheus.log"
        self._program = Program("prometheus", command, machine=machine, log=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if not self._program.running or time.monotonic() > deadline:
                self._program.kill()
                raise PrometheusError(f"it does not start:\n{self._program.end_of_log()}")
            time.sleep(0.1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._program.kill()

    def query(self, expression: str, at: float) -> list[Series]:
        """Return the value of each series at a time (seconds since 1970)."""
        found = self._ask("query", query=expression, time=at)
        return [Series(each["metric"], _points([each["value"]])) for each in found]

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """Return the values of each series in steps from one time to another."""
        found = self._ask("query_range", query=expression, start=start, end=end, step=step)
        return [Series(each["metric"], _points(each["values"])) for each in found]

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=1):
                return True
        except OSError:
            return False

    def _ask(self, what: str, **parameters: object) -> list[dict[str, Any]]:
        url = f"{self._url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                result = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            with error:
                told = json.load(error)["error"]
            raise PrometheusError(f"{parameters['query']}: {told}") from error
        found: list[dict[str, Any]] = result
        return found


def _config(targets: Mapping[str, list[str]]) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [
            {
                "job_name": job,
                # Our `namespace` is the HaVip's.
                "honor_labels": True,
                "static_configs": [{"targets": addresses}],
            }
            for job, addresses in targets.items()
        ],
    }


def _points(values: list[list[Any]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(at), float(value)) for at, value in values)
