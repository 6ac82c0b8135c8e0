"""What the leaders do: drawn from a seed, and from nothing else. Prices are ticks from yesterday's close."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from paceline.cli.demo.script import Traded

PACE_S = 7.0
"""From one order of a leader to his next, in the mean."""
_PAUSE_S = (0.05, 0.6)
_STOP_TICKS = 8
_TAGGED = "chaos"


@dataclass(frozen=True, slots=True)
class Place:
    """An order; `held` ones fill by hand alone, others meet the market."""

    type: str
    side: int
    lots: int
    limit: int | None = None
    stop: int | None = None
    held: bool = True
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Trade:
    """An order and its fills at once, by hand."""

    side: int
    lots: int
    parts: int


@dataclass(frozen=True, slots=True)
class Fill:
    lots: int
    parts: int


@dataclass(frozen=True, slots=True)
class Modify:
    limit: int | None = None
    lots: int | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    pass


@dataclass(frozen=True, slots=True)
class Move:
    """The market trades there."""

    ticks: int


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


Step: TypeAlias = Place | Trade | Fill | Modify | Cancel | Move | Pause


@dataclass(frozen=True, slots=True)
class Idea:
    """One order's whole life, and when it begins."""

    at_s: float
    symbol: str
    steps: tuple[Step, ...]


def ideas(seed: int, leader: int, seconds: float, traded: Sequence[Traded]) -> Iterator[Idea]:
    """Of one leader, in order of time."""
    random = Random(f"leader {leader} {seed}")
    at_s = random.uniform(0, PACE_S)
    kinds, weights = zip(*_KINDS, strict=True)
    while at_s < seconds:
        (make,) = random.choices(kinds, weights)
        yield Idea(round(at_s, 2), random.choice(traded).symbol, tuple(make(random)))
        at_s += random.uniform(0.5, 1.5) * PACE_S


def _side(random: Random) -> int:
    return random.choice((1, -1))


def _pause(random: Random) -> Pause:
    return Pause(round(random.uniform(*_PAUSE_S), 2))


def _burst(random: Random) -> Iterator[Step]:
    parts = random.randint(3, 12)
    yield Trade(_side(random), parts * random.randint(1, 2), parts)


def _generated(random: Random) -> Iterator[Step]:
    yield Place("MARKET", _side(random), random.randint(10, 30), held=False, tag=_TAGGED)


def _in_pieces(random: Random) -> Iterator[Step]:
    """Partly filled, changed, filled on; at last filled or cancelled."""
    pieces, ticks = random.randint(2, 4), random.randint(-10, 10)
    sizes = [random.randint(2, 5) for _ in range(pieces)]
    yield Place("LIMIT", _side(random), sum(sizes) + 1, limit=ticks)
    for size in sizes:
        yield _pause(random)
        yield Fill(size, random.randint(2, size))
        if random.random() < 0.4:
            yield Modify(limit=ticks + random.randint(1, 9))
    yield _pause(random)
    yield Cancel() if random.random() < 0.5 else Fill(1, 1)


def _flickering(random: Random) -> Iterator[Step]:
    """Changed there and back within a second, which is how finely the broker tells the time."""
    ticks, lots = random.randint(-10, 10), random.randint(4, 8)
    yield Place("LIMIT", _side(random), lots, limit=ticks)
    yield _pause(random)
    for _ in range(random.randint(1, 2)):
        yield Modify(limit=ticks + 5)
        yield Modify(limit=ticks)
    if random.random() < 0.5:
        yield Modify(lots=lots + 1)
    if random.random() < 0.3:
        yield _pause(random)
        yield Cancel()


def _cancelled(random: Random) -> Iterator[Step]:
    yield Place("LIMIT", _side(random), random.randint(1, 9), limit=random.randint(-10, 10))
    if random.random() < 0.5:
        yield _pause(random)
    yield Cancel()


def _rejected(random: Random) -> Iterator[Step]:
    yield Place("LIMIT", _side(random), random.randint(1, 9), limit=1_000_000)


def _triggered(random: Random) -> Iterator[Step]:
    """A stop limit sleeps until the market comes to its trigger."""
    side, ticks = _side(random), random.randint(1, 10)
    stop = side * (ticks + _STOP_TICKS)
    yield Move(side * ticks)
    yield Place("STOP_LIMIT", side, random.randint(5, 20), limit=stop + side * 4, stop=stop, held=False)
    yield _pause(random)
    yield Move(stop)


_Make: TypeAlias = Callable[[Random], Iterator[Step]]
_KINDS: tuple[tuple[_Make, int], ...] = (
    (_burst, 30),
    (_generated, 15),
    (_in_pieces, 27),
    (_flickering, 10),
    (_cancelled, 7),
    (_rejected, 4),
    (_triggered, 7),
)
