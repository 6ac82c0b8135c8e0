"""What the leader of orders does: rounds in one symbol each, from flat to flat, drawn from a seed alone.

A symbol is traded on one side only, so that whoever copies it may never stand on the other.
Prices are ticks from yesterday's close.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from chaos.feed.script import Cancel, Fill, Modify, Move, Pause, Place, Trade
from chaos.feed.script import Step as LeaderStep

LANES = 2
_PAUSE_S = (0.4, 2.2)
_ROUND_S = 9.0
"""The last round begins this long before the end."""
_STOP_ROOM = 6


@dataclass(frozen=True, slots=True)
class Nibble:
    """Copies that rest are filled in part, ahead of their leader; `seed` draws which, and how far."""

    seed: str


@dataclass(frozen=True, slots=True)
class Close:
    """What works is cancelled, and what is held is traded away."""


Step: TypeAlias = LeaderStep | Nibble | Close


@dataclass(frozen=True, slots=True)
class Round:
    symbol: str
    steps: tuple[Step, ...]

    @property
    def seconds(self) -> float:
        return sum(step.seconds for step in self.steps if isinstance(step, Pause))


def sides(symbols: Sequence[str]) -> dict[str, int]:
    """On which side of each the leader stands, whenever he does."""
    return {symbol: (1, -1)[number % 2] for number, symbol in enumerate(symbols)}


def rounds(seed: int, lane: int, seconds: float, symbols: Sequence[str]) -> Iterator[Round]:
    """Of one lane, one after the other; no two lanes share a symbol. Every kind has its turn."""
    random = Random(f"rounds {lane} {seed}")
    side_of = sides(symbols)
    mine = symbols[lane::LANES]
    kinds = list(_KINDS)
    random.shuffle(kinds)
    spent_s, number = 0.0, 0
    while not number or spent_s < seconds - _ROUND_S:
        symbol = mine[number % len(mine)]
        made = kinds[number % len(kinds)](random, side_of[symbol])
        one = Round(symbol, (Move(0), *made, _pause(random), Close(), _pause(random)))
        yield one
        spent_s += one.seconds
        number += 1


def _pause(random: Random) -> Pause:
    return Pause(round(random.uniform(*_PAUSE_S), 2))


def _nibble(random: Random) -> Nibble:
    return Nibble(f"{random.random():.12f}")


def _taken_back(random: Random, side: int) -> Iterator[Step]:
    """Never filled, changed a few times, cancelled: what copies filled ahead of it is sold again."""
    away, lots = random.randint(10, 20), random.randint(8, 24)
    yield Place("LIMIT", side, lots, limit=-side * away)
    yield _pause(random)
    for _ in range(random.randint(1, 3)):
        lots = max(4, lots + random.randint(-4, 6))
        yield Modify(limit=-side * random.randint(10, 20))
        yield Modify(lots=lots)
        if random.random() < 0.6:
            yield _pause(random)
            yield _nibble(random)
    yield Cancel()


def _in_parts(random: Random, side: int) -> Iterator[Step]:
    """Filled piece by piece and changed in between, on the way in and on the way out."""
    away, sizes = random.randint(10, 20), [random.randint(3, 8) for _ in range(3)]
    yield Place("LIMIT", side, sum(sizes), limit=-side * away)
    yield _pause(random)
    yield _nibble(random)
    yield Fill(sizes[0], 2)
    yield Modify(limit=-side * (away + random.randint(1, 5)))
    yield Modify(lots=sum(sizes) + 4)
    yield _pause(random)
    yield Fill(sizes[1], 3)
    held = sizes[0] + sizes[1]
    if random.random() < 0.5:
        yield Fill(sizes[2] + 4, 2)
        held += sizes[2] + 4
    else:
        yield Cancel()
    yield _pause(random)
    yield Place("LIMIT", -side, held, limit=side * away)
    yield _pause(random)
    yield _nibble(random)
    yield Modify(limit=side * (away + random.randint(1, 5)))
    yield Fill(random.randint(2, held - 1), 2)
    yield _pause(random)
    if random.random() < 0.5:
        yield Cancel()


def _crossed(random: Random, side: int) -> Iterator[Step]:
    """The market comes to his limit and to those of his copies; the way out is at market, in parts."""
    away, lots = random.randint(10, 20), random.randint(8, 16)
    yield Place("LIMIT", side, lots, limit=-side * away, held=False)
    yield _pause(random)
    yield Modify(lots=lots + random.randint(1, 6))
    yield _nibble(random)
    yield Move(-side * (away + 2))
    yield _pause(random)
    yield Move(0)
    yield Trade(-side, random.randint(2, lots - 1), 2)


def _stopped(random: Random, side: int) -> Iterator[Step]:
    """In at market, out at a stop that was moved and resized."""
    lots, away = random.randint(8, 16), random.randint(10, 20)
    yield Trade(side, lots, 2)
    yield _pause(random)
    stop = -side * away
    yield Place("STOP_LIMIT", -side, lots, limit=stop - side * _STOP_ROOM, stop=stop, held=False)
    yield _pause(random)
    yield Modify(limit=stop - side * (_STOP_ROOM + 3))
    yield Modify(lots=random.randint(4, lots))
    yield _pause(random)
    yield Move(stop)


_Make: TypeAlias = Callable[[Random, int], Iterator[Step]]
_KINDS: tuple[_Make, ...] = (_taken_back, _in_parts, _crossed, _stopped)
