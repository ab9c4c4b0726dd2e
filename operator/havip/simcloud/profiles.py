"""How long things take in the simulated cloud, and what it allows."""

from __future__ import annotations

from dataclasses import dataclass, field

Span = tuple[float, float]
"""Shortest and longest duration in seconds; each use draws evenly between the two."""

_NONE: Span = (0.0, 0.0)


@dataclass(frozen=True)
class Quotas:
    """Limits per what the name says. The real cloud raises those of HaVips only for routes."""

    ha_vips_per_account: int = 50
    ha_vips_per_vpc: int = 50
    ha_vips_per_instance: int = 5
    members_per_ha_vip: int = 10
    tags_per_resource: int = 20
    eips_per_account: int = 20
    eips_per_ha_vip: int = 1
    routes_per_table: int = 200
    """Custom entries."""
    ha_vip_routes_per_table: int = 5
    ha_vip_routes_per_vpc: int = 20
    """That there is a limit is documented, its number is not."""


@dataclass(frozen=True)
class Rates:
    """Calls of one action that one account may make in a window of seconds."""

    reads: int
    writes: int
    window: float = 60.0


@dataclass(frozen=True)
class Profile:
    """Latencies by what takes them, quotas, and rates where calls are throttled.

    `answer` is the time to any answer; the others are how long the status between two settled
    ones lasts after the answer was given.
    """

    name: str
    answer: Span = _NONE
    create: Span = _NONE
    delete: Span = _NONE
    associate: Span = _NONE
    unassociate: Span = _NONE
    start: Span = _NONE
    stop: Span = _NONE
    associate_eip: Span = _NONE
    unassociate_eip: Span = _NONE
    release_eip: Span = _NONE
    create_route: Span = _NONE
    delete_route: Span = _NONE
    attach: Span = _NONE
    detach: Span = _NONE
    quotas: Quotas = field(default_factory=Quotas)
    rates: Rates | None = None
    refuse_long_pages: bool = True
    """Whether a PageSize over the maximum is an error (True) or is cut to it: not documented."""


INSTANT = Profile("instant")

LAB = Profile(
    "lab",
    answer=(0.002, 0.010),
    create=(0.2, 0.4),
    delete=(0.2, 0.4),
    associate=(0.2, 0.5),
    unassociate=(0.2, 0.5),
    start=(0.3, 0.6),
    stop=(0.3, 0.6),
    associate_eip=(0.2, 0.5),
    unassociate_eip=(0.2, 0.5),
    release_eip=(0.1, 0.3),
    create_route=(0.2, 0.5),
    delete_route=(0.2, 0.5),
    attach=(0.2, 0.5),
    detach=(0.2, 0.5),
)

REALISTIC = Profile(
    "realistic",
    answer=(0.05, 0.25),
    create=(1.0, 4.0),
    delete=(1.0, 4.0),
    associate=(2.0, 6.0),
    unassociate=(2.0, 6.0),
    start=(10.0, 30.0),
    stop=(5.0, 20.0),
    associate_eip=(2.0, 6.0),
    unassociate_eip=(2.0, 6.0),
    release_eip=(1.0, 4.0),
    create_route=(2.0, 8.0),
    delete_route=(2.0, 8.0),
    attach=(2.0, 6.0),
    detach=(2.0, 6.0),
    rates=Rates(reads=600, writes=300),
)

PROFILES = {profile.name: profile for profile in (INSTANT, LAB, REALISTIC)}
"""The profiles that the command line offers."""
