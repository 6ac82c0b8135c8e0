"""What a plan is made on: fresh prices, equities that are not too old, frozen sizings, readiness."""

import asyncio
from dataclasses import dataclass, replace

import pytest

from paceline.adapters.calendar.india import india
from paceline.domain.account import AccountType, SessionState
from paceline.domain.calendar import Calendar, always_open
from paceline.domain.copying.decision import SizingInputs
from paceline.domain.copying.view import Equity, LeaderState
from paceline.domain.ids import AccountId, BrokerOrderId, SubscriptionId
from paceline.domain.instrument import Segment
from paceline.domain.ledger import Ledger
from paceline.domain.subscription import SizingMode
from paceline.ports.portfolios import Portfolio
from paceline.ports.prices import Price
from services.replicator.directory import Directory
from services.replicator.views import Views
from tests.fakes.clock import FakeClock
from tests.unit.domain.given import FOLLOWER, KEY, LEADER, SBIN, SHARE, d, fill, subscription
from tests.unit.replicator.given import (
    HOME,
    FakeMarket,
    FakeNews,
    FakePeople,
    FakePlans,
    FakeSubscriptions,
    PortfolioShelf,
    PriceShelf,
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


async def a_world(calendar: Calendar | None = None) -> World:
    clock, plans, people, market = FakeClock(auto_jump=True), FakePlans(), FakePeople(), FakeMarket()
    subscriptions = FakeSubscriptions()
    subscriptions.put(BY_RATIO)
    news = FakeNews(subscriptions, people)
    directory = Directory(news, subscriptions, people, people, clock)  # type: ignore[arg-type]  # as much as this needs
    await directory.gain([HOME])
    views = Views(
        directory,
        plans,  # type: ignore[arg-type]
        market,  # type: ignore[arg-type]
        PortfolioShelf(market),  # type: ignore[arg-type]
        PriceShelf(market),  # type: ignore[arg-type]
        calendar or always_open(),
        clock,
        60_000,
    )
    return World(clock, plans, people, market, views)


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
    market = await world.views.market(fill(10))
    assert (market.last_prices, market.instruments[SBIN]) == (told, SHARE)


async def test_instruments_are_remembered_for_a_while() -> None:
    world = await a_world()
    running = asyncio.create_task(world.views.forget_daily())
    for _ in range(3):
        await world.views.market(fill(10))
    assert world.market.reads == 1
    await world.clock.sleep(3_600)
    await world.views.market(fill(10))
    running.cancel()
    assert world.market.reads == 2


@pytest.mark.parametrize(
    ("equity", "age_s", "stale", "expected"),
    [
        pytest.param(500, 3, False, Equity(d(500), 3_000), id="fresh"),
        pytest.param(500, 61, False, None, id="too old"),
        pytest.param(0, 3, False, None, id="nothing left"),
        pytest.param(500, 3, True, None, id="reckoned on what is too old"),
    ],
)
async def test_an_equity_is_sized_with_while_it_is_good(
    equity: int, age_s: int, stale: bool, expected: Equity | None
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
