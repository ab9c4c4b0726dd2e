"""When the cloud does not follow the holder, the holder is asked to announce the address again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from .conftest import Cluster, eventually

pytestmark = pytest.mark.apiserver

MAC_OF_NODE1 = "02:00:0a:4d:00:0b"


def holds(cluster: Cluster, uid: str, *, epoch: int, for_seconds: float) -> None:
    """Have node1 hold the address for some time by now, by the register and by its kernel."""
    address = cluster.status()["address"]
    since = datetime.now(UTC) - timedelta(seconds=for_seconds)
    hold = {
        "uid": uid,
        "namespace": "default",
        "name": "web",
        "address": address,
        "since": since.isoformat().replace("+00:00", "Z"),
        "epoch": epoch,
    }
    cluster.hold(uid, "node1", epoch)
    cluster.report(1, kernelAddresses=[address], holds=[hold])


def request(cluster: Cluster) -> dict[str, int]:
    found: dict[str, int] = cluster.status().get("announceRequest") or {}
    return found


def wait_for_request(cluster: Cluster, **wanted: int) -> None:
    eventually(lambda: request(cluster), lambda seen: seen == wanted)


def test_it_is_asked_more_and_more_seldom_until_the_cloud_follows(cluster: Cluster) -> None:
    uid = cluster.havip()["metadata"]["uid"]
    cluster.wait_for("MembersReady", "True")
    holds(cluster, uid, epoch=1, for_seconds=0)
    cluster.wait_for("Consistent", "False", "CloudDiffers")
    assert request(cluster) == {}  # a cloud that needs a moment is not pressed
    wait_for_request(cluster, epoch=1, number=1)
    # After 3 s, then after 6, 12, 24 of the ownership.
    for for_seconds, number in ((7, 2), (13, 3), (25, 4)):
        holds(cluster, uid, epoch=1, for_seconds=for_seconds)
        wait_for_request(cluster, epoch=1, number=number)
    eventually(
        lambda: cluster.message("Consistent"),
        lambda seen: "It was asked 4 times to announce the address again" in seen,
    )
    assert "i-node1" in cluster.message("Consistent")

    assert cluster.cloud.control.announce(cluster.status()["address"], MAC_OF_NODE1)
    cluster.wait_for("Consistent", "True")
    assert request(cluster) == {}
    assert cluster.status()["cloudMaster"] == "i-node1"


def test_another_ownership_begins_to_count_anew(cluster: Cluster) -> None:
    uid = cluster.havip()["metadata"]["uid"]
    cluster.wait_for("MembersReady", "True")
    holds(cluster, uid, epoch=1, for_seconds=13)
    wait_for_request(cluster, epoch=1, number=3)
    holds(cluster, uid, epoch=2, for_seconds=4)
    wait_for_request(cluster, epoch=2, number=1)


def test_nothing_is_asked_of_a_holder_whose_kernel_has_no_address(cluster: Cluster) -> None:
    uid = cluster.havip()["metadata"]["uid"]
    cluster.wait_for("MembersReady", "True")
    holds(cluster, uid, epoch=1, for_seconds=60)
    eventually(lambda: request(cluster))
    cluster.report(1, kernelAddresses=[])
    eventually(lambda: request(cluster), lambda seen: seen == {})
    cluster.wait_for("Consistent", "False", "KernelDiffers")
