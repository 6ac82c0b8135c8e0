"""PostgreSQL's failures become Paceline's own here; decimals and documents come back as they went."""

import asyncio
import threading
from contextlib import suppress
from decimal import Decimal

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paceline.adapters.postgres.database import Database, literals
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.domain.errors import Unavailable
from tests.integration.storage.makers import own

_WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        await open_database("postgresql://nobody@127.0.0.1:1/none", PoolOptions(connect_timeout_s=1))


async def test_a_query_that_takes_too_long_is_unavailable(postgres_url: str) -> None:
    database = await open_database(postgres_url, PoolOptions(command_timeout_s=0.05))
    with pytest.raises(Unavailable):
        await database.value("SELECT pg_sleep(5)")
    await database.ready()
    await database.close()


async def test_a_connection_lost_in_a_transaction_is_unavailable_and_replaced(database: Database) -> None:
    with pytest.raises(Unavailable):
        async with database.transaction() as transaction:
            await transaction.value("SELECT pg_terminate_backend(pg_backend_pid())")
    await database.ready()


@pytest.mark.parametrize("turns", range(4))
async def test_a_connection_that_was_ended_while_nobody_looked_is_unavailable(
    postgres_url: str, turns: int
) -> None:
    """However far the loop came with the farewell when the next query is asked."""
    options = PoolOptions(min_size=1, max_size=1, application_name=f"ended-{turns}")
    database = await open_database(postgres_url, options)
    await database.ready()
    elsewhere = threading.Thread(target=asyncio.run, args=(_end(postgres_url, options.application_name),))
    elsewhere.start()
    elsewhere.join()
    for _ in range(turns):
        await asyncio.sleep(0)
    with suppress(Unavailable):
        await database.ready()
    await database.ready()
    await database.close()


async def _end(url: str, application: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = $1",
        application,
    )
    await connection.close()


async def test_two_that_wait_for_each_other_are_told_to_try_again(database: Database) -> None:
    await own(database, "feed", [1, 2])  # type: ignore[list-item]  # partitions by number
    met = asyncio.Barrier(2)

    async def take(first: int, second: int) -> None:
        query = "UPDATE leases SET version = version + 1 WHERE partition = $1"
        async with database.transaction() as transaction:
            await transaction.execute(query, first)
            await met.wait()
            await transaction.execute(query, second)

    done = await asyncio.gather(take(1, 2), take(2, 1), return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == ["NoneType", "Unavailable"]


async def test_numbers_and_documents_come_back_as_they_went(database: Database) -> None:
    row = await database.row(
        "SELECT $1::numeric AS price, $2::jsonb AS document, ($3::jsonb[])[2] AS second",
        Decimal("0.10000000000000000001"),
        {"a": [1, "é"]},
        [{"n": 1}, {"n": 2}],
    )
    assert row is not None
    assert tuple(row) == (Decimal("0.10000000000000000001"), {"a": [1, "é"]}, {"n": 2})


async def test_a_fence_holds_off_a_take_over_and_lets_renewals_pass(
    database: Database, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    from paceline.adapters.postgres.fencing import stale_partitions
    from paceline.domain.ids import Partition

    epoch = await own(database, "feed", [Partition(7)], 4)
    await connection.execute("SET lock_timeout = '100ms'")
    async with database.transaction() as transaction:
        assert await stale_partitions(transaction, "feed", {Partition(7): epoch}) == frozenset()
        await connection.execute("UPDATE leases SET version = version + 1, renewed_at = now()")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await connection.execute("UPDATE leases SET epoch = epoch + 1")
    await connection.execute("UPDATE leases SET epoch = epoch + 1")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            st.none() | st.sampled_from(["", "NULL", "{}", '"', "\\", 'a\\"b,c', " x "]) | _WORDS,
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | st.booleans(),
            st.none() | st.decimals(-(10**9), 10**9, allow_nan=False, places=18),
        ),
        max_size=5,
    )
)
async def test_rows_written_out_as_literals_are_read_as_they_were(
    database: Database, rows: list[tuple[object, ...]]
) -> None:
    query = (
        "SELECT * FROM unnest($1::text::text[], $2::text::bigint[], $3::text::boolean[], $4::text::numeric[])"
    )
    assert [tuple(row) for row in await database.fetch(query, *literals(rows, 4))] == rows
