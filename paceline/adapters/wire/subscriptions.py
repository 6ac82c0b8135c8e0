"""Subscriptions and their settings."""

from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration

from paceline.adapters.wire.decimals import decimal_at, decimal_or_none, text_of
from paceline.adapters.wire.enums import (
    ATTRIBUTION_POLICY,
    COPY_MODE,
    DRIFT_POLICY,
    END_POLICY,
    EQUITY_FALLBACK,
    EXECUTION_STYLE,
    INSTRUMENT_KIND,
    PRODUCT,
    PROTECTION_KIND,
    SEGMENT,
    SHORTFALL_POLICY,
    SIZING_MODE,
    SUBSCRIPTION_STATE,
    TAKE_OVER_POLICY,
)
from paceline.adapters.wire.fields import each, only, required, within
from paceline.adapters.wire.guards import subscription_guards_from_wire, subscription_guards_to_wire
from paceline.api.v1 import subscription_pb2
from paceline.domain.errors import Invalid
from paceline.domain.ids import AccountId, InstrumentId, SubscriptionId
from paceline.domain.instrument import Segment
from paceline.domain.subscription import (
    AttributionPolicy,
    Caps,
    DriftPolicy,
    EndPolicy,
    EquityFallback,
    Filters,
    InstrumentMapping,
    OptionsFilter,
    ProductMapping,
    Protection,
    ProtectionKind,
    ShortfallPolicy,
    Sizing,
    Subscription,
    SubscriptionGuards,
    SubscriptionState,
    TakeOverPolicy,
)

SERVERS_OWN = frozenset(
    {
        *("subscription_id", "state", "version", "create_time", "update_time"),
        *("opened", "ending", "successor_id", "waits_for"),
    }
)
FIXED = SERVERS_OWN | {"leader_id", "follower_id"}
"""What an update must not name."""
_HEEDED = FIXED | {
    *("auto_copy", "mode", "sizing", "filters", "caps", "style"),
    *("reverse", "forward_copies", "allow_opposite"),
    *(
        "attribution",
        "shortfall",
        "drift",
        "leader_silence",
        "protection",
        "guards",
        "instrument_mappings",
        "product_mappings",
    ),
    *("take_over", "at_end"),
}


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
    wire.attribution = ATTRIBUTION_POLICY.wire[subscription.attribution]
    wire.shortfall = SHORTFALL_POLICY.wire[subscription.shortfall]
    wire.drift = DRIFT_POLICY.wire[subscription.drift]
    if subscription.leader_silence_ms is not None:
        wire.leader_silence.FromMilliseconds(subscription.leader_silence_ms)
    wire.version = subscription.version
    _life_to_wire(subscription, wire)
    _protection_to_wire(subscription.protection, wire.protection)
    for mapping in subscription.instrument_mappings:
        wire.instrument_mappings.add(
            leader_instrument_id=mapping.leader, follower_instrument_id=mapping.follower
        )
    for product in subscription.product_mappings:
        wire.product_mappings.add(
            leader_product=PRODUCT.wire[product.leader], follower_product=PRODUCT.wire[product.follower]
        )
    _sizing_to_wire(subscription.sizing, wire.sizing)
    _filters_to_wire(subscription.filters, wire.filters)
    _caps_to_wire(subscription.caps, wire.caps)
    if subscription.guards != SubscriptionGuards():
        subscription_guards_to_wire(subscription.guards, wire.guards)
    return wire


def _life_to_wire(subscription: Subscription, wire: subscription_pb2.Subscription) -> None:
    """How it begins and how it ends."""
    wire.take_over = TAKE_OVER_POLICY.wire[subscription.take_over]
    wire.at_end = END_POLICY.wire[subscription.at_end]
    wire.opened = subscription.opened
    if subscription.ending is not None:
        wire.ending = END_POLICY.wire[subscription.ending]
    wire.successor_id = subscription.successor or ""


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
        attribution=ATTRIBUTION_POLICY.read_or(
            wire.attribution, "attribution", AttributionPolicy.COPIES_FIRST
        ),
        shortfall=SHORTFALL_POLICY.read_or(wire.shortfall, "shortfall", ShortfallPolicy.FORGO),
        drift=DRIFT_POLICY.read_or(wire.drift, "drift", DriftPolicy.REPORT),
        leader_silence_ms=(
            _milliseconds(wire.leader_silence, "leader_silence") if wire.HasField("leader_silence") else None
        ),
        protection=within("protection", _protection_from_wire, wire.protection),
        guards=within("guards", subscription_guards_from_wire, wire.guards),
        instrument_mappings=each(
            "instrument_mappings", _instrument_mapping_from_wire, wire.instrument_mappings
        ),
        product_mappings=each("product_mappings", _product_mapping_from_wire, wire.product_mappings),
        take_over=TAKE_OVER_POLICY.read_or(wire.take_over, "take_over", TakeOverPolicy.NOT),
        at_end=END_POLICY.read_or(wire.at_end, "at_end", EndPolicy.LEAVE),
        opened=wire.opened,
        ending=END_POLICY.read(wire.ending, "ending") if wire.ending else None,
        successor=SubscriptionId(wire.successor_id) if wire.successor_id else None,
        version=version,
    )


def _sizing_to_wire(sizing: Sizing, wire: subscription_pb2.Sizing) -> None:
    wire.mode = SIZING_MODE.wire[sizing.mode]
    wire.value.value = text_of(sizing.value)
    wire.round_up_to_one_lot = sizing.round_up_to_one_lot
    wire.equity_fallback = EQUITY_FALLBACK.wire[sizing.equity_fallback]


def _sizing_from_wire(wire: subscription_pb2.Sizing) -> Sizing:
    return Sizing(
        SIZING_MODE.read(wire.mode, "mode"),
        decimal_at(wire, "value"),
        wire.round_up_to_one_lot,
        EQUITY_FALLBACK.read_or(wire.equity_fallback, "equity_fallback", EquityFallback.SKIP),
    )


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
    if filters.options is not None:
        _options_to_wire(filters.options, wire.options)


def _filters_from_wire(wire: subscription_pb2.Filters) -> Filters:
    usual = Filters()
    allowance = decimal_or_none(wire, "allowance_bps")
    return Filters(
        segments=_segments(wire),
        allowed=_instruments(wire.allowed.instrument_ids) if wire.HasField("allowed") else None,
        blocked=_instruments(wire.blocked_instrument_ids),
        max_age_ms=_milliseconds(wire.max_age, "max_age") if wire.HasField("max_age") else usual.max_age_ms,
        allowance_bps=usual.allowance_bps if allowance is None else allowance,
        options=within("options", _options_from_wire, wire.options) if wire.HasField("options") else None,
    )


def _options_to_wire(options: OptionsFilter, wire: subscription_pb2.OptionsFilter) -> None:
    wire.SetInParent()
    wire.kinds.extend(sorted(INSTRUMENT_KIND.wire[kind] for kind in options.kinds))
    if options.index_options is not None:
        wire.index_options = options.index_options
    if options.stock_options is not None:
        wire.stock_options = options.stock_options
    if options.min_days_to_expiry is not None:
        wire.min_days_to_expiry = options.min_days_to_expiry
    if options.max_days_to_expiry is not None:
        wire.max_days_to_expiry = options.max_days_to_expiry
    if options.max_moneyness_bps is not None:
        wire.max_moneyness_bps.value = text_of(options.max_moneyness_bps)


def _options_from_wire(wire: subscription_pb2.OptionsFilter) -> OptionsFilter:
    return OptionsFilter(
        kinds=INSTRUMENT_KIND.read_some(wire.kinds, "kinds"),
        index_options=wire.index_options if wire.HasField("index_options") else None,
        stock_options=wire.stock_options if wire.HasField("stock_options") else None,
        min_days_to_expiry=wire.min_days_to_expiry if wire.HasField("min_days_to_expiry") else None,
        max_days_to_expiry=wire.max_days_to_expiry if wire.HasField("max_days_to_expiry") else None,
        max_moneyness_bps=decimal_or_none(wire, "max_moneyness_bps"),
    )


def _protection_to_wire(protection: Protection, wire: subscription_pb2.Protection) -> None:
    wire.kind = PROTECTION_KIND.wire[protection.kind]
    wire.ticks = protection.ticks


def _protection_from_wire(wire: subscription_pb2.Protection) -> Protection:
    return Protection(PROTECTION_KIND.read_or(wire.kind, "kind", ProtectionKind.ALLOWANCE), wire.ticks)


def _instrument_mapping_from_wire(wire: subscription_pb2.InstrumentMapping) -> InstrumentMapping:
    return InstrumentMapping(
        InstrumentId(required(wire.leader_instrument_id, "leader_instrument_id")),
        InstrumentId(required(wire.follower_instrument_id, "follower_instrument_id")),
    )


def _product_mapping_from_wire(wire: subscription_pb2.ProductMapping) -> ProductMapping:
    return ProductMapping(
        PRODUCT.read(wire.leader_product, "leader_product"),
        PRODUCT.read(wire.follower_product, "follower_product"),
    )


def _segments(wire: subscription_pb2.Filters) -> frozenset[Segment] | None:
    if not wire.HasField("segments"):
        return None
    return SEGMENT.read_some(wire.segments.segments, "segments")


def _instruments(ids: Iterable[str]) -> frozenset[InstrumentId]:
    return frozenset(map(InstrumentId, ids))


def _milliseconds(wire: Duration, field: str) -> int:
    if wire.seconds < 0 or wire.nanos < 0:
        raise Invalid(field, "must not be negative")
    return wire.ToMilliseconds()


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
