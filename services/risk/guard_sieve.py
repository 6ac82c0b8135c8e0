"""Who may be beyond a line of a guard: whole columns at once, never too few; who passes is judged exactly."""

import numpy as np

from services.risk.columns import AccountTable, CellTable, Flags, InstrumentTable, Ints

FAR = 2**62
_SLACK = 1e-6
"""Wider than what a float may be off by."""


def beyond(accounts: AccountTable, cells: CellTable, instruments: InstrumentTable) -> Ints:
    """Rows, as of the last pass; on the way peaks follow what two readings of the funds agree on."""
    top = accounts.top
    sure = accounts.guarded[:top] & ~accounts.unsure[:top] & (accounts.seen_funds_ns[:top] > 0)
    # where a newer reading waits for its pass, the one before it is the one that is seen: it confirms nothing
    sure &= accounts.seen_funds_ns[:top] == accounts.funds_ns[:top]
    sound = sure & ~accounts.stale[:top]
    unrealised, realised = accounts.unrealised[:top], accounts.seen_realised[:top]
    profit = realised + unrealised
    before = accounts.before_realised[:top] + accounts.gained[:top]
    least = np.where(accounts.twice[:top], np.minimum(realised, before), realised) + unrealised
    peak = accounts.guard_peak[:top]
    np.maximum(peak, least, out=peak, where=sound)
    outside = profit <= accounts.guard_low[:top]
    outside |= _fallen(accounts, peak - profit)
    outside &= sound
    outside |= _capped(accounts, cells, instruments) & sure
    return np.flatnonzero(outside)


def _fallen(accounts: AccountTable, fall: Ints) -> Flags:
    """By the share of what the equity would be without the fall."""
    line = accounts.guard_drawdown[: accounts.top]
    highest = accounts.equity() + fall
    return (line > 0) & (fall > 0) & (fall * (100.0 + _SLACK) >= line * highest)


def _capped(accounts: AccountTable, cells: CellTable, instruments: InstrumentTable) -> Flags:
    """What has no fresh price counts as a position, and not as money."""
    top, held = accounts.top, cells.top
    counts, exposures = accounts.guard_positions[:top], accounts.guard_exposure[:top]
    over = np.zeros(top, np.bool_)
    if not (counts.any() or exposures.any()):
        return over
    owner, quantity = cells.account[:held], np.abs(cells.quantity[:held])
    positions = np.bincount(owner, weights=quantity > 0, minlength=top)[:top]
    over |= (counts > 0) & (positions > counts)
    if exposures.any():
        instrument = cells.instrument[:held]
        worth = np.take(instruments.price, instrument) * np.take(instruments.multiplier, instrument)
        worth[np.take(instruments.late, instrument)] = 0
        money = np.bincount(owner, weights=worth.astype(np.float64) * quantity, minlength=top)[:top]
        over |= (exposures > 0) & (money * (1.0 + _SLACK) > exposures)
    return over
