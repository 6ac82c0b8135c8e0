"""The clocks of brokers: how wrong each is, shown to the operator, and taken out of the age of facts."""

from collections.abc import Sequence

import structlog

from paceline.domain.account import Broker
from paceline.domain.broker_clock import BrokerClock
from paceline.domain.event import EventKind, Fact
from paceline.domain.position import PositionReport
from paceline.runtime.metric_names import CLOCK_ERROR_SECONDS
from paceline.runtime.metrics import Metrics

_log = structlog.get_logger(__name__)

_NS_PER_S = 1_000_000_000


class BrokerClocks:
    """One for each broker: all his accounts are told the time by the same clock."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._clocks: dict[Broker, BrokerClock] = {}

    def time_of(self, broker: Broker, fact: Fact, *, after_ns: int, live: bool) -> int:
        """By our clock. The books that were asked for at `after_ns` did not know of it yet.

        Of orders only frames show when they changed: a book may tell when they were placed.
        """
        clock = self._clocks.setdefault(broker, BrokerClock())
        if fact.kind is not EventKind.FILL and not live:
            return clock.right(fact.broker_time_ns)
        before_ns = clock.error_ns
        at_ns = clock.hear(fact.broker_time_ns, fact.seen_ns, after_ns=after_ns, live=live)
        self._show(broker, before_ns, clock.error_ns)
        return at_ns

    def recall(self, broker: Broker, facts: Sequence[Fact]) -> None:
        """From what was journaled: where the time of a fact is not the one its broker told."""
        last = next((fact for fact in reversed(facts) if fact.kind is EventKind.FILL), None)
        if last is not None:
            clock = self._clocks.setdefault(broker, BrokerClock())
            before_ns = clock.error_ns
            clock.recall(_told_ns(last) - last.broker_time_ns)
            self._show(broker, before_ns, clock.error_ns)

    def _show(self, broker: Broker, before_ns: int, error_ns: int) -> None:
        """A clock that goes wrong is told of once, and so is one that is right again."""
        if error_ns == before_ns:
            return
        self._metrics.gauge(CLOCK_ERROR_SECONDS).labels(broker).set(error_ns / _NS_PER_S)
        if error_ns:
            _log.warning("broker.clock_wrong", broker=broker, ahead_s=round(error_ns / _NS_PER_S))
        else:
            _log.warning("broker.clock_right", broker=broker)


def _told_ns(fact: Fact) -> int:
    """In the broker's own words."""
    return fact.broker_time_ns if isinstance(fact.body, PositionReport) else fact.body.broker_time_ns
