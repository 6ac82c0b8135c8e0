"""How the crash goes: who has how much money, and down to which prices it falls."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from random import Random

from paceline.cli.demo.script import Habit, Traded

QUANTITY = 100
RISE = Decimal("1.08")
"""It rises first: on the way down there must be room above the band of the day."""
LEVELS = (Decimal(75), Decimal(45), Decimal(25), Decimal(6))
"""Margin levels of the leader, step by step: through the warning at 50 % and the liquidation at 10 %."""
CALM, WARNED, OTHERS_WARNED, LIQUIDATED = range(4)
_MARGIN = Decimal("0.2")
"""Of the money in shares traded intraday, as the simulated broker wants it."""
_LEADER = Decimal("1.1")
_TIGHT = Decimal("1.3")
"""Money over margin: at the last step the leader has lost all but 6 % of it, and they have 26 % left."""
_RICH = Decimal(50_000_000)
_RATIOS = (Decimal("0.5"), Decimal(1), Decimal("1.5"), Decimal(2))


@dataclass(frozen=True, slots=True)
class Follower:
    habit: Habit
    cash: Decimal
    tight: bool


@dataclass(frozen=True, slots=True)
class Cast:
    """What is traded, what somebody holds beside it, and what everybody has."""

    symbol: str
    other: str
    price: Decimal
    leader_cash: Decimal
    followers: tuple[Follower, ...]


@dataclass(frozen=True, slots=True)
class Stand:
    """The leader's account before the fall."""

    equity: Decimal
    used_margin: Decimal
    price: Decimal
    quantity: Decimal


def cast(
    seed: int, followers: int, traded: Sequence[Traded], last: dict[str, Decimal], tick: Decimal
) -> Cast:
    """Every second follower has as little to spare as the leader; the others only have what they copied."""
    random = Random(f"crash {seed}")
    falling, other = random.sample([each.symbol for each in traded], 2)
    price = floored(last[falling] * RISE, tick)
    margin = price * QUANTITY * _MARGIN
    people = []
    for number in range(followers):
        ratio, tight = random.choice(_RATIOS), number % 2 == 1
        people.append(Follower(Habit(ratio), margin * ratio * _TIGHT if tight else _RICH, tight))
    return Cast(falling, other, price, margin * _LEADER, tuple(people))


def price_at(level: Decimal, stand: Stand, tick: Decimal) -> Decimal:
    """Where the margin level of a long position comes to `level` percent, or a tick less."""
    loss = stand.equity - level / 100 * stand.used_margin
    return floored(stand.price - loss / stand.quantity, tick)


def floored(price: Decimal, tick: Decimal) -> Decimal:
    return (price / tick).to_integral_value(ROUND_FLOOR) * tick
