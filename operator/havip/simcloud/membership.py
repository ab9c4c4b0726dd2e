"""Associate members with a HaVip and let them go. One change at a time per HaVip."""

from __future__ import annotations

from typing import Any

from .calls import VPC, Action, Call
from .havips import begin_change, check_settled, find
from .machines import Instance, InterfaceStatus, NetworkInterface
from .model import HaVip, HaVipStatus, MemberKind
from .wire import ApiError


def _member_kind(call: Call) -> MemberKind:
    try:
        return MemberKind(call.parameters.text("InstanceType") or MemberKind.INSTANCE)
    except ValueError:
        raise ApiError(
            400,
            "InvalidInstanceType.ValueNotSupported",
            "The specified InstanceType is not supported.",
        ) from None


def _find_member(call: Call, kind: MemberKind) -> tuple[Instance | None, NetworkInterface]:
    """Give what is to join or leave: its interface, and the instance that has it, if any."""
    member_id = call.parameters.required("InstanceId")
    cloud = call.cloud
    if kind is MemberKind.INSTANCE:
        instance = cloud.instances.get(member_id)
        card = instance.primary if instance else None
    else:
        card = cloud.network_interfaces.get(member_id)
        instance = cloud.instances.get(card.instance_id or "") if card else None
    if card is None or not cloud.sees_vpc(call.account.account_id, cloud.vpc_of(card.v_switch_id)):
        raise ApiError(404, "InvalidInstanceId.NotFound", "The specified instance does not exist.")
    return instance, card


def _check_instance(instance: Instance | None) -> None:
    if instance is not None and not instance.status.settled:
        raise ApiError(
            400, "IncorrectInstanceStatus", f"The instance is {instance.status}; try again later."
        )


def _associate(call: Call) -> dict[str, Any]:
    begin_change(call)
    ha_vip = find(call, call.parameters.required("HaVipId"))
    kind = _member_kind(call)
    instance, card = _find_member(call, kind)
    member = call.parameters.text("InstanceId")
    check_settled(ha_vip, "InvalidVip.Status")
    _check_instance(instance)
    # The codes of the next three are not documented for this action.
    if instance is None or card.status is not InterfaceStatus.IN_USE:
        raise ApiError(
            400,
            "InvalidStatus.EniStatusNotSupport",
            f"The interface is {card.status}; it must be attached to an instance.",
        )
    if card.v_switch_id != ha_vip.v_switch_id:
        raise ApiError(
            400,
            "Mismatch.HaVipIdAndInstanceId",
            "The instance and the HaVip are not in the same vSwitch.",
        )
    if ha_vip.members and ha_vip.member_kind is not kind:
        raise ApiError(
            400,
            "InvalidInstanceType.ValueNotSupported",
            f"The HaVip has members of the type {ha_vip.member_kind}.",
        )
    if member in ha_vip.members:
        raise ApiError(400, "InvalidAssociation.Duplicated", "The instance is already associated.")
    _check_member_room(call, ha_vip, member)
    ha_vip.member_kind = kind
    ha_vip.status = HaVipStatus.ASSOCIATING
    ha_vip.joining = member

    def joined() -> None:
        # Empty when the instance was released meanwhile.
        if ha_vip.joining:
            ha_vip.members.append(ha_vip.joining)
            ha_vip.joining = ""
        ha_vip.settle_status()

    call.afterwards(call.cloud.profile.associate, joined)
    return {}


def _check_member_room(call: Call, ha_vip: HaVip, member: str) -> None:
    quotas = call.cloud.profile.quotas
    if len(ha_vip.members) >= quotas.members_per_ha_vip:
        raise ApiError(
            400, "CountLimitExceeded.HaVipOnECSInstance", "The HaVip has all its instances."
        )
    others = call.cloud.ha_vips.values()
    if (
        sum(1 for vip in others if member in (*vip.members, vip.joining))
        >= quotas.ha_vips_per_instance
    ):
        raise ApiError(400, "CountLimitExceed.HaVipOnInstance", "The instance has all its HaVips.")


def _unassociate(call: Call) -> dict[str, Any]:
    begin_change(call)
    ha_vip = find(call, call.parameters.required("HaVipId"))
    member = call.parameters.required("InstanceId")
    instance, _ = _find_member(call, _member_kind(call))
    force = call.parameters.flag("Force")
    check_settled(ha_vip, "IncorrectHaVipStatus")
    if member not in ha_vip.members:
        raise ApiError(
            400, "ResourceNotAssociated", "The instance is not associated with the HaVip."
        )
    _check_instance(instance)
    if ha_vip.master == member and not force:
        raise ApiError(400, "Forbidden.UnassociateMaster", "The instance is the master; use Force.")
    ha_vip.status = HaVipStatus.UNASSOCIATING

    def left() -> None:
        ha_vip.lose(member)
        ha_vip.settle_status()

    call.afterwards(call.cloud.profile.unassociate, left)
    return {}


ACTIONS = (
    Action(VPC, "AssociateHaVip", _associate, changes=True, tokens=True),
    Action(VPC, "UnassociateHaVip", _unassociate, changes=True, tokens=True),
)
