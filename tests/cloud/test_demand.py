"""The SDK's models are loaded when they are asked for, and all of them can be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from alibabacloud_vpc20160428 import models

from havip.cloud.alibaba.demand import load_on_demand
from tests.controller.conftest import ROOT

COUNT = """
import sys
import havip.cloud.alibaba
print(sum(".models._" in each for each in sys.modules))
"""


def test_of_two_thousand_models_the_adapter_loads_those_that_it_sends() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", COUNT],
        env={**os.environ, "PYTHONPATH": str(ROOT / "operator")},
        check=True,
        capture_output=True,
        text=True,
    )
    assert 0 < int(loaded.stdout) < 50


def test_a_model_that_we_never_send_is_there_for_who_asks_for_it() -> None:
    assert models.DescribeZonesRequest(region_id="cn-one").to_map() == {"RegionId": "cn-one"}


def test_a_model_that_the_sdk_does_not_have_is_missed_as_in_any_module() -> None:
    with pytest.raises(AttributeError, match="no attribute 'CreateHaVipsRequest'"):
        models.CreateHaVipsRequest  # noqa: B018


def test_a_package_that_names_its_modules_in_another_way_is_imported_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "another_sdk"
    package.mkdir()
    (package / "__init__.py").write_text("from ._one import (\n    One,\n)\n")
    (package / "_one.py").write_text("class One: ...\n")
    monkeypatch.syspath_prepend(tmp_path)

    load_on_demand("another_sdk")

    assert "another_sdk" not in sys.modules
    import another_sdk  # type: ignore[import-not-found]  # noqa: PLC0415

    assert another_sdk.One.__name__ == "One"
