"""What a plan is made on: fresh prices, equities that are not too old, frozen sizings, readiness."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import pytest

from paceline.adapters.calendar.india import india
from paceline.domain.account import AccountType, SessionState
from paceline.domain.calendar import Calendar, always_open
from paceline.domain.copying.decision import SizingInputs
from paceline.domain.copying.view import Equity, LeaderState, LotRule
from paceline.domain.ids import AccountId, BrokerOrderId, InstrumentId, SubscriptionId
from paceline.domain.instrument import InstrumentKey, Product, Segment
from paceline.domain.ledger import Ledger
from paceline.domain.order import OrderReport
from paceline.domain.subscription import Caps, InstrumentMapping, SizingMode, Subscription
from paceline.ports.accounts import AccountGroup, GroupId
from paceline.ports.portfolios import Portfolio
from paceline.ports.prices import Price
from paceline.runtime.metrics import Metrics
from services.replicator.directory import Directory
from services.replicator.silence import Silence
from services.replicator.views import Views
from tests.fakes.clock import FakeClock
from tests.unit.domain.given import FOLLOWER, KEY, LEADER, SBIN, SHARE, d, fill, report, subscription
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
)

S = 1_000_000_000
BY_EQUITY = subscription(mode=SizingMode.EQUITY_RATIO)
BY_RATIO = subscription()
NAME = SubscriptionId("s1")


@dataclass
class World:
    clock: FakeClock
    plans: FakePlans
    people: FakePeople
    market: FakeMarket
    views: Views
    commands: FakeCommands
    orders: FakeLeaderOrders
    groups: FakeGroups


async def a_world(calendar: Calendar | None = None) -> World:
    clock, plans, people, market = FakeClock(auto_jump=True), FakePlans(), FakePeople(), FakeMarket()
    commands, orders, groups = FakeCommands(), FakeLeaderOrders(), FakeGroups()
    subscriptions = FakeSubscriptions()
    subscriptions.put(BY_RATIO)
    news = FakeNews(subscriptions, people)
    directory = Directory(news, subscriptions, people, people, clock)  # type: ignore[arg-type]  # as much as this needs
    await directory.gain([HOME])
    views = Views(
        directory,
        plans,  # type: ignore[arg-type]
        commands,  # type: ignore[arg-type]
        orders,
        groups,  # type: ignore[arg-type]
        market,  # type: ignore[arg-type]
        PortfolioShelf(market),  # type: ignore[arg-type]
        PriceShelf(market),  # type: ignore[arg-type]
        calendar or always_open(),
        clock,
        60_000,
        Silence(Signs(), dict, clock, Metrics(), 30_000),  # type: ignore[arg-type]
    )
    return World(clock, plans, people, market, views, commands, orders, groups)


def a_portfolio(account: AccountId, equity: int, computed_ns: int, *, stale: bool = False) -> Portfolio:
    zero = d(0)
    return Portfolio(
        account, AccountType.LIVE, zero, zero, zero, d(equity), zero, None, "INR", computed_ns, stale
    )


def a_price(world: World, age_s: int) -> Price:
    return Price(d(101), 0, world.clock.now_ns() - age_s * S, "fyers_data")


@pytest.mark.parametrize(("age_s", "told"), [(1, {SBIN: d(101)}), (6, {})])
async def test_only_a_fresh_price_counts(age_s: int, told: dict[str, object]) -> None:
    world = await a_world()
    world.market.prices[SBIN] = a_price(world, age_s)
    market = await world.views.market(fill(10), [BY_RATIO])
    assert (market.last_prices, market.instruments[SBIN]) == (told, SHARE)


async def test_instruments_are_remembered_for_a_while() -> None:
    world = await a_world()
    running = asyncio.create_task(world.views.forget_daily())
    for _ in range(3):
        await world.views.market(fill(10), [BY_RATIO])
    assert world.market.reads == 1
    await world.clock.sleep(3_600)
    await world.views.market(fill(10), [BY_RATIO])
    running.cancel()
    assert world.market.reads == 2


@pytest.mark.parametrize(
    ("equity", "age_s", "stale", "expected"),
    [
        pytest.param(500, 3, False, Equity(d(500), 3_000), id="fresh"),
        pytest.param(500, 61, False, Equity(d(500), 61_000, stale=True), id="too old"),
        pytest.param(0, 3, False, Equity(d(0), 3_000), id="nothing left"),
        pytest.param(500, 3, True, Equity(d(500), 3_000, stale=True), id="reckoned on what is too old"),
    ],
)
async def test_an_equity_comes_with_its_age_and_whether_it_is_good(
    equity: int, age_s: int, stale: bool, expected: Equity
) -> None:
    world = await a_world()
    computed_ns = world.clock.now_ns() - age_s * S
    for each in (LEADER, FOLLOWER):
        world.market.portfolios[each] = a_portfolio(each, equity, computed_ns, stale=stale)
    leader = await world.views.leader(LeaderState(LEADER), [BY_EQUITY])
    (copier,), _ = await world.views.copiers([BY_EQUITY], fill(10))
    assert (leader.equity, copier.equity) == (expected, expected)


async def test_equities_are_not_read_where_nobody_is_sized_by_them() -> None:
    world = await a_world()
    world.market.portfolios[LEADER] = a_portfolio(LEADER, 500, world.clock.now_ns())
    state = LeaderState(LEADER)
    assert await world.views.leader(state, [BY_RATIO]) is state


async def test_a_copier_knows_his_ledger_and_whether_he_can_trade() -> None:
    world = await a_world()
    held = Ledger(ideal=d(4), entry_planned=d(4), entry_filled=d(4))
    world.plans.ledgers[NAME, KEY] = held
    world.plans.others[NAME] = d(-3)
    (copier,), seen = await world.views.copiers([BY_RATIO], fill(10))
    assert (copier.ledger, seen) == (held, {(NAME, KEY): held})
    assert copier.others_held == -3
    assert copier.segments == frozenset({Segment.CAPITAL_MARKET})
    assert copier.session_usable
    assert copier.market_open
    assert not copier.account_frozen


async def test_a_follower_without_a_live_session_is_told_so() -> None:
    world = await a_world()
    world.people.states[FOLLOWER] = SessionState.LOGIN_NEEDED
    await world.views._directory._read_accounts([FOLLOWER])
    (copier,), _ = await world.views.copiers([BY_RATIO], fill(10))
    assert not copier.session_usable


async def test_a_closed_market_is_told() -> None:
    world = await a_world(india())
    (copier,), _ = await world.views.copiers([BY_RATIO], fill(10))
    assert copier.market_open
    await world.clock.sleep(12 * 3_600)
    (copier,), _ = await world.views.copiers([BY_RATIO], fill(10))
    assert not copier.market_open


async def test_the_ratio_of_a_leaders_order_is_frozen_and_read_once_it_stands() -> None:
    world = await a_world()
    sizing = SizingInputs(SizingMode.FIXED_RATIO, d(1), d(1), d(10))
    (copier,), _ = await world.views.copiers([BY_RATIO], fill(10, order="7"))
    assert copier.frozen is None
    world.plans.sizings[BrokerOrderId("7"), NAME] = sizing
    for _ in range(3):
        (copier,), _ = await world.views.copiers([BY_RATIO], fill(10, order="7"))
        assert copier.frozen == sizing
    assert world.plans.reads == 2
    late = replace(BY_RATIO, subscription_id=SubscriptionId("s2"))
    await world.views.copiers([BY_RATIO, late], fill(10, order="7"))
    assert world.plans.reads == 3


def _capped(**caps: Any) -> Subscription:
    return replace(BY_RATIO, caps=Caps(**caps))


def _order(quantity: int = 100) -> OrderReport:
    return report(order="1", quantity=quantity)


async def test_the_leaders_orders_are_read_where_a_size_is_for_the_whole_of_them() -> None:
    world = await a_world()
    world.orders.orders = [_order()]
    state = LeaderState(LEADER)
    sized = await world.views.leader_orders(state, fill(10), [_capped(max_lots_per_order=d(3))])
    assert [each.report for each in sized.orders.values()] == [_order()]
    world.plans.sizings[BrokerOrderId("1"), NAME] = SizingInputs(SizingMode.FIXED_RATIO, d(1), d(1), d(1))
    again = await world.views.leader_orders(state, fill(10), [_capped(max_lots_per_order=d(3))])
    assert (dict(again.orders), world.orders.reads) == ({}, 1)


async def test_caps_are_reckoned_from_all_that_is_held_and_on_its_way() -> None:
    world = await a_world()
    other = InstrumentKey(SBIN, Product.CNC)
    world.plans.ledgers = {
        (NAME, KEY): Ledger(ideal=d(4), entry_planned=d(4), entry_filled=d(4)),
        (NAME, other): Ledger(ideal=d(6), entry_planned=d(6)),
    }
    world.market.prices[SBIN] = a_price(world, 60)
    capped = _capped(max_exposure=d(5_000), max_open_positions=3)
    (copier,), _ = await world.views.copiers([capped], fill(10))
    assert (copier.exposure, copier.other_positions) == (d(1010), 1)
    world.market.prices.clear()
    (copier,), _ = await world.views.copiers([capped], fill(10))
    assert copier.exposure is None


async def test_the_strictest_of_an_accounts_groups_counts_and_is_remembered_for_seconds() -> None:
    world = await a_world()
    world.groups.groups[FOLLOWER] = [
        AccountGroup(GroupId("a"), min_lots=d(2), max_lots=d(9)),
        AccountGroup(GroupId("b"), min_lots=d(1), max_lots=d(7), lot_step=d(3)),
    ]
    for _ in range(3):
        (copier,), _ = await world.views.copiers([BY_RATIO], fill(10))
        assert copier.lot_rule == LotRule(d(2), d(7), d(3))
    assert world.groups.reads == 1
    await world.clock.sleep(6)
    await world.views.copiers([BY_RATIO], fill(10))
    assert world.groups.reads == 2


async def test_rows_are_read_where_an_exit_may_take_entries_back() -> None:
    world = await a_world()
    working = Ledger(ideal=d(4), entry_planned=d(4))
    world.plans.ledgers[NAME, KEY] = working
    await world.views.copiers([BY_RATIO], fill(10))
    assert world.commands.asked == []
    await world.views.copiers([BY_RATIO], fill(-10))
    assert world.commands.asked == [(NAME, KEY)]
    world.plans.ledgers[NAME, KEY] = Ledger(entry_planned=d(4))
    await world.views.copiers([BY_RATIO], fill(-10))
    assert world.commands.asked == [(NAME, KEY)] * 2


async def test_what_is_mapped_is_read_under_the_followers_name() -> None:
    world = await a_world()
    other = InstrumentId("BSE:SBIN-A")
    theirs = InstrumentKey(other, Product.INTRADAY)
    world.market.instruments[other] = replace(SHARE, instrument_id=other)
    world.market.prices[other] = a_price(world, 1)
    held = Ledger(ideal=d(4), entry_planned=d(4), entry_filled=d(4))
    world.plans.ledgers[NAME, theirs] = held
    mapped = replace(BY_RATIO, instrument_mappings=(InstrumentMapping(SBIN, other),))
    market = await world.views.market(fill(10), [mapped])
    assert market.last_prices == {other: d(101)}
    (copier,), seen = await world.views.copiers([mapped], fill(10))
    assert (copier.ledger, dict(seen)) == (held, {(NAME, theirs): held})
