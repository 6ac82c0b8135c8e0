"""A guard that tripped keeps entries of its follower out, by its name, until it is armed again; exits go."""

from datetime import date

from paceline.domain.copying.decision import SkipReason
from paceline.domain.partitioning import partition_of
from tests.integration.replicator.test_barriers import reason_of, until_reason
from tests.integration.replicator.test_from_event_to_order import a_replicator, copying

TRIPPED = """
INSERT INTO guard_trips
    (guard_trip_id, account_id, partition, kind, level, threshold, observed, evidence, trading_day)
VALUES ('t', $1, $2, 'DAILY_LOSS', 'STOP_ENTRIES', 1000, 1001, '{}', $3)
"""


async def test_entries_wait_until_it_is_armed_again(postgres_url: str, redis_url: str) -> None:
    async with copying(postgres_url, redis_url, 1) as one, a_replicator(one.world):
        (follower,) = one.world.followers
        assert await reason_of(one, await one.trade(10)) == [None]
        day = date(2026, 11, 23)
        await one.world.database.execute(TRIPPED, follower, partition_of(follower), day)
        await until_reason(one, 10, SkipReason.GUARD_TRIPPED)
        assert await reason_of(one, await one.trade(-1)) == [None]
        await one.world.database.execute("UPDATE guard_trips SET rearmed_at = now()")
        await until_reason(one, 10, None)
