"""Prices grow old, are confirmed, and are asked for while the socket tells none: one source at a time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from paceline.domain.calendar import AlwaysOpen, Calendar
from paceline.domain.errors import BrokerRateLimited, BrokerRejected, Unavailable
from paceline.domain.ids import InstrumentId
from paceline.domain.instrument import Exchange, Instrument, Segment
from paceline.ports.broker import Credentials, Quote, Tick
from paceline.runtime.metric_names import PRICES_STALE, TICKS
from services.feed.quotes import OpenMarkets, PriceAges, PriceWatch
from tests.unit.domain.given import LEADER, SHARE, S
from tests.unit.feed.house import House, at_work
from tests.unit.feed.test_prices import IDEA, NONE, SBIN, Market, watching

GOLD = InstrumentId("MCX:GOLD26DECFUT")
EQUITY, COMMODITY = (Exchange.NSE, Segment.CAPITAL_MARKET), (Exchange.MCX, Segment.COMMODITY_DERIVATIVES)
AGES = PriceAges(silent_ms=4_000, stale_ms=3_000, quotes_ms=1_000)


def listed(name: InstrumentId) -> Instrument:
    if name == GOLD:
        return replace(SHARE, instrument_id=name, exchange=Exchange.MCX, segment=COMMODITY[1])
    return replace(SHARE, instrument_id=name)


@dataclass
class FakeInstruments:
    reads: int = 0
    away: bool = False

    async def get_many(self, ids: Iterable[InstrumentId]) -> Mapping[InstrumentId, Instrument]:
        self.reads += 1
        if self.away:
            raise Unavailable("no instruments today")
        return {each: listed(each) for each in ids if each != NONE}


@dataclass
class Quoting:
    """What the broker answers to a call for quotes."""

    house: House
    asked: list[list[InstrumentId]] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    speaks_meanwhile: bool = False

    async def quotes(self, _credentials: Credentials, names: Sequence[InstrumentId]) -> tuple[Quote, ...]:
        self.asked.append(list(names))
        if self.failures:
            raise self.failures.pop(0)
        now_ns = self.house.clock.now_ns()
        return tuple(Quote(each, Decimal(7), Decimal(6), Decimal(8), now_ns, now_ns) for each in names)


class Floor(Market):
    def __init__(self, house: House) -> None:
        super().__init__(house, limit=1_000)
        self.house = house
        self.hear()
        self.open = {EQUITY: AlwaysOpen()}
        self.instruments, self.quoting = FakeInstruments(), Quoting(house)
        house.broker.quotes = self.quoting.quotes  # type: ignore[attr-defined]
        markets = OpenMarkets(self.instruments, Calendar(self.open), house.clock)  # type: ignore[arg-type]
        self.watch = PriceWatch(self.source, markets, AGES)

    def tell(self, *names: InstrumentId, price: int = 5) -> None:
        """By the socket."""
        now_ns = self.clock.now_ns()
        self.socket.last_frame_ns = now_ns
        self.socket.said.put_nowait(tuple(Tick(each, Decimal(price), now_ns, now_ns) for each in names))

    def hear(self) -> None:
        """Something of no consequence."""
        self.socket.last_frame_ns = self.clock.now_ns()

    def price(self, name: InstrumentId = SBIN) -> tuple[int, bool, bool]:
        tick = self.board.newest[name]
        return int(tick.price), tick.quoted, tick.stale

    def age_s(self, name: InstrumentId = SBIN) -> float:
        return (self.clock.now_ns() - self.board.newest[name].received_ns) / S


@pytest.fixture
async def floor(house: House) -> Floor:
    return Floor(house)


async def test_a_price_that_does_not_move_is_kept_new_by_a_socket_that_speaks(floor: Floor) -> None:
    async with at_work(floor.source.run(), floor.watch.judge(), floor.watch.stand_in()):
        watcher = watching(floor, SBIN)
        await floor.pass_(1)
        floor.tell(SBIN)
        floor.quoting.asked.clear()
        for _ in range(20):
            await floor.pass_(1)
            floor.hear()
        assert floor.age_s() <= 3
        assert floor.price() == (5, False, False)
        assert watcher.fresh[SBIN].received_ns > floor.clock.now_ns() - 16 * S
        assert floor.quoting.asked == []


async def test_a_silent_socket_makes_prices_stale_and_quotes_stand_in_until_it_speaks(floor: Floor) -> None:
    async with at_work(floor.source.run(), floor.watch.judge(), floor.watch.stand_in()):
        watcher = watching(floor, SBIN, IDEA)
        await floor.pass_(1)
        floor.tell(SBIN, IDEA)
        floor.quoting.failures = [BrokerRejected("not now")]
        await floor.pass_(4.5)
        assert floor.price() == (5, False, True)
        assert watcher.fresh[SBIN].stale
        assert floor.metrics.value(PRICES_STALE) == 2
        assert floor.board.unsaved[SBIN].stale
        await floor.pass_(3)
        assert floor.price() == floor.price(IDEA) == (7, True, False)
        assert floor.metrics.value(TICKS, broker="fyers_quotes") > 0
        assert set(floor.quoting.asked[-1]) == {SBIN, IDEA}
        floor.tell(SBIN, price=9)
        await floor.pass_(1)
        asked = len(floor.quoting.asked)
        for _ in range(3):
            floor.hear()
            await floor.pass_(1)
        assert (floor.price(), len(floor.quoting.asked)) == ((9, False, False), asked)
        assert floor.metrics.value(PRICES_STALE) == 0


async def test_a_socket_that_is_down_is_stood_in_for_at_once(floor: Floor) -> None:
    async with at_work(floor.source.run(), floor.watch.judge(), floor.watch.stand_in()):
        watching(floor, SBIN)
        await floor.pass_(1)
        floor.tell(SBIN)
        await floor.pass_(0.5)
        floor.socket.failure = Unavailable("still down")
        floor.socket.said.put_nowait(Unavailable("cut"))
        await floor.pass_(1.5)
        assert floor.price() == (7, True, False)


async def test_an_answer_that_comes_after_the_socket_spoke_is_dropped(floor: Floor) -> None:
    async with at_work(floor.source.run(), floor.watch.judge(), floor.watch.stand_in()):
        watching(floor, SBIN)
        await floor.pass_(1)
        floor.tell(SBIN)
        await floor.pass_(3.75)
        quotes = floor.quoting.quotes

        async def spoken_meanwhile(
            credentials: Credentials, names: Sequence[InstrumentId]
        ) -> tuple[Quote, ...]:
            answer = await quotes(credentials, names)
            floor.hear()
            return answer

        floor.house.broker.quotes = spoken_meanwhile  # type: ignore[attr-defined]
        await floor.pass_(2)
        assert floor.quoting.asked
        assert floor.price()[1] is False


async def test_nothing_is_stale_or_asked_for_while_its_market_is_closed(floor: Floor) -> None:
    async with at_work(floor.source.run(), floor.watch.judge(), floor.watch.stand_in()):
        watching(floor, GOLD, NONE)
        await floor.pass_(1)
        floor.tell(GOLD, NONE)
        await floor.pass_(20)
        assert (floor.price(GOLD), floor.price(NONE)) == ((5, False, False),) * 2
        assert floor.quoting.asked == []
        floor.open[COMMODITY] = AlwaysOpen()
        await floor.pass_(2)
        assert floor.price(GOLD) == (7, True, False)
        assert floor.quoting.asked[0] == [GOLD]


async def test_many_are_asked_for_in_turns_of_fifty_and_within_the_accounts_limits(floor: Floor) -> None:
    names = [InstrumentId(f"NSE:S{number:03}-EQ") for number in range(120)]
    async with at_work(floor.watch.judge(), floor.watch.stand_in()):
        watching(floor, *names)
        await floor.pass_(3.5)
        assert {len(each) for each in floor.quoting.asked} == {50}
        assert {name for each in floor.quoting.asked[:3] for name in each} == set(names)
        await floor.house.buckets.penalize(LEADER, floor.clock.now_ns() + 10 * S)
        asked = len(floor.quoting.asked)
        await floor.pass_(5)
        assert len(floor.quoting.asked) == asked
        await floor.pass_(8)
        assert len(floor.quoting.asked) > asked


async def test_a_refusal_for_the_rate_is_kept_to(floor: Floor) -> None:
    async with at_work(floor.watch.judge(), floor.watch.stand_in()):
        watching(floor, SBIN)
        floor.quoting.failures = [BrokerRateLimited("429", retry_after_ms=60_000)]
        await floor.pass_(10)
        assert len(floor.quoting.asked) == 1
        assert LEADER in await floor.house.buckets.penalties([LEADER])


async def test_the_absence_of_a_store_or_of_a_session_stops_nobody(floor: Floor) -> None:
    async with at_work(floor.watch.judge(), floor.watch.stand_in()) as tasks:
        floor.instruments.away = True
        watching(floor, SBIN)
        await floor.pass_(2)
        floor.instruments.away = False
        credentials, floor.credentials = floor.credentials, None
        await floor.pass_(2)
        assert floor.quoting.asked == []
        floor.credentials = credentials
        await floor.pass_(3)
        assert floor.price() == (7, True, False)
        assert not any(task.done() for task in tasks)


async def test_a_socket_that_has_not_yet_spoken_is_no_news_before_the_time_of_a_silence(floor: Floor) -> None:
    with capture_logs() as logs:
        floor.socket.last_frame_ns = 0
        async with at_work(floor.source.run(), floor.watch.judge(), floor.watch.stand_in()):
            watching(floor, SBIN)
            await floor.pass_(3)
            assert floor.quoting.asked
            assert logs == []
            await floor.pass_(3)
            assert [(each["event"], each["of"]) for each in logs] == [("prices.standing_in", 1)]
            floor.tell(SBIN)
            await floor.pass_(1)
            assert [each["event"] for each in logs[1:]] == ["prices.from_the_socket"]
            floor.socket.said.put_nowait(Unavailable("cut"))
            floor.socket.failure = Unavailable("still down")
            await floor.pass_(3)
            assert "prices.standing_in" not in [each["event"] for each in logs[2:]]
            await floor.pass_(6)
    assert "prices.standing_in" in [each["event"] for each in logs[2:]]
