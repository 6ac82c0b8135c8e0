"""Prices, portfolios, presence and relations in Redis: what can be rebuilt, by its agreed keys."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest
from redis.asyncio import Redis

from paceline.adapters.redis.connection import open_redis, ready, text
from paceline.adapters.redis.portfolios import RedisPortfolios
from paceline.adapters.redis.presence import RedisPresence, RedisRelations
from paceline.adapters.redis.prices import RedisPrices
from paceline.domain.account import AccountType, SessionState
from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId, InstrumentId, Partition
from paceline.domain.instrument import Exchange, Segment
from paceline.ports.broker import MarketPhase, MarketStatus
from paceline.ports.portfolios import Portfolio
from paceline.ports.presence import SessionPresence
from paceline.ports.prices import Price

SBIN, BTC = InstrumentId("NSE:SBIN-EQ"), InstrumentId("BTC/USDT")
NOW = 1_767_248_400_000_000_001
PRICE = Price(Decimal("812.35"), NOW - 5, NOW, "fyers_data", bid=Decimal("812.30"))
ALICE = AccountId("fyers:A")
RICH = Portfolio(
    account_id=ALICE,
    type=AccountType.LIVE,
    cash=Decimal("100.50"),
    realised=Decimal(-3),
    unrealised=Decimal(7),
    equity=Decimal("104.50"),
    used_margin=Decimal(50),
    margin_level=Decimal(209),
    currency="INR",
    computed_ns=NOW,
)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    opened = open_redis(redis_url)
    yield opened
    await opened.aclose()


async def names(redis: Redis) -> set[str]:
    return {text(key) for key in await redis.keys("*")}


async def test_a_price_is_kept_to_the_tick_under_the_full_symbol(redis: Redis) -> None:
    prices = RedisPrices(redis)
    whole = replace(PRICE, ask=Decimal("812.40"))
    await prices.put({SBIN: whole, BTC: PRICE})
    assert await prices.get([SBIN, BTC, InstrumentId("NSE:NOBODY-EQ")]) == {SBIN: whole, BTC: PRICE}
    assert await names(redis) == {"market:{NSE:SBIN-EQ}", "market:{BTC/USDT}"}


async def test_an_older_price_never_replaces_a_newer_one(redis: Redis) -> None:
    prices = RedisPrices(redis)
    older = replace(PRICE, last=Decimal(1), received_ns=NOW - 1)
    newer = replace(PRICE, last=Decimal(2), received_ns=NOW + 1)
    for price in (PRICE, older):
        await prices.put({SBIN: price})
    assert (await prices.get([SBIN]))[SBIN] == PRICE
    await prices.put({SBIN: newer})
    assert (await prices.get([SBIN]))[SBIN] == newer


async def test_a_portfolio_reads_back_also_with_an_infinite_margin_level(redis: Redis) -> None:
    portfolios = RedisPortfolios(redis)
    free = replace(RICH, account_id=AccountId("fyers:B"), margin_level=None, stale=True)
    await portfolios.put([RICH, free])
    asked = dict.fromkeys([ALICE, free.account_id, AccountId("fyers:C")], AccountType.LIVE)
    assert await portfolios.get(asked) == {ALICE: RICH, free.account_id: free}
    assert "user_portfolio:{live:fyers:A}" in await names(redis)


async def test_a_new_account_has_a_config_and_an_empty_portfolio_that_overwrite_nothing(redis: Redis) -> None:
    portfolios = RedisPortfolios(redis)
    await portfolios.put([RICH])
    for account in (ALICE, AccountId("fyers:B")):
        await portfolios.create_empty(account, AccountType.LIVE)
    found = await portfolios.get(dict.fromkeys([ALICE, AccountId("fyers:B")], AccountType.LIVE))
    assert found[ALICE] == RICH
    assert found[AccountId("fyers:B")].equity == 0
    assert found[AccountId("fyers:B")].stale
    assert "user:{live:fyers:B}:config" in await names(redis)


async def test_packed_portfolios_are_published_and_kept(redis: Redis) -> None:
    portfolios = RedisPortfolios(redis)
    async with redis.pubsub() as channel:
        await channel.subscribe("portfolio_updates")
        await portfolios.publish({Partition(3): b"\x00packed"})
        heard = [message async for message in _first(channel, 2)]
    assert heard[-1]["data"] == b"\x00packed"
    assert await portfolios.packed([Partition(3), Partition(4)]) == {Partition(3): b"\x00packed"}


async def _first(channel: object, count: int) -> AsyncIterator[dict[str, object]]:
    messages = channel.listen()  # type: ignore[attr-defined]  # the client's own type is untyped
    for _ in range(count):
        yield await anext(messages)


async def test_presence_dies_with_who_said_it(redis: Redis) -> None:
    presence = RedisPresence(redis)
    alive = SessionPresence(ALICE, SessionState.LIVE, "", NOW, NOW + 1)
    await presence.put_sessions([alive], 30_000)
    assert await presence.sessions([ALICE, AccountId("fyers:B")]) == {ALICE: alive}
    assert await presence.put_sessions([], 30_000, [ALICE, AccountId("fyers:B")]) == ["fyers:B"]
    assert await presence.sessions([ALICE]) == {ALICE: alive}
    assert 0 < await redis.pttl("session:{fyers:A}") <= 30_000


async def test_the_market_is_as_last_said(redis: Redis) -> None:
    presence = RedisPresence(redis)
    nse = MarketStatus(Exchange.NSE, Segment.CAPITAL_MARKET, "NORMAL", MarketPhase.OPEN)
    await presence.put_market([nse], 30_000)
    assert await presence.market(Exchange.NSE, Segment.CAPITAL_MARKET) == nse
    assert await presence.market(Exchange.MCX, Segment.COMMODITY_DERIVATIVES) is None


async def test_relations_are_kept_by_both_ends(redis: Redis) -> None:
    relations = RedisRelations(redis)
    leader, one, two = (AccountId(f"fyers:{name}") for name in ("L", "F1", "F2"))
    await relations.rebuild([(leader, one), (leader, two)])
    await relations.unfollow(leader, two)
    assert await relations.followers(leader) == {one}
    assert await names(redis) == {
        "copy_master_followers:{fyers:L}:active",
        "copy_follower_master:{fyers:F1}:provider_id",
    }
    await relations.follow(leader, two)
    assert await relations.followers(leader) == {one, two}


async def test_a_redis_that_is_not_there_is_unavailable() -> None:
    gone = open_redis("redis://127.0.0.1:1/0", timeout_s=0.2)
    with pytest.raises(Unavailable):
        await ready(gone)
    with pytest.raises(Unavailable):
        await RedisPrices(gone).get([SBIN])
    await gone.aclose()


async def test_a_redis_that_is_there_is_ready(redis: Redis) -> None:
    await ready(redis)
    assert await RedisPrices(redis).get([]) == {}
