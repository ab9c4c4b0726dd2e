"""The first process of a node: starts containerd and kubelet, and reaps whom nobody else does.

    node_init.py STATE_DIRECTORY CONTAINERD_CONFIG KUBELET KUBELET_FLAG...

Runs in PID and mount namespaces of the node's own, so that all of the node ends with it: every
container, and every mount. What programs commonly keep under /run, /var/lib and /var/log is the
node's own there, in STATE_DIRECTORY; the rest of the file system is the machine's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

SOCKET = Path("/run/containerd/containerd.sock")
SOCKET_SECONDS = 60
RESTART_SECONDS = 1.0

# What a kubelet sets on its machine, to these values. This machine is not only the node's.
TUNABLES = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def mount(*arguments: str) -> None:
    """Mount something, or end."""
    subprocess.run(["mount", *arguments], check=True)


def furnish(state: Path) -> None:
    """Give the node directories of its own, and values that it may change."""
    for place in ("/var/lib", "/var/log"):
        own = state / place.strip("/").replace("/", "-")
        own.mkdir(parents=True, exist_ok=True)
        mount("--bind", str(own), place)
    # Values first: once /run is ours, they lie where nobody else writes.
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    Path("/run/sysctl").mkdir()
    for name, value in TUNABLES.items():
        own = Path("/run/sysctl", name.replace("/", "."))
        own.write_text(value + "\n")
        mount("--bind", str(own), f"/proc/sys/{name}")


def spawn(log: Path, *command: str) -> int:
    """Start a program that writes to a log; return its process id."""
    with log.open("ab") as file:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        ).pid


def main(state: Path, config: str, kubelet: list[str]) -> int:
    """Keep the node up until containerd ends or we are killed; a kubelet that ends comes back."""
    furnish(state)
    runtime = spawn(state / "containerd.log", "containerd", "--config", config)
    deadline = time.monotonic() + SOCKET_SECONDS
    while not SOCKET.exists():
        if time.monotonic() > deadline or os.waitpid(runtime, os.WNOHANG)[0]:
            return 1
        time.sleep(0.05)
    agent = spawn(state / "kubelet.log", *kubelet)
    print("ready", flush=True)
    while True:
        ended, _ = os.wait()
        if ended == runtime:
            return 1
        if ended == agent:
            time.sleep(RESTART_SECONDS)
            agent = spawn(state / "kubelet.log", *kubelet)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
