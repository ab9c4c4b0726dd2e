"""Tags and resource groups of HaVips."""

from typing import Any

import pytest
from alibabacloud_vpc20160428 import models as vpc

from tests.simcloud.sdk import REGION, Sdk, refusal


def tag(sdk: Sdk, ids: list[str], tags: dict[str, str], kind: str = "HAVIP") -> Any:
    return sdk.vpc.tag_resources(
        vpc.TagResourcesRequest(
            region_id=REGION,
            resource_type=kind,
            resource_id=ids,
            tag=[vpc.TagResourcesRequestTag(key=k, value=v) for k, v in tags.items()],
        )
    )


def untag(sdk: Sdk, ids: list[str], **request: Any) -> Any:
    return sdk.vpc.un_tag_resources(
        vpc.UnTagResourcesRequest(
            region_id=REGION, resource_type="HAVIP", resource_id=ids, **request
        )
    )


def listed(sdk: Sdk, **request: Any) -> list[tuple[str, str, str]]:
    body = sdk.vpc.list_tag_resources(
        vpc.ListTagResourcesRequest(region_id=REGION, resource_type="HAVIP", **request)
    ).body
    return [(t.resource_id, t.tag_key, t.tag_value) for t in body.tag_resources.tag_resource]


def test_tags_are_added_replaced_listed_and_removed(sdk: Sdk) -> None:
    ha_vip = sdk.create(tags={"a": "1"}).ha_vip_id
    tag(sdk, [ha_vip], {"a": "2", "b": ""})
    assert listed(sdk, resource_id=[ha_vip]) == [(ha_vip, "a", "2"), (ha_vip, "b", "")]
    untag(sdk, [ha_vip], tag_key=["a"])
    assert listed(sdk, resource_id=[ha_vip]) == [(ha_vip, "b", "")]
    untag(sdk, [ha_vip], all=True)
    assert listed(sdk, resource_id=[ha_vip]) == []


def test_resources_are_found_by_their_tags(sdk: Sdk) -> None:
    red = sdk.create(tags={"colour": "red"}).ha_vip_id
    sdk.create(tags={"colour": "blue"})
    wanted = [vpc.ListTagResourcesRequestTag(key="colour", value="red")]
    assert listed(sdk, tag=wanted) == [(red, "colour", "red")]


def test_a_long_list_of_tags_comes_in_pages(sdk: Sdk) -> None:
    ha_vip = sdk.create(tags={f"k{n}": str(n) for n in range(5)}).ha_vip_id
    first = sdk.vpc.list_tag_resources(
        vpc.ListTagResourcesRequest(
            region_id=REGION, resource_type="HAVIP", resource_id=[ha_vip], max_results=3
        )
    ).body
    assert len(first.tag_resources.tag_resource) == 3
    rest = listed(sdk, resource_id=[ha_vip], max_results=3, next_token=first.next_token)
    assert [key for _, key, _ in rest] == ["k3", "k4"]


def test_a_resource_has_at_most_twenty_tags(sdk: Sdk) -> None:
    ha_vip = sdk.create(tags={f"k{n}": "" for n in range(20)}).ha_vip_id
    tag(sdk, [ha_vip], {"k0": "changed"})
    assert refusal(lambda: tag(sdk, [ha_vip], {"one-more": ""})) == (
        400,
        "QuotaExceeded.TagsPerResource",
    )


@pytest.mark.parametrize("key", ["aliyun.x", "acs:x", "see http://x", "x" * 129])
def test_a_tag_key_that_the_cloud_keeps_for_itself_is_refused(sdk: Sdk, key: str) -> None:
    ha_vip = sdk.create().ha_vip_id
    assert refusal(lambda: tag(sdk, [ha_vip], {key: "1"})) == (400, "InvalidTagKey")


def test_an_unknown_resource_or_kind_is_not_found(sdk: Sdk) -> None:
    ha_vip = sdk.create().ha_vip_id
    assert refusal(lambda: tag(sdk, ["havip-nobody"], {"a": "1"})) == (
        404,
        "InvalidResourceId.NotFound",
    )
    assert refusal(lambda: tag(sdk, [ha_vip], {"a": "1"}, kind="TREE")) == (
        404,
        "InvalidResourceType.NotFound",
    )


@pytest.mark.parametrize("kind", ["HaVip", "HAVIP"])
def test_a_havip_moves_to_another_resource_group(sdk: Sdk, kind: str) -> None:
    ha_vip = sdk.create().ha_vip_id
    sdk.vpc.move_resource_group(
        vpc.MoveResourceGroupRequest(
            region_id=REGION,
            resource_type=kind,
            resource_id=ha_vip,
            new_resource_group_id="rg-other",
        )
    )
    assert sdk.item(ha_vip).resource_group_id == "rg-other"
