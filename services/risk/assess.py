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
class Assessment:
    """Of every row up to the table's top."""

    unrealised: Ints
    stale: Flags
    late_prices: int
    """Held instruments whose price is missing, too old or not to be trusted."""


def assess(
    accounts: AccountTable, cells: CellTable, instruments: InstrumentTable, now_ns: int, ages: Ages
) -> Assessment:
    """A position without any price counts at cost. Stale is a mark: it changes no number."""
    held, taken = cells.top, instruments.top
    account, instrument = cells.account[:held], cells.instrument[:held]
    worth = np.take(instruments.price, instrument)
    worth *= cells.quantity[:held]
    worth -= cells.cost[:held]
    worth *= np.take(instruments.weight, instrument)
    unrealised = np.zeros(accounts.top, np.int64)
    np.add.at(unrealised, account, worth)

    late = instruments.price_ns[:taken] < now_ns - ages.price_max_ms * _NS_PER_MS
    late |= instruments.unsound[:taken] | instruments.unlisted[:taken]
    late &= instruments.cells[:taken] > 0
    stale = accounts.funds_ns[: accounts.top] < now_ns - ages.funds_max_ms * _NS_PER_MS
    stale |= accounts.broken[: accounts.top]
    stale |= accounts.funds_ns[: accounts.top] < accounts.doubt_ns[: accounts.top]
    if late.any():
        stale[account[np.take(late, instrument) & (cells.quantity[:held] != 0)]] = True
    return Assessment(unrealised, stale, int(late.sum()))
