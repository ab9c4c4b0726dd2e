"""`make audit`: what the images are made of, and whether anything known is wrong with it.

For each image an SBOM (CycloneDX) of its Python packages, as uv.lock says, is written to
.lab/audit; then the packages are looked up in PyPI's database of advisories. Standard library only:
the tools come from PyPI, into environments of their own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from setup import ROOT, uv

FOLDER = ROOT / ".lab" / "audit"
# What the Dockerfile puts into each.
EXTRAS = {"agent": ("agent",), "controller": ("controller", "simcloud")}
SBOM_TOOL, AUDIT_TOOL = "cyclonedx-bom>=7,<8", "pip-audit>=2.9,<3"
FOUND = "Found "


def main() -> int:
    """Write the lists and look for advisories; return 0 only if the look gave none."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    worst = 0
    for image, extras in EXTRAS.items():
        requirements = FOLDER / f"{image}.txt"
        requirements.write_text(_locked(extras))
        sbom = FOLDER / f"{image}.cdx.json"
        _tool(SBOM_TOOL, "cyclonedx-py", "requirements", str(requirements), f"-o={sbom}")
        packages = requirements.read_text().count("==")
        print(f"{image}: {packages} packages, listed in {sbom.relative_to(ROOT)}")
        worst = max(worst, _look_up(requirements))
    return worst


def _locked(extras: tuple[str, ...]) -> str:
    wanted = [f"--extra={extra}" for extra in extras]
    command = ["export", "--quiet", "--locked", "--no-dev", "--no-emit-project", *wanted]
    return _run(uv(), *command).stdout


def _look_up(requirements: Path) -> int:
    options = ("--require-hashes", "--disable-pip", "--progress-spinner=off", f"-r={requirements}")
    try:
        done = _tool(AUDIT_TOOL, "pip-audit", *options)
    except subprocess.CalledProcessError as trouble:
        if FOUND in trouble.stderr:
            print(f"{trouble.stderr.strip()}\n{trouble.stdout.strip()}", file=sys.stderr)
            return 1
        print(
            "NOT AUDITED: the database of advisories did not answer, so nothing is known about"
            f" these packages. Try again with a network.\n{trouble.stderr.strip()[-300:]}",
            file=sys.stderr,
        )
        return 2
    print(done.stderr.strip())
    return 0


def _tool(package: str, *command: str) -> subprocess.CompletedProcess[str]:
    return _run(uv(), "tool", "run", "--quiet", "--from", package, *command)


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as trouble:
        sys.exit(f"`{' '.join(trouble.cmd)}` failed:\n{trouble.stderr.strip()[-2000:]}")
