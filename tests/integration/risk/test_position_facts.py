"""Fills and baselines come back from the journal in order, within the stretch that was asked for."""

from paceline.adapters.postgres.journal import PostgresJournal
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.postgres.position_facts import PostgresPositionFacts
from paceline.domain.event import EventKind
from paceline.domain.ids import Offset, Partition
from tests.integration.storage.makers import HOME, a_fill, a_position, an_order, own


async def test_a_stretch_without_orders_and_frames(postgres_url: str) -> None:
    database = await open_database(postgres_url, PoolOptions(min_size=1, max_size=2))
    try:
        epoch = await own(database, "feed", [HOME])
        facts = [a_position(), an_order(), a_fill(), an_order(revision=2), a_fill(), a_fill()]
        await PostgresJournal(database).append(HOME, epoch, facts)
        store = PostgresPositionFacts(database)
        whole = await store.read(HOME, Offset(0), Offset(5), 100)
        assert [(each.offset, each.fact.kind) for each in whole] == [
            (1, EventKind.POSITION),
            (3, EventKind.FILL),
            (5, EventKind.FILL),
        ]
        assert [each.fact.body for each in whole] == [facts[0].body, facts[2].body, facts[4].body]
        assert {each.fact.raw for each in whole} == {b""}
        assert [each.offset for each in await store.read(HOME, Offset(1), Offset(6), 2)] == [3, 5]
        assert await store.read(Partition(HOME - 1 if HOME else 1), Offset(0), Offset(9), 9) == []
    finally:
        await database.close()
