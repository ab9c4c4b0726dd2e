"""Install what `make demo`, `make test` and `make e2e` need on a machine with Python, make and git.

Standard library only, because it runs before there is a virtual environment. Each goal named on
the command line looks first whether it has been reached, so a second run takes no time.

    environment     .venv, as uv.lock says
    system          Debian packages: the network tools the lab drives
    controlplane    etcd and kube-apiserver
    helm            Helm, which renders the chart, whose rights the lab runs under
    images          what `make image` builds with
    cluster         what `make e2e` needs besides: the rest of Kubernetes and a container runtime
    kubeproxy       kube-proxy, for the tests of Services; no target of make asks for it
    prometheus      Prometheus and promtool, for the tests of metrics and alerts
    monitoring      CRDs of the Prometheus operator, which the chart's objects are tried against
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from lab import binaries, monitoring, prometheus
from lab.progress import step

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
BOOTSTRAP = ROOT / ".lab" / "bootstrap"
OLDEST_PYTHON = (3, 11)

# What a Debian package is needed for: a program's name, or a library's if it ends in a version.
DEBIAN_PACKAGES = {
    "nftables": "nft",
    "libnftables1": "libnftables.so.1",
    "iproute2": "ip",
    "util-linux": "setpriv",
    "curl": "curl",
}
IMAGE_PACKAGES = {"buildah": "buildah", "mmdebstrap": "mmdebstrap"}
CLUSTER_PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "containernetworking-plugins": "/usr/lib/cni/ptp",
    "busybox-static": "busybox",
}


class SetupError(Exception):
    """Something the user must do first; the text says what."""


def main(goals: Sequence[str]) -> int:
    """Reach the goals in the order given; return the exit status."""
    steps: dict[str, Callable[[], None]] = {
        "environment": make_environment,
        "system": install_system_packages,
        "controlplane": prepare_controlplane,
        "helm": prepare_helm,
        "images": install_image_tools,
        "cluster": prepare_cluster,
        "kubeproxy": prepare_kube_proxy,
        "prometheus": fetch_prometheus,
        "monitoring": fetch_monitoring_crds,
    }
    try:
        _require_python()
        for goal in goals:
            steps[goal]()
    except SetupError as trouble:
        print(f"\nset-up stopped: {trouble}", file=sys.stderr)
        return 1
    return 0


def _require_python() -> None:
    if sys.version_info < OLDEST_PYTHON:
        raise SetupError(
            f"Python {'.'.join(map(str, OLDEST_PYTHON))} or newer is needed and this is"
            f" {sys.version.split()[0]}: run `make PYTHON=/path/to/a/newer/python`"
        )


def make_environment() -> None:
    """Make .venv what uv.lock says, unless the stamp says it is."""
    stamp = ENVIRONMENT / ".set-up-from"
    wanted = _fingerprint(ROOT / "pyproject.toml", ROOT / "uv.lock")
    if stamp.exists() and stamp.read_text() == wanted:
        return
    installer = uv()
    with step("installing the Python packages into .venv", "about 1 min the first time"):
        _run(
            installer,
            "sync",
            "--quiet",
            "--locked",
            "--all-extras",
            "--group=dev",
            f"--python={sys.executable}",
        )
    stamp.write_text(wanted)


def install_system_packages() -> None:
    """Install the missing Debian packages when we are root; else say how."""
    _install("the network tools of the lab are", DEBIAN_PACKAGES)


def install_image_tools() -> None:
    """Install what builds images here: no test needs it, so neither does set-up for them."""
    _install("the tools that build images are", IMAGE_PACKAGES)


def prepare_cluster() -> None:
    """Have a container runtime, what builds images, and the programs that make a cluster."""
    _install("the container runtime and its tools are", IMAGE_PACKAGES | CLUSTER_PACKAGES)
    _have(partial(binaries.find_or_build, binaries.CLUSTER))
    prepare_helm()


def prepare_controlplane() -> None:
    """Have etcd and kube-apiserver, building them if need be."""
    _have(partial(binaries.find_or_build, binaries.API))


def prepare_helm() -> None:
    """Have Helm, building it if need be."""
    _have(binaries.find_or_build_helm)


def _install(what: str, packages: Mapping[str, str]) -> None:
    missing = [package for package, thing in packages.items() if not _is_there(thing)]
    if not missing:
        return
    command = f"apt-get install --yes --no-install-recommends {' '.join(missing)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SetupError(f"{what} missing. Run: sudo {command}")
    with step(f"installing {', '.join(missing)}", "under 1 min"):
        _apt("update", "--quiet")
        _apt(*command.split()[1:])


def prepare_kube_proxy() -> None:
    """Have kube-proxy, building it if need be."""
    _have(partial(binaries.find_or_build, binaries.KUBE_PROXY))


def _have(find_or_make: Callable[[], object]) -> None:
    # What makes it may want uv to fetch Go with, and the one of the bootstrap is not on PATH.
    os.environ["PATH"] = f"{BOOTSTRAP / 'bin'}:{os.environ.get('PATH', os.defpath)}"
    try:
        find_or_make()
    except binaries.BinariesMissingError as trouble:
        raise SetupError(str(trouble)) from trouble


def fetch_prometheus() -> None:
    """Have Prometheus and promtool, from Debian's package."""
    if prometheus.find("prometheus") and prometheus.find("promtool"):
        return
    if shutil.which("apt-get") is None:
        raise SetupError("Prometheus is missing: install it, promtool included, and put it on PATH")
    with step("fetching Prometheus", "under 1 min"):
        if os.geteuid() == 0:
            _apt("update", "--quiet")
        try:
            prometheus.unpack()
        except subprocess.CalledProcessError as trouble:
            raise SetupError(f"Prometheus cannot be fetched:\n{trouble.stderr}") from trouble


def fetch_monitoring_crds() -> None:
    """Have the Prometheus operator's CRDs, from its Go module."""
    _have(monitoring.crds)


def uv() -> str:
    """Return a uv: the installed one, else one from PyPI in a virtual environment of its own."""
    found = shutil.which("uv")
    # A shim of a version manager may be on PATH and still have nothing behind it.
    if (
        found
        and subprocess.run([found, "--version"], capture_output=True, check=False).returncode == 0
    ):
        return found
    own = BOOTSTRAP / "bin" / "uv"
    if not own.exists():
        with step("fetching uv, which installs the rest", "a few seconds"):
            _bootstrap_environment()
            _run(str(BOOTSTRAP / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv>=0.5")
    return str(own)


def _bootstrap_environment() -> None:
    command = [sys.executable, "-m", "venv", "--clear", str(BOOTSTRAP)]
    if subprocess.run(command, capture_output=True, check=False).returncode == 0:
        return
    # Debian ships Python without the part that makes virtual environments.
    package = f"python3.{sys.version_info.minor}-venv"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SetupError(
            f"this Python makes no virtual environment. Run: sudo apt-get install {package}"
        )
    _apt("update", "--quiet")
    _apt("install", "--yes", "--no-install-recommends", package)
    _run(*command)


def _is_there(thing: str) -> bool:
    if ".so." not in thing:
        # Tools of root live where the PATH of a user often does not look.
        return shutil.which(thing, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None
    try:
        ctypes.CDLL(thing)
    except OSError:
        return False
    return True


def _apt(*arguments: str) -> None:
    _run("apt-get", *arguments, environment={"DEBIAN_FRONTEND": "noninteractive"})


def _run(*command: str, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SetupError(f"`{' '.join(command)}` failed:\n{done.stdout[-4000:]}")


def _fingerprint(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
