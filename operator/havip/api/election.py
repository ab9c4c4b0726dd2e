"""How the nodes of a HaVip choose its owner."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from havip.api.base import Model, Rule
from havip.api.fields import NodeSelector, Profile

DEFAULT_PRIORITY = 100
"""Priority of a node that no entry of ``election.priorities`` selects, as in keepalived."""


class Failback(StrEnum):
    """Whether a better node takes the address from a healthy owner."""

    NEVER = "Never"
    WHEN_HEALTHY = "WhenHealthy"


class Timings(Model):
    """Timings in place of a profile's, for those who have measured their network."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.heartbeatMillis * 3 <= self.grantMillis",
            "grantMillis must be at least 3 times heartbeatMillis, so that two lost heartbeats"
            " do no harm: raise grantMillis or lower heartbeatMillis",
        ),
        Rule(
            "self.heartbeatMillis < self.challengeMillis",
            "challengeMillis must be more than heartbeatMillis, so that the owner can answer:"
            " raise challengeMillis or lower heartbeatMillis",
        ),
        Rule(
            "self.challengeMillis < self.grantMillis",
            "challengeMillis must be less than grantMillis: lower challengeMillis or raise"
            " grantMillis",
        ),
        Rule(
            "self.grantMillis < self.unmemberedMillis",
            "unmemberedMillis must be more than grantMillis: raise unmemberedMillis",
        ),
        Rule(
            "self.renewMillis * 2 <= self.unmemberedMillis",
            "unmemberedMillis must be at least twice renewMillis, so that one failed renewal"
            " does no harm: raise unmemberedMillis or lower renewMillis",
        ),
    )

    heartbeat_millis: Annotated[
        int,
        Field(ge=20, le=10_000, description="Milliseconds between the owner's heartbeats."),
    ]
    grant_millis: Annotated[
        int,
        Field(
            ge=60,
            le=60_000,
            description="Milliseconds for which a member that answers a heartbeat promises not"
            " to take over.",
        ),
    ]
    challenge_millis: Annotated[
        int,
        Field(
            ge=30,
            le=60_000,
            description="Milliseconds that a challenged owner has to answer in the register.",
        ),
    ]
    renew_millis: Annotated[
        int,
        Field(
            ge=500,
            le=60_000,
            description="Milliseconds between the owner's writes to the register while all is"
            " well.",
        ),
    ]
    unmembered_millis: Annotated[
        int,
        Field(
            ge=1000,
            le=300_000,
            description="Milliseconds for which an owner without members holds the address"
            " after a write.",
        ),
    ]


class PriorityRule(Model):
    """Gives the nodes with these labels a priority."""

    node_selector: Annotated[
        NodeSelector, Field(description="Labels that the nodes have, all of them.")
    ]
    priority: Annotated[
        int,
        Field(
            ge=1,
            le=255,
            description="Higher is preferred. A node that no entry selects has 100.",
        ),
    ]


class ElectionSpec(Model):
    """How the nodes choose the owner of the address."""

    profile: Annotated[
        Profile,
        Field(
            description="Timings: Fast (an outage of about 0.25 s when the owner dies, for a"
            " quiet network), Balanced (0.9 s) or Calm (4 s)."
        ),
    ] = Profile.BALANCED
    timings: Annotated[
        Timings | None,
        Field(description="Timings in place of the profile's; all five are given together."),
    ] = None
    failback: Annotated[
        Failback,
        Field(
            description="Never: a healthy owner keeps the address (keepalived's nopreempt)."
            " WhenHealthy: a healthy node of higher priority gets it back."
        ),
    ] = Failback.NEVER
    priorities: Annotated[
        tuple[PriorityRule, ...],
        Field(
            max_length=16,
            description="Which nodes are preferred. The first entry that selects a node counts.",
        ),
    ] = ()

    def priority_of(self, labels: dict[str, str]) -> int:
        """Priority of a node with these labels."""
        for rule in self.priorities:
            if rule.node_selector.items() <= labels.items():
                return rule.priority
        return DEFAULT_PRIORITY
