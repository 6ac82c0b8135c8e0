"""Dry runs: what is to be tried, and what would have happened."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from paceline.adapters.wire.decimals import decimal_or_none, decimal_or_zero, text_of
from paceline.adapters.wire.enums import INTENT, SIDE, SKIP_REASON
from paceline.adapters.wire.orders import key_to_wire
from paceline.adapters.wire.subscriptions import SERVERS_OWN, new_subscription_from_wire
from paceline.adapters.wire.times import timestamp_of_ns
from paceline.api.v1 import common_pb2, subscription_pb2
from paceline.domain.copying.explain import explain
from paceline.domain.copying.preview import Costs, Step, Summary
from paceline.domain.errors import Problems
from paceline.domain.ids import SubscriptionId
from paceline.domain.money import BPS
from paceline.domain.subscription import Subscription

if TYPE_CHECKING:
    from google.protobuf.message import Message

ANYONE = "preview:anyone"
"""The follower of settings that name none."""
_UNNAMED = SubscriptionId("preview")


def tried_subscription_from_wire(wire: subscription_pb2.Subscription) -> Subscription:
    """Settings as they are written or as they were read: what is the server's own does not matter."""
    asked = subscription_pb2.Subscription()
    asked.CopyFrom(wire)
    for name in SERVERS_OWN:
        cast("Message", asked).ClearField(name)
    asked.follower_id = wire.follower_id or ANYONE
    return new_subscription_from_wire(asked, SubscriptionId(wire.subscription_id) or _UNNAMED)


def costs_from_wire(wire: subscription_pb2.PreviewAssumptions) -> Costs:
    costs = Costs(decimal_or_zero(wire, "cost_per_order"), decimal_or_zero(wire, "cost_bps"))
    problems = Problems()
    problems.require(costs.per_order >= 0, "cost_per_order", "must not be negative")
    problems.require(0 <= costs.bps <= BPS, "cost_bps", "must be from 0 to 10000")
    problems.raise_any()
    return costs


def equities_from_wire(wire: subscription_pb2.PreviewAssumptions) -> tuple[Decimal | None, Decimal | None]:
    """Of leader and follower; None where none is given."""
    found = (decimal_or_none(wire, "leader_equity"), decimal_or_none(wire, "follower_equity"))
    problems = Problems()
    for name, equity in zip(("leader_equity", "follower_equity"), found, strict=True):
        problems.require(equity is None or equity > 0, name, "must be positive")
    problems.raise_any()
    return found


def step_to_wire(step: Step) -> subscription_pb2.PreviewDecision:
    decision, fill = step.decision, step.leader_fill
    wire = subscription_pb2.PreviewDecision(
        event_identity=step.event.fact.identity,
        event_time=timestamp_of_ns(step.event.fact.broker_time_ns),
        side=SIDE.wire[decision.side],
        intent=INTENT.wire[decision.intent],
        detail=explain(decision.reason, decision.detail) if decision.reason else decision.detail,
        order_count=len(decision.orders),
        leader_side=SIDE.wire[fill.side],
    )
    key_to_wire(decision.key, wire.key)
    key_to_wire(fill.key, wire.leader_key)
    wire.leader_quantity.value = text_of(fill.quantity)
    wire.price.value = text_of(step.price)
    if decision.quantity:
        wire.quantity.value = text_of(decision.quantity)
    if step.held:
        wire.held.value = text_of(step.held)
    if step.cost:
        _money(wire.cost, step.cost, step.currency)
    if decision.reason is not None:
        wire.reason = SKIP_REASON.wire[decision.reason]
    return wire


def summary_to_wire(summary: Summary, assumptions: Iterable[str]) -> subscription_pb2.PreviewSummary:
    """Skips by reason, the most frequent first; positions by name."""
    wire = subscription_pb2.PreviewSummary(
        events=summary.events, orders=summary.orders, skips=summary.skips, assumptions=assumptions
    )
    for reason, count in sorted(summary.skips_by_reason.items(), key=lambda each: (-each[1], each[0])):
        wire.skips_by_reason.add(reason=SKIP_REASON.wire[reason], count=count)
    for key, holding in sorted(
        summary.holdings.items(), key=lambda each: (each[0].instrument_id, each[0].product)
    ):
        position = wire.positions.add(orders=holding.orders)
        key_to_wire(key, position.key)
        if holding.quantity:
            position.quantity.value = text_of(holding.quantity)
            position.average_price.value = text_of(holding.average_price)
        if holding.realised:
            position.realised.value = text_of(shown(holding.realised))
        _money(position.turnover, holding.turnover, holding.currency)
    wire.costs.extend(_sums(summary.costs))
    wire.turnover.extend(_sums(summary.turnover))
    wire.realised.extend(_sums(summary.realised))
    return wire


def shown(amount: Decimal) -> Decimal:
    """As people read money: divisions leave more digits than anyone pays."""
    return Decimal(f"{round(amount, 6).normalize():f}")


def _sums(sums: Mapping[str, Decimal]) -> Iterator[common_pb2.Money]:
    for currency, amount in sorted(sums.items()):
        if amount:
            yield _money(common_pb2.Money(), amount, currency)


def _money(wire: common_pb2.Money, amount: Decimal, currency: str) -> common_pb2.Money:
    wire.amount.value = text_of(shown(amount))
    wire.currency = currency
    return wire
