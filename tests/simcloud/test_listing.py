"""DescribeHaVips and DescribeVSwitches: pages, filters, and their pitfalls."""

from dataclasses import replace

import pytest
from alibabacloud_vpc20160428 import models as vpc

from havip.simcloud.profiles import INSTANT
from tests.simcloud.conftest import Start
from tests.simcloud.sdk import REGION, V_SWITCH, Sdk, refusal


def test_a_page_has_ten_unless_asked_otherwise(sdk: Sdk) -> None:
    ids = [sdk.create().ha_vip_id for _ in range(12)]
    first, second = sdk.describe(), sdk.describe(page_number=2)
    assert (first.total_count, first.page_number, first.page_size) == (12, 1, 10)
    listed = [item.ha_vip_id for page in (first, second) for item in page.ha_vips.ha_vip]
    assert listed == ids
    assert len(sdk.items(page_size=50)) == 12
    assert sdk.items(page_number=9) == []


def test_a_page_over_fifty_is_refused(sdk: Sdk) -> None:
    assert refusal(lambda: sdk.describe(page_size=51)) == (400, "InvalidParameter")


def test_a_page_over_fifty_may_be_cut_instead(start: Start) -> None:
    sdk = Sdk(start(profile=replace(INSTANT, refuse_long_pages=False)).endpoint)
    assert sdk.describe(page_size=99).page_size == 50


def test_values_of_a_key_are_alternatives_and_keys_restrict(sdk: Sdk) -> None:
    one, two, three = (sdk.create() for _ in range(3))
    sdk.associate(two.ha_vip_id, "i-node1")

    def ids(**filters: list[str]) -> set[str]:
        return {item.ha_vip_id for item in sdk.items(filters=filters)}

    assert ids(HaVipId=[one.ha_vip_id, two.ha_vip_id]) == {one.ha_vip_id, two.ha_vip_id}
    assert ids(HaVipId=[one.ha_vip_id, two.ha_vip_id], Status=["InUse"]) == {two.ha_vip_id}
    assert ids(HaVipAddress=[three.ip_address]) == {three.ha_vip_id}
    assert ids(VSwitchId=[V_SWITCH]) == {one.ha_vip_id, two.ha_vip_id, three.ha_vip_id}
    assert ids(VpcId=["vpc-other"]) == set()


def test_tags_and_the_resource_group_restrict(sdk: Sdk) -> None:
    red = sdk.create(tags={"colour": "red", "size": "1"}).ha_vip_id
    sdk.create(tags={"colour": "blue", "size": "1"})
    grouped = sdk.create(resource_group_id="rg-x").ha_vip_id
    assert [item.ha_vip_id for item in sdk.items(tags={"colour": "red", "size": "1"})] == [red]
    assert len(sdk.items(tags={"colour": ""})) == 2
    assert [item.ha_vip_id for item in sdk.items(resource_group_id="rg-x")] == [grouped]


def test_an_unknown_filter_key_is_not_found(sdk: Sdk) -> None:
    assert refusal(lambda: sdk.describe(filters={"Colour": ["red"]})) == (
        404,
        "InvalidFilterKey.ValueNotSupported",
    )


def test_a_filter_without_a_key_is_ignored(sdk: Sdk) -> None:
    sdk.create()
    assert len(sdk.items(filters={"": ["havip-nobody"]})) == 1


def test_a_filter_has_at_most_five_values(sdk: Sdk) -> None:
    ids = [f"havip-{n}" for n in range(6)]
    assert sdk.items(filters={"HaVipId": ids[:5]}) == []
    assert refusal(lambda: sdk.describe(filters={"HaVipId": ids})) == (400, "InvalidParameter")


@pytest.mark.parametrize("number", [0, -1])
def test_there_is_no_page_before_the_first(sdk: Sdk, number: int) -> None:
    assert refusal(lambda: sdk.describe(page_number=number)) == (400, "InvalidParameter")


def test_a_vswitch_tells_its_block_and_how_many_addresses_are_left(sdk: Sdk) -> None:
    def describe() -> vpc.DescribeVSwitchesResponseBodyVSwitchesVSwitch:
        request = vpc.DescribeVSwitchesRequest(region_id=REGION, v_switch_id=V_SWITCH)
        (switch,) = sdk.vpc.describe_vswitches(request).body.v_switches.v_switch
        return switch

    before = describe()
    assert (before.cidr_block, before.zone_id) == ("10.77.0.0/24", "cn-hangzhou-a")
    assert (before.vpc_id, before.status) == ("vpc-sim", "Available")
    sdk.create()
    assert describe().available_ip_address_count == before.available_ip_address_count - 1


def test_an_unknown_vswitch_is_an_empty_list(sdk: Sdk) -> None:
    request = vpc.DescribeVSwitchesRequest(region_id=REGION, v_switch_id="vsw-nobody")
    assert sdk.vpc.describe_vswitches(request).body.total_count == 0


@pytest.mark.parametrize(
    ("address", "free"),
    [("10.77.0.99", True), ("10.77.0.11", False), ("10.77.0.254", False), ("10.9.9.9", False)],
)
def test_an_address_can_be_checked_beforehand(sdk: Sdk, address: str, free: bool) -> None:
    request = vpc.CheckCanAllocateVpcPrivateIpAddressRequest(
        region_id=REGION, v_switch_id=V_SWITCH, private_ip_address=address
    )
    answer = sdk.vpc.check_can_allocate_vpc_private_ip_address(request).body
    assert answer.can_allocate is free
