"""Subscriptions and their settings."""

from collections.abc import Iterable

from paceline.adapters.wire.decimals import decimal_at, decimal_or_none, text_of
from paceline.adapters.wire.enums import COPY_MODE, EXECUTION_STYLE, SEGMENT, SIZING_MODE, SUBSCRIPTION_STATE
from paceline.adapters.wire.fields import only, required, within
from paceline.api.v1 import subscription_pb2
from paceline.domain.errors import Invalid
from paceline.domain.ids import AccountId, InstrumentId, SubscriptionId
from paceline.domain.instrument import Segment
from paceline.domain.subscription import (
    Caps,
    Filters,
    Sizing,
    Subscription,
    SubscriptionState,
)

SERVERS_OWN = frozenset({"subscription_id", "state", "version", "create_time", "update_time"})
FIXED = SERVERS_OWN | {"leader_id", "follower_id"}
"""What an update must not name."""
_HEEDED = FIXED | {
    *("auto_copy", "mode", "sizing", "filters", "caps", "style"),
    *("reverse", "forward_copies", "allow_opposite"),
}
_SIZING = frozenset({"mode", "value", "round_up_to_one_lot"})
_FILTERS = frozenset({"segments", "allowed", "blocked_instrument_ids", "max_age", "allowance_bps"})


def subscription_to_wire(
    subscription: Subscription, into: subscription_pb2.Subscription | None = None
) -> subscription_pb2.Subscription:
    wire = subscription_pb2.Subscription() if into is None else into
    wire.subscription_id = subscription.subscription_id
    wire.leader_id = subscription.leader
    wire.follower_id = subscription.follower
    wire.state = SUBSCRIPTION_STATE.wire[subscription.state]
    wire.auto_copy = subscription.auto_copy
    wire.mode = COPY_MODE.wire[subscription.mode]
    wire.style = EXECUTION_STYLE.wire[subscription.style]
    wire.reverse = subscription.reverse
    wire.forward_copies = subscription.forward_copies
    wire.allow_opposite = subscription.allow_opposite
    wire.version = subscription.version
    _sizing_to_wire(subscription.sizing, wire.sizing)
    _filters_to_wire(subscription.filters, wire.filters)
    _caps_to_wire(subscription.caps, wire.caps)
    return wire


def subscription_from_wire(wire: subscription_pb2.Subscription) -> Subscription:
    """A whole one, as a server tells it."""
    return _with_settings(
        wire,
        SubscriptionId(required(wire.subscription_id, "subscription_id")),
        SUBSCRIPTION_STATE.read(wire.state, "state"),
        wire.version,
    )


def new_subscription_from_wire(
    wire: subscription_pb2.Subscription, subscription_id: SubscriptionId
) -> Subscription:
    """A pending one with the settings that a client asks for."""
    for descriptor, _ in wire.ListFields():
        if descriptor.name in SERVERS_OWN:
            raise Invalid(descriptor.name, "must not be set: it is the server's")
    return _with_settings(wire, subscription_id, SubscriptionState.PENDING, version=1)


def _with_settings(
    wire: subscription_pb2.Subscription,
    subscription_id: SubscriptionId,
    state: SubscriptionState,
    version: int,
) -> Subscription:
    only(wire, _HEEDED)
    return Subscription(
        subscription_id=subscription_id,
        leader=AccountId(required(wire.leader_id, "leader_id")),
        follower=AccountId(required(wire.follower_id, "follower_id")),
        state=state,
        auto_copy=wire.auto_copy,
        mode=COPY_MODE.read(wire.mode, "mode"),
        sizing=within("sizing", _sizing_from_wire, wire.sizing),
        filters=within("filters", _filters_from_wire, wire.filters),
        caps=within("caps", _caps_from_wire, wire.caps),
        style=EXECUTION_STYLE.read(wire.style, "style"),
        reverse=wire.reverse,
        forward_copies=wire.forward_copies,
        allow_opposite=wire.allow_opposite,
        version=version,
    )


def _sizing_to_wire(sizing: Sizing, wire: subscription_pb2.Sizing) -> None:
    wire.mode = SIZING_MODE.wire[sizing.mode]
    wire.value.value = text_of(sizing.value)
    wire.round_up_to_one_lot = sizing.round_up_to_one_lot


def _sizing_from_wire(wire: subscription_pb2.Sizing) -> Sizing:
    only(wire, _SIZING)
    return Sizing(SIZING_MODE.read(wire.mode, "mode"), decimal_at(wire, "value"), wire.round_up_to_one_lot)


def _filters_to_wire(filters: Filters, wire: subscription_pb2.Filters) -> None:
    if filters.segments is not None:
        wire.segments.SetInParent()
        wire.segments.segments.extend(sorted(SEGMENT.wire[each] for each in filters.segments))
    if filters.allowed is not None:
        wire.allowed.SetInParent()
        wire.allowed.instrument_ids.extend(sorted(filters.allowed))
    wire.blocked_instrument_ids.extend(sorted(filters.blocked))
    wire.max_age.FromMilliseconds(filters.max_age_ms)
    wire.allowance_bps.value = text_of(filters.allowance_bps)


def _filters_from_wire(wire: subscription_pb2.Filters) -> Filters:
    only(wire, _FILTERS)
    usual = Filters()
    allowance = decimal_or_none(wire, "allowance_bps")
    return Filters(
        segments=_segments(wire),
        allowed=_instruments(wire.allowed.instrument_ids) if wire.HasField("allowed") else None,
        blocked=_instruments(wire.blocked_instrument_ids),
        max_age_ms=_milliseconds(wire) if wire.HasField("max_age") else usual.max_age_ms,
        allowance_bps=usual.allowance_bps if allowance is None else allowance,
    )


def _segments(wire: subscription_pb2.Filters) -> frozenset[Segment] | None:
    if not wire.HasField("segments"):
        return None
    return SEGMENT.read_some(wire.segments.segments, "segments")


def _instruments(ids: Iterable[str]) -> frozenset[InstrumentId]:
    return frozenset(map(InstrumentId, ids))


def _milliseconds(wire: subscription_pb2.Filters) -> int:
    age = wire.max_age
    if age.seconds < 0 or age.nanos < 0:
        raise Invalid("max_age", "must not be negative")
    return age.ToMilliseconds()


def _caps_to_wire(caps: Caps, wire: subscription_pb2.Caps) -> None:
    if caps.max_lots_per_order is not None:
        wire.max_lots_per_order.value = text_of(caps.max_lots_per_order)
    if caps.max_notional_per_order is not None:
        wire.max_notional_per_order.value = text_of(caps.max_notional_per_order)
    if caps.max_exposure is not None:
        wire.max_exposure.value = text_of(caps.max_exposure)
    if caps.max_open_positions is not None:
        wire.max_open_positions = caps.max_open_positions


def _caps_from_wire(wire: subscription_pb2.Caps) -> Caps:
    return Caps(
        max_lots_per_order=decimal_or_none(wire, "max_lots_per_order"),
        max_notional_per_order=decimal_or_none(wire, "max_notional_per_order"),
        max_exposure=decimal_or_none(wire, "max_exposure"),
        max_open_positions=wire.max_open_positions if wire.HasField("max_open_positions") else None,
    )
