"""Exchanges trade in their own zone, on their own days, in phases."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest

from paceline.domain.calendar import (
    IST,
    NEVER_OPEN,
    NS_PER_S,
    AlwaysOpen,
    Calendar,
    Hours,
    Phase,
    Regime,
    Schedule,
    TradingClass,
    always_open,
    day_end_ns,
    trading_day,
    us_daylight_saving,
    zone_of,
)
from paceline.domain.ids import InstrumentId
from paceline.domain.instrument import Exchange, Instrument, InstrumentKind, Segment

CASH = (
    Hours(time(9), time(9, 8), Phase.PRE_OPEN),
    Hours(time(9, 15), time(15, 30)),
    Hours(time(15, 40), time(16), Phase.POST_CLOSE),
)
AUCTION = (Hours(time(9, 15), time(15, 15)), Hours(time(15, 15), time(15, 35), Phase.CLOSING_AUCTION))
NSE = Schedule(
    IST,
    (Regime(date(2025, 1, 1), CASH),),
    holidays=frozenset({date(2026, 1, 26)}),
    special={date(2026, 11, 8): (Hours(time(18), time(19)),)},
    known_until=date(2026, 12, 31),
)
AUCTIONED = Schedule(IST, (Regime(date(2025, 1, 1), CASH), Regime(date(2026, 8, 3), AUCTION)))
METALS = Schedule(
    IST,
    (Regime(date(2025, 1, 1), (Hours(time(9), time(23, 30)),), us_winter=(Hours(time(9), time(23, 55)),)),),
)
SHARES = (Exchange.NSE, Segment.CAPITAL_MARKET)
COMMODITIES = (Exchange.MCX, Segment.COMMODITY_DERIVATIVES)
CALENDAR = Calendar(
    {SHARES: NSE, COMMODITIES: METALS, (Exchange.CRYPTO, Segment.CRYPTO_SPOT): AlwaysOpen()},
    {(*SHARES, TradingClass.AUCTIONED): AUCTIONED},
    {(Exchange.MCX, "MENTHAOIL"): TradingClass.AGRI},
)


def at(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=IST).timestamp()) * NS_PER_S  # type: ignore[arg-type,misc]  # year to second


def an_instrument(exchange: Exchange, segment: Segment, underlying: str = "") -> Instrument:
    return Instrument(
        InstrumentId("X"),
        exchange,
        segment,
        InstrumentKind.EQUITY,
        Decimal(1),
        Decimal("0.05"),
        underlying=underlying,
    )


@pytest.mark.parametrize(
    ("moment", "phase"),
    [
        ((2026, 1, 27, 8, 59, 59), Phase.CLOSED),
        ((2026, 1, 27, 9, 0), Phase.PRE_OPEN),
        ((2026, 1, 27, 9, 8), Phase.CLOSED),
        ((2026, 1, 27, 9, 14, 59), Phase.CLOSED),
        ((2026, 1, 27, 9, 15), Phase.NORMAL),
        ((2026, 1, 27, 15, 29, 59), Phase.NORMAL),
        ((2026, 1, 27, 15, 30), Phase.CLOSED),
        ((2026, 1, 27, 15, 40), Phase.POST_CLOSE),
        ((2026, 1, 26, 10, 0), Phase.CLOSED),
        ((2026, 1, 25, 10, 0), Phase.CLOSED),
        ((2026, 11, 8, 18, 30), Phase.NORMAL),
        ((2026, 11, 8, 10, 0), Phase.CLOSED),
        ((2024, 12, 31, 10, 0), Phase.CLOSED),
    ],
)
def test_a_day_has_phases_and_a_week_has_holidays(moment: tuple[int, ...], phase: Phase) -> None:
    assert NSE.phase(at(*moment)) is phase
    assert CALENDAR.is_open(*SHARES, at(*moment)) is (phase is Phase.NORMAL)


@pytest.mark.parametrize(
    ("moment", "phase"),
    [
        ((2026, 7, 31, 15, 20), Phase.NORMAL),
        ((2026, 8, 3, 15, 14, 59), Phase.NORMAL),
        ((2026, 8, 3, 15, 15), Phase.CLOSING_AUCTION),
        ((2026, 8, 3, 15, 35), Phase.CLOSED),
    ],
)
def test_hours_change_from_one_day_on(moment: tuple[int, ...], phase: Phase) -> None:
    assert CALENDAR.of(*SHARES, TradingClass.AUCTIONED).phase(at(*moment)) is phase


def test_the_closing_auction_takes_copies() -> None:
    assert CALENDAR.is_open(*SHARES, at(2026, 8, 3, 15, 32), TradingClass.AUCTIONED)
    assert not CALENDAR.is_open(*SHARES, at(2026, 8, 3, 15, 32))


@pytest.mark.parametrize(
    ("day", "saving"),
    [
        (date(2026, 3, 7), False),
        (date(2026, 3, 8), True),
        (date(2026, 10, 31), True),
        (date(2026, 11, 1), False),
        (date(2025, 3, 9), True),
        (date(2027, 3, 13), False),
    ],
)
def test_metals_close_with_new_york(day: date, saving: bool) -> None:
    assert us_daylight_saving(day) is saving
    nearest = day + timedelta(days=-day.weekday() % 7)
    late = at(nearest.year, nearest.month, nearest.day, 23, 40)
    assert METALS.is_open(late) is not us_daylight_saving(nearest)


def test_what_has_no_hours_of_its_own_keeps_those_of_its_segment() -> None:
    assert CALENDAR.of(*COMMODITIES, TradingClass.AGRI) is METALS


def test_an_instrument_has_a_class() -> None:
    share = an_instrument(*SHARES)
    assert CALENDAR.class_of(share) is TradingClass.REGULAR
    assert CALENDAR.class_of(replace(share, has_derivatives=True)) is TradingClass.AUCTIONED
    future = an_instrument(Exchange.NSE, Segment.EQUITY_DERIVATIVES, "SBIN")
    assert CALENDAR.class_of(replace(future, has_derivatives=True)) is TradingClass.REGULAR
    assert CALENDAR.class_of(an_instrument(*COMMODITIES, "MENTHAOIL")) is TradingClass.AGRI


def test_an_instrument_trades_by_the_hours_of_its_class() -> None:
    share = an_instrument(*SHARES)
    auction = at(2026, 8, 3, 15, 32)
    assert not CALENDAR.trades(share, auction)
    assert CALENDAR.trades(replace(share, has_derivatives=True), auction)


@pytest.mark.parametrize(
    ("moment", "opening"),
    [
        ((2026, 1, 27, 10, 0), (2026, 1, 27, 10, 0)),
        ((2026, 1, 27, 9, 3), (2026, 1, 27, 9, 15)),
        ((2026, 1, 27, 15, 45), (2026, 1, 28, 9, 15)),
        ((2026, 1, 23, 16, 0), (2026, 1, 27, 9, 15)),
        ((2026, 11, 7, 12, 0), (2026, 11, 8, 18, 0)),
    ],
)
def test_the_next_opening_is_past_nights_weekends_and_holidays(
    moment: tuple[int, ...], opening: tuple[int, ...]
) -> None:
    assert NSE.next_open(at(*moment)) == at(*opening)


def test_between_normal_hours_and_the_auction_nothing_opens() -> None:
    assert AUCTIONED.next_open(at(2026, 8, 3, 15, 35)) == at(2026, 8, 4, 9, 15)


def test_what_never_opens_has_no_opening() -> None:
    assert NEVER_OPEN.next_open(at(2026, 1, 27, 10, 0)) is None
    assert CALENDAR.next_trading_day(Exchange.NCDEX, Segment.COMMODITY_DERIVATIVES, date(2026, 1, 1)) is None


@pytest.mark.parametrize(
    ("moment", "changed"),
    [
        ((2026, 1, 27, 8, 0), (2026, 1, 27, 0, 0)),
        ((2026, 1, 27, 9, 15), (2026, 1, 27, 9, 15)),
        ((2026, 1, 27, 12, 0), (2026, 1, 27, 9, 15)),
        ((2026, 1, 27, 20, 0), (2026, 1, 27, 16, 0)),
        ((2026, 1, 26, 12, 0), (2026, 1, 26, 0, 0)),
    ],
)
def test_a_schedule_knows_when_it_last_changed(moment: tuple[int, ...], changed: tuple[int, ...]) -> None:
    assert NSE.changed_ns(at(*moment)) == at(*changed)


def test_trading_days_skip_weekends_and_holidays() -> None:
    assert CALENDAR.next_trading_day(*SHARES, date(2026, 1, 23)) == date(2026, 1, 27)
    assert CALENDAR.next_trading_day(*SHARES, date(2026, 11, 6)) == date(2026, 11, 8)
    assert NSE.trades_on(date(2026, 1, 27))
    assert not NSE.trades_on(date(2026, 1, 26))


def test_days_beyond_the_holiday_lists_are_ordinary_and_said_to_be_unknown() -> None:
    assert NSE.trades_on(date(2027, 1, 26))
    assert not NSE.knows(date(2027, 1, 26))
    assert NSE.knows(date(2026, 12, 31))
    assert AUCTIONED.knows(date(2030, 1, 1))


def test_crypto_never_closes_and_the_unknown_never_opens() -> None:
    sunday = at(2026, 1, 25, 3, 0)
    assert CALENDAR.is_open(Exchange.CRYPTO, Segment.CRYPTO_SPOT, sunday)
    assert not CALENDAR.is_open(Exchange.NCDEX, Segment.COMMODITY_DERIVATIVES, sunday)


def test_always_open_is_open_whatever_is_asked() -> None:
    sunday, sessions = at(2026, 1, 25, 3, 0), always_open().of(*SHARES)
    assert sessions.is_open(sunday)
    assert sessions.phase(sunday) is Phase.NORMAL
    assert sessions.next_open(sunday) == sunday
    assert sessions.changed_ns(sunday) <= sunday
    assert sessions.trades_on(date(2026, 1, 25))
    assert sessions.knows(date(2030, 1, 1))


def test_hours_are_cut_to_a_part_of_the_day() -> None:
    day = Hours(time(9), time(23, 30))
    assert day.within(time(17), time.max) == Hours(time(17), time(23, 30))
    assert day.within(time.min, time(9)) is None


def test_the_next_trading_day_may_be_tomorrow() -> None:
    friday = date(2026, 11, 20)
    assert CALENDAR.next_trading_day(*SHARES, friday - timedelta(days=1)) == friday
    assert CALENDAR.next_trading_day(*SHARES, friday) == friday + timedelta(days=3)


def test_what_is_left_of_hours_keeps_its_phase() -> None:
    auction = Hours(time(15, 15), time(15, 35), Phase.CLOSING_AUCTION)
    assert auction.within(time(15, 20), time(18)) == Hours(time(15, 20), time(15, 35), Phase.CLOSING_AUCTION)
    assert auction.within(time(9), time(15, 15)) is None
    assert auction.within(time(15, 35), time(18)) is None


def test_hours_hold_to_their_last_nanosecond() -> None:
    closes = int(datetime(2026, 11, 20, 15, 30, tzinfo=IST).timestamp()) * NS_PER_S
    assert NSE.phase(closes - 1) is Phase.NORMAL
    assert NSE.phase(closes) is Phase.CLOSED


@pytest.mark.parametrize(("exchange", "zone"), [(Exchange.NSE, IST), (Exchange.CRYPTO, UTC)])
def test_a_trading_day_ends_at_midnight_where_the_exchange_stands(exchange: Exchange, zone: timezone) -> None:
    midnight = int(datetime(2026, 11, 21, tzinfo=zone).timestamp()) * NS_PER_S
    assert trading_day(exchange, midnight - 1) == date(2026, 11, 20)
    assert trading_day(exchange, midnight) == date(2026, 11, 21)
    assert day_end_ns(exchange, midnight - 1) == midnight
    assert day_end_ns(exchange, midnight) == midnight + 86_400 * NS_PER_S


def test_every_exchange_has_its_zone() -> None:
    assert zone_of(Exchange.CRYPTO) is UTC
    assert {zone_of(e).utcoffset(None) for e in Exchange if e is not Exchange.CRYPTO} == {
        timedelta(hours=5, minutes=30)
    }
    late = at(2026, 1, 28, 2, 0)
    assert trading_day(Exchange.NSE, late) == date(2026, 1, 28)
    assert trading_day(Exchange.CRYPTO, late) == date(2026, 1, 27)
