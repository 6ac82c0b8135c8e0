"""Exact decimals as plain text."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.adapters.wire.decimals import decimal_at, decimal_or_none, decimal_or_zero, text_of
from paceline.api.v1 import common_pb2
from paceline.domain.errors import Invalid


def money(text: str) -> common_pb2.Money:
    return common_pb2.Money(amount=common_pb2.Decimal(value=text))


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=18))
def test_every_bearable_number_comes_back_with_its_digits(value: Decimal) -> None:
    read = decimal_at(money(text_of(value)), "amount")
    assert (read, text_of(read)) == (value, text_of(value))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-8"), "0.00000001"),
        (Decimal("0E-8"), "0.00000000"),
        (Decimal("0E+3"), "0"),
        (Decimal("-0"), "-0"),
        (Decimal("1.50"), "1.50"),
    ],
)
def test_exponents_are_written_out(value: Decimal, text: str) -> None:
    assert text_of(value) == text
    assert decimal_at(money(text), "amount") == value


@pytest.mark.parametrize(
    "value", ["NaN", "sNaN", "Infinity", "-Infinity", "1E+64", "1E-70", "1E+999999", "0E-99"]
)
def test_what_has_no_plain_form_is_not_sent(value: str) -> None:
    with pytest.raises(Invalid, match="must be a plain decimal number"):
        text_of(Decimal(value))


@pytest.mark.parametrize(
    "text",
    [
        "+1",
        "1e3",
        "1E3",
        " 1",
        "1 ",
        "1_000",
        "1,000",
        ".5",
        "1.",
        "007",
        "--1",
        "NaN",
        "inf",
        "٣",
        "1" * 65,
        "-",
    ],
)
def test_what_is_not_plain_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        decimal_or_zero(money(text), "amount")
    assert [problem.field for problem in caught.value.problems] == ["amount"]


def test_absence_is_what_the_field_says_it_is() -> None:
    absent = common_pb2.Money()
    assert decimal_or_zero(absent, "amount") == 0
    assert decimal_or_none(absent, "amount") is None
    with pytest.raises(Invalid, match="amount: must be set"):
        decimal_at(absent, "amount")


def test_there_but_empty_is_no_number() -> None:
    for read in (decimal_or_zero, decimal_or_none, decimal_at):
        with pytest.raises(Invalid):
            read(money(""), "amount")
