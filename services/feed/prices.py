"""Prices: the newest of each instrument, from one price socket, to whoever asked for it."""

import asyncio
from collections.abc import AsyncIterator, Callable

import structlog

from paceline.api.v1 import feed_pb2
from paceline.domain.errors import BrokerError, Invalid, Unavailable
from paceline.domain.ids import InstrumentId
from paceline.domain.money import ZERO
from paceline.ports.broker import Credentials, Tick, TickConnection, TickStreams
from paceline.ports.clock import Clock
from paceline.ports.prices import Price, Prices
from paceline.runtime.metric_names import PRICES_LEFT_OUT, TICKS
from paceline.runtime.together import attended, patiently
from services.feed.board import PriceBoard, Watcher
from services.feed.shared import Shared

_log = structlog.get_logger(__name__)

_SOURCE = "fyers_data"
_QUOTES = "rest_quote"
_LOOK_S = 0.25
_HEARTBEAT_S = 2.0
_INTERVAL_MAX_MS = 10_000
_NAMED = 5
_STEADY_NS = 60_000_000_000


class PriceSource:
    """One price socket of one account, as long as anything is wanted."""

    def __init__(
        self,
        board: PriceBoard,
        streams: TickStreams,
        credentials: Callable[[], Credentials | None],
        prices: Prices,
        shared: Shared,
    ) -> None:
        self.board = board
        self.asks_as = credentials
        self.shared = shared
        self._streams = streams
        self._prices = prices
        self._clock = shared.desk.clock
        self._metrics = shared.desk.metrics
        self._connection: TickConnection | None = None

    @property
    def heard_ns(self) -> int:
        """When the socket last said anything; 0 while there is none."""
        return self._connection.last_frame_ns if self._connection is not None else 0

    async def run(self) -> None:
        """Until cancelled; without a live session there is nobody to ask as."""
        attempt = 0
        while True:
            credentials = self.asks_as() if self.board.wanted() else None
            if credentials is None:
                await self._clock.sleep(_LOOK_S)
                continue
            began = self._clock.monotonic_ns()
            try:
                await self._watch(credentials)
            except (Unavailable, BrokerError) as problem:
                attempt = 1 if self._clock.monotonic_ns() - began > _STEADY_NS else attempt + 1
                pause_s = self.shared.backoff.wait_s(attempt, self.shared.random)
                _log.info("prices.lost", problem=str(problem), again_in_s=pause_s)
                await self._clock.sleep(pause_s)
            else:
                attempt = 0

    async def save(self, interval_s: float) -> None:
        """Write the newest prices for others, coalesced, until cancelled."""
        while True:
            await self._clock.sleep(interval_s)
            unsaved, self.board.unsaved = self.board.unsaved, {}
            if not unsaved:
                continue
            try:
                await self._prices.put({each: price_of(tick) for each, tick in unsaved.items()})
            except Unavailable as problem:
                _log.warning("prices.unsaved", problem=str(problem))
                self.board.unsaved = unsaved | self.board.unsaved

    async def _watch(self, credentials: Credentials) -> None:
        """Returns when nobody wants anything any more."""
        async with await self._streams.connect(credentials) as connection:
            try:
                await attended(self._subscribe(connection), self._read(connection))
            finally:
                self._connection = None

    async def _read(self, connection: TickConnection) -> None:
        count = self._metrics.counter(TICKS).labels(_SOURCE)
        async for ticks in connection:
            count.inc(len(ticks))
            self.board.put(ticks)
        raise Unavailable("the price socket ended")

    async def _subscribe(self, connection: TickConnection) -> None:
        """Keep the socket to what is wanted."""
        watched: frozenset[InstrumentId] = frozenset()
        while True:
            self.board.demand_changed.clear()
            wanted = self.board.wanted()
            if not wanted:
                return
            self._say_what_is_left_out()
            if wanted - watched:
                self.board.refuse(await connection.subscribe(wanted - watched))
            if watched - wanted:
                await connection.unsubscribe(watched - wanted)
            watched = wanted
            self._connection = connection
            await self.board.demand_changed.wait()

    def _say_what_is_left_out(self) -> None:
        left_out = self.board.left_out()
        self._metrics.gauge(PRICES_LEFT_OUT).set(len(left_out))
        if left_out and self.shared.gate.held_back("prices left out") is not None:
            some = sorted(left_out[:_NAMED])
            _log.warning("prices.left_out", of=len(left_out), some=some, fits=len(self.board.wanted()))


class PriceStreams:
    """`StreamTicks`: the newest of each instrument to each consumer, never a backlog."""

    def __init__(self, board: PriceBoard, clock: Clock, draining: asyncio.Event, interval_ms: int) -> None:
        self._board = board
        self._clock = clock
        self._draining = draining
        self._interval_ms = interval_ms

    async def stream(
        self, requests: AsyncIterator[feed_pb2.StreamTicksRequest]
    ) -> AsyncIterator[feed_pb2.StreamTicksResponse]:
        first = await anext(aiter(requests), None)
        if first is None or not first.consumer:
            raise Invalid("consumer", "must name the consumer in the first request")
        watcher = self._board.open()
        interval_s = min(max(first.interval_ms, self._interval_ms), _INTERVAL_MAX_MS) / 1000
        self._apply(watcher, first)
        listening = asyncio.create_task(self._listen(watcher, requests))
        try:
            while not self._draining.is_set():
                yield self._response(watcher)
                await self._wait(watcher, interval_s)
        finally:
            self._board.close(watcher)
            listening.cancel()
            await asyncio.wait({listening})

    async def _listen(self, watcher: Watcher, requests: AsyncIterator[feed_pb2.StreamTicksRequest]) -> None:
        async for request in requests:
            self._apply(watcher, request)

    def _apply(self, watcher: Watcher, request: feed_pb2.StreamTicksRequest) -> None:
        watcher.everything = watcher.everything or request.all
        self._board.change(
            watcher,
            [InstrumentId(each) for each in request.subscribe],
            [InstrumentId(each) for each in request.unsubscribe],
        )

    async def _wait(self, watcher: Watcher, interval_s: float) -> None:
        await patiently(self._clock, interval_s, self._draining)
        await patiently(self._clock, _HEARTBEAT_S, watcher.news, self._draining)

    def _response(self, watcher: Watcher) -> feed_pb2.StreamTicksResponse:
        watcher.news.clear()
        fresh, watcher.fresh = watcher.fresh, {}
        unknown, watcher.unknown = watcher.unknown, set()
        return feed_pb2.StreamTicksResponse(
            ticks=[price_to_wire(name, price_of(tick), stale=tick.stale) for name, tick in fresh.items()],
            unknown_instrument_ids=sorted(unknown),
            sent_ns=self._clock.now_ns(),
        )


def price_to_wire(name: InstrumentId, price: Price, *, stale: bool) -> feed_pb2.Tick:
    """Prices as whole numbers and their scale: no float on the way."""
    told = [price.last, price.bid or ZERO, price.ask or ZERO]
    scale = max(0, *(-int(each.as_tuple().exponent) for each in told))
    last, bid, ask = (int(each.scaleb(scale)) for each in told)
    return feed_pb2.Tick(
        instrument_id=name,
        scale=scale,
        last=last,
        bid=bid,
        ask=ask,
        exchange_time_ns=price.broker_time_ns,
        received_ns=price.received_ns,
        source=feed_pb2.PRICE_SOURCE_QUOTE if price.source == _QUOTES else feed_pb2.PRICE_SOURCE_SOCKET,
        stale=stale,
    )


def price_of(tick: Tick) -> Price:
    source = _QUOTES if tick.quoted else _SOURCE
    return Price(tick.price, tick.broker_time_ns, tick.received_ns, source, stale=tick.stale)
