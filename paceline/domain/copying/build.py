"""From a decided quantity to the orders and the ledger lines that carry it."""

from dataclasses import dataclass
from decimal import Decimal

from paceline.domain.copy_order import Cause, CopyOrder, Intent, Lane, OrderSpec
from paceline.domain.copying.protect import BY_ALLOWANCE, order_type, protected_limit
from paceline.domain.copying.tags import copy_order_id_of, tag_of
from paceline.domain.ids import AccountId, BrokerOrderId, DecisionId, SubscriptionId
from paceline.domain.instrument import Instrument, InstrumentKey
from paceline.domain.ledger import EntryKind, LedgerEntry
from paceline.domain.money import ZERO
from paceline.domain.order import OrderType, Side, Validity
from paceline.domain.subscription import ExecutionStyle, Protection
from paceline.domain.trading import slices

LEG_EXIT = 0
LEG_ENTRY = 1
LEG_SURPLUS = 2
"""Selling what a lost cancel or a late fill brought above the target."""


@dataclass(frozen=True, slots=True)
class OrderShape:
    """How the orders of one leg look; shared by all followers of one event who want the same."""

    instrument: Instrument
    side: Side
    intent: Intent
    leg: int
    type: OrderType
    limit_price: Decimal
    trigger_price: Decimal = ZERO
    validity: Validity = Validity.DAY
    disclosed: Decimal = ZERO
    """Of each slice."""
    offline: bool = False
    mirrors: BrokerOrderId | None = None
    """The leader's order that this stands for through its life."""
    protected: bool = False
    """The limit stands for a market order."""

    def spec(self, key: InstrumentKey, quantity: Decimal) -> OrderSpec:
        return OrderSpec(
            key,
            self.side,
            self.type,
            quantity,
            self.limit_price,
            self.trigger_price,
            self.validity,
            min(self.disclosed, quantity) if self.disclosed else ZERO,
            self.offline,
            self.protected,
        )


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the orders of one decision come from."""

    cause: Cause
    decision_id: DecisionId
    subscription_id: SubscriptionId
    follower: AccountId
    key: InstrumentKey
    leader_price: Decimal
    leader_time_ns: int
    seen_ns: int
    planned_ns: int
    traceparent: str


def shape(
    instrument: Instrument,
    side: Side,
    intent: Intent,
    leg: int,
    *,
    reference: Decimal,
    style: ExecutionStyle,
    allowance_bps: Decimal,
    protection: Protection = BY_ALLOWANCE,
) -> OrderShape:
    type_ = order_type(instrument, style)
    limit = ZERO
    if type_ is not OrderType.MARKET:
        limit = protected_limit(instrument, side, reference, allowance_bps, protection)
    return OrderShape(instrument, side, intent, leg, type_, limit, protected=type_ is OrderType.LIMIT)


def build(origin: Origin, looks: OrderShape, quantity: Decimal, expires_ns: int = 0) -> tuple[CopyOrder, ...]:
    """One copy order per slice; 0 never grows too old to be sent."""
    return tuple(
        _slice(origin, looks, part, number, expires_ns)
        for number, part in enumerate(slices(looks.instrument, quantity))
    )


def _slice(origin: Origin, looks: OrderShape, quantity: Decimal, number: int, expires_ns: int) -> CopyOrder:
    return CopyOrder(
        copy_order_id=copy_order_id_of(origin.decision_id, looks.leg, number, 0),
        decision_id=origin.decision_id,
        cause=origin.cause,
        subscription_id=origin.subscription_id,
        account_id=origin.follower,
        spec=looks.spec(origin.key, quantity),
        intent=looks.intent,
        lane=Lane.EXIT if looks.intent is Intent.EXIT else Lane.ENTRY,
        leg=looks.leg,
        slice=number,
        step=0,
        tag=tag_of(origin.cause, origin.subscription_id, leg=looks.leg, slice_=number),
        leader_price=origin.leader_price,
        leader_time_ns=origin.leader_time_ns,
        seen_ns=origin.seen_ns,
        planned_ns=origin.planned_ns,
        expires_ns=expires_ns,
        traceparent=origin.traceparent,
        leader_order_id=looks.mirrors,
    )


def line(origin: Origin, kind: EntryKind, intent: Intent, quantity: Decimal, reason: str = "") -> LedgerEntry:
    return LedgerEntry(
        origin.subscription_id, origin.key, kind, intent, quantity, origin.cause.identity, reason
    )
