"""The slow reading of the books all day: what a healthy-looking stream lost is found, and told once."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import structlog

from paceline.domain.account import Account
from paceline.domain.errors import BrokerAuthFailed, BrokerError, BrokerRateLimited, Unavailable
from paceline.ports.broker import Broker, Call, Credentials
from paceline.runtime.budget import NoRoom
from paceline.runtime.metric_names import BACKSTOP_READS, BACKSTOP_REPAIRS
from services.feed.notebook import Notebook
from services.feed.shared import Shared

_log = structlog.get_logger(__name__)

_PATIENCE_S = 0.5
"""Orders come first: where the windows are full for longer, the round is left out."""
_JITTER = 0.2
"""Rounds come earlier by up to this share of the interval, never later."""
_LOOKS_AGAIN_MAX = 3
"""A round that left a question open is followed so often by another, once its answer may be believed."""
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Backstop:
    """Beside one live connection; a round that fails is made up for by the next one."""

    account: Account
    shared: Shared
    broker: Broker
    credentials: Credentials
    notebook: Notebook

    async def run(self) -> None:
        """Until cancelled; sessions that came to life together are spread over the interval. Raises
        `BrokerAuthFailed`: a token that died is noticed here, though the socket still lives.
        """
        clock, random, interval_s = self.shared.desk.clock, self.shared.random, self.shared.backstop_s
        await clock.sleep(interval_s * random.random())
        again = 0
        while True:
            outcome = await self._round()
            reads = self.shared.desk.metrics.counter(BACKSTOP_READS)
            reads.labels(self.account.broker, outcome).inc()
            again = again + 1 if self.notebook.puzzled() and again < _LOOKS_AGAIN_MAX else 0
            pause_s = interval_s * (1 - _JITTER * random.random())
            await clock.sleep(min(pause_s, self.shared.desk.positions_settle_s) if again else pause_s)

    async def _round(self) -> str:
        try:
            await self._read()
        except BrokerAuthFailed:
            raise
        except NoRoom:
            return "skipped"
        except BrokerRateLimited as problem:
            await self._make_known(problem.retry_after_ms)
            return "limited"
        except (BrokerError, Unavailable) as problem:
            if self.shared.gate.held_back((self.account.account_id, "backstop")) is not None:
                _log.info("backstop.unread", account=self.account.account_id, problem=str(problem))
            return "failed"
        return "read"

    async def _read(self) -> None:
        found = await self.notebook.read_books(self.broker, self.credentials, self._spend)
        repairs = self.shared.desk.metrics.counter(BACKSTOP_REPAIRS)
        for fact in found:
            repairs.labels(self.account.broker, fact.kind.value).inc()
        if found and self.shared.gate.held_back((self.account.account_id, "repaired")) is not None:
            _log.warning("backstop.repaired", account=self.account.account_id, facts=len(found))

    def _spend(self) -> AbstractAsyncContextManager[None]:
        limits = self.broker.limits
        return self.shared.budget.call(self.account.account_id, limits, Call.READ, patience_s=_PATIENCE_S)

    async def _make_known(self, retry_after_ms: int) -> None:
        """Everyone who calls for this account keeps to what the broker said."""
        until_ns = self.shared.desk.clock.now_ns() + retry_after_ms * _NS_PER_MS
        try:
            await self.shared.budget.meter.penalize(self.account.account_id, until_ns)
        except Unavailable as problem:
            _log.warning("backstop.penalty_untold", account=self.account.account_id, problem=str(problem))
