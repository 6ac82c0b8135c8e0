"""Hours, square-off, expiry and the next morning by a driven clock; money and time as they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.account import Account, Holding
from simulator.clock import IST, Clock, Stamps, ist, ist_date, moment
from simulator.conditional import Conditionals, Leg
from simulator.day import TradingDay
from simulator.exchange import Exchange
from simulator.hours import Hours, Phase
from simulator.instruments import Segment, Venue
from simulator.market import Liquidity
from simulator.money import grouped, is_whole_paise, paise, round_to_tick, rupees
from simulator.orders import Product, Side, Source, Status
from tests.simulator.kit import IDEA, NIFTY, SBIN, limit, placed, wish

EQUITY = (Venue.NSE, Segment.CAPITAL)
FUTURES = (Venue.NSE, Segment.DERIVATIVES)
COMMODITY = (Venue.MCX, Segment.COMMODITY)


@pytest.mark.parametrize(
    ("market", "at", "phase"),
    [
        (EQUITY, "2026-11-02T08:59:59", Phase.CLOSED),
        (EQUITY, "2026-11-02T09:00:00", Phase.PREOPEN),
        (EQUITY, "2026-11-02T09:10:00", Phase.PREOPEN_CLOSED),
        (EQUITY, "2026-11-02T09:15:00", Phase.OPEN),
        (EQUITY, "2026-11-02T15:29:59", Phase.OPEN),
        (EQUITY, "2026-11-02T15:30:00", Phase.POSTCLOSE_CLOSED),
        (EQUITY, "2026-11-02T15:45:00", Phase.POSTCLOSE_START),
        (FUTURES, "2026-11-02T15:39:00", Phase.OPEN),
        (FUTURES, "2026-11-02T15:40:00", Phase.CLOSED),
        (COMMODITY, "2026-11-02T23:00:00", Phase.OPEN),
        (EQUITY, "2026-11-01T11:00:00", Phase.CLOSED),
        ((Venue.NSE, Segment.CURRENCY), "2026-11-02T11:00:00", Phase.CLOSED),
    ],
)
def test_real_hours(market: tuple[Venue, Segment], at: str, phase: Phase) -> None:
    assert Hours(real=True).phase(market, moment(at)) is phase


def test_without_real_hours_a_market_is_open_unless_it_is_shut() -> None:
    hours = Hours()
    assert hours.phase(EQUITY, moment("2026-11-01T03:00:00")) is Phase.OPEN
    hours.shut.add(EQUITY)
    assert hours.phase(EQUITY, 0) is Phase.CLOSED


@pytest.fixture
def day(exchange: Exchange) -> TradingDay:
    exchange.hours.real = True
    exchange.set_liquidity(Liquidity(spread_ticks=0))
    return TradingDay(exchange)


def at(exchange: Exchange, text: str) -> None:
    exchange.clock.set(moment(text), frozen=True)


def test_the_broker_squares_off_intraday_and_then_the_day_expires(
    exchange: Exchange, account: Account, day: TradingDay
) -> None:
    placed(exchange, account, wish(qty=10))
    placed(exchange, account, wish(qty=4, product=Product.CNC))
    working = placed(exchange, account, limit(79_000))
    kept = placed(exchange, account, limit(79_000, product=Product.CNC))

    at(exchange, "2026-11-02T15:15:00")
    assert not day.on_time()

    assert [one.product for one in account.open_positions()] == [Product.CNC]
    assert (working.status, kept.status) == (Status.CANCELLED, Status.PENDING)
    squared = [one for one in account.orders.values() if one.source is Source.BROKER]
    assert [(one.qty, one.side, one.status) for one in squared] == [(10, Side.SELL, Status.TRADED)]

    at(exchange, "2026-11-02T15:30:00")
    day.on_time()
    day.on_time()
    assert kept.status is Status.EXPIRED


def test_the_next_morning_books_are_empty_and_positions_carried(
    exchange: Exchange, account: Account, day: TradingDay
) -> None:
    price = exchange.markets[SBIN].ltp
    placed(exchange, account, wish(qty=4, product=Product.CNC))
    placed(exchange, account, wish(NIFTY, 65))
    cash, bound = account.cash, account.positions[NIFTY, Product.MARGIN].margin
    at(exchange, "2026-11-03T06:00:00")

    assert day.on_time()

    assert (account.orders, account.trades, exchange.orders) == ({}, [], {})
    assert account.holdings[SBIN].qty == 4
    assert account.cash == cash - 4 * price
    future = account.positions[NIFTY, Product.MARGIN]
    assert (future.net, future.carried_buy, future.buy_qty, account.used) == (65, 65, 65, bound)
    assert exchange.markets[SBIN].previous_close == price


def test_sold_holdings_leave_and_are_paid(exchange: Exchange, account: Account, day: TradingDay) -> None:
    instrument = exchange.markets[SBIN].instrument
    account.holdings[SBIN] = Holding(instrument, 10, 70_000)
    account.holdings[IDEA] = Holding(exchange.markets[IDEA].instrument, 5, 800)
    price, cash = exchange.markets[SBIN].ltp, account.cash
    placed(exchange, account, wish(qty=6, side=Side.SELL, product=Product.CNC))
    placed(exchange, account, wish(IDEA, 5, side=Side.SELL, product=Product.CNC))

    day.begin()

    assert account.holdings[SBIN].qty == 4
    assert IDEA not in account.holdings
    assert account.cash == cash + 6 * price + 5 * exchange.markets[IDEA].ltp


def test_buying_more_of_a_holding_averages_its_cost(
    exchange: Exchange, account: Account, day: TradingDay
) -> None:
    exchange.move(SBIN, 80_000)
    account.holdings[SBIN] = Holding(exchange.markets[SBIN].instrument, 10, 70_000)
    placed(exchange, account, wish(qty=10, product=Product.CNC))
    day.begin()
    assert (account.holdings[SBIN].qty, account.holdings[SBIN].cost) == (20, 75_000)


def test_without_real_hours_the_clock_brings_nothing_about(exchange: Exchange, account: Account) -> None:
    order = placed(exchange, account, limit(79_000))
    day = TradingDay(exchange)
    exchange.clock.advance(72 * 3600)
    assert not day.on_time()
    assert order.status is Status.PENDING


def test_legs_on_a_position_close_it_at_their_price(exchange: Exchange, account: Account) -> None:
    exchange.set_liquidity(Liquidity(spread_ticks=0))
    conditionals = Conditionals(exchange)
    exchange.move(SBIN, 80_000)
    placed(exchange, account, wish())
    position = account.positions[SBIN, Product.INTRADAY]
    conditionals.attach(position, 1_000, 500, 1)
    exchange.move(SBIN, 80_900)
    assert position.net == 10

    exchange.move(SBIN, 81_000)

    assert (position.net, position.realised) == (0, 10_000)
    placed(exchange, account, wish(side=Side.SELL))
    conditionals.attach(position, 0, 100, 2)
    exchange.move(SBIN, 81_800)
    assert position.net == -10
    exchange.move(SBIN, 81_900)
    assert position.net == 0


def test_the_first_leg_of_a_pair_ends_the_other(exchange: Exchange, account: Account) -> None:
    conditionals = Conditionals(exchange)
    exchange.move(SBIN, 80_000)
    placed(exchange, account, wish(qty=5, product=Product.CNC))
    legs = [Leg(82_000, 82_000, 5), Leg(78_000, 78_000, 5)]
    gtt = conditionals.place(account, exchange.markets[SBIN].instrument, Side.SELL, Product.CNC, legs)

    exchange.move(SBIN, 77_950)
    exchange.move(SBIN, 82_500)

    assert gtt.status is Status.TRADED
    assert [one.limit for one in account.orders.values() if one.source is Source.BROKER] == [78_000]


def test_a_clock_can_be_frozen_shifted_and_released() -> None:
    clock = Clock()
    clock.set(moment("2026-11-02T09:15:00"), frozen=True)
    assert clock.wall_ns() == clock.wall_ns()
    clock.advance(60)
    assert ist(clock.wall_ns()).strftime("%H:%M:%S") == "09:16:00"
    clock.set(moment("2030-01-01T00:00:00+05:30"), frozen=False)
    clock.advance(3600)
    assert ist(clock.wall_ns()).year == 2030
    clock.release()
    assert ist_date(clock.wall_ns()).year < 2030
    assert clock.mono_ns() <= clock.mono_ns()


def test_times_are_written_as_the_broker_writes_them() -> None:
    stamps = Stamps()
    at_ = moment("2023-12-18T13:51:30")
    assert stamps.text(at_) == "18-Dec-2023 13:51:30"
    assert stamps.numeric(at_ + 1) == "18-12-2023 13:51:30"
    assert ist(at_).tzinfo is IST


@given(st.integers(-(10**12), 10**12))
def test_paise_survive_the_way_to_rupees_and_back(amount: int) -> None:
    assert paise(rupees(amount)) == amount
    assert is_whole_paise(rupees(amount))


def test_amounts_are_grouped_the_indian_way() -> None:
    assert grouped(52_569_020) == "5,25,690.20"
    assert grouped(-12_345_678_901) == "-12,34,56,789.01"
    assert grouped(5) == "0.05"
    assert (paise(7), paise("8.15"), round_to_tick(82, 5)) == (700, 815, 80)
    assert not is_whole_paise(100.003)
