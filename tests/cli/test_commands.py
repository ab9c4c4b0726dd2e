"""The command line: what it offers, and what it must not load."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from havip.api.errors import UserError
from havip.cli import app as cli
from havip.cli.app import app


def test_help_tells_the_commands() -> None:
    shown = CliRunner().invoke(app, ["--help"])

    assert shown.exit_code == 0
    for command in ("controller", "agent", "simcloud", "crds"):
        assert command in shown.output


def test_the_committed_crds_are_those_it_writes(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    written = CliRunner().invoke(app, ["crds", "--output", str(tmp_path)])

    assert written.exit_code == 0
    files = {file.name: file.read_text() for file in tmp_path.iterdir()}
    committed = {f.name: f.read_text() for f in (pytestconfig.rootpath / "crds").glob("*.yaml")}
    assert files == committed


def test_the_committed_reference_of_metrics_is_the_one_it_prints(
    pytestconfig: pytest.Config,
) -> None:
    printed = CliRunner().invoke(app, ["metrics"])

    assert printed.exit_code == 0
    assert printed.output == (pytestconfig.rootpath / "docs" / "metrics.md").read_text()


@pytest.mark.parametrize("module", ["kopf", "kubernetes", "alibabacloud_vpc20160428", "aiohttp"])
def test_the_command_line_itself_loads_no_heavy_library(module: str) -> None:
    question = f"import sys, havip.cli.app; sys.exit({module!r} in sys.modules)"

    assert subprocess.run([sys.executable, "-c", question], check=False).returncode == 0


def test_an_error_of_ours_ends_it_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise UserError("give it a key")

    monkeypatch.setattr(cli, "app", refuse)

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == 1
    assert capsys.readouterr().err == "havip: give it a key\n"
