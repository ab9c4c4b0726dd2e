import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from havip.simcloud.profiles import Profile
from havip.simcloud.server import RunningCloud, running
from havip.simcloud.topology import Topology, sample
from tests.simcloud.sdk import Sdk

SLOW = Profile(
    "slow",
    create=(5.0, 5.0),
    delete=(5.0, 5.0),
    associate=(5.0, 5.0),
    unassociate=(5.0, 5.0),
    start=(5.0, 5.0),
    stop=(5.0, 5.0),
    attach=(5.0, 5.0),
    detach=(5.0, 5.0),
    associate_eip=(5.0, 5.0),
    unassociate_eip=(5.0, 5.0),
    release_eip=(5.0, 5.0),
    create_route=(5.0, 5.0),
    delete_route=(5.0, 5.0),
)
"""Transitions that take five seconds of the cloud's clock, which the test moves."""


class Clock:
    """The cloud's wall clock: the machine's, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead

    def advance(self, seconds: float) -> None:
        self.ahead += seconds


Start = Callable[..., RunningCloud]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start(clock: Clock) -> Iterator[Start]:
    """Start a cloud of a topology and a profile; it ends with the test."""
    with ExitStack() as stack:

        def begin(
            topology: Topology | None = None, profile: Profile | str = "instant", **more: Any
        ) -> RunningCloud:
            return stack.enter_context(
                running(topology or sample(), profile, clock=clock, seed=7, **more)
            )

        yield begin


@pytest.fixture
def cloud(start: Start) -> RunningCloud:
    """A cloud where every transition is over by the next call."""
    return start()


@pytest.fixture
def sdk(cloud: RunningCloud) -> Sdk:
    return Sdk(cloud.endpoint)


@pytest.fixture
def slow(start: Start) -> RunningCloud:
    """A cloud where every transition takes five seconds of its clock."""
    return start(profile=SLOW)


@pytest.fixture
def slow_sdk(slow: RunningCloud) -> Sdk:
    return Sdk(slow.endpoint)
