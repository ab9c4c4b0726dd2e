"""`havip simcloud` as a program."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from havip.api.errors import UserError
from havip.simcloud.client import ControlClient
from havip.simcloud.main import run
from havip.simcloud.topology import sample
from tests.simcloud.sdk import Sdk

ROOT = Path(__file__).parents[2]


def test_it_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    topology = tmp_path / "topology.json"
    topology.write_text(sample().to_json())
    program = subprocess.Popen(
        [
            *(sys.executable, "-m", "havip", "simcloud", "--listen", "127.0.0.1:0"),
            *("--topology", str(topology), "--profile", "instant"),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT / "operator")},
        stdout=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stdout is not None
        endpoint = program.stdout.readline().strip().rpartition("//")[2]
        assert ControlClient(endpoint).healthy()
        assert Sdk(endpoint).create().ip_address.startswith("10.77.0.")
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=10) == 0


def test_an_unknown_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="instant, lab, realistic"):
        run(listen="127.0.0.1:0", topology=tmp_path / "none.json", profile="cosy")


def test_a_missing_topology_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.json"):
        run(listen="127.0.0.1:0", topology=tmp_path / "none.json")


def test_a_bridge_that_is_not_there_is_told(tmp_path: Path) -> None:
    topology = tmp_path / "topology.json"
    topology.write_text(sample().to_json())
    with pytest.raises(UserError, match="cannot be served"):
        run(listen="127.0.0.1:0", topology=topology, bridge="no-such-bridge")
