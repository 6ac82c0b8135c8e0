"""Prices from the socket, from quotes while it is down, and from the socket again; marked where old."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.adapters.redis.prices import RedisPrices
from paceline.api.v1 import feed_pb2
from paceline.domain.ids import AccountId, InstrumentId
from paceline.ports.prices import Price
from tests.integration.feed.world import IDEA, SBIN, World, until
from tests.integration.storage.makers import a_subscription

NAME = InstrumentId(SBIN)


@asynccontextmanager
async def watching(stage: World, account_id: AccountId) -> AsyncIterator[dict[str, feed_pb2.Tick]]:
    """The newest tick of each instrument that a consumer of the stream was told."""
    seen: dict[str, feed_pb2.Tick] = {}
    asked: asyncio.Queue[feed_pb2.StreamTicksRequest] = asyncio.Queue()

    async def requests() -> AsyncIterator[feed_pb2.StreamTicksRequest]:
        while True:
            yield await asked.get()

    async with stage.stub(account_id) as stub:
        call = stub.StreamTicks(requests())
        asked.put_nowait(feed_pb2.StreamTicksRequest(consumer="test", subscribe=[SBIN], interval_ms=20))

        async def read() -> None:
            async for response in call:
                seen.update({tick.instrument_id: tick for tick in response.ticks})

        reading = asyncio.create_task(read())
        try:
            yield seen
        finally:
            reading.cancel()
            await asyncio.wait({reading})


async def test_quotes_stand_in_for_a_socket_that_is_down_and_give_way_when_it_is_back(stage: World) -> None:
    leader = await stage.account("XL1")
    data = stage.sim.app.data

    async def kept() -> Price | None:
        return (await RedisPrices(stage.redis).get([NAME])).get(NAME)

    async def priced(rupees: int, source: str) -> bool:
        price = await kept()
        return price is not None and (price.last, price.source, price.stale) == (
            Decimal(rupees),
            source,
            False,
        )

    async with stage.feed(
        ticks_silent_ms="1000",
        ticks_stale_ms="600",
        quotes_interval_ms="100",
        reconnect_longest_ms="200",
        market_hours="always-open",
    ):
        await stage.until_state(leader, "LIVE")
        async with watching(stage, leader) as seen:

            async def told(rupees: int, source: int) -> bool:
                tick = seen.get(SBIN)
                shown = (tick.last, tick.source, tick.stale) if tick else None
                return tick is not None and shown == (rupees * 10**tick.scale, source, False)

            first = stage.sim.exchange.markets[SBIN].ltp // 100

            async def at(rupees: int, source: str, wire: int) -> None:
                stage.sim.exchange.move(SBIN, rupees * 100)

                async def look() -> bool:
                    return await priced(rupees, source) and await told(rupees, wire)

                await until(look, f"{rupees} from {source}")

            await at(first + 1, "fyers_data", feed_pb2.PRICE_SOURCE_SOCKET)
            data.knows_key = lambda _key: False
            quotes = await stage.control.requests("GET /data/quotes")
            await data.close()
            await at(first + 2, "rest_quote", feed_pb2.PRICE_SOURCE_QUOTE)
            assert await stage.control.requests("GET /data/quotes") > quotes
            await stage.control.fault("server_5xx", calls=["quotes"])

            async def stale() -> bool:
                price = await kept()
                return price is not None and price.stale and seen[SBIN].stale

            await until(stale, "a price that nothing confirms is marked")
            await stage.control.delete("/faults")
            data.knows_key = bool
            await at(first + 3, "fyers_data", feed_pb2.PRICE_SOURCE_SOCKET)
            quotes = await stage.control.requests("GET /data/quotes")
            for rupees in (4, 5, 6):
                await at(first + rupees, "fyers_data", feed_pb2.PRICE_SOURCE_SOCKET)
            assert await stage.control.requests("GET /data/quotes") <= quotes + 1  # it was on its way


async def test_a_copied_leaders_working_order_has_prices_that_nobody_asked_for(stage: World) -> None:
    leader, follower = await stage.account("XL1"), await stage.account("XF1")
    await PostgresSubscriptions(stage.database).create(a_subscription(leader, follower))
    prices = RedisPrices(stage.redis)
    async with stage.feed(market_hours="always-open"):
        await stage.until_state(leader, "LIVE")
        order = {"client_id": "XL1", "symbol": SBIN, "side": 1, "qty": 1, "product": "INTRADAY"}
        limit = stage.sim.exchange.markets[SBIN].ltp // 100
        await stage.control.post("/orders", **order, type="LIMIT", limit=limit, hold=True)

        async def priced() -> bool:
            return NAME in await prices.get([NAME])

        await until(priced, "the order's instrument has a price")
        async with stage.stub(leader) as stub:
            asked = feed_pb2.GetQuotesRequest(instrument_ids=[SBIN, IDEA, "NSE:NOBODY-EQ"])
            answer = await stub.GetQuotes(asked)
        told = {each.instrument_id: (each.source, each.stale) for each in answer.ticks}
        assert told == {
            SBIN: (feed_pb2.PRICE_SOURCE_SOCKET, False),
            IDEA: (feed_pb2.PRICE_SOURCE_QUOTE, False),
        }
        assert list(answer.unknown_instrument_ids) == ["NSE:NOBODY-EQ"]
