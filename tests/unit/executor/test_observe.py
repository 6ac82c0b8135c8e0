"""Followers' own orders and fills come back through the journal, each told once."""

from dataclasses import dataclass, field, replace

import pytest

from paceline.domain.account import AccountType
from paceline.domain.copy_order import CopyOrder, CopyStatus
from paceline.domain.errors import NotOwner, Unavailable
from paceline.domain.event import Event
from paceline.domain.ids import BrokerOrderId, Epoch
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry
from paceline.domain.order import Fill, OrderReport
from paceline.domain.partitioning import partition_of
from paceline.domain.subscription import AttributionPolicy
from paceline.ports.settlement import Copies
from paceline.runtime.metric_names import COPY_SECONDS, SLIPPAGE_BPS, SLIPPAGE_MONEY
from paceline.runtime.metrics import Metrics
from services.executor.lots import Lots
from services.executor.observe import Observer
from services.executor.timing import Timing
from tests.fakes.clock import FakeClock
from tests.unit.domain.given import d, event, fill, report
from tests.unit.executor.given import FOLLOWER, HOME, KEY, FakeInstruments, FakeRows, holding, order


@dataclass
class World:
    rows: FakeRows
    observer: Observer
    metrics: Metrics
    told: list[CopyOrder] = field(default_factory=list)
    taken: list[CopyOrder] = field(default_factory=list)

    async def tell(self, *bodies: Fill | OrderReport, first: int = 1) -> None:
        events = [_event(body, first + n) for n, body in enumerate(bodies)]
        await self.observer.handle({HOME: events})


async def a_world() -> World:
    clock = FakeClock()
    rows, told, taken = FakeRows(clock), [], []  # type: FakeRows, list[CopyOrder], list[CopyOrder]
    lots = Lots(FakeInstruments(), clock)  # type: ignore[arg-type]  # as much of the port as this needs
    metrics = Metrics()
    timing = Timing(metrics, lambda _account: AccountType.COPY_FOLLOWER)
    observer = Observer(rows, lots, await holding(clock), clock, told.append, taken.extend, timing.traded)
    return World(rows, observer, metrics, told, taken)


def trade(order: CopyOrder, signed: int, name: str) -> Fill:
    return fill(signed, trade=name, order="b1", account=order.account_id, tag=order.tag)


async def test_fills_and_reports_move_rows_and_the_place_in_the_journal() -> None:
    world, one = await a_world(), order("e1")
    world.rows.put(one)
    await world.tell(
        report(order="b1", quantity=10, account=FOLLOWER, tag=one.tag),
        trade(one, 4, "t1"),
        trade(one, 6, "t2"),
    )
    assert world.rows.status(one) is CopyStatus.FILLED
    assert [each.status for each in world.told] == [CopyStatus.FILLED]
    assert world.rows.done == {HOME: 3}


async def test_what_fills_cost_beside_the_leader_is_counted_once() -> None:
    """He traded at 100; ten were bought at 101, and four at 99."""
    world, one = await a_world(), replace(order("e1"), leader_price=d(100))
    world.rows.put(replace(one, spec=replace(one.spec, quantity=d(14))))
    dear, cheap = (
        replace(trade(one, signed, name), price=d(price))
        for signed, name, price in ((10, "t1", 101), (4, "t2", 99))
    )
    for _ in range(2):
        await world.tell(dear, cheap)
    kind = {"account_type": "copy_follower"}
    value = world.metrics.value
    assert value(SLIPPAGE_MONEY, direction="worse", **kind) == 10
    assert value(SLIPPAGE_MONEY, direction="better", **kind) == 4
    assert value(SLIPPAGE_BPS, **kind) == 2
    assert value(COPY_SECONDS, part="leader_to_filled", **kind) == 2


async def test_what_a_follower_does_himself_moves_nothing_but_the_place() -> None:
    world = await a_world()
    await world.tell(fill(5, account=FOLLOWER), fill(5, account=FOLLOWER, tag="MyOwnTag"))
    assert (world.told, world.rows.done) == ([], {HOME: 2})


async def test_what_he_sells_of_the_copies_himself_is_theirs_no_more_and_told_once() -> None:
    world, one = await a_world(), order("e1")
    assert one.subscription_id is not None
    world.rows.put(one)
    world.rows.copies[FOLLOWER, KEY] = Copies({one.subscription_id: AttributionPolicy.COPIES_FIRST})
    mine = [fill(-n, trade=f"m{n}", order="m", account=FOLLOWER) for n in (4, 2)]
    world.rows.lose_answer = True
    with pytest.raises(Unavailable):
        await world.tell(trade(one, 10, "t1"), mine[0])
    await world.tell(trade(one, 10, "t1"), *mine)
    ledger = world.rows.ledgers[one.subscription_id, KEY]
    assert (ledger.position, ledger.adjusted) == (d(4), d(-6))


async def test_a_trade_of_a_copy_that_comes_without_its_tag_closes_nothing() -> None:
    world, one = await a_world(), order("e1")
    assert one.subscription_id is not None
    world.rows.put(one)
    known = Copies({one.subscription_id: AttributionPolicy.COPIES_FIRST})
    world.rows.copies[FOLLOWER, KEY] = replace(known, placed=frozenset({BrokerOrderId("b2")}))
    await world.tell(trade(one, 10, "t1"), fill(-4, trade="t2", order="b2", account=FOLLOWER))
    assert world.rows.ledgers[one.subscription_id, KEY].position == 10


async def test_a_batch_whose_commits_answer_was_lost_is_not_folded_twice() -> None:
    world, one = await a_world(), order("e1")
    world.rows.put(one)
    world.rows.lose_answer = True
    with pytest.raises(Unavailable):
        await world.tell(trade(one, 4, "t1"))
    await world.tell(trade(one, 4, "t1"), trade(one, 1, "t2"))
    assert world.rows.rows[one.tag].order.filled == d(5)
    assert world.rows.ledgers[(one.subscription_id, KEY)].entry_filled == d(5)  # type: ignore[index]


async def test_a_stale_partition_breaks_the_stream_after_the_others_were_written() -> None:
    world, one = await a_world(), order("e1")
    world.rows.put(one)
    world.rows.epochs[HOME] = Epoch(9)
    with pytest.raises(NotOwner):
        await world.tell(trade(one, 4, "t1"))
    assert (world.rows.done, world.told) == ({}, [])
    assert world.rows.status(one) is CopyStatus.PLANNED


async def test_a_fill_above_the_target_is_sold_at_once() -> None:
    world, late = await a_world(), order("e1")
    world.rows.put(late)
    assert late.subscription_id is not None
    key = (late.subscription_id, KEY)
    planned = LedgerEntry(late.subscription_id, KEY, EntryKind.PLANNED, late.intent, d(10), "e1")
    world.rows.ledgers[key] = Ledger().with_lines([planned])
    await world.tell(trade(late, 10, "t1"))
    (sale,) = world.taken
    assert (int(sale.spec.side), sale.spec.quantity, sale.account_id) == (-1, d(10), FOLLOWER)


def _event(body: Fill | OrderReport, offset: int) -> Event:
    assert partition_of(body.account_id) == HOME
    return replace(event(body, offset=offset), partition=HOME)
