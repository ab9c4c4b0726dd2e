"""Route tables and their entries: their life, what may lead where, and what is refused."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from alibabacloud_vpc20160428 import models as vpc

from havip.simcloud.profiles import INSTANT, Quotas
from havip.simcloud.server import RunningCloud
from havip.simcloud.topology import (
    Instance,
    RouteEntry,
    RouteTable,
    Topology,
    Vpc,
    VSwitch,
    sample,
)
from tests.simcloud.conftest import Clock, Start
from tests.simcloud.sdk import REGION, ROUTE_TABLE, Sdk, refusal


def with_tables(*tables: RouteTable) -> Topology:
    """Give the sample with a second VPC, an instance there, and some route tables."""
    topology = sample()
    far = Instance(
        instance_id="i-far",
        name="far",
        v_switch_id="vsw-far",
        private_ip_address=IPv4Address("10.88.0.11"),
        mac_address="02:00:0a:58:00:0b",
        network_interface_id="eni-far",
    )
    switch = VSwitch(
        v_switch_id="vsw-far",
        vpc_id="vpc-far",
        cidr_block=IPv4Network("10.88.0.0/24"),
        zone_id="cn-hangzhou-a",
    )
    return topology.model_copy(
        update={
            "vpcs": (*topology.vpcs, Vpc(vpc_id="vpc-far", cidr_block=IPv4Network("10.88.0.0/16"))),
            "v_switches": (*topology.v_switches, switch),
            "instances": (*topology.instances, far),
            "route_tables": tables,
        }
    )


CUSTOM = RouteTable(
    route_table_id="vtb-custom",
    vpc_id="vpc-sim",
    name="second",
    v_switch_ids=("vsw-sim",),
    entries=(
        RouteEntry(
            destination_cidr_block=IPv4Network("0.0.0.0/0"),
            next_hop_type="NatGateway",
            next_hop_id="ngw-1",
        ),
    ),
)


def tables(sdk: Sdk, **request: Any) -> list[Any]:
    found: list[Any] = sdk.vpc.describe_route_table_list(
        vpc.DescribeRouteTableListRequest(region_id=REGION, **request)
    ).body.router_table_list.router_table_list_type
    return found


# Life


def test_an_entry_is_pending_then_available_then_gone(slow_sdk: Sdk, clock: Clock) -> None:
    ha_vip = slow_sdk.create().ha_vip_id
    clock.advance(5)
    entry_id = slow_sdk.route(
        "192.168.7.0/24", ha_vip, route_entry_name="web", description="to the web"
    ).route_entry_id

    def status() -> list[str]:
        return [entry.status for entry in slow_sdk.routes(route_entry_id=entry_id)]

    assert status() == ["Pending"]
    assert tables(slow_sdk)[0].status == "Pending"
    clock.advance(5)
    (entry,) = slow_sdk.routes(route_entry_id=entry_id)
    assert (entry.status, entry.type) == ("Available", "Custom")
    assert (entry.route_table_id, entry.destination_cidr_block) == (ROUTE_TABLE, "192.168.7.0/24")
    assert (entry.route_entry_name, entry.description) == ("web", "to the web")
    (hop,) = entry.next_hops.next_hop
    assert (hop.next_hop_type, hop.next_hop_id) == ("HaVip", ha_vip)
    assert tables(slow_sdk)[0].status == "Available"
    slow_sdk.unroute(route_entry_id=entry_id)
    assert status() == ["Deleting"]
    clock.advance(5)
    assert status() == []


def test_a_bare_address_is_a_destination_of_its_own(sdk: Sdk) -> None:
    ha_vip = sdk.create().ha_vip_id
    sdk.route("192.168.7.9", ha_vip)
    (entry,) = sdk.routes(next_hop_id=ha_vip)
    assert entry.destination_cidr_block == "192.168.7.9/32"
    assert len(sdk.routes(destination_cidr_block="192.168.7.9")) == 1


def test_an_entry_is_deleted_by_its_id_or_by_what_it_says(sdk: Sdk) -> None:
    ha_vip = sdk.create().ha_vip_id
    sdk.unroute(route_entry_id=sdk.route("192.168.7.0/24", ha_vip).route_entry_id)
    sdk.route("192.168.7.0/24", ha_vip)
    where = {"route_table_id": ROUTE_TABLE, "destination_cidr_block": "192.168.7.0/24"}
    gone = (400, "InvalidRouteEntry.NotFound")
    assert refusal(lambda: sdk.unroute(**where, next_hop_id="havip-other")) == gone
    assert refusal(lambda: sdk.unroute(**where)) == (400, "InvalidNextHop")
    sdk.unroute(**where, next_hop_id=ha_vip)
    assert refusal(lambda: sdk.unroute(**where, next_hop_id=ha_vip)) == gone
    assert refusal(lambda: sdk.unroute(route_entry_id="rte-nobody")) == gone


def test_every_vpc_has_a_system_table_with_entries_of_the_cloud(start: Start) -> None:
    sdk = Sdk(start(with_tables(CUSTOM)).endpoint)
    assert {(t.route_table_id, t.route_table_type, t.vpc_id) for t in tables(sdk)} == {
        ("vtb-sim", "System", "vpc-sim"),
        ("vtb-far", "System", "vpc-far"),
        ("vtb-custom", "Custom", "vpc-sim"),
    }
    assert {entry.destination_cidr_block for entry in sdk.routes(route_entry_type="System")} == {
        "10.77.0.0/24",
        "100.64.0.0/10",
    }
    assert sdk.routes(route_entry_type="Custom") == []
    (old,) = sdk.routes(route_table_id="vtb-custom", route_entry_type="Custom")
    assert (old.destination_cidr_block, old.status) == ("0.0.0.0/0", "Available")


def test_other_next_hops_are_made_by_other_hands(sdk: Sdk) -> None:
    sdk.route("192.168.1.0/24", "i-node1", next_hop_type=None)
    sdk.route("192.168.2.0/24", "eni-node2", next_hop_type="NetworkInterface")
    assert [entry.next_hops.next_hop[0].next_hop_type for entry in sdk.routes(max_result=100)][
        -2:
    ] == ["Instance", "NetworkInterface"]
    sdk.release_instance("i-node1")
    assert len(sdk.routes(next_hop_id="i-node1")) == 1


# What is refused


@pytest.mark.parametrize(
    ("destination", "code"),
    [
        ("10.77.0.0/24", "InvalidCidrBlock"),
        ("10.77.0.128/25", "InvalidCidrBlock"),
        ("10.77.0.99", "InvalidCidrBlock"),
        ("100.64.0.0/10", "InvalidCidrBlock"),
        ("100.100.100.200", "InvalidCidrBlock"),
        ("192.168.7.1/24", "InvalidCidrBlock.Malformed"),
        ("192.168.7", "InvalidCidrBlock.Malformed"),
        ("fd00::/64", "InvalidCidrBlock.Malformed"),
        (None, "MissingParameter"),
    ],
)
def test_a_bad_destination_is_refused(sdk: Sdk, destination: str, code: str) -> None:
    ha_vip = sdk.create().ha_vip_id
    assert refusal(lambda: sdk.route(destination, ha_vip)) == (400, code)
    assert sdk.routes(route_entry_type="Custom") == []


@pytest.mark.parametrize("destination", ["10.77.0.0/16", "10.77.1.0/24", "0.0.0.0/0", "10.0.0.0/8"])
def test_a_destination_around_or_beside_the_vswitches_is_fine(sdk: Sdk, destination: str) -> None:
    sdk.route(destination, sdk.create().ha_vip_id)


def test_a_destination_has_one_entry_in_a_table(start: Start) -> None:
    sdk = Sdk(start(with_tables(CUSTOM)).endpoint)
    one, two = (sdk.create().ha_vip_id for _ in range(2))
    sdk.route("192.168.7.0/24", one)
    duplicate = (400, "InvalidCIDRBlock.Duplicate")
    assert refusal(lambda: sdk.route("192.168.7.0/24", one)) == duplicate
    assert refusal(lambda: sdk.route("192.168.7.0/24", two)) == duplicate
    assert refusal(lambda: sdk.route("0.0.0.0/0", two, route_table_id="vtb-custom")) == duplicate
    sdk.route("192.168.7.0/24", two, route_table_id="vtb-custom")


@pytest.mark.parametrize(
    ("request_fields", "answer"),
    [
        ({"next_hop": "havip-nobody"}, (404, "InvalidHaVipId.NotFound")),
        ({"next_hop": None}, (400, "MissingParameter")),
        ({"next_hop": "i-nobody", "next_hop_type": "Instance"}, (404, "InvalidNextHopId.NotFound")),
        ({"next_hop": "i-far", "next_hop_type": "Instance"}, (404, "InvalidNextHopId.NotFound")),
        (
            {"next_hop": "eni-nobody", "next_hop_type": "NetworkInterface"},
            (404, "InvalidNextHopId.NotFound"),
        ),
        ({"next_hop": "x", "next_hop_type": "Wormhole"}, (400, "InvalidNextHopType")),
        (
            {"next_hop": "i-node1", "route_table_id": "vtb-nobody"},
            (404, "InvalidRouteTableId.NotFound"),
        ),
        ({"next_hop": "i-node1", "route_table_id": None}, (400, "MissingParameter")),
    ],
)
def test_an_entry_to_nowhere_is_refused(
    start: Start, request_fields: dict[str, Any], answer: tuple[int, str]
) -> None:
    sdk = Sdk(start(with_tables()).endpoint)
    assert refusal(lambda: sdk.route("192.168.7.0/24", **request_fields)) == answer


def test_a_havip_is_no_next_hop_in_another_vpc(start: Start) -> None:
    sdk = Sdk(start(with_tables()).endpoint)
    ha_vip = sdk.create(v_switch_id="vsw-far").ha_vip_id
    assert refusal(lambda: sdk.route("192.168.7.0/24", ha_vip)) == (
        400,
        "Mismatch.HaVipIdAndRouteTableId",
    )
    sdk.route("192.168.7.0/24", ha_vip, route_table_id="vtb-far")


def test_a_havip_in_transition_gets_and_loses_no_entry(slow_sdk: Sdk, clock: Clock) -> None:
    ha_vip = slow_sdk.create().ha_vip_id
    refused = (400, "IncorrectHaVipStatus")
    assert refusal(lambda: slow_sdk.route("192.168.7.0/24", ha_vip)) == refused
    clock.advance(5)
    entry_id = slow_sdk.route("192.168.7.0/24", ha_vip).route_entry_id
    clock.advance(5)
    slow_sdk.associate(ha_vip, "i-node1")
    assert refusal(lambda: slow_sdk.unroute(route_entry_id=entry_id)) == refused


def test_an_instance_that_stops_is_no_next_hop(slow_sdk: Sdk) -> None:
    slow_sdk.stop("i-node1")
    assert refusal(
        lambda: slow_sdk.route("192.168.7.0/24", "i-node1", next_hop_type="Instance")
    ) == (403, "IncorrectInstanceStatus")


Change = Callable[[Sdk, str, str], Any]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda sdk, vip, _: sdk.route("192.168.9.0/24", vip), "IncorrectRouteEntryStatus"),
        (lambda sdk, _, entry: sdk.unroute(route_entry_id=entry), "TaskConflict"),
    ],
    ids=["create", "delete"],
)
def test_a_table_takes_one_change_at_a_time(
    slow_sdk: Sdk, clock: Clock, change: Change, code: str
) -> None:
    ha_vip = slow_sdk.create().ha_vip_id
    clock.advance(5)
    first = slow_sdk.route("192.168.7.0/24", ha_vip).route_entry_id
    clock.advance(5)
    second = slow_sdk.route("192.168.8.0/24", ha_vip).route_entry_id
    assert refusal(lambda: change(slow_sdk, ha_vip, first)) == (400, code)
    assert refusal(lambda: slow_sdk.unroute(route_entry_id=second)) == (
        400,
        "IncorrectRouteEntryStatus",
    )
    clock.advance(5)
    change(slow_sdk, ha_vip, first)


def test_another_table_may_change_at_the_same_time(start: Start, clock: Clock) -> None:
    profile = replace(INSTANT, create_route=(5.0, 5.0))
    sdk = Sdk(start(with_tables(CUSTOM), profile).endpoint)
    ha_vip = sdk.create().ha_vip_id
    sdk.route("192.168.7.0/24", ha_vip)
    sdk.route("192.168.7.0/24", ha_vip, route_table_id="vtb-custom")


def test_a_table_leads_to_havips_by_at_most_five_entries(start: Start) -> None:
    sdk = Sdk(start(with_tables(CUSTOM)).endpoint)
    ha_vip = sdk.create().ha_vip_id
    for number in range(5):
        sdk.route(f"192.168.{number}.0/24", ha_vip)
    full = (400, "CountLimitExceed.HaVipRouteEntry")
    assert refusal(lambda: sdk.route("192.168.9.0/24", ha_vip)) == full
    sdk.route("192.168.9.0/24", "i-node1", next_hop_type="Instance")
    sdk.route("192.168.9.0/24", ha_vip, route_table_id="vtb-custom")


def test_a_vpc_has_its_own_limit_over_all_tables(start: Start) -> None:
    profile = replace(INSTANT, quotas=Quotas(ha_vip_routes_per_vpc=2))
    sdk = Sdk(start(with_tables(CUSTOM), profile).endpoint)
    ha_vip = sdk.create().ha_vip_id
    sdk.route("192.168.1.0/24", ha_vip)
    sdk.route("192.168.1.0/24", ha_vip, route_table_id="vtb-custom")
    assert refusal(lambda: sdk.route("192.168.2.0/24", ha_vip)) == (
        400,
        "QuotaExceeded.HaVipRouteEntry",
    )


def test_a_table_has_so_many_custom_entries(start: Start) -> None:
    sdk = Sdk(start(profile=replace(INSTANT, quotas=Quotas(routes_per_table=2))).endpoint)
    for number in range(2):
        sdk.route(f"192.168.{number}.0/24", "i-node1", next_hop_type="Instance")
    ha_vip = sdk.create().ha_vip_id
    assert refusal(lambda: sdk.route("192.168.9.0/24", ha_vip)) == (400, "QuotaExceeded")


def test_an_entry_of_the_cloud_is_not_deleted(sdk: Sdk) -> None:
    system = sdk.routes(route_entry_type="System")[0]
    denied = (400, "OperationDenied")
    assert refusal(lambda: sdk.unroute(route_entry_id=system.route_entry_id)) == denied
    by_name = {"route_table_id": ROUTE_TABLE, "destination_cidr_block": "10.77.0.0/24"}
    assert refusal(lambda: sdk.unroute(**by_name)) == denied


def test_a_havip_that_a_route_leads_to_is_not_deleted(slow_sdk: Sdk, clock: Clock) -> None:
    ha_vip = slow_sdk.create().ha_vip_id
    clock.advance(5)
    refused = (400, "DependencyViolation.HaVipReferedByRouteEntry")
    entry_id = slow_sdk.route("192.168.7.0/24", ha_vip).route_entry_id
    assert refusal(lambda: slow_sdk.delete(ha_vip)) == refused
    clock.advance(5)
    slow_sdk.unroute(route_entry_id=entry_id)
    assert refusal(lambda: slow_sdk.delete(ha_vip)) == refused
    clock.advance(5)
    slow_sdk.delete(ha_vip)


def test_a_dry_run_ends_as_an_error_and_does_nothing(sdk: Sdk) -> None:
    ha_vip = sdk.create().ha_vip_id
    dry = (400, "DryRunOperation")
    assert refusal(lambda: sdk.route("192.168.7.0/24", ha_vip, dry_run=True)) == dry
    assert refusal(lambda: sdk.route("10.77.0.0/24", ha_vip, dry_run=True)) != dry
    entry_id = sdk.route("192.168.7.0/24", ha_vip).route_entry_id
    assert refusal(lambda: sdk.unroute(route_entry_id=entry_id, dry_run=True)) == dry
    assert len(sdk.routes(route_entry_id=entry_id)) == 1


# Races and tokens


def test_of_many_that_change_a_table_at_the_same_time_one_does(slow_sdk: Sdk, clock: Clock) -> None:
    ha_vip = slow_sdk.create().ha_vip_id
    clock.advance(5)

    def route(number: int) -> str:
        try:
            slow_sdk.route(f"192.168.{number}.0/24", ha_vip)
        except Exception as error:
            return str(getattr(error, "code", error))
        return "made"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(route, range(8)))
    assert sorted(outcomes) == ["IncorrectRouteEntryStatus"] * 7 + ["made"]


def test_a_route_repeated_with_its_token_is_the_same_entry(sdk: Sdk) -> None:
    ha_vip = sdk.create().ha_vip_id
    first = sdk.route("192.168.7.0/24", ha_vip, client_token="t1")
    assert sdk.route("192.168.7.0/24", ha_vip, client_token="t1").to_map() == first.to_map()
    assert refusal(lambda: sdk.route("192.168.7.0/24", ha_vip, client_token="t2")) == (
        400,
        "InvalidCIDRBlock.Duplicate",
    )


def test_a_route_told_to_try_later_may_keep_its_token(slow_sdk: Sdk, clock: Clock) -> None:
    ha_vip = slow_sdk.create().ha_vip_id
    clock.advance(5)
    slow_sdk.route("192.168.7.0/24", ha_vip)
    assert refusal(lambda: slow_sdk.route("192.168.8.0/24", ha_vip, client_token="t1")) == (
        400,
        "IncorrectRouteEntryStatus",
    )
    clock.advance(5)
    slow_sdk.route("192.168.8.0/24", ha_vip, client_token="t1")


# Lists


def test_a_list_of_entries_comes_in_pages_of_ten(sdk: Sdk) -> None:
    for number in range(23):
        sdk.route(f"192.168.{number}.0/24", "i-node1", next_hop_type="Instance")
    listed, token = [], None
    sizes = []
    while token != "":
        body = sdk.describe_routes(next_token=token)
        page = body.route_entrys.route_entry
        assert body.total_count == 25
        sizes.append(len(page))
        listed += [entry.route_entry_id for entry in page]
        token = body.next_token
    assert sizes == [10, 10, 5]
    assert len(set(listed)) == 25
    assert len(sdk.routes(max_result=100)) == 25
    assert len(sdk.routes(max_result=3)) == 3


def test_entries_are_found_by_where_they_lead(sdk: Sdk) -> None:
    one, two = (sdk.create().ha_vip_id for _ in range(2))
    sdk.route("192.168.1.0/24", one, route_entry_name="first")
    sdk.route("192.168.2.0/24", two)
    sdk.route("192.168.3.0/24", "i-node1", next_hop_type="Instance")

    def found(**request: Any) -> str:
        return "".join(e.destination_cidr_block[8] for e in sdk.routes(**request))

    assert found(next_hop_type="HaVip") == "12"
    assert found(next_hop_type="HaVip", next_hop_id=two) == "2"
    assert found(next_hop_type="Instance", next_hop_id=two) == ""
    assert found(destination_cidr_block="192.168.3.0/24") == "3"
    assert found(route_entry_name="first") == "1"
    assert found(route_entry_type="Custom") == "123"


def test_entries_of_an_unknown_table_are_not_found(sdk: Sdk) -> None:
    assert refusal(lambda: sdk.routes(route_table_id="vtb-nobody")) == (
        404,
        "InvalidRouteTableId.NotFound",
    )


def test_tables_are_found_by_what_they_are(start: Start) -> None:
    sdk = Sdk(start(with_tables(CUSTOM)).endpoint)
    assert [t.route_table_id for t in tables(sdk, vpc_id="vpc-far")] == ["vtb-far"]
    (custom,) = tables(sdk, route_table_id="vtb-custom")
    assert (custom.route_table_name, custom.v_switch_ids.v_switch_id) == ("second", ["vsw-sim"])
    assert [t.route_table_id for t in tables(sdk, route_table_type="Custom")] == ["vtb-custom"]
    assert [len(tables(sdk, page_size=2, page_number=number)) for number in (1, 2)] == [2, 1]


def test_a_vpc_of_one_account_hides_its_tables_from_others(start: Start) -> None:
    topology = with_tables()
    vpcs = (topology.vpcs[0].model_copy(update={"account_id": "9"}), topology.vpcs[1])
    sdk = Sdk(start(topology.model_copy(update={"vpcs": vpcs})).endpoint)
    assert [t.route_table_id for t in tables(sdk)] == ["vtb-far"]
    assert refusal(sdk.routes) == (404, "InvalidRouteTableId.NotFound")


# The state


def test_the_state_tells_of_entries(cloud: RunningCloud, sdk: Sdk) -> None:
    ha_vip = sdk.create().ha_vip_id
    entry_id = sdk.route("192.168.7.0/24", ha_vip).route_entry_id
    assert cloud.control.route_entries(ROUTE_TABLE) == [
        {
            "routeEntryId": entry_id,
            "destinationCidrBlock": "192.168.7.0/24",
            "nextHopType": "HaVip",
            "nextHopId": ha_vip,
            "status": "Available",
            "system": False,
        }
    ]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"vpc_id": "vpc-x"}, "unknown VPC vpc-x"),
        ({"entries": CUSTOM.entries * 2}, "two entries for one destination"),
    ],
)
def test_a_table_that_does_not_fit_the_topology_is_refused(
    changed: dict[str, Any], reason: str
) -> None:
    topology = with_tables(CUSTOM.model_copy(update=changed))
    with pytest.raises(ValueError, match=reason):
        Topology.model_validate_json(topology.to_json())


def test_a_vpc_has_one_system_table(start: Start) -> None:
    system = CUSTOM.model_copy(update={"route_table_type": "System"})
    assert [t.route_table_id for t in tables(Sdk(start(with_tables(system)).endpoint))] == [
        "vtb-custom",
        "vtb-far",
    ]
    twice = with_tables(system, system.model_copy(update={"route_table_id": "vtb-more"}))
    with pytest.raises(ValueError, match="more than one system"):
        Topology.model_validate_json(twice.to_json())
