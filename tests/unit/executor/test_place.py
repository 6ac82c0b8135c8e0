"""One request as its account; reads of the order book; one look for a new token, shared by all."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind

from paceline.domain.account import AccountType, Broker
from paceline.domain.breaker import BreakerPolicy
from paceline.domain.copy_order import CommandKind, OrderSpec
from paceline.domain.copying.fold import Placed, Resized
from paceline.domain.errors import (
    BrokerAuthFailed,
    BrokerError,
    BrokerLoginNeeded,
    BrokerRateLimited,
    BrokerRejected,
)
from paceline.domain.execution import Command
from paceline.domain.ids import BrokerOrderId, Tag
from paceline.domain.order import OrderReport
from paceline.ports.broker import Book, Call, Credentials, OrderChange
from paceline.runtime.budget import Budget
from paceline.runtime.meter import Meter
from paceline.runtime.metric_names import BROKER_CALL_SECONDS, ORDERS_SENT, PLATFORM_SECONDS
from paceline.runtime.metrics import Metrics
from paceline.runtime.telemetry import Telemetry, start_telemetry
from services.executor.books import OrderBooks
from services.executor.breakers import Breakers
from services.executor.logins import Logins
from services.executor.outcome import CancelTaken
from services.executor.place import Placer
from tests.fakes.buckets import FakeBuckets
from tests.fakes.clock import FakeClock
from tests.unit.executor.given import FOLLOWER, LIMITS, S, a_change, order, placing
from tests.unit.executor.people import FakeCredentials, FakeRelogin

TRACE = "0af7651916cd43dd8448eb211c80319c"


@dataclass
class Desk:
    """The broker's side: says what it is told to, once each, and remembers tokens."""

    clock: FakeClock
    says: list[BrokerError] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    asked: list[tuple[BrokerOrderId, OrderChange | None]] = field(default_factory=list)
    limits = LIMITS

    async def place(self, credentials: Credentials, spec: OrderSpec, tag: Tag) -> BrokerOrderId:
        self._answer(credentials)
        self.clock.advance(0.2)
        return BrokerOrderId("b1")

    async def modify(self, credentials: Credentials, order_id: BrokerOrderId, change: OrderChange) -> None:
        self._answer(credentials)
        self.asked.append((order_id, change))

    async def cancel(self, credentials: Credentials, order_id: BrokerOrderId) -> None:
        self._answer(credentials)
        self.asked.append((order_id, None))

    async def order_book(self, credentials: Credentials, **_: Any) -> Book[OrderReport]:
        self._answer(credentials)
        return Book((), (), self.clock.now_ns())

    def _answer(self, credentials: Credentials) -> None:
        self.tokens.append(credentials.token.reveal())
        if self.says:
            raise self.says.pop(0)


@dataclass
class World:
    clock: FakeClock
    desk: Desk
    credentials: FakeCredentials
    relogin: FakeRelogin
    metrics: Metrics
    logins: Logins
    placer: Placer
    buckets: FakeBuckets

    @property
    def books(self) -> OrderBooks:
        return OrderBooks(
            self.desk,  # type: ignore[arg-type]  # as much of the port as this needs
            self.logins,
            Budget(Meter(self.buckets, self.clock), self.clock),
            self.clock,
            self.metrics.histogram(BROKER_CALL_SECONDS).labels("fyers", "READ"),
        )


async def a_world(telemetry: Telemetry | None = None) -> World:
    clock = FakeClock()
    desk, metrics = Desk(clock), Metrics()
    credentials = FakeCredentials({FOLLOWER: "first"})
    await credentials.load([FOLLOWER])
    relogin = FakeRelogin(credentials)
    logins = Logins(credentials, relogin)  # type: ignore[arg-type]
    placer = Placer(
        desk,  # type: ignore[arg-type]
        logins,
        lambda _account: AccountType.LIVE,
        clock,
        metrics,
        telemetry or start_telemetry(service="executor", replica_id="a"),
        Breakers(Broker.FYERS, BreakerPolicy(), clock, metrics),
    )
    return World(clock, desk, credentials, relogin, metrics, logins, placer, FakeBuckets(clock))


def kept(spans: list[ReadableSpan]) -> Telemetry:
    class Kept(SpanExporter):
        def export(self, batch: Sequence[ReadableSpan]) -> SpanExportResult:
            spans.extend(batch)
            return SpanExportResult.SUCCESS

    return start_telemetry(service="executor", replica_id="a", exporter=Kept())


async def test_an_order_is_placed_and_measured_under_its_accounts_type() -> None:
    world = await a_world()
    one = replace(order("e1"), seen_ns=world.clock.now_ns() - S)
    assert await world.placer.send(placing(one)) == Placed(BrokerOrderId("b1"))
    assert world.metrics.value(ORDERS_SENT, command="PLACE", outcome="accepted", account_type="live") == 1
    assert world.metrics.value(PLATFORM_SECONDS, account_type="live") == 1
    assert world.metrics.value(BROKER_CALL_SECONDS, broker="fyers", call="PLACE") == 1


def changing(kind: CommandKind, quantity: int = 0) -> Command:
    one = replace(order("e1"), broker_order_id=BrokerOrderId("b7"))
    change = replace(a_change(one, quantity=quantity), traceparent=f"00-{TRACE}-b7ad6b7169203331-01")
    return Command(kind, one, change)


async def test_a_change_names_the_brokers_order_and_all_that_shall_be() -> None:
    world = await a_world()
    cut, gone = changing(CommandKind.MODIFY, 4), changing(CommandKind.CANCEL)
    assert cut.change is not None
    assert cut.change.spec is not None
    assert await world.placer.send(cut) == Resized(cut.change.spec, cut.change.command_id)
    assert await world.placer.send(gone) == CancelTaken()
    spec = cut.change.spec
    wanted = OrderChange(spec.type, spec.quantity, spec.limit_price, spec.trigger_price)
    assert world.desk.asked == [("b7", wanted), ("b7", None)]
    for call in ("MODIFY", "CANCEL"):
        assert world.metrics.value(ORDERS_SENT, command=call, outcome="accepted", account_type="live") == 1
        assert world.metrics.value(BROKER_CALL_SECONDS, broker="fyers", call=call) == 1
    assert world.metrics.value(PLATFORM_SECONDS, account_type="live") == 0


async def test_a_change_without_the_brokers_number_never_leaves() -> None:
    world = await a_world()
    nameless = replace(changing(CommandKind.CANCEL), order=order("e1"))
    with pytest.raises(ValueError, match="number"):
        await world.placer.send(nameless)
    assert world.desk.tokens == []


async def test_the_span_of_a_change_hangs_on_what_wanted_it() -> None:
    spans: list[ReadableSpan] = []
    telemetry = kept(spans)
    world = await a_world(telemetry)
    await world.placer.send(changing(CommandKind.CANCEL))
    await asyncio.to_thread(telemetry.shutdown)
    call, send = spans
    assert (send.name, call.name) == ("executor send", "broker cancel")
    assert send.parent is not None
    assert f"{send.parent.trace_id:032x}" == TRACE


async def test_what_the_broker_says_goes_on_and_is_counted() -> None:
    world = await a_world()
    world.desk.says = [BrokerRejected("no margin")]
    with pytest.raises(BrokerRejected):
        await world.placer.send(placing(order("e1")))
    assert world.metrics.value(ORDERS_SENT, command="PLACE", outcome="rejected", account_type="live") == 1


async def test_without_a_token_nothing_is_asked() -> None:
    world = await a_world()
    world.credentials.forget(FOLLOWER)
    with pytest.raises(BrokerLoginNeeded):
        await world.placer.send(placing(order("e1")))
    assert world.desk.tokens == []


async def test_any_number_of_callers_tell_of_a_refused_token_once() -> None:
    world = await a_world()
    world.credentials.stored[FOLLOWER] = "second"
    old = world.logins.of(FOLLOWER)
    world.logins.refused(old, "-8")
    assert await asyncio.gather(*(world.logins.relogin(FOLLOWER) for _ in range(20))) == [True] * 20
    world.logins.refused(old, "-8")
    assert await world.logins.relogin(FOLLOWER), "an answer to the old token that came later"
    assert world.relogin.told == [("first", "-8")]
    assert world.logins.of(FOLLOWER).token.reveal() == "second"


async def test_the_same_token_again_is_no_login() -> None:
    world = await a_world()
    world.logins.refused(world.logins.of(FOLLOWER), "-8")
    assert not await world.logins.relogin(FOLLOWER)
    del world.credentials.stored[FOLLOWER]
    assert not await world.logins.relogin(FOLLOWER)


async def test_the_executors_span_stands_between_the_plan_and_the_call() -> None:
    spans: list[ReadableSpan] = []
    telemetry = kept(spans)
    world = await a_world(telemetry)
    await world.placer.send(placing(replace(order("e1"), traceparent=f"00-{TRACE}-b7ad6b7169203331-01")))
    await asyncio.to_thread(telemetry.shutdown)
    call, send = spans
    assert (send.name, call.name, call.kind) == ("executor send", "broker place", SpanKind.CLIENT)
    assert send.parent is not None
    assert (f"{send.parent.trace_id:032x}", f"{send.parent.span_id:016x}") == (TRACE, "b7ad6b7169203331")
    assert call.parent == send.get_span_context()


async def test_a_book_is_read_within_the_limits_and_says_when() -> None:
    world = await a_world()
    reading = await world.books.read(FOLLOWER)
    assert (reading.asked_ns, reading.answered_ns) == (0, 0)
    assert len(world.buckets._accounts[FOLLOWER].times["second"]) == 1
    assert world.metrics.value(BROKER_CALL_SECONDS, broker="fyers", call="READ") == 1


async def test_a_book_is_read_again_with_a_new_token() -> None:
    world = await a_world()
    world.desk.says = [BrokerAuthFailed("expired", code="-8")]
    world.credentials.stored[FOLLOWER] = "second"
    await world.books.read(FOLLOWER)
    assert world.desk.tokens == ["first", "second"]
    world.desk.says = [BrokerAuthFailed("expired", code="-8")]
    with pytest.raises(BrokerAuthFailed):
        await world.books.read(FOLLOWER)


async def test_a_refused_read_rests_the_account() -> None:
    world = await a_world()
    world.desk.says = [BrokerRateLimited("slow down", retry_after_ms=3_000)]
    with pytest.raises(BrokerRateLimited):
        await world.books.read(FOLLOWER)
    assert await world.buckets.penalties([FOLLOWER]) == {FOLLOWER: world.clock.now_ns() + 3 * S}


def test_every_call_of_an_account_costs_something() -> None:
    assert set(LIMITS.cost) == set(Call)
