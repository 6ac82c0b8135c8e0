"""Whether a subscription may be beyond a line: whole numbers, looked at with every pass, never too few."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from paceline.domain.guards import Copied, GuardKind, Marks
from paceline.domain.subscription import SubscriptionGuards
from services.risk.columns import InstrumentTable
from services.risk.scale import DIGITS, decimal_of

_FAR = 2**62


@dataclass(slots=True)
class CopySieve:
    """Worth is that of all that is held; what was spent on it does not move between two readings."""

    pieces: Sequence[tuple[int, int]]
    """Place of the instrument, and quantity x multiplier."""
    spent: Decimal
    low: int
    high: int
    trail: int
    """How far below the top is too low; 0 is no matter how far."""
    top: int
    """The highest worth that a pass saw."""

    def worth(self, prices: InstrumentTable) -> int:
        return sum(int(prices.price[place]) * count for place, count in self.pieces)

    def passes(self, worth: int) -> bool:
        """Nobody has to look."""
        if self.trail and worth <= self.top - self.trail:
            return False
        return self.low < worth < self.high

    @property
    def peak(self) -> Decimal:
        """The best result that a pass saw."""
        return decimal_of(self.top) - self.spent


def sieve_of(
    guards: SubscriptionGuards,
    marks: Marks,
    tripped: "frozenset[GuardKind]",
    copies: Sequence[tuple[int, Copied]],
    profit: Decimal,
) -> CopySieve | None:
    """After an exact look at these copies, by the places of what they are in; None where pieces are no whole
    numbers.
    """
    held = [(place, each.held * each.multiplier, each.price or Decimal(0)) for place, each in copies]
    if any(count != int(count) for _, count, _ in held):
        return None
    now = sum((count * price for _, count, price in held), Decimal(0))
    spent, opened = now - profit, marks.profit if marks.opened is None else marks.opened
    peak = opened if marks.peak is None else marks.peak
    sieve = CopySieve([(place, int(count)) for place, count, _ in held], spent, -_FAR, _FAR, 0, _up(now))
    if guards.stop_loss is not None and GuardKind.STOP_LOSS not in tripped:
        sieve.low = _up((peak if guards.trailing else opened) - guards.stop_loss + spent)
        sieve.trail = _down(guards.stop_loss) if guards.trailing else 0
    if guards.take_profit is not None and GuardKind.TAKE_PROFIT not in tripped:
        sieve.high = _down(opened + guards.take_profit + spent)
    return sieve


def _up(amount: Decimal) -> int:
    return int(amount.scaleb(DIGITS).to_integral_value(ROUND_CEILING))


def _down(amount: Decimal) -> int:
    return int(amount.scaleb(DIGITS).to_integral_value(ROUND_FLOOR))
