"""A plan stands on what was committed before its event was journaled, whether or not a notice told of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg

from paceline.adapters.postgres.accounts import PostgresAccounts
from paceline.adapters.postgres.news import PostgresNews
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.domain.account import AccountState
from paceline.domain.copying.decision import Decision, Outcome, SkipReason
from paceline.domain.ids import AccountId, SubscriptionId
from paceline.domain.subscription import Subscription, SubscriptionState
from tests.integration.executor.world import LEADER, until
from tests.integration.replicator.test_from_event_to_order import Copying, a_replicator, copying
from tests.integration.storage.makers import accounts_of
from tests.unit.domain.given import subscription

FIRST = SubscriptionId("s000")
_SILENCE = """CREATE OR REPLACE FUNCTION paceline_notify() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN RETURN NULL; END'"""


@asynccontextmanager
async def unheard(postgres_url: str, redis_url: str, followers: int) -> AsyncIterator[Copying]:
    """A replicator has everything in memory, and hears of nothing that changes from now on."""
    async with copying(postgres_url, redis_url, followers) as one, a_replicator(one.world):
        await decided(one)
        await one.world.database.execute(_SILENCE)
        yield one


async def decided(one: Copying, *, leader: AccountId = LEADER) -> dict[SubscriptionId, Decision]:
    """What a trade of this moment leads to."""
    event = await one.trade(10, leader=leader)
    query = "SELECT complete FROM plans WHERE event_identity = $1"

    async def planned() -> bool:
        return bool(await one.world.database.value(query, event.fact.identity))

    await until(planned, "the fill is planned")
    decisions = await one.world.plans.decisions_of(event.fact.identity)
    return {each.subscription_id: each for each in decisions}


async def change(one: Copying, **fields: object) -> Subscription:
    store = PostgresSubscriptions(one.world.database)
    return await store.update(replace(await store.get(FIRST), **fields))  # type: ignore[arg-type]  # by name


async def test_paused_resumed_and_switched_off(postgres_url: str, redis_url: str) -> None:
    async with unheard(postgres_url, redis_url, 1) as one:
        await change(one, state=SubscriptionState.PAUSED)
        assert (await decided(one))[FIRST].reason is SkipReason.NOT_APPROVED
        await change(one, state=SubscriptionState.APPROVED)
        assert (await decided(one))[FIRST].outcome is Outcome.PLANNED
        await change(one, auto_copy=False)
        assert (await decided(one))[FIRST].outcome is Outcome.SKIPPED


async def test_a_first_follower_is_created_and_approved(postgres_url: str, redis_url: str) -> None:
    async with unheard(postgres_url, redis_url, 1) as one:
        other = AccountId("fyers:XOTHER")
        await accounts_of(one.world.database, other, "fyers:XNEW")
        await one.world.database.execute("UPDATE sessions SET state = 'LIVE', version = version + 1")
        store = PostgresSubscriptions(one.world.database)
        new = subscription(name="new", leader=other, follower=AccountId("fyers:XNEW"))
        created = await store.create(replace(new, state=SubscriptionState.PENDING))
        await store.update(replace(created, state=SubscriptionState.APPROVED))
        assert (await decided(one, leader=other))[SubscriptionId("new")].outcome is Outcome.PLANNED


async def test_an_account_is_frozen_and_thawed(postgres_url: str, redis_url: str) -> None:
    async with unheard(postgres_url, redis_url, 1) as one:
        store, (follower,) = PostgresAccounts(one.world.database), one.world.followers
        row = await store.update(replace(await store.get(follower), state=AccountState.FROZEN))
        assert (await decided(one))[FIRST].reason is SkipReason.ACCOUNT_FROZEN
        await store.update(replace(row, state=AccountState.ACTIVE))
        assert (await decided(one))[FIRST].outcome is Outcome.PLANNED


async def test_a_session_ends_and_is_live_again(postgres_url: str, redis_url: str) -> None:
    async with unheard(postgres_url, redis_url, 1) as one:
        query = "UPDATE sessions SET state = $1, version = version + 1"
        await one.world.database.execute(query, "LOGIN_NEEDED")
        assert (await decided(one))[FIRST].reason is SkipReason.SESSION_UNUSABLE
        await one.world.database.execute(query, "LIVE")
        assert (await decided(one))[FIRST].outcome is Outcome.PLANNED


async def test_who_commits_late_is_told_of_then(postgres_url: str, redis_url: str) -> None:
    """A transaction is numbered when it begins to write; others end before it and are read before it."""
    async with copying(postgres_url, redis_url, 2) as one:
        news, (early, late) = PostgresNews(one.world.database), one.world.followers
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(postgres_url)
        try:
            began = (await news.since(None)).horizon
            freeze = "UPDATE accounts SET state = 'FROZEN' WHERE account_id = $1"
            slow = connection.transaction()
            await slow.start()
            await connection.execute(freeze, late)
            await one.world.database.execute(freeze, early)
            before = await news.since(began)
            assert {account for account, _ in before.touched} == {early}
            await slow.commit()
            after = await news.since(before.horizon)
            assert {account for account, _ in after.touched - before.touched} == {late}
            assert not (await news.since(after.horizon)).touched
        finally:
            await connection.close()


async def test_frames_are_no_news_and_neither_is_a_number_from_another_database(
    postgres_url: str, redis_url: str
) -> None:
    async with copying(postgres_url, redis_url, 1) as one:
        database, news = one.world.database, PostgresNews(one.world.database)
        began = (await news.since(None)).horizon
        await database.execute("UPDATE sessions SET last_frame_at = now()")
        await database.execute("ALTER TABLE accounts DISABLE TRIGGER accounts_stamp")
        await database.execute("UPDATE accounts SET changed = 1::bigint << 60")
        assert not (await news.since(began)).touched
