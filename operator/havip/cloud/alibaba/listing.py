"""Listings to their end. One that changes while its pages are read is read again."""

# ruff: noqa: ANN401 -- requests are the SDK's, which has no types.

from typing import Any

from havip.api.errors import Unavailable
from havip.cloud.alibaba.answers import Part
from havip.cloud.alibaba.connection import Connection

LISTING_TRIES = 3


async def by_number(
    connection: Connection, request: Any, outer: str, inner: str, key: str
) -> tuple[Part, ...]:
    """List what has numbered pages; ``key`` is the field that tells one item from another.

    The items are as many as the cloud counts, or ``Unavailable`` is raised.
    """
    for _ in range(LISTING_TRIES):
        found: dict[str, Part] = {}
        request.page_number = 0
        more = True
        while more:
            request.page_number += 1
            body = await connection.call(request)
            items = body.parts(outer, inner)
            total = body.number("TotalCount")
            found |= {item.text(key): item for item in items}
            # The pages may be shorter than was asked for.
            more = bool(items) and len(found) < total
        if len(found) == total:
            return tuple(found.values())
    raise Unavailable(f"{body.action.name} gave {len(found)} of {outer} but counts {total}.")


async def by_token(
    connection: Connection, request: Any, outer: str, inner: str, key: str, *, counted: bool
) -> tuple[Part, ...]:
    """List what has pages that each name the next by a token.

    ``counted`` asks for a count. The cloud's pages do not say whether that is of the page or of
    all, so either will do.
    """
    for _ in range(LISTING_TRIES):
        found: dict[str, Part] = {}
        request.next_token = None
        tokens: set[str] = set()
        while True:
            body = await connection.call(request)
            items = body.parts(outer, inner)
            found |= {item.text(key): item for item in items}
            token = body.optional("NextToken")
            if not token or token in tokens:
                break
            tokens.add(token)
            request.next_token = token
        total = body.number("TotalCount") if counted else len(found)
        if not token and total in {len(items), len(found)}:
            return tuple(found.values())
    raise Unavailable(f"{body.action.name} does not come to an end that fits what it counts.")
