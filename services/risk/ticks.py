"""Prices of exactly what is held, from every feed there is: the newest counts, so that none is missed."""

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc
import structlog

from paceline.api.v1 import feed_pb2, feed_pb2_grpc
from paceline.domain.errors import PacelineError
from paceline.domain.ids import InstrumentId
from paceline.ports.clock import Clock
from paceline.runtime.grpc_client import ChannelPool
from paceline.runtime.log import RepeatGate
from paceline.runtime.metric_names import RISK_UNSOUND_PRICES
from paceline.runtime.metrics import Metrics
from paceline.runtime.routes import Routes
from services.risk.board import Board
from services.risk.scale import UnrepresentableError, price_units

_log = structlog.get_logger(__name__)

_LOOK_S = 0.1
_REOPEN_S = 0.2
_SILENCE_S = 10.0
_SCALE_MAX = 18


def sound(tick: feed_pb2.Tick) -> None:
    """Raises `UnrepresentableError` where no market can have told it."""
    if tick.scale > _SCALE_MAX:
        raise UnrepresentableError(f"a price of {tick.scale} digits")
    if tick.last <= 0:
        raise UnrepresentableError(f"{tick.last} is no price")
    if tick.bid < 0 or tick.ask < 0 or (tick.ask and tick.bid > tick.ask):
        raise UnrepresentableError(f"its quotes are crossed: bid {tick.bid}, ask {tick.ask}")


class TickFollower:
    """Call `demand` when what is held may have changed; streams add and drop what that makes different."""

    def __init__(
        self,
        consumer: str,
        board: Board,
        channels: ChannelPool,
        routes: Routes,
        clock: Clock,
        metrics: Metrics,
        interval_ms: int,
        moved: Callable[[], None] = lambda: None,
    ) -> None:
        """`moved` hears that there are new prices."""
        self._moved = moved
        self._consumer = consumer
        self._board = board
        self._channels = channels
        self._routes = routes
        self._clock = clock
        self._interval_ms = interval_ms
        self._gate = RepeatGate(clock)
        self._unsound = metrics.counter(RISK_UNSOUND_PRICES)
        self._streams: dict[str, asyncio.Task[None]] = {}
        self._changes: dict[str, asyncio.Event] = {}

    def demand(self) -> None:
        for changed in self._changes.values():
            changed.set()

    async def run(self) -> None:
        """One stream to each feed, until cancelled."""
        try:
            while True:
                addresses = self._routes.addresses()
                for address in addresses - self._streams.keys():
                    self._streams[address] = asyncio.create_task(
                        self._follow(address), name=f"ticks {address}"
                    )
                for address in self._streams.keys() - addresses:
                    self._streams[address].cancel()
                self._streams = {each: task for each, task in self._streams.items() if not task.done()}
                await self._clock.sleep(_LOOK_S)
        finally:
            for task in self._streams.values():
                task.cancel()

    async def _follow(self, address: str) -> None:
        """Ends where the stream does; it is opened anew as long as the address is there."""
        changed = self._changes[address] = asyncio.Event()
        try:
            await self._read(address, changed)
        except (grpc.aio.AioRpcError, PacelineError, TimeoutError) as problem:
            words = problem.details() if isinstance(problem, grpc.aio.AioRpcError) else str(problem)
            _log.info("ticks.broken", address=address, problem=words)
        finally:
            del self._changes[address]
        await self._clock.sleep(_REOPEN_S)

    async def _read(self, address: str, changed: asyncio.Event) -> None:
        channel = await self._channels.channel(address)
        responses = feed_pb2_grpc.FeedServiceStub(channel).StreamTicks(self._requests(changed))
        try:
            while True:
                async with asyncio.timeout(_SILENCE_S):
                    response = await responses.read()
                if not isinstance(response, feed_pb2.StreamTicksResponse):
                    return
                self.take(response)
        finally:
            responses.cancel()

    async def _requests(self, changed: asyncio.Event) -> AsyncIterator[feed_pb2.StreamTicksRequest]:
        asked: frozenset[InstrumentId] = self._board.wanted()
        yield feed_pb2.StreamTicksRequest(
            consumer=self._consumer, subscribe=sorted(asked), interval_ms=self._interval_ms
        )
        while True:
            await changed.wait()
            changed.clear()
            wanted = self._board.wanted()
            if wanted != asked:
                yield feed_pb2.StreamTicksRequest(
                    subscribe=sorted(wanted - asked), unsubscribe=sorted(asked - wanted)
                )
            asked = wanted

    def take(self, response: feed_pb2.StreamTicksResponse) -> None:
        """What cannot be a price is left out and said, never acted on."""
        for tick in response.ticks:
            instrument_id = InstrumentId(tick.instrument_id)
            try:
                sound(tick)
                price = price_units(tick.last, tick.scale)
                self._board.set_price(instrument_id, price, tick.received_ns)
            except UnrepresentableError as problem:
                self._board.distrust(instrument_id)
                self._unsound.inc()
                if self._gate.held_back(instrument_id) is not None:
                    _log.error("ticks.unsound", instrument=instrument_id, problem=str(problem))
        if response.ticks:
            self._moved()
        if response.unknown_instrument_ids:
            _log.warning("ticks.unknown", instruments=list(response.unknown_instrument_ids))
