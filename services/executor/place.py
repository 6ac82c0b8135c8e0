"""One request about one copy order, as its account."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.trace import SpanKind

from paceline.domain.account import AccountType, Broker
from paceline.domain.copy_order import CommandKind, OrderSpec
from paceline.domain.copying.fold import Placed, Resized
from paceline.domain.errors import BrokerAuthFailed, BrokerError
from paceline.domain.execution import Command
from paceline.domain.ids import AccountId
from paceline.ports import broker as brokers
from paceline.ports.broker import Call, Credentials, OrderChange
from paceline.ports.clock import Clock
from paceline.runtime.metric_names import BROKER_CALL_SECONDS, ORDERS_SENT, PLATFORM_SECONDS
from paceline.runtime.metrics import Metrics
from paceline.runtime.telemetry import Telemetry, context_of
from services.executor.breakers import Breakers
from services.executor.logins import Logins
from services.executor.outcome import CancelTaken, Said


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
        breakers: Breakers,
    ) -> None:
        self._broker = broker
        self._logins = logins
        self._type_of = type_of
        self._clock = clock
        self._telemetry = telemetry
        self._breakers = breakers
        self._sent = metrics.counter(ORDERS_SENT)
        self._seconds = metrics.histogram(BROKER_CALL_SECONDS)
        self._platform = metrics.histogram(PLATFORM_SECONDS)

    async def send(self, command: Command) -> Said:
        """Raises a `BrokerError`; a missing login is one too."""
        order = command.order
        credentials = self._logins.of(order.account_id)
        type_ = self._type_of(order.account_id)
        with self._breakers.guarded(credentials.egress, entering=command.enters):
            return await self._send(credentials, command, type_)

    async def _send(self, credentials: Credentials, command: Command, type_: AccountType) -> Said:
        order = command.order
        if command.kind is CommandKind.PLACE:
            self._platform.labels(type_).observe(max(0, self._clock.now_ns() - order.seen_ns) / 1e9)
        with self._spans(command), self._measured(Call(command.kind.value), type_):
            try:
                return await self._ask(credentials, command)
            except BrokerAuthFailed as refusal:
                self._logins.refused(credentials, str(refusal))
                raise

    async def _ask(self, credentials: Credentials, command: Command) -> Said:
        order, change = command.order, command.change
        if change is None:
            return Placed(await self._broker.place(credentials, order.spec, order.tag))
        if order.broker_order_id is None:
            raise ValueError(f"{order.tag} cannot be changed: the broker's number of it is not known")
        if command.kind is CommandKind.CANCEL or change.spec is None:
            await self._broker.cancel(credentials, order.broker_order_id)
            return CancelTaken()
        await self._broker.modify(credentials, order.broker_order_id, _wanted(change.spec))
        return Resized(change.spec, change.command_id)

    @contextmanager
    def _spans(self, command: Command) -> Iterator[None]:
        """The executor's part of the leader event's trace, and the call inside it."""
        cause = context_of(command.change.traceparent if command.change else command.order.traceparent)
        attributes = _attributes(command)
        name = f"broker {command.kind.lower()}"
        with (
            self._telemetry.span(
                "executor send", kind=SpanKind.CONSUMER, parent=cause, attributes=attributes
            ),
            self._telemetry.span(name, kind=SpanKind.CLIENT, attributes=attributes),
        ):
            yield

    @contextmanager
    def _measured(self, call: Call, type_: AccountType) -> Iterator[None]:
        began = self._clock.monotonic_ns()
        outcome = "cut"
        try:
            yield
            outcome = "accepted"
        except BrokerError as problem:
            outcome = problem.kind.value.lower()
            raise
        finally:
            self._seconds.labels(Broker.FYERS, call).observe((self._clock.monotonic_ns() - began) / 1e9)
            self._sent.labels(call, outcome, type_).inc()


def _wanted(spec: OrderSpec) -> OrderChange:
    return OrderChange(spec.type, spec.quantity, spec.limit_price, spec.trigger_price)


def _attributes(command: Command) -> Mapping[str, str | int]:
    order = command.order
    named = {"paceline.command": command.change.command_id} if command.change else {}
    return {
        "paceline.account": order.account_id,
        "paceline.copy_order": order.copy_order_id,
        "paceline.tag": order.tag,
        "paceline.step": order.step,
        **named,
    }
