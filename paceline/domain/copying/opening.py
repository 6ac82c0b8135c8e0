"""What a subscription takes over of its leader's open positions when it begins: once, position by position.

Each is planned like a fill of the whole position from flat: the same sizing, caps, filters and reasons, and
an ideal on which later exits take their fraction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from paceline.domain.copy_order import CopyOrder, Intent, OrderSpec
from paceline.domain.copying.decision import Decision, Outcome, Refusal, SkipReason
from paceline.domain.copying.mapping import followers_key
from paceline.domain.copying.on_fill import FillPlanner
from paceline.domain.copying.protect import BY_ALLOWANCE
from paceline.domain.copying.tags import decision_id_of
from paceline.domain.copying.view import Copier, LeaderOrder, LeaderState, Market
from paceline.domain.event import Event, EventKind, Fact
from paceline.domain.ids import BrokerOrderId, EventIdentity, InstrumentId, Offset, Partition, SubscriptionId
from paceline.domain.instrument import Exchange, Instrument, InstrumentKey, Segment
from paceline.domain.money import ZERO
from paceline.domain.order import BrokerStatus, Fill, OrderReport, OrderType, Side, Validity
from paceline.domain.subscription import ExecutionStyle, Subscription, TakeOverPolicy

_NOWHERE = Offset(0)


@dataclass(frozen=True, slots=True)
class Holding:
    """One open position of the leader, as the subscription sees him."""

    key: InstrumentKey
    quantity: Decimal
    """Signed."""
    price: Decimal | None = None
    """At which it is taken over: the last one, or what he paid on average; None where it is not known."""


def identity_of(subscription_id: SubscriptionId, key: InstrumentKey) -> EventIdentity:
    """One for each subscription and position, whoever opens it and however often it is tried."""
    return EventIdentity(f"opening:{subscription_id}:{key.instrument_id}:{key.product.value}")


def opening_event(
    subscription: Subscription,
    holding: Holding,
    instrument: Instrument | None,
    partition: Partition,
    now_ns: int,
) -> Event:
    """The holding as if it were bought just now; no price is zero, which nothing is planned at."""
    body = Fill(
        account_id=subscription.leader,
        order_id=BrokerOrderId(identity_of(subscription.subscription_id, holding.key)),
        trade_id="1",
        key=holding.key,
        exchange=instrument.exchange if instrument else Exchange.NSE,
        segment=instrument.segment if instrument else Segment.CAPITAL_MARKET,
        side=Side.BUY if holding.quantity > 0 else Side.SELL,
        quantity=abs(holding.quantity),
        price=holding.price or ZERO,
        broker_time_ns=now_ns,
    )
    identity = identity_of(subscription.subscription_id, holding.key)
    fact = Fact(identity, subscription.leader, EventKind.FILL, body, now_ns, now_ns, False, b"")
    return Event(partition, _NOWHERE, 0, now_ns, fact)


def take_over(event: Event, copier: Copier, leader: LeaderState, market: Market) -> Decision:
    """What the subscription does about one holding. `leader` brings his equity and his orders in the key."""
    body = event.fact.body
    assert isinstance(body, Fill)  # noqa: S101  # made by `opening_event`
    orders = {**leader.orders, body.order_id: LeaderOrder(_whole_order(body))}
    flat = replace(leader, positions={}, orders=orders)
    at_his_price = copier.subscription.take_over is TakeOverPolicy.AT_LEADER_PRICE
    decide = _at_his_price if at_his_price else _now
    decision = decide(event, body, flat, copier, market)
    if decision.orders and not body.price:
        return _withheld(event, body, copier, Refusal(SkipReason.PRICE_UNKNOWN, body.key.instrument_id))
    return decision


def _now(event: Event, body: Fill, leader: LeaderState, copier: Copier, market: Market) -> Decision:
    return FillPlanner(event, body, leader, market).decide(copier)


def _at_his_price(event: Event, body: Fill, leader: LeaderState, copier: Copier, market: Market) -> Decision:
    subscription = replace(
        copier.subscription,
        filters=replace(copier.subscription.filters, allowance_bps=ZERO),
        protection=BY_ALLOWANCE,
        style=ExecutionStyle.PROTECTED_LIMIT,
    )
    resting = replace(market, last_prices=_without(market, body.key))
    decision = FillPlanner(event, body, leader, resting).decide(replace(copier, subscription=subscription))
    return replace(decision, orders=tuple(_resting(each, body) for each in decision.orders))


def beside(copier: Copier, earlier: Sequence[Decision], market: Market) -> Copier:
    """With what was decided before it in the same go, which no ledger knows yet: caps hold for all of it."""
    planned = [each for each in earlier if each.orders]
    if not planned:
        return copier
    spent = sum((_worth(order, market) for each in planned for order in each.orders), ZERO)
    exposure = None if copier.exposure is None else copier.exposure + spent
    return replace(copier, exposure=exposure, other_positions=copier.other_positions + len(planned))


def _worth(order: CopyOrder, market: Market) -> Decimal:
    instrument = market.instruments.get(order.spec.key.instrument_id)
    multiplier = instrument.multiplier if instrument else Decimal(1)
    return order.spec.quantity * (order.spec.limit_price or order.leader_price) * multiplier


def _without(market: Market, key: InstrumentKey) -> Mapping[InstrumentId, Decimal]:
    """An order that may rest is not withheld because the market is elsewhere just now."""
    return {each: price for each, price in market.last_prices.items() if each != key.instrument_id}


def _resting(order: CopyOrder, body: Fill) -> CopyOrder:
    """A plain limit for the day: no chase follows the price with it."""
    spec = order.spec
    plain = OrderSpec(spec.key, spec.side, OrderType.LIMIT, spec.quantity, spec.limit_price)
    return replace(order, spec=plain, leader_order_id=body.order_id)


def _whole_order(body: Fill) -> OrderReport:
    """Caps and fixed sizes are for a whole order of the leader: here that is the holding."""
    return OrderReport(
        account_id=body.account_id,
        order_id=body.order_id,
        key=body.key,
        exchange=body.exchange,
        segment=body.segment,
        side=body.side,
        type=OrderType.LIMIT,
        status=BrokerStatus.TRADED,
        quantity=body.quantity,
        filled=body.quantity,
        limit_price=body.price,
        trigger_price=ZERO,
        average_price=body.price,
        validity=Validity.DAY,
        disclosed=ZERO,
        offline=False,
        tag="",
        broker_time_ns=body.broker_time_ns,
    )


def _withheld(event: Event, body: Fill, copier: Copier, refusal: Refusal) -> Decision:
    subscription = copier.subscription
    return Decision(
        decision_id=decision_id_of(event.fact.identity, subscription.subscription_id),
        subscription_id=subscription.subscription_id,
        follower=subscription.follower,
        key=followers_key(subscription, body.key) or body.key,
        side=body.side.opposite if subscription.reverse else body.side,
        intent=Intent.ENTRY,
        outcome=Outcome.SKIPPED,
        quantity=ZERO,
        sizing=None,
        reason=refusal.reason,
        detail=refusal.detail,
    )
