"""What befalls a house, round by round: drawn from a seed alone.

A house is a leader, those who copy him, and somebody who holds the same and copies nobody. Its symbol is
traded on one side only and by nobody else.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from random import Random

RATIOS = tuple(map(Decimal, ("1", "0.5", "2", "1.5")))
DIP, DEEP = Decimal("0.08"), Decimal("0.14")
"""How far the price goes against everyone, of what was paid. A position binds a fifth of its worth: each
percent takes five points off its margin level."""
FALLS, WARNED, RICH = Decimal(5), Decimal(15), Decimal(230)
"""Margin levels at the deepest price. Forty percent of a warned one lies between the two prices."""
DIPPED = Decimal(35)
"""Margin level at the lesser price of who is warned where nobody falls."""
_PAUSE_S = 2.5
_LOTS = (60, 140)


class Kind(Enum):
    LEADER = "the leader falls"
    FOLLOWER = "one who follows falls"
    NOBODY = "two dips, and nobody falls"


@dataclass(frozen=True, slots=True)
class Round:
    kind: Kind
    quantity: int
    """What the leader buys or sells."""
    levels: tuple[Decimal, ...]
    """Of the leader, then of his followers, at the deepest price that there will be."""
    plunges: bool
    """Straight to the deepest price: what warns and what liquidates is one turn."""
    pauses_s: tuple[float, ...]

    @property
    def depths(self) -> tuple[Decimal, ...]:
        """The prices to go to, one after the other."""
        if self.kind is Kind.NOBODY:
            return (DIP,)
        return (DEEP,) if self.plunges else (DIP, DEEP)


def side(house: int) -> int:
    """Of everything that a house holds in its symbol."""
    return 1 if house % 2 == 0 else -1


def rounds(seed: int, house: int) -> Iterator[Round]:
    """As many as there is time for; the first three are one of each kind."""
    random = Random(f"house {house} {seed}")
    first = list(Kind)
    random.shuffle(first)
    while True:
        kind = first.pop() if first else random.choices(list(Kind), (0.5, 0.35, 0.15))[0]
        yield Round(
            kind,
            random.randint(*_LOTS),
            _levels(random, kind),
            plunges=random.random() < 0.4,
            pauses_s=tuple(round(random.uniform(0, _PAUSE_S), 2) for _ in range(3)),
        )


def _levels(random: Random, kind: Kind) -> tuple[Decimal, ...]:
    many = len(RATIOS)
    match kind:
        case Kind.LEADER:
            return FALLS, *random.choices((WARNED, RICH, FALLS), (0.3, 0.5, 0.2), k=many)
        case Kind.FOLLOWER:
            others = random.choices((WARNED, RICH), (0.4, 0.6), k=many + 1)
            others[random.randint(1, many)] = FALLS
            return tuple(others)
        case Kind.NOBODY:
            return tuple(random.choices((DIPPED, RICH), k=many + 1))
