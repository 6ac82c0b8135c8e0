"""News about copy orders in one transaction: fenced, and the journal told once whatever was lost."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from paceline.adapters.postgres.accounts import PostgresAccounts
from paceline.adapters.postgres.copy_orders import PostgresCopyOrders
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.ledgers import append_lines
from paceline.adapters.postgres.offsets import PostgresOffsets
from paceline.adapters.postgres.plans import PostgresPlans
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.postgres.settlement import PostgresSettlement
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.domain.copy_order import CopyOrder, CopyStatus, Intent
from paceline.domain.copying.plan import plan_chunk
from paceline.domain.event import Event
from paceline.domain.ids import AccountId, Epoch, Offset, Partition, SubscriptionId
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry
from paceline.domain.partitioning import partition_of
from paceline.ports.plans import Chunk
from paceline.ports.settlement import Settled
from services.executor.settle import News, Settling
from tests.integration.storage.makers import a_subscription, an_account, own
from tests.unit.domain.given import (
    FOLLOWER,
    KEY,
    LEADER,
    NOW,
    SBIN,
    SHARE,
    copier,
    d,
    event,
    fill,
    leader,
    market,
)

HOME = partition_of(FOLLOWER)
NAME = SubscriptionId("s1")


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    opened = await open_database(postgres_url, PoolOptions(min_size=1, max_size=4))
    yield opened
    await opened.close()


@pytest.fixture
async def entry(database: Database) -> CopyOrder:
    """Planned and committed."""
    happened: Event = replace(event(fill(10)), partition=partition_of(LEADER))
    decisions = plan_chunk(happened, leader(), [copier()], market()).decisions
    epoch = await own(database, "replicator", [happened.partition])
    await PostgresPlans(database).commit_chunk(Chunk(happened.partition, epoch, happened, decisions))
    await own(database, "executor", [HOME], epoch=4)
    return decisions[0].orders[0]


def trade(entry: CopyOrder, quantity: int, offset: int) -> News:
    name = f"t{offset}"
    told = event(fill(quantity, trade=name, order="b1", account=FOLLOWER, tag=entry.tag), offset=offset)
    return News(
        HOME, FOLLOWER, entry.tag, told.fact.body, event=told.fact.identity, offset=told.offset  # type: ignore[arg-type]
    )  # fmt: skip


async def settle(database: Database, *news: News, epoch: int = 4) -> Settled:
    settling = Settling(news, {SBIN: SHARE}, NOW)
    offsets: dict[Partition, Offset] = {HOME: news[-1].offset}
    tags = [each.tag for each in news]
    return await PostgresSettlement(database).settle({HOME: Epoch(epoch)}, offsets, tags, settling)


async def filled(database: Database, entry: CopyOrder) -> tuple[CopyStatus, int, int]:
    """By the row, and by its ledger."""
    (row,) = (await PostgresCopyOrders(database).by_tags([entry.tag])).values()
    ledgers = await PostgresPlans(database).ledgers_for([NAME], KEY)
    return row.order.status, int(row.order.filled), int(ledgers.get((NAME, KEY), Ledger()).entry_filled)


async def test_fills_move_row_ledger_and_place_together(database: Database, entry: CopyOrder) -> None:
    await settle(database, trade(entry, 4, 1), trade(entry, 6, 2))
    assert await filled(database, entry) == (CopyStatus.FILLED, 10, 10)
    assert await PostgresOffsets(database).load("executor", [HOME]) == {HOME: 2}


async def test_a_stretch_that_comes_again_is_folded_once(database: Database, entry: CopyOrder) -> None:
    await settle(database, trade(entry, 4, 1))
    await settle(database, trade(entry, 4, 1), trade(entry, 1, 2))
    await settle(database, trade(entry, 4, 1), trade(entry, 1, 2))
    assert await filled(database, entry) == (CopyStatus.PARTIAL, 5, 5)


async def test_a_stale_lease_moves_nothing(database: Database, entry: CopyOrder) -> None:
    settled = await settle(database, trade(entry, 4, 1), epoch=3)
    assert settled.stale == {HOME}
    assert await filled(database, entry) == (CopyStatus.PLANNED, 0, 0)
    assert await PostgresOffsets(database).load("executor", [HOME]) == {HOME: 0}


async def test_a_surplus_is_sold_once_however_often_it_is_found(database: Database, entry: CopyOrder) -> None:
    await database.execute("UPDATE ledgers SET ideal = 0")
    first = await settle(database, trade(entry, 10, 1))
    assert [(int(sale.spec.side), sale.spec.quantity) for sale in first.corrections] == [(-1, d(10))]
    await database.execute("DELETE FROM consumer_offsets")
    again = await settle(database, trade(entry, 10, 1))
    assert again.corrections == ()


async def test_what_nobody_asked_for_moves_only_the_place(database: Database, entry: CopyOrder) -> None:
    settling = Settling([], {}, NOW)
    settled = await PostgresSettlement(database).settle({HOME: Epoch(4)}, {HOME: Offset(9)}, [], settling)
    assert settled == Settled(frozenset(), ())
    assert await PostgresOffsets(database).load("executor", [HOME]) == {HOME: 9}


async def test_followers_holdings_by_other_subscriptions_are_summed(database: Database) -> None:
    planned = {"mine": (Intent.ENTRY, 3), "hers": (Intent.EXIT, -5), "alone": (Intent.ENTRY, 7)}
    lines = [
        LedgerEntry(SubscriptionId(name), KEY, EntryKind.PLANNED, intent, d(quantity), "cause")
        for name, (intent, quantity) in planned.items()
    ]
    for name in planned:
        await _subscribe(database, name, AccountId("fyers:ALONE" if name == "alone" else "fyers:BOTH"))
    async with database.transaction() as transaction:
        await append_lines(transaction, lines)
    held = await PostgresPlans(database).others_held([SubscriptionId(name) for name in planned], KEY)
    assert held == {"mine": d(-5), "hers": d(3)}


async def _subscribe(database: Database, name: str, follower: AccountId) -> None:
    accounts, lead = PostgresAccounts(database), f"fyers:L-{name}"
    await accounts.create(an_account(lead))
    if not await accounts.get_many([follower]):
        await accounts.create(an_account(follower))
    await PostgresSubscriptions(database).create(a_subscription(lead, follower, name))
