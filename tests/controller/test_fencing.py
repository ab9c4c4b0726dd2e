"""A node that is dead is taken out of the cloud by force before anybody else may hold the address.

Silence is written as an old heartbeat, so that no test waits for it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from havip.api.names import ANNOTATION_FENCE, ANNOTATION_MEMBERS, lease_name
from havip.controller.kube import Json
from havip.controller.observe import AGENT_SILENT_AFTER

from .conftest import Cluster, eventually

pytestmark = pytest.mark.apiserver

OUT_OF_SERVICE = {
    "key": "node.kubernetes.io/out-of-service",
    "value": "nodeshutdown",
    "effect": "NoExecute",
}
LONG_AGO = (datetime.now(UTC) - timedelta(hours=1)).isoformat().replace("+00:00", "Z")


def fence(cluster: Cluster, *nodes: str) -> None:
    """Write the annotation; take it away for none."""
    value = {ANNOTATION_FENCE: ",".join(nodes)} if nodes else {}
    cluster.patch("HaVip", "web", {"op": "add", "path": "/metadata/annotations", "value": value})


def held_by(cluster: Cluster, uid: str, node: str, *members: str, epoch: int = 1) -> None:
    """Write the register as a holder would that counts these members' promises."""
    lease = eventually(lambda: cluster.get("Lease", lease_name(uid)))
    annotations = lease["metadata"].get("annotations", {})
    lease["metadata"]["annotations"] = annotations | {ANNOTATION_MEMBERS: ",".join(members)}
    cluster.replace("Lease", lease)
    cluster.hold(uid, node, epoch)
    cluster.wait_for("Held", "True")


def holder(cluster: Cluster, uid: str) -> str:
    found: str = cluster.get("Lease", lease_name(uid))["spec"].get("holderIdentity") or ""
    return found


def states(cluster: Cluster) -> dict[str, str]:
    return cluster.members()


def forced(cluster: Cluster) -> list[Any]:
    """Members that were taken out by force."""
    return [
        call.parameters["InstanceId"]
        for call in cluster.cloud.control.calls("UnassociateHaVip")
        if call.parameters.get("Force") == "True" and call.effect
    ]


class Order:
    """Tells whether the register was cleared only after the cloud had taken the member out."""

    def __init__(self, cluster: Cluster, uid: str) -> None:
        self.cluster, self.uid = cluster, uid
        # The effect of the unassociation lasts, so a register cleared too early would be seen.
        cluster.cloud.control.fault("UnassociateHaVip", "hang", count=9, seconds=1.0)

    def watch(self) -> None:
        """Look until the register is cleared; at each look the cloud is asked second."""

        def cleared() -> Json:
            gone = not holder(self.cluster, self.uid)
            [facts] = self.cluster.cloud.control.ha_vips()
            if gone:
                assert forced(self.cluster)
                assert "i-node1" not in facts["members"]
            return {"gone": gone}

        eventually(cleared, lambda seen: seen["gone"])


def test_the_annotation_fences_a_node_until_it_goes(cluster: Cluster) -> None:
    uid = cluster.havip()["metadata"]["uid"]
    cluster.wait_for_members("node1", "node2", "node3")
    held_by(cluster, uid, "node1", "node2", "node3")
    order = Order(cluster, uid)
    fence(cluster, "node1")
    order.watch()
    assert forced(cluster) == ["i-node1"]
    eventually(lambda: states(cluster), lambda seen: seen["node1"] == "Fenced")
    [entry] = cluster.status()["fenced"]
    assert (entry["node"], entry["memberId"]) == ("node1", "i-node1")
    assert ANNOTATION_FENCE in entry["reason"]
    eventually(cluster.events, lambda seen: "Fenced" in seen)
    cluster.wait_for("MembersReady", "False", "MembersMissing")
    assert ANNOTATION_FENCE in cluster.message("MembersReady")

    # It stays out as long as the annotation stands, however lively it is.
    cluster.report(1)
    cluster.hold(uid, "node2", 2)
    eventually(cluster.status, lambda seen: seen.get("holder", {}).get("node") == "node2")
    assert states(cluster)["node1"] == "Fenced"

    fence(cluster)
    cluster.report(1)
    cluster.wait_for_members("node1", "node2", "node3")
    assert cluster.status()["fenced"] == []


def test_a_fenced_node_that_does_not_report_stays_out(cluster: Cluster) -> None:
    cluster.havip()
    cluster.wait_for_members("node1", "node2", "node3")
    fence(cluster, "node1")
    cluster.wait_for_members("node2", "node3")
    fence(cluster)
    cluster.wait_for_members("node2", "node3")
    eventually(cluster.status, lambda seen: seen["observedGeneration"] and seen["fenced"])
    cluster.report(1)
    cluster.wait_for_members("node1", "node2", "node3")


def test_the_taint_out_of_service_fences_a_node_everywhere(cluster: Cluster) -> None:
    uid = cluster.havip()["metadata"]["uid"]
    cluster.havip("other")
    for name in ("web", "other"):
        cluster.wait_for_members("node1", "node2", "node3", name=name)
    held_by(cluster, uid, "node1", "node2", "node3")
    taint = {"op": "add", "path": "/spec/taints", "value": [OUT_OF_SERVICE]}
    cluster.patch("Node", "node1", taint)
    for name in ("web", "other"):
        cluster.wait_for_members("node2", "node3", name=name)
    eventually(lambda: holder(cluster, uid), lambda seen: seen == "")

    cluster.patch("Node", "node1", {"op": "remove", "path": "/spec/taints"})
    cluster.report(1)
    cluster.wait_for_members("node1", "node2", "node3")


def test_a_holder_that_went_with_all_its_members_is_fenced_for_one_that_is_well(
    cluster: Cluster,
) -> None:
    uid = cluster.havip()["metadata"]["uid"]
    cluster.wait_for_members("node1", "node2", "node3")
    held_by(cluster, uid, "node1", "node2")
    order = Order(cluster, uid)
    for number in (1, 2):
        cluster.report(number, heartbeatAt=LONG_AGO)
    order.watch()
    # Only the holder: the other cannot own the address without the register.
    assert forced(cluster) == ["i-node1"]
    eventually(lambda: states(cluster).get("node1"), lambda seen: seen == "Fenced")
    assert "nothing was heard of it" in cluster.status()["fenced"][0]["reason"]

    cluster.report(1)
    cluster.wait_for_members("node1", "node2", "node3")


def test_a_silent_holder_is_not_fenced_while_one_of_its_members_lives(cluster: Cluster) -> None:
    uid = cluster.havip()["metadata"]["uid"]
    cluster.wait_for_members("node1", "node2", "node3")
    held_by(cluster, uid, "node1", "node2")
    cluster.report(1, heartbeatAt=LONG_AGO)
    cluster.wait_for("Consistent", "Unknown", "HolderUnknown")
    still(cluster)
    assert forced(cluster) == []
    assert holder(cluster, uid) == "node1"


def test_nobody_is_fenced_when_nobody_could_take_over(cluster: Cluster) -> None:
    uid = cluster.havip()["metadata"]["uid"]
    cluster.wait_for_members("node1", "node2", "node3")
    held_by(cluster, uid, "node1", "node2")
    for number in (1, 2, 3):
        cluster.report(number, heartbeatAt=LONG_AGO)
    cluster.wait_for("Consistent", "Unknown", "HolderUnknown")
    still(cluster)
    assert forced(cluster) == []


def test_a_kubelet_that_says_ready_is_a_sign_of_life(cluster: Cluster) -> None:
    uid = cluster.havip()["metadata"]["uid"]
    cluster.wait_for_members("node1", "node2", "node3")
    held_by(cluster, uid, "node1", "node2")
    cluster.kubelet_says("node1", ready=True)
    for number in (1, 2):
        cluster.report(number, heartbeatAt=LONG_AGO)
    cluster.wait_for("Consistent", "Unknown", "HolderUnknown")
    still(cluster)
    assert forced(cluster) == []

    cluster.kubelet_says("node1", ready=False)
    eventually(lambda: forced(cluster), lambda seen: seen == ["i-node1"])


def still(cluster: Cluster) -> None:
    """Let the cloud be listed often enough that what was to happen would have happened."""
    cluster.cloud.control.clear_calls()
    eventually(lambda: len(cluster.cloud.control.calls("DescribeHaVips")) >= 2)


def test_silence_is_noticed_though_nothing_tells_of_it(cluster: Cluster) -> None:
    uid = cluster.havip()["metadata"]["uid"]
    cluster.wait_for_members("node1", "node2", "node3")
    held_by(cluster, uid, "node1", "node2")
    nearly = datetime.now(UTC) - AGENT_SILENT_AFTER + timedelta(seconds=1.5)
    for number in (1, 2):
        cluster.report(number, heartbeatAt=nearly.isoformat().replace("+00:00", "Z"))
    eventually(lambda: forced(cluster), lambda seen: seen == ["i-node1"])
    eventually(lambda: holder(cluster, uid), lambda seen: seen == "")
