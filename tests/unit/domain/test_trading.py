"""Prices and quantities that an exchange accepts; instruments found by whole names only."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.copying.protect import locked, order_type, protected_limit
from paceline.domain.errors import Problem
from paceline.domain.instrument import Exchange
from paceline.domain.instrument_master import FileRead, canonical, complaint
from paceline.domain.order import OrderType, Side
from paceline.domain.subscription import ExecutionStyle
from paceline.domain.trading import largest_order, price_problems, quantity_problems, slices
from tests.unit.domain.given import SHARE, d, instrument

BANDED = instrument(lot=25, freeze=1801, band=(90, 110))


FIFTY = instrument(lot=1, band=(1, 50))


@pytest.mark.parametrize("price", ["90", "110"])
def test_the_ends_of_a_band_can_be_traded_at(price: str) -> None:
    assert price_problems(BANDED, Decimal(price)) == ()


def test_the_least_that_is_positive_can_be_ordered() -> None:
    assert price_problems(SHARE, d("0.05")) == ()
    assert price_problems(FIFTY, d(1)) == ()
    assert quantity_problems(SHARE, d(1)) == ()
    assert quantity_problems(instrument(lot="0.001"), d("0.001")) == ()


def test_the_freeze_quantity_itself_is_too_much() -> None:
    frozen = instrument(freeze=100)
    assert quantity_problems(frozen, d(99)) == ()
    assert quantity_problems(frozen, d(100)) == (
        Problem("quantity", "must be below the freeze quantity 100"),
    )


def test_a_problem_names_the_field_that_was_asked_about() -> None:
    assert price_problems(SHARE, d(0)) == (Problem("limit_price", "must be positive"),)
    assert price_problems(SHARE, d("0.01"), "trigger_price") == (
        Problem("trigger_price", "must be a multiple of the tick 0.05"),
    )
    assert quantity_problems(SHARE, d(0)) == (Problem("quantity", "must be positive"),)
    assert quantity_problems(SHARE, d("0.5"), "disclosed") == (
        Problem("disclosed", "must be a multiple of the lot 1"),
    )


@pytest.mark.parametrize(
    ("freeze", "lot", "largest"), [(101, 1, 100), (101, 25, 100), (100, 25, 75), (25, 25, 25), (20, 25, 25)]
)
def test_the_largest_order_is_whole_lots_below_the_freeze(freeze: int, lot: int, largest: int) -> None:
    share = instrument(lot=lot, freeze=freeze)
    assert largest_order(share) == largest
    assert slices(share, d(largest)) == (d(largest),)
    assert slices(share, d(largest + lot)) == (d(largest), d(lot))
    assert slices(share, d(2 * largest)) == (d(largest), d(largest))


@pytest.mark.parametrize(
    ("last", "buying", "selling"), [("90", False, True), ("90.05", False, False), ("110", True, False)]
)
def test_at_the_end_of_its_band_nobody_is_on_the_other_side(last: str, buying: bool, selling: bool) -> None:
    assert locked(BANDED, Decimal(last), Side.BUY) is buying
    assert locked(BANDED, Decimal(last), Side.SELL) is selling
    assert not locked(SHARE, Decimal(last), Side.BUY)
    assert not locked(SHARE, Decimal(last), Side.SELL)


@pytest.mark.parametrize(
    ("price", "rules"),
    [
        ("100.05", []),
        ("100.03", ["must be a multiple of the tick 0.05"]),
        ("89.95", ["must not be below the lower band 90"]),
        ("110.03", ["must be a multiple of the tick 0.05", "must not be above the upper band 110"]),
        ("0", ["must be positive"]),
        ("NaN", ["must be positive"]),
    ],
)
def test_a_price_breaks_every_rule_by_name(price: str, rules: list[str]) -> None:
    assert [problem.rule for problem in price_problems(BANDED, Decimal(price))] == rules


@pytest.mark.parametrize(
    ("quantity", "rules"),
    [
        ("1800", []),
        ("30", ["must be a multiple of the lot 25"]),
        ("1825", ["must be below the freeze quantity 1801"]),
        ("-25", ["must be positive"]),
        ("Infinity", ["must be positive"]),
    ],
)
def test_a_quantity_breaks_every_rule_by_name(quantity: str, rules: list[str]) -> None:
    assert [problem.rule for problem in quantity_problems(BANDED, Decimal(quantity))] == rules


def test_nothing_freezes_where_no_freeze_is_set() -> None:
    assert largest_order(SHARE) is None
    assert slices(SHARE, d(10**9)) == (d(10**9),)


@given(st.integers(1, 500), st.sampled_from([1, 15, 25, 75]), st.integers(1, 2000))
def test_slices_add_up_and_each_can_be_ordered(lots: int, lot: int, freeze: int) -> None:
    share = instrument(lot=lot, freeze=freeze)
    parts = slices(share, d(lots * lot))
    assert sum(parts) == lots * lot
    assert all(part % lot == 0 and part > 0 for part in parts)
    assert all(part < freeze for part in parts) or freeze <= lot
    assert len(set(parts[:-1])) <= 1


@given(
    st.decimals("91", "109", places=2),
    st.integers(0, 1500),
    st.sampled_from(Side),
)
def test_a_protected_limit_is_on_the_tick_in_the_band_and_within_the_allowance(
    price: Decimal, bps: int, side: Side
) -> None:
    limit = protected_limit(BANDED, side, price, d(bps))
    assert limit % BANDED.tick == 0
    assert 90 <= limit <= 110
    assert (limit - price) * int(side) <= price * bps / 10_000


def test_a_limit_is_never_below_one_tick() -> None:
    assert protected_limit(SHARE, Side.BUY, d("0.02"), d(0)) == d("0.05")


def test_a_reference_outside_the_band_is_brought_to_its_edge() -> None:
    odd = instrument(band=(90, 110))
    assert protected_limit(odd, Side.BUY, d(120), d(0)) == 110
    assert protected_limit(odd, Side.SELL, d(80), d(0)) == 90


def test_a_bare_market_order_stands_only_where_exchanges_fill_it() -> None:
    crypto = instrument(exchange=Exchange.CRYPTO)
    assert order_type(crypto, ExecutionStyle.MARKET) is OrderType.MARKET
    assert order_type(crypto, ExecutionStyle.PROTECTED_LIMIT) is OrderType.LIMIT
    assert order_type(SHARE, ExecutionStyle.MARKET) is OrderType.LIMIT


def test_no_part_of_a_symbol_is_stripped() -> None:
    assert canonical(" nse:dalbharat-eq ") == "NSE:DALBHARAT-EQ"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"NSE_CM": FileRead(1_000), "NSE_FO": FileRead(500, 5)}, None),
        ({"NSE_CM": FileRead(600), "NSE_FO": FileRead(500)}, None),
        ({"NSE_CM": FileRead(499)}, "NSE_CM names 499 instruments and named 1000 before"),
        ({"NSE_CM": FileRead(1_000), "NSE_FO": FileRead(0)}, "NSE_FO names no instrument"),
        ({"NSE_CM": FileRead(1_000, 11)}, "11 of 1011 rows of NSE_CM cannot be read"),
        ({"NSE_CM": FileRead(500)}, None),
        ({"NSE_CM": FileRead(1_980, 20)}, None),
        ({"NSE_CM": FileRead(1_980, 21)}, "21 of 2001 rows of NSE_CM cannot be read"),
        ({"NEW": FileRead(3, 10)}, None),
        ({"NEW": FileRead(3, 11)}, "11 of 14 rows of NEW cannot be read"),
    ],
)
def test_a_master_that_is_not_whole_is_refused_with_its_reason(
    files: dict[str, FileRead], words: str | None
) -> None:
    assert complaint({"NSE_CM": 1_000, "NSE_FO": 500}, files, 50) == words
