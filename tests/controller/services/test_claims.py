"""Whose Services are ours: a table, and the families that a HaVip has not."""

from __future__ import annotations

from typing import Any

import pytest

from havip.controller.services.claims import ServiceReason, claim_of, concerns

from .pure import claim, service

OTHERS: dict[str, dict[str, Any]] = {
    "a load balancer of no class, which the cloud controller manager serves": {
        "loadBalancerClass": None
    },
    "one of its classic load balancers": {"loadBalancerClass": "alibabacloud.com/clb"},
    "one of its network load balancers": {"loadBalancerClass": "alibabacloud.com/nlb"},
    "one of kube-vip": {"loadBalancerClass": "kube-vip.io/kube-vip-class"},
    "one of MetalLB": {"loadBalancerClass": "metallb.io/metallb"},
    "a class that is named like ours": {"loadBalancerClass": "havip.dev.example.com/main"},
    "a ClusterIP": {"type": "ClusterIP", "loadBalancerClass": None},
    "a NodePort": {"type": "NodePort", "loadBalancerClass": None},
    "a headless one": {"type": "ClusterIP", "clusterIP": "None", "loadBalancerClass": None},
    "an ExternalName": {"type": "ExternalName", "loadBalancerClass": None, "ports": []},
}


@pytest.mark.parametrize("spec", OTHERS.values(), ids=OTHERS)
def test_other_services_are_left_alone_whatever_their_annotations(spec: dict[str, Any]) -> None:
    other = service(annotations={"address": "10.0.0.9"}, **spec)
    assert claim_of(other) is None
    assert not concerns(other.to_json())


def test_ours_is_a_load_balancer_of_the_class_of_a_havipclass() -> None:
    asked = claim(loadBalancerClass="havip.dev/hangzhou-web")
    assert asked.class_name == "hangzhou-web"
    assert concerns(asked.service.to_json())


def test_a_class_without_the_type_asks_for_nothing() -> None:
    assert claim_of(service(type="ClusterIP")) is None


def test_a_service_that_is_being_deleted_asks_for_nothing() -> None:
    assert claim_of(service(deleting=True)) is None


def test_one_that_was_ours_concerns_us_until_our_conditions_are_gone() -> None:
    condition = {
        "type": "havip.dev/Accepted",
        "status": "True",
        "reason": "Accepted",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    was = service(type="ClusterIP", loadBalancerClass=None, status={"conditions": [condition]})
    assert concerns(was.to_json())
    foreign = {**condition, "type": "example.com/Accepted"}
    other = service(type="ClusterIP", loadBalancerClass=None, status={"conditions": [foreign]})
    assert not concerns(other.to_json())


@pytest.mark.parametrize("families", [["IPv6"], ["IPv4", "IPv6"], ["IPv6", "IPv4"]])
def test_ipv6_and_dual_stack_are_refused_with_what_to_write(families: list[str]) -> None:
    objection = claim(ipFamilies=families).objection
    assert objection is not None
    assert objection.reason is ServiceReason.FAMILY_REFUSED
    assert "set spec.ipFamilies to [IPv4]" in objection.message


@pytest.mark.parametrize(
    ("ranges", "fits"),
    [(["10.0.0.0/8"], True), (["10.0.0.0/8", "2001:db8::/32"], False), ([" 10.1.0.0/16"], True)],
)
def test_source_ranges_are_of_the_family_of_the_address(ranges: list[str], fits: bool) -> None:
    objection = claim(loadBalancerSourceRanges=ranges).objection
    assert (objection is None) == fits
    if objection is not None:
        assert "2001:db8::/32" in objection.message


def test_annotations_under_our_prefix_that_mean_nothing_are_kept_apart() -> None:
    asked = claim(annotations={"profle": "Fast", "profile": "Fast", "share": "front"})
    assert asked.unknown == ("profle",)
    assert asked.asks == {"profile": "Fast"}
    assert asked.share == "front"
