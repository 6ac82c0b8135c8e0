"""Whether prices are as new as they should be, and what stands in for a socket that does not tell them.

One source at a time: quotes are asked for only while the socket is silent or away, and what comes in after it
spoke again is dropped.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from paceline.domain.account import Broker
from paceline.domain.calendar import Calendar
from paceline.domain.errors import BrokerError, BrokerRateLimited, Unavailable
from paceline.domain.ids import InstrumentId
from paceline.domain.instrument import Instrument
from paceline.ports.broker import Call, Credentials, Quote, Tick
from paceline.ports.clock import Clock
from paceline.ports.instruments import Instruments
from paceline.runtime.metric_names import PRICES_STALE, TICKS
from services.feed.prices import PriceSource
from services.feed.settings import Settings

_log = structlog.get_logger(__name__)

_BROKER = Broker.FYERS
"""Whose data socket the prices come from."""
_LOOK_S = 0.5
_CONFIRM_EVERY_NS = 2_000_000_000
"""A price that does not move is kept as the newest so often."""
_ALOUD_EVERY_NS = 15_000_000_000
"""And told to watchers so often."""
_PATIENCE_S = 0.2
"""Orders come first: without room in the windows no price is asked for."""
_SYMBOLS_A_CALL = 50
_NS_PER_MS = 1_000_000
_MASTER_NS = 600_000_000_000
"""A new master may know what the last one did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceAges:
    silent_ms: int = 20_000
    """A socket that says nothing for so long, while a market is open, is not relied on."""
    stale_ms: int = 15_000
    """A price that nobody confirmed for so long, while its market is open, is stale."""
    quotes_ms: int = 2_000
    """One call for quotes in so long, whatever is wanted."""


class OpenMarkets:
    """Of which instruments the market is open; one that no master knows is never judged."""

    def __init__(self, instruments: Instruments, calendar: Calendar, clock: Clock) -> None:
        self._instruments = instruments
        self._calendar = calendar
        self._clock = clock
        self._known: dict[InstrumentId, Instrument | None] = {}
        self._learned_ns = 0

    async def of(self, wanted: Collection[InstrumentId]) -> frozenset[InstrumentId]:
        """Raises `Unavailable`."""
        now_ns = self._clock.now_ns()
        if now_ns - self._learned_ns > _MASTER_NS:
            self._known, self._learned_ns = {}, now_ns
        await self._learn([each for each in wanted if each not in self._known])
        return frozenset(
            each
            for each in wanted
            if (row := self._known[each]) is not None and self._calendar.trades(row, now_ns)
        )

    async def _learn(self, unknown: Sequence[InstrumentId]) -> None:
        if not unknown:
            return
        found: Mapping[InstrumentId, Instrument] = await self._instruments.get_many(unknown)
        self._known |= {each: found.get(each) for each in unknown}


class PriceWatch:
    """Judges the prices that are wanted, and asks for quotes where the socket tells none."""

    def __init__(
        self,
        source: PriceSource,
        markets: OpenMarkets,
        ages: PriceAges,
    ) -> None:
        shared = source.shared
        self._board = source.board
        self._source = source
        self._markets = markets
        self._broker = shared.doors[_BROKER].broker
        self._budget = shared.budget
        self._clock = shared.desk.clock
        self._ages = ages
        metrics = shared.desk.metrics
        self._stale = metrics.gauge(PRICES_STALE)
        self._count = metrics.counter(TICKS).labels("fyers_quotes")
        self._open: frozenset[InstrumentId] = frozenset()
        self._turn = 0
        self._told_ns = 0
        self._needed_since_ns: int | None = None
        self._stands_in = False

    @property
    def speaks(self) -> bool:
        """Whether the socket is relied on: connected, subscribed, and not silent."""
        heard_ns = self._source.heard_ns
        return heard_ns > 0 and self._clock.now_ns() - heard_ns <= self._ages.silent_ms * _NS_PER_MS

    @property
    def newest(self) -> Mapping[InstrumentId, Tick]:
        return self._board.newest

    async def judge(self) -> None:
        """Until cancelled: what is confirmed, and what grew old."""
        while True:
            try:
                await self.look()
            except Unavailable as problem:
                _log.info("prices.unjudged", problem=str(problem))
            await self._clock.sleep(_LOOK_S)

    async def look(self) -> None:
        wanted = self._board.wanted()
        self._open = await self._markets.of(wanted)
        now_ns = self._clock.now_ns()
        if self.speaks:
            self._confirm(wanted, now_ns)
        oldest_ns = now_ns - self._ages.stale_ms * _NS_PER_MS
        newest = self._board.newest
        old = [each for each in self._open if each in newest and newest[each].received_ns < oldest_ns]
        self._board.outdate(old)
        self._stale.set(len(old))

    async def stand_in(self) -> None:
        """Until cancelled: quotes while the socket does not speak and a market is open."""
        while True:
            needed = bool(self._open) and not self.speaks
            self._tell(needed=needed)
            if needed:
                await self._ask_some()
            await self._clock.sleep(self._ages.quotes_ms / 1_000 if needed else _LOOK_S)

    def _tell(self, *, needed: bool) -> None:
        """A socket that is only now begun, the first or another, has the time of a silence first."""
        now_ns = self._clock.now_ns()
        if not needed:
            self._needed_since_ns = None
        elif self._needed_since_ns is None:
            self._needed_since_ns = now_ns
        patience_ns = 0 if self._source.heard_ns else self._ages.silent_ms * _NS_PER_MS
        since_ns = self._needed_since_ns
        stands_in = since_ns is not None and now_ns - since_ns >= patience_ns
        if stands_in is not self._stands_in:
            self._stands_in = stands_in
            _log.warning("prices.standing_in" if stands_in else "prices.from_the_socket", of=len(self._open))

    def _confirm(self, wanted: Iterable[InstrumentId], now_ns: int) -> None:
        heard_ns = self._source.heard_ns
        newest = self._board.newest
        aloud = now_ns - self._told_ns >= _ALOUD_EVERY_NS
        behind_ns = heard_ns - (0 if aloud else _CONFIRM_EVERY_NS)
        quiet = [each for each in wanted if each in newest and newest[each].received_ns <= behind_ns]
        if aloud:
            self._told_ns = now_ns
        self._board.confirm(quiet, heard_ns, aloud=aloud)

    async def _ask_some(self) -> None:
        """The next of those whose market is open, in turns."""
        names = sorted(self._open - self._board.unknown)
        some = [names[(self._turn + step) % len(names)] for step in range(min(_SYMBOLS_A_CALL, len(names)))]
        self._turn += len(some)
        try:
            quotes = await self.ask(some, patience_s=_PATIENCE_S)
        except (BrokerError, Unavailable) as problem:
            _log.info("prices.unasked", problem=str(problem))
        else:
            if not self.speaks:
                self._count.inc(len(quotes))
                self._board.put(_tick(quote) for quote in quotes)

    async def ask(self, names: Sequence[InstrumentId], *, patience_s: float) -> Sequence[Quote]:
        """One call for each fifty, within the limits of whom the broker is asked as; nothing where nobody is
        live. Raises `BrokerError` and `Unavailable`.
        """
        credentials = self._source.asks_as()
        if credentials is None:
            return ()
        found: list[Quote] = []
        for start in range(0, len(names), _SYMBOLS_A_CALL):
            found += await self._ask_as(credentials, names[start : start + _SYMBOLS_A_CALL], patience_s)
        return found

    async def _ask_as(
        self, credentials: Credentials, names: Sequence[InstrumentId], patience_s: float
    ) -> Sequence[Quote]:
        name, limits = credentials.account_id, self._broker.limits
        try:
            async with self._budget.call(name, limits, Call.QUOTE, patience_s=patience_s):
                return await self._broker.quotes(credentials, names)
        except BrokerRateLimited as problem:
            until_ns = self._clock.now_ns() + problem.retry_after_ms * _NS_PER_MS
            await self._budget.meter.penalize(name, until_ns)
            raise


def price_watch(
    source: PriceSource, instruments: Instruments, calendar: Calendar, settings: Settings
) -> PriceWatch:
    """As a process is told to."""
    ages = PriceAges(
        silent_ms=settings.ticks_silent_ms,
        stale_ms=settings.ticks_stale_ms,
        quotes_ms=settings.quotes_interval_ms,
    )
    markets = OpenMarkets(instruments, calendar, source.shared.desk.clock)
    return PriceWatch(source, markets, ages)


def _tick(quote: Quote) -> Tick:
    return Tick(quote.instrument_id, quote.last, quote.broker_time_ns, quote.received_ns, quoted=True)
