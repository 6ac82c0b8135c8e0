"""Prices for whoever asks once: from memory where they are new enough, else from the broker."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, cast

import pytest

from paceline.api.v1 import feed_pb2
from paceline.domain.calendar import AlwaysOpen, Calendar
from paceline.domain.errors import BrokerRateLimited, BrokerRejected, Invalid, Unavailable
from paceline.domain.ids import InstrumentId
from paceline.ports.broker import Tick
from paceline.ports.prices import Price
from services.feed.quoting import QuoteDesk
from tests.unit.domain.given import LEADER, S
from tests.unit.feed.house import House
from tests.unit.feed.test_prices import IDEA, NONE, SBIN
from tests.unit.feed.test_quotes import EQUITY, GOLD, Floor

STALE_MS = 3_000


class Kept:
    """What other feeds keep."""

    def __init__(self) -> None:
        self.prices: dict[InstrumentId, Price] = {}
        self.away = False

    async def get(self, names: Iterable[InstrumentId]) -> Mapping[InstrumentId, Price]:
        if self.away:
            raise Unavailable("no Redis")
        return {each: self.prices[each] for each in names if each in self.prices}


class Counter(Floor):
    def __init__(self, house: House) -> None:
        super().__init__(house)
        self.kept = Kept()
        kept, instruments = cast(Any, self.kept), cast(Any, self.instruments)
        self.desk = QuoteDesk(self.watch, kept, instruments, Calendar(self.open), house.clock, STALE_MS)

    def heard(self, name: InstrumentId, rupees: int, ago_s: float = 0) -> None:
        """By this feed's own socket."""
        at_ns = self.clock.now_ns() - round(ago_s * S)
        self.board.put([Tick(name, Decimal(rupees), at_ns, at_ns)])

    def keep(self, name: InstrumentId, rupees: int, ago_s: float = 0) -> None:
        at_ns = self.clock.now_ns() - round(ago_s * S)
        self.kept.prices[name] = Price(Decimal(rupees), at_ns, at_ns, "fyers_data")

    async def ask(self, *names: str, max_age_ms: int = 0) -> dict[str, tuple[int, bool, bool]]:
        """Price, whether it is a quote, and whether it is said to be stale."""
        request = feed_pb2.GetQuotesRequest(instrument_ids=names, max_age_ms=max_age_ms)
        ticks = (await self.desk.answer(request)).ticks
        quote = feed_pb2.PRICE_SOURCE_QUOTE
        return {each.instrument_id: (each.last, each.source == quote, each.stale) for each in ticks}


@pytest.fixture
async def counter(house: House) -> Counter:
    return Counter(house)


async def test_the_newest_that_is_at_hand_is_told_without_asking_the_broker(counter: Counter) -> None:
    counter.heard(SBIN, 5, ago_s=2)
    counter.keep(SBIN, 6, ago_s=1)
    counter.heard(IDEA, 8)
    counter.keep(IDEA, 9, ago_s=1)
    assert await counter.ask(SBIN, IDEA, SBIN) == {SBIN: (6, False, False), IDEA: (8, False, False)}
    assert counter.quoting.asked == []


async def test_what_is_older_than_will_do_is_asked_for_with_bid_and_ask(counter: Counter) -> None:
    counter.heard(SBIN, 5, ago_s=2)
    counter.heard(IDEA, 8, ago_s=4)
    assert await counter.ask(SBIN, IDEA) == {SBIN: (5, False, False), IDEA: (7, True, False)}
    assert await counter.ask(SBIN, max_age_ms=1_000) == {SBIN: (7, True, False)}
    assert counter.quoting.asked == [[IDEA], [SBIN]]
    request = feed_pb2.GetQuotesRequest(instrument_ids=[GOLD])
    (gold,) = (await counter.desk.answer(request)).ticks
    assert (gold.last, gold.bid, gold.ask, gold.scale) == (7, 6, 8, 0)


async def test_a_broker_who_does_not_answer_leaves_older_prices_that_are_said_to_be_stale(
    counter: Counter,
) -> None:
    counter.heard(SBIN, 5, ago_s=9)
    counter.heard(GOLD, 4, ago_s=9)
    assert EQUITY in counter.open
    for problem in (BrokerRejected("not now"), BrokerRateLimited("429", retry_after_ms=60_000)):
        counter.quoting.failures = [problem]
        assert await counter.ask(SBIN, IDEA, GOLD) == {SBIN: (5, False, True), GOLD: (4, False, False)}
    assert LEADER in await counter.house.buckets.penalties([LEADER])
    asked = len(counter.quoting.asked)
    assert await counter.ask(SBIN) == {SBIN: (5, False, True)}
    assert len(counter.quoting.asked) == asked, "the windows are closed until then"


async def test_without_a_session_or_a_store_the_rest_still_answers(counter: Counter) -> None:
    counter.heard(SBIN, 5)
    counter.kept.away, counter.credentials = True, None
    assert await counter.ask(SBIN, IDEA) == {SBIN: (5, False, False)}


async def test_what_no_master_knows_is_unknown_and_asked_of_nobody(counter: Counter) -> None:
    answer = await counter.desk.answer(feed_pb2.GetQuotesRequest(instrument_ids=[NONE]))
    assert (list(answer.ticks), list(answer.unknown_instrument_ids)) == ([], [NONE])
    assert counter.quoting.asked == []


async def test_a_hundred_are_two_calls_and_one_more_is_refused(counter: Counter) -> None:
    names = [f"NSE:S{number:03}-EQ" for number in range(101)]
    counter.open[EQUITY] = AlwaysOpen()
    assert len(await counter.ask(*names[:100])) == 100
    assert [len(each) for each in counter.quoting.asked] == [50, 50]
    for field, request in (
        ("instrument_ids", feed_pb2.GetQuotesRequest(instrument_ids=names)),
        ("instrument_ids", feed_pb2.GetQuotesRequest()),
        ("max_age_ms", feed_pb2.GetQuotesRequest(instrument_ids=[SBIN], max_age_ms=-1)),
    ):
        with pytest.raises(Invalid, match=field):
            await counter.desk.answer(request)
