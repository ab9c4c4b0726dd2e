# ruff: noqa: N818  (a class is named after what is the case: the tree says it is an error)
"""The one tree of errors. A class says who must act.

::

    HaVipError
     |- UserError            the user: a condition, no retry until the objects change
     |   |- InvalidSpec          a field has a value that cannot work
     |   |- NotFound             something that was named does not exist
     |   |- CredentialsRefused   the cloud does not accept the key, or the key may not do this
     |   |- QuotaExceeded        the account's limit is reached
     |   |- AddressTaken         the address asked for is in use or reserved
     |   |- RouteTaken           the route table leads the block elsewhere already
     |   `- OwnedByAnother       the resource carries the tags of another object or cluster
     |- CloudError           nobody: wait and try again
     |   |- Throttled            too many calls
     |   |- Busy                 the resource is in transition
     |   `- Unavailable          no answer, or none that makes sense
     `- BugError             us: log it, count it, try again

The cloud adapter turns the SDK's exceptions into these, so no other module knows the SDK's.
"""

from typing import ClassVar


class HaVipError(Exception):
    """Any error that this product raises on purpose.

    ``reason`` is a CamelCase word fit for a condition, ``str(error)`` a sentence fit for its
    message. ``code`` and ``request_id`` are the cloud's own, empty where the cloud said nothing.
    """

    default_reason: ClassVar[str] = "InternalError"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        code: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.reason = reason or self.default_reason
        self.code = code
        self.request_id = request_id


class UserError(HaVipError):
    """The user must change something; trying again as things are is of no use."""

    default_reason = "InvalidSpec"


class InvalidSpec(UserError):
    """A field has a value that cannot work; the message names the field."""

    default_reason = "InvalidSpec"


class NotFound(UserError):
    """Something that an object names does not exist: a class, a Secret, a vSwitch, a HaVip."""

    default_reason = "NotFound"


class CredentialsRefused(UserError):
    """The cloud does not accept the access key, or the key lacks a permission.

    ``permission`` is the RAM action that is missing, as in ``vpc:CreateHaVip``; empty when the key
    itself is refused.
    """

    default_reason = "CredentialsRefused"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        code: str = "",
        request_id: str = "",
        permission: str = "",
    ) -> None:
        super().__init__(message, reason=reason, code=code, request_id=request_id)
        self.permission = permission


class QuotaExceeded(UserError):
    """A limit of the account, the VPC or the instance is reached."""

    default_reason = "QuotaExceeded"


class AddressTaken(UserError):
    """The address asked for is in use, reserved or outside the vSwitch."""

    default_reason = "AddressTaken"


class RouteTaken(UserError):
    """The route table has an entry for the block already: look whether it is ours."""

    default_reason = "RouteRefused"


class OwnedByAnother(UserError):
    """The cloud resource carries the ownership tags of another object or cluster."""

    default_reason = "OwnedByAnother"


class CloudError(HaVipError):
    """Nobody needs to act: wait and try again.

    ``retry_after`` is the number of seconds the cloud asked to wait, None if it did not say.
    ``outcome_unknown`` is true when a change was asked for and may have been made: look before
    asking again, and ask with the same ClientToken.
    """

    default_reason = "CloudUnavailable"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        code: str = "",
        request_id: str = "",
        retry_after: float | None = None,
        outcome_unknown: bool = False,
    ) -> None:
        super().__init__(message, reason=reason, code=code, request_id=request_id)
        self.retry_after = retry_after
        self.outcome_unknown = outcome_unknown


class Throttled(CloudError):
    """The cloud takes no more calls for the moment."""

    default_reason = "Throttled"


class Busy(CloudError):
    """The resource is in transition, or another change of it is under way."""

    default_reason = "CloudBusy"


class Unavailable(CloudError):
    """The cloud did not answer, or answered with something that makes no sense."""

    default_reason = "CloudUnavailable"


class BugError(HaVipError):
    """We did something wrong: a case the code believed impossible."""

    default_reason = "InternalError"
