"""The demo: a HaVip's life, with its holder's instance stopped and the API server taken away.

    make demo

Every figure is measured while you watch: by a client that asks the address every 5 ms who is
there, and by samples of the nodes' own kernels. The exit status is 0 only if every promise held.
"""

from __future__ import annotations

import signal
import sys
import time
from typing import Any

from havip.api.names import LABEL_UID
from lab.cluster import Lab, LabError
from lab.console import CloudConsole
from lab.controlplane import ControlPlaneError
from lab.fleet import MANIFESTS, ProgramEndedError
from lab.network import NetworkError
from lab.stage import Stage

NAME = "web"
MANIFEST = MANIFESTS / "havip.yaml"
CRASH_BOUND_SECONDS = 1.0
API_OUTAGE_SECONDS = 15


def main() -> int:
    """Tell the story; return the exit status."""
    # Leave through the `with`, which clears everything away; also when started with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stage = Stage()
    began = time.monotonic()
    try:
        stage.act("A cluster on this machine")
        with Lab() as lab:
            stage.say(
                "etcd, kube-apiserver, the controller, a simulated cloud that the official SDK"
                " talks to,\nthree nodes in network namespaces with an agent each, and a client:"
                f" up in {time.monotonic() - began:.1f} s"
            )
            address = create(stage, lab)
            stop_the_holders_instance(stage, lab, address)
            take_the_api_server_away(stage, lab, address)
            delete(stage, lab)
    except (LabError, ControlPlaneError, NetworkError, ProgramEndedError) as trouble:
        stage.check("the demo came to its end", False, str(trouble))
    except KeyboardInterrupt:
        stage.check("the demo came to its end", False, "interrupted")
    held = stage.summary()
    stage.say(f"{time.monotonic() - began:.0f} s in all")
    return 0 if held else 1


def create(stage: Stage, lab: Lab) -> str:
    """Make the HaVip and wait until it is Ready; return its address."""
    stage.act("A highly available virtual IP by kubectl apply")
    stage.yaml(MANIFEST.read_text())
    began = time.monotonic()
    stage.command(f"kubectl apply -f {MANIFEST.name}", lab.kubectl("apply", "-f", str(MANIFEST)))
    lab.wait_ready(NAME)
    lab.settle(NAME)
    took = time.monotonic() - began
    stage.say("\nWhat the controller asked of the cloud:")
    show_calls(stage, lab)
    stage.command(f"kubectl get hv {NAME}", lab.kubectl("get", "hv", NAME))
    stage.command("kubectl get hvn", lab.kubectl("get", "hvn"))
    address = lab.address(NAME)
    holder = lab.holder(NAME)
    page = lab.curl(address)
    stage.command(f"curl http://{address}/        # from the client", page)
    members = lab.cloud.ha_vips()[0]["members"]
    stage.check("the HaVip is in the cloud with all nodes", len(members) == 3, f"{took:.1f} s")
    stage.check("the holder answers the client", page == holder, f"{page or 'nobody'}")
    return address


def stop_the_holders_instance(stage: Stage, lab: Lab, address: str) -> None:
    """Stop the holder's instance through the cloud's API, and see who takes over how fast."""
    holder = lab.settle(NAME)
    stage.act(f"The holder's instance dies: StopInstance i-{holder}")
    console = CloudConsole()
    prober, owners = lab.probe(address), lab.owners(address)
    time.sleep(0.5)
    console.stop_instance(holder)
    lab.until("another node holds", lambda: lab.holder(NAME) != holder, 30)
    successor = lab.holder(NAME)
    lab.until("another node answers", lambda: lab.curl(address, 0.3) == successor, 30)
    seen, owned = prober.stop(), owners.stop()
    stage.command(f"curl http://{address}/        # from the client", lab.curl(address))
    failover = lab.until("the failover's timeline", lambda: timeline(lab, successor), 15)
    lab.wait_ready(NAME, 15)
    stage.command(f"kubectl get hv {NAME}", lab.kubectl("get", "hv", NAME))
    stage.say(f"\n{failover['from']} -> {failover['to']}: {failover.get('reason', '')}")
    stage.say("Where the time went, in milliseconds since the silence was noticed:")
    phases = sorted(failover.get("phases", {}).items(), key=lambda phase: phase[1])
    stage.table(["phase", "ms"], [[phase, str(millis)] for phase, millis in phases])
    stage.check(
        "a client saw an outage well under a second",
        seen.outage <= CRASH_BOUND_SECONDS,
        f"{seen.outage * 1000:.0f} ms, {seen.lost} probes of 5 ms lost",
    )
    stage.check(
        "one node answered after the other",
        seen.answered_by == (holder, successor) and not seen.doubly_answered,
        " then ".join(seen.answered_by),
    )
    stage.check(
        "never two owners, by the nodes' kernels",
        not owned.overlaps,
        "; ".join(f"{a} and {b} for {s * 1000:.0f} ms" for a, b, s in owned.overlaps)
        or f"sampled at least every {(owned.longest_gap or 0) * 1000:.0f} ms",
    )
    console.start_instance(holder)
    lab.settle(NAME)
    stage.say(f"{holder} was started again and is a member; {lab.holder(NAME)} goes on holding")


def take_the_api_server_away(stage: Stage, lab: Lab, address: str) -> None:
    """Let nobody reach the API server for a while, and see that no client notices."""
    holder = lab.settle(NAME)
    stage.act(f"The API server goes away for {API_OUTAGE_SECONDS} s")
    prober, owners = lab.probe(address), lab.owners(address)
    time.sleep(0.5)
    with lab.api_outage():
        stage.say("every packet of the nodes and the controller to it is dropped ...")
        time.sleep(API_OUTAGE_SECONDS)
    time.sleep(0.5)
    seen, owned = prober.stop(), owners.stop()
    stage.check(
        "no packet lost without the API server",
        seen.lost == 0,
        f"{seen.lost} of {len(seen.probes)} probes lost",
    )
    stage.check(
        "the same node owned the address all the while",
        {span.node for span in owned.spans} == {holder} and not owned.overlaps,
        ", ".join(sorted({span.node for span in owned.spans})),
    )


def delete(stage: Stage, lab: Lab) -> None:
    """Delete the HaVip and see that nothing of it is left."""
    lab.settle(NAME)
    stage.act("Deletion")
    lab.cloud.clear_calls()
    began = time.monotonic()
    line = ("delete", "hv", NAME, "--timeout=60s")
    stage.command(f"kubectl delete hv {NAME}", lab.kubectl(*line))
    took = time.monotonic() - began
    show_calls(stage, lab)
    left = lab.cloud.ha_vips()
    stage.check("the cloud is empty", not left, f"{len(left)} HaVips, after {took:.1f} s")
    registers = lab.kubectl("get", "leases", "-A", "-l", LABEL_UID, "-o", "name").split()
    stage.check("its register is gone", not registers, f"{len(registers)} left")


def show_calls(stage: Stage, lab: Lab) -> None:
    """Show the calls that changed something, and how many only looked."""
    calls = lab.cloud.calls()
    looks = [call for call in calls if call.action.startswith(("Describe", "List", "Check"))]
    changes = [call for call in calls if call not in looks]
    rows = []
    for call in changes:
        on = call.parameters.get("InstanceId") or call.parameters.get("HaVipId", "")
        rows.append([call.action, on, str(call.status)])
    stage.table(["call", "on", "answer"], [*rows, [f"and {len(looks)} that only looked", "", ""]])


def timeline(lab: Lab, successor: str) -> dict[str, Any] | None:
    """Return the last failover from the HaVip's status once it tells of this one."""
    failover = lab.havip(NAME).get("status", {}).get("lastFailover")
    return failover if failover and failover["to"] == successor else None


if __name__ == "__main__":
    sys.exit(main())
