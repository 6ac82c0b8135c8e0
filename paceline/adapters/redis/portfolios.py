"""Portfolios in Redis: a hash an account to be read, one packed value a partition to keep up with."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from redis.asyncio import Redis

from paceline.adapters.redis import keys
from paceline.adapters.redis.connection import HashFields, map_errors
from paceline.domain.account import AccountType
from paceline.domain.ids import AccountId, Partition
from paceline.ports.portfolios import Portfolio

_INFINITE = "inf"
_AT_ONCE = 64


class RedisPortfolios:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def put(self, portfolios: Sequence[Portfolio]) -> None:
        with map_errors():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for each in portfolios:
                    pipeline.hset(keys.portfolio(each.type, each.account_id), mapping=_fields(each))
                await pipeline.execute()

    async def get(self, accounts: Mapping[AccountId, AccountType]) -> Mapping[AccountId, Portfolio]:
        with map_errors():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for account, type_ in accounts.items():
                    pipeline.hgetall(keys.portfolio(type_, account))
                found: list[dict[bytes, bytes]] = await pipeline.execute()
        return {
            account: _portfolio(account, type_, {k.decode(): v.decode() for k, v in fields.items()})
            for (account, type_), fields in zip(accounts.items(), found, strict=True)
            if fields
        }

    async def create_empty(self, account_id: AccountId, type: AccountType) -> None:  # noqa: A002 - the field's name
        key, config = keys.portfolio(type, account_id), keys.config(type, account_id)
        with map_errors():
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.hsetnx(config, "account_id", account_id)
                pipeline.hsetnx(config, "type", type.value)
                for field, value in _fields(_empty(account_id, type)).items():
                    pipeline.hsetnx(key, field, value)
                await pipeline.execute()

    async def publish(self, packed: Mapping[Partition, bytes]) -> None:
        """A few partitions at a time: prices that come meanwhile must not wait for all of them."""
        values = list(packed.items())
        for start in range(0, len(values), _AT_ONCE):
            await self._publish(values[start : start + _AT_ONCE])

    async def _publish(self, values: Sequence[tuple[Partition, bytes]]) -> None:
        with map_errors():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for partition, value in values:
                    # plain commands: the client's own `set` costs more than all the rest of a pass
                    pipeline.execute_command("SET", keys.packed_portfolios(partition), value)
                    pipeline.execute_command("PUBLISH", keys.PORTFOLIO_UPDATES, value)
                await pipeline.execute()

    async def packed(self, partitions: Iterable[Partition]) -> Mapping[Partition, bytes]:
        wanted = list(partitions)
        with map_errors():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for partition in wanted:
                    pipeline.get(keys.packed_portfolios(partition))
                found: list[bytes | None] = await pipeline.execute()
        return {partition: value for partition, value in zip(wanted, found, strict=True) if value is not None}


def _empty(account_id: AccountId, type_: AccountType) -> Portfolio:
    zero = Decimal(0)
    return Portfolio(account_id, type_, zero, zero, zero, zero, zero, None, "INR", 0, stale=True)


def _fields(portfolio: Portfolio) -> HashFields:
    level = portfolio.margin_level
    return {
        "cash": str(portfolio.cash),
        "realised": str(portfolio.realised),
        "unrealised": str(portfolio.unrealised),
        "equity": str(portfolio.equity),
        "used_margin": str(portfolio.used_margin),
        "margin_level": _INFINITE if level is None else str(level),
        "currency": portfolio.currency,
        "computed_ns": portfolio.computed_ns,
        "stale": int(portfolio.stale),
    }


def _portfolio(account_id: AccountId, type_: AccountType, fields: Mapping[str, str]) -> Portfolio:
    level = fields["margin_level"]
    return Portfolio(
        account_id=account_id,
        type=type_,
        cash=Decimal(fields["cash"]),
        realised=Decimal(fields["realised"]),
        unrealised=Decimal(fields["unrealised"]),
        equity=Decimal(fields["equity"]),
        used_margin=Decimal(fields["used_margin"]),
        margin_level=None if level == _INFINITE else Decimal(level),
        currency=fields["currency"],
        computed_ns=int(fields["computed_ns"]),
        stale=fields["stale"] == "1",
    )
