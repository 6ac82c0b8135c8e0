"""Time as the exchange sees it: the machine's own, or one that a test drives."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta, timezone

IST = timezone(timedelta(hours=5, minutes=30), "IST")
SECOND_NS = 1_000_000_000


class Clock:
    """Wall time that can be shifted or frozen; monotonic time that cannot."""

    __slots__ = ("_frozen_at", "_offset_ns")

    def __init__(self) -> None:
        self._offset_ns = 0
        self._frozen_at: int | None = None

    def wall_ns(self) -> int:
        if self._frozen_at is not None:
            return self._frozen_at
        return time.time_ns() + self._offset_ns

    def mono_ns(self) -> int:
        return time.monotonic_ns()

    def set(self, wall_ns: int, *, frozen: bool) -> None:
        """Make it this moment now; frozen time moves by `advance` alone."""
        self._frozen_at = wall_ns if frozen else None
        self._offset_ns = 0 if frozen else wall_ns - time.time_ns()

    def advance(self, seconds: float) -> None:
        step = round(seconds * SECOND_NS)
        if self._frozen_at is not None:
            self._frozen_at += step
        else:
            self._offset_ns += step

    def release(self) -> None:
        """Back to the machine's own time."""
        self._frozen_at = None
        self._offset_ns = 0


def ist(wall_ns: int) -> datetime:
    return datetime.fromtimestamp(wall_ns / SECOND_NS, UTC).astimezone(IST)


def ist_date(wall_ns: int) -> date:
    return ist(wall_ns).date()


def moment(text: str) -> int:
    """Nanoseconds of an ISO time; without a zone it is Indian time."""
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=IST)
    return round(parsed.timestamp()) * SECOND_NS


class Stamps:
    """Writes times the way the broker does, formatting each second once."""

    __slots__ = ("_numeric", "_second", "_text")

    def __init__(self) -> None:
        self._second = -1
        self._text = ""
        self._numeric = ""

    def _refresh(self, second: int) -> None:
        if second != self._second:
            at = ist(second * SECOND_NS)
            self._second = second
            self._text = at.strftime("%d-%b-%Y %H:%M:%S")
            self._numeric = at.strftime("%d-%m-%Y %H:%M:%S")

    def text(self, wall_ns: int) -> str:
        """18-Dec-2023 13:51:30, in Indian time."""
        self._refresh(wall_ns // SECOND_NS)
        return self._text

    def numeric(self, wall_ns: int) -> str:
        """18-12-2023 13:51:30, in Indian time."""
        self._refresh(wall_ns // SECOND_NS)
        return self._numeric
