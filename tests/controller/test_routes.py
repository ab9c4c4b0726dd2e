"""Routes to the HaVip: made, kept, removed before it goes, and refused with who is in the way."""

from __future__ import annotations

import pytest

from .conftest import Cluster, eventually
from .ground import SOMEBODY_S

pytestmark = pytest.mark.apiserver


def route(table: str, destination: str) -> dict[str, str]:
    return {"routeTableId": table, "destination": destination}


def wait_for_routes(cluster: Cluster, name: str = "web", **wanted: list[str]) -> None:
    """Wait until these and no others lead to the HaVip from ``one`` and ``side``."""
    ha_vip_id = cluster.status(name)["haVipId"]

    def leading() -> dict[str, list[str]]:
        return {
            table: sorted(
                block
                for block, hop in cluster.routes_of(f"vtb-{table}").items()
                if hop == ha_vip_id
            )
            for table in wanted
        }

    eventually(leading, lambda seen: seen == wanted)


def test_routes_in_two_tables_lead_to_the_havip_and_go_before_it(cluster: Cluster) -> None:
    cluster.havip(
        routes=[
            route("vtb-one", "10.9.0.0/16"),
            route("vtb-side", "10.9.0.0/16"),
            route("vtb-side", "192.168.7.1/32"),
        ]
    )
    cluster.wait_for("RoutesBound", "True", "Bound")
    wait_for_routes(cluster, one=["10.9.0.0/16"], side=["10.9.0.0/16", "192.168.7.1/32"])
    assert {each["state"] for each in cluster.status()["routes"]} == {"Bound"}

    cluster.delete("HaVip", "web")
    cluster.wait_gone()
    assert cluster.routes_of("vtb-side") == {}
    writes = cluster.writes()
    first_leaver = writes.index("UnassociateHaVip")
    assert writes.count("DeleteRouteEntry") == 3
    assert "DeleteRouteEntry" not in writes[first_leaver:]
    refused = [call.code for call in cluster.cloud.control.calls() if call.code]
    assert refused == []  # nothing was tried that the cloud had to refuse


def test_routes_follow_the_edits(cluster: Cluster) -> None:
    cluster.havip(routes=[route("vtb-one", "10.9.0.0/16"), route("vtb-one", "10.10.0.0/16")])
    cluster.wait_for("RoutesBound", "True", "Bound")
    cluster.edit("web", routes=[route("vtb-one", "10.10.0.0/16"), route("vtb-side", "10.9.0.0/16")])
    wait_for_routes(cluster, one=["10.10.0.0/16"], side=["10.9.0.0/16"])
    eventually(cluster.status, lambda seen: len(seen["routes"]) == 2)

    cluster.edit("web", routes=[])
    cluster.wait_for("RoutesBound", "True", "NotWanted")
    wait_for_routes(cluster, one=[], side=[])
    assert cluster.status()["routes"] == []


def test_a_sixth_route_of_a_table_is_refused_with_who_uses_it_up(cluster: Cluster) -> None:
    cluster.havip("full", routes=[route("vtb-one", f"10.{20 + n}.0.0/16") for n in range(5)])
    cluster.wait_for("RoutesBound", "True", "Bound", name="full")
    cluster.havip(routes=[route("vtb-one", "10.9.0.0/16"), route("vtb-side", "10.9.0.0/16")])
    cluster.wait_for("RoutesBound", "False", "QuotaExceeded")
    told = cluster.message("RoutesBound")
    assert "vtb-one has 5 routes to HaVips, and 5 are allowed" in told
    assert f"10.20.0.0/16 to {cluster.status('full')['haVipId']}" in told
    # What the other table takes is not held up.
    wait_for_routes(cluster, one=[], side=["10.9.0.0/16"])
    asked = [each for each in cluster.cloud.control.calls("CreateRouteEntry") if each.code]
    assert asked == []  # what would go over the limit is not even asked for

    cluster.edit("full", routes=[route("vtb-one", f"10.{20 + n}.0.0/16") for n in range(4)])
    cluster.wait_for("RoutesBound", "True", "Bound")


def test_a_quota_that_was_raised_is_told_in_the_class(cluster: Cluster) -> None:
    cluster.klass("strict", limits={"routesPerTable": 1})
    routes = [route("vtb-one", "10.9.0.0/16"), route("vtb-one", "10.10.0.0/16")]
    cluster.havip(className="strict", routes=routes)
    cluster.wait_for("RoutesBound", "False", "QuotaExceeded")
    assert "spec.limits.routesPerTable of the HaVipClass strict" in cluster.message("RoutesBound")
    raised = {"op": "replace", "path": "/spec/limits/routesPerTable", "value": 2}
    cluster.patch("HaVipClass", "strict", raised)
    cluster.wait_for("RoutesBound", "True", "Bound")


def test_somebody_else_s_route_is_named_by_where_it_leads_and_left_alone(
    cluster: Cluster,
) -> None:
    cluster.havip(routes=[route("vtb-one", SOMEBODY_S)])
    cluster.wait_for("RoutesBound", "False", "RouteRefused")
    told = cluster.message("RoutesBound")
    assert f"vtb-one has a route for {SOMEBODY_S} already, to Instance i-node30" in told
    cluster.wait_for("MembersReady", "True")

    cluster.by_hand.unroute(
        route_table_id="vtb-one", destination_cidr_block=SOMEBODY_S, next_hop_id="i-node30"
    )
    cluster.wait_for("RoutesBound", "True", "Bound")


def test_a_refused_route_is_not_somebody_s_that_is_removed_at_the_end(cluster: Cluster) -> None:
    cluster.havip(routes=[route("vtb-one", SOMEBODY_S)])
    cluster.wait_for("RoutesBound", "False", "RouteRefused")
    cluster.delete("HaVip", "web")
    cluster.wait_gone()
    assert cluster.routes_of("vtb-one") == {SOMEBODY_S: "i-node30"}


@pytest.mark.parametrize(
    ("table", "destination", "reason", "told"),
    [
        ("vtb-nowhere", "10.9.0.0/16", "RouteTableNotFound", "vtb-nowhere"),
        ("vtb-one", "10.77.0.0/25", "RouteRefused", "10.77.0.0/25"),  # within the vSwitch
    ],
)
def test_what_the_cloud_cannot_route_is_explained_and_can_be_deleted(
    cluster: Cluster, table: str, destination: str, reason: str, told: str
) -> None:
    cluster.havip(routes=[route(table, destination)])
    cluster.wait_for("RoutesBound", "False", reason)
    assert told in cluster.message("RoutesBound")
    cluster.wait_for("MembersReady", "True")
    cluster.edit("web", routes=[])
    cluster.wait_for("RoutesBound", "True", "NotWanted")


def test_a_route_that_was_deleted_by_hand_is_put_back(cluster: Cluster) -> None:
    cluster.havip(routes=[route("vtb-one", "10.9.0.0/16")])
    cluster.wait_for("RoutesBound", "True", "Bound")
    ha_vip_id = cluster.status()["haVipId"]
    cluster.by_hand.unroute(
        route_table_id="vtb-one", destination_cidr_block="10.9.0.0/16", next_hop_id=ha_vip_id
    )
    wait_for_routes(cluster, one=["10.9.0.0/16"])


def test_a_route_that_was_added_by_hand_is_left_alone_until_the_havip_goes(
    cluster: Cluster,
) -> None:
    cluster.havip(routes=[route("vtb-one", "10.9.0.0/16")])
    cluster.wait_for("RoutesBound", "True", "Bound")
    ha_vip_id = cluster.status()["haVipId"]
    cluster.by_hand.route("10.40.0.0/16", ha_vip_id, route_table_id="vtb-one")
    cluster.by_hand.route("10.41.0.0/16", ha_vip_id, route_table_id="vtb-side")
    cluster.edit("web", routes=[])
    cluster.wait_for("RoutesBound", "True", "NotWanted")
    wait_for_routes(cluster, one=["10.40.0.0/16"], side=["10.41.0.0/16"])

    # The cloud does not delete what a route leads to, in whichever table.
    cluster.delete("HaVip", "web")
    cluster.wait_gone()
    wanted = {SOMEBODY_S: "i-node30"}
    assert (cluster.routes_of("vtb-one"), cluster.routes_of("vtb-side")) == (wanted, {})


def test_many_havips_change_one_table_in_turn(cluster: Cluster) -> None:
    for number in range(5):
        cluster.havip(f"turn{number}", routes=[route("vtb-side", f"10.{20 + number}.0.0/16")])
    for number in range(5):
        cluster.wait_for("RoutesBound", "True", "Bound", name=f"turn{number}")
    assert [each.code for each in cluster.cloud.control.calls("CreateRouteEntry")] == [""] * 5
