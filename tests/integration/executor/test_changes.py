"""Changes to orders, judged by the broker's own books: each carried out once, whatever dies or lies."""

from collections import Counter
from contextlib import AbstractAsyncContextManager
from decimal import Decimal

import pytest

from paceline.domain.copy_order import CommandStatus, CopyCommand, CopyOrder, CopyStatus
from paceline.runtime.lifecycle import Runtime
from paceline.runtime.metric_names import CHANGES, ORDERS_SENT
from services.executor.settings import Settings
from simulator.faults import FaultKind
from simulator.fyers.auth import TOKEN_EXPIRED
from simulator.orders import Status
from tests.integration.executor.world import World, a_world, until

LOST = [
    pytest.param(FaultKind.DROP_AFTER_ACCEPT, {}, id="drop after accept"),
    pytest.param(FaultKind.DROP_BEFORE_ACCEPT, {}, id="drop before accept"),
    pytest.param(FaultKind.CODE_201, {"accept": True}, id="201"),
    pytest.param(FaultKind.LATE_LANDING, {"ms": 300}, id="lands after the client left"),
]
CALLS = frozenset({"modify", "cancel"})


def unswept(world: World) -> AbstractAsyncContextManager[Runtime[Settings]]:
    """Nothing comes in but what it is told."""
    return world.executor(sweep_after_ms="60000")


async def halves(world: World, orders: list[CopyOrder]) -> tuple[list[CopyCommand], list[CopyCommand]]:
    """The first half is cut down, the second cancelled."""
    middle = len(orders) // 2
    return await world.modify(orders[:middle], 6), await world.cancel(orders[middle:])


async def open_by_ledgers(world: World) -> Counter[int]:
    """How many ledgers still wait for how much."""
    rows = await world.database.fetch("SELECT entry_planned - entry_released AS open FROM ledgers")
    return Counter(int(row["open"]) for row in rows)


async def assert_carried_out(world: World, orders: list[CopyOrder]) -> None:
    """By the books: changed to one state each, and nothing cancelled that should live."""
    middle = len(orders) // 2
    cut, gone = orders[:middle], orders[middle:]
    world.assert_each_once(orders)
    modified = Counter((each.qty, each.status, each.modifications) for each in map(world.at_broker, cut))
    assert modified == {(6, Status.PENDING, 1): len(cut)}
    cancelled = Counter((each.qty, each.status, each.modifications) for each in map(world.at_broker, gone))
    assert cancelled == {(10, Status.CANCELLED, 0): len(gone)}
    rows = await world.rows.by_tags([each.tag for each in cut])
    assert {row.order.spec.quantity for row in rows.values()} == {Decimal(6)}
    assert await world.statuses(gone) == {CopyStatus.CANCELLED: len(gone)}


async def test_working_orders_are_cut_down_and_cancelled(postgres_url: str, redis_url: str) -> None:
    async with a_world(postgres_url, redis_url, followers=6) as world, unswept(world) as runtime:
        await world.until_owned(for_hints=True)
        orders = await world.working(world.followers)
        cut, gone = await halves(world, orders)
        assert await world.hint([], [*cut, *gone]) == Counter(accepted=6)
        assert await world.hint([], [*cut, *gone]) == Counter(known=6)
        await world.until_changed([*cut, *gone], CommandStatus.DONE)
        await assert_carried_out(world, orders)
        labels = {"outcome": "accepted", "account_type": "copy_follower"}
        assert runtime.metrics.value(ORDERS_SENT, command="MODIFY", **labels) == 3
        assert runtime.metrics.value(ORDERS_SENT, command="CANCEL", **labels) == 3
        assert runtime.metrics.value(CHANGES, command="CANCEL", outcome="DONE") == 3
        assert await open_by_ledgers(world) == {6: 3, 0: 3}
        sent = await world.rows.sent_since(world.followers, 0)
        assert [len(sent[each]) for each in world.followers] == [2] * 6


async def test_changes_that_no_message_brought_are_swept_up(postgres_url: str, redis_url: str) -> None:
    async with a_world(postgres_url, redis_url, followers=4) as world, world.executor():
        await world.until_owned()
        orders = await world.working(world.followers)
        cut, gone = await halves(world, orders)
        await world.until_changed([*cut, *gone], CommandStatus.DONE)
        await assert_carried_out(world, orders)


async def test_what_was_never_sent_is_taken_back_and_folded_into(postgres_url: str, redis_url: str) -> None:
    async with a_world(postgres_url, redis_url, followers=2) as world, world.executor() as runtime:
        await world.until_owned(for_hints=True)
        for follower in world.followers:
            await world.penalize(follower, seconds=600)
        orders = await world.plan(world.followers)
        await world.hint(orders)
        cut, gone = await halves(world, orders)
        await world.hint([], [*cut, *gone])
        await world.until_changed([*cut, *gone], CommandStatus.FOLDED)
        await world.until_all(orders[1:], CopyStatus.CANCELLED)
        (row,) = (await world.rows.by_tags([orders[0].tag])).values()
        assert (row.order.status, row.order.spec.quantity) == (CopyStatus.PLANNED, Decimal(6))
        assert await open_by_ledgers(world) == {6: 1, 0: 1}
        assert world.books() == []
        assert runtime.metrics.value(CHANGES, command="MODIFY", outcome="FOLDED") == 1


async def test_what_is_surely_absent_is_changed_before_it_is_sent(postgres_url: str, redis_url: str) -> None:
    async with a_world(postgres_url, redis_url, followers=2) as world:
        orders = await world.plan(world.followers)
        cut, gone = await halves(world, orders)
        async with world.executor():
            await world.until_changed([*cut, *gone], CommandStatus.FOLDED)
            await world.until_all(orders[1:], CopyStatus.CANCELLED)
            await world.until_all(orders[:1], CopyStatus.WORKING)
        assert [(each.tag, each.qty, each.modifications) for each in world.books()] == [(orders[0].tag, 6, 0)]


@pytest.mark.parametrize(("kind", "options"), LOST)
async def test_a_lost_answer_is_reconciled_by_the_state_wanted(
    postgres_url: str, redis_url: str, kind: FaultKind, options: dict[str, object]
) -> None:
    async with a_world(postgres_url, redis_url, followers=4) as world, world.executor():
        await world.until_owned(for_hints=True)
        orders = await world.working(world.followers)
        world.sim.face.faults.add(kind, remaining=4, calls=CALLS, **options)
        cut, gone = await halves(world, orders)
        await world.hint([], [*cut, *gone])
        await until(lambda: world.sim.face.faults.hits[kind] == 4, "the fault hit")
        await world.until_changed([*cut, *gone], CommandStatus.DONE)
        await assert_carried_out(world, orders)


async def test_429_and_an_expired_token_are_waited_for(postgres_url: str, redis_url: str) -> None:
    async with a_world(postgres_url, redis_url, followers=2) as world, world.executor():
        await world.until_owned(for_hints=True)
        orders = await world.working(world.followers)
        world.sim.face.faults.add(FaultKind.RATE_429, remaining=2, calls=CALLS)
        world.sim.face.tokens.spoil(None, TOKEN_EXPIRED)
        for follower in world.followers:
            await world.log_in(follower)
        cut, gone = await halves(world, orders)
        await world.hint([], [*cut, *gone])
        await world.until_changed([*cut, *gone], CommandStatus.DONE)
        assert world.sim.face.faults.hits[FaultKind.RATE_429] == 2
        await assert_carried_out(world, orders)
        assert world.breaches() == 0


async def test_a_cancel_that_loses_against_a_fill_is_recorded_as_lost(
    postgres_url: str, redis_url: str
) -> None:
    async with a_world(postgres_url, redis_url, followers=2) as world, world.executor():
        await world.until_owned(for_hints=True)
        orders = await world.working(world.followers)
        gone = await world.cancel(orders)
        for each in map(world.at_broker, orders):
            world.sim.exchange.fill(each, each.remaining)
        await world.hint([], gone)
        await world.until_changed(gone, CommandStatus.LOST)
        await world.until_all(orders, CopyStatus.FILLED)
        (row, _) = (await world.changes.by_ids([each.command_id for each in gone])).values()
        assert row.error_text
        assert {each.status for each in map(world.at_broker, orders)} == {Status.TRADED}


async def test_a_refused_modification_keeps_the_brokers_words(postgres_url: str, redis_url: str) -> None:
    async with a_world(postgres_url, redis_url, followers=1) as world, world.executor():
        await world.until_owned(for_hints=True)
        orders = await world.working(world.followers)
        cut = await world.modify(orders, 900_000_000)
        await world.hint([], cut)
        await world.until_changed(cut, CommandStatus.REJECTED)
        (row,) = (await world.changes.by_ids([cut[0].command_id])).values()
        assert (row.error_code, row.error_text != "", row.attempts) == ("-99", True, 1)
        standing = world.at_broker(orders[0])
        assert (standing.qty, standing.status, standing.modifications) == (10, Status.PENDING, 0)
        (kept,) = (await world.rows.by_tags([orders[0].tag])).values()
        assert (kept.order.spec.quantity, kept.order.status) == (Decimal(10), CopyStatus.WORKING)


async def test_an_order_whose_placing_was_not_answered_is_found_by_its_tag_and_cancelled(
    postgres_url: str, redis_url: str
) -> None:
    async with a_world(postgres_url, redis_url, followers=2) as world, world.executor():
        await world.until_owned(for_hints=True)
        world.sim.face.faults.add(FaultKind.DROP_AFTER_ACCEPT, remaining=2)
        orders = await world.plan(world.followers)
        await world.hint(orders)
        await until(lambda: len(world.books()) == 2, "they are at the broker")
        gone = await world.cancel(orders)
        await world.hint([], gone)
        await world.until_changed(gone, CommandStatus.DONE)
        await world.until_all(orders, CopyStatus.CANCELLED)
        world.assert_each_once(orders)
        assert {each.status for each in world.books()} == {Status.CANCELLED}


async def test_of_several_changes_the_latest_counts_and_nothing_comes_after_a_cancellation(
    postgres_url: str, redis_url: str
) -> None:
    async with a_world(postgres_url, redis_url, followers=2) as world, unswept(world):
        await world.until_owned(for_hints=True)
        orders = await world.working(world.followers)
        older = await world.modify(orders, 8)
        cut, gone = await halves(world, orders)
        assert await world.hint([], [*older, *cut, *gone]) == Counter(known=2, accepted=2)
        await world.until_changed([*cut, *gone], CommandStatus.DONE)
        await world.until_changed(older, CommandStatus.SUPERSEDED)
        await assert_carried_out(world, orders)


async def test_an_executor_killed_between_write_and_answer_leaves_each_change_made_once(
    postgres_url: str, redis_url: str
) -> None:
    async with a_world(postgres_url, redis_url, followers=8) as world:
        victim = await world.process("victim")
        await world.until_owned(for_hints=True)
        orders = await world.working(world.followers)
        world.sim.face.faults.add(FaultKind.DELAY_AFTER, ms=400, calls=CALLS)
        cut, gone = await halves(world, orders)
        await world.hint([], [*cut, *gone])
        await until(lambda: world.at_broker(orders[-1]).status is Status.CANCELLED, "one is carried out")
        victim.kill()
        await victim.wait()
        world.sim.face.faults.clear()
        async with world.executor("heir"):
            await world.until_changed([*cut, *gone], CommandStatus.DONE)
        await assert_carried_out(world, orders)


async def test_two_executors_and_a_take_over_in_the_middle(postgres_url: str, redis_url: str) -> None:
    async with a_world(postgres_url, redis_url, followers=12) as world, world.executor("a"):
        async with world.executor("b"):
            await world.until_owned(by=2, for_hints=True)
            orders = await world.working(world.followers)
            world.sim.face.faults.add(FaultKind.DROP_AFTER_ACCEPT, remaining=6, calls=CALLS)
            cut, gone = await halves(world, orders)
            await world.hint([], [*cut, *gone])
        await world.until_changed([*cut, *gone], CommandStatus.DONE)
        await assert_carried_out(world, orders)
