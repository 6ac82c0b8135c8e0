"""What brokers say of the markets reaches the calendar; silence and an absent store leave it alone."""

import asyncio
from contextlib import suppress
from typing import cast

from paceline.domain.calendar import always_open
from paceline.domain.errors import Unavailable
from paceline.domain.instrument import Exchange, Segment
from paceline.ports.broker import MarketPhase, MarketStatus
from paceline.ports.presence import Presence
from paceline.runtime.market_judge import WORD_AGE_MAX_MS, MarketJudge
from tests.fakes.clock import FakeClock

SHARES = (Exchange.NSE, Segment.CAPITAL_MARKET)


class Said:
    """Answers of a store that may be away."""

    def __init__(self) -> None:
        self.phase: MarketPhase | None = None
        self.away = False
        self.asked = 0

    async def market(
        self, exchange: Exchange, segment: Segment, market: str = "NORMAL"
    ) -> MarketStatus | None:
        self.asked += 1
        if self.away:
            raise Unavailable("Redis cannot be reached")
        known = self.phase is not None and (exchange, segment) == SHARES
        return MarketStatus(exchange, segment, market, self.phase) if known and self.phase else None


async def test_the_newest_word_holds_until_it_is_taken_back() -> None:
    presence, clock = Said(), FakeClock()
    judge = MarketJudge(always_open(), cast(Presence, presence), clock)
    presence.phase = MarketPhase.CLOSED
    await judge.look()
    assert not judge.calendar.is_open(*SHARES, clock.now_ns())
    assert judge.calendar.is_open(Exchange.MCX, Segment.COMMODITY_DERIVATIVES, clock.now_ns())
    presence.phase = None
    await judge.look()
    assert judge.calendar.is_open(*SHARES, clock.now_ns())


async def test_while_the_store_is_away_words_grow_old() -> None:
    presence, clock = Said(), FakeClock()
    judge = MarketJudge(always_open(), cast(Presence, presence), clock)
    presence.phase = MarketPhase.CLOSED
    listening = asyncio.create_task(judge.listen())
    await clock.settle()
    assert not judge.calendar.is_open(*SHARES, clock.now_ns())
    presence.away, before = True, presence.asked
    for _ in range(WORD_AGE_MAX_MS // 1_000 + 3):
        clock.advance(1)
        await clock.settle()
    assert presence.asked > before
    assert judge.calendar.is_open(*SHARES, clock.now_ns())
    presence.away = False
    clock.advance(2)
    await clock.settle()
    assert not judge.calendar.is_open(*SHARES, clock.now_ns())
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening
