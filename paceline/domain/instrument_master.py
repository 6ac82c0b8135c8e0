"""What a name of the outside means, and whether a broker's list of instruments is whole."""

from collections.abc import Mapping
from dataclasses import dataclass

_SKIPPED_MAX_PERCENT = 1
_SKIPPED_FEW = 10
"""So many rows of a file may be unreadable, however short it is."""


def canonical(symbol: str) -> str:
    """`nse:sbin-eq ` is `NSE:SBIN-EQ`; the series stays, because it names another instrument."""
    return symbol.strip().upper()


@dataclass(frozen=True, slots=True)
class FileRead:
    """One file of a master: how many instruments it named, and how many rows could not be read."""

    found: int
    skipped: int = 0


def complaint(before: Mapping[str, int], files: Mapping[str, FileRead], lost_max_percent: int) -> str | None:
    """Why a master is refused whole, or None. `before` is what each file named when it was last taken.

    A truncated list looks like a good one: an instrument it leaves out would only be missed by an order.
    """
    for name, read in files.items():
        rows = read.found + read.skipped
        if not read.found:
            return f"{name} names no instrument"
        if read.skipped > max(_SKIPPED_FEW, rows * _SKIPPED_MAX_PERCENT // 100):
            return f"{read.skipped} of {rows} rows of {name} cannot be read"
        known = before.get(name, 0)
        if read.found * 100 < known * (100 - lost_max_percent):
            return f"{name} names {read.found} instruments and named {known} before"
    return None
