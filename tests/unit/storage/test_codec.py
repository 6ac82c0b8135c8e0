"""Domain values survive their way through JSON."""

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.adapters.postgres.codec import from_json, to_json
from paceline.domain.order import Fee, Fill, OrderReport
from paceline.domain.position import PositionReport
from paceline.domain.subscription import Caps, Filters, Subscription

decimals = st.decimals(allow_nan=False, allow_infinity=False, places=8)
st.register_type_strategy(Decimal, decimals)


@pytest.mark.parametrize(
    "kind", [OrderReport, Fill, PositionReport, Filters, Caps, Subscription], ids=lambda kind: kind.__name__
)
@given(data=st.data())
def test_what_is_written_reads_back_the_same(kind: type, data: st.DataObject) -> None:
    value = data.draw(st.from_type(kind))
    assert from_json(kind, json.loads(json.dumps(to_json(value)))) == value


def test_a_decimal_keeps_every_digit() -> None:
    fee = Fee("stt", Decimal("0.10000000000000000001"), "INR")
    assert to_json(fee) == {"name": "stt", "amount": "0.10000000000000000001", "currency": "INR"}


@dataclass(frozen=True, slots=True)
class Newer:
    """A row written before `added` existed still reads."""

    day: date
    added: tuple[int, ...] = (1,)


def test_fields_that_an_older_row_lacks_take_their_defaults() -> None:
    assert from_json(Newer, {"day": "2026-01-26"}) == Newer(date(2026, 1, 26))


def test_what_has_no_form_in_json_is_refused() -> None:
    with pytest.raises(TypeError, match="complex"):
        to_json(1j)
