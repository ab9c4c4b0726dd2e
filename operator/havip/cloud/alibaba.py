"""Alibaba Cloud behind the port, through the official SDK. No other module imports the SDK.

The SDK is called synchronously in a small thread pool: its coroutines build a TLS context per
call and block the event loop while credentials refresh. It retries nothing by itself, and so do
we not here: who knows the object decides about trying again.

The SDK turns a 200 with an unexpected body into a model full of None. Each field we build on is
checked, so that a malformed listing never reads as "there are no HaVips".
"""

# ruff: noqa: ANN401 -- the SDK has no types; they begin where its answers become facts.

import asyncio
import functools
import json
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, NoReturn

from alibabacloud_credentials.client import Client as CredentialClient
from alibabacloud_ecs20140526 import models as ecs_models
from alibabacloud_ecs20140526.client import Client as EcsClient
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException, ThrottlingException
from alibabacloud_tea_openapi.models import Config
from alibabacloud_vpc20160428 import models as vpc_models
from alibabacloud_vpc20160428.client import Client as VpcClient
from darabonba.exceptions import UnretryableException
from darabonba.runtime import RuntimeOptions

from havip.api.errors import HaVipError, NotFound, Unavailable
from havip.cloud.credentials import Credentials
from havip.cloud.faults import Refusal, error_of
from havip.cloud.limiter import TokenBucket
from havip.cloud.port import HaVipFacts, InstanceFacts, InstanceType, NewHaVip, VSwitchFacts

PAGE_SIZE = 50
"""HaVips per page, the most the cloud gives."""
INSTANCES_PER_CALL = 100
LISTING_TRIES = 3
CONNECT_TIMEOUT_MILLIS = 3_000
READ_TIMEOUT_MILLIS = 10_000
THROTTLED_SECONDS = 5.0
"""Pause of all calls of a family when the cloud throttles without saying for how long."""

HAVIP_RESOURCE = "HAVIP"

# Importing the SDK hangs handlers on its loggers that print to stderr past our own format.
for _name in ("darabonba-core", "alibabacloud-tea", "credentials"):
    _logger = logging.getLogger(_name)
    _logger.handlers.clear()
    _logger.setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the cloud's API answers; empty means the public endpoint of the region."""

    vpc: str = ""
    ecs: str = ""
    protocol: str = "https"


class AlibabaCloud:
    """One account in one region; see ``havip.cloud.port.Cloud``.

    Without ``credentials`` the SDK's own chain is asked: the role of the pod (RRSA) or of the
    instance. The cloud counts calls per action, so each action has a bucket of its own.
    """

    def __init__(
        self,
        region: str,
        credentials: Credentials | None,
        executor: Executor,
        endpoints: Endpoints | None = None,
        *,
        new_bucket: Callable[[], TokenBucket] = lambda: TokenBucket(rate=4, burst=40),
    ) -> None:
        # The default stays below 300 calls in 60 s, the commonest quota of an action.
        endpoints = endpoints or Endpoints()
        self._region = region
        self._executor = executor
        self._buckets: defaultdict[str, TokenBucket] = defaultdict(new_bucket)
        self._vpc = VpcClient(_config(region, credentials, endpoints.vpc, endpoints.protocol))
        self._ecs = EcsClient(_config(region, credentials, endpoints.ecs, endpoints.protocol))

    async def describe_ha_vips(self) -> tuple[HaVipFacts, ...]:
        """List all HaVips of the region; a list that changes under the paging is read again."""
        for _ in range(LISTING_TRIES):
            facts: dict[str, HaVipFacts] = {}
            page, total = 1, 1
            while (page - 1) * PAGE_SIZE < total:
                body = await self._read(
                    self._vpc.describe_ha_vips_with_options,
                    vpc_models.DescribeHaVipsRequest(
                        region_id=self._region, page_number=page, page_size=PAGE_SIZE
                    ),
                )
                items = _listing(body, "DescribeHaVips", "ha_vips", "ha_vip")
                total = _whole_number(body, "DescribeHaVips", "total_count")
                facts.update({each.ha_vip_id: each for each in map(_ha_vip, items)})
                page += 1
            if len(facts) == total:
                return tuple(facts.values())
        raise Unavailable(f"DescribeHaVips gave {len(facts)} HaVips but counts {total}.", reason="")

    async def describe_instances(self, ids: Collection[str]) -> tuple[InstanceFacts, ...]:
        """Look up instances, a hundred to a call."""
        ordered = sorted(set(ids))
        found: list[InstanceFacts] = []
        for start in range(0, len(ordered), INSTANCES_PER_CALL):
            some = ordered[start : start + INSTANCES_PER_CALL]
            body = await self._read(
                self._ecs.describe_instances_with_options,
                ecs_models.DescribeInstancesRequest(
                    region_id=self._region,
                    instance_ids=json.dumps(some),
                    max_results=INSTANCES_PER_CALL,
                ),
            )
            items = _listing(body, "DescribeInstances", "instances", "instance")
            found += [each for each in map(_instance, items) if each.instance_id in some]
        return tuple(found)

    async def describe_v_switch(self, v_switch_id: str) -> VSwitchFacts | None:
        """Look up a vSwitch."""
        body = await self._read(
            self._vpc.describe_vswitches_with_options,
            vpc_models.DescribeVSwitchesRequest(region_id=self._region, v_switch_id=v_switch_id),
        )
        items = _listing(body, "DescribeVSwitches", "v_switches", "v_switch")
        return next(
            (
                VSwitchFacts(
                    v_switch_id=v_switch_id,
                    vpc_id=item.vpc_id or "",
                    zone_id=item.zone_id or "",
                    cidr_block=item.cidr_block or "",
                    available_addresses=item.available_ip_address_count or 0,
                )
                for item in items
                if item.v_switch_id == v_switch_id
            ),
            None,
        )

    async def create_ha_vip(self, new: NewHaVip, token: str) -> str:
        """Create a HaVip; the answer names it at once, though it is still being made."""
        body = await self._write(
            self._vpc.create_ha_vip_with_options,
            vpc_models.CreateHaVipRequest(
                region_id=self._region,
                v_switch_id=new.v_switch_id,
                ip_address=new.address or None,
                name=new.name or None,
                description=new.description or None,
                resource_group_id=new.resource_group_id or None,
                tag=[
                    vpc_models.CreateHaVipRequestTag(key=key, value=value)
                    for key, value in sorted(new.tags.items())
                ],
                client_token=token,
            ),
        )
        if not isinstance(body.ha_vip_id, str) or not body.ha_vip_id:
            _malformed("CreateHaVip", "ha_vip_id", outcome_unknown=True)
        return body.ha_vip_id

    async def delete_ha_vip(self, ha_vip_id: str, token: str) -> None:
        """Delete a HaVip."""
        try:
            await self._write(
                self._vpc.delete_ha_vip_with_options,
                vpc_models.DeleteHaVipRequest(
                    region_id=self._region, ha_vip_id=ha_vip_id, client_token=token
                ),
            )
        except NotFound as error:
            if not error.code.startswith("InvalidHaVip"):
                raise

    async def modify_ha_vip(self, ha_vip_id: str, name: str, description: str, token: str) -> None:
        """Set name and description."""
        await self._write(
            self._vpc.modify_ha_vip_attribute_with_options,
            vpc_models.ModifyHaVipAttributeRequest(
                region_id=self._region,
                ha_vip_id=ha_vip_id,
                name=name,
                description=description,
                client_token=token,
            ),
        )

    async def associate(
        self, ha_vip_id: str, instance_id: str, instance_type: InstanceType, token: str
    ) -> None:
        """Make the instance a member."""
        await self._write(
            self._vpc.associate_ha_vip_with_options,
            vpc_models.AssociateHaVipRequest(
                region_id=self._region,
                ha_vip_id=ha_vip_id,
                instance_id=instance_id,
                instance_type=str(instance_type),
                client_token=token,
            ),
        )

    async def unassociate(
        self,
        ha_vip_id: str,
        instance_id: str,
        instance_type: InstanceType,
        token: str,
        *,
        force: bool,
    ) -> None:
        """End the membership. Force goes out as a string: that is the API's type for it."""
        try:
            await self._write(
                self._vpc.unassociate_ha_vip_with_options,
                vpc_models.UnassociateHaVipRequest(
                    region_id=self._region,
                    ha_vip_id=ha_vip_id,
                    instance_id=instance_id,
                    instance_type=str(instance_type),
                    force="True" if force else "False",
                    client_token=token,
                ),
            )
        except HaVipError as error:
            if not error.code.startswith("ResourceNotAssociated"):
                raise

    async def tag(self, ha_vip_id: str, tags: Mapping[str, str]) -> None:
        """Add tags or change their values."""
        await self._write(
            self._vpc.tag_resources_with_options,
            vpc_models.TagResourcesRequest(
                region_id=self._region,
                resource_type=HAVIP_RESOURCE,
                resource_id=[ha_vip_id],
                tag=[
                    vpc_models.TagResourcesRequestTag(key=key, value=value)
                    for key, value in sorted(tags.items())
                ],
            ),
        )

    async def untag(self, ha_vip_id: str, keys: Collection[str]) -> None:
        """Remove tags."""
        await self._write(
            self._vpc.un_tag_resources_with_options,
            vpc_models.UnTagResourcesRequest(
                region_id=self._region,
                resource_type=HAVIP_RESOURCE,
                resource_id=[ha_vip_id],
                tag_key=sorted(keys),
            ),
        )

    async def move_resource_group(self, ha_vip_id: str, resource_group_id: str) -> None:
        """Move the HaVip to another resource group."""
        await self._write(
            self._vpc.move_resource_group_with_options,
            vpc_models.MoveResourceGroupRequest(
                region_id=self._region,
                resource_type="HaVip",
                resource_id=ha_vip_id,
                new_resource_group_id=resource_group_id,
            ),
        )

    async def _read(self, method: Callable[..., Any], request: Any) -> Any:
        return await self._call(method, request, mutating=False)

    async def _write(self, method: Callable[..., Any], request: Any) -> Any:
        return await self._call(method, request, mutating=True)

    async def _call(self, method: Callable[..., Any], request: Any, *, mutating: bool) -> Any:
        action = type(request).__name__.removesuffix("Request")
        bucket = self._buckets[action]
        await bucket.take()
        call = functools.partial(method, request, RuntimeOptions())
        try:
            response = await asyncio.get_running_loop().run_in_executor(self._executor, call)
        except AlibabaCloudException as error:
            refusal = _refusal(action, error)
            if "Throttling" in refusal.code:
                bucket.pause(refusal.retry_after or THROTTLED_SECONDS)
            raise error_of(refusal, mutating=mutating) from error
        except UnretryableException as error:
            raise Unavailable(
                f"{action} got no answer that can be read: {error.inner_exception}",
                outcome_unknown=mutating,
            ) from error
        except Exception as error:
            # The SDK lets many kinds of errors through when a body is not what it expects.
            raise Unavailable(f"{action} failed: {error!r}", outcome_unknown=mutating) from error
        body = getattr(response, "body", None)
        if body is None or not getattr(body, "request_id", None):
            _malformed(action, "request_id", outcome_unknown=mutating)
        return body


def _config(region: str, credentials: Credentials | None, endpoint: str, protocol: str) -> Config:
    config = Config(
        region_id=region,
        endpoint=endpoint or None,
        protocol=protocol,
        connect_timeout=CONNECT_TIMEOUT_MILLIS,
        read_timeout=READ_TIMEOUT_MILLIS,
        user_agent="havip-operator",
    )
    if credentials is None:
        config.credential = CredentialClient()
    else:
        config.access_key_id = credentials.access_key_id
        config.access_key_secret = credentials.access_key_secret
        config.security_token = credentials.security_token or None
    return config


def _refusal(action: str, error: AlibabaCloudException) -> Refusal:
    code = str(error.code or "")
    millis = error.retry_after if isinstance(error, ThrottlingException) else None
    if millis is not None and "Throttling" not in code:
        code = f"Throttling.{code}"
    return Refusal(
        action=action,
        status=int(error.status_code or 400),
        code="no code" if code == "None" else code,
        message=_plain(str(error.message or ""), code),
        request_id=str(error.request_id or ""),
        retry_after=millis / 1000 if millis else None,
    )


def _plain(message: str, code: str) -> str:
    """Cut the code in front and the request id behind, which differs from try to try."""
    text = message.split(" request id:", maxsplit=1)[0]
    return text.removeprefix("code: ").removeprefix(code).lstrip(", :0123456789")


def _malformed(action: str, field: str, *, outcome_unknown: bool = False) -> NoReturn:
    raise Unavailable(
        f"{action} was answered with 200 but without a usable {field}.",
        outcome_unknown=outcome_unknown,
    )


def _listing(body: Any, action: str, outer: str, inner: str) -> list[Any]:
    items = getattr(getattr(body, outer, None), inner, None)
    if not isinstance(items, list):
        _malformed(action, outer)
    return items


def _whole_number(body: Any, action: str, field: str) -> int:
    value = getattr(body, field, None)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        _malformed(action, field)
    return value


def _ha_vip(item: Any) -> HaVipFacts:
    for field in ("ha_vip_id", "ip_address", "status", "v_switch_id"):
        value = getattr(item, field, None)
        if not isinstance(value, str) or not value:
            _malformed("DescribeHaVips", field)
    instances = getattr(item.associated_instances, "associated_instance", None) or []
    addresses = getattr(item.associated_eip_addresses, "associated_eip_addresse", None) or []
    tags = getattr(item.tags, "tag", None) or []
    return HaVipFacts(
        ha_vip_id=item.ha_vip_id,
        address=item.ip_address,
        status=item.status,
        v_switch_id=item.v_switch_id,
        vpc_id=item.vpc_id or "",
        name=item.name or "",
        description=item.description or "",
        resource_group_id=item.resource_group_id or "",
        master_instance_id=item.master_instance_id or "",
        associated_instances=frozenset(instances),
        associated_eip_addresses=frozenset(addresses),
        tags={tag.key: tag.value or "" for tag in tags if tag.key},
        create_time=item.create_time or "",
    )


def _instance(item: Any) -> InstanceFacts:
    if not isinstance(item.instance_id, str) or not item.instance_id:
        _malformed("DescribeInstances", "instance_id")
    attributes = item.vpc_attributes
    return InstanceFacts(
        instance_id=item.instance_id,
        status=item.status or "",
        vpc_id=getattr(attributes, "vpc_id", None) or "",
        v_switch_id=getattr(attributes, "v_switch_id", None) or "",
    )
