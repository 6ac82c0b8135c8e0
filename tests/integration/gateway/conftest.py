"""A gateway for each test."""

from collections.abc import AsyncIterator

import pytest

from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.redis.connection import connect_redis
from tests.integration.gateway.house import House, a_house


@pytest.fixture
async def house(postgres_url: str, redis_url: str) -> AsyncIterator[House]:
    database = await open_database(postgres_url, PoolOptions(min_size=1, max_size=6))
    redis = await connect_redis(redis_url)
    try:
        async with a_house(database, redis) as open_house:
            yield open_house
    finally:
        await redis.aclose()
        await database.close()
