"""Leader events."""

from paceline.adapters.wire.fields import required, within
from paceline.adapters.wire.orders import (
    fill_from_wire,
    fill_to_wire,
    order_from_wire,
    order_to_wire,
    position_from_wire,
    position_to_wire,
)
from paceline.api.v1 import event_pb2
from paceline.domain.errors import Invalid
from paceline.domain.event import Event, EventKind, Fact
from paceline.domain.ids import AccountId, EventIdentity, Offset, Partition
from paceline.domain.order import Fill, OrderReport
from paceline.domain.position import PositionReport

Body = OrderReport | Fill | PositionReport


def event_to_wire(
    event: Event, into: event_pb2.Event | None = None, *, with_raw: bool = False
) -> event_pb2.Event:
    """The frame as it came goes along only when asked for: consumers act on the body alone."""
    wire = event_pb2.Event() if into is None else into
    fact = event.fact
    wire.partition = event.partition
    wire.offset = event.offset
    wire.sequence = event.sequence
    wire.identity = fact.identity
    wire.account_id = fact.account_id
    wire.broker_time_ns = fact.broker_time_ns
    wire.seen_ns = fact.seen_ns
    wire.journaled_ns = event.journaled_ns
    wire.recovered = fact.recovered
    wire.revision = fact.revision
    wire.traceparent = event.traceparent
    if with_raw:
        wire.raw = fact.raw
    _body_to_wire(fact.body, wire)
    return wire


def event_from_wire(wire: event_pb2.Event) -> Event:
    kind, body = _body_from_wire(wire)
    fact = Fact(
        identity=EventIdentity(required(wire.identity, "identity")),
        account_id=AccountId(required(wire.account_id, "account_id")),
        kind=kind,
        body=body,
        broker_time_ns=wire.broker_time_ns,
        seen_ns=wire.seen_ns,
        recovered=wire.recovered,
        raw=wire.raw,
        revision=wire.revision,
    )
    return Event(
        partition=Partition(wire.partition),
        offset=Offset(wire.offset),
        sequence=wire.sequence,
        journaled_ns=wire.journaled_ns,
        fact=fact,
        traceparent=wire.traceparent,
    )


def _body_to_wire(body: Body, wire: event_pb2.Event) -> None:
    if isinstance(body, Fill):
        fill_to_wire(body, wire.fill)
    elif isinstance(body, OrderReport):
        order_to_wire(body, wire.order)
    else:
        position_to_wire(body, wire.position)


def _body_from_wire(wire: event_pb2.Event) -> tuple[EventKind, Body]:
    which = wire.WhichOneof("body")
    if which == "fill":
        return EventKind.FILL, within("fill", fill_from_wire, wire.fill)
    if which == "order":
        return EventKind.ORDER, within("order", order_from_wire, wire.order)
    if which == "position":
        return EventKind.POSITION, within("position", position_from_wire, wire.position)
    raise Invalid("body", "must be one of order, fill, position")
