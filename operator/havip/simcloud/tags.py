"""Tags and resource groups, for every kind of resource that has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol

from .calls import ECS, VPC, Action, Call, token_page
from .wire import ApiError, Parameters, invalid, missing

MAX_RESOURCES = 50


class Tagged(Protocol):
    """What tags and a resource group can be set on."""

    tags: dict[str, str]
    resource_group_id: str


def _ha_vips(call: Call) -> Mapping[str, Tagged]:
    return {vip.ha_vip_id: vip for vip in call.cloud.ha_vips_of(call.account.account_id)}


def _eips(call: Call) -> Mapping[str, Tagged]:
    account_id = call.account.account_id
    return {key: eip for key, eip in call.cloud.eips.items() if eip.account_id == account_id}


def _instances(call: Call) -> Mapping[str, Tagged]:
    cloud = call.cloud
    return {
        instance.instance_id: instance
        for instance in cloud.instances.values()
        if cloud.sees_vpc(call.account.account_id, cloud.vpc_of(instance.v_switch_id))
    }


def _interfaces(call: Call) -> Mapping[str, Tagged]:
    cloud = call.cloud
    return {
        card.network_interface_id: card
        for card in cloud.network_interfaces.values()
        if cloud.sees_vpc(call.account.account_id, cloud.vpc_of(card.v_switch_id))
    }


Kinds = Mapping[str, Callable[[Call], Mapping[str, Tagged]]]
KINDS: Kinds = {"HAVIP": _ha_vips, "EIP": _eips}
"""Resource types in upper case, each with its account's resources by id."""
ECS_KINDS: Kinds = {"INSTANCE": _instances, "ENI": _interfaces}


def from_structures(structures: Iterable[Parameters]) -> dict[str, str]:
    """Read `Tag.N.Key/Value`, or raise for a key that may not be."""
    tags = {tag.text("Key"): tag.text("Value") for tag in structures}
    for key, value in tags.items():
        if (
            not 1 <= len(key) <= 128
            or key.startswith(("aliyun", "acs:"))
            or "http://" in key
            or "https://" in key
        ):
            raise ApiError(400, "InvalidTagKey", f"The specified tag key {key!r} is not valid.")
        if len(value) > 128 or "http://" in value or "https://" in value:
            raise ApiError(400, "InvalidTagValue", f"The tag value of {key!r} is not valid.")
    return tags


def check_number(call: Call, tags: Mapping[str, str]) -> None:
    """Refuse more tags than a resource may have."""
    if len(tags) > call.cloud.profile.quotas.tags_per_resource:
        raise ApiError(400, "QuotaExceeded.TagsPerResource", "The resource has too many tags.")


def match(tags: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Tell whether tags have all the wanted ones; an empty value asks for the key alone."""
    return all(key in tags and value in {"", tags[key]} for key, value in wanted.items())


def ecs_item(tags: Mapping[str, str]) -> dict[str, Any]:
    """Give tags as ECS lists them, by other names than VPC's."""
    return {"Tag": [{"TagKey": key, "TagValue": value} for key, value in tags.items()]}


def _kind(kinds: Kinds, call: Call) -> Mapping[str, Tagged]:
    resources = kinds.get(call.parameters.required("ResourceType").upper())
    if resources is None:
        raise ApiError(
            404, "InvalidResourceType.NotFound", "The specified ResourceType is not supported."
        )
    return resources(call)


def _resources(kinds: Kinds, call: Call) -> list[Tagged]:
    known = _kind(kinds, call)
    ids = call.parameters.texts("ResourceId")
    if not ids:
        raise missing("ResourceId")
    if len(ids) > MAX_RESOURCES:
        raise invalid("ResourceId")
    return [_pick(known, each) for each in ids]


def _pick(known: Mapping[str, Tagged], resource_id: str) -> Tagged:
    if resource_id not in known:
        raise ApiError(
            404, "InvalidResourceId.NotFound", f"The resource {resource_id} does not exist."
        )
    return known[resource_id]


def _tag(kinds: Kinds, call: Call) -> dict[str, Any]:
    call.check_region()
    new = from_structures(call.parameters.structures("Tag"))
    if not new:
        raise missing("Tag")
    resources = _resources(kinds, call)
    for resource in resources:
        check_number(call, resource.tags | new)
    for resource in resources:
        resource.tags.update(new)
    call.changed()
    return {}


def _untag(kinds: Kinds, call: Call) -> dict[str, Any]:
    call.check_region()
    resources = _resources(kinds, call)
    keys = call.parameters.texts("TagKey")
    everything = not keys and call.parameters.flag("All")
    for resource in resources:
        for key in list(resource.tags) if everything else keys:
            resource.tags.pop(key, None)
    call.changed()
    return {}


def _list(kinds: Kinds, call: Call) -> dict[str, Any]:
    call.check_region()
    resource_type = call.parameters.required("ResourceType")
    known = _kind(kinds, call)
    ids = call.parameters.texts("ResourceId")
    wanted = from_structures(call.parameters.structures("Tag"))
    if not ids and not wanted:
        raise missing("ResourceId")
    rows = [
        {"ResourceId": each, "ResourceType": resource_type, "TagKey": key, "TagValue": value}
        for each, resource in known.items()
        if (not ids or each in ids) and match(resource.tags, wanted)
        for key, value in resource.tags.items()
    ]
    page, paging = token_page(call, rows, default=50, maximum=50)
    return {**paging, "TagResources": {"TagResource": list(page)}}


def _move(kinds: Kinds, call: Call) -> dict[str, Any]:
    call.check_region()
    resource = _pick(_kind(kinds, call), call.parameters.required("ResourceId"))
    resource.resource_group_id = call.parameters.required("NewResourceGroupId")
    call.changed()
    return {}


ACTIONS = (
    Action(VPC, "TagResources", partial(_tag, KINDS), changes=True),
    Action(VPC, "UnTagResources", partial(_untag, KINDS), changes=True),
    Action(VPC, "ListTagResources", partial(_list, KINDS)),
    Action(VPC, "MoveResourceGroup", partial(_move, KINDS), changes=True),
    Action(ECS, "TagResources", partial(_tag, ECS_KINDS), changes=True),
    Action(ECS, "UntagResources", partial(_untag, ECS_KINDS), changes=True),
    Action(ECS, "ListTagResources", partial(_list, ECS_KINDS)),
)
