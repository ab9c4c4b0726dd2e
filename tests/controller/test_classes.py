"""What a class says of its credentials and its place, and that it heals without a restart."""

from __future__ import annotations

import uuid

import pytest

from havip.controller.classstatus import AS_LAST_SEEN
from havip.simcloud.policy import Policy, Statement
from havip.simcloud.topology import Account as Key

from .conftest import ACCOUNT, CLASS, Cluster, eventually

pytestmark = pytest.mark.apiserver


def deny(*actions: str) -> Policy:
    return Policy(
        statement=(
            Statement(effect="Allow", action="*"),
            *(Statement(effect="Deny", action=each) for each in actions),
        )
    )


def given_key(cluster: Cluster) -> str:
    """Give the first account one more key, of its own for the test, and return its id."""
    name = uuid.uuid4().hex[:8]
    cluster.cloud.control.add_key(
        Key(account_id=ACCOUNT, access_key_id=f"AK-{name}", access_key_secret="secret")
    )
    return f"AK-{name}"


def listings(cluster: Cluster) -> int:
    return len(cluster.cloud.control.calls("DescribeHaVips"))


def wait_for_listings(cluster: Cluster, more: int) -> None:
    before = listings(cluster)
    eventually(lambda: listings(cluster), lambda seen: seen >= before + more)


def test_a_class_that_works_tells_whose_it_is_and_what_is_there(cluster: Cluster) -> None:
    cluster.wait_for_verdict("True", "Accepted")
    status = cluster.get("HaVipClass", CLASS)["status"]
    assert (status["accountId"], status["haVips"]) == (ACCOUNT, 0)
    assert status["identity"] == f"acs:ram::{ACCOUNT}:root"
    cluster.havip()
    eventually(lambda: cluster.get("HaVipClass", CLASS)["status"]["haVips"], lambda n: n == 1)


def test_a_class_costs_nothing_while_nothing_changes(cluster: Cluster) -> None:
    cluster.wait_for_verdict("True", "Accepted")
    before = cluster.get("HaVipClass", CLASS)["metadata"]["resourceVersion"]
    cluster.cloud.control.clear_calls()
    wait_for_listings(cluster, 2)
    assert cluster.get("HaVipClass", CLASS)["metadata"]["resourceVersion"] == before
    assert {each.action for each in cluster.cloud.control.calls()} == {"DescribeHaVips"}


def test_credentials_that_are_missing_are_told_with_an_event(cluster: Cluster) -> None:
    cluster.klass("bare", credentials={"secretRef": {"name": "later"}})
    said = cluster.wait_for_verdict("False", "CredentialsMissing", "bare")
    assert said == "There are no credentials: create the Secret later in namespace havip-system."
    eventually(lambda: cluster.events("bare"), lambda seen: seen == ["CredentialsMissing"])
    cluster.secret(name="later")
    cluster.wait_for_verdict("True", "Accepted", "bare")


def test_a_refused_key_is_told_and_heals_when_the_secret_is_corrected(cluster: Cluster) -> None:
    cluster.secret("AK-NOBODY", name="wrong")
    cluster.klass("wrong", credentials={"secretRef": {"name": "wrong"}})
    said = cluster.wait_for_verdict("False", "CredentialsRefused", "wrong")
    assert "correct the credentials of the HaVipClass" in said
    cluster.secret(name="wrong")
    cluster.wait_for_verdict("True", "Accepted", "wrong")


def test_a_v_switch_that_is_not_there_is_told(cluster: Cluster) -> None:
    cluster.klass("astray", "vsw-nowhere")
    said = cluster.wait_for_verdict("False", "VSwitchNotFound", "astray")
    assert "correct spec.vSwitchId of the HaVipClass astray" in said


def test_a_permission_that_is_missing_for_looking_is_named(cluster: Cluster) -> None:
    cluster.wait_for_verdict("True", "Accepted")
    cluster.cloud.control.set_policy(ACCOUNT, deny("vpc:DescribeHaVips"))
    said = cluster.wait_for_verdict("False", "PermissionMissing")
    assert "lacks the permission vpc:DescribeHaVips: grant it" in said
    cluster.cloud.control.set_policy(ACCOUNT, None)
    cluster.wait_for_verdict("True", "Accepted")


def test_a_permission_that_a_havip_misses_is_told_of_both(cluster: Cluster) -> None:
    cluster.cloud.control.set_policy(ACCOUNT, deny("vpc:AssociateHaVip"))
    cluster.havip()
    said = cluster.wait_for_verdict("False", "PermissionMissing")
    assert "lacks the permission vpc:AssociateHaVip: grant it" in said
    eventually(
        lambda: cluster.message("Ready"), lambda seen: "permission vpc:AssociateHaVip" in seen
    )
    cluster.cloud.control.set_policy(ACCOUNT, None)
    cluster.wait_for("MembersReady", "True")
    cluster.wait_for_verdict("True", "Accepted")


def test_a_refusal_is_forgotten_with_the_havip_that_met_it(cluster: Cluster) -> None:
    cluster.cloud.control.set_policy(ACCOUNT, deny("vpc:CreateHaVip"))
    cluster.havip()
    cluster.wait_for_verdict("False", "PermissionMissing")
    cluster.delete("HaVip", "web")
    cluster.wait_gone()
    cluster.wait_for_verdict("True", "Accepted")


def test_a_class_is_thought_to_work_while_the_cloud_is_away(cluster: Cluster) -> None:
    cluster.wait_for_verdict("True", "Accepted")
    cluster.cloud.control.fault("DescribeHaVips", "error-503", lasts=0)
    said = cluster.wait_for_verdict("True", "CloudUnavailable")
    assert said.endswith(AS_LAST_SEEN)
    cluster.cloud.control.clear_faults()
    cluster.wait_for_verdict("True", "Accepted")


def test_a_key_is_rotated_without_a_restart(cluster: Cluster) -> None:
    old, new = given_key(cluster), given_key(cluster)
    cluster.secret(old, "secret", name="own")
    cluster.klass("own", credentials={"secretRef": {"name": "own"}})
    cluster.havip(className="own", members={"max": 2})
    cluster.wait_for("MembersReady", "True")
    before = cluster.cloud.control.ha_vips()

    asked = len(cluster.cloud.control.calls("GetCallerIdentity"))
    cluster.secret(new, "secret", name="own")
    eventually(lambda: len(cluster.cloud.control.calls("GetCallerIdentity")) > asked)
    cluster.cloud.control.delete_key(old)
    cluster.edit("web", members={"max": 3})
    eventually(lambda: cluster.status()["membersSummary"], lambda seen: seen == "3/3")
    [after] = cluster.cloud.control.ha_vips()
    assert after["haVipId"] == before[0]["haVipId"]
    assert cluster.verdict("own")[:2] == ("True", "Accepted")


def test_a_revoked_key_stops_its_class_and_no_other_of_the_account(cluster: Cluster) -> None:
    revoked = given_key(cluster)
    cluster.secret(revoked, "secret", name="own")
    cluster.klass("own", credentials={"secretRef": {"name": "own"}})
    cluster.wait_for_verdict("True", "Accepted", "own")
    cluster.cloud.control.set_key_active(revoked, False)
    said = cluster.wait_for_verdict("False", "CredentialsRefused", "own")
    assert "InvalidAccessKeyId.Inactive" in said
    cluster.havip()
    cluster.wait_for("MembersReady", "True")
    assert cluster.verdict()[:2] == ("True", "Accepted")
    cluster.cloud.control.set_key_active(revoked, True)
    cluster.wait_for_verdict("True", "Accepted", "own")


def test_a_session_that_ended_is_told_and_heals_with_another(cluster: Cluster) -> None:
    def session(number: int, **more: float) -> None:
        ids = (f"STS.{number}", "secret", f"token-{number}")
        names = ("access_key_id", "access_key_secret", "security_token")
        key = dict(zip(names, ids, strict=True))
        cluster.cloud.control.add_key(Key(account_id=ACCOUNT, **key, **more))
        cluster.secret(*ids[:2], name="session", token=ids[2])

    session(1, expires_at=1.0)
    cluster.klass("session", credentials={"secretRef": {"name": "session"}})
    said = cluster.wait_for_verdict("False", "CredentialsRefused", "session")
    assert "InvalidSecurityToken.Expired" in said
    session(2)
    cluster.wait_for_verdict("True", "Accepted", "session")


def test_a_class_that_fails_holds_up_no_other(cluster: Cluster) -> None:
    cluster.klass("away", endpoints=dict.fromkeys(("vpc", "ecs", "sts"), "127.0.0.1:9"))
    cluster.havip("stuck", className="away")
    cluster.havip()
    cluster.wait_for("MembersReady", "True")
    cluster.wait_for_verdict("Unknown", "CloudUnavailable", "away")
    assert cluster.verdict()[:2] == ("True", "Accepted")
    cluster.delete("HaVipClass", "away")
    cluster.delete("HaVip", "stuck")
    cluster.patch("HaVip", "stuck", {"op": "remove", "path": "/metadata/finalizers"})


def test_two_accounts_have_each_their_own_havips(cluster: Cluster) -> None:
    cluster.secret("AK-TWO", "SK-TWO", name="two")
    cluster.klass("two", "vsw-two", credentials={"secretRef": {"name": "two"}})
    cluster.havip()
    cluster.havip("there", className="two")
    for name in ("web", "there"):
        eventually(lambda name=name: cluster.status(name).get("haVipId"))  # type: ignore[misc]
    eventually(
        lambda: [cluster.get("HaVipClass", n)["status"]["haVips"] for n in (CLASS, "two")],
        lambda seen: seen == [1, 1],
    )
    accounts = [cluster.get("HaVipClass", n)["status"]["accountId"] for n in (CLASS, "two")]
    assert accounts == [ACCOUNT, "1000000000000002"]
