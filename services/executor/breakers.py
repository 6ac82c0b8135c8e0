"""Circuit breakers, one per broker and egress: entries fail at once while nobody is there to take them."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import structlog

from paceline.domain.account import Broker
from paceline.domain.breaker import CLOSED, Breaker, BreakerPolicy
from paceline.domain.errors import BrokerError, BrokerNeverSent, BrokerOutcomeUnknown
from paceline.ports.clock import Clock
from paceline.runtime.metric_names import BREAKER_OPEN
from paceline.runtime.metrics import Metrics

_log = structlog.get_logger(__name__)


class Breakers:
    def __init__(self, broker: Broker, policy: BreakerPolicy, clock: Clock, metrics: Metrics) -> None:
        self._broker = broker
        self._policy = policy
        self._clock = clock
        self._open = metrics.gauge(BREAKER_OPEN)
        self._breakers: dict[str, Breaker] = {}

    @contextmanager
    def guarded(self, egress: str, *, entering: bool) -> Iterator[None]:
        """Around one request; raises `BrokerNeverSent` where it is not to be made."""
        before = self._breakers.get(egress, CLOSED)
        if not before.lets(self._clock.monotonic_ns(), self._policy, entering=entering):
            words = "the broker could not be reached so often that entries are not sent"
            raise BrokerNeverSent(words, away=True)
        self._set(egress, before.leaves(self._clock.monotonic_ns(), entering=entering))
        try:
            yield
        except BrokerError as problem:
            self._learn(egress, failed=_nobody_there(problem))
            raise
        self._learn(egress, failed=False)

    def _learn(self, egress: str, *, failed: bool) -> None:
        now_ns = self._clock.monotonic_ns()
        known = self._breakers.get(egress, CLOSED)
        self._set(egress, known.failed(now_ns, self._policy) if failed else CLOSED)

    def _set(self, egress: str, now: Breaker) -> None:
        was = self._breakers.pop(egress, CLOSED)
        if now != CLOSED:
            self._breakers[egress] = now
        if was.closed != now.closed:
            through = _shown(egress)
            self._open.labels(self._broker.value, through).set(not now.closed)
            tell = _log.info if now.closed else _log.error
            tell("breaker.closed" if now.closed else "breaker.open", broker=self._broker, egress=through)


def _nobody_there(problem: BrokerError) -> bool:
    """A connection that was not to be had, or a server that says it is broken; a refusal is an answer."""
    broken = isinstance(problem, BrokerOutcomeUnknown) and problem.server_broken
    return broken or isinstance(problem, BrokerNeverSent)


def _shown(egress: str) -> str:
    """A proxy's address without what it takes to use it."""
    if "://" not in egress:
        return egress
    parts = urlsplit(egress)
    return f"{parts.scheme}://{parts.hostname or ''}:{parts.port or ''}"
