"""Rows that are instructions, and what executors and brokers write to them."""

from dataclasses import replace
from decimal import Decimal

import pytest

from paceline.adapters.postgres.copy_orders import PostgresCopyOrders
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.offsets import PostgresOffsets
from paceline.adapters.postgres.plans import PostgresPlans
from paceline.domain.copy_order import CopyOrder, CopyStatus, Intent
from paceline.domain.errors import NotOwner
from paceline.domain.ids import (
    AccountId,
    BrokerOrderId,
    CopyOrderId,
    Epoch,
    EventIdentity,
    Offset,
    SubscriptionId,
    Tag,
)
from paceline.domain.ledger import EntryKind, LedgerEntry
from paceline.domain.order import Fee
from paceline.domain.partitioning import partition_of
from paceline.ports.copy_orders import BrokerFacts, CopyFill, Recorded, SendResult, StatusMove
from paceline.ports.plans import Chunk
from tests.integration.storage.makers import HOME, SBIN, a_decision, a_fill, an_event, own

FOLLOWER = AccountId("fyers:XF1")
THERE = partition_of(FOLLOWER)
ONE = SubscriptionId("one")
EVENT = an_event(a_fill(trade="T-copy"))


@pytest.fixture
def store(database: Database) -> PostgresCopyOrders:
    return PostgresCopyOrders(database)


@pytest.fixture
async def epoch(database: Database) -> Epoch:
    return await own(database, "executor", [THERE], 5)


@pytest.fixture
async def order(database: Database, epoch: Epoch) -> CopyOrder:
    """One planned for the follower."""
    planner = await own(database, "replicator", [HOME])
    decision = a_decision(EVENT, "one", FOLLOWER)
    await PostgresPlans(database).commit_chunk(Chunk(HOME, planner, EVENT, (decision,)))
    return decision.orders[0]


def result(order: CopyOrder, status: CopyStatus) -> SendResult:
    return SendResult(order.tag, THERE, status, attempts=1)


def a_copy_fill(order: CopyOrder, trade: str, quantity: int) -> CopyFill:
    return CopyFill(
        order.tag, trade, EventIdentity(f"fill:{trade}"), Decimal(quantity), Decimal("812.50"), 99,
        slippage_bps=Decimal("1.8"), slippage_money=Decimal("1.5"), fees=(Fee("stt", Decimal("0.1"), "INR"),),
    )  # fmt: skip


async def test_an_accepted_order_keeps_what_the_broker_said(
    store: PostgresCopyOrders, order: CopyOrder, epoch: Epoch
) -> None:
    working = result(order, CopyStatus.WORKING)
    accepted = replace(working, broker_order_id=BrokerOrderId("B1"), sent_ns=10, accepted_ns=20)
    recorded = await store.record_results({THERE: epoch}, [accepted])
    assert recorded == Recorded(frozenset({order.tag}), frozenset())
    row = (await store.by_tags([order.tag]))[order.tag]
    assert row.order == replace(order, status=CopyStatus.WORKING, broker_order_id=BrokerOrderId("B1"))
    assert (row.attempts, row.sent_ns, row.accepted_ns) == (1, 10, 20)


async def test_a_stale_executor_writes_nothing(
    store: PostgresCopyOrders, order: CopyOrder, epoch: Epoch
) -> None:
    recorded = await store.record_results({THERE: Epoch(epoch - 1)}, [result(order, CopyStatus.FAILED)])
    assert recorded == Recorded(frozenset(), frozenset({THERE}))
    unnamed = await store.record_results({}, [result(order, CopyStatus.FAILED)])
    assert unnamed == Recorded(frozenset(), frozenset({THERE}))
    assert (await store.by_tags([order.tag]))[order.tag].order == order


async def test_the_answer_after_the_socket_keeps_the_sockets_state_and_adds_its_times(
    store: PostgresCopyOrders, order: CopyOrder, epoch: Epoch
) -> None:
    filled = StatusMove(order.tag, CopyStatus.FILLED, filled=Decimal(10), average_price=Decimal("812.5"))
    await store.apply_broker_facts([BrokerFacts(THERE, epoch, Offset(1), moves=(filled,))])
    late = replace(result(order, CopyStatus.WORKING), broker_order_id=BrokerOrderId("B1"), sent_ns=10)
    assert (await store.record_results({THERE: epoch}, [late])).moved == frozenset()
    row = (await store.by_tags([order.tag]))[order.tag]
    assert (row.order.status, row.order.filled, row.order.broker_order_id, row.sent_ns) == (
        CopyStatus.FILLED,
        Decimal(10),
        "B1",
        10,
    )


async def test_an_unknown_order_surely_absent_is_planned_again(
    store: PostgresCopyOrders, order: CopyOrder, epoch: Epoch
) -> None:
    for status in (CopyStatus.UNKNOWN, CopyStatus.PLANNED, CopyStatus.WORKING):
        assert (await store.record_results({THERE: epoch}, [result(order, status)])).moved == {order.tag}
    assert (
        await store.record_results({THERE: epoch}, [result(order, CopyStatus.UNKNOWN)])
    ).moved == frozenset()


async def test_what_is_never_sent_is_released_in_the_ledger_once(
    store: PostgresCopyOrders, database: Database, order: CopyOrder, epoch: Epoch
) -> None:
    line = LedgerEntry(ONE, SBIN, EntryKind.RELEASED, Intent.ENTRY, Decimal(10), order.tag)
    failed = replace(
        result(order, CopyStatus.FAILED), error_code="AGED", error_text="too old", released=(line,)
    )
    await store.record_results({THERE: epoch}, [failed])
    await store.record_results({THERE: epoch}, [failed])
    ledger = (await PostgresPlans(database).ledgers_for([ONE]))[ONE, SBIN]
    assert (ledger.entry_planned, ledger.entry_released) == (Decimal(10), Decimal(10))
    row = (await store.by_tags([order.tag]))[order.tag]
    assert (row.error_code, row.error_text) == ("AGED", "too old")


async def test_broker_facts_move_row_fills_ledger_and_offset_together(
    store: PostgresCopyOrders, database: Database, order: CopyOrder, epoch: Epoch
) -> None:
    facts = stretch(order, epoch)
    assert (await store.apply_broker_facts([facts])).moved == {order.tag}
    row = (await store.by_tags([order.tag]))[order.tag]
    assert (row.order.status, row.order.filled, row.order.average_price, row.filled_ns) == (
        CopyStatus.PARTIAL,
        Decimal(7),
        Decimal("812.50"),
        99,
    )
    assert await store.fills_of([order.copy_order_id]) == {order.copy_order_id: list(facts.fills)}
    ledger = (await PostgresPlans(database).ledgers_for([ONE]))[ONE, SBIN]
    assert ledger.entry_filled == Decimal(7)
    assert await PostgresOffsets(database).load("executor", [THERE]) == {THERE: 4}


async def test_the_same_facts_again_change_nothing(
    store: PostgresCopyOrders, database: Database, order: CopyOrder, epoch: Epoch
) -> None:
    await store.apply_broker_facts([stretch(order, epoch)])
    await store.apply_broker_facts([stretch(order, epoch)])
    assert (await PostgresPlans(database).ledgers_for([ONE]))[ONE, SBIN].entry_filled == Decimal(7)
    assert len((await store.fills_of([order.copy_order_id]))[order.copy_order_id]) == 2


async def test_a_stale_stretch_is_left_out_whole(
    store: PostgresCopyOrders, database: Database, order: CopyOrder, epoch: Epoch
) -> None:
    recorded = await store.apply_broker_facts([stretch(order, Epoch(epoch + 1))])
    assert recorded.stale == {THERE}
    assert (await store.by_tags([order.tag]))[order.tag].order == order
    assert await PostgresOffsets(database).load("executor", [THERE]) == {THERE: 0}


def stretch(order: CopyOrder, epoch: Epoch) -> BrokerFacts:
    """Accepted, then two trades, as one group."""
    fills = (a_copy_fill(order, "1", 3), a_copy_fill(order, "2", 4))
    return BrokerFacts(
        THERE,
        epoch,
        Offset(4),
        moves=(
            StatusMove(order.tag, CopyStatus.WORKING, broker_order_id=BrokerOrderId("B1"), accepted_ns=50),
            StatusMove(
                order.tag,
                CopyStatus.PARTIAL,
                filled=Decimal(7),
                average_price=Decimal("812.50"),
                filled_ns=99,
            ),
        ),
        fills=fills,
        entries=tuple(
            LedgerEntry(
                ONE, SBIN, EntryKind.FILLED, Intent.ENTRY, fill.quantity, f"{order.tag}:{fill.trade_id}"
            )
            for fill in fills
        ),
    )


async def test_a_late_fill_of_a_cancelled_order_is_the_truth(
    store: PostgresCopyOrders, order: CopyOrder, epoch: Epoch
) -> None:
    def moved(status: CopyStatus, filled: int) -> BrokerFacts:
        return BrokerFacts(
            THERE, epoch, Offset(1), moves=(StatusMove(order.tag, status, filled=Decimal(filled)),)
        )

    for status, filled in ((CopyStatus.CANCELLED, 4), (CopyStatus.WORKING, 0), (CopyStatus.FILLED, 10)):
        await store.apply_broker_facts([moved(status, filled)])
    row = (await store.by_tags([order.tag]))[order.tag]
    assert (row.order.status, row.order.filled) == (CopyStatus.FILLED, Decimal(10))


async def test_a_take_over_tells_rows_written_before_the_lease_from_later_ones(
    store: PostgresCopyOrders, database: Database, order: CopyOrder, epoch: Epoch
) -> None:
    boundary = (await store.by_tags([order.tag]))[order.tag].written_ns + 1
    later = replace(order, copy_order_id=CopyOrderId("later"), tag=Tag("PCLATER"), step=1)
    assert await store.insert("executor", THERE, epoch, [later]) == [later]
    before = await store.open_rows([THERE], written_before_ns=boundary)
    after = await store.open_rows([THERE], written_after_ns=boundary)
    assert [row.order.tag for row in before] == [order.tag]
    assert [row.order.tag for row in after] == ["PCLATER"]
    await store.record_results({THERE: epoch}, [result(order, CopyStatus.REJECTED)])
    assert [row.order.tag for row in await store.open_rows([THERE, HOME])] == ["PCLATER"]
    assert await store.open_rows([THERE], statuses=[CopyStatus.UNKNOWN]) == []


async def test_a_next_step_is_written_once_and_only_by_the_owner(
    store: PostgresCopyOrders, order: CopyOrder, epoch: Epoch
) -> None:
    chase = replace(order, copy_order_id=CopyOrderId("chase"), tag=Tag("PCCHASE"), step=1)
    assert await store.insert("executor", THERE, epoch, [chase]) == [chase]
    assert await store.insert("executor", THERE, epoch, [chase]) == []
    twin = replace(chase, copy_order_id=CopyOrderId("twin"), tag=Tag("PCTWIN"))
    assert await store.insert("executor", THERE, epoch, [twin]) == []
    with pytest.raises(NotOwner):
        await store.insert("executor", THERE, Epoch(epoch - 1), [replace(chase, step=2)])


async def test_pages_go_from_the_newest_to_the_oldest(
    store: PostgresCopyOrders, order: CopyOrder, epoch: Epoch
) -> None:
    more = [
        replace(order, copy_order_id=CopyOrderId(f"c{n}"), tag=Tag(f"PC{n}"), step=n, planned_ns=1000 + n)
        for n in (1, 2, 3)
    ]
    await store.insert("executor", THERE, epoch, more)
    first = await store.page(account_id=FOLLOWER, limit=2)
    last = first[-1].order
    rest = await store.page(subscription_id=ONE, after=(last.planned_ns, last.copy_order_id))
    newest = sorted([order, *more], key=lambda each: each.planned_ns, reverse=True)
    assert [row.order for row in (*first, *rest)] == newest
    assert await store.page(status=CopyStatus.FILLED) == []
    assert set(await store.by_ids([order.copy_order_id])) == {order.copy_order_id}


async def test_what_was_sent_is_told_for_the_buckets(
    store: PostgresCopyOrders, order: CopyOrder, epoch: Epoch
) -> None:
    unknown = replace(result(order, CopyStatus.UNKNOWN), sent_ns=order.planned_ns + 5)
    await store.record_results({THERE: epoch}, [unknown])
    assert await store.sent_since([FOLLOWER], order.planned_ns) == {FOLLOWER: [order.planned_ns + 5]}
    assert await store.sent_since([FOLLOWER], order.planned_ns + 6) == {}
