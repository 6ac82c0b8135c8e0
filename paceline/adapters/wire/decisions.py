"""Decisions and ledgers: why a follower got what he got, and what he should hold."""

from decimal import Decimal

from paceline.adapters.wire.copy_commands import command_from_wire, command_to_wire
from paceline.adapters.wire.copy_orders import cause_to_wire, copy_order_from_wire, copy_order_to_wire
from paceline.adapters.wire.decimals import decimal_at, decimal_or_none, decimal_or_zero, text_of
from paceline.adapters.wire.enums import INTENT, LEDGER_ENTRY_KIND, OUTCOME, SIDE, SIZING_MODE, SKIP_REASON
from paceline.adapters.wire.fields import each, required, within
from paceline.adapters.wire.orders import key_from_wire, key_to_wire
from paceline.api.v1 import copy_order_pb2, query_pb2
from paceline.domain.copy_order import Cause
from paceline.domain.copying.decision import Decision, SizingInputs
from paceline.domain.ids import AccountId, DecisionId, SubscriptionId
from paceline.domain.instrument import InstrumentKey
from paceline.domain.ledger import Ledger, LedgerEntry


def decision_to_wire(
    decision: Decision, cause: Cause, into: copy_order_pb2.Decision | None = None
) -> copy_order_pb2.Decision:
    """Without its ledger lines, which are listed by themselves."""
    wire = copy_order_pb2.Decision() if into is None else into
    wire.decision_id = decision.decision_id
    cause_to_wire(cause, wire.cause)
    wire.subscription_id = decision.subscription_id
    wire.follower_id = decision.follower
    key_to_wire(decision.key, wire.key)
    wire.side = SIDE.wire[decision.side]
    wire.intent = INTENT.wire[decision.intent]
    wire.outcome = OUTCOME.wire[decision.outcome]
    wire.detail = decision.detail
    if decision.quantity:
        wire.quantity.value = text_of(decision.quantity)
    if decision.sizing is not None:
        sizing_inputs_to_wire(decision.sizing, wire.sizing)
    if decision.reason is not None:
        wire.reason = SKIP_REASON.wire[decision.reason]
    for order in decision.orders:
        copy_order_to_wire(order, wire.orders.add())
    for command in decision.commands:
        command_to_wire(command, wire.commands.add())
    return wire


def decision_from_wire(wire: copy_order_pb2.Decision) -> Decision:
    """Without ledger lines; its cause is read by `cause_from_wire`."""
    return Decision(
        decision_id=DecisionId(required(wire.decision_id, "decision_id")),
        subscription_id=SubscriptionId(required(wire.subscription_id, "subscription_id")),
        follower=AccountId(required(wire.follower_id, "follower_id")),
        key=within("key", key_from_wire, wire.key),
        side=SIDE.read(wire.side, "side"),
        intent=INTENT.read(wire.intent, "intent"),
        outcome=OUTCOME.read(wire.outcome, "outcome"),
        quantity=decimal_or_zero(wire, "quantity"),
        sizing=within("sizing", sizing_inputs_from_wire, wire.sizing) if wire.HasField("sizing") else None,
        reason=SKIP_REASON.read(wire.reason, "reason") if wire.reason else None,
        detail=wire.detail,
        orders=each("orders", copy_order_from_wire, wire.orders),
        commands=each("commands", command_from_wire, wire.commands),
    )


def sizing_inputs_to_wire(
    sizing: SizingInputs, into: copy_order_pb2.SizingInputs | None = None
) -> copy_order_pb2.SizingInputs:
    wire = copy_order_pb2.SizingInputs() if into is None else into
    wire.mode = SIZING_MODE.wire[sizing.mode]
    wire.value.value = text_of(sizing.value)
    wire.ratio.value = text_of(sizing.ratio)
    wire.unrounded.value = text_of(sizing.unrounded)
    if sizing.leader_equity is not None:
        wire.leader_equity.value = text_of(sizing.leader_equity)
    if sizing.leader_equity_age_ms is not None:
        wire.leader_equity_age_ms = sizing.leader_equity_age_ms
    if sizing.follower_equity is not None:
        wire.follower_equity.value = text_of(sizing.follower_equity)
    if sizing.follower_equity_age_ms is not None:
        wire.follower_equity_age_ms = sizing.follower_equity_age_ms
    if sizing.ordered is not None:
        wire.ordered.value = text_of(sizing.ordered)
    if sizing.granted is not None:
        wire.granted.value = text_of(sizing.granted)
    wire.rounded_up = sizing.rounded_up
    if sizing.limited_by is not None:
        wire.limited_by = SKIP_REASON.wire[sizing.limited_by]
    return wire


def sizing_inputs_from_wire(wire: copy_order_pb2.SizingInputs) -> SizingInputs:
    return SizingInputs(
        mode=SIZING_MODE.read(wire.mode, "mode"),
        value=decimal_at(wire, "value"),
        ratio=decimal_at(wire, "ratio"),
        unrounded=decimal_at(wire, "unrounded"),
        leader_equity=decimal_or_none(wire, "leader_equity"),
        leader_equity_age_ms=wire.leader_equity_age_ms if wire.HasField("leader_equity_age_ms") else None,
        follower_equity=decimal_or_none(wire, "follower_equity"),
        follower_equity_age_ms=(
            wire.follower_equity_age_ms if wire.HasField("follower_equity_age_ms") else None
        ),
        ordered=decimal_or_none(wire, "ordered"),
        granted=decimal_or_none(wire, "granted"),
        rounded_up=wire.rounded_up,
        limited_by=SKIP_REASON.read(wire.limited_by, "limited_by") if wire.limited_by else None,
    )


def ledger_to_wire(
    subscription_id: SubscriptionId,
    key: InstrumentKey,
    ledger: Ledger,
    lot: Decimal | None = None,
    into: query_pb2.Ledger | None = None,
) -> query_pb2.Ledger:
    """With its target where the lot is known."""
    wire = query_pb2.Ledger() if into is None else into
    wire.subscription_id = subscription_id
    key_to_wire(key, wire.key)
    wire.ideal.value = text_of(ledger.ideal)
    wire.entry_planned.value = text_of(ledger.entry_planned)
    wire.entry_released.value = text_of(ledger.entry_released)
    wire.entry_filled.value = text_of(ledger.entry_filled)
    wire.exit_planned.value = text_of(ledger.exit_planned)
    wire.exit_released.value = text_of(ledger.exit_released)
    wire.exit_filled.value = text_of(ledger.exit_filled)
    wire.adjusted.value = text_of(ledger.adjusted)
    wire.held.value = text_of(ledger.position)
    wire.buy_pledged.value = text_of(ledger.buy_pledged)
    wire.sell_pledged.value = text_of(ledger.sell_pledged)
    if lot is not None:
        wire.target.value = text_of(ledger.target(lot))
    return wire


def ledger_entry_to_wire(
    entry: LedgerEntry, into: query_pb2.LedgerEntry | None = None
) -> query_pb2.LedgerEntry:
    wire = query_pb2.LedgerEntry() if into is None else into
    wire.subscription_id = entry.subscription_id
    key_to_wire(entry.key, wire.key)
    wire.kind = LEDGER_ENTRY_KIND.wire[entry.kind]
    wire.intent = INTENT.wire[entry.intent]
    wire.quantity.value = text_of(entry.quantity)
    wire.cause = entry.cause
    wire.reason = entry.reason
    return wire
