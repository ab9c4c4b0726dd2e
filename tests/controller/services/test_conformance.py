"""What Kubernetes' own end-to-end tests expect of a load balancer: the controller's part of it.

The source is ``test/e2e/network/loadbalancer.go`` of kubernetes/kubernetes; each test here bears
the name of the one there. ``ELSEWHERE`` has the others, and who answers for them.
"""

from __future__ import annotations

from typing import Any

import pytest

from havip.api.names import SERVICE_FINALIZER
from tests.controller.conftest import eventually

from .conftest import OURS, Shop

pytestmark = pytest.mark.apiserver

ELSEWHERE = {
    "LoadBalancers should only allow access from service loadbalancer source ranges": (
        "kube-proxy, for addresses of ipMode VIP"
    ),
    "LoadBalancers should have session affinity work for LoadBalancer service with Local traffic"
    " policy": "kube-proxy",
    "LoadBalancers should have session affinity work for LoadBalancer service with Cluster traffic"
    " policy": "kube-proxy",
    "LoadBalancers should be able to preserve UDP traffic when server pod cycles for a LoadBalancer"
    " service on different nodes": "kube-proxy, and the agents with policy Local",
    "LoadBalancers should be able to preserve UDP traffic when server pod cycles for a LoadBalancer"
    " service on the same node": "kube-proxy",
    "LoadBalancers should not have connectivity disruption during rolling update with"
    " externalTrafficPolicy=Cluster": "kube-proxy",
    "LoadBalancers should not have connectivity disruption during rolling update with"
    " externalTrafficPolicy=Local": "the agents: the owner moves with the endpoints",
    "LoadBalancers ExternalTrafficPolicy: Local should work for type=NodePort": "kube-proxy",
    "LoadBalancers ExternalTrafficPolicy: Local should only target nodes with endpoints": (
        "the agents: a node without an endpoint is not fit to own the address"
    ),
    "LoadBalancers ExternalTrafficPolicy: Local should work from pods": "kube-proxy",
}
"""Name of the test there, and whose it is here."""


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_should_be_able_to_change_the_type_and_ports_of_a_service(
    shop: Shop, protocol: str
) -> None:
    shop.service(type="ClusterIP", loadBalancerClass=None, protocol=protocol)
    shop.become("default/web", "NodePort")
    assert shop.see()["status"].get("conditions", []) == []

    shop.become("default/web", "LoadBalancer", OURS)
    address = shop.serve()
    shop.change("default/web", {"op": "replace", "path": "/spec/ports/0/port", "value": 81})
    eventually(
        shop.ingress,
        lambda seen: (
            [(each["ip"], each["ports"]) for each in seen]
            == [(address, [{"port": 81, "protocol": protocol}])]
        ),
    )
    shop.change("default/web", {"op": "remove", "path": "/spec/ports/0/nodePort"})
    assert shop.addresses() == [address]

    shop.become("default/web", "ClusterIP")
    assert shop.ingress() == []
    shop.hold(node="", epoch=1)
    shop.wait_no_havip()
    eventually(shop.see, lambda seen: "finalizers" not in seen["metadata"])
    assert shop.ingress() == []


def test_should_handle_load_balancer_cleanup_finalizer_for_service(shop: Shop) -> None:
    def finalizers(seen: dict[str, Any]) -> list[str]:
        return list(seen["metadata"].get("finalizers", []))

    shop.service()
    eventually(shop.see, lambda seen: SERVICE_FINALIZER in finalizers(seen))
    shop.become("default/web", "ClusterIP")
    eventually(shop.see, lambda seen: SERVICE_FINALIZER not in finalizers(seen))
    shop.become("default/web", "LoadBalancer", OURS)
    eventually(shop.see, lambda seen: SERVICE_FINALIZER in finalizers(seen))
    shop.delete()
    shop.wait_gone()
    assert shop.havip() == {}


def test_should_be_able_to_create_load_balancer_service_without_node_port_and_change_it(
    shop: Shop,
) -> None:
    shop.service(allocateLoadBalancerNodePorts=False)
    address = shop.serve()
    assert "nodePort" not in shop.see()["spec"]["ports"][0]
    shop.change(
        "default/web",
        {"op": "replace", "path": "/spec/allocateLoadBalancerNodePorts", "value": True},
    )
    assert shop.see()["spec"]["ports"][0]["nodePort"]
    assert shop.addresses() == [address]


@pytest.mark.parametrize(
    "operation",
    [
        {"path": "/spec/sessionAffinity", "value": "ClientIP"},
        {"path": "/spec/loadBalancerSourceRanges", "value": ["10.0.0.0/8"]},
    ],
    ids=["session affinity", "source ranges"],
)
def test_should_be_able_to_switch_what_is_kube_proxys(
    shop: Shop, operation: dict[str, Any]
) -> None:
    shop.service()
    address = shop.serve()
    generation = shop.havip()["metadata"]["generation"]
    shop.change("default/web", {"op": "add", **operation})
    # What comes after it was seen has been seen, too.
    shop.annotate("default/web", "seen", "yes")
    shop.wait_for("Accepted", "UnknownAnnotation")
    assert shop.havip()["metadata"]["generation"] == generation
    assert shop.addresses() == [address]


def test_external_traffic_policy_local_should_handle_updates_to_the_field(shop: Shop) -> None:
    def checks(havip: dict[str, Any]) -> list[str]:
        return [each["name"] for each in havip.get("spec", {}).get("health", [])]

    shop.service(externalTrafficPolicy="Local")
    address = shop.serve()
    assert checks(shop.havip()) == ["endpoints"]
    assert shop.see()["spec"]["healthCheckNodePort"]
    for policy, wanted in (("Cluster", []), ("Local", ["endpoints"])):
        operation = {"op": "replace", "path": "/spec/externalTrafficPolicy", "value": policy}
        shop.change("default/web", operation)
        eventually(shop.havip, lambda seen, wanted=wanted: checks(seen) == wanted)  # type: ignore[misc]
        assert shop.addresses() == [address]
