"""Positions that no trade explains, and a broker whose clock is wrong: told once, in order, never old."""

import time
from collections.abc import Sequence

import pytest

from paceline.domain.event import Event, EventKind
from paceline.domain.ids import AccountId
from paceline.domain.instrument import Product
from paceline.domain.order import Fill, OrderReport
from paceline.domain.position import PositionReport
from paceline.runtime.metric_names import CLOCK_ERROR_SECONDS
from simulator.desk import convert
from simulator.orders import OrderChange
from simulator.orders import Product as SimProduct
from tests.integration.feed.world import SBIN, World, client_of, kinds, until

NS_PER_S = 1_000_000_000
FAR_S = 600
FRESH_S = 20
"""An event that is told at once is younger, however slow the machine."""


def positions(events: Sequence[Event]) -> list[tuple[Product, int]]:
    bodies = [event.fact.body for event in events]
    return [(body.key.product, int(body.quantity)) for body in bodies if isinstance(body, PositionReport)]


def ages_s(events: Sequence[Event], kind: EventKind) -> list[float]:
    facts = [event.fact for event in events if event.fact.kind is kind]
    return [(fact.seen_ns - fact.broker_time_ns) / NS_PER_S for fact in facts]


async def until_fills(stage: World, account_id: AccountId, count: int) -> None:
    async def look() -> bool:
        return sum((await stage.fills(account_id)).values()) >= count

    await until(look, f"{count} fills are journaled")


async def rest(stage: World, account_id: AccountId, quantity: int, *, limit: float) -> str:
    """An order by hand that stays open."""
    placed = await stage.control.post(
        "/orders",
        client_id=client_of(account_id),
        symbol=SBIN,
        side=1,
        qty=quantity,
        type=1,
        limit=limit,
        product="INTRADAY",
        hold=True,
    )
    return str(placed["order"]["id"])


async def changed(stage: World, order_id: str, *, limit: float) -> None:
    order = stage.sim.exchange.orders[order_id]
    assert stage.sim.exchange.modify(order, OrderChange(limit=round(limit * 100))) is None


def converted(stage: World, account_id: AccountId, quantity: int) -> None:
    """The account moves so much of what it holds intraday to delivery: no trade."""
    account = stage.sim.exchange.accounts[client_of(account_id)]
    position = account.positions[SBIN, SimProduct.INTRADAY]
    assert convert(stage.sim.exchange, position, quantity, SimProduct.CNC) is None


@pytest.mark.parametrize("connected", [True, False])
async def test_a_position_that_no_trade_explains_becomes_an_event_once(stage: World, connected: bool) -> None:
    leader = await stage.account("XL1")
    await stage.trade(leader, 10)
    async with stage.feed(positions_settle_ms="300", backstop_interval_s="1"):
        await stage.until_state(leader, "LIVE")
        await stage.trade(leader, 5)
        await until_fills(stage, leader, 1)
        converted(stage, leader, 6)
        if not connected:
            await stage.control.post("/sockets/cut")

        async def told() -> bool:
            return len(positions(await stage.events(leader))) == 3

        await until(told, "both sides of the conversion are told")
        await stage.trade(leader, 2)
        await until_fills(stage, leader, 2)
        again = time.monotonic() + 2.5

        async def passed() -> bool:
            return time.monotonic() > again

        await until(passed, "two more readings")
        found = positions(await stage.events(leader))
    assert found[0] == (Product.INTRADAY, 10)
    assert sorted(found[1:]) == [(Product.CNC, 6), (Product.INTRADAY, 9)]


async def test_trades_that_books_show_late_are_no_difference(stage: World) -> None:
    """The position book knows them at once; neither frames nor the other books do for a while."""
    leader = await stage.account("XL1")
    async with stage.feed(positions_settle_ms="3000", backstop_interval_s="1"):
        await stage.until_state(leader, "LIVE")
        await stage.control.fault("books_lag", ms=1500)
        await stage.control.fault("frame_lose", next=1_000)
        for _ in range(3):
            await stage.trade(leader, 7, parts=2)
        await stage.until_agreed(leader)
        assert (await stage.control.get("/faults"))["hits"]["books_lag"] > 0
        assert kinds(await stage.events(leader))[EventKind.POSITION] == 0


@pytest.mark.parametrize("skew_s", [-FAR_S, FAR_S])
async def test_a_wrong_clock_loses_doubles_and_ages_nothing(stage: World, skew_s: int) -> None:
    leader = await stage.account("XL1")
    await stage.control.post("/clock", skew_ms=skew_s * 1_000)
    await stage.trade(leader, 4)
    for name in ("one", "two"):
        async with stage.feed(name, backstop_interval_s="1") as runtime:
            await stage.until_state(leader, "LIVE")
            before = sum((await stage.fills(leader)).values())
            for quantity in (1, 2, 3):
                await stage.trade(leader, quantity, parts=quantity)
            await until_fills(stage, leader, before + 6)
            shown = runtime.metrics.value(CLOCK_ERROR_SECONDS, broker="fyers")
            assert abs(shown - skew_s) < FRESH_S
    events = await stage.events(leader)
    assert set((await stage.fills(leader)).values()) == {1}
    assert positions(events) == [(Product.INTRADAY, 4)]
    assert all(-6 < age < FRESH_S for age in ages_s(events, EventKind.FILL))
    ahead_s = [
        (event.fact.body.broker_time_ns - event.fact.seen_ns) / NS_PER_S
        for event in events
        if isinstance(event.fact.body, Fill)
    ]
    assert all(abs(ahead - skew_s) < FRESH_S for ahead in ahead_s), "the broker's own words are kept"


async def test_a_clock_that_steps_back_in_the_middle_of_the_day_reorders_nothing(stage: World) -> None:
    leader = await stage.account("XL1")
    async with stage.feed(backstop_interval_s="1"):
        await stage.until_state(leader, "LIVE")
        low = stage.sim.exchange.markets[SBIN].ltp // 100 - 20
        resting = await rest(stage, leader, 10, limit=low)
        await stage.trade(leader, 1)
        await stage.until_agreed(leader)
        await stage.control.post("/clock", skew_ms=-FAR_S * 1_000)
        await changed(stage, resting, limit=low + 1)
        await stage.trade(leader, 2)
        await stage.until_agreed(leader)
        await until_limits(stage, leader, resting, [low, low + 1])
        await stage.control.fault("frame_lose", next=1_000)
        await stage.trade(leader, 3)
        await stage.control.post("/clock", skew_ms=FAR_S * 1_000)
        await changed(stage, resting, limit=low + 2)
        await stage.trade(leader, 4)
        await stage.control.post("/clock", skew_ms=0)
        await stage.trade(leader, 5)
        await stage.control.delete("/faults")
        await stage.control.post("/sockets/cut")
        await stage.until_agreed(leader)
        await until_limits(stage, leader, resting, [low, low + 1, low + 2])
        await stage.trade(leader, 6)
        await stage.until_agreed(leader)
        events = await stage.events(leader)
    fills = [event.fact.body for event in events if isinstance(event.fact.body, Fill)]
    assert [int(body.quantity) for body in fills] == [1, 2, 3, 4, 5, 6]
    revisions = [event.fact.revision for event in events if _is_of(event, resting)]
    assert revisions == list(range(1, len(revisions) + 1))
    assert all(-6 < age < FRESH_S for age in ages_s(events, EventKind.FILL)[-1:])


def _is_of(event: Event, order_id: str) -> bool:
    return isinstance(event.fact.body, OrderReport) and event.fact.body.order_id == order_id


async def until_limits(stage: World, leader: AccountId, order_id: str, wanted: list[int]) -> None:
    """The limits that the order was told to have, one after the other."""

    async def look() -> bool:
        told = [event.fact.body for event in await stage.events(leader) if _is_of(event, order_id)]
        limits = [int(body.limit_price) for body in told if isinstance(body, OrderReport)]
        changes = [limit for number, limit in enumerate(limits) if limits[number - 1 : number] != [limit]]
        return changes == wanted

    await until(look, f"{order_id} had the limits {wanted}")
