"""`GetQuotes`: prices for whoever asks once, from what is new enough, else from the broker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from paceline.api.v1 import feed_pb2
from paceline.domain.calendar import Calendar
from paceline.domain.errors import BrokerError, Invalid, Unavailable
from paceline.domain.ids import InstrumentId
from paceline.domain.instrument import Instrument
from paceline.ports.clock import Clock
from paceline.ports.instruments import Instruments
from paceline.ports.prices import Price, Prices
from paceline.runtime.sound import require_sound
from services.feed.prices import price_of, price_to_wire
from services.feed.quotes import PriceWatch

_log = structlog.get_logger(__name__)

_INSTRUMENTS_MAX = 100
_PATIENCE_S = 1.0
"""Somebody waits for the answer; older prices are one, too."""
_QUOTED = "rest_quote"
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class QuoteDesk:
    """`stale_ms`: what is older is asked for, unless told otherwise, and stale while its market is open."""

    watch: PriceWatch
    prices: Prices
    instruments: Instruments
    calendar: Calendar
    clock: Clock
    stale_ms: int

    async def answer(self, request: feed_pb2.GetQuotesRequest) -> feed_pb2.GetQuotesResponse:
        """Raises `Invalid`, and `Unavailable` where nobody can tell which instruments there are."""
        require_sound(request)
        asked = _asked(request)
        listed = await self.instruments.get_many(asked)
        known = [each for each in asked if each in listed]
        found = await self._at_hand(known)
        oldest_ns = self.clock.now_ns() - (request.max_age_ms or self.stale_ms) * _NS_PER_MS
        lacking = [
            each
            for each in known
            if each not in found or found[each].stale or found[each].received_ns < oldest_ns
        ]
        found |= await self._from_the_broker(lacking)
        return feed_pb2.GetQuotesResponse(
            ticks=[
                price_to_wire(each, found[each], stale=self._is_stale(listed[each], found[each]))
                for each in known
                if each in found
            ],
            unknown_instrument_ids=[each for each in asked if each not in listed],
        )

    def _is_stale(self, instrument: Instrument, price: Price) -> bool:
        now_ns = self.clock.now_ns()
        old = price.received_ns < now_ns - self.stale_ms * _NS_PER_MS
        return old and self.calendar.trades(instrument, now_ns)

    async def _at_hand(self, names: Sequence[InstrumentId]) -> dict[InstrumentId, Price]:
        """Of this feed's socket, or kept by another's, whichever is newer."""
        newest = self.watch.newest
        mine = {each: price_of(newest[each]) for each in names if each in newest}
        try:
            kept: Mapping[InstrumentId, Price] = await self.prices.get(names) if names else {}
        except Unavailable as problem:
            _log.info("quotes.unkept", problem=str(problem))
            kept = {}
        return {
            name: max(
                (source[name] for source in (mine, kept) if name in source), key=lambda each: each.received_ns
            )
            for name in {**mine, **kept}
        }

    async def _from_the_broker(self, names: Sequence[InstrumentId]) -> dict[InstrumentId, Price]:
        """Nothing where the windows have no room, or nobody is live to ask as: then older prices must do."""
        if not names:
            return {}
        try:
            quotes = await self.watch.ask(names, patience_s=_PATIENCE_S)
        except (BrokerError, Unavailable) as problem:
            _log.info("quotes.unasked", problem=str(problem))
            return {}
        return {
            each.instrument_id: Price(
                each.last, each.broker_time_ns, each.received_ns, _QUOTED, each.bid or None, each.ask or None
            )
            for each in quotes
        }


def _asked(request: feed_pb2.GetQuotesRequest) -> tuple[InstrumentId, ...]:
    if not request.instrument_ids:
        raise Invalid("instrument_ids", "must name at least one instrument")
    if len(request.instrument_ids) > _INSTRUMENTS_MAX:
        raise Invalid("instrument_ids", f"must be at most {_INSTRUMENTS_MAX}")
    if request.max_age_ms < 0:
        raise Invalid("max_age_ms", "must not be negative")
    return tuple(dict.fromkeys(InstrumentId(each) for each in request.instrument_ids))
