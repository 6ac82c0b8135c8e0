"""What people order of ledgers and corporate actions, carried out by a real replicator."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from paceline.adapters.postgres.ordered import PostgresOrdered
from paceline.adapters.postgres.plans import PostgresPlans
from paceline.domain.calendar import IST
from paceline.domain.copy_order import CopyStatus, Intent
from paceline.domain.copying.ordered import ActionKind, CorporateAction, Ordered, OrderedKind, OrderedState
from paceline.domain.ids import Epoch, InstrumentId
from paceline.domain.instrument import InstrumentKey
from paceline.ports.ordered import OrderedFilter, OrderedView
from tests.integration.executor.world import LEADER, until
from tests.integration.replicator.test_beginnings_and_ends import NAME, Life
from tests.integration.replicator.test_from_event_to_order import HOME, Copying, copying
from tests.unit.domain.given import KEY, d

NEW = InstrumentId("NSE:NEW-EQ")


def word(held: int, position: int, name: str = "a1") -> Ordered:
    return Ordered(name, NAME, KEY, OrderedKind.MANUAL, d(held), d(position), "counted at the broker")


async def settled(one: Copying, name: str, state: OrderedState, words: str = "") -> OrderedView:
    found: list[OrderedView] = []

    async def look() -> bool:
        views = await PostgresOrdered(one.world.database).page(OrderedFilter(NAME), None, 100)
        found[:] = [each for each in views if each.ordered.adjustment_id == name]
        return [(each.state, each.words) for each in found] == [(state, words)]

    await until(look, f"{name} is {state} {words}")
    return found[0]


async def held(one: Copying, life: Life, quantity: int) -> None:
    """The leader buys, and so does the follower."""
    before = {each.tag for each in await one.orders()}
    await one.trade(quantity)
    orders = await one.until_orders(len(before) + 1)
    (entry,) = (each for each in orders if each.tag not in before)
    await life.filled(entry, quantity)


async def test_a_persons_word_counts_from_then_on_and_waits_for_what_is_on_its_way(
    postgres_url: str, redis_url: str
) -> None:
    async with copying(postgres_url, redis_url, 1) as one, one.world.executor():
        life, ordered = Life(one), PostgresOrdered(one.world.database)
        async with life.replicator("r"):
            await held(one, life, 10)
            await ordered.order(word(10, 7), HOME)
            done = await settled(one, "a1", OrderedState.DONE)
            assert done.finished_at is not None
            ledger = await life.ledger()
            assert (ledger.position, ledger.ideal) == (d(7), d(7))
            await one.trade(-5)
            (exit_,) = await one.until_orders(1, Intent.EXIT)
            assert exit_.spec.quantity == 4
            await one.world.until_all([exit_], CopyStatus.WORKING)
            await ordered.order(word(7, 6, "a2"), HOME)
            await settled(one, "a2", OrderedState.WAITING, "ORDERS")
            await life.filled(exit_, 4)
            await settled(one, "a2", OrderedState.REFUSED, "the ledger holds 3 by now")
        assert (await life.ledger()).position == 3
        rows = await one.world.database.fetch(
            "SELECT action, cause FROM audit WHERE subject = $1 AND action LIKE 'ledger.adj%'"
            " ORDER BY audit_id",
            NAME,
        )
        assert [(row["action"], row["cause"]) for row in rows] == [
            ("ledger.adjusted", "counted at the broker"),
            ("ledger.adjustment_refused", "counted at the broker"),
        ]


def action(kind: ActionKind, **changed: object) -> CorporateAction:
    """Of yesterday: whatever the hour and the zone, its day has come."""
    yesterday = datetime.now(IST).date() - timedelta(days=1)
    split = CorporateAction("c1", KEY.instrument_id, kind, yesterday, 5, 1, reason="notice 7")
    return replace(split, **changed)  # type: ignore[arg-type]


async def test_a_split_is_carried_out_once_before_anything_else_of_the_leader_is_copied(
    postgres_url: str, redis_url: str
) -> None:
    async with copying(postgres_url, redis_url, 1) as one, one.world.executor():
        life, ordered = Life(one), PostgresOrdered(one.world.database)
        async with life.replicator("first"):
            await held(one, life, 10)
        await ordered.announce(action(ActionKind.SPLIT))
        await one.trade(-25)
        async with life.replicator("second"):
            await settled(one, f"c1/{NAME}/{KEY.product.value}", OrderedState.DONE)
            state = (await PostgresPlans(one.world.database).leader_states([LEADER]))[LEADER]
            assert state.position(KEY).own in (d(50), d(25))
            (exit_,) = await one.until_orders(1, Intent.EXIT)
            await life.filled(exit_, int(exit_.spec.quantity))
            await one.trade(-25)
            exits = await one.until_orders(2, Intent.EXIT)
            assert sum(each.spec.quantity for each in exits) == 50
        (view,) = await ordered.actions(None, None, 10)
        assert view.begun


async def test_a_change_of_name_takes_everything_with_it_and_is_fenced(
    postgres_url: str, redis_url: str
) -> None:
    async with copying(postgres_url, redis_url, 1) as one, one.world.executor():
        life, ordered = Life(one), PostgresOrdered(one.world.database)
        async with life.replicator("first"):
            await held(one, life, 10)
        renamed = action(ActionKind.SYMBOL_CHANGE, new=1, new_instrument_id=NEW)
        await ordered.announce(renamed)
        async with life.replicator("second"):
            await settled(one, f"c1/{NAME}/{KEY.product.value}", OrderedState.DONE)
            epoch = await one.world.database.value(
                "SELECT epoch FROM leases WHERE service = 'replicator' AND partition = $1", HOME
            )
            assert await ordered.begin({HOME: Epoch(epoch)}, renamed) == 0
        new_key = InstrumentKey(NEW, KEY.product)
        ledgers = await PostgresPlans(one.world.database).ledgers_for([NAME])
        assert ledgers[NAME, KEY].position == 0
        assert (ledgers[NAME, new_key].position, ledgers[NAME, new_key].ideal) == (d(10), d(10))
        state = (await PostgresPlans(one.world.database).leader_states([LEADER]))[LEADER]
        assert state.position(KEY).own == Decimal(0)
        assert state.position(new_key).own == Decimal(10)
