"""Fills and baselines come back from the journal in order, within the stretch that was asked for."""

import pytest

from paceline.adapters.postgres.journal import PostgresJournal
from paceline.adapters.postgres.offsets import PostgresOffsets
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.postgres.position_facts import PostgresPositionFacts
from paceline.domain.errors import NotOwner
from paceline.domain.event import EventKind
from paceline.domain.ids import AccountId, Epoch, InstrumentId, Offset, Partition
from paceline.domain.instrument import Exchange, Product, Segment
from paceline.ports.position_facts import Checkpoint, Kept, Listed, Taken, Uncountable
from tests.integration.storage.makers import HOME, LEADER, a_fill, a_position, an_order, own


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


async def test_a_checkpoint_comes_back_as_it_was_and_moves_risk_s_place(postgres_url: str) -> None:
    database = await open_database(postgres_url, PoolOptions(min_size=1, max_size=2))
    try:
        facts = PostgresPositionFacts(database)
        epoch = await own(database, "risk", [HOME])
        name, other = InstrumentId("NSE:SBIN-EQ"), AccountId("fyers:XOTHER")
        checkpoint = Checkpoint(
            Offset(7),
            (Kept(LEADER, name, Product.CNC, -3, 10**17),),
            (Listed(name, Exchange.NSE, Segment.CAPITAL_MARKET),),
            (Uncountable(other, "0.5 is no whole quantity"),),
        )
        assert await facts.checkpoints([HOME]) == {}
        await facts.keep(Taken(HOME, epoch, checkpoint))
        assert await facts.checkpoints([HOME, Partition((HOME + 1) % 256)]) == {HOME: checkpoint}
        assert await PostgresOffsets(database).load("risk", [HOME]) == {HOME: 7}
        await facts.keep(Taken(HOME, epoch, Checkpoint(Offset(6))))
        assert await facts.checkpoints([HOME]) == {HOME: checkpoint}, "never back"
        with pytest.raises(NotOwner):
            await facts.keep(Taken(HOME, Epoch(epoch - 1), Checkpoint(Offset(9))))
        assert await facts.checkpoints([HOME]) == {HOME: checkpoint}
    finally:
        await database.close()
