"""The rules of the chart, and the promtool that tries them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import prometheus

ROOT = Path(__file__).parent.parent.parent
FILES = ROOT / "charts" / "havip-operator" / "files"
RULES = FILES / "alerts.yaml"


@pytest.fixture(scope="session")
def promtool() -> Path:
    found = prometheus.find("promtool")
    assert found is not None, "there is no promtool: run `python3 e2e/setup.py prometheus`"
    return found


@pytest.fixture(scope="session")
def rules() -> dict[str, dict[str, Any]]:
    """The alerts, by name."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}
