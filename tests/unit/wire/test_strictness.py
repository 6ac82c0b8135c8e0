"""What breaks a rule is refused with the path of its field and the rule."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from google.protobuf.duration_pb2 import Duration

from paceline.adapters.wire.accounts import account_to_wire, new_account_from_wire
from paceline.adapters.wire.copy_commands import command_from_wire, command_to_wire
from paceline.adapters.wire.copy_orders import copy_order_from_wire, copy_order_to_wire
from paceline.adapters.wire.events import event_from_wire, event_to_wire
from paceline.adapters.wire.fields import each
from paceline.adapters.wire.subscriptions import (
    new_subscription_from_wire,
    subscription_from_wire,
    subscription_to_wire,
)
from paceline.api.v1 import account_pb2, common_pb2, copy_order_pb2, event_pb2, subscription_pb2
from paceline.domain.account import AccountState
from paceline.domain.copy_order import (
    Cause,
    CauseKind,
    CommandKind,
    CopyCommand,
    CopyOrder,
    Intent,
    Lane,
    OrderSpec,
)
from paceline.domain.errors import Invalid, Problem
from paceline.domain.event import Event, EventKind, Fact
from paceline.domain.ids import (
    AccountId,
    BrokerOrderId,
    CommandId,
    CopyOrderId,
    DecisionId,
    EventIdentity,
    InstrumentId,
    Offset,
    Partition,
    SubscriptionId,
    Tag,
)
from paceline.domain.instrument import Exchange, InstrumentKey, Product, Segment
from paceline.domain.order import Fee, Fill, OrderType, Side
from paceline.domain.subscription import CopyMode, Sizing, SizingMode, Subscription, SubscriptionState

KEY = InstrumentKey(InstrumentId("NSE:SBIN-EQ"), Product.INTRADAY)
ORDER = CopyOrder(
    CopyOrderId("o1"),
    DecisionId("d1"),
    Cause(CauseKind.EVENT, "fyers:XP1:1"),
    SubscriptionId("s1"),
    AccountId("fyers:XF1"),
    OrderSpec(KEY, Side.BUY, OrderType.LIMIT, Decimal(10), Decimal("812.35")),
    Intent.ENTRY,
    Lane.ENTRY,
    leg=0,
    slice=0,
    step=0,
    tag=Tag("abc123"),
    leader_price=Decimal("812.30"),
    leader_time_ns=1,
    seen_ns=2,
)
FILL = Fill(
    AccountId("fyers:XP1"),
    BrokerOrderId("23"),
    "7001",
    KEY,
    Exchange.NSE,
    Segment.CAPITAL_MARKET,
    Side.BUY,
    Decimal(10),
    Decimal("812.30"),
    broker_time_ns=1,
    fees=(Fee("stt", Decimal("0.1"), "INR"),),
)
EVENT = Event(
    Partition(3),
    Offset(17),
    sequence=5,
    journaled_ns=3,
    fact=Fact(
        EventIdentity("fyers:XP1:1"), FILL.account_id, EventKind.FILL, FILL, 1, 2, recovered=False, raw=b""
    ),
)
SUBSCRIPTION = Subscription(
    SubscriptionId("s1"),
    AccountId("fyers:XP1"),
    AccountId("fyers:XF1"),
    SubscriptionState.APPROVED,
    auto_copy=True,
    mode=CopyMode.ON_FILL,
    sizing=Sizing(SizingMode.FIXED_RATIO, Decimal(1)),
)
PLAIN = "must be a plain decimal number of at most 64 characters"
SIDES = "must be one of SIDE_BUY, SIDE_SELL"


def refused(read: Callable[[], object]) -> tuple[Problem, ...]:
    with pytest.raises(Invalid) as caught:
        read()
    return caught.value.problems


def wired_command(kind: CommandKind) -> copy_order_pb2.CopyCommand:
    spec = ORDER.spec if kind is CommandKind.MODIFY else None
    return command_to_wire(
        CopyCommand(
            CommandId("c1"),
            ORDER.copy_order_id,
            ORDER.tag,
            ORDER.decision_id,
            ORDER.cause,
            SubscriptionId("s1"),
            ORDER.account_id,
            KEY,
            kind,
            spec,
            Lane.MODIFY,
            leader_time_ns=1,
            seen_ns=2,
            planned_ns=3,
        )
    )


@pytest.mark.parametrize(
    ("kind", "spoil", "field"),
    [
        (CommandKind.CANCEL, lambda wire: setattr(wire, "kind", copy_order_pb2.COMMAND_KIND_PLACE), "kind"),
        (CommandKind.CANCEL, lambda wire: wire.spec.CopyFrom(wired_order().spec), "spec"),
        (CommandKind.MODIFY, lambda wire: wire.ClearField("spec"), "spec"),
        (CommandKind.MODIFY, lambda wire: wire.ClearField("command_id"), "command_id"),
    ],
)
def test_a_change_that_breaks_a_rule(
    kind: CommandKind, spoil: Callable[[copy_order_pb2.CopyCommand], None], field: str
) -> None:
    wire = wired_command(kind)
    assert command_from_wire(wire).kind is kind
    spoil(wire)
    (problem,) = refused(lambda: command_from_wire(wire))
    assert problem.field == field


def wired_order() -> copy_order_pb2.CopyOrder:
    return copy_order_to_wire(ORDER)


@pytest.mark.parametrize(
    ("spoil", "field", "rule"),
    [
        (lambda wire: wire.ClearField("copy_order_id"), "copy_order_id", "must be set"),
        (lambda wire: wire.ClearField("account_id"), "account_id", "must be set"),
        (lambda wire: wire.ClearField("tag"), "tag", "must be set"),
        (lambda wire: wire.ClearField("status"), "status", None),
        (lambda wire: wire.ClearField("lane"), "lane", None),
        (lambda wire: wire.ClearField("intent"), "intent", "must be one of INTENT_ENTRY, INTENT_EXIT"),
        (
            lambda wire: wire.ClearField("cause"),
            "cause.cause",
            "must be one of event, signal, strategy_leg, liquidation, guard, manual",
        ),
        (lambda wire: setattr(wire.cause, "guard", ""), "cause.guard", "must be set"),
        (lambda wire: wire.spec.ClearField("side"), "spec.side", SIDES),
        (lambda wire: setattr(wire.spec, "side", 77), "spec.side", SIDES),
        (lambda wire: wire.spec.ClearField("quantity"), "spec.quantity", "must be set"),
        (lambda wire: wire.spec.key.ClearField("instrument_id"), "spec.key.instrument_id", "must be set"),
        (lambda wire: wire.spec.key.ClearField("product"), "spec.key.product", None),
        (lambda wire: setattr(wire.spec.quantity, "value", "ten"), "spec.quantity", PLAIN),
        (lambda wire: wire.spec.trigger_price.SetInParent(), "spec.trigger_price", PLAIN),
        (lambda wire: setattr(wire.leader_price, "value", "1e3"), "leader_price", PLAIN),
    ],
)
def test_a_copy_order_that_breaks_a_rule(
    spoil: Callable[[copy_order_pb2.CopyOrder], None], field: str, rule: str | None
) -> None:
    wire = wired_order()
    spoil(wire)
    (problem,) = refused(lambda: copy_order_from_wire(wire))
    assert problem.field == field
    assert rule is None or problem.rule == rule


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda wire: wire.ClearField("identity"), "identity"),
        (lambda wire: wire.ClearField("account_id"), "account_id"),
        (lambda wire: wire.ClearField("body"), "body"),
        (lambda wire: wire.fill.ClearField("trade_id"), "fill.trade_id"),
        (lambda wire: wire.fill.ClearField("segment"), "fill.segment"),
        (lambda wire: wire.fill.fees[0].amount.ClearField("currency"), "fill.fees[0].amount.currency"),
        (lambda wire: wire.fill.fees[0].ClearField("amount"), "fill.fees[0].amount.amount"),
        (lambda wire: wire.order.SetInParent(), "order.account_id"),
        (lambda wire: wire.position.SetInParent(), "position.account_id"),
    ],
)
def test_an_event_that_breaks_a_rule(spoil: Callable[[event_pb2.Event], None], field: str) -> None:
    wire = event_to_wire(EVENT)
    spoil(wire)
    assert [problem.field for problem in refused(lambda: event_from_wire(wire))] == [field]


def test_a_problem_in_a_batch_names_its_index() -> None:
    bad = wired_order()
    bad.spec.side = common_pb2.SIDE_UNSPECIFIED
    (problem,) = refused(lambda: each("orders", copy_order_from_wire, [wired_order(), bad]))
    assert problem == Problem("orders[1].spec.side", SIDES)


@pytest.mark.parametrize(
    ("spoil", "field", "rule"),
    [
        (
            lambda wire: wire.ClearField("mode"),
            "mode",
            "must be one of COPY_MODE_ON_FILL, COPY_MODE_ON_ORDER",
        ),
        (lambda wire: wire.ClearField("sizing"), "sizing.mode", None),
        (lambda wire: wire.ClearField("style"), "style", None),
        (
            lambda wire: wire.filters.segments.segments.append(common_pb2.SEGMENT_UNSPECIFIED),
            "filters.segments",
            None,
        ),
        (lambda wire: setattr(wire.caps.max_exposure, "value", "NaN"), "caps.max_exposure", PLAIN),
        (
            lambda wire: wire.filters.max_age.CopyFrom(Duration(seconds=-1)),
            "filters.max_age",
            "must not be negative",
        ),
        (
            lambda wire: wire.filters.options.kinds.append(99),
            "filters.options.kinds",
            None,
        ),
        (
            lambda wire: wire.instrument_mappings.add(leader_instrument_id="A"),
            "instrument_mappings[0].follower_instrument_id",
            "must be set",
        ),
        (
            lambda wire: wire.leader_silence.CopyFrom(Duration(nanos=-1)),
            "leader_silence",
            "must not be negative",
        ),
        (
            lambda wire: setattr(wire.guards.stop_loss, "currency", "INR"),
            "guards.stop_loss.amount",
            "must be set",
        ),
        (lambda wire: setattr(wire, "at_end", 77), "at_end", None),
        (lambda wire: setattr(wire, "take_over", 77), "take_over", None),
    ],
)
def test_a_subscription_that_breaks_a_rule(
    spoil: Callable[[subscription_pb2.Subscription], None], field: str, rule: str | None
) -> None:
    wire = subscription_to_wire(SUBSCRIPTION)
    spoil(wire)
    (problem,) = refused(lambda: subscription_from_wire(wire))
    assert problem.field == field
    assert rule is None or problem.rule == rule


@pytest.mark.parametrize("field", ["subscription_id", "state", "version"])
def test_a_client_does_not_set_what_is_the_servers(field: str) -> None:
    whole = subscription_to_wire(SUBSCRIPTION)
    wire = subscription_to_wire(SUBSCRIPTION)
    for name in ("subscription_id", "state", "version"):
        wire.ClearField(name)
    setattr(wire, field, getattr(whole, field))
    (problem,) = refused(lambda: new_subscription_from_wire(wire, SubscriptionId("s2")))
    assert problem == Problem(field, "must not be set: it is the server's")


def test_a_new_subscription_waits_for_approval() -> None:
    wire = subscription_to_wire(SUBSCRIPTION)
    for name in ("subscription_id", "state", "version"):
        wire.ClearField(name)
    made = new_subscription_from_wire(wire, SubscriptionId("s2"))
    assert (made.subscription_id, made.state, made.version) == ("s2", SubscriptionState.PENDING, 1)
    assert made.sizing == SUBSCRIPTION.sizing


def test_settings_that_are_absent_are_the_usual_ones() -> None:
    wire = subscription_to_wire(SUBSCRIPTION)
    wire.ClearField("filters")
    wire.ClearField("caps")
    assert subscription_from_wire(wire) == SUBSCRIPTION


def new_account() -> account_pb2.Account:
    return account_pb2.Account(
        broker=common_pb2.BROKER_FYERS, client_id="XF1", type=common_pb2.ACCOUNT_TYPE_COPY_FOLLOWER
    )


def test_a_new_account_is_named_by_broker_and_client() -> None:
    made = new_account_from_wire(new_account())
    assert (made.account_id, made.state, made.version) == ("fyers:XF1", AccountState.ACTIVE, 1)
    again = account_to_wire(made)
    again.ClearField("state")
    assert new_account_from_wire(again) == made


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda wire: wire.ClearField("broker"), "broker"),
        (lambda wire: wire.ClearField("client_id"), "client_id"),
        (lambda wire: wire.ClearField("type"), "type"),
        (lambda wire: setattr(wire, "account_id", "dhan:XF1"), "account_id"),
        (lambda wire: setattr(wire, "state", account_pb2.ACCOUNT_STATE_FROZEN), "state"),
        (lambda wire: wire.segments.append(common_pb2.SEGMENT_UNSPECIFIED), "segments"),
        (lambda wire: setattr(wire, "owner_user_id", "u1"), "owner_user_id"),
    ],
)
def test_a_new_account_that_breaks_a_rule(spoil: Callable[[account_pb2.Account], None], field: str) -> None:
    wire = new_account()
    spoil(wire)
    assert [problem.field for problem in refused(lambda: new_account_from_wire(wire))] == [field]
