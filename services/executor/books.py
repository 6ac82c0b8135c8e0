"""The order book of one account, read within the limits that sending lives from."""

from dataclasses import dataclass

from prometheus_client import Histogram

from paceline.domain.errors import BrokerAuthFailed, BrokerRateLimited
from paceline.domain.ids import AccountId
from paceline.domain.order import OrderReport
from paceline.ports.broker import Book, Broker, Call
from paceline.ports.clock import Clock
from paceline.runtime.budget import Budget
from services.executor.logins import Logins

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """A book, and the moments between which it was true."""

    book: Book[OrderReport]
    asked_ns: int
    """By the monotonic clock, as the other."""
    answered_ns: int


@dataclass(frozen=True, slots=True)
class OrderBooks:
    broker: Broker
    logins: Logins
    budget: Budget
    clock: Clock
    seconds: Histogram
    """How long the broker takes."""

    async def read(self, account_id: AccountId) -> Reading:
        """Raises a `BrokerError`, or `Unavailable`."""
        try:
            return await self._once(account_id)
        except BrokerAuthFailed:
            if not await self.logins.relogin(account_id):
                raise
            return await self._once(account_id)

    async def _once(self, account_id: AccountId) -> Reading:
        credentials = self.logins.of(account_id)
        try:
            async with self.budget.call(account_id, self.broker.limits, Call.READ):
                asked_ns = self.clock.monotonic_ns()
                with self.seconds.time():
                    book = await self.broker.order_book(credentials)
        except BrokerAuthFailed as refusal:
            self.logins.refused(credentials, str(refusal))
            raise
        except BrokerRateLimited as problem:
            until_ns = self.clock.now_ns() + problem.retry_after_ms * _NS_PER_MS
            await self.budget.meter.penalize(account_id, until_ns)
            raise
        return Reading(book, asked_ns, self.clock.monotonic_ns())
