"""`make audit`: what the images are made of, and whether anything known is wrong with it.

For each image an SBOM (CycloneDX) of its Python packages, as uv.lock says, is written to
.lab/audit; then the packages are looked up in PyPI's database of advisories. Standard library only:
the tools come from PyPI, into environments of their own.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from setup import ROOT, uv

FOLDER = ROOT / ".lab" / "audit"
# What the Dockerfile puts into each, and the Python of its base.
EXTRAS = {"agent": ("agent",), "controller": ("controller", "simcloud")}
PYTHON = "3.11"
SBOM_TOOL, AUDIT_TOOL = "cyclonedx-bom>=7,<8", "pip-audit>=2.9,<3"
CLEAN, HOLES, NOT_AUDITED = 0, 1, 2


def main() -> int:
    """Write the lists and look for advisories; return 0 only if all was looked up and clean."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    worst = CLEAN
    for image, extras in EXTRAS.items():
        requirements = FOLDER / f"{image}.txt"
        requirements.write_text(_locked(extras))
        sbom = FOLDER / f"{image}.cdx.json"
        _tool(SBOM_TOOL, "cyclonedx-py", "requirements", str(requirements), f"-o={sbom}")
        packages = len(json.loads(sbom.read_text())["components"])
        print(f"{image}: {packages} packages, listed in {sbom.relative_to(ROOT)}")
        status, said = verdict(*_look_up(requirements))
        print(said)
        worst = max(worst, status)
    return worst


def verdict(report: str, complaint: str) -> tuple[int, str]:
    """Return the exit status, and what to say, for pip-audit's report in JSON and its stderr.

    pip-audit calls packages clean that it could not look up; here they are not.
    """
    packages = json.loads(report)["dependencies"] if report else []
    unknown = [each for each in packages if "skip_reason" in each]
    holes = [
        f"{each['name']} {each['version']}: {hole['id']},"
        f" mended in {' or '.join(hole['fix_versions']) or 'no version yet'}"
        for each in packages
        for hole in each.get("vulns", ())
    ]
    if not packages:
        return NOT_AUDITED, f"NOT AUDITED: pip-audit failed.\n{complaint.strip()[-300:]}"
    if unknown:
        missed = (
            f"NOT AUDITED: nothing is known about {len(unknown)} of {len(packages)} packages, since"
            " PyPI's database of advisories has no answer, or a mirror stands in its place that has"
            f" none. The first: {unknown[0]['skip_reason']}"
        )
        return NOT_AUDITED, "\n".join([*holes, missed])
    if holes:
        return HOLES, "\n".join(holes)
    return CLEAN, f"no known hole in any of {len(packages)} packages"


def _locked(extras: tuple[str, ...]) -> str:
    """Return the packages of an image as requirements, with the hashes that uv.lock has."""
    wanted = [f"--extra={extra}" for extra in extras]
    export = ["export", "--quiet", "--locked", "--no-dev", "--no-emit-project", *wanted]
    locked = _run(uv(), *export).stdout
    # The lock is of all systems; a marker is not for pip-audit to judge by the one it runs on.
    image = [f"--python-version={PYTHON}", "--python-platform=linux"]
    pick = ["pip", "compile", "--quiet", "--no-deps", "--no-header", "--no-annotate", *image, "-"]
    picked = _run(uv(), *pick, input=locked).stdout.split()
    blocks = [block.partition(" \\\n") for block in re.split(r"\n(?=\w)", locked)]
    hashes = {pin.split()[0]: rest for pin, _, rest in blocks}
    return "\n".join(f"{pin} \\\n{hashes[pin]}" for pin in picked)


def _look_up(requirements: Path) -> tuple[str, str]:
    options = ("--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json")
    try:
        done = _tool(AUDIT_TOOL, "pip-audit", *options, f"-r={requirements}")
    except subprocess.CalledProcessError as trouble:
        # It ends so where it finds holes, too.
        return trouble.stdout, trouble.stderr
    return done.stdout, done.stderr


def _tool(package: str, *command: str) -> subprocess.CompletedProcess[str]:
    return _run(uv(), "tool", "run", "--quiet", "--from", package, *command)


def _run(*command: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, input=input, capture_output=True, text=True, check=True
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as trouble:
        sys.exit(f"`{' '.join(trouble.cmd)}` failed:\n{trouble.stderr.strip()[-2000:]}")
