"""What is done next for a group of Services: one write at a time, and nothing taken lightly."""

from __future__ import annotations

from typing import Any

import pytest

from havip.api.havip import DeletionPolicy, Profile
from havip.controller.services.claims import ServiceReason
from havip.controller.services.decision import (
    Decision,
    Make,
    Mend,
    RefusedSpec,
    Remove,
    decide,
    refused_spec,
)
from havip.controller.services.wanted import new_body

from .pure import ACROSS, ALONE, SHARED, claim, havip_body, held, sight


def made(decision: Decision) -> Make:
    assert isinstance(decision.step, Make)
    return decision.step


def mended(decision: Decision) -> dict[str, Any]:
    assert isinstance(decision.step, Mend)
    return dict(decision.step.body)


def reasons(decision: Decision) -> dict[str, ServiceReason]:
    return {uid: each.reason for uid, each in decision.verdicts.items()}


def sharing(key: str, age: int, port: int, **facts: Any) -> Any:
    annotations = {"share": "front", **facts.pop("annotations", {})}
    return claim(key, age=age, ports=(f"{port}/TCP",), annotations=annotations, **facts)


SHARED_LABEL = {"havip.dev/share": "front"}


# -- made


def test_the_finalizer_comes_before_the_havip() -> None:
    asked = claim(finalizers=())
    decision = decide(sight(asked))
    assert decision.prepare == (asked.service,)
    assert decision.step is None
    assert made(decide(sight(claim()))).home == "default"


def test_a_havip_is_made_as_the_class_and_the_annotations_say() -> None:
    defaults = {
        "profile": "Calm",
        "deletionPolicy": "Retain",
        "resourceGroupId": "rg-1",
        "tags": {"team": "a", "stage": "live"},
    }
    asked = claim(annotations={"profile": "Fast", "tags": "stage=test"})
    spec = made(decide(sight(asked, defaults=defaults))).wish.spec
    assert spec.class_name == "main"
    assert spec.election.profile is Profile.FAST
    assert spec.deletion_policy is DeletionPolicy.RETAIN
    assert spec.resource_group_id == "rg-1"
    assert spec.tags == {"team": "a", "stage": "test"}


def test_policy_local_is_a_check_of_the_endpoints_beside_those_asked_for() -> None:
    asked = claim(
        annotations={"health-tcp": "8080"},
        externalTrafficPolicy="Local",
        healthCheckNodePort=32000,
    )
    spec = made(decide(sight(asked))).wish.spec
    assert [each.name for each in spec.health] == ["tcp", "endpoints"]
    assert spec.health[1].endpoints is not None
    assert spec.health[1].endpoints.to_json() == {"service": "web", "healthCheckNodePort": 32000}
    assert made(decide(sight(claim()))).wish.spec.health == ()


def test_the_owners_are_those_in_the_namespace_and_the_first_controls() -> None:
    asked = (
        sharing("shop/a", 3, 80),
        sharing("default/b", 2, 81),
        sharing("shop/c", 1, 82),
    )
    step = made(decide(sight(*asked, group=ACROSS)))
    assert step.home == "shop"
    owners = [(each.name, each.controller) for each in step.wish.owners]
    assert owners == [("a", True), ("c", None)]
    assert step.wish.annotations == {"havip.dev/services": "shop/a,default/b,shop/c"}
    assert step.wish.labels == {"havip.dev/share": "front"}


def test_preferred_hosts_become_priorities_unless_priorities_are_asked_for() -> None:
    step = made(decide(sight(claim())))
    body = new_body(ALONE, step.wish, "default", ("h2", "h1"))
    assert body["metadata"]["annotations"]["havip.dev/preferred-hosts"] == "h2,h1"
    assert body["spec"]["election"]["priorities"] == [
        {"nodeSelector": {"kubernetes.io/hostname": "h2"}, "priority": 102},
        {"nodeSelector": {"kubernetes.io/hostname": "h1"}, "priority": 101},
    ]
    own = '[{"nodeSelector":{"zone":"b"},"priority":200}]'
    step = made(decide(sight(claim(annotations={"priorities": own}))))
    body = new_body(ALONE, step.wish, "default", ("h2", "h1"))
    assert "havip.dev/preferred-hosts" not in body["metadata"]["annotations"]
    assert [each["priority"] for each in body["spec"]["election"]["priorities"]] == [200]


# -- kept


def test_a_havip_that_is_as_it_should_be_is_not_written() -> None:
    hosts = {"havip.dev/preferred-hosts": "h2"}
    priorities = [{"nodeSelector": {"kubernetes.io/hostname": "h2"}, "priority": 101}]
    there = havip_body(annotations=hosts, election={"priorities": priorities})
    assert decide(sight(claim(), havip=there)).step is None


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"election": {"profile": "Calm"}}, "spec.election"),
        ({"deletionPolicy": "Retain"}, "spec.deletionPolicy"),
        ({"labels": {}}, "metadata.labels"),
        ({"serves": "default/other"}, "metadata.annotations"),
        ({"owners": ()}, "metadata.ownerReferences"),
    ],
)
def test_what_is_otherwise_is_put_right(changed: dict[str, Any], named: str) -> None:
    decision = decide(sight(claim(), havip=havip_body(**changed)))
    assert isinstance(decision.step, Mend)
    assert decision.step.differences == (named,)
    put_right = sight(claim(), havip=dict(decision.step.body))
    assert decide(put_right).step is None


def test_what_others_put_on_a_havip_stays() -> None:
    there = havip_body(
        labels={"havip.dev/service": "web", "team": "a"},
        annotations={"note": "x"},
        election={"profile": "Calm"},
    )
    stranger = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "u"}
    there["metadata"]["ownerReferences"].insert(0, stranger)
    there["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    body = mended(decide(sight(claim(), havip=there)))
    assert body["metadata"]["labels"]["team"] == "a"
    assert body["metadata"]["annotations"]["note"] == "x"
    assert body["metadata"]["ownerReferences"][0] == stranger
    assert "managedFields" not in body["metadata"]


def test_an_address_that_a_havip_has_is_not_taken_back() -> None:
    there = havip_body(address="10.0.0.9")
    assert decide(sight(claim(), havip=there)).step is None


# -- shared


def test_one_that_joins_is_written_down_after_those_before() -> None:
    there = havip_body("default/front", serves="default/b", labels=SHARED_LABEL, owners=("b",))
    asked = (sharing("default/a", 9, 80), sharing("default/b", 1, 81))
    body = mended(decide(sight(*asked, group=SHARED, havip=there)))
    assert body["metadata"]["annotations"]["havip.dev/services"] == "default/b,default/a"
    assert [each["name"] for each in body["metadata"]["ownerReferences"]] == ["b", "a"]


def test_the_havip_of_a_group_outlives_the_service_it_was_made_for() -> None:
    there = havip_body("shop/front", serves="shop/a,default/b", labels=SHARED_LABEL, owners=("a",))
    body = mended(decide(sight(sharing("default/b", 1, 81), group=ACROSS, havip=there)))
    assert body["metadata"]["namespace"] == "shop"
    assert body["metadata"]["annotations"]["havip.dev/services"] == "default/b"
    assert body["metadata"]["ownerReferences"] == []


def test_a_newcomer_is_told_of_its_havip_only_once_it_is_written_down() -> None:
    there = havip_body(
        "default/front", serves="default/a", labels=SHARED_LABEL, owners=("a",), status=held()
    )
    asked = (sharing("default/a", 9, 80), sharing("default/b", 1, 81))
    told = decide(sight(*asked, group=SHARED, havip=there)).verdicts
    assert told["uid-default-a"].havip is not None
    assert told["uid-default-b"].havip is None
    assert told["uid-default-b"].accepted


# -- not taken lightly


def test_a_slip_of_the_pen_holds_the_havip_as_it_is() -> None:
    there = havip_body(election={"profile": "Calm"}, status=held())
    decision = decide(sight(claim(annotations={"profile": "Hasty"}), havip=there))
    assert decision.step is None
    [told] = decision.verdicts.values()
    assert told.reason is ServiceReason.INVALID_ANNOTATION
    assert told.havip is not None


def test_while_it_is_held_those_that_went_are_let_go_and_others_wait() -> None:
    there = havip_body(
        "default/front",
        serves="default/a,default/gone",
        labels=SHARED_LABEL,
        owners=("a", "gone"),
        description="as it is",
    )
    asked = (
        sharing("default/a", 9, 80, annotations={"profile": "Hasty"}),
        sharing("default/new", 1, 81),
    )
    decision = decide(sight(*asked, group=SHARED, havip=there))
    body = mended(decision)
    assert body["metadata"]["annotations"]["havip.dev/services"] == "default/a"
    assert body["spec"]["description"] == "as it is"
    assert reasons(decision) == {
        "uid-default-a": ServiceReason.INVALID_ANNOTATION,
        "uid-default-new": ServiceReason.PENDING,
    }
    assert "default/a" in decision.verdicts["uid-default-new"].message


def test_a_class_that_vanishes_holds_the_havip_as_it_is() -> None:
    there = havip_body(election={"profile": "Calm"}, status=held())
    decision = decide(sight(claim(), havip=there, known_class=False))
    assert decision.step is None
    [told] = decision.verdicts.values()
    assert (told.reason, told.havip is not None) == (ServiceReason.CLASS_NOT_FOUND, True)
    assert decide(sight(claim(), known_class=False)).step is None


def test_what_the_api_server_refused_is_not_asked_again_until_it_differs() -> None:
    asked = claim(annotations={"routes": "vtb-1=10.9.0.7/16"})
    spec = made(decide(sight(asked))).wish.spec
    refused = RefusedSpec(spec, "bits set", frozenset({"routes"}))
    decision = decide(sight(asked, refused=refused))
    assert decision.step is None
    assert [each.message for each in decision.verdicts.values()] == ["bits set"]
    corrected = claim(annotations={"routes": "vtb-1=10.9.0.0/16"})
    assert made(decide(sight(corrected, refused=refused)))


def test_the_last_to_say_what_the_api_server_refuses_is_blamed() -> None:
    there = havip_body("default/front", serves="default/a", labels=SHARED_LABEL, owners=("a",))
    asked = (
        sharing("default/a", 9, 80, annotations={"eip-allocation-id": "eip-1"}),
        sharing("default/b", 1, 81, annotations={"eip-allocate": "true"}),
    )
    first = decide(sight(*asked, group=SHARED, havip=there))
    assert first.wish is not None
    causes = {"spec.eip": "Invalid value: 5: give either"}
    refused = refused_spec(first.wish.spec, asked, causes, "")
    assert refused.annotations == {"eip-allocation-id", "eip-allocate"}
    decision = decide(sight(*asked, group=SHARED, havip=there, refused=refused))
    assert decision.step is None
    assert reasons(decision) == {
        "uid-default-a": ServiceReason.ACCEPTED,
        "uid-default-b": ServiceReason.INVALID_ANNOTATION,
    }


def test_a_strangers_havip_is_not_touched() -> None:
    stranger = havip_body(labels={}, owners=(), serves="")
    decision = decide(sight(claim(), occupant=stranger))
    assert decision.step is None
    assert list(reasons(decision).values()) == [ServiceReason.NAME_TAKEN]


@pytest.mark.parametrize("leaves", ["deleted", "to be deleted"])
def test_a_havip_on_its_way_out_is_waited_for(leaves: str) -> None:
    going = havip_body(deleting=leaves == "deleted")
    decision = decide(sight(claim(), occupant=going, occupant_leaves=leaves == "to be deleted"))
    assert decision.step is None
    assert list(reasons(decision).values()) == [ServiceReason.PENDING]
    again = decide(sight(claim(), havip=havip_body(deleting=True, status=held())))
    assert again.step is None
    assert [each.havip for each in again.verdicts.values()] == [None]


# -- taken down


def test_a_havip_that_nobody_asks_for_is_deleted_once() -> None:
    assert isinstance(decide(sight(havip=havip_body())).step, Remove)
    assert decide(sight(havip=havip_body(deleting=True))).step is None
    assert decide(sight()).step is None


def test_a_havip_goes_when_whom_it_served_is_gone_and_no_other_can_have_it() -> None:
    there = havip_body("default/front", serves="default/gone", labels=SHARED_LABEL)
    asked = sharing("default/b", 1, 80, ipFamilies=["IPv6"])
    decision = decide(sight(asked, group=SHARED, havip=there))
    assert isinstance(decision.step, Remove)
    assert list(reasons(decision).values()) == [ServiceReason.FAMILY_REFUSED]
