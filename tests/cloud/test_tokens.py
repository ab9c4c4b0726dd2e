"""ClientTokens and the bucket of calls."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from havip.cloud.limiter import TokenBucket
from havip.cloud.tokens import Intent, Tokens, client_token

INTENT = Intent("uid", "AssociateHaVip", ("havip-1", "i-1"))


def test_an_intent_has_the_same_token_after_a_crash() -> None:
    assert Tokens().of(INTENT) == Tokens().of(INTENT)


def test_a_definitive_answer_ends_the_intent() -> None:
    tokens = Tokens()
    first = tokens.of(INTENT)
    assert tokens.of(INTENT) == first
    tokens.conclude(INTENT)
    assert tokens.of(INTENT) != first


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_intents_share_no_token(one: list[str], other: list[str]) -> None:
    tokens = [client_token(Intent("u", "A", tuple(each)), 0) for each in (one, other)]
    assert (tokens[0] == tokens[1]) == (one == other)


def test_the_cloud_takes_the_token() -> None:
    token = client_token(INTENT, 0)
    assert len(token) == 64
    assert token.isascii()


class Clock:
    """Time that passes only in sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.left: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.left.append(self.now + seconds)


async def departures(bucket: TokenBucket, clock: Clock, calls: int) -> list[float]:
    clock.left.clear()
    await asyncio.gather(*(bucket.take() for _ in range(calls)))
    return [*[clock.now] * (calls - len(clock.left)), *clock.left]


async def test_a_burst_leaves_at_once_and_the_rest_at_the_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(2, 3, clock=lambda: clock.now, sleep=clock.sleep)
    assert await departures(bucket, clock, 5) == [100.0, 100.0, 100.0, 100.5, 101.0]


async def test_a_bucket_fills_again() -> None:
    clock = Clock()
    bucket = TokenBucket(2, 3, clock=lambda: clock.now, sleep=clock.sleep)
    await departures(bucket, clock, 3)
    clock.now = 101.0
    assert await departures(bucket, clock, 3) == [101.0, 101.0, 101.5]


async def test_a_throttled_bucket_pauses() -> None:
    clock = Clock()
    bucket = TokenBucket(2, 3, clock=lambda: clock.now, sleep=clock.sleep)
    bucket.pause(5)
    assert await departures(bucket, clock, 1) == [105.0]
