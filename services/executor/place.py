"""One request for one copy order, as its account."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.trace import SpanKind

from paceline.domain.account import AccountType, Broker
from paceline.domain.copy_order import CopyOrder
from paceline.domain.copying.fold import Placed
from paceline.domain.errors import BrokerAuthFailed, BrokerError
from paceline.domain.ids import AccountId
from paceline.ports import broker as brokers
from paceline.ports.broker import Call
from paceline.ports.clock import Clock
from paceline.runtime.metric_names import BROKER_CALL_SECONDS, ORDERS_SENT, PLATFORM_SECONDS
from paceline.runtime.metrics import Metrics
from paceline.runtime.telemetry import Telemetry, context_of
from services.executor.logins import Logins


class Placer:
    """Speaks to the broker; what the answer means is decided elsewhere."""

    def __init__(
        self,
        broker: brokers.Broker,
        logins: Logins,
        type_of: Callable[[AccountId], AccountType],
        clock: Clock,
        metrics: Metrics,
        telemetry: Telemetry,
    ) -> None:
        self._broker = broker
        self._logins = logins
        self._type_of = type_of
        self._clock = clock
        self._telemetry = telemetry
        self._sent = metrics.counter(ORDERS_SENT)
        self._seconds = metrics.histogram(BROKER_CALL_SECONDS).labels(Broker.FYERS, Call.PLACE)
        self._platform = metrics.histogram(PLATFORM_SECONDS)

    async def place(self, order: CopyOrder) -> Placed:
        """Raises a `BrokerError`; a missing login is one too."""
        credentials = self._logins.of(order.account_id)
        type_ = self._type_of(order.account_id)
        self._platform.labels(type_).observe(max(0, self._clock.now_ns() - order.seen_ns) / 1e9)
        with self._spans(order), self._measured(type_):
            try:
                return Placed(await self._broker.place(credentials, order.spec, order.tag))
            except BrokerAuthFailed as refusal:
                self._logins.refused(credentials, str(refusal))
                raise

    @contextmanager
    def _spans(self, order: CopyOrder) -> Iterator[None]:
        """The executor's part of the leader event's trace, and the call inside it."""
        cause = context_of(order.traceparent)
        attributes = _attributes(order)
        with (
            self._telemetry.span(
                "executor send", kind=SpanKind.CONSUMER, parent=cause, attributes=attributes
            ),
            self._telemetry.span("broker place", kind=SpanKind.CLIENT, attributes=attributes),
        ):
            yield

    @contextmanager
    def _measured(self, type_: AccountType) -> Iterator[None]:
        began = self._clock.monotonic_ns()
        outcome = "cut"
        try:
            yield
            outcome = "accepted"
        except BrokerError as problem:
            outcome = problem.kind.value.lower()
            raise
        finally:
            self._seconds.observe((self._clock.monotonic_ns() - began) / 1e9)
            self._sent.labels(Call.PLACE, outcome, type_).inc()


def _attributes(order: CopyOrder) -> Mapping[str, str | int]:
    return {
        "paceline.account": order.account_id,
        "paceline.copy_order": order.copy_order_id,
        "paceline.tag": order.tag,
        "paceline.step": order.step,
    }
