"""`make lab` and `make lab-down`: a lab that stays up behind the prompt.

python -m lab.standing up      start it, say what to try, return
python -m lab.standing down    end it
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from lab.cluster import Lab, LabError
from lab.fleet import MANIFESTS, ROOT, ProgramEndedError
from lab.kubectl import ControlPlaneError, kubectl_program
from lab.network import NetworkError, enter
from lab.progress import step

FOLDER = ROOT / ".lab" / "standing"
PID_FILE = FOLDER / "pid"
READY_FILE = FOLDER / "ready"
LOG_FILE = FOLDER / "log"
START_SECONDS = 240
STOP_SECONDS = 30


def up() -> int:
    """Start the lab in a process of its own and return once it is ready."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    if _keeper() is not None:
        print("the lab is up already: `make lab-down` ends it\n")
        print(_instructions())
        return 0
    READY_FILE.unlink(missing_ok=True)
    with LOG_FILE.open("w") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "lab.standing", "keep"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    with step("starting the lab", "about 15 s"):
        deadline = time.monotonic() + START_SECONDS
        while not READY_FILE.exists() and keeper.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
    if not READY_FILE.exists():
        keeper.terminate()
        print(f"the lab did not come up:\n{LOG_FILE.read_text()}", file=sys.stderr)
        return 1
    print(_instructions())
    return 0


def keep() -> int:
    """Keep a lab up until SIGTERM; the process that `up` leaves behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    PID_FILE.write_text(str(os.getpid()))
    try:
        with Lab():
            READY_FILE.touch()
            signal.pause()
    except (LabError, ControlPlaneError, NetworkError, ProgramEndedError) as trouble:
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
    print("the lab is down; its logs are in .lab/run/logs")
    return 0


def _keeper() -> int | None:
    """Return the process id of the lab that is up, if it is indeed ours."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(PID_FILE.read_text())
        # The number may be another process's by now.
        if b"lab.standing\0keep" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    return None


def _instructions() -> str:
    client, node = " ".join(enter("client")), "node1"
    kubeconfig = ROOT / ".lab" / "run" / "controlplane" / "admin.kubeconfig"
    return f"""\
The lab is up: three nodes, a controller, a client and a simulated cloud.

  export KUBECONFIG={kubeconfig}
  alias kubectl={kubectl_program()}

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
    sys.exit({"up": up, "keep": keep, "down": down}[sys.argv[1]]())
