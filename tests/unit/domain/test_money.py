"""Money is decimal, keeps its currency, and is rounded toward the side that protects."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.errors import Invalid, Problem
from paceline.domain.money import (
    Money,
    ceil_to,
    decimal_of,
    floor_to,
    kept_part,
    lots_toward_zero,
    round_protective,
    slippage_bps,
    slippage_money,
)
from paceline.domain.order import Side
from tests.unit.domain.given import d

PRICES = st.decimals("0.01", "100000", places=4)
TICKS = st.sampled_from([d("0.05"), d("0.01"), d("0.0025"), d(1), d("2.5")])


@given(PRICES, TICKS)
def test_a_buyer_pays_no_more_and_a_seller_gets_no_less(price: Decimal, tick: Decimal) -> None:
    bought, sold = round_protective(price, tick, Side.BUY), round_protective(price, tick, Side.SELL)
    assert bought <= price <= sold
    assert bought % tick == sold % tick == 0
    assert sold - bought in (0, tick)
    assert (floor_to(price, tick), ceil_to(price, tick)) == (bought, sold)


@given(st.decimals(-1_000_000, 1_000_000, places=6), st.sampled_from([d(1), d(25), d("0.001"), d("1e-8")]))
def test_lots_go_toward_zero(quantity: Decimal, lot: Decimal) -> None:
    lots = lots_toward_zero(quantity, lot)
    assert lots % lot == 0
    assert lots * quantity >= 0
    assert abs(quantity) - lot < abs(lots) <= abs(quantity) + lot / 1_000_000


@given(st.integers(1, 10_000), st.lists(st.integers(2, 10_000), min_size=1, max_size=8))
def test_what_is_divided_and_grown_again_is_whole_again(start: int, wholes: list[int]) -> None:
    quantity = Decimal(start)
    for whole in wholes:
        quantity = kept_part(quantity, d(1), Decimal(whole)) * whole
    assert lots_toward_zero(quantity, d(1)) in (start, start - 1)
    one = kept_part(Decimal(start), d(1), d(3))
    assert lots_toward_zero(one * 3, d(1)) == start


@pytest.mark.parametrize(
    ("quantity", "lot", "lots"),
    [
        ("49", "25", "25"),
        ("50", "25", "50"),
        ("-74.9", "25", "-50"),
        ("24.99998", "25", "25"),
        ("24.99997", "25", "0"),
        ("0.0000019", "0.000001", "0.000001"),
        ("0", "25", "0"),
    ],
)
def test_a_millionth_of_a_lot_is_given_back(quantity: str, lot: str, lots: str) -> None:
    assert lots_toward_zero(Decimal(quantity), Decimal(lot)) == Decimal(lots)


@pytest.mark.parametrize(
    ("quantity", "kept", "whole", "part"),
    [
        ("10", "1", "4", "2.5"),
        ("-10", "3", "4", "-7.5"),
        ("10", "1", "3", "3.333333333333333333"),
        ("20", "1", "3", "6.666666666666666667"),
    ],
)
def test_the_part_kept_has_eighteen_places(quantity: str, kept: str, whole: str, part: str) -> None:
    assert str(kept_part(Decimal(quantity), Decimal(kept), Decimal(whole)).normalize()) == part


def test_nothing_kept_is_exactly_nothing() -> None:
    assert kept_part(d("3.7"), d(0), d(10)) == 0


def test_money_is_counted_in_one_currency() -> None:
    rupees = Money(d(10), "INR")
    assert rupees + rupees - Money(d(5), "INR") == Money(d(15), "INR")
    assert -rupees == rupees.times(-1)
    assert rupees.times(d("2.5")) == Money(d(25), "INR")
    with pytest.raises(Invalid) as refused:
        rupees + Money(d(1), "USDT")
    assert refused.value.problems == (Problem("currency", "USDT cannot be counted in INR"),)
    with pytest.raises(Invalid, match="INR cannot be counted in USDT"):
        Money(d(1), "USDT") - rupees


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must be a decimal number"),
        ("abc", "must be a decimal number"),
        ("1,5", "must be a decimal number"),
        ("NaN", "must be finite"),
        ("Infinity", "must be finite"),
    ],
)
def test_what_is_no_finite_number_is_refused_by_field(text: str, rule: str) -> None:
    with pytest.raises(Invalid) as refused:
        decimal_of(text, "price")
    assert refused.value.problems == (Problem("price", rule),)


def test_decimals_keep_every_digit() -> None:
    assert str(decimal_of("0.10", "price")) == "0.10"


def test_slippage_is_positive_where_the_copy_was_worse() -> None:
    assert slippage_bps(Side.BUY, d(101), d(100)) == 100
    assert slippage_bps(Side.SELL, d(101), d(100)) == -100
    assert slippage_bps(Side.SELL, d(198), d(200)) == 100
    assert slippage_money(Side.SELL, d(99), d(100), d(5), d(10)) == 50
    assert slippage_money(Side.BUY, d(99), d(100), d(5)) == -5
