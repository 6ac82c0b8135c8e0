"""What happens on the day: drawn from a seed, and from nothing else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random

PRODUCT = "INTRADAY"
_RATIOS = (Decimal("0.25"), Decimal("0.5"), Decimal(1), Decimal("1.5"), Decimal(2))
_OPEN_MAX = 4
_LOTS_MAX = 12


@dataclass(frozen=True, slots=True)
class Traded:
    """An instrument of the day and its lot."""

    symbol: str
    lot: int


@dataclass(frozen=True, slots=True)
class Step:
    """One order of the leader, filled at once and whole."""

    symbol: str
    side: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Habit:
    """How one follower copies."""

    ratio: Decimal
    blocked: str = ""
    auto_copy: bool = True
    paused: bool = False


def day(seed: int, events: int, traded: Sequence[Traded]) -> list[Step]:
    """Openings, additions, partial exits; the last orders close what is open: two or more end flat."""
    random = Random(f"day {seed}")
    held: dict[str, int] = {}
    lots = {each.symbol: each.lot for each in traded}
    steps: list[Step] = []
    while len(steps) < events:
        left = events - len(steps)
        if held and left <= len(held):
            symbol, quantity = held.popitem()
            steps.append(Step(symbol, -1 if quantity > 0 else 1, abs(quantity)))
            continue
        steps.append(_step(random, held, lots, may_open=left > len(held) + 1))
    return steps


def habits(seed: int, followers: int, traded: Sequence[Traded]) -> Iterator[Habit]:
    """Most copy everything; some block an instrument, switched copying off, or pause."""
    random = Random(f"habits {seed}")
    for _ in range(followers):
        ratio, dice = random.choice(_RATIOS), random.random()
        if dice < 0.10:
            yield Habit(ratio, blocked=random.choice(traded).symbol)
        elif dice < 0.13:
            yield Habit(ratio, auto_copy=False)
        elif dice < 0.16:
            yield Habit(ratio, paused=True)
        else:
            yield Habit(ratio)


def _step(random: Random, held: dict[str, int], lots: dict[str, int], *, may_open: bool) -> Step:
    fresh = [symbol for symbol in lots if symbol not in held]
    if not held or (may_open and fresh and len(held) < _OPEN_MAX and random.random() < 0.4):
        symbol = random.choice(fresh)
        quantity = random.choice((1, -1)) * lots[symbol] * random.randint(4, _LOTS_MAX)
    else:
        symbol = random.choice(sorted(held))
        quantity = _change(random, held[symbol], lots[symbol])
    held[symbol] = held.get(symbol, 0) + quantity
    return Step(symbol, 1 if quantity > 0 else -1, abs(quantity))


def _change(random: Random, position: int, lot: int) -> int:
    """An addition, or an exit that leaves at least one lot."""
    direction = 1 if position > 0 else -1
    lots_held = abs(position) // lot
    if lots_held > 1 and random.random() < 0.6:
        return -direction * lot * random.randint(1, lots_held - 1)
    return direction * lot * random.randint(1, _LOTS_MAX // 2)
