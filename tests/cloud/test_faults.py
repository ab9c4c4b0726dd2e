"""Error codes, and who must act on each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from havip.api.errors import (
    AddressTaken,
    BugError,
    Busy,
    CloudError,
    CredentialsRefused,
    HaVipError,
    InvalidSpec,
    NotFound,
    QuotaExceeded,
    RouteTaken,
    Throttled,
    Unavailable,
    UserError,
)
from havip.cloud.actions import ACTIONS
from havip.cloud.alibaba import AlibabaCloud
from havip.cloud.faults import error_of
from havip.cloud.limiter import Buckets, TokenBucket
from havip.cloud.port import InstanceType, NewRoute, ResourceType
from havip.cloud.refusal import Refusal
from havip.simcloud.server import RunningCloud
from tests.cloud.conftest import NEW, NEW_EIP, Connect
from tests.cloud.spoiler import Spoiler

Row = tuple[str, int, str, type[HaVipError], str, bool]
"""Action, HTTP status and code; the error's class, its reason, whether its outcome is unknown."""


def rows(
    action: str,
    kind: type[HaVipError],
    *codes: str,
    status: int = 400,
    reason: str = "",
    unknown: bool = False,
) -> list[Row]:
    return [(action, status, code, kind, reason or kind.default_reason, unknown) for code in codes]


HA_VIPS: list[Row] = [
    *rows("AssociateHaVip", Busy, "InvalidVip.Status", "IncorrectHaVipStatus"),
    *rows("AssociateHaVip", Busy, "IncorrectInstanceStatus"),
    *rows("DeleteHaVip", Busy, "IncorrectStatus", "IncorrectStatus.HaVip", "IncorrectHaVipStatus"),
    *rows("ModifyHaVipAttribute", Busy, "IncorrectStatus.VSwitch"),
    *rows("AssociateHaVip", QuotaExceeded, "CountLimitExceed.HaVipOnInstance"),
    *rows("AssociateHaVip", QuotaExceeded, "CountLimitExceeded.HaVipOnECSInstance"),
    *rows("UnassociateHaVip", NotFound, "ResourceNotAssociated"),
    *rows("UnassociateHaVip", Busy, "Forbidden.UnassociateMaster", "OperationFailed.DistibuteLock"),
    *rows("CreateHaVip", QuotaExceeded, "Forbidden.HaVip"),
    *rows("CreateHaVip", InvalidSpec, "InvalidDescription.Malformed"),
    *rows("ModifyHaVipAttribute", InvalidSpec, "Abs.Vpc.InvalidName.Malformed"),
    *rows("CreateHaVip", AddressTaken, "InvalidIPAddress.OutOfRange", "InvalidIPAddress.Malformed"),
    *rows("CreateHaVip", AddressTaken, "InvalidIPAddress.NotAvailable"),
    *rows("CreateHaVip", AddressTaken, "InvalidIPAddress.AlreadyUsed", "InvalidPrivateIp.NotFound"),
    *rows("CreateHaVip", NotFound, "InvalidVSwitch.NotFound", reason="VSwitchNotFound"),
    *rows("DeleteHaVip", Busy, "DependencyViolation.HaVipReferedByRouteEntry"),
    *rows("DeleteHaVip", Busy, "DependencyViolation.HaVipAssociatedWithEIP"),
    *rows("AssociateHaVip", NotFound, "InvalidHaVipId.NotFound", status=404),
    *rows("AssociateHaVip", NotFound, "InvalidRegionId.NotFound", status=404),
    *rows("DescribeHaVips", BugError, "InvalidFilterKey.ValueNotSupported", status=404),
    *rows("AssociateHaVip", Busy, "OperationConflict", "SystemBusy", "OperationFailed.SystemBusy"),
    *rows("AssociateHaVip", Busy, "LastTokenProcessing", unknown=True),
    *rows("AssociateHaVip", Unavailable, "ServiceUnavailable", status=503, unknown=True),
]

RETRIED: list[Row] = [
    *rows("AssociateEipAddress", Busy, "TaskConflict", "OperationConflict", "IncorrectStatus"),
    *rows("AssociateEipAddress", Busy, "SystemBusy", "IncorrectStatus.NatGateway"),
    *rows("AssociateEipAddress", Busy, "InvalidStatus.EcsStatusNotSupport"),
    *rows("AssociateEipAddress", Busy, "InvalidStatus.InstanceHasBandWidth"),
    *rows("AssociateEipAddress", Busy, "InvalidStatus.EniStatusNotSupport"),
    *rows("AssociateEipAddress", Busy, "OperationFailed.EcsMigrating", "IncorrectInstanceStatus"),
    *rows("AssociateEipAddress", Busy, "OperationFailed.LastTokenProcessing", unknown=True),
    *rows("AssociateEipAddress", Busy, "OperationFailed.IdempotentTokenProcessing", unknown=True),
    *rows(
        "UnassociateEipAddress",
        UserError,
        "InvalidIpStatus.HasBeenUsedBySnatTable",
        "InvalidIpStatus.HasBeenUsedByForwardEntry",
        reason="EipUnusable",
    ),
    *rows("AllocateEipAddress", Throttled, "FrequentPurchase.EIP"),
    *rows("ReleaseEipAddress", Busy, "IncorrectEipStatus"),
    *rows("ReleaseEipAddress", Busy, "TaskConflict.AssociateGlobalAccelerationInstance"),
    *rows("CreateRouteEntry", Busy, "IncorrectVpcStatus", "IncorrectVSwitchStatus"),
    *rows("CreateRouteEntry", Busy, "OperationFailed.DistibuteLock"),
    *rows("CreateRouteEntry", Busy, "IncorrectStatus.RouteTableStatus"),
    *rows("CreateRouteEntry", Unavailable, "UnknownError", unknown=True),
    *rows("DeleteRouteEntry", Unavailable, "UnknownError", unknown=True),
]

EIPS: list[Row] = [
    *rows("AssociateEipAddress", UserError, "InvalidAssociation.Duplicated", reason="EipElsewhere"),
    *rows("AssociateEipAddress", Busy, "IncorrectEipStatus", "InvalidBindingStatus"),
    *rows("AssociateEipAddress", Busy, "IncorrectHaVipStatus", "OperationFailed.SystemBusy"),
    *rows(
        "AssociateEipAddress", UserError, "OperationFailed.HavipBoundPortmap", reason="EipUnusable"
    ),
    *rows(
        "AssociateEipAddress",
        UserError,
        "BIND_INSTANCE_HAVE_PORTMAP_OR_BIND_EIP",
        reason="ForeignEip",
    ),
    *rows(
        "AssociateEipAddress",
        UserError,
        "InvalidInstanceType.ValueNotSupported",
        "InvalidParameter.Mismatch",
        "Forbidden",
        "Forbidden.FinancialLocked",
        "InvalidEIPStatus.BizDisabled",
        "OperationDenied.Ipv4GatewayExist",
        reason="EipUnusable",
    ),
    *rows(
        "AssociateEipAddress",
        NotFound,
        "InvalidAllocationId.NotFound",
        status=404,
        reason="EipNotFound",
    ),
    *rows("AssociateEipAddress", NotFound, "InvalidInstanId.NotFound", status=404),
    *rows("AssociateEipAddress", Unavailable, "ServiceUnavailable", status=503, unknown=True),
    # These are not in the cloud's list, and yet it gives them.
    *rows(
        "ReleaseEipAddress",
        UserError,
        "Forbidden.ChargeTypeIsPrepaid",
        "InvalidOperation.DeletionProtection",
        "OperationUnsupported.ServiceManaged",
        reason="EipUnusable",
    ),
    *rows("AllocateEipAddress", QuotaExceeded, "QuotaExceeded.Eip"),
]

ROUTES: list[Row] = [
    *rows("CreateRouteEntry", QuotaExceeded, "CountLimitExceed.HaVipRouteEntry", "QuotaExceeded"),
    *rows("CreateRouteEntry", QuotaExceeded, "QuotaExceeded.HaVipRouteEntry"),
    *rows("CreateRouteEntry", Busy, "IncorrectHaVipStatus", "IncorrectRouteEntryStatus"),
    *rows("CreateRouteEntry", Busy, "TaskConflict"),
    *rows("CreateRouteEntry", Busy, "IncorrectInstanceStatus", status=403),
    *rows("CreateRouteEntry", NotFound, "InvalidHaVip.NotFound"),
    *rows(
        "CreateRouteEntry",
        InvalidSpec,
        "Mismatch.HaVipIdAndRouteTableId",
        "OperationUnsupported.MoreThanOneVpnOrHavip",
        "OperationDenied.RouteTableTypeNotPermitted",
        "OperationDenied.GatewayRouteTableNotPermitted",
        "UnsupportedFeature.VpcAdvancedFeature",
        "InvalidCidrBlock",
        "InvalidCidrBlock.Malformed",
        reason="RouteRefused",
    ),
    *rows(
        "CreateRouteEntry",
        RouteTaken,
        "Duplicated.VpcNextHop",
        "InvalidCIDRBlock.Duplicate",
        "InvalidRouteEntry.Duplicate",
        "RouteConflict.AlreadyExist",
        reason="RouteRefused",
    ),
    *rows("CreateRouteEntry", NotFound, "InvalidHaVipId.NotFound", status=404),
    *rows("CreateRouteEntry", NotFound, "InvalidNextHopId.NotFound", status=404),
    *rows(
        "CreateRouteEntry",
        NotFound,
        "InvalidRouteTableId.NotFound",
        status=404,
        reason="RouteTableNotFound",
    ),
    *rows("CreateRouteEntry", Unavailable, "InternalError", "VPC.ERROR", status=500, unknown=True),
    *rows("DeleteRouteEntry", NotFound, "InvalidRouteEntry.NotFound"),
]

GATEWAY: list[Row] = [
    *rows("CreateHaVip", Throttled, "Throttling", "Throttling.User", "Throttling.Api"),
    *rows("CreateHaVip", Throttled, "Rejected.Throttling"),
    *rows("CreateHaVip", Throttled, "Throttling.User", status=429),
    *rows("CreateHaVip", Throttled, "Throttling.User", status=503),
    *rows("CreateHaVip", BugError, "MissingParameter", "MissingRegionId"),
    *rows("CreateHaVip", InvalidSpec, "InvalidParameter"),
    *rows("CreateHaVip", CredentialsRefused, "InvalidTimeStamp.Expired", "InvalidTimeStamp.Format"),
    *rows("CreateHaVip", Busy, "SignatureNonceUsed", "IdempotentParameterMismatch"),
    *rows("CreateHaVip", CredentialsRefused, "SignatureDoesNotMatch", "IncompleteSignature"),
    *rows("CreateHaVip", CredentialsRefused, "SignatureDoesNotMatch", status=403),
    *rows("CreateHaVip", CredentialsRefused, "InvalidAccessKeyId.Inactive"),
    *rows("CreateHaVip", CredentialsRefused, "InvalidAccessKeyId.NotFound", status=404),
    *rows("CreateHaVip", CredentialsRefused, "InvalidSecurityToken.Expired"),
    *rows("CreateHaVip", CredentialsRefused, "InvalidSecurityToken.Malformed"),
    *rows(
        "CreateHaVip",
        CredentialsRefused,
        "Forbidden.RAM",
        "Forbidden",
        "NoPermission",
        status=403,
        reason="PermissionMissing",
    ),
    *rows(
        "AssociateEipAddress",
        CredentialsRefused,
        "Forbidden.RAM",
        "Forbidden",
        status=403,
        reason="PermissionMissing",
    ),
    *rows("CreateHaVip", BugError, "InvalidProduct.NotFound", "InvalidApi.NotFound", status=404),
    *rows("CreateHaVip", BugError, "InvalidAction.NotFound", status=404),
    *rows("CreateHaVip", Unavailable, "InternalError", status=500, unknown=True),
    *rows("CreateHaVip", Unavailable, "ServiceUnavailable", status=503, unknown=True),
    *rows("DescribeHaVips", Unavailable, "InternalError", status=500),
    *rows("DescribeInstances", Unavailable, "ServiceUnavailable", status=503),
    # Those of STS, and of what only another than us would be told.
    *rows("GetCallerIdentity", CredentialsRefused, "AuthenticationFail.NoPermission", status=403),
    *rows("GetCallerIdentity", CredentialsRefused, "AuthenticationFail.OIDCToken.Expired"),
    *rows("GetCallerIdentity", CredentialsRefused, "EntityNotExist.Role", status=404),
    *rows("AssociateHaVip", NotFound, "InvalidInstanceId.NotFound", status=404),
    *rows("AssociateHaVip", NotFound, "InvalidEniId.NotFound", "InvalidEcsId.NotFound", status=404),
    *rows("CreateHaVip", InvalidSpec, "SomethingNew"),
    *rows("CreateHaVip", InvalidSpec, "SomethingNew", status=404),
    *rows("CreateHaVip", Unavailable, "SomethingNew", status=502, unknown=True),
]

TABLE = [*HA_VIPS, *RETRIED, *EIPS, *ROUTES, *GATEWAY]

DONE = {
    ("UnassociateHaVip", "ResourceNotAssociated"),
    ("DeleteRouteEntry", "InvalidRouteEntry.NotFound"),
}
"""Refusals that say that what is asked for is so already."""

ECS = InstanceType.ECS_INSTANCE
HA_VIP = ResourceType.HA_VIP
NEW_ROUTE = NewRoute("vtb-1", "10.9.0.0/16", "havip-1")
CALLS: dict[str, Callable[[AlibabaCloud], Awaitable[object]]] = {
    "AllocateEipAddress": lambda cloud: cloud.allocate_eip(NEW_EIP, "t"),
    "AssociateEipAddress": lambda cloud: cloud.associate_eip("eip-1", "havip-1", "t"),
    "AssociateHaVip": lambda cloud: cloud.associate("havip-1", "i-node1", ECS, "t"),
    "CreateHaVip": lambda cloud: cloud.create_ha_vip(NEW, "t"),
    "CreateRouteEntry": lambda cloud: cloud.create_route(NEW_ROUTE, "t"),
    "DeleteHaVip": lambda cloud: cloud.delete_ha_vip("havip-1", "t"),
    "DeleteRouteEntry": lambda cloud: cloud.delete_route("rte-1"),
    "DescribeEipAddresses": lambda cloud: cloud.describe_eips(tags={}, ids=["eip-1"]),
    "DescribeHaVips": lambda cloud: cloud.describe_ha_vips(),
    "DescribeInstances": lambda cloud: cloud.describe_instances(["i-node1"]),
    "DescribeNetworkInterfaces": lambda cloud: cloud.describe_network_interfaces("vsw-sim"),
    "DescribeRouteEntryList": lambda cloud: cloud.describe_routes("vtb-own"),
    "DescribeRouteTableList": lambda cloud: cloud.describe_route_tables("vpc-sim"),
    "DescribeVSwitches": lambda cloud: cloud.describe_v_switch("vsw-sim"),
    "GetCallerIdentity": lambda cloud: cloud.identify(),
    "ModifyEipAddressAttribute": lambda cloud: cloud.modify_eip(
        "eip-1", name="", description="", bandwidth_mbps=1
    ),
    "ModifyHaVipAttribute": lambda cloud: cloud.modify_ha_vip("havip-1", "", "", "t"),
    "MoveResourceGroup": lambda cloud: cloud.move_resource_group(HA_VIP, "havip-1", "rg-1"),
    "ReleaseEipAddress": lambda cloud: cloud.release_eip("eip-1"),
    "TagResources": lambda cloud: cloud.tag(HA_VIP, "havip-1", {"a": "b"}),
    "UnTagResources": lambda cloud: cloud.untag(HA_VIP, "havip-1", ["a"]),
    "UnassociateEipAddress": lambda cloud: cloud.unassociate_eip("eip-1", "havip-1", "t"),
    "UnassociateHaVip": lambda cloud: cloud.unassociate(
        "havip-1", "i-node1", ECS, "t", force=False
    ),
}


class Unpaused(TokenBucket):
    """A bucket that a throttled call does not stop."""

    def pause(self, seconds: float) -> None:
        """Go on."""


def unpaused() -> Buckets:
    return Buckets(lambda: Unpaused(1000, 1000))


def verdict(error: HaVipError) -> tuple[type[HaVipError], str, bool]:
    return type(error), error.reason, isinstance(error, CloudError) and error.outcome_unknown


async def outcome(cloud: AlibabaCloud, row: Row) -> str:
    """Make the call of a row, and say in what it differs from what should come of it."""
    action, status, code, *expected = row
    try:
        await CALLS[action](cloud)
    except HaVipError as error:
        right = verdict(error) == tuple(expected) and error.code.endswith(code)
        return "" if right else f"{action} {status} {code}: {verdict(error)} {error.code}"
    return "" if (action, code) in DONE else f"{action} {status} {code}: taken for done"


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}-{row[1]}-{row[2]}")
def test_a_code_leads_to_who_must_act(row: Row) -> None:
    action, status, code, *expected = row
    mutating = not action.startswith(("Describe", "Get"))
    error = error_of(Refusal(action, status, code, "words", "R-1"), mutating=mutating)
    assert verdict(error) == tuple(expected)
    assert error.code == code
    assert error.request_id == "R-1"
    assert "words" in str(error)
    assert code in str(error)


async def test_so_it_does_when_the_cloud_refuses(sim: RunningCloud, connect: Connect) -> None:
    cloud = connect(sim.endpoint, buckets=unpaused())
    found = []
    for row in TABLE:
        action, status, code, *_ = row
        if status != 400:
            continue
        sim.control.fault(action, "refuse", code=code, count=2)
        found.append(await outcome(cloud, row))
        sim.control.clear_faults()
    assert len(found) > 60
    assert [each for each in found if each] == []


async def test_so_it_does_with_any_http_status(spoiler: Spoiler, connect: Connect) -> None:
    cloud = connect(spoiler.endpoint, buckets=unpaused())
    found = []
    for row in TABLE:
        action, status, code, *_ = row
        spoiler.refuse(action, status, {"RequestId": "R", "Code": code, "Message": "words"})
        found.append(await outcome(cloud, row))
    assert [each for each in found if each] == []


async def test_keys_in_small_letters_are_read_too(spoiler: Spoiler, connect: Connect) -> None:
    """Some of the cloud's gateways write them so."""
    body = {"requestId": "R-1", "code": "QuotaExceeded", "message": "words"}
    spoiler.refuse("CreateHaVip", 400, body)
    with pytest.raises(QuotaExceeded) as told:
        await connect(spoiler.endpoint).create_ha_vip(NEW, "t")
    assert told.value.request_id == "R-1"


async def test_a_refusal_without_a_code_goes_to_the_user(
    spoiler: Spoiler, connect: Connect
) -> None:
    spoiler.refuse("CreateHaVip", 400, {"RequestId": "R"})
    with pytest.raises(InvalidSpec) as told:
        await connect(spoiler.endpoint).create_ha_vip(NEW, "t")
    assert "no code" in str(told.value)


def test_the_cloud_says_how_long_to_wait() -> None:
    refusal = Refusal("CreateHaVip", 400, "Throttling.User", "slow down", retry_after=7.0)
    found = error_of(refusal, mutating=True)
    assert isinstance(found, Throttled)
    assert found.retry_after == 7.0


@pytest.mark.parametrize(
    "kind", ["drop-before", "reset-before", "proxy-503", "error-500", "error-503"]
)
async def test_only_a_change_without_an_answer_may_have_been_made(
    sim: RunningCloud, cloud: AlibabaCloud, kind: str
) -> None:
    assert set(CALLS) == set(ACTIONS)
    for action, call in CALLS.items():
        sim.control.fault(action, kind)
        with pytest.raises(Unavailable) as told:
            await call(cloud)
        assert told.value.outcome_unknown == ACTIONS[action].changes


@pytest.mark.parametrize("code", ["InternalError", "ServiceUnavailable", "UnknownError"])
def test_a_failure_is_one_whatever_its_http_status(code: str) -> None:
    change, look = (
        error_of(Refusal("CreateHaVip", 400, code, "words"), mutating=mutating)
        for mutating in (True, False)
    )
    assert verdict(change) == (Unavailable, "CloudUnavailable", True)
    assert verdict(look) == (Unavailable, "CloudUnavailable", False)
