"""A database as the services have it."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.pool import PoolOptions, open_database


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    opened = await open_database(postgres_url, PoolOptions(min_size=1, max_size=6))
    yield opened
    await opened.close()


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    opened = await asyncpg.connect(postgres_url)
    yield opened
    await opened.close()
