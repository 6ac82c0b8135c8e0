"""Who is told to end while Redis answers ends: the client of Python 3.11 would have let him go on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis

from paceline.adapters.clock import SystemClock
from paceline.adapters.redis.buckets import RedisBuckets
from paceline.adapters.redis.connection import open_redis, ready
from paceline.domain.ids import AccountId
from paceline.ports.broker import Call, LimitScope, Window
from paceline.ports.buckets import Take

_TURNS = 60
"""Of the loop: more than any command takes."""
_TAKE = Take(
    AccountId("fyers:X"),
    (Window("second", 1_000, 1_000, LimitScope.ACCOUNT, frozenset(Call)),),
    Call.READ,
    entry=False,
)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    opened = open_redis(redis_url)
    await ready(opened)
    yield opened
    await opened.aclose()


async def cancelled_at_every_turn(work: Callable[[], Awaitable[object]]) -> int:
    """How often it was still under way, and each time it ended by being cancelled."""
    under_way = 0
    for turn in range(_TURNS):
        task = asyncio.ensure_future(work())
        for _ in range(turn):
            await asyncio.sleep(0)
        if task.cancel():
            under_way += 1
            await asyncio.wait([task])
            assert task.cancelled(), f"went on though it was cancelled in turn {turn}"
    return under_way


async def test_a_command_and_a_script_end_when_they_are_cancelled_whatever_they_do_just_then(
    redis: Redis,
) -> None:
    buckets = RedisBuckets(redis, SystemClock())
    await buckets.take([_TAKE])
    assert await cancelled_at_every_turn(lambda: ready(redis)) > 3
    assert await cancelled_at_every_turn(lambda: buckets.take([_TAKE])) > 3
    await ready(redis)
