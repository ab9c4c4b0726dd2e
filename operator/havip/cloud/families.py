"""The cloud's error codes in families, with who must act on each. The first match counts.

The cloud appends suffixes to its codes and spells some of them in two ways, so a family names the
beginning of codes (or, with a leading ``*``, any part of them), never the whole. Narrow families
come before the wide ones that they are taken out of.
"""

from dataclasses import dataclass

from havip.api.conditions import Reason
from havip.api.errors import (
    AddressTaken,
    Busy,
    CredentialsRefused,
    InvalidSpec,
    NotFound,
    QuotaExceeded,
    RouteTaken,
    Throttled,
    UserError,
)
from havip.cloud.refusal import Maker, Refusal, permission_missing, user, wait

BUSY_SECONDS = 2.0
BOUGHT_TOO_OFTEN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Family:
    """Codes that mean the same to us."""

    codes: tuple[str, ...]
    make: Maker
    action: str = ""
    """Part of the name of the actions it is for; empty for all."""
    status: int | None = None
    """HTTP status it is for, where the same code means two things."""

    def matches(self, refusal: Refusal) -> bool:
        """Tell whether a refusal belongs here."""
        return (
            self.action in refusal.action
            and self.status in {None, refusal.status}
            and any(_matches(pattern, refusal.code) for pattern in self.codes)
        )


def _matches(pattern: str, code: str) -> bool:
    return pattern[1:] in code if pattern.startswith("*") else code.startswith(pattern)


TRANSITIONS = (
    Family(("*Throttling",), wait(Throttled)),
    Family(("FrequentPurchase",), wait(Throttled, seconds=BOUGHT_TOO_OFTEN_SECONDS)),
    # The same call is still being worked on: its outcome is not known yet, the token stays.
    Family(
        ("*LastTokenProcessing", "*IdempotentTokenProcessing"),
        wait(Busy, outcome_unknown=True, seconds=BUSY_SECONDS),
    ),
    Family(
        ("OperationFailed.HavipBoundPortmap",),
        user(
            UserError,
            "The HaVip serves a port mapping of a NAT gateway: remove that to bind an EIP.",
            Reason.EIP_UNUSABLE,
        ),
    ),
    Family(
        (
            "InvalidVip.Status",
            "Incorrect",  # IncorrectHaVipStatus, IncorrectInstanceStatus, IncorrectStatus.*
            "InvalidStatus",  # of an instance or an interface
            "InvalidBindingStatus",
            "OperationFailed",  # .DistibuteLock (spelt so), .SystemBusy, .EcsMigrating
            "OperationConflict",
            "TaskConflict",
            "SystemBusy",
            "DependencyViolation",  # a member, an EIP or a route is not gone yet
            "Forbidden.UnassociateMaster",  # it became the master just now: look again
            "IdempotentParameterMismatch",  # the object changed since the last try: look again
            "SignatureNonceUsed",
        ),
        wait(Busy, seconds=BUSY_SECONDS),
    ),
)

LIMITS = (
    Family(
        ("Forbidden.HaVip",),
        user(
            QuotaExceeded,
            "The account may not use HaVips: apply for the quota"
            " vpc_privilege_allow_buy_havip_instance.",
        ),
    ),
    Family(
        ("CountLimitExceed", "QuotaExceed"),
        user(QuotaExceeded, "A limit is reached: free something or apply for a higher quota."),
    ),
)

EIPS = (
    Family(
        ("Forbidden.FinancialLocked",),
        user(UserError, "The EIP is locked: pay what the account owes.", Reason.EIP_UNUSABLE),
    ),
    Family(
        ("Forbidden",),
        user(UserError, "The EIP is another account's: name one of your own.", Reason.EIP_UNUSABLE),
        action="EipAddress",
        status=400,
    ),
    Family(
        ("InvalidAllocationId",),
        user(NotFound, "The EIP is not there: correct spec.eip.", Reason.EIP_NOT_FOUND),
    ),
    Family(
        ("InvalidAssociation",),
        user(
            UserError,
            "The EIP or the HaVip is bound already: unbind it or name another EIP.",
            Reason.EIP_ELSEWHERE,
        ),
    ),
    Family(
        ("BIND_INSTANCE_HAVE_PORTMAP_OR_BIND_EIP",),
        user(
            UserError,
            "The HaVip has another EIP or serves a port mapping: remove that.",
            Reason.FOREIGN_EIP,
        ),
    ),
    Family(
        ("InvalidIpStatus",),
        user(UserError, "The EIP serves a NAT gateway: remove its entry.", Reason.EIP_UNUSABLE),
    ),
    Family(
        (
            "InvalidEIPStatus",
            "InvalidInstanceType",
            "InvalidParameter.Mismatch",  # it is in another region
            "InvalidOperation",
            "OperationDenied",  # the VPC has an IPv4 gateway
            "OperationUnsupported",
        ),
        user(UserError, "The EIP cannot be used so: name another one.", Reason.EIP_UNUSABLE),
        action="EipAddress",
    ),
)

ROUTES = (
    Family(
        ("Duplicated", "InvalidCIDRBlock.Duplicate", "InvalidRouteEntry.Dup", "RouteConflict"),
        user(RouteTaken, "The route table has an entry for the block: remove it."),
        action="RouteEntry",
    ),
    Family(
        ("InvalidRouteTableId",),
        user(
            NotFound,
            "The route table is not there: correct spec.routes.",
            Reason.ROUTE_TABLE_NOT_FOUND,
        ),
    ),
    Family(("InvalidRouteEntry",), user(NotFound, "The route is not in the cloud any more.")),
    Family(
        (
            "InvalidCIDRBlock",
            "InvalidCidrBlock",
            "InvalidDestination",
            "Mismatch",  # the table is of another VPC
            "OperationDenied",
            "OperationUnsupported",
            "UnsupportedFeature",
        ),
        user(InvalidSpec, "The route cannot be made: correct spec.routes.", Reason.ROUTE_REFUSED),
        action="RouteEntry",
    ),
)

CREDENTIALS = (
    Family(
        ("InvalidTimeStamp",),
        user(CredentialsRefused, "The clock of the controller's node is wrong: set it."),
    ),
    Family(
        (
            "InvalidAccessKey",
            "InvalidSecurityToken",
            "SignatureDoesNotMatch",
            "IncompleteSignature",
            "MissingSecurityToken",
            "AuthenticationFail",
            "EntityNotExist.Role",
        ),
        user(
            CredentialsRefused,
            "The access key is not accepted: correct the credentials of the HaVipClass.",
        ),
    ),
    Family(("Forbidden", "NoPermission"), permission_missing),
)

RESOURCES = (
    Family(
        ("InvalidIPAddress", "InvalidIpAddress", "InvalidPrivateIp"),
        user(
            AddressTaken,
            "The address cannot be had: choose a free one of the vSwitch or free this one.",
        ),
    ),
    Family(
        ("InvalidVSwitch", "InvalidVswitch"),
        user(
            NotFound,
            "The vSwitch is not there: correct spec.vSwitchId of the HaVipClass.",
            Reason.V_SWITCH_NOT_FOUND,
        ),
    ),
    Family(
        ("InvalidRegionId",),
        user(NotFound, "The region is not there: correct spec.region of the HaVipClass."),
    ),
    # Two of the codes speak of the HaVip that an EIP or a route leads to; one is misspelt so.
    Family(
        ("InvalidHaVip", "InvalidInstanId", "InvalidNextHopId"),
        user(NotFound, "The HaVip is not in the cloud any more."),
    ),
    Family(
        ("InvalidInstanceId", "InvalidEcsId", "InvalidEniId", "InvalidNetworkInterface"),
        user(NotFound, "The instance or network interface is not in the cloud any more."),
    ),
    Family(("ResourceNotAssociated",), user(NotFound, "It is no member of the HaVip.")),
)

FAMILIES = (*TRANSITIONS, *LIMITS, *EIPS, *ROUTES, *CREDENTIALS, *RESOURCES)
