"""The columns after any history equal a reckoning from scratch in Decimal."""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from decimal import Decimal as d  # noqa: N813 - a number among numbers

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline.domain.ids import AccountId, InstrumentId
from paceline.domain.instrument import InstrumentKey, Product
from paceline.domain.money import EXACT
from paceline.domain.partitioning import partition_of
from paceline.domain.risk import Balance, Holding, assess
from services.risk.board import Board
from services.risk.portfolios import as_of_ns, known, portfolio_of, reports_of
from services.risk.scale import UnrepresentableError, price_units
from tests.unit.risk.given import AGES, NIFTY, NOW, SBIN, SECOND, account, baseline, board, fill, funds

NAMES = [f"F{n}" for n in range(6)]
KEYS = [
    InstrumentKey(InstrumentId(f"NSE:I{n}-EQ"), product)
    for n in range(4)
    for product in (Product.INTRADAY, Product.CNC)
]
MULTIPLIERS = {key.instrument_id: Decimal(1 + n // 2 * 24) for n, key in enumerate(KEYS)}

names = st.sampled_from(NAMES)
keys = st.sampled_from(KEYS)
prices = st.decimals("0.05", "5000", places=2)
steps = st.one_of(
    st.tuples(st.just("fill"), names, keys, st.integers(-300, 300).filter(bool), prices),
    st.tuples(st.just("baseline"), names, keys, st.integers(-300, 300), prices),
    st.tuples(st.just("tick"), keys, prices),
    st.tuples(st.just("funds"), names, prices, prices, prices),
    st.tuples(st.just("leave"), names),
    st.tuples(st.just("pass")),
    st.tuples(st.just("moved")),
)


@dataclass
class Scratch:
    """One account, reckoned in Decimal alone."""

    held: dict[InstrumentKey, tuple[Decimal, Decimal]] = field(default_factory=dict)
    """Quantity and cost."""
    balance: Balance = field(default_factory=lambda: Balance(Decimal(0), Decimal(0), Decimal(0), Decimal(0)))
    gained: Decimal = Decimal(0)

    def fill(self, key: InstrumentKey, traded: int, price: Decimal) -> None:
        quantity, cost = self.held.get(key, (Decimal(0), Decimal(0)))
        rest = Decimal(traded)
        if quantity * traded < 0:
            closed = max(-quantity, rest) if traded < 0 else min(-quantity, rest)
            kept = EXACT.quantize(EXACT.divide(cost * (quantity + closed), quantity), Decimal("0.0001"))
            self.gained += (kept - cost - closed * price) * MULTIPLIERS[key.instrument_id]
            quantity, cost, rest = quantity + closed, kept, rest - closed
        self.held[key] = (quantity + rest, cost + rest * price)

    def priced(self, prices: dict[InstrumentId, Decimal]) -> list[tuple[Holding, Decimal]]:
        return [
            (Holding(key, quantity, EXACT.divide(cost, quantity), MULTIPLIERS[key.instrument_id]), last)
            for key, (quantity, cost) in self.held.items()
            if quantity and (last := prices.get(key.instrument_id)) is not None
        ]


class Reference:
    def __init__(self) -> None:
        self.prices: dict[InstrumentId, Decimal] = {}
        self.accounts: dict[str, Scratch] = defaultdict(Scratch)


def play(made: Board, reference: Reference, step: tuple[object, ...]) -> None:
    match step:
        case ("fill", str(name), InstrumentKey() as key, int(traded), Decimal() as price):
            made.fold(fill(made.admit(account(name)).account.account_id, traded, price, key))
            reference.accounts[name].fill(key, traded, price)
        case ("baseline", str(name), InstrumentKey() as key, int(held), Decimal() as price):
            made.fold(baseline(made.admit(account(name)).account.account_id, held, price, key))
            reference.accounts[name].held[key] = (Decimal(held), held * price)
        case ("tick", InstrumentKey() as key, Decimal() as price):
            made.set_price(key.instrument_id, price_units(int(price * 100), 2), NOW)
            reference.prices[key.instrument_id] = price
        case ("funds", str(name), Decimal() as cash, Decimal() as used, Decimal() as realised):
            told = funds(made.admit(account(name)).account.account_id, str(cash), str(used), str(realised))
            made.set_funds(told, NOW, NOW)
            scratch = reference.accounts[name]
            scratch.balance, scratch.gained = Balance(cash, realised, Decimal(0), used), Decimal(0)
        case ("leave", str(name)):
            made.remove(AccountId(f"fyers:{name}"))
            reference.accounts.pop(name, None)
        case ("moved",):
            made.assess_moved(NOW)
        case _:
            made.assess(NOW)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=60))
def test_columns_equal_a_reckoning_from_scratch(history: list[tuple[object, ...]]) -> None:
    made, reference = Board(AGES), Reference()
    for instrument_id, multiplier in MULTIPLIERS.items():
        made.know(instrument_id, multiplier)
    for step in history:
        play(made, reference, step)
    made.assess(NOW)
    assert made.seats.keys() == {f"fyers:{name}" for name in reference.accounts}
    for name, scratch in reference.accounts.items():
        seat = made.seats[AccountId(f"fyers:{name}")]
        told = portfolio_of(made, seat)
        expected = assess(scratch.balance, scratch.priced(reference.prices))
        assert told.unrealised == EXACT.quantize(expected.unrealised, Decimal("0.0001"))
        assert told.realised == scratch.balance.realised + scratch.gained
        if known(made, seat):
            total = EXACT.quantize(expected.equity + scratch.gained, Decimal("0.0001"))
            assert (told.equity, told.used_margin) == (total, scratch.balance.used_margin)
        held = {key: quantity for key, (quantity, _) in scratch.held.items() if quantity}
        assert {report.key: report.quantity for report, _ in reports_of(made, seat)} == held
    wanted = {
        key.instrument_id for each in reference.accounts.values() for key, (q, _) in each.held.items() if q
    }
    assert made.wanted() == wanted


@settings(max_examples=100, deadline=None)
@given(st.lists(steps, max_size=40), keys, prices)
def test_a_pass_of_what_moved_is_the_whole_pass_of_whom_it_touches(
    history: list[tuple[object, ...]], key: InstrumentKey, price: Decimal
) -> None:
    made, reference = Board(AGES), Reference()
    for instrument_id, multiplier in MULTIPLIERS.items():
        made.know(instrument_id, multiplier)
    for step in [*history, ("pass",), ("tick", key, price)]:
        play(made, reference, step)
    holders = [
        seat
        for seat in made.seats.values()
        if any(each.instrument_id == key.instrument_id for each, _, _ in made.positions(seat))
    ]
    assert bool(made.moved_since()) == bool(holders)
    before = made.turns
    made.assess_moved(NOW)
    assert made.moved_since() == 0
    assert all(seat in holders for seat in made.changed_since(before))
    told = [portfolio_of(made, seat) for seat in holders]
    made.assess(NOW)
    assert told == [portfolio_of(made, seat) for seat in holders]


def test_a_stale_price_marks_and_changes_no_number() -> None:
    made = board("F1")
    (seat,) = made.seats.values()
    made.set_funds(funds(seat.account.account_id, 1000, used=50), NOW, NOW)
    made.fold(fill(seat.account.account_id, 10, "100"))
    made.set_price(SBIN.instrument_id, price_units(110, 0), NOW)
    assert made.assess(NOW) == 0
    fresh = portfolio_of(made, seat)
    later = NOW + 61 * SECOND
    assert made.assess(later) == 1
    stale = portfolio_of(made, seat)
    assert (fresh.stale, stale.stale) == (False, True)
    assert (stale.equity, stale.unrealised, stale.margin_level) == (d(1100), d(100), d(2200))
    assert (stale.equity, stale.margin_level) == (fresh.equity, fresh.margin_level)
    assert (as_of_ns(made, seat), made.assessed_ns) == (NOW, later)


def test_old_funds_are_stale_and_unread_ones_are_no_equity() -> None:
    made = board("F1", "F2")
    one, other = made.seats.values()
    made.set_funds(funds(one.account.account_id, 1000), NOW, NOW)
    made.assess(NOW + 181 * SECOND)
    assert portfolio_of(made, one).stale
    assert not known(made, other)
    assert portfolio_of(made, other).stale


def test_an_unpriced_position_counts_at_cost_and_is_stale() -> None:
    made = board("F1")
    (seat,) = made.seats.values()
    made.set_funds(funds(seat.account.account_id, 1000), NOW, NOW)
    made.fold(fill(seat.account.account_id, 10, "100"))
    made.assess(NOW)
    told = portfolio_of(made, seat)
    assert (told.equity, told.unrealised, told.stale) == (d(1000), d(0), True)


def test_fills_until_the_funds_were_asked_for_are_part_of_them() -> None:
    made = board("F1")
    (seat,) = made.seats.values()
    me = seat.account.account_id
    made.fold(fill(me, 10, "100", at=NOW - 9 * SECOND))
    made.set_funds(funds(me, 1000), NOW, NOW + SECOND)
    before = made.fold(fill(me, -4, "110", at=NOW - SECOND))
    between = made.fold(fill(me, -2, "110", at=NOW + SECOND // 2))
    after = made.fold(fill(me, -2, "120", at=NOW + 2 * SECOND))
    made.assess(NOW)
    assert (before, between, after) == (False, True, False)
    assert portfolio_of(made, seat).realised == 20 + 40
    made.set_funds(funds(me, 1000, realised=100), NOW + 3 * SECOND, NOW + 3 * SECOND)
    made.assess(NOW)
    assert portfolio_of(made, seat).realised == 100


def test_what_is_read_is_of_one_moment() -> None:
    """A fill between two passes shows in the money only with the next one, with its price."""
    made = board("F1")
    (seat,) = made.seats.values()
    me = seat.account.account_id
    made.set_funds(funds(me, 1000), NOW, NOW)
    made.fold(fill(me, 10, "100", at=NOW + 2 * SECOND))
    made.set_price(SBIN.instrument_id, price_units(110, 0), NOW)
    made.assess(NOW)
    made.fold(fill(me, -10, "110", at=NOW + 3 * SECOND))
    assert portfolio_of(made, seat).equity == 1100
    made.assess(NOW)
    assert (portfolio_of(made, seat).equity, portfolio_of(made, seat).realised) == (d(1100), d(100))


def test_only_who_changed_is_told_of() -> None:
    made = board("F1", "F2")
    one, other = made.seats.values()
    made.assess(NOW)
    assert made.changed_since(0) == [one, other]
    made.assess(NOW)
    assert made.changed_since(1) == []
    made.fold(fill(one.account.account_id, 1, "100"))
    made.assess(NOW)
    assert made.changed_since(2) == [one]


def test_a_row_given_back_tells_nothing_of_who_had_it() -> None:
    made = board("F1")
    (seat,) = made.seats.values()
    made.set_funds(funds(seat.account.account_id, 1000), NOW, NOW)
    made.fold(fill(seat.account.account_id, 10, "100"))
    made.assess(NOW)
    made.drop([partition_of(seat.account.account_id)])
    assert made.wanted() == frozenset()
    newcomer = made.admit(account("F2"))
    assert newcomer.row == seat.row
    assert not known(made, newcomer)
    assert portfolio_of(made, newcomer).cash == 0
    made.assess(NOW)
    assert portfolio_of(made, newcomer).unrealised == 0


def test_what_cannot_be_counted_marks_its_account_alone() -> None:
    made = board("F1", "F2")
    one, other = made.seats.values()
    for seat in (one, other):
        made.set_funds(funds(seat.account.account_id, 1000), NOW, NOW)
    made.fold(fill(one.account.account_id, Decimal("0.5"), "100"))
    made.assess(NOW)
    assert (portfolio_of(made, one).stale, portfolio_of(made, other).stale) == (True, False)


def test_an_older_price_or_none_at_all_is_not_taken() -> None:
    made = board("F1")
    (seat,) = made.seats.values()
    made.fold(fill(seat.account.account_id, 1, "100"))
    made.set_price(SBIN.instrument_id, 2_000_000, NOW)
    made.set_price(SBIN.instrument_id, 1_000_000, NOW - 1)
    made.set_price(SBIN.instrument_id, 0, NOW + 1)
    made.set_price(SBIN.instrument_id, -5, NOW + 1)
    made.set_price(InstrumentId("NSE:OTHER-EQ"), 5, NOW)
    made.assess(NOW)
    assert portfolio_of(made, seat).unrealised == 100


def test_an_instrument_counted_in_parts_is_never_priced() -> None:
    made = board("F1")
    (seat,) = made.seats.values()
    half = InstrumentKey(InstrumentId("MCX:HALF"), Product.MARGIN)
    made.know(half.instrument_id, Decimal("0.5"))
    made.set_funds(funds(seat.account.account_id, 1000), NOW, NOW)
    made.fold(fill(seat.account.account_id, 1, "100", half))
    made.set_price(half.instrument_id, 2_000_000, NOW)
    made.assess(NOW)
    told = portfolio_of(made, seat)
    assert (told.equity, told.stale) == (d(1000), True)


def test_a_multiplier_counts_in_both_kinds_of_profit() -> None:
    made = board("F1", multiplier=25)
    (seat,) = made.seats.values()
    me = seat.account.account_id
    made.set_funds(funds(me, 1000), NOW - 9 * SECOND, NOW - 9 * SECOND)
    made.fold(fill(me, 3, "100", NIFTY))
    made.fold(fill(me, -1, "102", NIFTY))
    made.set_price(NIFTY.instrument_id, price_units(99, 0), NOW)
    made.assess(NOW)
    told = portfolio_of(made, seat)
    assert (told.realised, told.unrealised, told.equity) == (d(50), d(-50), d(1000))


def test_more_than_the_columns_first_held() -> None:
    made = board(*(f"F{n}" for n in range(300)))
    for n, seat in enumerate(made.seats.values()):
        made.set_funds(funds(seat.account.account_id, n), NOW, NOW)
        made.fold(fill(seat.account.account_id, n + 1, "100"))
    made.set_price(SBIN.instrument_id, price_units(101, 0), NOW)
    made.assess(NOW)
    assert [portfolio_of(made, seat).equity for seat in made.seats.values()] == [
        2 * n + 1 for n in range(300)
    ]


def test_what_would_leave_64_bits_is_refused() -> None:
    made = board("F1", "F2")
    one, other = made.seats.values()
    made.set_price(SBIN.instrument_id, price_units(100, 0), NOW)
    made.fold(fill(one.account.account_id, 10**12, "0.05"))
    made.fold(fill(other.account.account_id, 10**9, "100"))
    with pytest.raises(UnrepresentableError):
        made.set_price(SBIN.instrument_id, price_units(10**6, 0), NOW + 1)
    with pytest.raises(UnrepresentableError):
        made.set_funds(funds(other.account.account_id, "1e300"), NOW, NOW)
    made.assess(NOW)
    assert [bool(made.accounts.broken[seat.row]) for seat in (one, other)] == [True, False]
    assert made.instruments.price[0] == 1_000_000
