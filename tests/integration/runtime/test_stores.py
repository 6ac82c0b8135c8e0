"""The stores that every other test stands on."""

import asyncpg
from redis.asyncio import Redis


async def test_a_test_has_a_database_of_its_own(postgres_url: str, empty_postgres_url: str) -> None:
    here = await asyncpg.connect(postgres_url)
    there = await asyncpg.connect(empty_postgres_url)
    await there.execute("CREATE TABLE only_here (id int)")
    assert await here.fetchval("SELECT to_regclass('only_here')") is None
    assert await there.fetchval("SELECT to_regclass('only_here')") == "only_here"
    await here.close()
    await there.close()


async def test_a_migrated_database_has_tables(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    assert tables


async def test_a_test_finds_redis_empty(redis_url: str) -> None:
    client = Redis.from_url(redis_url)
    assert await client.dbsize() == 0
    await client.set("left", "behind")
    await client.aclose()


async def test_a_test_finds_redis_empty_again(redis_url: str) -> None:
    client = Redis.from_url(redis_url)
    assert await client.dbsize() == 0
    await client.aclose()
