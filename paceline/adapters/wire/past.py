"""What happened, as it is asked for and told: times, decisions with their reasons, plans."""

from decimal import Decimal

from paceline.adapters.wire.decimals import text_of
from paceline.adapters.wire.decisions import decision_to_wire, ledger_entry_to_wire
from paceline.adapters.wire.enums import OUTCOME, SIDE, SKIP_REASON, TRADE_STATE
from paceline.adapters.wire.fields import required, within
from paceline.adapters.wire.orders import key_to_wire
from paceline.adapters.wire.times import datetime_of, ns_of_timestamp, timestamp_of
from paceline.api.v1 import common_pb2, copy_order_pb2, query_pb2, replicator_pb2
from paceline.domain.copying.explain import explain
from paceline.domain.ids import AccountId, EventIdentity, SubscriptionId
from paceline.ports.history import (
    DecisionFilter,
    DecisionView,
    LedgerLineView,
    Moments,
    Nanoseconds,
    PlanFilter,
    PlanView,
    TradeView,
)

_NS_MAX = 2**63 - 1


def moments_of(wire: common_pb2.TimeRange) -> Moments:
    return Moments(
        datetime_of(wire.start_time, "start_time") if wire.HasField("start_time") else None,
        datetime_of(wire.end_time, "end_time") if wire.HasField("end_time") else None,
    )


def nanoseconds_of(wire: common_pb2.TimeRange) -> Nanoseconds:
    """As far as a column of nanoseconds reaches: the years 1678 to 2262."""
    return Nanoseconds(
        _bounded(ns_of_timestamp(wire.start_time, "start_time")) if wire.HasField("start_time") else None,
        _bounded(ns_of_timestamp(wire.end_time, "end_time")) if wire.HasField("end_time") else None,
    )


def _bounded(ns: int) -> int:
    return max(-_NS_MAX, min(ns, _NS_MAX))


def decisions_of(wire: copy_order_pb2.DecisionFilter) -> DecisionFilter:
    return DecisionFilter(
        subscription_id=SubscriptionId(wire.subscription_id) if wire.subscription_id else None,
        leader=AccountId(wire.leader_id) if wire.leader_id else None,
        follower=AccountId(wire.follower_id) if wire.follower_id else None,
        outcome=OUTCOME.read(wire.outcome, "outcome") if wire.outcome else None,
        reason=SKIP_REASON.read(wire.reason, "reason") if wire.reason else None,
        event=EventIdentity(wire.event_identity) if wire.event_identity else None,
        created=within("created", moments_of, wire.created),
    )


def decision_view_to_wire(view: DecisionView) -> copy_order_pb2.Decision:
    decision = view.decision
    wire = decision_to_wire(decision, view.cause)
    if decision.reason is not None:
        wire.detail = explain(decision.reason, decision.detail)
    wire.create_time.CopyFrom(timestamp_of(view.decided_at))
    return wire


def line_view_to_wire(view: LedgerLineView) -> query_pb2.LedgerEntry:
    wire = ledger_entry_to_wire(view.entry)
    wire.create_time.CopyFrom(timestamp_of(view.written_at))
    return wire


def trade_view_to_wire(view: TradeView) -> query_pb2.Trade:
    wire = query_pb2.Trade(
        trade_id=view.trade_id,
        account_id=view.account_id,
        subscription_id=view.subscription_id or "",
        key=key_to_wire(view.key),
        side=SIDE.wire[view.side],
        quantity=_plain(view.quantity),
        entry_order_id=view.entry_order_id,
        entry_price=_plain(view.entry_price),
        exit_order_id=view.exit_order_id,
        state=TRADE_STATE.wire[view.state],
        entry_time=timestamp_of(view.entered_at),
    )
    if view.exit_price is not None:
        wire.exit_price.CopyFrom(_plain(view.exit_price))
    if view.profit is not None:
        wire.profit.amount.CopyFrom(_plain(view.profit))
        wire.profit.currency = view.currency
    if view.exited_at is not None:
        wire.exit_time.CopyFrom(timestamp_of(view.exited_at))
    return wire


def _plain(value: Decimal) -> common_pb2.Decimal:
    return common_pb2.Decimal(value=text_of(value.normalize()))


def plans_of(wire: replicator_pb2.PlanFilter) -> PlanFilter:
    """Of one leader."""
    return PlanFilter(
        leader=AccountId(required(wire.leader_id, "leader_id")),
        created=within("created", moments_of, wire.created),
    )


def plan_view_to_wire(view: PlanView) -> replicator_pb2.Plan:
    """Skips by reason, the most frequent first."""
    wire = replicator_pb2.Plan(
        event_identity=view.event,
        leader_id=view.leader,
        partition=view.partition,
        offset=view.offset,
        create_time=timestamp_of(view.started_at),
        complete=view.complete,
        decision_count=view.planned + view.skipped,
        planned_count=view.planned,
        skipped_count=view.skipped,
    )
    for reason, count in sorted(view.skips.items(), key=lambda each: (-each[1], each[0])):
        wire.skips_by_reason.add(reason=SKIP_REASON.wire[reason], count=count)
    return wire
