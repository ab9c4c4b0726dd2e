"""What goes wrong gets a condition that says what to do, and heals without a restart."""

from __future__ import annotations

import pytest

from havip.api.names import TAG_CLUSTER, TAG_UID

from .conftest import Cluster, eventually

pytestmark = pytest.mark.apiserver


def test_a_missing_class_is_named_and_may_come_later(cluster: Cluster) -> None:
    cluster.havip(className="later")
    cluster.wait_for("Accepted", "False", "ClassNotFound")
    assert "later" in cluster.message("Accepted")
    cluster.klass("later")
    cluster.wait_for("MembersReady", "True")
    assert cluster.condition("Accepted") == ("True", "Accepted")


def test_a_havip_without_a_class_can_be_deleted(cluster: Cluster) -> None:
    cluster.havip(className="never")
    cluster.wait_for("Accepted", "False", "ClassNotFound")
    cluster.delete("HaVip", "web")
    cluster.wait_gone()


def test_missing_credentials_are_named_and_may_come_later(cluster: Cluster) -> None:
    cluster.delete("Secret", "key")
    cluster.klass("other", "vsw-sim")
    cluster.havip(className="other")
    cluster.wait_for("Accepted", "False", "CredentialsMissing")
    assert "Secret key in namespace havip-system" in cluster.message("Accepted")
    cluster.secret()
    cluster.wait_for("MembersReady", "True")


def test_refused_credentials_heal_when_the_secret_is_corrected(cluster: Cluster) -> None:
    cluster.delete("Secret", "key")
    cluster.secret(secret="wrong")
    cluster.havip()
    cluster.wait_for("Accepted", "False", "CredentialsRefused")
    cluster.delete("Secret", "key")
    cluster.secret()
    cluster.wait_for("MembersReady", "True")


def test_an_unknown_v_switch_is_named(cluster: Cluster) -> None:
    cluster.klass("astray", "vsw-nowhere")
    cluster.havip(className="astray")
    cluster.wait_for("Accepted", "False", "VSwitchNotFound")
    cluster.delete("HaVip", "web")
    cluster.wait_gone()


def test_a_v_switch_of_another_vpc_is_refused(cluster: Cluster) -> None:
    cluster.klass("elsewhere", vpcId="vpc-other")
    cluster.havip(className="elsewhere")
    cluster.wait_for("Accepted", "False", "InvalidSpec")
    assert "vpc-sim, not in vpc-other" in cluster.message("Accepted")
    cluster.patch(
        "HaVipClass", "elsewhere", {"op": "replace", "path": "/spec/vpcId", "value": "vpc-sim"}
    )
    cluster.wait_for("MembersReady", "True")


def test_a_taken_address_is_named_and_had_once_it_is_free(cluster: Cluster) -> None:
    cluster.havip("first", address="10.77.0.80")
    cluster.wait_for("Provisioned", "True", name="first")
    cluster.havip("second", address="10.77.0.80")
    cluster.wait_for("Provisioned", "False", "AddressTaken", name="second")
    assert cluster.condition("Accepted", "second") == ("True", "Accepted")

    cluster.delete("HaVip", "first")
    cluster.wait_for("MembersReady", "True", name="second")


def test_an_instance_that_is_full_is_refused_and_the_others_join(cluster: Cluster) -> None:
    for number in range(5):
        cluster.havip(f"full{number}", members={"nodeSelector": {"only": "node1"}})
    cluster.patch("Node", "node1", {"op": "add", "path": "/metadata/labels/only", "value": "node1"})
    for number in range(5):
        cluster.wait_for("MembersReady", "True", name=f"full{number}")

    cluster.havip()
    cluster.wait_for("MembersReady", "False", "MemberRefused")
    cluster.wait_for_members("node2", "node3")
    assert "i-node1 is a member of 5 HaVips" in cluster.message("MembersReady")
    assert "default/full0" in cluster.message("MembersReady")
    refused = [each for each in cluster.cloud.control.calls("AssociateHaVip") if each.code]
    assert refused == []  # what would go over the limit is not even asked for

    cluster.delete("HaVip", "full0")
    cluster.wait_for("MembersReady", "True")


def test_an_adopted_id_that_does_not_exist_is_named(cluster: Cluster) -> None:
    cluster.havip(adopt={"haVipId": "havip-nowhere"})
    cluster.wait_for("Accepted", "False", "AdoptedNotFound")
    cluster.delete("HaVip", "web")
    cluster.wait_gone()
    assert cluster.writes() == []


def test_what_another_object_owns_is_not_adopted(cluster: Cluster) -> None:
    cluster.havip("owner")
    cluster.wait_for("MembersReady", "True", name="owner")
    ha_vip_id = cluster.status("owner")["haVipId"]
    before = cluster.cloud.control.ha_vips()

    cluster.havip("thief", adopt={"haVipId": ha_vip_id}, deletionPolicy="Delete")
    cluster.wait_for("Accepted", "False", "OwnedByAnother", name="thief")
    cluster.delete("HaVip", "thief")
    cluster.wait_gone("thief")
    assert cluster.cloud.control.ha_vips() == before


def test_trouble_of_one_object_holds_up_no_other(cluster: Cluster) -> None:
    cluster.havip("bad", className="never")
    cluster.havip("worse", adopt={"haVipId": "havip-nowhere"})
    cluster.havip()
    cluster.wait_for("MembersReady", "True")


def test_an_absent_cloud_is_waited_for(cluster: Cluster) -> None:
    cluster.havip()
    cluster.wait_for("MembersReady", "True")
    cluster.cloud.control.fault("*", "error-503", count=1000)
    cluster.delete("HaVip", "web")
    eventually(lambda: cluster.message("Ready"), lambda seen: "ServiceUnavailable" in seen)
    assert cluster.condition("Ready") == ("False", "Deleting")
    assert cluster.get("HaVip", "web")

    cluster.cloud.control.clear_faults()
    cluster.wait_gone(within=60)
    assert cluster.cloud.control.ha_vips() == []


@pytest.mark.parametrize(
    "kind", ["drop-before", "drop-after", "error-500", "proxy-503", "throttle", "malformed"]
)
def test_one_fault_of_each_call_neither_doubles_nor_leaks(cluster: Cluster, kind: str) -> None:
    for action in ("CreateHaVip", "AssociateHaVip", "UnassociateHaVip", "DeleteHaVip"):
        cluster.cloud.control.fault(action, kind, seconds=0.1)
    cluster.cloud.control.fault("DescribeHaVips", kind, seconds=0.1, skip=2)
    cluster.havip()
    cluster.wait_for("MembersReady", "True")
    assert len(cluster.cloud.control.ha_vips()) == 1
    cluster.delete("HaVip", "web")
    cluster.wait_gone()
    assert cluster.cloud.control.ha_vips() == []


def test_drift_is_mended_and_told(cluster: Cluster) -> None:
    cluster.havip(tags={"team": "a"})
    cluster.wait_for("MembersReady", "True")
    [before] = cluster.cloud.control.ha_vips()
    sdk = cluster.sdk()
    sdk.change_name(before["haVipId"], "by-hand")
    sdk.untag(before["haVipId"], ["team", TAG_UID, TAG_CLUSTER])
    sdk.unassociate(before["haVipId"], "i-node2")
    eventually(
        cluster.cloud.control.ha_vips,
        lambda seen: [{**seen[0], "members": sorted(seen[0]["members"])}] == [before],
    )
    eventually(cluster.events, lambda seen: "DriftMended" in seen)

    sdk.delete(before["haVipId"])
    eventually(
        lambda: [each["members"] for each in cluster.cloud.control.ha_vips()],
        lambda seen: seen == [before["members"]],
    )
    [after] = cluster.cloud.control.ha_vips()
    assert after["address"] == before["address"]
    assert after["haVipId"] != before["haVipId"]
    eventually(cluster.status, lambda seen: seen["haVipId"] == after["haVipId"])
