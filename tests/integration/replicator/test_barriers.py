"""What keeps entries out as rows say it: liquidations of the follower, lists of banned instruments."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from paceline.adapters.postgres.barriers import PostgresBarriers
from paceline.adapters.postgres.history import PostgresHistory
from paceline.domain.copying.barriers import BanList
from paceline.domain.copying.decision import SkipReason
from paceline.domain.event import Event
from paceline.domain.partitioning import partition_of
from paceline.ports.history import DecisionFilter
from tests.integration.executor.world import until
from tests.integration.replicator.test_from_event_to_order import Copying, a_replicator, copying
from tests.unit.domain.given import KEY

TODAY = datetime.now(UTC).date()


async def reason_of(one: Copying, event: Event) -> Sequence[SkipReason | None]:
    async def look() -> bool:
        return await one.offset() >= event.offset

    await until(look, "it is decided")
    found = await PostgresHistory(one.world.database).decisions(
        DecisionFilter(event=event.fact.identity), None, 10
    )
    return [each.decision.reason for each in found]


async def until_reason(one: Copying, quantity: int, reason: SkipReason | None) -> None:
    """What is written is known a moment later."""

    async def look() -> bool:
        return await reason_of(one, await one.trade(quantity)) == [reason]

    await until(look, f"it is {reason}")


async def test_what_is_banned_takes_no_entries_while_its_list_lasts(
    postgres_url: str, redis_url: str
) -> None:
    async with copying(postgres_url, redis_url, 1) as one:
        lists = PostgresBarriers(one.world.database)
        # Begins a day early: where the test crosses midnight, it must last all the same.
        banned = BanList("broker", TODAY - timedelta(days=1), instruments=frozenset({KEY.instrument_id}))
        await lists.put(banned)
        async with a_replicator(one.world):
            assert await reason_of(one, await one.trade(10)) == [SkipReason.BANNED_FOR_ENTRIES]
            await lists.put(replace(banned, instruments=frozenset()))
            await until_reason(one, 10, None)
            await lists.put(banned)
            await until_reason(one, 10, SkipReason.BANNED_FOR_ENTRIES)
            assert await reason_of(one, await one.trade(-1)) == [None]
        assert [each.banned for each in await lists.page("", None, 10)] == [banned]


async def test_a_wanted_liquidation_stops_entries_and_one_that_runs_absorbs_exits(
    postgres_url: str, redis_url: str
) -> None:
    async with copying(postgres_url, redis_url, 1) as one, a_replicator(one.world):
        (follower,) = one.world.followers
        database, partition = one.world.database, partition_of(follower)
        assert await reason_of(one, await one.trade(10)) == [None]
        await database.execute(
            "INSERT INTO liquidation_requests (liquidation_id, account_id, partition, cause, cause_id,"
            " reason, evidence) VALUES ('l', $1, $2, 'MARGIN', 'turn', 'crossed', '{}')",
            follower,
            partition,
        )
        await until_reason(one, 10, SkipReason.LIQUIDATING)
        held = await one.trade(-1)
        assert await reason_of(one, held) == [None]
        await database.execute(
            "INSERT INTO liquidations (liquidation_id, account_id, partition, level, cause, cause_id, reason,"
            " currency, prices, state)"
            " VALUES ('l', $1, $2, 'FLATTEN', 'MARGIN', 'turn', 'crossed', 'INR', '{}', 'STORED')",
            follower,
            partition,
        )
        await until_reason(one, -1, SkipReason.LIQUIDATING)
        await database.execute("UPDATE liquidations SET finished_at = now()")
        await database.execute("UPDATE liquidation_requests SET acknowledged_at = now()")
        await until_reason(one, 10, None)
