"""Changes are heard as they happen, and everything is read again after a silence."""

import asyncio
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest

from paceline.adapters.clock import SystemClock
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.listen import ACCOUNTS, FREEZES, SESSIONS, SUBSCRIPTIONS, Listener
from paceline.adapters.postgres.sessions import PostgresSessions
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.domain.errors import Unavailable
from paceline.ports.seal import Sealed
from paceline.ports.sessions import SessionId, Tokens
from tests.integration.storage.makers import a_subscription, accounts_of

A, B = "fyers:A", "fyers:B"


class Ear:
    """What was heard, and how often everything was re-read."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.reads = 0
        self.failures: list[Exception] = []

    def hear(self, channel: str, payload: str) -> None:
        self.heard.append((channel, payload))

    async def reread(self) -> None:
        self.reads += 1
        if self.failures:
            raise self.failures.pop(0)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                await asyncio.sleep(0.005)


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
async def listener(postgres_url: str, ear: Ear) -> AsyncIterator[Listener]:
    listening = Listener(
        postgres_url, [ACCOUNTS, SESSIONS, SUBSCRIPTIONS, FREEZES], ear.hear, ear.reread, SystemClock()
    )
    task = asyncio.create_task(listening.run())
    await ear.until(lambda: listening.connects == 1)
    yield listening
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_changes_are_heard_by_the_id_of_their_row(
    database: Database, ear: Ear, listener: Listener
) -> None:
    await accounts_of(database, A, B)
    await PostgresSubscriptions(database).create(a_subscription(A, B, "s1"))
    await ear.until(lambda: (SUBSCRIPTIONS, "s1") in ear.heard)
    assert {(ACCOUNTS, A), (ACCOUNTS, B), (SESSIONS, A), (SESSIONS, B)} <= set(ear.heard)


async def test_a_new_token_is_news_and_a_frame_is_not(
    database: Database, ear: Ear, listener: Listener
) -> None:
    await accounts_of(database, A)
    await ear.until(lambda: (SESSIONS, A) in ear.heard)
    ear.heard.clear()
    await database.execute("UPDATE sessions SET last_frame_at = now()")
    await PostgresSessions(database).set_tokens(SessionId(A), Tokens(Sealed(b"t")))
    await ear.until(lambda: bool(ear.heard))
    assert ear.heard == [(SESSIONS, A)]


async def test_after_a_lost_connection_everything_is_read_again(
    connection: "asyncpg.Connection[asyncpg.Record]", ear: Ear, listener: Listener
) -> None:
    farewell = asyncpg.InternalClientError("another operation is in progress")
    ear.failures = [Unavailable("not yet"), farewell]
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
    )
    await ear.until(lambda: listener.connects == 2)
    assert ear.reads == 4
    assert listener.last_error is farewell
    await connection.execute("SELECT pg_notify($1, 'still there')", ACCOUNTS)
    await ear.until(lambda: (ACCOUNTS, "still there") in ear.heard)
