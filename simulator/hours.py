"""When each exchange and segment trades, in Indian time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from enum import Enum
from typing import TYPE_CHECKING

from simulator.clock import ist
from simulator.instruments import Segment, Venue

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.instruments import Instrument

SATURDAY = 5


class Phase(Enum):
    OPEN = "OPEN"
    CLOSED = "CLOSED"
    PREOPEN = "PREOPEN"
    PREOPEN_CLOSED = "PREOPEN_CLOSED"
    POSTCLOSE_START = "POSTCLOSE_START"
    POSTCLOSE_CLOSED = "POSTCLOSE_CLOSED"


@dataclass(frozen=True, slots=True)
class Session:
    opens: time
    closes: time
    squares_off: time
    """When the broker closes intraday positions."""
    has_auctions: bool = False


SESSIONS = {
    (Venue.NSE, Segment.CAPITAL): Session(time(9, 15), time(15, 30), time(15, 15), has_auctions=True),
    (Venue.BSE, Segment.CAPITAL): Session(time(9, 15), time(15, 30), time(15, 15), has_auctions=True),
    (Venue.NSE, Segment.DERIVATIVES): Session(time(9, 15), time(15, 40), time(15, 20)),
    (Venue.BSE, Segment.DERIVATIVES): Session(time(9, 15), time(15, 40), time(15, 20)),
    (Venue.MCX, Segment.COMMODITY): Session(time(9, 0), time(23, 30), time(23, 20)),
}
PREOPEN = (time(9, 0), time(9, 8))
POSTCLOSE = (time(15, 40), time(16, 0))

Market = tuple[Venue, Segment]


class Hours:
    """Always open unless told to keep real hours; a market can be held shut either way."""

    def __init__(self, *, real: bool = False) -> None:
        self.real = real
        self.shut: set[Market] = set()

    def is_open(self, instrument: Instrument, wall_ns: int) -> bool:
        if not self.real and not self.shut:
            return True
        return self.phase((instrument.venue, instrument.segment), wall_ns) is Phase.OPEN

    def phase(self, market: Market, wall_ns: int) -> Phase:
        if market in self.shut or market not in SESSIONS:
            return Phase.CLOSED
        if not self.real:
            return Phase.OPEN
        return _phase(SESSIONS[market], ist(wall_ns))


def _phase(session: Session, at: datetime) -> Phase:
    now = at.time()
    if at.weekday() >= SATURDAY:
        return Phase.CLOSED
    if session.opens <= now < session.closes:
        return Phase.OPEN
    if not session.has_auctions:
        return Phase.CLOSED
    if PREOPEN[0] <= now < session.opens:
        return Phase.PREOPEN if now < PREOPEN[1] else Phase.PREOPEN_CLOSED
    if POSTCLOSE[0] <= now < POSTCLOSE[1]:
        return Phase.POSTCLOSE_START
    return Phase.POSTCLOSE_CLOSED if now >= session.closes else Phase.CLOSED
