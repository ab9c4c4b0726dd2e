"""What Services cost: those of others nothing, ours nothing while nothing happens."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.controller.conftest import Cluster, eventually

from .conftest import Shop

pytestmark = pytest.mark.apiserver

NAMESPACES = 100
SPECS: tuple[dict[str, object], ...] = (
    {"type": "ClusterIP"},
    {"type": "ClusterIP", "clusterIP": "None"},
    {"type": "ExternalName", "externalName": "example.com"},
    {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False},
    {
        "type": "LoadBalancer",
        "loadBalancerClass": "alibabacloud.com/nlb",
        "allocateLoadBalancerNodePorts": False,
    },
)
"""Five Services to a namespace that are none of our business, whatever their annotations say."""

WATCHED = ("services", "havips", "events")


def writes(cluster: Cluster) -> Counter[str]:
    """Writes that the API server has answered so far, by resource."""
    counted: Counter[str] = Counter()
    pattern = re.compile(r"^apiserver_request_total\{(.*)\} (\S+)$", re.MULTILINE)
    for labels, number in pattern.findall(cluster.plane.kubectl("get", "--raw", "/metrics")):
        facts = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if facts["verb"] in ("POST", "PUT", "PATCH", "APPLY", "DELETE"):
            counted[facts["resource"]] += int(float(number))
    return Counter({each: counted[each] for each in WATCHED})


def wait_for_rounds(cluster: Cluster, rounds: int) -> None:
    """Wait until the controller has looked at an unchanging cloud this often."""
    before = len(cluster.cloud.control.calls("DescribeHaVips"))
    eventually(
        lambda: len(cluster.cloud.control.calls("DescribeHaVips")),
        lambda seen: seen >= before + rounds,
        within=60,
    )


@pytest.mark.timeout(600)
def test_five_hundred_services_of_others_cost_no_write(shop: Shop) -> None:
    cluster = shop.cluster
    cluster.stop_controllers()
    names = [f"many-{number}" for number in range(NAMESPACES)]
    for name in names:
        shop.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        for number, spec in enumerate(SPECS):
            body = {
                "metadata": {
                    "name": f"s{number}",
                    "annotations": {"havip.dev/address": "10.0.0.9"},
                },
                "spec": {"ports": [{"port": 80}], **spec},
            }
            shop.call("POST", f"/api/v1/namespaces/{name}/services", body)

    def versions() -> dict[str, str]:
        found = shop.call("GET", "/api/v1/services")["items"]
        return {each["metadata"]["uid"]: each["metadata"]["resourceVersion"] for each in found}

    before, stored = writes(cluster), versions()
    assert len(stored) >= 5 * NAMESPACES
    try:
        cluster.start_controller("thrifty")
        shop.wait_for_lead("thrifty")
        wait_for_rounds(cluster, 2)
        shop.call(
            "PATCH",
            f"/api/v1/namespaces/{names[0]}/services/s3",
            [{"op": "add", "path": "/metadata/annotations/note", "value": "changed"}],
        )
        wait_for_rounds(cluster, 2)
        assert writes(cluster) - before == Counter({"services": 1}), "the one of this test"
        after = versions()
        assert sum(after[uid] != version for uid, version in stored.items()) == 1
        # It was awake all the while.
        shop.service()
        shop.wait_for_havip()
    finally:
        for name in names:
            shop.call("DELETE", f"/api/v1/namespaces/{name}/services")


def test_a_service_that_is_served_costs_no_write_while_nothing_happens(shop: Shop) -> None:
    shop.service()
    shop.serve()

    def written_in_a_while() -> Counter[str]:
        before = writes(shop.cluster)
        wait_for_rounds(shop.cluster, 3)
        return writes(shop.cluster) - before

    # Some of what the HaVip reports comes later than its address.
    eventually(written_in_a_while, lambda seen: not seen, within=60)
