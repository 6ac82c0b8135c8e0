"""What an account is worth against what it borrowed, and which line it has just crossed."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from paceline.domain.errors import Invalid
from paceline.domain.instrument import InstrumentKey
from paceline.domain.money import ZERO

INFINITE = Decimal("Infinity")
"""The margin level of an account that uses no margin."""
_PERCENT = Decimal(100)


@dataclass(frozen=True, slots=True)
class Holding:
    """One position to be priced; `quantity` is signed, `multiplier` is what one unit of price is worth."""

    key: InstrumentKey
    quantity: Decimal
    average_price: Decimal
    multiplier: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Balance:
    """The broker's own account of the money."""

    cash: Decimal
    realised: Decimal
    collateral: Decimal
    used_margin: Decimal


@dataclass(frozen=True, slots=True)
class Portfolio:
    equity: Decimal
    unrealised: Decimal
    used_margin: Decimal
    margin_level: Decimal
    """Percent; infinite with no margin used."""


def unrealised(holding: Holding, price: Decimal) -> Decimal:
    return (price - holding.average_price) * holding.quantity * holding.multiplier


def assess(balance: Balance, priced: Iterable[tuple[Holding, Decimal]]) -> Portfolio:
    """Equity is cash, realised and unrealised profit, and collateral as the broker counts it."""
    open_profit = sum((unrealised(holding, price) for holding, price in priced), ZERO)
    equity = balance.cash + balance.realised + open_profit + balance.collateral
    return Portfolio(equity, open_profit, balance.used_margin, margin_level(equity, balance.used_margin))


def margin_level(equity: Decimal, used_margin: Decimal) -> Decimal:
    return equity / used_margin * _PERCENT if used_margin > 0 else INFINITE


class RiskState(StrEnum):
    CALM = "CALM"
    WARNED = "WARNED"
    LIQUIDATING = "LIQUIDATING"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Percent of margin level, both inclusive; a warning is armed again above `rearm`."""

    warning: Decimal = Decimal(50)
    rearm: Decimal = Decimal(55)
    liquidation: Decimal = Decimal(10)

    def __post_init__(self) -> None:
        if not (self.liquidation < self.warning <= self.rearm):
            raise Invalid("thresholds", "liquidation must be below warning, and warning not above rearm")


class RiskAction(StrEnum):
    WARN = "WARN"
    LIQUIDATE = "LIQUIDATE"


@dataclass(frozen=True, slots=True)
class Step:
    state: RiskState
    actions: tuple[RiskAction, ...] = ()


def step(state: RiskState, level: Decimal, thresholds: Thresholds, *, confirmed: bool = True) -> Step:
    """Once per crossing: what was warned is not warned again before it has recovered.

    A liquidation needs evidence that is `confirmed`; it ends by its own (flat books), never because a price
    came back.
    """
    if state is RiskState.LIQUIDATING:
        return Step(state)
    if confirmed and level <= thresholds.liquidation:
        warned = (RiskAction.WARN,) if state is RiskState.CALM else ()
        return Step(RiskState.LIQUIDATING, (*warned, RiskAction.LIQUIDATE))
    if state is RiskState.CALM and level <= thresholds.warning:
        return Step(RiskState.WARNED, (RiskAction.WARN,))
    if state is RiskState.WARNED and level > thresholds.rearm:
        return Step(RiskState.CALM)
    return Step(state)


@dataclass(frozen=True, slots=True)
class Span:
    """Between these levels nothing happens: above `lower`, and not above `upper`."""

    lower: Decimal
    upper: Decimal


def quiet(state: RiskState, thresholds: Thresholds) -> Span:
    """Where nobody has to look: `step` changes nothing within."""
    if state is RiskState.LIQUIDATING:
        return Span(-INFINITE, INFINITE)
    if state is RiskState.WARNED:
        return Span(thresholds.liquidation, thresholds.rearm)
    return Span(thresholds.warning, INFINITE)


def after_liquidation(level: Decimal, thresholds: Thresholds) -> RiskState:
    """Flat at last: whoever is not above the line of recovery is not warned anew."""
    return RiskState.CALM if level > thresholds.rearm else RiskState.WARNED
