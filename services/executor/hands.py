"""What a liquidation asks of the broker itself: books, cancellations of any order, and new prices."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

import structlog

from paceline.domain.errors import (
    BrokerAuthFailed,
    BrokerError,
    BrokerRateLimited,
    NotOwner,
    Unavailable,
)
from paceline.domain.ids import AccountId, BrokerOrderId, InstrumentId
from paceline.domain.order import OrderReport
from paceline.domain.partitioning import partition_of
from paceline.domain.position import PositionReport
from paceline.ports.broker import Book, Broker, Call, Credentials, OrderChange
from paceline.ports.clock import Clock
from paceline.ports.prices import Price
from paceline.runtime.budget import Budget
from paceline.runtime.partitions import Partitions
from services.executor.logins import Logins
from services.executor.quoted import SharedPrices

_log = structlog.get_logger(__name__)

_PRICE_FRESH_NS = 5_000_000_000
_NS_PER_MS = 1_000_000
_WRITES = frozenset({Call.MODIFY, Call.CANCEL})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hands:
    """Within the limits of the account, with one login for a refused token; writes need the lease."""

    broker: Broker
    logins: Logins
    budget: Budget
    prices: SharedPrices
    partitions: Partitions
    clock: Clock
    need_ms: int
    """So much of the lease must be left when a request leaves."""

    async def orders(self, account_id: AccountId) -> Book[OrderReport]:
        return await self._ask(account_id, Call.READ, self.broker.order_book)

    async def positions(self, account_id: AccountId) -> Book[PositionReport]:
        return await self._ask(account_id, Call.READ, self.broker.positions)

    async def cancel(self, account_id: AccountId, order_id: BrokerOrderId) -> None:
        """What became of it is read in the next book; doing it twice is doing it once."""
        await self._try(account_id, order_id, Call.CANCEL, lambda one: self.broker.cancel(one, order_id))

    async def reprice(self, account_id: AccountId, order_id: BrokerOrderId, limit: Decimal) -> None:
        change = OrderChange(limit_price=limit)
        await self._try(
            account_id, order_id, Call.MODIFY, lambda one: self.broker.modify(one, order_id, change)
        )

    async def fresh(
        self, account_id: AccountId, instruments: Iterable[InstrumentId]
    ) -> Mapping[InstrumentId, Price]:
        """As they are known, else asked for; the others are missing."""
        wanted, now_ns = list(instruments), self.clock.now_ns()
        try:
            known = await self.prices.get(wanted)
        except Unavailable as problem:
            _log.warning("liquidation.no_prices", problem=str(problem))
            known = {}
        found = {
            each: price
            for each, price in known.items()
            if not price.stale and now_ns - price.received_ns <= _PRICE_FRESH_NS
        }
        missing = [each for each in wanted if each not in found]
        if missing:
            found |= await self._quoted(account_id, missing)
        return found

    async def _quoted(
        self, account_id: AccountId, instruments: list[InstrumentId]
    ) -> dict[InstrumentId, Price]:
        """A broker who does not quote now leaves nothing to sell by; the books are read all the same."""
        try:
            quotes = await self._ask(account_id, Call.QUOTE, lambda one: self.broker.quotes(one, instruments))
        except BrokerAuthFailed:
            raise
        except BrokerError as problem:
            _log.warning("liquidation.no_quotes", account=account_id, problem=problem.words)
            return {}
        return {
            each.instrument_id: Price(
                each.last,
                each.broker_time_ns,
                each.received_ns,
                "rest_quote",
                each.bid or None,
                each.ask or None,
            )
            for each in quotes
            if each.last > 0
        }

    async def _try(
        self,
        account_id: AccountId,
        order_id: BrokerOrderId,
        call: Call,
        request: Callable[[Credentials], Awaitable[None]],
    ) -> None:
        """The next reading of the books judges it; only what stops everything is told."""
        try:
            await self._ask(account_id, call, request)
        except BrokerAuthFailed:
            raise
        except BrokerError as problem:
            _log.warning(
                "liquidation.refused",
                account=account_id,
                order=order_id,
                call=call.value,
                problem=problem.words,
            )

    async def _ask(
        self, account_id: AccountId, call: Call, request: Callable[[Credentials], Awaitable[T]]
    ) -> T:
        try:
            return await self._once(account_id, call, request)
        except BrokerAuthFailed:
            if not await self.logins.relogin(account_id):
                raise
            return await self._once(account_id, call, request)

    async def _once(
        self, account_id: AccountId, call: Call, request: Callable[[Credentials], Awaitable[T]]
    ) -> T:
        """The lease is looked at in the same step in which the request leaves."""
        credentials = self.logins.of(account_id)
        try:
            async with self.budget.call(account_id, self.broker.limits, call):
                if call in _WRITES and not self.partitions.usable(partition_of(account_id), self.need_ms):
                    raise NotOwner(f"too little of the lease of {account_id} is left")
                return await request(credentials)
        except BrokerAuthFailed as refusal:
            self.logins.refused(credentials, str(refusal))
            raise
        except BrokerRateLimited as problem:
            until_ns = self.clock.now_ns() + problem.retry_after_ms * _NS_PER_MS
            await self.budget.meter.penalize(account_id, until_ns)
            raise
