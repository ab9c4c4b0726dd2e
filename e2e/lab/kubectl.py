"""Access to a Kubernetes API as its users have it: kubectl, kubeconfigs, tokens, objects."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ADMIN = "admin"


class ControlPlaneError(Exception):
    """A program of the control plane, or a kubectl command, failed; the text says how."""


class KubernetesAccess:
    """What one does with an API server that is up."""

    def __init__(
        self,
        *,
        url: str,
        ca_file: Path,
        directory: Path,
        tokens: Mapping[str, str],
        enter: Sequence[str],
    ) -> None:
        """Reach the API at `url`, vouched for by `ca_file`.

        `tokens` has the users' bearer tokens, `admin` among them; kubeconfigs are written to
        `directory`; `enter` is put before kubectl.
        """
        self.url = url
        self.ca_file = ca_file
        self.directory = directory
        self._tokens = dict(tokens)
        self._enter = list(enter)

    @property
    def admin_kubeconfig(self) -> Path:
        """A kubeconfig that may do everything."""
        return self.kubeconfig(ADMIN)

    def kubeconfig(self, identity: str, *, node: str | None = None) -> Path:
        """Write a kubeconfig for a user, or for a ServiceAccount given as "namespace/name".

        The ServiceAccount must exist; its token is a bound one, good for a day. With `node` it is
        bound to that node, as the token of a pod that runs there.
        """
        suffix = f".{node}" if node else ""
        path = self.directory / f"{identity.replace('/', '.')}{suffix}.kubeconfig"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "lab",
            "clusters": [
                {
                    "name": "lab",
                    "cluster": {"server": self.url, "certificate-authority": str(self.ca_file)},
                }
            ],
            "users": [{"name": identity, "user": {"token": self.token(identity, node=node)}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": identity}}],
        }
        # JSON is YAML, and every reader of a kubeconfig reads YAML.
        write_private(path, json.dumps(config, indent=1))
        return path

    def token(self, identity: str, *, node: str | None = None) -> str:
        """Return the bearer token of a user, or of a ServiceAccount given as "namespace/name"."""
        namespace, slash, name = identity.partition("/")
        if not slash:
            return self._tokens[identity]
        bound = ("--bound-object-kind=Node", f"--bound-object-name={node}") if node else ()
        return self.kubectl(
            *("create", "token", name, "-n", namespace, "--duration=24h", *bound)
        ).strip()

    def kubectl(self, *arguments: str, input: str | None = None, user: str = ADMIN) -> str:
        """Run the real kubectl and return what it printed.

        Raises ControlPlaneError with kubectl's own words if it fails.
        """
        done = self.try_kubectl(*arguments, input=input, user=user)
        if done.returncode != 0:
            raise ControlPlaneError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def try_kubectl(
        self,
        *arguments: str,
        input: str | None = None,
        user: str = ADMIN,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl; a failure is in the answer's return code and stderr."""
        path = self.directory / f"{user.replace('/', '.')}.kubeconfig"
        if not path.exists():
            self.kubeconfig(user)
        return subprocess.run(
            [*self._enter, kubectl_program(), "--kubeconfig", str(path), *arguments],
            input=input,
            capture_output=True,
            text=True,
            check=False,
        )

    def apply(self, what: Path | str) -> str:
        """Apply a file or folder (a Path) or a manifest's own text (a str)."""
        if isinstance(what, Path):
            return self.kubectl("apply", "-f", str(what))
        return self.kubectl("apply", "-f", "-", input=what)

    def apply_crds(self, folder: Path) -> None:
        """Apply the CRDs of a folder and wait until the API serves them."""
        self.kubectl("apply", "--server-side", "-f", str(folder))
        self.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")

    def create_namespace(self, name: str) -> None:
        """Create a namespace; one that exists is left as it is."""
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.apply(json.dumps(manifest))

    def create_node(
        self,
        name: str,
        *,
        address: str | None = None,
        provider_id: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Create a Node that is Ready, as a kubelet would; `address` is its InternalIP."""
        manifest = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
                | dict(labels or {}),
            },
            "spec": {"providerID": provider_id} if provider_id else {},
        }
        status = {
            "addresses": [{"type": "InternalIP", "address": address}] if address else [],
            "conditions": [{"type": "Ready", "status": "True", "reason": "Lab", "message": "up"}],
        }
        self.apply(json.dumps(manifest))
        self.kubectl(
            "patch", "node", name, "--subresource=status", "-p", json.dumps({"status": status})
        )


def kubectl_program() -> str:
    """Return the kubectl of our virtual environment, else the one on PATH."""
    beside = Path(sys.executable).with_name("kubectl")
    found = str(beside) if beside.exists() else shutil.which("kubectl")
    if found is None:
        raise ControlPlaneError("there is no kubectl: run `uv sync --all-extras --group dev`")
    return found


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
