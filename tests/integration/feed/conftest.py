"""A world for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.feed.world import World, world


@pytest.fixture
async def stage(postgres_url: str, redis_url: str) -> AsyncIterator[World]:
    async with world(postgres_url, redis_url) as made:
        yield made
