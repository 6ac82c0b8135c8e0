"""A chunk of a plan: all of it or nothing, once, and only under the lease."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paceline.adapters.postgres.copy_orders import PostgresCopyOrders
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.ledgers import append_lines
from paceline.adapters.postgres.offsets import PostgresOffsets
from paceline.adapters.postgres.plans import PostgresPlans
from paceline.domain.copy_order import CopyStatus, Intent
from paceline.domain.copying.decision import Decision
from paceline.domain.copying.view import LeaderPosition, LeaderState
from paceline.domain.errors import Conflict, NotOwner
from paceline.domain.ids import AccountId, BrokerOrderId, Epoch, Offset, SubscriptionId
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry, fold
from paceline.ports.copy_orders import BrokerFacts
from paceline.ports.plans import Chunk, Committed, Moved
from tests.integration.storage.makers import HOME, LEADER, SBIN, a_decision, a_fill, a_skip, an_event, own

EVENT = an_event(a_fill(trade="T-plan"), offset=7)
_names = count()
ONE, TWO = SubscriptionId("one"), SubscriptionId("two")


def chunk(epoch: Epoch, *decisions: Decision, last: bool = False) -> Chunk:
    state = LeaderState(LEADER, {SBIN: LeaderPosition(Decimal(30), Decimal(2))})
    return Chunk(HOME, epoch, EVENT, decisions, leader_state=state, move_offset=last)


@pytest.fixture
async def epoch(database: Database) -> Epoch:
    return await own(database, "replicator", [HOME], 3)


@pytest.fixture
def plans(database: Database) -> PostgresPlans:
    return PostgresPlans(database)


async def test_a_chunk_writes_decisions_with_their_orders_and_the_fold(
    plans: PostgresPlans, epoch: Epoch
) -> None:
    decision = a_decision(EVENT, "one", slices=3)
    committed = await plans.commit_chunk(chunk(epoch, decision, a_skip(EVENT, "two")))
    ledger = fold(decision.entries)
    assert committed.inserted == (decision, a_skip(EVENT, "two"))
    assert committed.ledgers == {(ONE, SBIN): ledger}
    assert list(await plans.decisions_of(EVENT.fact.identity)) == [
        replace(decision, entries=()),
        a_skip(EVENT, "two"),
    ]
    assert await plans.ledgers_for([ONE, TWO]) == {(ONE, SBIN): ledger}
    assert await plans.ledgers_for([ONE], SBIN) == {(ONE, SBIN): ledger}


async def test_replaying_plans_nothing_whatever_is_decided_now(
    plans: PostgresPlans, database: Database, epoch: Epoch
) -> None:
    first = a_decision(EVENT, "one")
    await plans.commit_chunk(chunk(epoch, first))
    bigger = a_decision(EVENT, "one", slices=4)
    again = await plans.commit_chunk(chunk(epoch, bigger, a_decision(EVENT, "two")))
    assert [each.subscription_id for each in again.inserted] == [TWO]
    assert again.standing == (replace(first, entries=()),)
    assert await plans.ledgers_for([ONE]) == {(ONE, SBIN): fold(first.entries)}
    assert len(await PostgresCopyOrders(database).by_decisions([first.decision_id])) == 1


async def test_the_offset_and_the_leaders_position_move_with_the_last_chunk(
    plans: PostgresPlans, database: Database, epoch: Epoch
) -> None:
    offsets = PostgresOffsets(database)
    await plans.commit_chunk(chunk(epoch, a_decision(EVENT, "one")))
    assert await offsets.load("replicator", [HOME]) == {HOME: 0}
    assert (await plans.leader_states([LEADER]))[LEADER].positions == {}
    await plans.commit_chunk(chunk(epoch, a_decision(EVENT, "two"), last=True))
    assert await offsets.load("replicator", [HOME]) == {HOME: 7}
    assert (await plans.leader_states([LEADER]))[LEADER].position(SBIN) == LeaderPosition(
        Decimal(30), Decimal(2)
    )


async def test_an_event_without_followers_moves_the_offset_alone(
    plans: PostgresPlans, database: Database, epoch: Epoch
) -> None:
    assert await plans.commit_chunk(chunk(epoch, last=True)) == Committed((), (), frozenset(), {})
    assert await PostgresOffsets(database).load("replicator", [HOME]) == {HOME: 7}


async def test_the_end_of_an_event_counts_its_decisions_and_stores_what_was_passed_over(
    plans: PostgresPlans, database: Database, epoch: Epoch
) -> None:
    for decision in (a_decision(EVENT, "one"), a_skip(EVENT, "two"), a_decision(EVENT, "three")):
        await plans.commit_chunk(chunk(epoch, decision))
    passed = Moved(AccountId("fyers:XPASSED"), SBIN, LeaderPosition(Decimal(4)))
    end = replace(chunk(epoch, last=True), passed=(passed,))
    with pytest.raises(NotOwner):
        await plans.commit_chunk(replace(end, epoch=Epoch(epoch - 1)))
    row = "SELECT planned, skipped, complete FROM plans"
    assert await database.fetch(row) == []
    assert (await plans.leader_states([passed.account_id]))[passed.account_id].positions == {}
    for _ in range(2):
        await plans.commit_chunk(end)
        assert [tuple(each) for each in await database.fetch(row)] == [(2, 1, True)]
    assert (await plans.leader_states([passed.account_id]))[passed.account_id].position(SBIN).own == 4


async def test_an_offset_never_goes_back(database: Database, epoch: Epoch) -> None:
    offsets = PostgresOffsets(database)
    await offsets.move("replicator", HOME, epoch, Offset(9))
    await offsets.move("replicator", HOME, epoch, Offset(4))
    assert await offsets.load("replicator", [HOME]) == {HOME: 9}
    with pytest.raises(NotOwner):
        await offsets.move("replicator", HOME, Epoch(epoch - 1), Offset(10))


async def test_a_stale_epoch_writes_nothing(plans: PostgresPlans, epoch: Epoch) -> None:
    with pytest.raises(NotOwner):
        await plans.commit_chunk(chunk(Epoch(epoch - 1), a_decision(EVENT, "one"), last=True))
    assert await plans.decisions_of(EVENT.fact.identity) == ()


async def test_an_error_in_the_middle_leaves_nothing(plans: PostgresPlans, epoch: Epoch) -> None:
    twin = replace(a_decision(EVENT, "two"), orders=a_decision(EVENT, "one").orders)
    with pytest.raises(Conflict):
        await plans.commit_chunk(chunk(epoch, a_decision(EVENT, "one"), twin, last=True))
    assert await plans.decisions_of(EVENT.fact.identity) == ()
    assert await plans.ledgers_for([ONE, TWO]) == {}


async def test_a_decision_on_a_ledger_that_has_moved_is_not_written(
    plans: PostgresPlans, database: Database, epoch: Epoch
) -> None:
    first = a_decision(EVENT, "one")
    await plans.commit_chunk(chunk(epoch, first))
    later = an_event(a_fill(trade="T-later"), offset=8)
    exit_, entry = a_decision(later, "one", intent=Intent.EXIT), a_decision(later, "two")
    seen = {(ONE, SBIN): Ledger(), (TWO, SBIN): Ledger()}
    asked = Chunk(HOME, epoch, later, (exit_, entry), move_offset=True, seen=seen)
    committed = await plans.commit_chunk(asked)
    assert committed.outdated == {ONE}
    assert committed.inserted == (entry,)
    assert committed.ledgers[ONE, SBIN] == fold(first.entries)
    assert await PostgresOffsets(database).load("replicator", [HOME]) == {HOME: 0}

    again = await plans.commit_chunk(replace(asked, decisions=(exit_, entry), seen=dict(committed.ledgers)))
    assert again.inserted == (exit_,)
    assert [each.subscription_id for each in again.standing] == [TWO]
    assert again.outdated == frozenset()
    assert await PostgresOffsets(database).load("replicator", [HOME]) == {HOME: 8}


async def test_the_first_sizing_of_a_leader_order_is_the_one_kept(plans: PostgresPlans, epoch: Epoch) -> None:
    order = BrokerOrderId("O1")
    first = a_decision(EVENT, "one")
    await plans.commit_chunk(chunk(epoch, first))
    later = an_event(a_fill(trade="T-second", order="O1"), offset=8)
    second = a_decision(later, "one")
    assert second.sizing is not None
    doubled = replace(second, sizing=replace(second.sizing, ratio=Decimal(2)))
    await plans.commit_chunk(replace(chunk(epoch, doubled), event=later))
    assert await plans.frozen_sizings(LEADER, order, [ONE, TWO]) == {ONE: first.sizing}
    assert await plans.frozen_sizings(LEADER, order, [TWO]) == {}
    both = await plans.sizings_of_orders(LEADER, [order, BrokerOrderId("O2")], [ONE, TWO])
    assert both == {ONE: {order: first.sizing}}


async def test_folds_of_two_writers_add_up_and_neither_waits_for_ever(
    plans: PostgresPlans, database: Database, epoch: Epoch
) -> None:
    """The replicator plans while the executor fills, on the same ledgers in opposite orders."""
    names = [f"s{n:02}" for n in range(20)]
    first = [a_decision(EVENT, name) for name in names]
    await plans.commit_chunk(chunk(epoch, *first))
    executor = await own(database, "executor", [HOME])
    fills = tuple(
        LedgerEntry(SubscriptionId(name), SBIN, EntryKind.FILLED, Intent.ENTRY, Decimal(10), "trade")
        for name in reversed(names)
    )
    later = an_event(a_fill(trade="T-next"), offset=8)
    planned = replace(chunk(epoch, *(a_decision(later, name) for name in names)), event=later)
    filled = BrokerFacts(HOME, executor, Offset(1), entries=fills)
    await asyncio.gather(
        plans.commit_chunk(planned), PostgresCopyOrders(database).apply_broker_facts([filled])
    )
    ledgers = await plans.ledgers_for([SubscriptionId(name) for name in names])
    assert {(each.entry_planned, each.entry_filled) for each in ledgers.values()} == {
        (Decimal(20), Decimal(10))
    }


async def test_ledger_lines_are_append_only(plans: PostgresPlans, database: Database, epoch: Epoch) -> None:
    await plans.commit_chunk(chunk(epoch, a_decision(EVENT, "one")))
    for change in ("UPDATE ledger_entries SET quantity = 0", "DELETE FROM ledger_entries"):
        with pytest.raises(Conflict, match="append-only"):
            await database.execute(change)


async def test_planned_orders_are_instructions_at_once(
    plans: PostgresPlans, database: Database, epoch: Epoch
) -> None:
    decision = a_decision(EVENT, "one")
    await plans.commit_chunk(chunk(epoch, decision))
    (row,) = await PostgresCopyOrders(database).by_decisions([decision.decision_id])
    assert row.order == decision.orders[0]
    assert row.order.status is CopyStatus.PLANNED


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(
        st.tuples(
            st.sampled_from(EntryKind),
            st.sampled_from(Intent),
            st.decimals(-1000, 1000, allow_nan=False, places=18),
        ),
        max_size=12,
    )
)
async def test_the_stored_fold_is_the_domains_fold(
    database: Database, kinds: list[tuple[EntryKind, Intent, Decimal]]
) -> None:
    name = SubscriptionId(f"folded-{next(_names)}")
    lines = [
        LedgerEntry(name, SBIN, kind, intent, quantity, f"cause {n}")
        for n, (kind, intent, quantity) in enumerate(kinds)
    ]
    async with database.transaction() as transaction:
        for line in lines:
            await append_lines(transaction, [line])
        await append_lines(transaction, lines)
    stored = await PostgresPlans(database).ledgers_for([name])
    assert stored.get((name, SBIN), Ledger()) == fold(lines)
