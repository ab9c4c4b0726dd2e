"""Services that share a HaVip, over a real API server."""

from __future__ import annotations

import pytest

from tests.controller.conftest import eventually

from .conftest import OTHER_NAMESPACE, Shop

pytestmark = pytest.mark.apiserver

SHARE = {"share": "front"}


def services_of(shop: Shop, key: str = "default/front") -> str:
    annotations = shop.havip(key).get("metadata", {}).get("annotations", {})
    return str(annotations.get("havip.dev/services", ""))


def wait_for_services(shop: Shop, *keys: str, at: str = "default/front") -> None:
    eventually(lambda: services_of(shop, at), lambda seen: seen == ",".join(keys))


def test_services_with_one_key_have_one_address_until_the_last_goes(shop: Shop) -> None:
    shop.service("default/a", ports=(80,), annotations=SHARE)
    wait_for_services(shop, "default/a")
    shop.service("default/b", ports=(53,), protocol="UDP", annotations=SHARE)
    wait_for_services(shop, "default/a", "default/b")
    address = shop.hold("default/front")
    for key in ("default/a", "default/b"):
        eventually(lambda key=key: shop.addresses(key), lambda seen: seen == [address])  # type: ignore[misc]
    assert len(shop.cluster.cloud.control.ha_vips()) == 1
    owners = shop.havip("default/front")["metadata"]["ownerReferences"]
    assert [(each["name"], each.get("controller")) for each in owners] == [("a", True), ("b", None)]

    shop.delete("default/a")
    shop.wait_gone("default/a")
    assert services_of(shop) == "default/b"
    assert shop.addresses("default/b") == [address]
    [owner] = shop.havip("default/front")["metadata"]["ownerReferences"]
    assert (owner["name"], owner["controller"]) == ("b", True)

    shop.delete("default/b")
    shop.hold("default/front", node="")
    shop.wait_gone("default/b")
    assert shop.havip("default/front") == {}


def test_a_clash_is_an_event_on_the_later_one_until_the_earlier_gives_way(shop: Shop) -> None:
    shop.service("default/a", annotations=SHARE)
    wait_for_services(shop, "default/a")
    shop.service("default/b", annotations=SHARE)
    told = shop.wait_for_event("PortsTaken", "default/b")
    assert told.startswith("default/a has 80/TCP of the shared HaVip already")
    assert shop.events("default/a") == []
    assert services_of(shop) == "default/a"
    assert shop.see("default/b")["metadata"].get("finalizers", []) == []

    shop.change("default/a", {"op": "replace", "path": "/spec/ports/0/port", "value": 81})
    wait_for_services(shop, "default/a", "default/b")
    shop.wait_for("Accepted", "Accepted", "default/b")


def test_namespaces_share_only_where_the_class_allows_it(shop: Shop) -> None:
    shop.service("default/a", annotations=SHARE)
    shop.service(f"{OTHER_NAMESPACE}/b", annotations=SHARE)
    wait_for_services(shop, "default/a")
    wait_for_services(shop, f"{OTHER_NAMESPACE}/b", at=f"{OTHER_NAMESPACE}/front")


def test_a_havip_shared_across_namespaces_outlives_its_first_service(shop: Shop) -> None:
    shop.cluster.klass("open", services={"shareAcrossNamespaces": True})
    other = f"{OTHER_NAMESPACE}/b"
    shop.service("default/a", annotations=SHARE, loadBalancerClass="havip.dev/open")
    wait_for_services(shop, "default/a")
    shop.service(other, ports=(81,), annotations=SHARE, loadBalancerClass="havip.dev/open")
    wait_for_services(shop, "default/a", other)
    address = shop.hold("default/front")
    eventually(lambda: shop.addresses(other), lambda seen: seen == [address])

    shop.delete("default/a")
    shop.wait_gone("default/a")
    assert services_of(shop) == other
    assert shop.havip("default/front")["metadata"].get("ownerReferences", []) == []
    assert shop.addresses(other) == [address]

    shop.delete(other)
    shop.hold("default/front", node="")
    shop.wait_gone(other)
    assert shop.havip("default/front") == {}


def test_a_service_that_leaves_the_others_gets_a_havip_of_its_own(shop: Shop) -> None:
    shop.service("default/a", annotations=SHARE)
    wait_for_services(shop, "default/a")
    shop.service("default/b", ports=(81,), annotations=SHARE)
    wait_for_services(shop, "default/a", "default/b")
    path = "/metadata/annotations/havip.dev~1share"
    shop.change("default/b", {"op": "remove", "path": path})
    shop.wait_for_havip("default/b")
    wait_for_services(shop, "default/a")


def test_owners_are_spread_over_the_hosts_as_havips_are_made(shop: Shop) -> None:
    for number in (1, 2, 3):
        label = {"op": "add", "path": "/metadata/labels/kubernetes.io~1hostname"}
        shop.cluster.patch("Node", f"node{number}", {**label, "value": f"host{number}"})
    keys = [f"default/s{number}" for number in range(6)]
    for key in keys:
        shop.service(key, annotations={"members-max": "3"})
    preferred = []
    for key in keys:
        eventually(lambda key=key: shop.havip(key))  # type: ignore[misc]
        havip = shop.havip(key)
        preferred.append(
            havip["metadata"]["annotations"]["havip.dev/preferred-hosts"].split(",")[0]
        )
        entry = havip["spec"]["election"]["priorities"][0]
        assert entry["nodeSelector"] == {"kubernetes.io/hostname": preferred[-1]}
    assert sorted(preferred) == ["host1", "host1", "host2", "host2", "host3", "host3"]
