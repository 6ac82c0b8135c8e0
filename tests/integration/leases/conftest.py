"""A database of the test's own, with several connections."""

from collections.abc import AsyncIterator

import pytest

from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.pool import PoolOptions, open_database


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    opened = await open_database(postgres_url, PoolOptions(min_size=2, max_size=12))
    yield opened
    await opened.close()
