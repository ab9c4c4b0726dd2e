"""Who shares a HaVip: first come, first served, and what the later ones are told."""

from __future__ import annotations

from typing import Any

import pytest

from havip.controller.services.claims import Claim, ServiceReason
from havip.controller.services.sharing import admit

from .pure import claim


def shared(key: str, age: int, **facts: Any) -> Claim:
    facts["annotations"] = {"share": "front", **facts.get("annotations", {})}
    facts.setdefault("selector", {"app": "shop"})
    return claim(key, age=age, **facts)


def names(claims: tuple[Claim, ...]) -> list[str]:
    return [each.key for each in claims]


FITTING: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "other ports": ({"ports": ("80/TCP",)}, {"ports": ("443/TCP",)}),
    "one port of two protocols": ({"ports": ("53/TCP",)}, {"ports": ("53/UDP",)}),
    "mixed protocols": ({"ports": ("53/TCP", "53/UDP")}, {"ports": ("80/TCP",)}),
    "an annotation that one of them has": (
        {"annotations": {"profile": "Fast"}},
        {"ports": ("443/TCP",)},
    ),
    "an annotation that both have": (
        {"annotations": {"profile": "Fast"}},
        {"ports": ("443/TCP",), "annotations": {"profile": "Fast "}},
    ),
    "policy Local and one selector": (
        {"externalTrafficPolicy": "Local"},
        {"externalTrafficPolicy": "Local", "ports": ("443/TCP",)},
    ),
}


@pytest.mark.parametrize(("first", "second"), FITTING.values(), ids=FITTING)
def test_services_that_agree_share(first: dict[str, Any], second: dict[str, Any]) -> None:
    claims = [shared("default/a", 2, **first), shared("default/b", 1, **second)]
    assert names(admit(claims, (), "").admitted) == ["default/a", "default/b"]


CLASHING: dict[str, tuple[dict[str, Any], dict[str, Any], ServiceReason, str]] = {
    "a port": (
        {"ports": ("80/TCP", "443/TCP")},
        {"ports": ("443/TCP",)},
        ServiceReason.PORTS_TAKEN,
        "default/a has 443/TCP of the shared HaVip already",
    ),
    "the policy": (
        {"externalTrafficPolicy": "Local"},
        {"ports": ("443/TCP",)},
        ServiceReason.SHARING_REFUSED,
        "default/a, which shares the HaVip, has externalTrafficPolicy Local, this one Cluster",
    ),
    "the selector, with Local": (
        {"externalTrafficPolicy": "Local"},
        {"externalTrafficPolicy": "Local", "ports": ("443/TCP",), "selector": {"app": "other"}},
        ServiceReason.SHARING_REFUSED,
        "selects other pods",
    ),
    "an annotation": (
        {"annotations": {"profile": "Fast"}},
        {"ports": ("443/TCP",), "annotations": {"profile": "Calm"}},
        ServiceReason.SHARING_REFUSED,
        "havip.dev/profile is Fast at default/a",
    ),
    "the address": (
        {"annotations": {"address": "10.0.0.8"}},
        {"ports": ("443/TCP",), "loadBalancerIP": "10.0.0.9"},
        ServiceReason.SHARING_REFUSED,
        "havip.dev/address is 10.0.0.8 at default/a",
    ),
}


@pytest.mark.parametrize(("first", "second", "reason", "words"), CLASHING.values(), ids=CLASHING)
def test_a_clash_is_the_later_ones(
    first: dict[str, Any], second: dict[str, Any], reason: ServiceReason, words: str
) -> None:
    claims = [shared("default/b", 1, **second), shared("default/a", 2, **first)]
    decided = admit(claims, (), "")
    assert names(decided.admitted) == ["default/a"]
    refusal = decided.refused[claims[0].uid]
    assert refusal.reason is reason
    assert words in refusal.message


def test_who_has_the_havip_keeps_it_against_an_older_service_that_comes_later() -> None:
    claims = [shared("default/old", 9), shared("default/young", 1)]
    decided = admit(claims, ("default/young",), "default")
    assert names(decided.admitted) == ["default/young"]


def test_other_selectors_share_where_the_policy_is_cluster() -> None:
    claims = [
        shared("default/a", 2),
        shared("shop/b", 1, ports=("443/TCP",), selector={"app": "other"}),
    ]
    assert names(admit(claims, (), "").admitted) == ["default/a", "shop/b"]


def test_local_policy_is_for_the_namespace_of_the_havip() -> None:
    local = {"externalTrafficPolicy": "Local"}
    claims = [shared("default/a", 2, **local), shared("shop/b", 1, ports=("443/TCP",), **local)]
    decided = admit(claims, (), "")
    assert names(decided.admitted) == ["default/a"]
    assert "The shared HaVip is in namespace default" in decided.refused[claims[1].uid].message


def test_one_that_is_wrong_by_itself_has_no_part() -> None:
    claims = [shared("default/a", 2, ipFamilies=["IPv6"]), shared("default/b", 1)]
    decided = admit(claims, (), "")
    assert names(decided.admitted) == ["default/b"]
    assert decided.refused[claims[0].uid].reason is ServiceReason.FAMILY_REFUSED
