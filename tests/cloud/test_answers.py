"""Answers that are not as they should be: none of them may read as "there is none"."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from havip.api.errors import Unavailable
from havip.cloud.alibaba import AlibabaCloud
from havip.cloud.port import NewRoute
from tests.cloud.conftest import NEW, NEW_EIP, Connect, token
from tests.cloud.spoiler import Spoiler

Ask = Callable[[AlibabaCloud], Awaitable[object]]
Path = tuple[str | int, ...]
GONE = object()
Values = tuple[object, ...]

NO_TEXT: Values = (GONE, None, "", 7, [], {})
NO_OPTIONAL_TEXT: Values = (7, ["x"], {"x": "y"}, True)
NO_LIST: Values = (GONE, None, {}, "x", 7, ["x"], [None], [["x"]])
NO_STRUCTURE: Values = (GONE, None, [], "x", 7, {})
NO_COUNT: Values = (GONE, None, "", "many", -1, 1.5, True, [], 0, 99)
NO_OTHER_COUNT: Values = (GONE, None, "many", -1, 99)
NO_FLAG: Values = ("yes", 2, [], {})
NO_TEXTS: Values = ("x", 7, ["x", 7], [""], [None], {})

ASK: dict[str, Ask] = {
    "DescribeHaVips": lambda cloud: cloud.describe_ha_vips(),
    "DescribeVSwitches": lambda cloud: cloud.describe_v_switch("vsw-sim"),
    "DescribeEipAddresses": lambda cloud: cloud.describe_eips(tags={"a": "b"}, ids=[]),
    "DescribeRouteTableList": lambda cloud: cloud.describe_route_tables("vpc-sim"),
    "DescribeRouteEntryList": lambda cloud: cloud.describe_routes("vtb-own"),
    "DescribeInstances": lambda cloud: cloud.describe_instances(["i-node1"]),
    "DescribeNetworkInterfaces": lambda cloud: cloud.describe_network_interfaces("vsw-sim"),
    "GetCallerIdentity": lambda cloud: cloud.identify(),
}

LISTS: dict[str, Path] = {
    "DescribeHaVips": ("HaVips", "HaVip"),
    "DescribeVSwitches": ("VSwitches", "VSwitch"),
    "DescribeEipAddresses": ("EipAddresses", "EipAddress"),
    "DescribeRouteTableList": ("RouterTableList", "RouterTableListType"),
    "DescribeRouteEntryList": ("RouteEntrys", "RouteEntry"),
    "DescribeInstances": ("Instances", "Instance"),
    "DescribeNetworkInterfaces": ("NetworkInterfaceSets", "NetworkInterfaceSet"),
}

ITEMS: dict[str, dict[Path, Values]] = {
    "DescribeHaVips": {
        ("HaVipId",): NO_TEXT,
        ("IpAddress",): NO_TEXT,
        ("Status",): NO_TEXT,
        ("VSwitchId",): NO_TEXT,
        ("VpcId",): NO_OPTIONAL_TEXT,
        ("Name",): NO_OPTIONAL_TEXT,
        ("Description",): NO_OPTIONAL_TEXT,
        ("ResourceGroupId",): NO_OPTIONAL_TEXT,
        ("MasterInstanceId",): NO_OPTIONAL_TEXT,
        ("AssociatedInstanceType",): NO_OPTIONAL_TEXT,
        ("AssociatedInstances",): ("x", ["x"], {"other": []}),
        ("AssociatedInstances", "associatedInstance"): NO_TEXTS,
        ("AssociatedEipAddresses",): ("x", ["x"], {"other": []}),
        ("AssociatedEipAddresses", "associatedEipAddresse"): NO_TEXTS,
        ("Tags",): ("x", ["x"], {"other": []}),
        ("Tags", "Tag"): ("x", ["x"], [{}], [{"Key": 7}], [{"Key": "a", "Value": 7}]),
    },
    "DescribeVSwitches": {
        ("VSwitchId",): NO_TEXT,
        ("VpcId",): NO_TEXT,
        ("ZoneId",): NO_TEXT,
        ("CidrBlock",): NO_TEXT,
        ("AvailableIpAddressCount",): (GONE, None, "many", -1, True),
    },
    "DescribeEipAddresses": {
        ("AllocationId",): NO_TEXT,
        ("IpAddress",): NO_TEXT,
        ("Status",): NO_TEXT,
        ("ChargeType",): NO_TEXT,
        ("Bandwidth",): (GONE, None, "", "much", -1, True, []),
        ("InstanceId",): NO_OPTIONAL_TEXT,
        ("InstanceType",): NO_TEXT,
        ("BusinessStatus",): NO_OPTIONAL_TEXT,
        ("DeletionProtection",): NO_FLAG,
        ("ServiceManaged",): NO_FLAG,
        ("Name",): NO_OPTIONAL_TEXT,
        ("Description",): NO_OPTIONAL_TEXT,
        ("ResourceGroupId",): NO_OPTIONAL_TEXT,
        ("Tags", "Tag"): ("x", ["x"], [{}], [{"Key": 7}], [{"Key": "a", "Value": 7}]),
    },
    "DescribeRouteTableList": {("RouteTableId",): NO_TEXT, ("VpcId",): NO_TEXT},
    "DescribeRouteEntryList": {
        ("RouteEntryId",): NO_TEXT,
        ("RouteTableId",): NO_TEXT,
        ("DestinationCidrBlock",): NO_TEXT,
        ("Status",): NO_TEXT,
        ("NextHops",): NO_STRUCTURE,
        ("NextHops", "NextHop"): NO_LIST,
        ("NextHops", "NextHop", 0, "NextHopType"): NO_TEXT,
        ("NextHops", "NextHop", 0, "NextHopId"): NO_OPTIONAL_TEXT,
        ("RouteEntryName",): NO_OPTIONAL_TEXT,
        ("Description",): NO_OPTIONAL_TEXT,
    },
    "DescribeInstances": {
        ("InstanceId",): NO_TEXT,
        ("Status",): NO_TEXT,
        ("VpcAttributes",): NO_STRUCTURE,
        ("VpcAttributes", "VpcId"): (GONE, None, 7, []),
        ("VpcAttributes", "VSwitchId"): (GONE, None, 7, []),
        ("DeploymentSetId",): NO_OPTIONAL_TEXT,
        ("DeploymentSetGroupNo",): ("many", -1, True, ["x"]),
        ("DedicatedHostAttribute",): ("x", ["x"], 7),
        ("DedicatedHostAttribute", "DedicatedHostId"): NO_OPTIONAL_TEXT,
    },
    "DescribeNetworkInterfaces": {
        ("NetworkInterfaceId",): NO_TEXT,
        ("VSwitchId",): NO_TEXT,
        ("Type",): NO_TEXT,
        ("Status",): NO_TEXT,
        ("InstanceId",): NO_OPTIONAL_TEXT,
        ("MacAddress",): NO_OPTIONAL_TEXT,
        ("PrivateIpAddress",): NO_OPTIONAL_TEXT,
        ("ServiceManaged",): NO_FLAG,
        ("Tags", "Tag"): ("x", ["x"], [{}], [{"TagKey": 7}], [{"TagKey": "a", "TagValue": 7}]),
    },
}

COUNTS: dict[str, Values] = {
    "DescribeHaVips": NO_COUNT,
    "DescribeVSwitches": NO_COUNT,
    "DescribeEipAddresses": NO_COUNT,
    "DescribeRouteTableList": NO_OTHER_COUNT,
    "DescribeRouteEntryList": NO_COUNT,
}


def damages() -> Iterator[tuple[str, Path, object]]:
    for action in ASK:
        yield from ((action, ("RequestId",), each) for each in NO_TEXT)
    for action, (outer, inner) in LISTS.items():
        yield from ((action, (outer,), each) for each in NO_STRUCTURE)
        yield from ((action, (outer, inner), each) for each in NO_LIST)
    for action, fields in ITEMS.items():
        for path, kinds in fields.items():
            yield from ((action, (*LISTS[action], 0, *path), each) for each in kinds)
    for action, kinds in COUNTS.items():
        yield from ((action, ("TotalCount",), each) for each in kinds)
    for name in ("AccountId", "Arn"):
        yield from (("GetCallerIdentity", (name,), each) for each in NO_TEXT)
    for action in ("DescribeRouteEntryList", "DescribeInstances", "DescribeNetworkInterfaces"):
        yield from ((action, ("NextToken",), each) for each in (7, ["x"], {"x": "y"}))


def damaged(body: dict[str, Any], path: Path, value: object) -> dict[str, Any]:
    """Put a value at a place of an answer, or take away what is there."""
    body = copy.deepcopy(body)
    at: Any = body
    for step in path[:-1]:
        at = at[step]
    if value is GONE:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return body


def spelt(damage: tuple[str, Path, object]) -> str:
    action, path, value = damage
    shown = "gone" if value is GONE else json.dumps(value)
    return f"{action}.{'.'.join(map(str, path))}={shown}"


@pytest.fixture
async def spoilt(spoiler: Spoiler, connect: Connect) -> AlibabaCloud:
    """A cloud that has one of everything, and an EIP that is bound, behind the spoiler."""
    cloud = connect(spoiler.endpoint)
    ha_vip = await cloud.create_ha_vip(NEW, token())
    eip = await cloud.allocate_eip(NEW_EIP, token())
    await cloud.associate_eip(eip, ha_vip, token())
    await cloud.create_route(NewRoute("vtb-own", "10.9.0.0/16", ha_vip), token())
    return cloud


async def test_unspoilt_answers_pass(spoilt: AlibabaCloud) -> None:
    for ask in ASK.values():
        assert await ask(spoilt)


@pytest.mark.parametrize("action", ASK)
async def test_an_answer_with_anything_amiss_is_no_answer(
    spoilt: AlibabaCloud, spoiler: Spoiler, action: str
) -> None:
    believed = []
    for damage in (each for each in damages() if each[0] == action):
        _, path, value = damage
        spoiler.spoil(action, lambda body, path=path, value=value: damaged(body, path, value))  # type: ignore[misc]
        outcome = (await asyncio.gather(ASK[action](spoilt), return_exceptions=True))[0]
        if not isinstance(outcome, Unavailable) or outcome.outcome_unknown:
            believed.append(f"{spelt(damage)}: {outcome!r}")
    assert believed == []


@pytest.mark.parametrize("body", [[], "ok", 7, None, {}])
@pytest.mark.parametrize("action", ASK)
async def test_an_answer_of_another_shape_is_no_answer(
    spoilt: AlibabaCloud, spoiler: Spoiler, action: str, body: object
) -> None:
    spoiler.spoil(action, lambda _: body)
    with pytest.raises(Unavailable):
        await ASK[action](spoilt)


async def test_pages_that_never_end_are_no_answer(spoilt: AlibabaCloud, spoiler: Spoiler) -> None:
    spoiler.spoil("DescribeNetworkInterfaces", lambda body: {**body, "NextToken": "1"})
    with pytest.raises(Unavailable):
        await spoilt.describe_network_interfaces("vsw-sim")


async def test_a_count_may_be_of_the_page_or_of_all(
    spoilt: AlibabaCloud, spoiler: Spoiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("havip.cloud.alibaba.routes.ENTRIES_PER_PAGE", 2)
    [facts] = await spoilt.describe_ha_vips()
    for block in ("10.8.0.0/16", "10.7.0.0/16"):
        await spoilt.create_route(NewRoute("vtb-own", block, facts.ha_vip_id), token())
    assert len(await spoilt.describe_routes("vtb-own")) == 3
    spoiler.spoil(
        "DescribeRouteEntryList",
        lambda body: {**body, "TotalCount": len(body["RouteEntrys"]["RouteEntry"])},
    )
    assert len(await spoilt.describe_routes("vtb-own")) == 3


@pytest.mark.parametrize(
    ("action", "name", "change"),
    [
        ("CreateHaVip", "HaVipId", lambda cloud: cloud.create_ha_vip(NEW, token())),
        ("AllocateEipAddress", "AllocationId", lambda cloud: cloud.allocate_eip(NEW_EIP, token())),
        ("DeleteHaVip", "RequestId", lambda cloud: cloud.delete_ha_vip("havip-nowhere", token())),
    ],
)
@pytest.mark.parametrize("value", [GONE, None, "", 7, []])
async def test_a_change_that_is_answered_without_its_result_may_have_been_made(
    spoiler: Spoiler, connect: Connect, action: str, name: str, change: Ask, value: object
) -> None:
    def spoil(body: dict[str, Any]) -> dict[str, Any]:
        return damaged({"RequestId": "R", **body}, (name,), value)

    spoiler.refuse(action, 200, {})
    spoiler.spoil(action, spoil)
    with pytest.raises(Unavailable) as told:
        await change(connect(spoiler.endpoint))
    assert told.value.outcome_unknown
