"""One change of a route table at a time: the cloud refuses a second while one is under way.

The tables are those of one account and region, shared by all HaVips there. A turn ends when a
listing shows what it did; an entry in transition is seen there by all.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf


class Turns:
    """Who changes which route table last, as far as a listing must be younger than that."""

    def __init__(self) -> None:
        self._changed_at: dict[str, float] = {}

    def free(self, route_table_id: str, listed_at: float) -> bool:
        """Whether a listing begun at this moment shows all that was done to the table."""
        return listed_at >= self._changed_at.get(route_table_id, -inf)

    @contextmanager
    def taken(self, route_table_id: str, clock: Callable[[], float]) -> Iterator[None]:
        """Keep all others from the table while a change of it is asked for."""
        self._changed_at[route_table_id] = inf
        try:
            yield
        finally:
            self._changed_at[route_table_id] = clock()
