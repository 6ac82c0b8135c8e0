"""What trips a guard, and what never does: every rule as a line, every law for any way that prices go."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.guards import (
    AccountGuards,
    Adjustment,
    Copied,
    Figures,
    GuardKind,
    Marks,
    RearmPolicy,
    account_trips,
    copies_seen,
    copy_trips,
    drawdown_percent,
    due_again,
    problems_of,
    rearmed,
    result_of,
    seen,
)
from paceline.domain.liquidation import LiquidationLevel
from paceline.domain.subscription import SubscriptionGuards
from tests.unit.domain.given import d

MONDAY = date(2026, 11, 23)
NAN, ENDLESS = Decimal("NaN"), Decimal("Infinity")
CASH = d(100_000)

money = st.integers(-5_000, 5_000).map(Decimal)


def at(
    realised: Decimal | int = 0,
    unrealised: Decimal | int = 0,
    *,
    day: date = MONDAY,
    before: Decimal | int | str | None = "same",
    exposure: int = 0,
    positions: int = 0,
    sound: bool = True,
    priced: bool = True,
    cash: Decimal = CASH,
) -> Figures:
    first, open_ = Decimal(realised), Decimal(unrealised)
    other = first if before == "same" else None if before is None else Decimal(before)
    equity = cash + first + open_ if first.is_finite() and open_.is_finite() else cash
    return Figures(day, first, other, open_, equity, d(exposure), positions, sound, priced)


def walk(guards: AccountGuards, *looks: Figures, marks: Marks | None = None) -> list[tuple[str, Decimal]]:
    """What trips on the way, each once."""
    standing: set[GuardKind] = set()
    found = []
    for look in looks:
        marks = seen(marks, look)
        for trip in account_trips(guards, marks, look, standing):
            standing.add(trip.kind)
            found.append((trip.kind.value, trip.observed))
    return found


LOSS = AccountGuards(max_daily_loss=d(1_000), currency="INR", level=LiquidationLevel.FLATTEN)
FALL = AccountGuards(max_drawdown_percent=d(10), level=LiquidationLevel.FLATTEN)
MUCH = AccountGuards(max_exposure=d(50_000), currency="INR", level=LiquidationLevel.STOP_ENTRIES)
MANY = AccountGuards(max_open_positions=2, level=LiquidationLevel.STOP_ENTRIES)
TUESDAY = MONDAY + timedelta(days=1)


@pytest.mark.parametrize(
    ("guards", "looks", "trips"),
    [
        (LOSS, [at(), at(-600, -399)], []),
        (LOSS, [at(), at(-600, -400)], [("DAILY_LOSS", d(1_000))]),
        (LOSS, [at(), at(-1_200), at(-1_500)], [("DAILY_LOSS", d(1_200))]),
        (LOSS, [at(-1_000)], [("DAILY_LOSS", d(1_000))]),
        (LOSS, [at(0, -3_000), at(0, -3_999)], []),
        (LOSS, [at(0, -3_000), at(0, -4_000)], [("DAILY_LOSS", d(1_000))]),
        (LOSS, [at(), at(cash=d(10))], []),
        (LOSS, [at(-900), at(0, -999, day=TUESDAY)], []),
        (LOSS, [at(0, 0), at(0, -500), at(0, -1_500, day=TUESDAY)], [("DAILY_LOSS", d(1_000))]),
        (LOSS, [at(-900), at(-900, day=MONDAY - timedelta(days=1)), at(-999)], []),
        (LOSS, [at(), at(-1_200, before=0)], []),
        (LOSS, [at(), at(-1_200, before=None)], []),
        (LOSS, [at(), at(-1_200, sound=False)], []),
        (LOSS, [at(), at(NAN)], []),
        (LOSS, [at(), at(0, -ENDLESS)], []),
        (FALL, [at(0, 20_000), at(0, 8_001)], []),
        (FALL, [at(0, 20_000), at(0, 8_000)], [("DRAWDOWN", d(10))]),
        (FALL, [at(0, 20_000), at(-4_000, 20_000, day=TUESDAY)], []),
        (FALL, [at(0, 20_000), at(1_000, 7_000, day=TUESDAY)], [("DRAWDOWN", d(10))]),
        (FALL, [at(), at(50_000, before=0), at(0)], []),
        (MUCH, [at(exposure=50_000)], []),
        (MUCH, [at(exposure=50_001, before=None)], [("EXPOSURE", d(50_001))]),
        (MUCH, [at(exposure=90_000, sound=False)], []),
        (MUCH, [at(exposure=90_000, priced=False)], []),
        (MUCH, [at(), at(exposure=50_001, priced=False)], [("EXPOSURE", d(50_001))]),
        (LOSS, [at(), at(-1_200, priced=False)], []),
        (LOSS, [at(-900), at(0, -5_000, day=TUESDAY, priced=False), at(0, -999, day=TUESDAY)], []),
        (FALL, [at(0, 20_000), at(0, 8_000, priced=False)], []),
        (MANY, [at(), at(positions=3, day=TUESDAY, priced=False)], [("OPEN_POSITIONS", d(3))]),
        (MANY, [at(), at(positions=3, sound=False, priced=False)], []),
        (MANY, [at(positions=2)], []),
        (MANY, [at(positions=3), at(positions=1), at(positions=4)], [("OPEN_POSITIONS", d(3))]),
    ],
)
def test_an_account_s_guards(
    guards: AccountGuards, looks: list[Figures], trips: list[tuple[str, Decimal]]
) -> None:
    assert walk(guards, *looks) == trips


def test_a_day_opens_with_what_the_day_before_closed_with() -> None:
    marks = seen(seen(None, at(-300, 200)), at(50, 100, day=TUESDAY))
    assert marks is not None
    assert (marks.kept, marks.opened, marks.profit) == (d(-300), d(-100), d(-150))


def test_a_day_that_begins_without_all_prices_is_the_same_day() -> None:
    first = seen(None, at(-300, 200))
    blind = seen(first, at(40, -7_000, day=TUESDAY, priced=False))
    assert blind is not None
    assert (blind.day, blind.kept, blind.opened) == (TUESDAY, d(-300), d(-100))
    assert seen(blind, at(50, 100, day=TUESDAY)) == seen(first, at(50, 100, day=TUESDAY))


def test_days_that_begin_without_all_prices_keep_what_was_realised_before_them_once() -> None:
    blind = seen(seen(None, at(-300, 200)), at(40, 0, day=TUESDAY, priced=False))
    blind = seen(blind, at(40, 0, day=TUESDAY + timedelta(days=1), priced=False))
    assert blind is not None
    assert (blind.kept, blind.realised) == (d(-300), d(0))


def test_armed_again_it_is_measured_from_where_it_stands() -> None:
    marks = seen(seen(None, at()), at(-1_200))
    assert marks is not None
    again = rearmed(marks, GuardKind.DAILY_LOSS, by_person=True)
    assert again.arming == 1
    assert walk(LOSS, at(-1_200), at(-2_199), marks=again) == []
    assert walk(LOSS, at(-1_200), at(-2_200), marks=again) == [("DAILY_LOSS", d(1_000))]
    assert rearmed(marks, GuardKind.DAILY_LOSS, by_person=False).opened == marks.opened
    fallen = seen(seen(None, at(0, 20_000)), at(0, 5_000))
    assert fallen is not None
    assert walk(FALL, at(0, 5_000), marks=rearmed(fallen, GuardKind.DRAWDOWN, by_person=False)) == []
    assert rearmed(marks, GuardKind.EXPOSURE, by_person=True) == replace(marks, arming=1)


def test_the_next_trading_day_arms_where_that_is_set() -> None:
    again = RearmPolicy.NEXT_TRADING_DAY
    days = (MONDAY, TUESDAY)
    assert [due_again(again, MONDAY, day) for day in days] == [False, True]
    assert [due_again(RearmPolicy.BY_PERSON, MONDAY, day) for day in days] == [False, False]


STOP = SubscriptionGuards(stop_loss=d(500), currency="INR")
TRAIL = SubscriptionGuards(stop_loss=d(500), trailing=True, currency="INR")
TAKE = SubscriptionGuards(take_profit=d(500), currency="INR")


def copied(
    guards: SubscriptionGuards, *profits: Decimal | int | None, marks: Marks | None = None
) -> list[Decimal]:
    found = []
    standing: set[GuardKind] = set()
    for each in profits:
        profit = None if each is None else Decimal(each)
        marks = copies_seen(marks, MONDAY, profit)
        for trip in copy_trips(guards, marks, profit, standing):
            standing.add(trip.kind)
            found.append(trip.observed)
    return found


@pytest.mark.parametrize(
    ("guards", "profits", "trips"),
    [
        (STOP, [0, -499], []),
        (STOP, [0, -500, -700], [d(500)]),
        (STOP, [900, 401, -100], []),
        (TRAIL, [900, 401], []),
        (TRAIL, [900, 400], [d(500)]),
        (TRAIL, [900, None, NAN, 401], []),
        (TRAIL, [-500], [d(500)]),
        (TAKE, [0, 499], []),
        (TAKE, [0, 500, 900], [d(500)]),
        (SubscriptionGuards(), [-9_000, 9_000], []),
    ],
)
def test_a_subscription_s_guards(
    guards: SubscriptionGuards, profits: list[Decimal | int | None], trips: list[Decimal]
) -> None:
    assert copied(guards, *profits) == trips


def test_a_subscription_armed_again_starts_from_there() -> None:
    marks = copies_seen(None, MONDAY, d(-700))
    assert marks is not None
    again = rearmed(marks, GuardKind.STOP_LOSS, by_person=True)
    assert copied(STOP, -700, -1_199, marks=again) == []
    assert copied(TRAIL, -700, -300, -801, marks=again) == [d(501)]
    assert copied(TAKE, -700, -201, -200, marks=again) == [d(500)]


def test_what_copies_came_to() -> None:
    bought = Copied("a", d(10), d(1_000), price=d(110), multiplier=d(2))
    sold = Copied("b", d(0), d(-50))
    assert result_of([bought, sold], {}) == (d(250), {})
    assert result_of([replace(bought, fresh=False), sold], {})[0] is None
    assert result_of([replace(bought, price=None)], {})[0] is None
    assert result_of([replace(bought, price=NAN)], {})[0] is None
    assert result_of([replace(bought, price=d(0))], {})[0] is None


def test_what_left_without_a_fill_is_worth_the_price_of_that_moment_for_good() -> None:
    closed = Copied("a", d(10), d(1_000), adjusted=d(-10), price=d(90))
    result, adjusted = result_of([closed], {})
    assert (result, adjusted) == (d(-100), {"a": Adjustment(d(-10), d(-900))})
    assert result_of([replace(closed, price=d(200), fresh=False)], adjusted)[0] == d(-100)
    assert result_of([replace(closed, price=None)], {})[0] == d(0)


def test_what_makes_no_sense_is_told_by_field() -> None:
    wrong = AccountGuards(
        max_daily_loss=d(0), max_drawdown_percent=d(101), max_exposure=ENDLESS, max_open_positions=0
    )
    assert [each.field for each in problems_of(wrong)] == [
        *("max_daily_loss", "max_daily_loss", "max_exposure", "max_exposure"),
        *("max_drawdown_percent", "max_open_positions", "guard_level"),
    ]
    assert problems_of(LOSS) == problems_of(AccountGuards()) == ()


@given(st.lists(st.tuples(money, money, st.booleans()), max_size=30))
def test_each_trips_once_and_never_on_what_is_unsound(looks: list[tuple[Decimal, Decimal, bool]]) -> None:
    """Whatever is told in between, unsound figures change neither what trips nor the marks."""
    guards = replace(LOSS, max_drawdown_percent=d(2), max_open_positions=1)
    figures = [at(first, second, sound=sound, positions=2) for first, second, sound in looks]
    found = walk(guards, *figures)
    assert len({kind for kind, _ in found}) == len(found)
    assert found == walk(guards, *(each for each in figures if each.sound))


@given(money, st.lists(money, min_size=1, max_size=20), st.integers(0, 2_000).map(Decimal))
def test_a_deeper_loss_trips_whatever_a_smaller_one_trips(
    start: Decimal, path: list[Decimal], deeper: Decimal
) -> None:
    guards = replace(LOSS, max_drawdown_percent=d(2))
    marks = seen(None, at(0, start))
    for each in path:
        marks = seen(marks, at(0, each))

    def kinds(figures: Figures) -> set[GuardKind]:
        return {trip.kind for trip in account_trips(guards, seen(marks, figures), figures, ())}

    assert kinds(at(0, path[-1])) <= kinds(at(0, path[-1] - deeper))


@given(st.lists(money | st.sampled_from([NAN, ENDLESS]) | st.none(), max_size=30))
def test_a_trailing_stop_never_loosens_and_is_never_looser_than_a_fixed_one(
    profits: list[Decimal | None],
) -> None:
    marks: Marks | None = None
    highest = Decimal("-Infinity")
    for profit in profits:
        marks = copies_seen(marks, MONDAY, profit)
        if marks is None:
            continue
        assert marks.peak is not None
        assert marks.peak >= highest
        highest = marks.peak
        if copy_trips(STOP, marks, profit, ()):
            assert copy_trips(TRAIL, marks, profit, ())


@given(money, money, st.integers(1, 10**6).map(Decimal))
def test_money_paid_in_or_out_moves_no_result(realised: Decimal, unrealised: Decimal, paid: Decimal) -> None:
    before, after = at(realised, unrealised), at(realised, unrealised, cash=CASH + paid)
    assert seen(None, before) == seen(None, after)
    assert drawdown_percent(d(0), paid) == 0
    assert drawdown_percent(paid, d(0)) == 100


def test_limits_of_an_account_are_refused_by_rule_and_taken_at_their_edge() -> None:
    wrong = AccountGuards(max_daily_loss=d(0), max_drawdown_percent=d(0), max_open_positions=0)
    assert [(each.field, each.rule) for each in problems_of(wrong)] == [
        ("max_daily_loss", "must be positive"),
        ("max_daily_loss", "must have a currency"),
        ("max_drawdown_percent", "must be above 0 and not above 100"),
        ("max_open_positions", "must be positive"),
        ("guard_level", "must be set where a guard is: it is what a trip does"),
    ]
    for percent in (d("0.01"), d(100)):
        edges = replace(LOSS, max_daily_loss=d("0.01"), max_drawdown_percent=percent, max_open_positions=1)
        assert problems_of(edges) == ()


@pytest.mark.parametrize(
    ("fall", "equity", "percent"),
    [
        ("0", "100", 0),
        ("-5", "100", 0),
        ("0", "-10", 0),
        ("1", "99", 1),
        ("0.5", "0.5", 50),
        ("10", "0", 100),
        ("10", "-10", 100),
        ("10", "-20", 100),
    ],
)
def test_a_drawdown_is_the_part_of_what_there_was(fall: str, equity: str, percent: int) -> None:
    assert drawdown_percent(d(fall), d(equity)) == percent


def test_what_is_cheap_has_a_price_and_what_costs_nothing_has_none() -> None:
    cheap = Copied("a", d(10), d(4), price=d("0.5"))
    assert result_of([cheap], {}) == (d(1), {})
    gone = Copied("a", d(10), d(1_000), adjusted=d(-10), price=d(0))
    assert result_of([gone], {}) == (d(0), {"a": Adjustment(d(-10), d(-1_000))}), "at what it cost"
    sold = replace(gone, price=d("0.5"))
    assert result_of([sold], {})[1] == {"a": Adjustment(d(-10), d(-5))}
    given = Copied("b", d(0), d(0), adjusted=d(5))
    assert result_of([given], {})[1] == {"b": Adjustment(d(5), d(0))}


def test_marks_of_copies_keep_the_newest_day_and_the_best_result() -> None:
    marks = copies_seen(None, MONDAY, d(-3))
    assert marks == Marks(MONDAY, profit=d(-3), opened=d(0), peak=d(0))
    assert copies_seen(marks, TUESDAY, d(5)) == Marks(TUESDAY, profit=d(5), opened=d(0), peak=d(5))
    assert copies_seen(marks, TUESDAY, None) == marks
