"""A real Kubernetes API: etcd and kube-apiserver as plain processes, no Docker, no kubelet.

RBAC is on and ServiceAccounts get real bound tokens, so what works here works under the rights the
chart gives. There is no controller-manager: nothing collects garbage, and a namespace that is
deleted stays Terminating.

    with ControlPlane() as plane:
        plane.apply(Path("crds/"))
        print(plane.kubectl("get", "hv", "--all-namespaces"))
"""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from lab.binaries import API, find_or_build
from lab.kubectl import ADMIN, ControlPlaneError, KubernetesAccess, write_private

START_SECONDS = 60
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}

__all__ = ["ControlPlane", "ControlPlaneError"]


class ControlPlane(KubernetesAccess):
    """One etcd and one kube-apiserver for as long as the `with` block lasts."""

    def __init__(
        self,
        address: str = "127.0.0.1",
        *,
        port: int | None = None,
        directory: Path | None = None,
        enter: Sequence[str] = (),
        users: Mapping[str, Sequence[str]] | None = None,
        audit: bool = False,
    ) -> None:
        """Prepare; nothing runs yet.

        `address` must be reachable from this process. `port` is the API's, a free one if None.
        `directory` keeps data, logs and kubeconfigs; if None it is a temporary one.
        `enter` is put before each program, kubectl too, such as `nsenter --net=...`.
        `users` maps further user names to their groups; `admin` is always there.
        `audit` lets the API server write down each request, for `lab.audit` to read.
        """
        self._own_directory = directory is None
        directory = directory or Path(tempfile.mkdtemp(prefix="havip-controlplane-"))
        # A namespace of its own has all its ports free; only the shared one must be asked.
        self.port, self._etcd_port, self._peer_port = (
            (port or 6443, 2379, 2380) if enter else (port or _free_port(), *_two_free_ports())
        )
        self.address = address
        self._certificates = directory / "certificates"
        self._users = {ADMIN: ["system:masters"]} | {k: list(v) for k, v in (users or {}).items()}
        self._audit = audit
        self._processes: list[subprocess.Popen[bytes]] = []
        super().__init__(
            url=f"https://{address}:{self.port}",
            # The server signs its own certificate and puts it there.
            ca_file=self._certificates / "apiserver.crt",
            directory=directory,
            tokens={user: secrets.token_hex(16) for user in self._users},
            enter=enter,
        )

    # -- life

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start both programs and return when the API says it is ready.

        Raises ControlPlaneError with the end of the log if a program ends or never gets ready,
        lab.binaries.BinariesMissingError if the programs are not to be had.
        """
        programs = find_or_build(API)
        self.directory.mkdir(parents=True, exist_ok=True)
        self._write_credentials()
        try:
            self._spawn("etcd", [str(programs["etcd"]), *self._etcd_flags()])
            server = str(programs["kube-apiserver"])
            self._spawn("kube-apiserver", [server, *self._apiserver_flags()])
            self._wait_until_ready()
            self.create_namespace("havip-system")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End both programs; the directory goes too unless the caller named it."""
        # Nothing here outlives the lab, so there is nothing to save and no reason to wait.
        for process in reversed(self._processes):
            process.kill()
            process.wait()
        self._processes.clear()
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    # -- inside

    def _write_credentials(self) -> None:
        self._certificates.mkdir(exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        write_private(self.directory / "service-account.pem", pem.decode())
        lines = [
            f'{self._tokens[user]},{user},{user},"{",".join(groups)}"'
            for user, groups in self._users.items()
        ]
        write_private(self.directory / "tokens.csv", "\n".join(lines) + "\n")

    def _etcd_flags(self) -> list[str]:
        client = f"http://127.0.0.1:{self._etcd_port}"
        peer = f"http://127.0.0.1:{self._peer_port}"
        return [
            "--name=lab",
            f"--data-dir={self.directory / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=lab={peer}",
            # What is stored here need not survive a power cut, and disks of test machines are slow.
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def _apiserver_flags(self) -> list[str]:
        service_account_key = self.directory / "service-account.pem"
        return [
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--bind-address={self.address}",
            f"--advertise-address={self.address}",
            f"--secure-port={self.port}",
            f"--cert-dir={self._certificates}",
            f"--token-auth-file={self.directory / 'tokens.csv'}",
            *self._admission_flags(),
            *self._audit_flags(),
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={service_account_key}",
            f"--service-account-signing-key-file={service_account_key}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--endpoint-reconciler-type=none",
        ]

    def _audit_flags(self) -> list[str]:
        if not self._audit:
            return []
        policy = self.directory / "audit-policy.json"
        policy.write_text(json.dumps(AUDIT_POLICY))
        return [f"--audit-policy-file={policy}", f"--audit-log-path={self.audit_log}"]

    @property
    def audit_log(self) -> Path:
        """Where requests are written down, one JSON object on a line."""
        return self.directory / "audit.log"

    def _admission_flags(self) -> list[str]:
        return [
            "--authorization-mode=RBAC",
            # Nobody here makes each namespace's default ServiceAccount, which this would ask for.
            "--disable-admission-plugins=ServiceAccount",
        ]

    def _spawn(self, name: str, command: list[str]) -> None:
        with self.log_file(name).open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    # The kernel ends the program with us, however we end.
                    [*self._enter, "setpriv", "--pdeathsig", "KILL", "--", *command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C is for us: we end them in our own order.
                    start_new_session=True,
                )
            )

    def log_file(self, program: str) -> Path:
        """Return where "etcd", "kube-apiserver" or another program writes."""
        return self.directory / f"{program}.log"

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            for name, process in zip(("etcd", "kube-apiserver"), self._processes, strict=True):
                if process.poll() is not None:
                    raise ControlPlaneError(f"{name} ended:\n{self._end_of_log(name)}")
            if time.monotonic() > deadline:
                raise ControlPlaneError(
                    f"kube-apiserver was not ready within {START_SECONDS} s:\n"
                    + self._end_of_log("kube-apiserver")
                )
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        request = urllib.request.Request(
            f"{self.url}/readyz", headers={"Authorization": f"Bearer {self._tokens[ADMIN]}"}
        )
        try:
            trust = ssl.create_default_context(cafile=str(self.ca_file))
            # No proxy of the surroundings has a say in how we reach our own server.
            opener = urllib.request.build_opener(
                urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
            )
            with opener.open(request, timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def _end_of_log(self, program: str) -> str:
        return "\n".join(self.log_file(program).read_text(errors="replace").splitlines()[-15:])


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _two_free_ports() -> tuple[int, int]:
    return _free_port(), _free_port()
