"""From flat to flat: one row, whatever fills it is made of."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.ids import EventIdentity
from paceline.domain.order import Fill, Side
from paceline.domain.position import PositionReport
from paceline.domain.trade import Trade, after_baseline, after_fill, ended
from tests.unit.domain.given import KEY, LEADER, NOW, SHARE, d, fill

PAISE = Decimal("0.01")
moves = st.lists(
    st.tuples(st.integers(-20, 20).filter(bool), st.integers(1, 99_999)), min_size=1, max_size=20
)
_names = count(1)


def traded(signed: int, price: int | str, order: str = "1") -> Fill:
    return fill(signed, price=price, order=order)


def told(*fills: Fill) -> list[Trade]:
    """All trades, in the order in which they were opened."""
    trades: dict[str, Trade] = {}
    standing: Trade | None = None
    for each in fills:
        for changed in after_fill(standing, EventIdentity(f"e{next(_names)}"), each):
            trades[changed.trade_id] = standing = changed
    return list(trades.values())


def test_what_is_traded_beyond_the_rest_turns_the_trade_round() -> None:
    first, second = told(traded(10, 100, "A"), traded(-6, 110, "B"), traded(-10, 90, "C"))
    assert (first.exited, first.exit_value, first.exit_order_id) == (d(10), d(6 * 110 + 4 * 90), "C")
    assert (second.side, second.quantity, second.entry_value, second.entry_order_id) == (
        Side.SELL,
        d(6),
        d(540),
        "C",
    )
    assert (first.profit(d(2)), second.profit(d(2)), second.held) == (d(40), None, d(-6))


def test_a_short_that_is_bought_back_lower_has_earned() -> None:
    (trade,) = told(traded(-10, 100), traded(10, 90))
    assert trade.profit(d(3)) == 300


def test_a_fraction_that_was_held_before_is_a_trade_of_its_side() -> None:
    held = PositionReport(LEADER, KEY, SHARE.exchange, SHARE.segment, d("0.5"), d(100))
    name = EventIdentity("b")
    (bought,) = after_baseline(None, name, held, NOW)
    assert bought == Trade(name, LEADER, KEY, Side.BUY, NOW, quantity=d("0.5"), entry_value=d(50))
    (sold,) = after_baseline(None, name, replace(held, quantity=d("-0.5")), NOW)
    assert (sold.side, sold.held) == (Side.SELL, d("-0.5"))


def test_a_trade_is_closed_by_the_order_that_brings_it_to_flat() -> None:
    (trade,) = told(traded(10, 100, "A"), traded(-4, 110, "B"), traded(-6, 90, "C"))
    assert (trade.entry_order_id, trade.exit_order_id) == ("A", "C")
    assert (trade.quantity, trade.exited, trade.closed_ns) == (d("10"), d("10"), NOW)
    assert (trade.entry_value, trade.exit_value) == (d("1000"), d("980"))
    assert trade.profit(d("1")) == -20
    assert trade.profit(d("25")) == -500


def test_a_short_earns_when_it_falls_and_nothing_is_earned_while_open() -> None:
    (trade,) = told(traded(-10, 100), traded(4, 90))
    assert (trade.side, trade.held, trade.profit(d("1"))) == (Side.SELL, d("-6"), None)
    (trade,) = told(traded(-10, 100), traded(4, 90), traded(6, 80))
    assert trade.profit(d("1")) == 160


def test_a_flip_closes_one_and_opens_another_by_the_same_order() -> None:
    closed, opened = told(traded(10, 100, "A"), traded(-25, 110, "B"))
    assert (closed.exited, closed.profit(d("1")), closed.exit_order_id) == (d("10"), d("100"), "B")
    assert (opened.held, opened.entry_order_id, opened.entry_value) == (d("-15"), "B", d("1650"))
    assert opened.is_open


def test_after_flat_a_new_trade_begins() -> None:
    first, second = told(traded(1, 1), traded(-1, 2), traded(1, 3))
    assert (first.is_open, second.is_open, second.held) == (False, True, d("1"))


def a_report(quantity: int) -> PositionReport:
    made = fill(1)
    return PositionReport(LEADER, KEY, made.exchange, made.segment, d(str(quantity)), d("50"))


def test_a_baseline_opens_what_is_held_and_leaves_what_agrees() -> None:
    name = EventIdentity("baseline")
    (trade,) = after_baseline(None, name, a_report(-7), NOW)
    assert (trade.held, trade.entry_order_id, trade.entry_value) == (d("-7"), "", d("350"))
    assert after_baseline(trade, name, a_report(-7), NOW) == ()
    assert after_baseline(None, name, a_report(0), NOW) == ()
    closed, opened = after_baseline(trade, name, a_report(3), NOW + 1)
    assert (closed.because, opened.held) == ("the position book shows another position", d("3"))
    assert closed.profit(d("1")) is None
    (closed,) = after_baseline(trade, name, a_report(0), NOW + 1)
    assert not closed.is_open


def test_one_that_ends_without_a_fill_has_no_profit() -> None:
    (trade,) = told(traded(10, 100))
    gone = ended(trade, NOW, "squared off")
    assert (gone.is_open, gone.because, gone.profit(d("1"))) == (False, "squared off", None)


@given(moves)
def test_trades_hold_what_was_traded_and_earn_what_was_paid(history: Sequence[tuple[int, int]]) -> None:
    fills = [traded(signed, str(Decimal(paise) * PAISE)) for signed, paise in history]
    trades = told(*fills)
    net = sum(signed for signed, _ in history)
    assert sum(trade.held for trade in trades) == net
    assert [trade.is_open for trade in trades[:-1]] == [False] * (len(trades) - 1)
    assert trades[-1].is_open is (net != 0)
    paid = sum(-signed * Decimal(paise) * PAISE for signed, paise in history)
    earned = sum((trade.profit(d("1")) or d("0") for trade in trades), d("0"))
    still = sum(
        ((trade.exit_value - trade.entry_value) * int(trade.side) for trade in trades if trade.is_open),
        d("0"),
    )
    assert earned + still == paid
