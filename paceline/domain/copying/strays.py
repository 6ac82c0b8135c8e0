"""A fill of a follower's that no copy asked for: what of it closed copies, and what no exit sells then."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from paceline.domain.copy_order import Cause, CauseKind, CopyCommand, CopyOrder, Intent
from paceline.domain.copying.adjustments import Adjusted, Adjustment, AdjustmentKind, closed
from paceline.domain.copying.attribution import Held, attribute
from paceline.domain.copying.build import Origin
from paceline.domain.copying.changes import OpenRow, shrunk
from paceline.domain.copying.tags import decision_id_of, kind_of
from paceline.domain.ids import EventIdentity, SubscriptionId
from paceline.domain.ledger import Ledger, toward
from paceline.domain.money import ZERO
from paceline.domain.order import Fill
from paceline.domain.subscription import AttributionPolicy

_HIS_OWN = frozenset({None, CauseKind.MANUAL, CauseKind.SIGNAL, CauseKind.STRATEGY_LEG})


@dataclass(frozen=True, slots=True)
class Closed:
    """What a stray fill did to the copies, and what is left of the follower's own."""

    adjustments: Mapping[SubscriptionId, Adjustment]
    own: Decimal
    """Signed, after the fill."""


def is_stray(fill: Fill) -> bool:
    """His own hand, or what he asks of us beside copying; liquidations close ledgers by themselves."""
    return kind_of(fill.tag) in _HIS_OWN


def closed_by(
    fill: Fill,
    event: EventIdentity,
    copies: Mapping[SubscriptionId, tuple[Ledger, AttributionPolicy]],
    own: Decimal,
    lot: Decimal,
) -> Closed:
    """By the rule of attribution; `own` is what he holds beside all copies, before the fill."""
    traded = fill.quantity * int(fill.side)
    held = {name: Held(ledger.position, policy) for name, (ledger, policy) in copies.items()}
    shares = attribute(traded, held, own, lot)
    words = f"{fill.quantity} at {fill.price} by order {fill.order_id}"
    adjustments = {
        name: adjustment
        for name, taken in shares.copies.items()
        if (
            adjustment := closed(
                Adjusted(name, fill.key, copies[name][0], lot, event, words),
                AdjustmentKind.CLOSED_BY_HAND,
                taken,
            )
        )
    }
    return Closed(adjustments, own + shares.own)


def oversold(
    subscription_id: SubscriptionId,
    event: EventIdentity,
    ledger: Ledger,
    rows: Iterable[OpenRow],
    now_ns: int,
) -> tuple[CopyCommand, ...]:
    """Exits on their way that have nothing left to sell are taken back, newest first."""
    exits = sorted((row for row in rows if row.order.intent is Intent.EXIT), key=_age, reverse=True)
    coming = sum((row.coming for row in exits), ZERO)
    left = ledger.position + coming
    excess = abs(toward(coming, left)) if ledger.position * coming <= 0 else ZERO
    commands = []
    for row in exits:
        part = min(excess, abs(row.coming))
        if part:
            commands.append(shrunk(_origin(subscription_id, event, row.order, now_ns), row, part))
            excess -= part
    return tuple(commands)


def _age(row: OpenRow) -> tuple[int, str, int, int]:
    order = row.order
    return order.planned_ns, order.decision_id, order.leg, order.slice


def _origin(subscription_id: SubscriptionId, event: EventIdentity, order: CopyOrder, now_ns: int) -> Origin:
    return Origin(
        Cause(CauseKind.EVENT, event),
        decision_id_of(event, subscription_id),
        subscription_id,
        order.account_id,
        order.spec.key,
        ZERO,
        now_ns,
        now_ns,
        now_ns,
        order.traceparent,
    )
