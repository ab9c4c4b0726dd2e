"""The life of a Service of our class, over a real API server and the official SDK."""

from __future__ import annotations

import pytest

from havip.api.names import SERVICE_FINALIZER
from tests.controller.conftest import CLASS, eventually

from .conftest import Shop

pytestmark = pytest.mark.apiserver


def test_a_service_gets_a_havip_and_its_address_once_a_node_holds_it(shop: Shop) -> None:
    uid = shop.service(ports=(80, 443))["metadata"]["uid"]
    havip = shop.wait_for_havip()
    assert havip["spec"]["className"] == CLASS
    assert havip["metadata"]["labels"] == {"havip.dev/service": "web"}
    assert havip["metadata"]["annotations"]["havip.dev/services"] == "default/web"
    [owner] = havip["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == (
        "Service",
        "web",
        uid,
        True,
    )
    shop.wait_for("Ready", "NoHolder")
    assert shop.ingress() == []
    assert SERVICE_FINALIZER in shop.see()["metadata"]["finalizers"]

    address = shop.serve()
    ports = [{"port": 80, "protocol": "TCP"}, {"port": 443, "protocol": "TCP"}]
    assert shop.ingress() == [{"ip": address, "ipMode": "VIP", "ports": ports}]
    assert address in shop.wait_for_event("AddressPublished")
    assert shop.condition("Accepted")[:2] == ("True", "Accepted")


def test_an_address_stays_published_while_nobody_holds_it(shop: Shop) -> None:
    shop.service()
    address = shop.serve()
    shop.hold(node="", epoch=1)
    shop.wait_for("Ready", "NoHolder")
    assert shop.addresses() == [address]


def test_a_deleted_service_leaves_nothing_behind(shop: Shop) -> None:
    shop.service()
    shop.serve()
    shop.delete()
    eventually(shop.havip, lambda seen: seen.get("metadata", {}).get("deletionTimestamp"))
    assert SERVICE_FINALIZER in shop.see()["metadata"]["finalizers"]
    shop.hold(node="", epoch=1)
    shop.wait_gone()
    assert shop.havip() == {}
    assert shop.cluster.cloud.control.ha_vips() == []


def test_a_service_that_becomes_another_type_is_left_without_a_trace(shop: Shop) -> None:
    shop.service()
    shop.serve()
    shop.become("default/web", "ClusterIP")
    shop.hold(node="", epoch=1)
    shop.wait_no_havip()
    eventually(
        shop.see,
        lambda seen: (
            not seen["metadata"].get("finalizers") and not seen["status"].get("conditions")
        ),
    )
    assert shop.see()["status"] == {"loadBalancer": {}}
    assert shop.cluster.cloud.control.ha_vips() == []


def test_a_service_that_goes_to_another_class_of_ours_gets_another_havip(shop: Shop) -> None:
    shop.cluster.klass("second")
    shop.service()
    first = shop.wait_for_havip()["metadata"]["uid"]
    shop.become("default/web", "ClusterIP")
    shop.become("default/web", "LoadBalancer", "havip.dev/second")
    eventually(
        shop.havip,
        lambda seen: (
            seen.get("spec", {}).get("className") == "second" and seen["metadata"]["uid"] != first
        ),
    )
    shop.wait_for_havip()
    assert len(shop.cluster.cloud.control.ha_vips()) == 1


def test_a_service_that_goes_to_another_provider_is_left_to_it(shop: Shop) -> None:
    shop.service()
    shop.wait_for_havip()
    shop.become("default/web", "ClusterIP")
    shop.become("default/web", "LoadBalancer", "alibabacloud.com/nlb")
    theirs = [{"ip": "203.0.113.99"}]
    path = f"{shop.service_path('default/web')}/status"
    shop.call(
        "PATCH", path, [{"op": "add", "path": "/status/loadBalancer", "value": {"ingress": theirs}}]
    )
    shop.wait_no_havip()
    eventually(
        shop.see,
        lambda seen: (
            not seen["metadata"].get("finalizers") and not seen["status"].get("conditions")
        ),
    )
    assert shop.addresses() == ["203.0.113.99"]


def test_a_havip_changed_by_hand_is_put_right_with_an_event(shop: Shop) -> None:
    shop.service(annotations={"profile": "Fast"})
    shop.wait_for_havip()
    shop.edit_havip(
        "default/web",
        {"op": "add", "path": "/spec/election/profile", "value": "Calm"},
        {"op": "remove", "path": "/metadata/ownerReferences"},
        {"op": "add", "path": "/metadata/labels/team", "value": "a"},
    )
    told = shop.wait_for_event("DriftMended")
    assert "spec.election, metadata.ownerReferences" in told
    havip = eventually(shop.havip, lambda seen: seen["spec"]["election"]["profile"] == "Fast")
    assert havip["metadata"]["ownerReferences"][0]["name"] == "web"
    assert havip["metadata"]["labels"]["team"] == "a", "what others put there stays"


def test_a_havip_deleted_by_hand_is_made_anew(shop: Shop) -> None:
    shop.service()
    address = shop.serve()
    first = shop.havip()["metadata"]["uid"]
    shop.call("DELETE", shop.havip_path("default/web"))
    eventually(shop.addresses, lambda seen: seen == [])
    shop.cluster.hold(first, "", 1)
    eventually(shop.havip, lambda seen: seen and seen["metadata"]["uid"] != first)
    assert shop.serve()
    assert address


def test_a_havip_of_that_name_that_is_a_strangers_is_not_touched(shop: Shop) -> None:
    shop.cluster.havip("web", description="mine")
    shop.cluster.wait_for("MembersReady", "True")
    before = shop.havip()["metadata"]
    shop.service()
    told = shop.wait_for_event("NameTaken")
    assert "There is a HaVip web that was not made for this Service" in told
    after = shop.havip()["metadata"]
    for what in ("uid", "generation", "labels", "annotations", "ownerReferences"):
        assert after.get(what) == before.get(what)
    assert shop.see()["metadata"].get("finalizers", []) == []
    assert shop.ingress() == []

    shop.cluster.delete("HaVip", "web")
    eventually(shop.havip, lambda seen: seen.get("metadata", {}).get("labels"))


def test_a_class_that_is_missing_is_told_and_may_come_later(shop: Shop) -> None:
    shop.service(loadBalancerClass="havip.dev/later")
    assert "There is no HaVipClass later" in shop.wait_for_event("ClassNotFound")
    shop.cluster.klass("later")
    shop.wait_for_havip()
    assert shop.condition("Accepted")[1] == "Accepted"


def test_the_defaults_of_the_class_are_what_a_havip_has(shop: Shop) -> None:
    defaults = {"profile": "Calm", "tags": {"team": "a", "stage": "live"}}
    shop.cluster.klass("set", defaults=defaults)
    shop.service(loadBalancerClass="havip.dev/set", annotations={"tags": "stage=test"})
    spec = shop.wait_for_havip()["spec"]
    assert spec["election"]["profile"] == "Calm"
    assert spec["tags"] == {"team": "a", "stage": "test"}


def test_an_eip_comes_first_and_the_havips_own_address_with_it(shop: Shop) -> None:
    shop.service(annotations={"eip-allocate": "true", "eip-bandwidth-mbps": "20"})
    shop.hold()
    eventually(shop.addresses, lambda seen: len(seen) == 2)
    status = shop.havip()["status"]
    assert shop.addresses() == [status["eipAddress"], status["address"]]


def test_a_local_policy_becomes_a_check_of_the_endpoints(shop: Shop) -> None:
    shop.service(externalTrafficPolicy="Local")
    [check] = shop.wait_for_havip()["spec"]["health"]
    port = shop.see()["spec"]["healthCheckNodePort"]
    assert (check["name"], check["endpoints"]) == (
        "endpoints",
        {"service": "web", "healthCheckNodePort": port},
    )
    shop.change(
        "default/web",
        {"op": "add", "path": "/spec/externalTrafficPolicy", "value": "Cluster"},
    )
    eventually(shop.havip, lambda seen: not seen["spec"].get("health"))


def test_the_models_and_the_api_server_refuse_a_value_by_the_name_of_its_annotation(
    shop: Shop,
) -> None:
    shop.service(annotations={"announce-burst": "99", "profle": "Fast"})
    assert "havip.dev/announce-burst" in shop.wait_for_event("InvalidAnnotation")
    assert shop.havip() == {}
    shop.annotate("default/web", "announce-burst", "9")
    told = shop.wait_for_event("UnknownAnnotation")
    assert told.startswith("havip.dev/profle means nothing to us")
    shop.wait_for_havip()

    # Only the API server knows that this is no address; nothing of what there is changes.
    shop.annotate("default/web", "routes", "vtb-1=10.9.0.7/16")
    told = shop.wait_for("Accepted", "InvalidAnnotation")
    assert "havip.dev/routes" in told
    assert "the block has bits set behind its prefix" in told
    assert shop.havip()["spec"].get("routes", []) == []
    shop.annotate("default/web", "routes", "")
    shop.wait_for("Accepted", "UnknownAnnotation")


def test_a_slip_of_the_pen_costs_nobody_the_address(shop: Shop) -> None:
    shop.service(annotations={"profile": "Fast"})
    address = shop.serve()
    shop.annotate("default/web", "profile", "Hasty")
    shop.wait_for("Accepted", "InvalidAnnotation")
    assert shop.addresses() == [address]
    assert shop.havip()["spec"]["election"]["profile"] == "Fast"


@pytest.mark.parametrize("said", ["annotation", "field"])
def test_a_wanted_address_is_had(shop: Shop, said: str) -> None:
    if said == "annotation":
        shop.service(annotations={"address": "10.77.0.77"})
    else:
        shop.service(loadBalancerIP="10.77.0.77")
    shop.serve()
    assert shop.addresses() == ["10.77.0.77"]


def test_an_address_cannot_change_and_the_service_is_told(shop: Shop) -> None:
    shop.service()
    address = shop.serve()
    shop.annotate("default/web", "address", "10.77.0.78")
    assert "cannot change" in shop.wait_for("Accepted", "InvalidAnnotation")
    assert shop.addresses() == [address]


def test_a_controller_that_starts_anew_withdraws_nothing(shop: Shop) -> None:
    shop.service()
    address = shop.serve()
    shop.cluster.stop_controllers()
    shop.cluster.start_controller("two")
    shop.wait_for_lead("two")
    # What it does first is seen by what it does for another Service.
    shop.service("default/other")
    shop.wait_for_havip("default/other")
    assert shop.addresses() == [address]
    assert "AddressWithdrawn" not in [reason for reason, _ in shop.events()]
