"""From events to committed plans: in order, in chunks, each once, whatever fails in between."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from paceline.domain.calendar import always_open
from paceline.domain.copy_order import CopyCommand, CopyOrder
from paceline.domain.copying.decision import Outcome
from paceline.domain.copying.view import LeaderPosition
from paceline.domain.errors import NotOwner, Unavailable
from paceline.domain.event import Event
from paceline.domain.ids import AccountId, Epoch, SubscriptionId
from paceline.domain.instrument import Product
from paceline.domain.ledger import Ledger
from paceline.domain.order import Fill, OrderReport
from paceline.domain.position import PositionReport
from paceline.domain.subscription import CopyMode, Subscription
from paceline.runtime.metric_names import COMMIT_SECONDS, DECISIONS, PLANS
from paceline.runtime.metrics import Metrics
from paceline.runtime.telemetry import start_telemetry
from services.replicator.directory import Directory
from services.replicator.order_books import OrderBooks
from services.replicator.replicate import Replicator
from services.replicator.silence import Silence
from services.replicator.views import Views
from tests.fakes.clock import FakeClock
from tests.unit.domain.given import KEY, LEADER, NOW, d, fill, report, subscription
from tests.unit.executor.given import holding
from tests.unit.replicator.given import (
    HOME,
    FakeCommands,
    FakeGroups,
    FakeLeaderOrders,
    FakeMarket,
    FakeNews,
    FakePeople,
    FakePlans,
    FakeSubscriptions,
    PortfolioShelf,
    PriceShelf,
    Signs,
    an_event,
)

Body = Fill | OrderReport | PositionReport


@dataclass
class Kept:
    """A dispatcher that keeps what it is given."""

    orders: list[CopyOrder] = field(default_factory=list)
    commands: list[CopyCommand] = field(default_factory=list)

    def dispatch(
        self, orders: Sequence[CopyOrder], traceparent: str, commands: Sequence[CopyCommand] = ()
    ) -> None:
        self.orders.extend(orders)
        self.commands.extend(commands)


@dataclass
class World:
    plans: FakePlans
    dispatched: Kept
    metrics: Metrics
    replicator: Replicator
    directory: Directory
    commands: FakeCommands
    leader_orders: FakeLeaderOrders

    async def tell(self, *bodies: Body, first: int = 1) -> None:
        told = events(*bodies, first=first)
        known = {each.offset for each in self.leader_orders.journal}
        self.leader_orders.journal += [each for each in told if each.offset not in known]
        await self.replicator.handle({HOME: told})

    def own(self) -> Decimal:
        return self.plans.positions[LEADER][KEY].own


def events(*bodies: Body, first: int = 1) -> list[Event]:
    return [an_event(body, first + n) for n, body in enumerate(bodies)]


async def a_world(followers: int = 3, chunk: int = 2, mirrors: int = 0) -> World:
    """The first `mirrors` of them copy orders, the others fills."""
    clock = FakeClock(start_ns=NOW)
    plans, people, market, metrics = FakePlans(), FakePeople(), FakeMarket(), Metrics()
    subscriptions = FakeSubscriptions()
    leader_orders, commands = FakeLeaderOrders(), FakeCommands(plans=plans if mirrors else None)
    subscriptions.put(*(a_subscription(n, mirrors=n < mirrors) for n in range(followers)))
    news = FakeNews(subscriptions, people)
    directory = Directory(news, subscriptions, people, people, clock)  # type: ignore[arg-type]  # as much as this needs
    await directory.gain([HOME])
    views = Views(
        directory,
        plans,  # type: ignore[arg-type]
        commands,  # type: ignore[arg-type]
        leader_orders,
        FakeGroups(),  # type: ignore[arg-type]
        market,  # type: ignore[arg-type]
        PortfolioShelf(market),  # type: ignore[arg-type]
        PriceShelf(market),  # type: ignore[arg-type]
        always_open(),
        clock,
        60_000,
        Silence(Signs(), dict, clock, Metrics(), 30_000),  # type: ignore[arg-type]
    )
    dispatched = Kept()
    replicator = Replicator(
        directory,
        views,
        OrderBooks(leader_orders),
        plans,  # type: ignore[arg-type]
        plans,  # type: ignore[arg-type]
        dispatched,  # type: ignore[arg-type]
        await holding(clock),
        clock,
        metrics,
        start_telemetry(service="replicator", replica_id="a"),
        chunk_followers=chunk,
        chunks_at_once=2,
    )
    return World(plans, dispatched, metrics, replicator, directory, commands, leader_orders)


def a_subscription(number: int, *, mirrors: bool = False) -> Subscription:
    made = subscription(name=f"s{number}", follower=AccountId(f"fyers:F{number}"))
    return replace(made, mode=CopyMode.ON_ORDER) if mirrors else made


def buys(trade: str, quantity: int = 10) -> Fill:
    return fill(quantity, trade=trade)


async def test_a_fill_becomes_one_order_for_every_follower_in_chunks_and_the_offset_moves_last() -> None:
    world = await a_world(followers=5, chunk=2)
    await world.tell(buys("t1"))
    assert world.plans.log[-1] == "commit 0 done"
    assert sorted(world.plans.log[:-1]) == ["commit 1", "commit 2", "commit 2"]
    assert len(world.dispatched.orders) == 5
    assert {order.tag for order in world.dispatched.orders} == {order.tag for order in world.plans.orders}
    assert (world.plans.offsets, world.own()) == ({HOME: 1}, d(10))
    assert world.metrics.value(DECISIONS, outcome="PLANNED", reason="") == 5
    assert world.metrics.value(PLANS, kind="FILL") == 1
    assert world.metrics.value(COMMIT_SECONDS) == 3


async def test_followers_are_served_in_an_order_that_rotates() -> None:
    world = await a_world(followers=3, chunk=10)
    await world.tell(buys("t1"))
    await world.tell(buys("t2"), first=2)
    firsts = [order.account_id for order in world.dispatched.orders[::3]]
    assert firsts == ["fyers:F1", "fyers:F2"]


async def test_what_nobody_copies_is_passed_over_in_one_write() -> None:
    world = await a_world(followers=0)
    await world.tell(report(), buys("t1"), buys("t2"), report())
    assert world.plans.log == []
    await world.replicator.settle([HOME])
    await world.replicator.settle([HOME])
    assert world.plans.log == ["pass 4"]
    assert world.own() == d(20)


async def test_what_was_passed_over_is_written_with_the_end_of_the_copied_fill_after_it() -> None:
    world = await a_world(followers=1)
    await world.tell(report(), buys("t1"))
    await world.replicator.settle([HOME])
    assert world.plans.log == ["commit 1", "commit 0 done"]


async def test_positions_before_and_after_a_copied_fill_are_written() -> None:
    world = await a_world(followers=1)
    held = PositionReport(LEADER, KEY, report().exchange, report().segment, d(30), d(100))
    await world.tell(held, report(), buys("t1"), report())
    await world.replicator.settle([HOME])
    assert world.plans.log == ["commit 1", "commit 0 done", "pass 4"]
    assert world.own() == d(40)


async def test_what_was_passed_over_is_not_lost_when_the_end_of_the_next_fill_fails() -> None:
    world = await a_world(followers=1)
    elsewhere = replace(KEY, product=Product.CNC)
    held = PositionReport(LEADER, elsewhere, report().exchange, report().segment, d(30), d(100))
    world.plans.fail_at = 2
    with pytest.raises(Unavailable):
        await world.tell(held, buys("t1"))
    await world.replicator.settle([HOME])
    assert world.plans.positions[LEADER] == {elsewhere: LeaderPosition(d(30))}
    await world.tell(held, buys("t1"))
    assert world.plans.positions[LEADER] == {elsewhere: LeaderPosition(d(30)), KEY: LeaderPosition(d(10))}
    assert world.plans.offsets == {HOME: 2}


async def test_the_first_are_served_before_the_others_are_decided() -> None:
    world = await a_world(followers=30, chunk=20)
    await world.tell(buys("t1"))
    first, *others, last = world.plans.log
    assert (first, last) == ("commit 8", "commit 0 done")
    assert sorted(others) == ["commit 2", "commit 20"]


async def test_nothing_is_written_twice_where_the_last_event_was_copied() -> None:
    world = await a_world(followers=1)
    await world.tell(buys("t1"), buys("t2"))
    assert [each for each in world.plans.log if each.startswith("pass")] == []


async def test_a_crash_between_chunks_and_offset_replays_to_nothing_new() -> None:
    world = await a_world(followers=4, chunk=2)
    world.plans.fail_at = 3
    with pytest.raises(Unavailable):
        await world.tell(buys("t1"))
    assert (world.plans.offsets, len(world.plans.decided)) == ({}, 4)
    before = list(world.plans.orders)
    await world.tell(buys("t1"))
    assert world.plans.orders == before
    assert len(world.dispatched.orders) == 4
    assert (world.plans.offsets, world.own()) == ({HOME: 1}, d(10))


async def test_a_chunk_that_failed_is_planned_when_the_event_comes_again() -> None:
    world = await a_world(followers=4, chunk=2)
    world.plans.fail_at = 1
    with pytest.raises(Unavailable):
        await world.tell(buys("t1"))
    await world.tell(buys("t1"))
    assert len(world.plans.decided) == 4
    assert world.own() == d(10)


async def test_an_event_whose_last_commits_answer_was_lost_is_not_folded_twice() -> None:
    world = await a_world(followers=1)
    world.plans.lose_answer_at = 2
    with pytest.raises(Unavailable):
        await world.tell(buys("t1"))
    await world.tell(buys("t1"), buys("t2", 5))
    assert world.own() == d(15)
    assert world.plans.offsets == {HOME: 2}


async def test_a_pass_whose_answer_was_lost_is_not_folded_twice() -> None:
    world = await a_world(followers=0)
    world.plans.lose_answer_at = 1
    await world.tell(buys("t1"))
    with pytest.raises(Unavailable):
        await world.replicator.settle([HOME])
    await world.tell(buys("t2", 5), first=2)
    await world.replicator.settle([HOME])
    assert world.own() == d(15)


async def test_what_was_passed_over_survives_a_failure_of_what_comes_after_it() -> None:
    """Memory alone knows it: it is written before the rest is read anew."""
    world = await a_world(followers=1)
    held = PositionReport(LEADER, KEY, report().exchange, report().segment, d(30), d(100))
    await world.tell(held)
    world.plans.fail_at = 1
    with pytest.raises(Unavailable):
        await world.tell(buys("t1"), first=2)
    await world.tell(buys("t1"), first=2)
    assert world.own() == d(40)
    assert world.plans.offsets == {HOME: 2}


async def test_where_it_stands_is_read_once_and_then_remembered() -> None:
    world = await a_world(followers=0)
    await world.tell(buys("t1"))
    reads = world.plans.reads
    await world.tell(buys("t2"), first=2)
    assert world.plans.reads == reads
    await world.replicator.settle([HOME])
    world.replicator.forget([HOME])
    await world.tell(buys("t2"), buys("t3"), first=2)
    await world.replicator.settle([HOME])
    assert world.own() == d(30)


async def test_a_decision_on_a_ledger_that_moved_is_made_again_on_the_new_one() -> None:
    world = await a_world(followers=2, chunk=2)
    moved = SubscriptionId("s1")
    world.plans.outdate = {moved: Ledger(ideal=d(4), entry_planned=d(4), entry_filled=d(4))}
    await world.tell(buys("t1"))
    (decision,) = (each for each in world.plans.decided.values() if each.subscription_id == moved)
    assert (decision.outcome, decision.quantity) == (Outcome.PLANNED, d(6))
    assert len(world.dispatched.orders) == 2


async def test_a_ledger_that_never_holds_still_is_an_outage_and_moves_no_offset() -> None:
    world = await a_world(followers=1)
    world.plans.outdate, world.plans.never_still = {SubscriptionId("s0"): Ledger(ideal=d(4))}, True
    with pytest.raises(Unavailable):
        await world.tell(buys("t1"))
    assert world.plans.offsets == {}


async def test_a_lease_that_is_somebody_elses_writes_and_sends_nothing() -> None:
    world = await a_world(followers=2)
    world.plans.epoch = Epoch(9)
    with pytest.raises(NotOwner):
        await world.tell(buys("t1"))
    assert (world.plans.decided, world.dispatched.orders) == ({}, [])


async def test_partitions_go_side_by_side_and_one_that_fails_leaves_the_others_consistent() -> None:
    world = await a_world(followers=1)
    stranger = AccountId("fyers:SOMEBODY")
    other = an_event(fill(7, trade="x", account=stranger), 1)
    assert other.partition != HOME
    await world.replicator.handle({HOME: events(buys("t1")), other.partition: [other]})
    await world.replicator.settle([HOME, other.partition])
    assert world.plans.offsets == {HOME: 1, other.partition: 1}
    assert world.plans.positions[stranger] == {KEY: LeaderPosition(d(7))}


async def test_orders_carry_the_trace_of_their_event_and_its_moments() -> None:
    world = await a_world(followers=1)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    (event,) = events(buys("t1"))
    await world.replicator.handle({HOME: [replace(event, traceparent=trace)]})
    (order,) = world.dispatched.orders
    assert order.traceparent.split("-")[1] == trace.split("-")[1]
    assert (order.leader_time_ns, order.planned_ns) == (NOW, NOW)
