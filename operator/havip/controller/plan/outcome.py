"""What a plan consists of: the next step, and what is to be said while there is none. Pure."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from havip.api.conditions import ConditionStatus, Reason
from havip.api.errors import HaVipError
from havip.api.havip import (
    AdoptedState,
    AnnounceRequest,
    EipStatus,
    FencedMember,
    MemberState,
    RouteStatus,
)
from havip.controller.needs import Listing
from havip.controller.observe import NodeFacts
from havip.controller.plan.steps import Step


class Verdict(NamedTuple):
    """What a condition says."""

    status: ConditionStatus
    reason: Reason | str
    message: str


NOT_WANTED_EIP = Verdict(ConditionStatus.TRUE, Reason.NOT_WANTED, "spec.eip is not set.")
NOT_WANTED_ROUTES = Verdict(ConditionStatus.TRUE, Reason.NOT_WANTED, "spec.routes is empty.")


@dataclass(frozen=True, slots=True)
class Member:
    """A node that is, becomes, ceases to be or cannot be a member."""

    node: NodeFacts
    state: MemberState
    reason: str = ""
    member_id: str = ""
    """What the cloud has or gets of it: its instance, or a network interface."""


@dataclass(frozen=True, slots=True)
class EipPart:
    """What becomes of the EIP. ``status`` is what is ours of it."""

    verdict: Verdict = NOT_WANTED_EIP
    status: EipStatus | None = None
    step: Step | None = None
    last_allocated: str = ""
    """Id of the EIP that we allocated last, as far as it was ever seen; empty without any."""
    watch: frozenset[Listing[Any]] = frozenset()


@dataclass(frozen=True, slots=True)
class RoutesPart:
    """What becomes of the routes. ``status`` is those that are ours."""

    verdict: Verdict = NOT_WANTED_ROUTES
    status: tuple[RouteStatus, ...] = ()
    step: Step | None = None
    watch: frozenset[Listing[Any]] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """The next step, and what is to be said while there is none."""

    step: Step | None = None
    mend: Step | None = None
    """What of the HaVip itself is not as the spec says, whether it can be mended now or not."""
    members: tuple[Member, ...] = ()
    wanted: int | None = None
    """How many members there should be; None while that is not known."""
    kept: tuple[str, ...] = ()
    """Members that are no nodes of the cluster and are left alone."""
    eip: EipPart | None = None
    """None while it is not known: then the status says what it said."""
    routes: RoutesPart | None = None
    adopted: AdoptedState | None = None
    fenced: tuple[FencedMember, ...] = ()
    followers: tuple[str, ...] | None = None
    """The holder can have the address no more: take it out of the register and leave these in it
    to follow (none: anybody may). None leaves the register alone."""
    announce: AnnounceRequest | None = None
    trouble: HaVipError | None = None
    waiting: str = ""
    """What is waited for, as a sentence; empty when all is as wanted."""
    retry_seconds: float | None = None
    """When to look again though nothing is heard."""
    watch: frozenset[Listing[Any]] = frozenset()
    """What is in transition: have it listed soon."""
    done: bool = False
    """A deletion is complete; nothing of the object is left to us."""
    note: str = ""
    """What the user would want to hear about the end of a deletion."""
