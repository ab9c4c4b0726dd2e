"""`make lab`, `make cluster` and `make lab-down`: a lab that stays up behind the prompt.

python -m lab.standing lab        start one with the operator in it, say what to try, return
python -m lab.standing cluster    the same with kubelets, for whoever wants to install the operator
python -m lab.standing down       end it
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from lab import images
from lab.binaries import find_or_build_helm
from lab.cluster import Lab
from lab.fleet import MANIFESTS, ROOT
from lab.kubectl import kubectl_program
from lab.network import enter
from lab.progress import step
from lab.whole.cluster import TROUBLES, WholeCluster

FOLDER = ROOT / ".lab" / "standing"
PID_FILE = FOLDER / "pid"
READY_FILE = FOLDER / "ready"
LOG_FILE = FOLDER / "log"
START_SECONDS = 600
STOP_SECONDS = 60
KINDS = {"lab": "about 15 s", "cluster": "about 1 min, and 3 more where no image was built before"}


def up(kind: str) -> int:
    """Start a lab of this kind in a process of its own and return once it is ready."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    if _keeper() is not None:
        print(f"a lab is up already: `make lab-down` ends it\n\n{READY_FILE.read_text()}")
        return 0
    READY_FILE.unlink(missing_ok=True)
    with LOG_FILE.open("w") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "lab.standing", "keep", kind],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    with step(f"starting the {kind}", KINDS[kind]):
        deadline = time.monotonic() + START_SECONDS
        while not READY_FILE.exists() and keeper.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
    if not READY_FILE.exists():
        keeper.terminate()
        print(f"the {kind} did not come up:\n{LOG_FILE.read_text()}", file=sys.stderr)
        return 1
    print(READY_FILE.read_text())
    return 0


def keep(kind: str) -> int:
    """Keep a lab up until SIGTERM; the process that `up` leaves behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    PID_FILE.write_text(str(os.getpid()))
    try:
        if kind == "lab":
            with Lab() as lab:
                _say_ready(_told_of_lab(lab))
            return 0
        archives = [images.build(program) for program in images.PROGRAMS]
        with WholeCluster() as cluster:
            for archive in archives:
                cluster.load(archive)
            _say_ready(_told_of_cluster(cluster))
    except TROUBLES as trouble:
        print(trouble, file=sys.stderr)
        return 1
    finally:
        PID_FILE.unlink(missing_ok=True)
    return 0


def down() -> int:
    """End the lab that `up` started, and wait until nothing of it is left."""
    keeper = _keeper()
    if keeper is None:
        print("no lab is up")
        return 0
    os.kill(keeper, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _keeper() is not None:
        if time.monotonic() > deadline:
            print(f"the lab (process {keeper}) does not end", file=sys.stderr)
            return 1
        time.sleep(0.1)
    print("the lab is down; its logs are in .lab")
    return 0


def _keeper() -> int | None:
    """Return the process id of the lab that is up, if it is indeed ours."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(PID_FILE.read_text())
        # The number may be another process's by now.
        if b"lab.standing\0keep" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    return None


def _say_ready(told: str) -> None:
    """Let `up` print this and return; wait for the signal to end."""
    unfinished = READY_FILE.with_suffix(".new")
    unfinished.write_text(told)
    unfinished.rename(READY_FILE)
    signal.pause()


def _access(kubeconfig: Path) -> str:
    return f"""\
  export KUBECONFIG={kubeconfig}
  alias kubectl={kubectl_program()}"""


def _told_of_cluster(cluster: WholeCluster) -> str:
    manifests, client = MANIFESTS.relative_to(ROOT), " ".join(enter("client"))
    return f"""\
The cluster is up: three nodes with kubelets, a client and a simulated cloud. The operator is not
in it; its images are on the nodes.

{_access(cluster.plane.admin_kubeconfig)}
  alias helm={find_or_build_helm()}

docs/install.md goes on from here ("On the cluster of `make cluster`"). In short:

  helm install havip charts/havip-operator --namespace havip-system --create-namespace \\
    --values {manifests}/values.yaml
  kubectl apply -f {manifests}/class.yaml     a class `lab` for this cloud, and its key
  kubectl apply -f {manifests}/havip.yaml     a HaVip of that class
  {client} curl -s http://10.77.0.128/
                                                     asked by a client of the VPC: something must
                                                     listen on the nodes, as install.md says

Logs: .lab/cluster. `make lab-down` ends it."""


def _told_of_lab(lab: Lab) -> str:
    client, node = " ".join(enter("client")), "node1"
    return f"""\
The lab is up: three nodes, a controller, a client and a simulated cloud.

{_access(lab.plane.admin_kubeconfig)}

Things to try:

  kubectl apply -f {MANIFESTS.relative_to(ROOT)}/havip.yaml     a HaVip
  kubectl get hv -w                                  who holds it, as it changes
  kubectl get hvn                                    what each node says
  {client} curl -s http://10.77.0.x/
                                                     the address, asked by a client of the VPC
  ip -n havip-lab-fabric link set port-{node} down     a dead node (up: it is back)
  curl -s http://10.77.0.1:8100/_control/calls       what the cloud was asked
  kubectl delete hv web                              nothing is left in the cloud

Logs: .lab/run/logs. `make lab-down` ends it."""


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["keep", kind]:
            sys.exit(keep(kind))
        case ["down"]:
            sys.exit(down())
        case [kind]:
            sys.exit(up(kind))
