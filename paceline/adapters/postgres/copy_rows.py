"""Copy orders as rows."""

from typing import Any

from paceline.adapters.postgres.database import Row
from paceline.domain.copy_order import Cause, CauseKind, CopyOrder, CopyStatus, Intent, Lane, OrderSpec
from paceline.domain.ids import AccountId, BrokerOrderId, CopyOrderId, DecisionId, SubscriptionId, Tag
from paceline.domain.instrument import InstrumentKey, Product
from paceline.domain.order import OrderType, Side, Validity
from paceline.domain.partitioning import partition_of
from paceline.ports.copy_orders import CopyRow

ORDER_WIDTH = 32


def order_columns(order: CopyOrder) -> tuple[Any, ...]:
    spec = order.spec
    return (
        order.copy_order_id,
        order.decision_id,
        order.cause.kind.value,
        order.cause.identity,
        order.subscription_id,
        order.account_id,
        partition_of(order.account_id),
        *key_columns(spec.key),
        int(spec.side),
        spec.type.value,
        spec.quantity,
        spec.limit_price,
        spec.trigger_price,
        spec.validity.value,
        spec.disclosed,
        spec.offline,
        order.intent.value,
        int(order.lane),
        order.leg,
        order.slice,
        order.step,
        order.tag,
        order.leader_price,
        order.leader_time_ns,
        order.seen_ns,
        order.planned_ns,
        order.expires_ns,
        order.status.value,
        order.traceparent,
        order.leader_order_id,
        spec.protected,
    )


def order_of(row: Row) -> CopyOrder:
    return CopyOrder(
        copy_order_id=CopyOrderId(row["copy_order_id"]),
        decision_id=DecisionId(row["decision_id"]),
        cause=Cause(CauseKind(row["cause_kind"]), row["cause_identity"]),
        subscription_id=_subscription(row["subscription_id"]),
        account_id=AccountId(row["account_id"]),
        spec=_spec_of(row),
        intent=Intent(row["intent"]),
        lane=Lane(row["lane"]),
        leg=row["leg"],
        slice=row["slice"],
        step=row["step"],
        tag=Tag(row["tag"]),
        leader_price=row["leader_price"],
        leader_time_ns=row["leader_time_ns"],
        seen_ns=row["seen_ns"],
        planned_ns=row["planned_ns"],
        expires_ns=row["expires_ns"],
        status=CopyStatus(row["status"]),
        broker_order_id=_broker_order(row["broker_order_id"]),
        filled=row["filled"],
        average_price=row["average_price"],
        traceparent=row["traceparent"],
        leader_order_id=_broker_order(row["leader_order_id"]),
        ends_as=row["ends_as"],
    )


def copy_row_of(row: Row) -> CopyRow:
    return CopyRow(
        order=order_of(row),
        written_ns=row["written_ns"],
        attempts=row["attempts"],
        error_code=row["error_code"],
        error_text=row["error_text"],
        sent_ns=row["sent_ns"],
        accepted_ns=row["accepted_ns"],
        filled_ns=row["filled_ns"],
        slippage_bps=row["slippage_bps"],
        slippage_money=row["slippage_money"],
        version=row["version"],
    )


def key_columns(key: InstrumentKey) -> tuple[str, str]:
    return key.instrument_id, key.product.value


def key_of(row: Row) -> InstrumentKey:
    return InstrumentKey(row["instrument_id"], Product(row["product"]))


def _spec_of(row: Row) -> OrderSpec:
    return OrderSpec(
        key=key_of(row),
        side=Side(row["side"]),
        type=OrderType(row["order_type"]),
        quantity=row["quantity"],
        limit_price=row["limit_price"],
        trigger_price=row["trigger_price"],
        validity=Validity(row["validity"]),
        disclosed=row["disclosed"],
        offline=row["offline"],
        protected=row["protected"],
    )


def _subscription(name: str | None) -> SubscriptionId | None:
    return None if name is None else SubscriptionId(name)


def _broker_order(name: str | None) -> BrokerOrderId | None:
    return None if name is None else BrokerOrderId(name)
