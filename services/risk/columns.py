"""Every account, position and instrument as columns of whole numbers; one row or cell is one index in all."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_FIRST = 64


def _ints() -> Ints:
    return np.zeros(_FIRST, np.int64)


def _flags() -> Flags:
    return np.zeros(_FIRST, np.bool_)


def _floats() -> Floats:
    return np.zeros(_FIRST, np.float64)


@dataclass(slots=True)
class Table:
    """Columns of one length, with the places in them; a place given back is all zeros."""

    top: int = 0
    """Places behind it were never taken."""
    _free: list[int] = field(default_factory=list)

    def take(self) -> int:
        if self._free:
            return self._free.pop()
        place = self.top
        if place == self._capacity():
            self._double()
        self.top += 1
        return place

    def give(self, place: int) -> None:
        for name in self._columns():
            getattr(self, name)[place] = 0
        self._free.append(place)

    def _capacity(self) -> int:
        return len(getattr(self, next(self._columns())))

    def _double(self) -> None:
        for name in self._columns():
            old = getattr(self, name)
            new = np.zeros(2 * len(old), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)

    def _columns(self) -> Iterator[str]:
        return (each.name for each in fields(self) if each.name not in ("top", "_free"))


@dataclass(slots=True)
class AccountTable(Table):
    """A row an account; money in units. First what is known now, then what the last pass made of it."""

    cash: Ints = field(default_factory=_ints)
    realised: Ints = field(default_factory=_ints)
    """As the broker last told."""
    gained: Ints = field(default_factory=_ints)
    """Taken by fills since."""
    collateral: Ints = field(default_factory=_ints)
    used_margin: Ints = field(default_factory=_ints)
    funds_ns: Ints = field(default_factory=_ints)
    """When the broker was last asked; 0 is never, and then equity is not known."""
    before_realised: Ints = field(default_factory=_ints)
    """By the reading of the funds before the newest, where there are two of them."""
    twice: Flags = field(default_factory=_flags)
    broken: Flags = field(default_factory=_flags)
    """Something about it could not be counted."""
    touched: Flags = field(default_factory=_flags)
    """Changed by something else than a price since the last pass."""
    doubt_ns: Ints = field(default_factory=_ints)
    """Funds that were asked for before this say nothing of what it holds."""

    armed: Flags = field(default_factory=_flags)
    """Its lines are known."""
    lower: Floats = field(default_factory=_floats)
    """At or below this margin level something is to be done, and above `upper` too: a first sieve."""
    upper: Floats = field(default_factory=_floats)
    guarded: Flags = field(default_factory=_flags)
    """It has guards that are watched."""
    guard_low: Ints = field(default_factory=_ints)
    """Profit of today at or below which the loss of the day is too much."""
    guard_peak: Ints = field(default_factory=_ints)
    """The best profit, as today's is counted; a fall from it by so many percent is too much, 0 is none."""
    guard_drawdown: Floats = field(default_factory=_floats)
    guard_exposure: Floats = field(default_factory=_floats)
    """Money in positions, and their number, that is still allowed; 0 is any."""
    guard_positions: Ints = field(default_factory=_ints)

    turn: Ints = field(default_factory=_ints)
    """The pass that last changed it."""
    seen_cash: Ints = field(default_factory=_ints)
    seen_realised: Ints = field(default_factory=_ints)
    """With what fills gained."""
    seen_collateral: Ints = field(default_factory=_ints)
    seen_margin: Ints = field(default_factory=_ints)
    seen_funds_ns: Ints = field(default_factory=_ints)
    unrealised: Ints = field(default_factory=_ints)
    stale: Flags = field(default_factory=_flags)
    unsure: Flags = field(default_factory=_flags)
    """Stale whatever the prices are."""

    since_ns: Ints = field(default_factory=_ints)
    """When it was first laid out to be told."""
    told_ns: Ints = field(default_factory=_ints)
    """When its own key was last written, and with what."""
    told_equity: Ints = field(default_factory=_ints)
    told_margin: Ints = field(default_factory=_ints)
    told_stale: Flags = field(default_factory=_flags)

    def see(self) -> None:
        """The money of everyone as the pass takes it: what others read never mixes two moments."""
        self.see_some(slice(self.top))

    def see_some(self, rows: "slice | Ints") -> None:
        """The same of a few."""
        self.seen_cash[rows] = self.cash[rows]
        self.seen_realised[rows] = self.realised[rows] + self.gained[rows]
        self.seen_collateral[rows] = self.collateral[rows]
        self.seen_margin[rows] = self.used_margin[rows]
        self.seen_funds_ns[rows] = self.funds_ns[rows]

    def levels(self) -> Floats:
        """Margin levels in percent, of every row up to the top, as of the last pass."""
        margin = self.seen_margin[: self.top]
        levels = np.full(self.top, np.inf)
        np.divide(self.equity() * 100.0, margin, out=levels, where=margin > 0)
        return levels

    def equity(self) -> Ints:
        """Of every row up to the top, as of the last pass."""
        top = self.top
        return (
            self.seen_cash[:top]
            + self.seen_realised[:top]
            + self.seen_collateral[:top]
            + self.unrealised[:top]
        )


@dataclass(slots=True)
class CellTable(Table):
    """A cell a position; cells that were given back weigh nothing."""

    account: Ints = field(default_factory=_ints)
    instrument: Ints = field(default_factory=_ints)
    key: Ints = field(default_factory=_ints)
    quantity: Ints = field(default_factory=_ints)
    cost: Ints = field(default_factory=_ints)


@dataclass(slots=True)
class InstrumentTable(Table):
    price: Ints = field(default_factory=_ints)
    price_ns: Ints = field(default_factory=_ints)
    """When it was received; 0 is never."""
    multiplier: Ints = field(default_factory=_ints)
    weight: Ints = field(default_factory=_ints)
    """The multiplier once there is a price, else 0."""
    cells: Ints = field(default_factory=_ints)
    """Positions that are open in it."""
    unlisted: Flags = field(default_factory=_flags)
    """No master knows it."""
    unsound: Flags = field(default_factory=_flags)
    """The newest that was told of it cannot be a price."""
    moved: Flags = field(default_factory=_flags)
    """Told since the last pass."""
    late: Flags = field(default_factory=_flags)
    """Held, and by the last pass of no price that can be acted on."""
    largest: Ints = field(default_factory=_ints)
    """The largest quantity that one account held of it since anybody did."""
