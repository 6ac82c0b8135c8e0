"""Prices: the newest of what is wanted, to whoever wants it, and never a backlog."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Self

import pytest

from paceline.api.v1 import feed_pb2
from paceline.domain.errors import BrokerAuthFailed, Invalid, Unavailable
from paceline.domain.ids import InstrumentId
from paceline.ports.broker import Credentials, Tick
from paceline.ports.prices import Price
from paceline.runtime.metric_names import TICKS
from services.feed.board import PriceBoard, Watcher
from services.feed.prices import PriceSource, PriceStreams
from tests.fakes.clock import FakeClock
from tests.unit.domain.given import LEADER
from tests.unit.feed.house import House, at_work

SBIN, IDEA, NONE = InstrumentId("NSE:SBIN-EQ"), InstrumentId("NSE:IDEA-EQ"), InstrumentId("NSE:NONE-EQ")

LIMIT = 3


def tick(instrument: InstrumentId = SBIN, price: str = "812.35") -> Tick:
    return Tick(instrument, Decimal(price), 5, 7)


@dataclass
class FakeTicks:
    """A price socket: what is watched on it, and what it says."""

    said: asyncio.Queue[tuple[Tick, ...] | Exception] = field(default_factory=asyncio.Queue)
    watched: set[InstrumentId] = field(default_factory=set)
    failure: Exception | None = None
    dials: int = 0
    closed: int = 0
    last_frame_ns: int = 0

    async def connect(self, _credentials: Credentials) -> Self:
        self.dials += 1
        self.watched.clear()
        return self

    async def subscribe(self, instruments: Iterable[InstrumentId]) -> frozenset[InstrumentId]:
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        wanted = set(instruments)
        self.watched |= wanted - {NONE}
        return frozenset(wanted & {NONE})

    async def unsubscribe(self, instruments: Iterable[InstrumentId]) -> None:
        self.watched -= set(instruments)

    def __aiter__(self) -> AsyncIterator[tuple[Tick, ...]]:
        return self

    async def __anext__(self) -> tuple[Tick, ...]:
        said = await self.said.get()
        if isinstance(said, Exception):
            raise said
        return said

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.closed += 1


@dataclass
class FakePrices:
    kept: dict[InstrumentId, Price] = field(default_factory=dict)
    writes: int = 0
    away: bool = False

    async def put(self, prices: Mapping[InstrumentId, Price]) -> None:
        if self.away:
            raise Unavailable("no Redis")
        self.writes += 1
        self.kept |= prices


class Market:
    def __init__(self, house: House, limit: int = LIMIT) -> None:
        self.clock: FakeClock = house.clock
        self.metrics = house.metrics
        self.board, self.socket, self.prices = PriceBoard(limit), FakeTicks(), FakePrices()
        self.credentials: Credentials | None = house.credentials.get(LEADER)
        stand_in: Any = self.socket
        self.source = PriceSource(
            self.board,
            stand_in,
            lambda: self.credentials,
            self.prices,  # type: ignore[arg-type]
            house.shared,
        )

    async def pass_(self, seconds: float) -> None:
        for _ in range(max(1, int(seconds * 4))):
            await self.clock.settle()
            self.clock.advance(0.25)
        await self.clock.settle()


@pytest.fixture
def market(house: House) -> Market:
    return Market(house)


def watching(market: Market, *instruments: InstrumentId) -> Watcher:
    watcher = market.board.open()
    market.board.change(watcher, instruments, ())
    return watcher


async def test_nothing_is_dialled_until_something_is_wanted_and_somebody_is_live(market: Market) -> None:
    credentials, market.credentials = market.credentials, None
    async with at_work(market.source.run()):
        await market.pass_(2)
        watching(market, SBIN)
        await market.pass_(2)
        assert market.socket.dials == 0
        market.credentials = credentials
        await market.pass_(1)
        assert (market.socket.dials, market.socket.watched) == (1, {SBIN})


async def test_the_socket_follows_the_demand_and_closes_without_any(market: Market) -> None:
    async with at_work(market.source.run()):
        one, two = watching(market, SBIN), watching(market, SBIN, IDEA)
        await market.pass_(1)
        assert market.socket.watched == {SBIN, IDEA}
        market.board.close(two)
        await market.pass_(0)
        assert market.socket.watched == {SBIN}
        market.board.change(one, (), [SBIN])
        await market.pass_(1)
        assert market.socket.closed == 1
        watching(market, IDEA)
        await market.pass_(1)
        assert (market.socket.dials, market.socket.watched) == (2, {IDEA})


async def test_only_the_newest_is_told_and_only_to_who_wants_it(market: Market) -> None:
    async with at_work(market.source.run()):
        one, all_ = watching(market, SBIN), market.board.open()
        all_.everything = True
        await market.pass_(1)
        market.socket.said.put_nowait((tick(price="1"), tick(IDEA, "9")))
        market.socket.said.put_nowait((tick(price="2"),))
        await market.pass_(0)
        assert one.fresh == {SBIN: tick(price="2")}
        assert set(all_.fresh) == {SBIN, IDEA}
        late = watching(market, IDEA)
        assert late.fresh == {IDEA: tick(IDEA, "9")}
        assert market.metrics.value(TICKS, broker="fyers_data") == 3


async def test_what_the_broker_does_not_know_is_reported_once_until_it_does(market: Market) -> None:
    async with at_work(market.source.run()):
        watcher = watching(market, SBIN, NONE)
        await market.pass_(1)
        assert watcher.unknown == {NONE}
        assert watching(market, NONE).unknown == {NONE}
        market.socket.said.put_nowait((tick(NONE),))
        await market.pass_(0)
        assert watching(market, NONE).unknown == set()


@pytest.mark.parametrize("problem", [Unavailable("cut"), BrokerAuthFailed("token")])
async def test_a_lost_socket_is_dialled_again_and_subscribed_anew(market: Market, problem: Exception) -> None:
    async with at_work(market.source.run()) as (task,):
        watching(market, SBIN)
        await market.pass_(1)
        market.socket.said.put_nowait(problem)
        await market.pass_(2)
        assert (market.socket.dials, market.socket.watched) == (2, {SBIN})
        market.socket.failure = problem
        market.socket.said.put_nowait(Unavailable("again"))
        await market.pass_(8)
        assert (market.socket.dials, market.socket.watched) == (4, {SBIN})
        assert not task.done()


async def test_prices_are_saved_together_and_survive_an_absent_store(market: Market) -> None:
    async with at_work(market.source.save(0.5)):
        market.board.put([tick(price="1"), tick(IDEA, "9")])
        market.prices.away = True
        await market.pass_(1)
        market.board.put([tick(price="2")])
        market.prices.away = False
        await market.pass_(2)
    assert market.prices.writes == 1
    assert {name: price.last for name, price in market.prices.kept.items()} == {
        SBIN: Decimal(2),
        IDEA: Decimal(9),
    }


class Asking:
    """A consumer's side of the stream."""

    def __init__(self, market: Market) -> None:
        self.requests: asyncio.Queue[feed_pb2.StreamTicksRequest | None] = asyncio.Queue()
        self.draining = asyncio.Event()
        self.stream = PriceStreams(market.board, market.clock, self.draining, 50).stream(self._asked())

    async def _asked(self) -> AsyncIterator[feed_pb2.StreamTicksRequest]:
        while (request := await self.requests.get()) is not None:
            yield request

    def ask(self, **fields: Any) -> None:
        self.requests.put_nowait(feed_pb2.StreamTicksRequest(**fields))


async def test_a_stream_coalesces_and_follows_what_is_asked(market: Market) -> None:
    asking = Asking(market)
    asking.ask(consumer="test", subscribe=[SBIN], interval_ms=200)
    assert list((await anext(asking.stream)).ticks) == []
    for price in ("812.35", "812.4", "813"):
        market.board.put([tick(price=price)])
    coming = asyncio.ensure_future(anext(asking.stream))
    await market.clock.settle()
    assert not coming.done()
    await market.pass_(0.25)
    (told,) = (await coming).ticks
    assert (told.instrument_id, told.last, told.scale) == (SBIN, 813, 0)
    asking.ask(unsubscribe=[SBIN], subscribe=[IDEA])
    await market.clock.settle()
    assert market.board.wanted() == {IDEA}
    coming = asyncio.ensure_future(anext(asking.stream))
    await market.pass_(3)
    assert list((await coming).ticks) == []
    asking.draining.set()
    with pytest.raises(StopAsyncIteration):
        await anext(asking.stream)
    assert market.board.wanted() == frozenset()


async def test_a_price_goes_as_a_whole_number_and_its_scale(market: Market) -> None:
    asking = Asking(market)
    market.board.put([tick(price="0.0005"), tick(IDEA, "1E+2")])
    asking.ask(consumer="test", subscribe=[SBIN, IDEA], all=True)
    told = {each.instrument_id: (each.last, each.scale) for each in (await anext(asking.stream)).ticks}
    assert told == {SBIN: (5, 4), IDEA: (100, 0)}
    await asking.stream.aclose()  # type: ignore[attr-defined]


async def test_a_stream_without_a_consumer_is_refused(market: Market) -> None:
    nameless, silent = Asking(market), Asking(market)
    nameless.ask(subscribe=[SBIN])
    silent.requests.put_nowait(None)
    for asking in (nameless, silent):
        with pytest.raises(Invalid, match="consumer"):
            await anext(asking.stream)
