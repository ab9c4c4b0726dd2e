"""What the cloud looked like a while ago, for answers from a replica that is behind."""

from __future__ import annotations

import copy
import pickle
from collections import deque

from .model import Cloud

RESOURCES = ("instances", "network_interfaces", "ha_vips", "eips", "route_tables")
"""The parts of a cloud that calls and time change."""
MAX_AGE = 60.0
"""Seconds that a state is kept after another took its place."""
RESOLUTION = 0.01
"""Seconds that a state must have stood to be worth its keeping."""


class History:
    """The states that a cloud had, each from its time on until the next one's."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._since = float("-inf")
        self._states: deque[tuple[float, bytes]] = deque()

    def before_change(self, at: float) -> None:
        """Keep the present state, which ends at a time in seconds since 1970."""
        if at - self._since < RESOLUTION:
            return
        state = {name: getattr(self._cloud, name) for name in RESOURCES}
        # Bytes, so that nothing in them follows the cloud any further.
        self._states.append((self._since, pickle.dumps(state)))
        self._since = at
        while len(self._states) > 1 and self._states[1][0] < at - MAX_AGE:
            self._states.popleft()

    def view(self, at: float) -> Cloud:
        """Give the cloud as it was at a time, or the oldest known. It is only to be read."""
        if at >= self._since or not self._states:
            return self._cloud
        past = copy.copy(self._cloud)
        kept = next((s for since, s in reversed(self._states) if since <= at), self._states[0][1])
        vars(past).update(pickle.loads(kept))  # noqa: S301
        return past
