"""Allocate, describe, modify and release EIPs: what each asks for, refuses, and lets happen."""

from __future__ import annotations

from typing import Any, TypeVar, get_args

from . import tags
from .addresses import Eip, EipStatus
from .calls import VPC, Action, Call, numbered_page, timestamp
from .havips import check_texts
from .topology import DEFAULT_RESOURCE_GROUP, ChargeType, InternetChargeType
from .wire import ApiError, invalid

Word = TypeVar("Word", bound=str)

MAX_BANDWIDTH = {"PayByBandwidth": 500, "PayByTraffic": 200}
"""Mbit/s by how traffic is paid for."""
MAX_LISTED = 50
"""Ids or addresses that one description may ask for."""
ISPS = {
    *("BGP", "BGP_PRO", "BGP_FinanceCloud", "BGP_International"),
    *(f"China{name}{form}" for name in ("Telecom", "Unicom", "Mobile") for form in ("", "_L2")),
}


def find(call: Call) -> Eip:
    """Give the EIP that AllocationId names, or raise InvalidAllocationId.NotFound."""
    eip = call.cloud.eips.get(call.parameters.required("AllocationId"))
    if eip is None or eip.account_id != call.account.account_id:
        raise ApiError(404, "InvalidAllocationId.NotFound", "The specified EIP does not exist.")
    return eip


def check_not_managed(eip: Eip) -> None:
    """Refuse a change of an EIP that another of the cloud's services takes care of."""
    if eip.service_managed:
        raise ApiError(400, "OperationUnsupported.ServiceManaged", "A service manages the EIP.")


def check_not_locked(eip: Eip) -> None:
    """Refuse to use an EIP that is not paid for."""
    if eip.business_status == "FinancialLocked":
        raise ApiError(400, "Forbidden.FinancialLocked", "The EIP is locked until it is paid for.")


def incorrect_status(eip: Eip) -> ApiError:
    """Tell that an EIP's status does not allow the call."""
    return ApiError(400, "IncorrectEipStatus", f"The EIP is {eip.status}.")


def _one_of(call: Call, name: str, allowed: tuple[Word, ...]) -> Word:
    """Read a parameter that is one of a few words; the first unless given."""
    value = call.parameters.text(name) or allowed[0]
    for word in allowed:
        if word == value:
            return word
    raise invalid(name)


def _bandwidth(call: Call, internet_charge_type: str, default: int) -> int:
    bandwidth = call.parameters.integer("Bandwidth", default)
    if bandwidth > MAX_BANDWIDTH[internet_charge_type]:
        raise invalid("Bandwidth")
    return bandwidth


def _allocate(call: Call) -> dict[str, Any]:
    call.check_region()
    check_texts(call)
    cloud, parameters, account_id = call.cloud, call.parameters, call.account.account_id
    paid_by = _one_of(call, "InternetChargeType", get_args(InternetChargeType))
    charge_type = _one_of(call, "InstanceChargeType", get_args(ChargeType))
    bandwidth = _bandwidth(call, paid_by, default=5)
    isp = parameters.text("ISP") or "BGP"
    if isp not in ISPS:
        raise invalid("ISP")
    new_tags = tags.from_structures(parameters.structures("Tag"))
    tags.check_number(call, new_tags)
    own = sum(1 for eip in cloud.eips.values() if eip.account_id == account_id)
    if own >= cloud.profile.quotas.eips_per_account:
        raise ApiError(400, "QuotaExceeded.Eip", "The quota of EIPs is used up.")
    eip = Eip(
        allocation_id=cloud.new_id("eip"),
        account_id=account_id,
        address=cloud.free_public_address(),
        allocated_at=call.now,
        name=parameters.text("Name"),
        description=parameters.text("Description"),
        bandwidth=bandwidth,
        isp=isp,
        charge_type=charge_type,
        internet_charge_type=paid_by,
        public_ip_address_pool_id=parameters.text("PublicIpAddressPoolId"),
        resource_group_id=parameters.text("ResourceGroupId") or DEFAULT_RESOURCE_GROUP,
        tags=new_tags,
    )
    cloud.eips[eip.allocation_id] = eip
    call.changed()
    return {
        "AllocationId": eip.allocation_id,
        "EipAddress": str(eip.address),
        "ResourceGroupId": eip.resource_group_id,
        **({"OrderId": int(call.now * 1000)} if charge_type == "PrePaid" else {}),
    }


def _release(call: Call) -> dict[str, Any]:
    call.check_region(required=False)
    eip = find(call)
    check_not_managed(eip)
    if eip.status is not EipStatus.AVAILABLE:
        raise incorrect_status(eip)
    if eip.charge_type == "PrePaid":
        raise ApiError(400, "Forbidden.ChargeTypeIsPrepaid", "The EIP is paid for in advance.")
    if eip.deletion_protection:
        raise ApiError(
            400, "InvalidOperation.DeletionProtection", "The EIP is protected against deletion."
        )
    eip.status = EipStatus.RELEASING

    def gone() -> None:
        del call.cloud.eips[eip.allocation_id]

    call.afterwards(call.cloud.profile.release_eip, gone)
    return {}


def _modify(call: Call) -> dict[str, Any]:
    call.check_region()
    eip = find(call)
    check_texts(call)
    check_not_managed(eip)
    check_not_locked(eip)
    if not eip.status.settled:
        raise incorrect_status(eip)
    eip.bandwidth = _bandwidth(call, eip.internet_charge_type, default=eip.bandwidth)
    given = call.parameters.flat
    eip.name = given.get("Name", eip.name)
    eip.description = given.get("Description", eip.description)
    call.changed()
    return {}


def _listed(call: Call, name: str) -> set[str]:
    """Read a list that comes as one string with commas."""
    values = {value.strip() for value in call.parameters.text(name).split(",")} - {""}
    if len(values) > MAX_LISTED:
        raise invalid(name)
    return values


def _describe(call: Call) -> dict[str, Any]:
    call.check_region()
    parameters = call.parameters
    listed = {
        "AllocationId": _listed(call, "AllocationId"),
        "IpAddress": _listed(call, "EipAddress"),
    }
    wanted = {
        "InstanceType": parameters.text("AssociatedInstanceType"),
        "InstanceId": parameters.text("AssociatedInstanceId"),
        "Name": parameters.text("EipName"),
        **{
            name: parameters.text(name)
            for name in ("Status", "ISP", "ChargeType", "ResourceGroupId", "PublicIpAddressPoolId")
        },
    }
    wanted_tags = tags.from_structures(parameters.structures("Tag"))
    call.end_dry_run()
    items = [
        _item(call, eip)
        for eip in call.cloud.eips.values()
        if eip.account_id == call.account.account_id and tags.match(eip.tags, wanted_tags)
    ]
    found = [
        item
        for item in items
        if all(value in {"", item[key]} for key, value in wanted.items())
        and all(not values or item[key] in values for key, values in listed.items())
    ]
    page, paging = numbered_page(call, found, maximum=100)
    return {**paging, "EipAddresses": {"EipAddress": list(page)}}


def _item(call: Call, eip: Eip) -> dict[str, Any]:
    locked = eip.business_status != "Normal"
    return {
        "AllocationId": eip.allocation_id,
        "IpAddress": str(eip.address),
        "Status": str(eip.status),
        "InstanceId": eip.holder_id,
        "InstanceType": eip.holder_type,
        "InstanceRegionId": call.cloud.region if eip.holder_id else "",
        "PrivateIpAddress": "",
        "Mode": "NAT" if eip.holder_id else "",
        "RegionId": call.cloud.region,
        "Name": eip.name,
        "Description": eip.description,
        "Bandwidth": str(eip.bandwidth),
        "EipBandwidth": str(eip.bandwidth),
        "BandwidthPackageId": "",
        "ISP": eip.isp,
        "ChargeType": eip.charge_type,
        "InternetChargeType": eip.internet_charge_type,
        "BusinessStatus": eip.business_status,
        "DeletionProtection": eip.deletion_protection,
        "ServiceManaged": int(eip.service_managed),
        "PublicIpAddressPoolId": eip.public_ip_address_pool_id,
        "ResourceGroupId": eip.resource_group_id,
        "AllocationTime": timestamp(eip.allocated_at),
        "ExpiredTime": "",
        "VpcId": "",
        "OperationLocks": {"LockReason": [{"LockReason": "financial"}] if locked else []},
        "Tags": {"Tag": [{"Key": k, "Value": v} for k, v in eip.tags.items()]},
    }


ACTIONS = (
    Action(VPC, "AllocateEipAddress", _allocate, changes=True, tokens=True),
    Action(VPC, "ReleaseEipAddress", _release, changes=True),
    Action(VPC, "ModifyEipAddressAttribute", _modify, changes=True),
    Action(VPC, "DescribeEipAddresses", _describe),
)
