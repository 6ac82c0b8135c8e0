"""Equity and margin level against worked examples that brokers publish.

- IC Markets, "What is IC Markets' margin stop out level?" (icmarkets.zendesk.com, article 360035961531):
  1,000 of margin; equity of 10,000, 5,000 and 499; stopped out at 50 %.
- ICE Markets, "Calculation of the Stop out level" (help.ice-markets.com, article 3343736), example 1:
  balance 2,250, equity 2,282.71, margin 309.81, told as 736.81 %; example 2: the margin of half a lot of
  GBP/USD bought at 1.38730 at 1:100.
- TenkoFX, "Stop out level 50 % and margin call level 100 %" (tenkofx.co.za): 10,000 deposited, one lot of
  GBP/USD bought at 1.30000 with 5 % of margin.
"""

from decimal import Decimal

import pytest

from paceline.domain.risk import Balance, Holding, RiskAction, RiskState, Thresholds, assess, step
from tests.unit.domain.given import KEY, d

LOT = d(100_000)


@pytest.mark.parametrize(("equity", "level"), [("10000", "1000"), ("5000", "500"), ("499", "49.9")])
def test_ic_markets(equity: str, level: str) -> None:
    found = assess(Balance(Decimal(equity), d(0), d(0), d(1000)), [])
    assert found.margin_level == Decimal(level)


def test_ic_markets_stops_out_at_its_line() -> None:
    lines = Thresholds(warning=d(100), rearm=d(100), liquidation=d(50))
    assert step(RiskState.CALM, Decimal("50.1"), lines).actions == (RiskAction.WARN,)
    assert RiskAction.LIQUIDATE in step(RiskState.WARNED, Decimal("49.9"), lines).actions


def test_ice_markets() -> None:
    floating = Decimal("32.71")
    priced = [(Holding(KEY, d(1), d(0)), floating)]
    found = assess(Balance(d(2250), d(0), d(0), Decimal("309.81")), priced)
    assert found.equity == Decimal("2282.71")
    assert found.margin_level.quantize(Decimal("0.01")) == Decimal("736.81")
    margin = Decimal("1.38730") * LOT / 2 / 100
    assert margin == Decimal("693.65")


@pytest.mark.parametrize(
    ("price", "level"), [("1.30000", "153.85"), ("1.26500", "100.00"), ("1.23250", "50.00")]
)
def test_tenkofx(price: str, level: str) -> None:
    bought = Decimal("1.30000")
    margin = bought * LOT * Decimal("0.05")
    assert margin == 6500
    found = assess(
        Balance(d(10_000), d(0), d(0), margin), [(Holding(KEY, d(1), bought, multiplier=LOT), Decimal(price))]
    )
    assert found.margin_level.quantize(Decimal("0.01")) == Decimal(level)
