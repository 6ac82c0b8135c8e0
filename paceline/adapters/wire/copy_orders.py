"""Copy orders: what goes from the plan to the executor."""

from paceline.adapters.wire.decimals import decimal_at, decimal_or_zero, text_of
from paceline.adapters.wire.enums import COPY_STATUS, INTENT, LANE, ORDER_TYPE, SIDE, VALIDITY
from paceline.adapters.wire.fields import required, within
from paceline.adapters.wire.orders import key_from_wire, key_to_wire
from paceline.api.v1 import copy_order_pb2
from paceline.domain.copy_order import Cause, CauseKind, CopyOrder, OrderSpec
from paceline.domain.errors import Invalid
from paceline.domain.ids import AccountId, BrokerOrderId, CopyOrderId, DecisionId, SubscriptionId, Tag

_CAUSE_FIELDS = {kind: kind.value.lower() for kind in CauseKind}
_CAUSE_KINDS = {field: kind for kind, field in _CAUSE_FIELDS.items()}


def cause_to_wire(cause: Cause, into: copy_order_pb2.Cause | None = None) -> copy_order_pb2.Cause:
    wire = copy_order_pb2.Cause() if into is None else into
    setattr(wire, _CAUSE_FIELDS[cause.kind], cause.identity)
    return wire


def cause_from_wire(wire: copy_order_pb2.Cause) -> Cause:
    field = wire.WhichOneof("cause")
    if field is None:
        raise Invalid("cause", f"must be one of {', '.join(_CAUSE_KINDS)}")
    return Cause(_CAUSE_KINDS[field], required(getattr(wire, field), field))


def spec_to_wire(spec: OrderSpec, into: copy_order_pb2.OrderSpec | None = None) -> copy_order_pb2.OrderSpec:
    wire = copy_order_pb2.OrderSpec() if into is None else into
    key_to_wire(spec.key, wire.key)
    wire.side = SIDE.wire[spec.side]
    wire.type = ORDER_TYPE.wire[spec.type]
    wire.validity = VALIDITY.wire[spec.validity]
    wire.offline, wire.protected = spec.offline, spec.protected
    wire.quantity.value = text_of(spec.quantity)
    if spec.limit_price:
        wire.limit_price.value = text_of(spec.limit_price)
    if spec.trigger_price:
        wire.trigger_price.value = text_of(spec.trigger_price)
    if spec.disclosed:
        wire.disclosed.value = text_of(spec.disclosed)
    return wire


def spec_from_wire(wire: copy_order_pb2.OrderSpec) -> OrderSpec:
    return OrderSpec(
        key=within("key", key_from_wire, wire.key),
        side=SIDE.read(wire.side, "side"),
        type=ORDER_TYPE.read(wire.type, "type"),
        quantity=decimal_at(wire, "quantity"),
        limit_price=decimal_or_zero(wire, "limit_price"),
        trigger_price=decimal_or_zero(wire, "trigger_price"),
        validity=VALIDITY.read(wire.validity, "validity"),
        disclosed=decimal_or_zero(wire, "disclosed"),
        offline=wire.offline,
        protected=wire.protected,
    )


def copy_order_to_wire(
    order: CopyOrder, into: copy_order_pb2.CopyOrder | None = None
) -> copy_order_pb2.CopyOrder:
    wire = copy_order_pb2.CopyOrder() if into is None else into
    wire.copy_order_id = order.copy_order_id
    wire.decision_id = order.decision_id
    cause_to_wire(order.cause, wire.cause)
    wire.subscription_id = order.subscription_id or ""
    wire.account_id = order.account_id
    spec_to_wire(order.spec, wire.spec)
    wire.intent = INTENT.wire[order.intent]
    wire.lane = LANE.wire[order.lane]
    wire.leg = order.leg
    wire.slice = order.slice
    wire.step = order.step
    wire.tag = order.tag
    wire.status = COPY_STATUS.wire[order.status]
    wire.broker_order_id = order.broker_order_id or ""
    wire.traceparent = order.traceparent
    wire.leader_order_id = order.leader_order_id or ""
    _times_to_wire(order, wire)
    if order.leader_price:
        wire.leader_price.value = text_of(order.leader_price)
    if order.filled:
        wire.filled.value = text_of(order.filled)
    if order.average_price:
        wire.average_price.value = text_of(order.average_price)
    return wire


def _times_to_wire(order: CopyOrder, wire: copy_order_pb2.CopyOrder) -> None:
    wire.leader_time_ns = order.leader_time_ns
    wire.seen_ns = order.seen_ns
    wire.planned_ns = order.planned_ns
    wire.expires_ns = order.expires_ns


def copy_order_from_wire(wire: copy_order_pb2.CopyOrder) -> CopyOrder:
    return CopyOrder(
        copy_order_id=CopyOrderId(required(wire.copy_order_id, "copy_order_id")),
        decision_id=DecisionId(wire.decision_id),
        cause=within("cause", cause_from_wire, wire.cause),
        subscription_id=SubscriptionId(wire.subscription_id) if wire.subscription_id else None,
        account_id=AccountId(required(wire.account_id, "account_id")),
        spec=within("spec", spec_from_wire, wire.spec),
        intent=INTENT.read(wire.intent, "intent"),
        lane=LANE.read(wire.lane, "lane"),
        leg=wire.leg,
        slice=wire.slice,
        step=wire.step,
        tag=Tag(required(wire.tag, "tag")),
        leader_price=decimal_or_zero(wire, "leader_price"),
        leader_time_ns=wire.leader_time_ns,
        seen_ns=wire.seen_ns,
        planned_ns=wire.planned_ns,
        expires_ns=wire.expires_ns,
        status=COPY_STATUS.read(wire.status, "status"),
        broker_order_id=BrokerOrderId(wire.broker_order_id) if wire.broker_order_id else None,
        filled=decimal_or_zero(wire, "filled"),
        average_price=decimal_or_zero(wire, "average_price"),
        traceparent=wire.traceparent,
        leader_order_id=BrokerOrderId(wire.leader_order_id) if wire.leader_order_id else None,
    )
