"""Last prices in Redis: one hash a symbol."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from redis.asyncio import Redis

from paceline.adapters.redis import keys
from paceline.adapters.redis.connection import map_errors
from paceline.adapters.redis.scripts import Script
from paceline.domain.ids import InstrumentId
from paceline.ports.prices import Price

_FIELDS = ("last", "bid", "ask", "broker_time_ns", "received_ns", "source", "stale")


class RedisPrices:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._put = Script(redis, "prices_put.lua")

    async def put(self, prices: Mapping[InstrumentId, Price]) -> None:
        await self._put.run([([keys.market(symbol)], _values(price)) for symbol, price in prices.items()])

    async def get(self, instruments: Iterable[InstrumentId]) -> Mapping[InstrumentId, Price]:
        wanted = list(instruments)
        with map_errors():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for symbol in wanted:
                    pipeline.hmget(keys.market(symbol), list(_FIELDS))
                found: list[list[bytes | None]] = await pipeline.execute()
        return {
            symbol: _price([(value or b"").decode() for value in values])
            for symbol, values in zip(wanted, found, strict=True)
            if values[0] is not None
        }


def _values(price: Price) -> list[object]:
    return [
        str(price.last),
        "" if price.bid is None else str(price.bid),
        "" if price.ask is None else str(price.ask),
        price.broker_time_ns,
        price.received_ns,
        price.source,
        int(price.stale),
    ]


def _price(values: list[str]) -> Price:
    last, bid, ask, broker_time_ns, received_ns, source, stale = values
    return Price(
        last=Decimal(last),
        broker_time_ns=int(broker_time_ns),
        received_ns=int(received_ns),
        source=source,
        bid=Decimal(bid) if bid else None,
        ask=Decimal(ask) if ask else None,
        stale=stale == "1",
    )
