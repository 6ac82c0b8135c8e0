"""Changes to orders planned before: taken back, shrunk, cancelled, modified; each a command written ahead."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from paceline.domain.copy_order import CommandKind, CopyCommand, CopyOrder, Intent, Lane, OrderSpec
from paceline.domain.copying.build import Origin
from paceline.domain.copying.tags import command_id_of
from paceline.domain.ids import BrokerOrderId
from paceline.domain.money import ZERO


@dataclass(frozen=True, slots=True)
class OpenRow:
    """A copy order that has not ended, with the change that is on its way to it."""

    order: CopyOrder
    command: CopyCommand | None = None

    @property
    def leaving(self) -> bool:
        """It is being cancelled, and nothing changes that any more."""
        return self.command is not None and self.command.kind is CommandKind.CANCEL

    @property
    def spec(self) -> OrderSpec:
        """What it shall look like."""
        return self.command.spec if self.command and self.command.spec else self.order.spec

    @property
    def coming(self) -> Decimal:
        """What it shall still bring, signed; less than its rest where it is being cut down."""
        if self.leaving:
            return ZERO
        return max(self.spec.quantity - self.order.filled, ZERO) * int(self.order.spec.side)


def commanded(rows: Iterable[OpenRow], intent: Intent) -> Decimal:
    """What changes on their way will take off what is working, signed."""
    return sum((row.order.rest - row.coming for row in rows if row.order.intent is intent), ZERO)


def growing(rows: Iterable[OpenRow]) -> Decimal:
    """What changes on their way will add to entries, signed."""
    entries = [row for row in rows if row.order.intent is Intent.ENTRY]
    return sum(
        (row.coming - row.order.rest for row in entries if abs(row.coming) > abs(row.order.rest)), ZERO
    )


def withdrawals(
    origin: Origin,
    rows: Iterable[OpenRow],
    unwanted: Decimal,
    working: Collection[BrokerOrderId] = (),
) -> tuple[CopyCommand, ...]:
    """Takes back entries that nobody wants any more, newest first; the last of them may only shrink.

    Copies of orders that the leader still has `working` are his to end.
    """
    commands = []
    for row in sorted(rows, key=_age, reverse=True):
        coming = row.coming
        his = row.order.leader_order_id in working
        if row.order.intent is not Intent.ENTRY or his or coming * unwanted <= 0:
            continue
        taken = coming if abs(coming) <= abs(unwanted) else unwanted
        unwanted -= taken
        commands.append(shrunk(origin, row, abs(taken)))
        if not unwanted:
            break
    return tuple(commands)


def shrunk(origin: Origin, row: OpenRow, by: Decimal) -> CopyCommand:
    """The order less a quantity; without anything left to bring it is cancelled."""
    if by >= abs(row.coming):
        return cancelled(origin, row.order)
    return modified(origin, row.order, replace(row.spec, quantity=row.spec.quantity - by))


def cancelled(origin: Origin, order: CopyOrder) -> CopyCommand:
    return _command(origin, order, CommandKind.CANCEL, None)


def modified(origin: Origin, order: CopyOrder, spec: OrderSpec) -> CopyCommand:
    return _command(origin, order, CommandKind.MODIFY, spec)


def _command(origin: Origin, order: CopyOrder, kind: CommandKind, spec: OrderSpec | None) -> CopyCommand:
    return CopyCommand(
        command_id=command_id_of(origin.decision_id, order.copy_order_id),
        copy_order_id=order.copy_order_id,
        tag=order.tag,
        decision_id=origin.decision_id,
        cause=origin.cause,
        subscription_id=origin.subscription_id,
        account_id=origin.follower,
        key=origin.key,
        kind=kind,
        spec=spec,
        lane=_lane(order, kind),
        leader_time_ns=origin.leader_time_ns,
        seen_ns=origin.seen_ns,
        planned_ns=origin.planned_ns,
        traceparent=origin.traceparent,
    )


def _lane(order: CopyOrder, kind: CommandKind) -> Lane:
    if kind is CommandKind.CANCEL:
        return Lane.CANCEL
    return Lane.EXIT if order.intent is Intent.EXIT else Lane.MODIFY


def _age(row: OpenRow) -> tuple[int, str, int, int]:
    order = row.order
    return order.planned_ns, order.decision_id, order.leg, order.slice
