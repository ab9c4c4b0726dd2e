"""Conditions: what is true of an object now, why, and since when (as ``metav1.Condition``)."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from havip.api.base import Model


class ConditionType(StrEnum):
    """What a condition is about."""

    ACCEPTED = "Accepted"
    """The object and all it names can work."""
    PROVISIONED = "Provisioned"
    """The cloud has the HaVip, with the wanted properties."""
    MEMBERS_READY = "MembersReady"
    """All wanted members are associated."""
    HELD = "Held"
    """A node owns the address."""
    CONSISTENT = "Consistent"
    """The register, the kernels of the nodes and the cloud name the same owner."""
    EIP_BOUND = "EipBound"
    """The wanted EIP is bound."""
    ROUTES_BOUND = "RoutesBound"
    """The wanted routes lead to the HaVip."""
    SPREAD_ADVISED = "SpreadAdvised"
    """Members may share a physical host: advice, which Ready does not heed."""
    PEERS_HEARD = "PeersHeard"
    """The members' agents hear each other by UDP. The address is answered without, so Ready does
    not heed it."""
    READY = "Ready"
    """All of the above: traffic to the address is answered."""


class ConditionStatus(StrEnum):
    """Whether it is so."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Reason(StrEnum):
    """Why a condition has its status; the word that ``kubectl get hv`` shows under REASON."""

    # It is as it should be.
    ACCEPTED = "Accepted"
    PROVISIONED = "Provisioned"
    ALL_MEMBERS_READY = "AllMembersReady"
    HELD = "Held"
    VIEWS_AGREE = "ViewsAgree"
    BOUND = "Bound"
    NOT_WANTED = "NotWanted"
    SPREAD = "Spread"
    PEERS_HEARD = "PeersHeard"
    READY = "Ready"

    # On the way.
    PENDING = "Pending"
    CREATING = "Creating"
    UPDATING = "Updating"
    MEMBERS_JOINING = "MembersJoining"
    ELECTION_PENDING = "ElectionPending"
    DELETING = "Deleting"
    SUSPENDED = "Suspended"
    ALLOCATING = "Allocating"
    BINDING = "Binding"
    UNBINDING = "Unbinding"

    # The user must act.
    INVALID_SPEC = "InvalidSpec"
    NOT_FOUND = "NotFound"
    CLASS_NOT_FOUND = "ClassNotFound"
    CREDENTIALS_MISSING = "CredentialsMissing"
    CREDENTIALS_REFUSED = "CredentialsRefused"
    V_SWITCH_NOT_FOUND = "VSwitchNotFound"
    ADOPTED_NOT_FOUND = "AdoptedNotFound"
    OWNED_BY_ANOTHER = "OwnedByAnother"
    QUOTA_EXCEEDED = "QuotaExceeded"
    ADDRESS_TAKEN = "AddressTaken"
    NO_MEMBERS = "NoMembers"
    MEMBER_REFUSED = "MemberRefused"
    PERMISSION_MISSING = "PermissionMissing"
    EIP_NOT_FOUND = "EipNotFound"
    EIP_ELSEWHERE = "EipElsewhere"
    EIP_UNUSABLE = "EipUnusable"
    FOREIGN_EIP = "ForeignEip"
    ROUTE_TABLE_NOT_FOUND = "RouteTableNotFound"
    ROUTE_REFUSED = "RouteRefused"
    ONE_GROUP = "OneGroup"
    NO_DEPLOYMENT_SET = "NoDeploymentSet"

    # The cloud or the nodes are in trouble.
    CLOUD_UNAVAILABLE = "CloudUnavailable"
    CLOUD_BUSY = "CloudBusy"
    THROTTLED = "Throttled"
    MEMBERS_MISSING = "MembersMissing"
    NO_HOLDER = "NoHolder"
    HOLDER_UNKNOWN = "HolderUnknown"
    KERNEL_DIFFERS = "KernelDiffers"
    CLOUD_DIFFERS = "CloudDiffers"
    SEVERAL_OWNERS = "SeveralOwners"
    FENCE_COARSE = "FenceCoarse"
    HEARTBEATS_MISSING = "HeartbeatsMissing"

    # We are at fault.
    INTERNAL_ERROR = "InternalError"


class Condition(Model):
    """One statement about an object."""

    type: Annotated[
        str, Field(max_length=316, min_length=1, description="What the condition is about.")
    ]
    status: Annotated[
        ConditionStatus, Field(description="Whether it is so: True, False or Unknown.")
    ]
    reason: Annotated[
        str,
        Field(max_length=1024, min_length=1, description="Why, as one CamelCase word."),
    ]
    message: Annotated[
        str,
        Field(max_length=32768, description="Why, as a sentence that says what to do about it."),
    ] = ""
    last_transition_time: Annotated[datetime, Field(description="When the status last changed.")]
    observed_generation: Annotated[
        int, Field(ge=0, description="Generation of the object that this statement is about.")
    ] = 0


def set_condition(
    conditions: Iterable[Condition],
    type_: ConditionType | str,
    status: ConditionStatus | bool,
    reason: Reason | str,
    message: str,
    *,
    now: datetime,
    observed_generation: int = 0,
) -> tuple[Condition, ...]:
    """Return the conditions with this one set.

    ``last_transition_time`` becomes ``now`` only when the status changes, so that setting what is
    already so returns equal conditions. A new condition goes to the end; order is kept.
    """
    known = tuple(conditions)
    before = find_condition(known, type_)
    if isinstance(status, bool):
        status = ConditionStatus.TRUE if status else ConditionStatus.FALSE
    unchanged = before is not None and before.status == status
    after = Condition(
        type=str(type_),
        status=status,
        reason=str(reason),
        message=message,
        last_transition_time=before.last_transition_time if before and unchanged else now,
        observed_generation=observed_generation,
    )
    if before is None:
        return (*known, after)
    return tuple(after if each.type == type_ else each for each in known)


def find_condition(conditions: Iterable[Condition], type_: ConditionType | str) -> Condition | None:
    """Return the condition of this type, or None."""
    return next((each for each in conditions if each.type == type_), None)


def is_true(conditions: Iterable[Condition], type_: ConditionType | str) -> bool:
    """Tell whether the condition of this type is there and True."""
    found = find_condition(conditions, type_)
    return found is not None and found.status == ConditionStatus.TRUE
