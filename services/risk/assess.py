"""What everyone is worth at the prices of a moment: pure, whole numbers in columns, no loop over accounts."""

from dataclasses import dataclass

import numpy as np

from services.risk.columns import AccountTable, CellTable, Flags, InstrumentTable, Ints

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Ages:
    """How old what is reckoned with may be before it is called stale."""

    price_max_ms: int
    funds_max_ms: int


@dataclass(frozen=True, slots=True)
class Part:
    """Some accounts: their rows in order, and all cells of theirs."""

    rows: Ints
    cells: Ints


@dataclass(frozen=True, slots=True)
class Assessment:
    """Of every row up to the table's top, or of the rows of a part."""

    unrealised: Ints
    stale: Flags
    unsure: Flags
    """Stale whatever the prices are."""
    late: Flags
    """Of every instrument: held, and its price is missing, too old or not to be trusted."""

    @property
    def late_prices(self) -> int:
        return int(self.late.sum())


def assess(
    accounts: AccountTable,
    cells: CellTable,
    instruments: InstrumentTable,
    now_ns: int,
    ages: Ages,
    part: Part | None = None,
) -> Assessment:
    """A position without any price counts at cost. Stale is a mark: it changes no number."""
    of: slice | Ints = slice(accounts.top) if part is None else part.rows
    held: slice | Ints = slice(cells.top) if part is None else part.cells
    account, instrument, quantity = cells.account[held], cells.instrument[held], cells.quantity[held]
    if part is not None:
        account = np.searchsorted(part.rows, account)
    worth = np.take(instruments.price, instrument)
    worth *= quantity
    worth -= cells.cost[held]
    worth *= np.take(instruments.weight, instrument)
    funds_ns = accounts.funds_ns[of]
    unrealised = np.zeros(len(funds_ns), np.int64)
    np.add.at(unrealised, account, worth)

    late = _late(instruments, now_ns, ages)
    unsure = funds_ns < now_ns - ages.funds_max_ms * _NS_PER_MS
    unsure |= accounts.broken[of]
    unsure |= funds_ns < accounts.doubt_ns[of]
    stale = unsure.copy()
    if late.any():
        stale[account[np.take(late, instrument) & (quantity != 0)]] = True
    return Assessment(unrealised, stale, unsure, late)


def touched(accounts: AccountTable, cells: CellTable, moved: Flags) -> Part:
    """Who holds what moved."""
    held = cells.top
    account = cells.account[:held]
    holders = np.zeros(accounts.top, np.bool_)
    holders[account[np.take(moved, cells.instrument[:held]) & (cells.quantity[:held] != 0)]] = True
    return Part(np.flatnonzero(holders), np.flatnonzero(np.take(holders, account)))


def _late(instruments: InstrumentTable, now_ns: int, ages: Ages) -> Flags:
    """Held, and of no price that can be acted on."""
    taken = instruments.top
    late = instruments.price_ns[:taken] < now_ns - ages.price_max_ms * _NS_PER_MS
    late |= instruments.unsound[:taken] | instruments.unlisted[:taken]
    late &= instruments.cells[:taken] > 0
    return late
