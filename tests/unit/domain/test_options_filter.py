"""Which options are entered; what is no option passes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from paceline.domain.calendar import trading_day
from paceline.domain.copying.decision import SkipReason
from paceline.domain.copying.options import outside, underlying_of
from paceline.domain.copying.plan import plan
from paceline.domain.copying.view import Copier, Market
from paceline.domain.ids import InstrumentId
from paceline.domain.instrument import Exchange, Instrument, InstrumentKind
from paceline.domain.subscription import Filters, OptionsFilter
from tests.unit.domain.given import NOW, SBIN, SHARE, d, event, fill, instrument, leader, subscription

TODAY = trading_day(Exchange.NSE, NOW)
CALL, PUT = InstrumentKind.CALL, InstrumentKind.PUT
NIFTY = InstrumentId("NSE:NIFTY50-INDEX")


def option(
    kind: InstrumentKind = CALL, underlying: str = "NIFTY", days: int | None = 3, strike: int | None = 100
) -> Instrument:
    return replace(
        SHARE,
        kind=kind,
        underlying=underlying,
        expiry=None if days is None else TODAY + timedelta(days),
        strike=None if strike is None else d(strike),
    )


def judged(options: OptionsFilter, traded: Instrument, price: int | None = 100) -> tuple[object, str]:
    prices = {} if price is None else {underlying_of(traded): d(price)}
    settings = replace(subscription(), filters=Filters(options=options))
    happened = event(fill(10))
    (decision,) = plan(happened, leader(), [Copier(settings)], Market({SBIN: traded}, NOW, prices)).decisions
    return decision.reason, decision.detail


PASS = [
    (OptionsFilter(kinds=frozenset({PUT})), SHARE),
    (OptionsFilter(), option()),
    (OptionsFilter(kinds=frozenset({CALL})), option()),
    (OptionsFilter(index_options=True, stock_options=False), option()),
    (OptionsFilter(min_days_to_expiry=3, max_days_to_expiry=3), option()),
    (OptionsFilter(max_moneyness_bps=d(300)), option(strike=103)),
]


@pytest.mark.parametrize(("options", "traded"), PASS)
def test_what_the_filter_accepts_enters(options: OptionsFilter, traded: Instrument) -> None:
    assert judged(options, traded) == (None, "")


STOPPED = [
    (OptionsFilter(kinds=frozenset({PUT})), option(), 100, "calls are not accepted"),
    (OptionsFilter(index_options=False), option(), 100, "options on indices are not accepted"),
    (
        OptionsFilter(stock_options=False),
        option(underlying="SBIN"),
        100,
        "options on shares are not accepted",
    ),
    (OptionsFilter(min_days_to_expiry=4), option(), 100, "it expires in 3 days"),
    (OptionsFilter(max_days_to_expiry=2), option(), 100, "it expires in 3 days"),
    (OptionsFilter(max_days_to_expiry=2), option(days=None), 100, "the expiry is not known"),
    (OptionsFilter(max_moneyness_bps=d(299)), option(strike=103), 100, "the strike 103 is too far from 100"),
    (OptionsFilter(max_moneyness_bps=d(9)), option(), None, "the price of the underlying is not known"),
]


@pytest.mark.parametrize(("options", "traded", "price", "words"), STOPPED)
def test_what_it_does_not_is_skipped_with_the_part_that_failed(
    options: OptionsFilter, traded: Instrument, price: int | None, words: str
) -> None:
    assert judged(options, traded, price) == (SkipReason.OPTIONS_FILTER, words)


def test_what_is_no_option_is_not_judged() -> None:
    assert outside(OptionsFilter(kinds=frozenset({PUT})), SHARE, TODAY, None) == ""


def test_an_index_is_quoted_under_a_name_of_its_own() -> None:
    assert underlying_of(option()) == NIFTY
    assert underlying_of(option(underlying="SBIN")) == "NSE:SBIN-EQ"


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("last", "signed", "locked"), [(110, 5, True), (110, -5, False), (90, -5, True), (90, 5, False)]
)
def test_nothing_is_entered_where_nobody_takes_the_other_side(
    last: int, signed: int, locked: bool, reverse: bool
) -> None:
    settings = replace(subscription(), filters=Filters(allowance_bps=d(5_000)), reverse=reverse)
    signed = -signed if reverse else signed
    banded = Market({SBIN: instrument(band=(90, 110))}, NOW, {SBIN: d(last)})
    (decision,) = plan(event(fill(signed)), leader(), [Copier(settings)], banded).decisions
    assert (decision.reason is SkipReason.CIRCUIT_LOCKED) is locked
