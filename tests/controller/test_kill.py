"""The controller's process is killed (-9) at each of its calls that change the cloud.

The call reaches the cloud and is cut off before its effect, cut off after it, or has its effect
only when a successor is already at work. The tests of ``test_crash`` go through every call of every
kind, without processes; here it is the real program that dies.
"""

from __future__ import annotations

import pytest

from .conftest import Cluster, eventually

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(900)]

LATE_SECONDS = 3.0


def kill_at(cluster: Cluster, action: str, fault: str) -> None:
    """Start a controller and kill it when its next such call has come in."""
    control = cluster.cloud.control
    control.clear_faults()
    control.fault(action, fault, seconds=LATE_SECONDS)
    before = len(control.calls(action))
    process = cluster.start_controller()
    eventually(lambda: len(control.calls(action)) > before, within=150)
    process.kill()
    process.wait()
    cluster.processes.remove(process)


def effects(cluster: Cluster, action: str) -> int:
    return sum(call.effect for call in cluster.cloud.control.calls(action))


@pytest.mark.parametrize("fault", ["drop-before", "drop-after", "latency"])
def test_killed_at_every_change_it_converges_and_leaves_nothing(bare: Cluster, fault: str) -> None:
    bare.secret()
    bare.klass()
    for number in (1, 2, 3):
        bare.node(number)
    bare.havip()
    for action in ("CreateHaVip", *["AssociateHaVip"] * 3):
        kill_at(bare, action, fault)
    bare.cloud.control.clear_faults()
    process = bare.start_controller()
    bare.wait_for_members("node1", "node2", "node3")
    assert len(bare.cloud.control.ha_vips()) == 1
    process.kill()
    process.wait()
    bare.processes.remove(process)
    bare.delete("HaVip", "web")
    for action in (*["UnassociateHaVip"] * 3, "DeleteHaVip"):
        kill_at(bare, action, fault)
    bare.cloud.control.clear_faults()
    bare.start_controller()
    bare.wait_gone()
    assert bare.cloud.control.ha_vips() == []
    counted = {a: effects(bare, a) for a in ("CreateHaVip", "AssociateHaVip", "DeleteHaVip")}
    assert counted == {"CreateHaVip": 1, "AssociateHaVip": 3, "DeleteHaVip": 1}
