"""Equity, margin level, and lines that are crossed once."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.risk import (
    INFINITE,
    Balance,
    Holding,
    RiskAction,
    RiskState,
    Step,
    Thresholds,
    assess,
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
    ("state", "level", "expected"),
    [
        (RiskState.CALM, "50.01", Step(RiskState.CALM)),
        (RiskState.CALM, "50", Step(RiskState.WARNED, (WARN,))),
        (RiskState.WARNED, "49", Step(RiskState.WARNED)),
        (RiskState.WARNED, "55", Step(RiskState.WARNED)),
        (RiskState.WARNED, "55.01", Step(RiskState.CALM)),
        (RiskState.WARNED, "10", Step(RiskState.LIQUIDATING, (LIQUIDATE,))),
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
