"""What the data socket calls an instrument: `sf|nse_cm|3045`, `dp|…` its depth, `if|nse_cm|Nifty 50`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from simulator.fyers.symbols import INDEX_NAMES
from simulator.instruments import Instrument, Kind, Segment, Venue

if TYPE_CHECKING:
    from collections.abc import Iterable

_SEGMENTS = {
    (Venue.NSE, Segment.CAPITAL): "nse_cm",
    (Venue.NSE, Segment.DERIVATIVES): "nse_fo",
    (Venue.NSE, Segment.CURRENCY): "cde_fo",
    (Venue.NSE, Segment.COMMODITY): "nse_com",
    (Venue.MCX, Segment.COMMODITY): "mcx_fo",
    (Venue.BSE, Segment.CAPITAL): "bse_cm",
    (Venue.BSE, Segment.DERIVATIVES): "bse_fo",
    (Venue.BSE, Segment.CURRENCY): "bcs_fo",
}


class Feed(Enum):
    SYMBOL = "sf"
    DEPTH = "dp"
    INDEX = "if"


@dataclass(frozen=True, slots=True)
class Topic:
    name: str
    feed: Feed
    instrument: Instrument


def topics_of(instrument: Instrument) -> tuple[Topic, ...]:
    """An index has no depth and goes by name; everything else has a price feed and a depth feed."""
    segment = _SEGMENTS[instrument.venue, instrument.segment]
    if instrument.kind is Kind.INDEX:
        middle = instrument.symbol.split(":")[1].removesuffix("-INDEX")
        token = INDEX_NAMES.get(instrument.symbol, middle)
        feeds: tuple[Feed, ...] = (Feed.INDEX,)
    else:
        token = instrument.fy_token[10:]
        feeds = (Feed.SYMBOL, Feed.DEPTH)
    return tuple(Topic(f"{feed.value}|{segment}|{token}", feed, instrument) for feed in feeds)


def all_topics(instruments: Iterable[Instrument]) -> dict[str, Topic]:
    return {topic.name: topic for instrument in instruments for topic in topics_of(instrument)}
