"""Bind EIPs to HaVips, and to instances as a user may do by hand, and part them again."""

from __future__ import annotations

from typing import Any

from .addresses import EipStatus
from .calls import VPC, Action, Call
from .eips import check_not_locked, check_not_managed, find, incorrect_status
from .havips import check_settled
from .wire import ApiError


def _check_holder(call: Call, holder_type: str, holder_id: str) -> None:
    """Refuse what is not there, or not in a status to take or lose an EIP."""
    cloud, account_id = call.cloud, call.account.account_id
    ha_vip = cloud.ha_vips.get(holder_id)
    instance = cloud.instances.get(holder_id)
    if holder_type == "HaVip" and ha_vip is not None and ha_vip.account_id == account_id:
        check_settled(ha_vip, "IncorrectHaVipStatus")
    elif (
        holder_type == "EcsInstance"
        and instance is not None
        and cloud.sees_vpc(account_id, cloud.vpc_of(instance.v_switch_id))
    ):
        if not instance.status.settled:
            raise ApiError(
                400, "IncorrectInstanceStatus", f"The instance is {instance.status}; try later."
            )
    else:
        # The missing letters are the cloud's own.
        raise ApiError(404, "InvalidInstanId.NotFound", "The specified instance does not exist.")


def _holder_type(call: Call) -> str:
    holder_type = call.parameters.text("InstanceType") or "EcsInstance"
    if holder_type not in {"HaVip", "EcsInstance"}:
        raise ApiError(
            400,
            "InvalidInstanceType.ValueNotSupported",
            "The specified InstanceType is not supported.",
        )
    return holder_type


def _check_room(call: Call, holder_type: str, holder_id: str) -> None:
    there = call.cloud.eips_at(holder_id)
    if any(not eip.status.settled for eip in there):
        raise ApiError(400, "TaskConflict", "An EIP of the instance is in transition; try later.")
    room = call.cloud.profile.quotas.eips_per_ha_vip if holder_type == "HaVip" else 1
    if len(there) >= room:
        raise ApiError(
            400, "InvalidAssociation.Duplicated", "The specified instance is already associated."
        )


def _associate(call: Call) -> dict[str, Any]:
    call.check_region(required=False)
    eip = find(call)
    holder_id = call.parameters.required("InstanceId")
    holder_type = _holder_type(call)
    check_not_managed(eip)
    check_not_locked(eip)
    if call.parameters.text("InstanceRegionId") not in {"", call.cloud.region}:
        raise ApiError(
            400, "InvalidParameter.Mismatch", "The EIP and the instance are in different regions."
        )
    _check_holder(call, holder_type, holder_id)
    _check_room(call, holder_type, holder_id)
    if eip.status is not EipStatus.AVAILABLE:
        raise incorrect_status(eip)
    eip.status = EipStatus.ASSOCIATING
    eip.holder_type, eip.holder_id = holder_type, holder_id

    def bound() -> None:
        # Not so when the instance was released meanwhile.
        if eip.holder_id == holder_id:
            eip.status = EipStatus.IN_USE

    call.afterwards(call.cloud.profile.associate_eip, bound)
    return {}


def _unassociate(call: Call) -> dict[str, Any]:
    call.check_region(required=False)
    eip = find(call)
    check_not_managed(eip)
    if eip.status is not EipStatus.IN_USE:
        raise incorrect_status(eip)
    given = call.parameters
    if given.text("InstanceId") not in {"", eip.holder_id} or given.text("InstanceType") not in {
        "",
        eip.holder_type,
    }:
        # That it is refused is not documented, nor is the code.
        raise ApiError(400, "InvalidBindingStatus", "The EIP is bound to something else.")
    if eip.holder_type in {"HaVip", "EcsInstance"}:
        _check_holder(call, eip.holder_type, eip.holder_id)
    eip.status = EipStatus.UNASSOCIATING
    call.afterwards(call.cloud.profile.unassociate_eip, eip.free)
    return {}


ACTIONS = (
    Action(VPC, "AssociateEipAddress", _associate, changes=True, tokens=True),
    Action(VPC, "UnassociateEipAddress", _unassociate, changes=True, tokens=True),
)
