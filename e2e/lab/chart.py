"""The operator's chart, as Helm renders it without a cluster.

python -m lab.chart         lint it and write its README.md anew
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from havip.api.names import DEFAULT_NAMESPACE
from lab.binaries import find_or_build_helm, find_or_build_helm_docs

CHART = Path(__file__).resolve().parent.parent.parent / "charts" / "havip-operator"
RELEASE = "havip"

# What says who may do what.
RIGHTS = (
    "templates/controller/rights.yaml",
    "templates/agent/rights.yaml",
    "templates/agent/admission.yaml",
)


class ChartError(Exception):
    """Helm refused; the text is what it said."""


def render(
    values: Mapping[str, Any] | None = None,
    *,
    only: Sequence[str] = (),
    apis: Sequence[str] = (),
) -> str:
    """Return the manifests for some values; `apis` are served besides those of Kubernetes.

    `only` names the templates to render, if not all. Raises ChartError with Helm's words.
    """
    options = [f"--show-only={template}" for template in only]
    options += [f"--api-versions={api}" for api in apis]
    done = helm(
        *("template", RELEASE, str(CHART), f"--namespace={DEFAULT_NAMESPACE}"),
        *("--values=-", *options),
        input=json.dumps(values or {}),
    )
    if done.returncode != 0:
        raise ChartError(done.stderr.strip())
    return done.stdout


def helm(
    *arguments: str, input: str | None = None, kubeconfig: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Helm; a failure is in the answer's return code and stderr."""
    # Without one it must not find the cluster of whoever runs this.
    reached = {"KUBECONFIG": str(kubeconfig or os.devnull)}
    return subprocess.run(
        [str(find_or_build_helm()), *arguments],
        env=os.environ | reached,
        input=input,
        capture_output=True,
        text=True,
        check=False,
    )


def main() -> int:
    """Lint, and write the README; return the exit status."""
    linted = helm("lint", "--strict", str(CHART))
    print((linted.stdout + linted.stderr).strip())
    if linted.returncode == 0:
        command = [str(find_or_build_helm_docs()), "--log-level=warning"]
        subprocess.run(command, cwd=CHART, check=True)
    return linted.returncode


if __name__ == "__main__":
    sys.exit(main())
