"""The end of the day: 18:00 on trading days, failures swept at the opening, proof that a position is gone."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.calendar import IST, Calendar, Hours, Regime, Schedule, always_open
from paceline.domain.copy_order import Intent
from paceline.domain.day_end import (
    BookRead,
    Evidence,
    at_rest,
    closing_lines,
    last_end,
    local,
    moment,
    net_of,
    swept_before,
    trading_days,
)
from paceline.domain.ids import InstrumentId, SubscriptionId
from paceline.domain.instrument import Exchange, InstrumentKey, Product, Segment
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry

AT = time(18)
FRIDAY, SATURDAY, SUNDAY, MONDAY, TUESDAY = (date(2026, 11, 20) + timedelta(days=n) for n in range(5))
DAYS = trading_days(
    Calendar(
        {
            (Exchange.NSE, Segment.CAPITAL_MARKET): Schedule(
                IST, (Regime(date(2020, 1, 1), (Hours(time(9, 15), time(15, 30)),)),), frozenset({TUESDAY})
            )
        }
    )
)
SBIN = InstrumentKey(InstrumentId("NSE:SBIN-EQ"), Product.INTRADAY)
SETTLE = 60_000_000_000


def ns(day: date, hour: int, minute: int = 0) -> int:
    return int(datetime.combine(day, time(hour, minute), IST).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ((FRIDAY, 17, 59), date(2026, 11, 19)),
        ((FRIDAY, 18, 0), FRIDAY),
        ((FRIDAY, 23, 59), FRIDAY),
        ((SATURDAY, 19, 0), FRIDAY),
        ((SUNDAY, 19, 0), FRIDAY),
        ((MONDAY, 9, 0), FRIDAY),
        ((MONDAY, 18, 0), MONDAY),
        ((TUESDAY, 18, 0), MONDAY),
    ],
)
def test_the_last_end_is_of_a_trading_day(now: tuple[date, int, int], end: date) -> None:
    assert last_end(ns(*now), AT, DAYS) == end


def test_where_nothing_trades_no_day_ends() -> None:
    assert last_end(ns(FRIDAY, 19), AT, lambda _day: False) is None
    assert swept_before(ns(FRIDAY, 19), lambda _day: False) == ns(FRIDAY - timedelta(days=1), 0)
    assert last_end(ns(SATURDAY, 19), AT, trading_days(always_open())) == SATURDAY


@pytest.mark.parametrize(
    ("now", "goes"),
    [
        ((FRIDAY, 9, 14), date(2026, 11, 19)),
        ((FRIDAY, 9, 15), FRIDAY),
        ((FRIDAY, 18, 0), FRIDAY),
        ((SATURDAY, 12, 0), FRIDAY),
        ((MONDAY, 9, 14), FRIDAY),
        ((MONDAY, 9, 16), MONDAY),
        ((TUESDAY, 12, 0), MONDAY),
    ],
)
def test_todays_failures_stay_and_yesterdays_until_the_opening(
    now: tuple[date, int, int], goes: date
) -> None:
    boundary = swept_before(ns(*now), DAYS)
    assert local(boundary).replace(tzinfo=None) == datetime.combine(goes, time.min)
    assert boundary > 0, "so those without a time go"


@given(st.integers(0, 40 * 24 * 60), st.integers(0, 24 * 60))
def test_what_was_swept_never_comes_back(minutes: int, more: int) -> None:
    now = ns(date(2026, 11, 1), 0) + minutes * 60_000_000_000
    later = now + more * 60_000_000_000
    assert swept_before(now, DAYS) <= swept_before(later, DAYS) <= moment(local(later).date(), time.min)


def read(hour: int, minute: int, held: int = 0, *, whole: bool = True, key: InstrumentKey = SBIN) -> BookRead:
    return BookRead(ns(FRIDAY, hour, minute), whole, {key: Decimal(held)} if held else {})


@pytest.mark.parametrize(
    ("first", "second", "stands"),
    [
        (read(18, 0), read(18, 1), True),
        (read(18, 0), read(18, 0), False),
        (read(17, 59), read(18, 1), False),
        (read(18, 0, whole=False), read(18, 1), False),
        (read(18, 0), read(18, 1, whole=False), False),
        (BookRead(ns(SATURDAY, 18), True, {}), BookRead(ns(SATURDAY, 19), True, {}), False),
    ],
)
def test_two_whole_readings_of_that_day_some_time_apart(
    first: BookRead, second: BookRead, stands: bool
) -> None:
    assert Evidence(first, second).stands(FRIDAY, AT, SETTLE) is stands


@pytest.mark.parametrize(
    ("first", "second", "held", "lacks"),
    [
        (0, 0, 5, True),
        (0, 0, -5, True),
        (5, 0, 5, False),
        (0, 5, 5, False),
        (0, 1, 5, False),
        (-3, -3, 5, True),
        (0, 0, 0, False),
    ],
)
def test_gone_is_what_neither_reading_shows_on_that_side(
    first: int, second: int, held: int, lacks: bool
) -> None:
    evidence = Evidence(read(18, 0, first), read(18, 1, second))
    assert evidence.lacks(SBIN, Decimal(held)) is lacks
    assert evidence.words() == "absent from the position book at 18:00:00 and 18:01:00 IST"


def test_a_converted_position_is_not_gone_and_a_delivered_one_is_not_looked_for_there() -> None:
    margin = InstrumentKey(SBIN.instrument_id, Product.MARGIN)
    assert not Evidence(read(18, 0), read(18, 1, 5, key=margin)).lacks(SBIN, Decimal(5))
    other = InstrumentKey(InstrumentId("NSE:IDEA-EQ"), Product.INTRADAY)
    assert Evidence(read(18, 0), read(18, 1, 5, key=other)).lacks(SBIN, Decimal(5))
    for product in (Product.CNC, Product.MTF, Product.SPOT):
        delivered = InstrumentKey(SBIN.instrument_id, product)
        assert not Evidence(read(18, 0), read(18, 1)).lacks(delivered, Decimal(5))


@pytest.mark.parametrize(
    ("product", "first", "second", "held", "lacks"),
    [
        (Product.CNC, set(), set(), 5, True),
        (Product.CNC, {SBIN.instrument_id}, set(), 5, False),
        (Product.CNC, set(), {SBIN.instrument_id}, 5, False),
        (Product.CNC, None, set(), 5, False),
        (Product.CNC, set(), None, 5, False),
        (Product.CNC, set(), set(), -5, False),
        (Product.MTF, set(), set(), 5, False),
        (Product.SPOT, set(), set(), 5, False),
    ],
)
def test_what_was_delivered_is_gone_when_the_holdings_lack_it_too(
    product: Product,
    first: set[InstrumentId] | None,
    second: set[InstrumentId] | None,
    held: int,
    lacks: bool,
) -> None:
    reads = [
        replace(read(18, minute), held=None if told is None else frozenset(told))
        for minute, told in ((0, first), (1, second))
    ]
    evidence = Evidence(*reads)
    assert evidence.lacks(InstrumentKey(SBIN.instrument_id, product), Decimal(held)) is lacks
    beside = "" if second is None else ", and the holdings read beside it,"
    assert evidence.words() == f"absent from the position book{beside} at 18:00:00 and 18:01:00 IST"


def test_a_fraction_that_was_delivered_is_looked_for_like_a_whole() -> None:
    reads = [replace(read(18, minute), held=frozenset()) for minute in (0, 1)]
    assert Evidence(*reads).lacks(InstrumentKey(SBIN.instrument_id, Product.CNC), Decimal("0.5"))
    shown = [replace(each, net={SBIN: Decimal("0.5")}) for each in reads]
    assert not Evidence(*shown).lacks(SBIN, Decimal("0.5"))


def test_a_row_of_nothing_shows_nothing() -> None:
    reads = [replace(read(18, minute), net={SBIN: Decimal(0)}) for minute in (0, 1)]
    assert Evidence(*reads).lacks(SBIN, Decimal(5))


def test_a_moment_is_of_the_second_it_lies_in() -> None:
    assert local(ns(FRIDAY, 18) - 1).time() == time(17, 59, 59)
    assert local(ns(FRIDAY, 18)).time() == time(18)


def test_what_was_delivered_and_stands_in_the_position_book_today_is_not_gone() -> None:
    delivered = InstrumentKey(SBIN.instrument_id, Product.CNC)
    reads = [replace(read(18, minute, 5, key=delivered), held=frozenset()) for minute in (0, 1)]
    assert not Evidence(*reads).lacks(delivered, Decimal(5))


def test_rows_of_one_key_are_one_number() -> None:
    other = InstrumentKey(SBIN.instrument_id, Product.MARGIN)
    assert net_of([(SBIN, Decimal(5)), (other, Decimal(1)), (SBIN, Decimal(-7))]) == {SBIN: -2, other: 1}


def test_what_is_gone_is_neither_held_nor_wanted_and_says_why() -> None:
    copies = SubscriptionId("s1")
    ledger = Ledger(ideal=Decimal("12.5"), entry_planned=Decimal(12), entry_filled=Decimal(12))
    assert closing_lines(copies, SBIN, ledger, "cause", "absent") == (
        LedgerEntry(copies, SBIN, EntryKind.ADJUSTED, Intent.EXIT, Decimal(-12), "cause", "absent"),
        LedgerEntry(copies, SBIN, EntryKind.FORGONE, Intent.ENTRY, Decimal("-12.5"), "cause", "absent"),
    )
    assert closing_lines(copies, SBIN, Ledger(), "cause", "absent") == ()


def test_at_rest_is_nothing_on_its_way() -> None:
    rest = Ledger(entry_planned=Decimal(5), entry_filled=Decimal(5))
    assert at_rest(rest)
    assert not at_rest(Ledger(entry_planned=Decimal(5), entry_filled=Decimal(4)))
    assert not at_rest(Ledger(exit_planned=Decimal(-5), exit_filled=Decimal(-4)))
    assert not at_rest(Ledger(buy_pledged=Decimal(5)))
    assert not at_rest(Ledger(sell_pledged=Decimal(-5)))
