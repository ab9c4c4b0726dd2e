"""What an action of the API is, and what it is given. The table of them is in `gateway`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from .model import Cloud
from .profiles import Span
from .topology import Account
from .wire import ApiError, Parameters, invalid

VPC = "2016-04-28"
ECS = "2014-05-26"
STS = "2015-04-01"
PRODUCTS = {VPC: "vpc", ECS: "ecs", STS: "sts"}
"""What policies put before an action, by the API's version."""

Item = TypeVar("Item")


@dataclass
class Call:
    """One call of an action by an account, at a time (seconds since 1970)."""

    cloud: Cloud
    account: Account
    parameters: Parameters
    now: float
    hang: float = 0.0
    """Seconds by which an injected fault stretches the transition that this call starts."""
    effect: bool = field(default=False, init=False)
    """Whether the call changed anything."""

    def changed(self) -> None:
        """Note that the call had an effect."""
        self.effect = True

    def afterwards(self, span: Span, effect: Callable[[], None]) -> None:
        """Let a transition end with an effect, after a duration drawn from a span."""
        self.changed()
        self.cloud.later(self.now + self.cloud.draw(span) + self.hang, effect)

    def check_region(self, *, required: bool = True) -> None:
        """Refuse a call for another region, or for none where it is `required`."""
        name = "RegionId"
        given = self.parameters.required(name) if required else self.parameters.text(name)
        if given not in {"", self.cloud.region}:
            raise ApiError(
                404, "InvalidRegionId.NotFound", "The specified RegionId does not exist."
            )

    def end_dry_run(self) -> None:
        """Refuse a call that passed all checks and was to do no more than that."""
        if self.parameters.flag("DryRun"):
            raise ApiError(400, "DryRunOperation", "Request validation has been passed.")


class Access(StrEnum):
    """Who may make a call."""

    ANYBODY = "anybody"
    """No signature is asked for."""
    ANY_KEY = "any key"
    """The signature is enough: no policy can deny it."""
    GRANTED = "granted"
    """A key whose policy allows the action."""


@dataclass(frozen=True)
class Action:
    """A row of the action table. `handler` gives the answer's body or raises ApiError."""

    version: str
    name: str
    handler: Callable[[Call], dict[str, Any]]
    changes: bool = False
    """Whether it is meant to change anything (its rate differs)."""
    tokens: bool = False
    """Whether it heeds a ClientToken."""
    access: Access = Access.GRANTED


def timestamp(at: float) -> str:
    """Write a time as answers have it, `2018-07-03T14:25:26Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def numbered_page(
    call: Call, items: Sequence[Item], *, default: int = 10, maximum: int = 50
) -> tuple[Sequence[Item], dict[str, int]]:
    """Cut the page that PageNumber and PageSize ask for; with it the paging part of the body."""
    number = call.parameters.integer("PageNumber", 1)
    size = call.parameters.integer("PageSize", default)
    if size > maximum:
        if call.cloud.profile.refuse_long_pages:
            raise invalid("PageSize")
        size = maximum
    start = (number - 1) * size
    return items[start : start + size], {
        "PageNumber": number,
        "PageSize": size,
        "TotalCount": len(items),
    }


def token_page(
    call: Call,
    items: Sequence[Item],
    *,
    default: int,
    maximum: int,
    minimum: int = 1,
    sized_by: str = "MaxResults",
) -> tuple[Sequence[Item], dict[str, str]]:
    """Cut the page that MaxResults and NextToken ask for; with it the next token, if any.

    `sized_by` names the parameter where an action spells it otherwise.
    """
    size = max(minimum, min(call.parameters.integer(sized_by, default), maximum))
    token = call.parameters.text("NextToken", "0")
    if not token.isdecimal():
        raise invalid("NextToken")
    start = int(token)
    end = start + size
    return items[start:end], {"NextToken": str(end) if end < len(items) else ""}
