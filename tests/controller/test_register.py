"""The register as the controller makes and clears it."""

from __future__ import annotations

from havip.api.havip import HaVip, Holder
from havip.controller.register import cleared, new_lease, register_facts

HAVIP = HaVip.from_json(
    {"metadata": {"name": "web", "namespace": "shop", "uid": "u-1"}, "spec": {"className": "c"}}
)


def test_a_new_register_names_its_havip_and_no_holder() -> None:
    lease = new_lease(HAVIP, "havip-system")
    assert lease["metadata"]["name"] == "havip-u-1"
    assert lease["metadata"]["labels"] == {
        "havip.dev/uid": "u-1",
        "havip.dev/namespace": "shop",
        "havip.dev/name": "web",
    }
    facts = register_facts(lease)
    assert (facts.holder, facts.epoch) == ("", 0)


def test_a_register_that_was_deleted_by_hand_keeps_its_holder_and_epoch() -> None:
    status = HAVIP.status.model_copy(update={"holder": Holder(node="node2", epoch=7)})
    facts = register_facts(new_lease(HAVIP.model_copy(update={"status": status}), "havip-system"))
    assert (facts.holder, facts.epoch) == ("node2", 7)


def test_a_cleared_register_keeps_its_epoch_and_its_version() -> None:
    lease = new_lease(HAVIP, "havip-system")
    lease["metadata"] |= {
        "resourceVersion": "7",
        "annotations": {
            "havip.dev/members": "a,b",
            "havip.dev/challenge": "a",
            "havip.dev/given": "true",
            "else": "kept",
        },
    }
    lease["spec"] = {"holderIdentity": "dead", "leaseTransitions": 4}
    after = cleared(lease, "controller", ())
    assert register_facts(after).holder == ""
    assert register_facts(after).epoch == 4
    assert after["metadata"]["resourceVersion"] == "7"  # nobody may have written since
    assert after["metadata"]["annotations"] == {
        "else": "kept",
        "havip.dev/write": "controller/7",
    }
    assert lease["spec"]["holderIdentity"] == "dead"


def test_those_who_may_follow_stay_in_a_cleared_register() -> None:
    lease = new_lease(HAVIP, "havip-system")
    lease["metadata"]["resourceVersion"] = "7"
    lease["spec"] = {"holderIdentity": "dead", "leaseTransitions": 4}
    facts = register_facts(cleared(lease, "controller", ["b", "a"]))
    assert (facts.holder, facts.members, facts.given) == ("", ("a", "b"), False)
