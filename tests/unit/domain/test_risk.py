"""Equity, margin level, and lines that are crossed once."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.errors import Invalid, Problem
from paceline.domain.risk import (
    INFINITE,
    Balance,
    Holding,
    RiskAction,
    RiskState,
    Span,
    Step,
    Thresholds,
    after_liquidation,
    assess,
    margin_level,
    quiet,
    step,
)
from tests.unit.domain.given import KEY, d

WARN, LIQUIDATE = RiskAction.WARN, RiskAction.LIQUIDATE


def test_equity_is_cash_and_profit_and_collateral() -> None:
    balance = Balance(cash=d(1000), realised=d(-100), collateral=d(50), used_margin=d(500))
    priced = [
        (Holding(KEY, d(10), d(100)), d(95)),
        (Holding(KEY, d(-2), d(200), multiplier=d(25)), d(198)),
    ]
    portfolio = assess(balance, priced)
    assert (portfolio.unrealised, portfolio.equity) == (d(50), d(1000))
    assert portfolio.margin_level == 200


def test_without_margin_used_the_level_is_infinite() -> None:
    assert assess(Balance(d(-5), d(0), d(0), d(0)), []).margin_level == INFINITE


@pytest.mark.parametrize(
    ("equity", "used", "level"),
    [
        ("1", "0.5", "200"),
        ("-1", "0.5", "-200"),
        ("1", "1", "100"),
        ("7", "0", "Infinity"),
        ("7", "-1", "Infinity"),
    ],
)
def test_the_level_is_equity_in_percent_of_the_margin_used(equity: str, used: str, level: str) -> None:
    assert margin_level(Decimal(equity), Decimal(used)) == Decimal(level)


@pytest.mark.parametrize(
    ("warning", "rearm", "liquidation"), [("50", "50", "49.99"), ("50", "55", "10"), ("0", "0", "-1")]
)
def test_lines_may_meet_only_where_a_warning_is_armed_again(
    warning: str, rearm: str, liquidation: str
) -> None:
    lines = Thresholds(d(warning), d(rearm), d(liquidation))
    assert (lines.warning, lines.rearm, lines.liquidation) == (d(warning), d(rearm), d(liquidation))


@pytest.mark.parametrize(
    ("warning", "rearm", "liquidation"), [("50", "55", "50"), ("50", "55", "51"), ("50", "49.99", "10")]
)
def test_lines_out_of_order_are_refused(warning: str, rearm: str, liquidation: str) -> None:
    with pytest.raises(Invalid) as refused:
        Thresholds(d(warning), d(rearm), d(liquidation))
    words = "liquidation must be below warning, and warning not above rearm"
    assert refused.value.problems == (Problem("thresholds", words),)


@pytest.mark.parametrize(
    ("state", "span"),
    [
        (RiskState.CALM, Span(d(50), INFINITE)),
        (RiskState.WARNED, Span(d(10), d(55))),
        (RiskState.LIQUIDATING, Span(-INFINITE, INFINITE)),
    ],
)
def test_where_nobody_has_to_look(state: RiskState, span: Span) -> None:
    assert quiet(state, Thresholds()) == span


@given(st.sampled_from(RiskState), st.decimals(-200, 200, places=2))
def test_where_nobody_looks_nothing_would_have_happened_and_elsewhere_something(
    state: RiskState, level: Decimal
) -> None:
    span = quiet(state, Thresholds())
    assert (span.lower < level <= span.upper) == (step(state, level, Thresholds()) == Step(state))


@pytest.mark.parametrize(("level", "state"), [("55", RiskState.WARNED), ("55.01", RiskState.CALM)])
def test_after_a_liquidation_only_a_recovery_arms_the_warning(level: str, state: RiskState) -> None:
    assert after_liquidation(Decimal(level), Thresholds()) is state


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (RiskState.CALM, Step(RiskState.WARNED, (WARN,))),
        (RiskState.WARNED, Step(RiskState.WARNED)),
    ],
)
def test_what_is_not_confirmed_warns_and_liquidates_nothing(state: RiskState, expected: Step) -> None:
    assert step(state, d(5), Thresholds(), confirmed=False) == expected


@pytest.mark.parametrize(
    ("state", "level", "expected"),
    [
        (RiskState.CALM, "50.01", Step(RiskState.CALM)),
        (RiskState.CALM, "50", Step(RiskState.WARNED, (WARN,))),
        (RiskState.WARNED, "49", Step(RiskState.WARNED)),
        (RiskState.WARNED, "55", Step(RiskState.WARNED)),
        (RiskState.WARNED, "55.01", Step(RiskState.CALM)),
        (RiskState.WARNED, "10", Step(RiskState.LIQUIDATING, (LIQUIDATE,))),
        (RiskState.WARNED, "10.01", Step(RiskState.WARNED)),
        (RiskState.CALM, "10", Step(RiskState.LIQUIDATING, (WARN, LIQUIDATE))),
        (RiskState.CALM, "-3", Step(RiskState.LIQUIDATING, (WARN, LIQUIDATE))),
        (RiskState.LIQUIDATING, "900", Step(RiskState.LIQUIDATING)),
        (RiskState.CALM, "Infinity", Step(RiskState.CALM)),
    ],
)
def test_a_line_is_crossed_once(state: RiskState, level: str, expected: Step) -> None:
    assert step(state, Decimal(level), Thresholds()) == expected


@given(st.lists(st.integers(11, 120), max_size=60))
def test_between_two_warnings_lies_a_recovery(levels: list[int]) -> None:
    state, recovered = RiskState.CALM, True
    for level in levels:
        taken = step(state, Decimal(level), Thresholds())
        if WARN in taken.actions:
            assert recovered
            recovered = False
        recovered = recovered or level > 55
        state = taken.state
