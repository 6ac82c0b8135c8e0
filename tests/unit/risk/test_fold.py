"""A position after any history: its worth and the profit taken are exact together, rounded only between."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.risk.fold import FLAT, Position, after_trade, baseline, fold
from services.risk.scale import (
    WORTH_MAX,
    UnrepresentableError,
    decimal_of,
    price_units,
    share,
    units_of,
    whole,
)
from tests.unit.risk.given import account, fill

ME = account("F1").account_id

signed = st.integers(-500, 500).filter(bool)
prices = st.decimals("0.05", "9999.95", places=2)
histories = st.lists(st.tuples(signed, prices), max_size=40)


@given(histories, prices)
def test_profit_is_what_came_in_less_what_went_out(history: list[tuple[int, Decimal]], last: Decimal) -> None:
    position, gained = FLAT, 0
    paid = Decimal(0)
    for quantity, price in history:
        moved = fold(position, fill(ME, quantity, price))
        position, gained = moved.position, gained + moved.gained
        paid += quantity * price
    assert position.quantity == sum(quantity for quantity, _ in history)
    unrealised = position.quantity * units_of(last) - position.cost
    assert decimal_of(gained + unrealised) == position.quantity * last - paid


@given(histories)
def test_the_average_is_kept_while_closing_and_begun_anew_on_the_other_side(
    history: list[tuple[int, Decimal]],
) -> None:
    position = FLAT
    held, average = 0, Fraction(0)
    for quantity, price in history:
        position = fold(position, fill(ME, quantity, price)).position
        if held * quantity >= 0:
            average = (average * held + Fraction(price) * quantity) / (held + quantity)
        elif abs(quantity) > abs(held):
            average = Fraction(price)
        held += quantity
        exact = average * held * 10_000
        assert abs(exact - position.cost) <= len(history)
        assert held or position == FLAT


@pytest.mark.parametrize(
    ("before", "traded", "price", "after", "gained"),
    [
        (Position(10, 10_000_000), -4, "110", Position(6, 6_000_000), 400_000),
        (Position(-10, -10_000_000), 4, "90", Position(-6, -6_000_000), 400_000),
        (Position(10, 10_000_000), -15, "90", Position(-5, -4_500_000), -1_000_000),
        (Position(3, 1), -1, "1", Position(2, 1), 10_000),
    ],
)
def test_by_hand(before: Position, traded: int, price: str, after: Position, gained: int) -> None:
    assert fold(before, fill(ME, traded, price)) == (after, gained)
    assert after_trade(before, 0, 0) == (before, 0)


@given(st.integers(-(10**12), 10**12), st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_share_is_rounded_half_to_even(amount: int, part: int, of: int) -> None:
    assert share(amount, part, of) == round(Fraction(amount * part, of))
    assert share(amount, -part, -of) == share(amount, part, of)


def test_an_average_of_many_digits_is_rounded_once_as_cost() -> None:
    assert baseline(Decimal(3), Decimal("33.333333333333")) == Position(3, 1_000_000)


@pytest.mark.parametrize("quantity", ["0.5", "NaN", "Infinity"])
def test_parts_of_a_piece_are_not_counted(quantity: str) -> None:
    with pytest.raises(UnrepresentableError):
        whole(Decimal(quantity))


@pytest.mark.parametrize("amount", ["NaN", "-Infinity", str(WORTH_MAX)])
def test_what_does_not_fit_is_refused(amount: str) -> None:
    with pytest.raises(UnrepresentableError):
        units_of(Decimal(amount))


def test_a_price_of_the_wire_in_units() -> None:
    assert price_units(81235, 2) == 8_123_500
    assert price_units(8, 0) == 80_000
    assert price_units(123456, 5) == 12_346
