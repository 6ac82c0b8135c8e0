"""What an observation about a copy order makes of it and of its ledger."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from decimal import Decimal

from paceline.domain.copy_order import CopyOrder, Intent, OrderSpec
from paceline.domain.errors import BrokerError, BrokerOutcomeUnknown, BrokerRejected
from paceline.domain.ids import BrokerOrderId, CommandId
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry, toward
from paceline.domain.money import ZERO
from paceline.domain.order import Fill, OrderReport
from paceline.domain.order_states import TERMINAL, Observation, advance, observation_of


@dataclass(frozen=True, slots=True)
class Placed:
    """The broker took the order and gave it his number."""

    broker_order_id: BrokerOrderId


@dataclass(frozen=True, slots=True)
class GivenUp:
    """It will never be sent."""

    reason: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Taken back unsent, because the leader went another way."""

    reason: str = "WITHDRAWN"


@dataclass(frozen=True, slots=True)
class Resized:
    """A command was carried out: the order stands as this says, or its unsent row does."""

    spec: OrderSpec
    command_id: CommandId


@dataclass(frozen=True, slots=True)
class SurelyAbsent:
    """Two settled reads of the order book did not show its tag."""


Told = OrderReport | Fill | Placed | GivenUp | Withdrawn | Resized | SurelyAbsent | BrokerError


@dataclass(frozen=True, slots=True)
class Folded:
    """The order as it is now, with the lines that go with it in one transaction."""

    order: CopyOrder
    lines: tuple[LedgerEntry, ...]
    ledger: Ledger
    """With the lines folded in."""


def fold_result(  # noqa: PLR0911  # one return per kind of news
    order: CopyOrder,
    told: Told,
    ledger: Ledger,
    lot: Decimal,
    others: Collection[CopyOrder],
    leaving: Decimal = ZERO,
    growing: Decimal = ZERO,
) -> Folded:
    """Raises IllegalTransition where the table has no state; a refusal that may be retried changes nothing.

    `ledger` is that of the order's subscription and key, read in the same transaction; `others` are its other
    rows that have not ended, because the ledger's sums do not say whose quantity is on its way, and `leaving`
    are the rests of those of them that are exits and being cancelled, `growing` what changes on their way add
    to entries, both signed. Afterwards all that is wanted is held, on its way, or forgone with a reason.
    """
    book = _Book(ledger, lot, others, leaving, growing)
    match told:
        case Fill():
            return _filled(order, told, book)
        case OrderReport():
            return _reported(order, told, book)
        case Placed():
            status = advance(order.status, Observation.ACCEPTED)
            return Folded(replace(order, status=status, broker_order_id=told.broker_order_id), (), ledger)
        case Resized():
            return _resized(order, told.spec, book, f"{order.tag}:{told.command_id}")
        case SurelyAbsent():
            return _moved(order, Observation.SURELY_ABSENT, ledger)
        case BrokerOutcomeUnknown():
            return _moved(order, Observation.ANSWER_LOST, ledger)
        case BrokerRejected():
            return _ended(order, Observation.REJECTED, order.filled, book, str(told))
        case BrokerError():
            return Folded(order, (), ledger)
        case GivenUp():
            return _ended(order, Observation.GIVEN_UP, order.filled, book, told.reason)
        case Withdrawn():
            return _ended(order, Observation.WITHDRAWN, order.filled, book, told.reason)


@dataclass(frozen=True, slots=True)
class _Book:
    """The ledger before the news, and who else is on the way."""

    ledger: Ledger
    lot: Decimal
    others: Collection[CopyOrder]
    leaving: Decimal
    growing: Decimal

    def untold(self, intent: Intent) -> Decimal:
        """Filled by the word of reports on ended orders, but not yet told trade by trade; signed."""
        working = self.ledger.exits_working if intent is Intent.EXIT else self.ledger.entries_working
        return working - sum((row.rest for row in self.others if row.intent is intent), ZERO)

    def forgone(self, order: CopyOrder, after: Ledger) -> Decimal:
        """What is wanted after the news, and neither held nor coming; signed."""
        needed = after.needed(self.lot)
        rests = (row.rest for row in (*self.others, order) if _enters(row))
        away = sum((toward(-needed, rest) for rest in rests), ZERO)
        coming = toward(needed, after.entries_working - away) + toward(needed, self.growing)
        return after.missing(self.lot, coming, self.leaving)


def _moved(order: CopyOrder, observation: Observation, ledger: Ledger) -> Folded:
    return Folded(replace(order, status=advance(order.status, observation)), (), ledger)


def _resized(order: CopyOrder, spec: OrderSpec, book: _Book, cause: str) -> Folded:
    """Rows and ledger move together; an order that has ended is not changed any more."""
    moved = replace(order, spec=spec)
    difference = spec.quantity - order.spec.quantity
    if order.status in TERMINAL:
        return Folded(order, (), book.ledger)
    if not difference:
        return Folded(moved, (), book.ledger)
    part = (EntryKind.PLANNED, difference) if difference > 0 else (EntryKind.RELEASED, -difference)
    return _folded(moved, [part], book, cause=cause, reason="RESIZED")


def _reported(order: CopyOrder, report: OrderReport, book: _Book) -> Folded:
    """The broker's word of the quantity counts: a change of ours, or of the follower's own hand."""
    if report.quantity in (order.spec.quantity, ZERO) or order.status in TERMINAL:
        return _advanced(order, report, book)
    spec = replace(order.spec, quantity=report.quantity)
    resized = _resized(order, spec, book, f"{order.tag}:{report.broker_time_ns}")
    after = _advanced(resized.order, report, replace(book, ledger=resized.ledger))
    return Folded(after.order, resized.lines + after.lines, after.ledger)


def _advanced(order: CopyOrder, report: OrderReport, book: _Book) -> Folded:
    order = replace(order, broker_order_id=report.order_id)
    filled = max(report.filled, order.filled)
    observation = observation_of(report.status, partly_filled=filled > 0)
    if observation is None:
        return Folded(order, (), book.ledger)
    if observation is Observation.FILLED:
        filled = max(filled, report.quantity)
    ours = order.ends_as if observation is Observation.CANCELLED else ""
    return _ended(order, observation, filled, book, ours or report.message or observation)


def _ended(order: CopyOrder, observation: Observation, filled: Decimal, book: _Book, reason: str) -> Folded:
    """Where the order ends, what it will never fill is released, once."""
    status = advance(order.status, observation)
    moved = replace(order, status=status)
    rest = order.spec.quantity - filled
    if status not in TERMINAL or order.status in TERMINAL or rest <= 0:
        return Folded(moved, (), book.ledger)
    return _folded(moved, [(EntryKind.RELEASED, rest)], book, cause=order.tag, reason=reason)


def _filled(order: CopyOrder, fill: Fill, book: _Book) -> Folded:
    """One line per trade; a trade that comes after the end is the truth, and takes its release back."""
    filled = order.filled + fill.quantity
    whole = filled >= order.spec.quantity
    moved = replace(
        order,
        status=advance(order.status, Observation.FILLED if whole else Observation.PARTLY_FILLED),
        broker_order_id=fill.order_id,
        filled=filled,
        average_price=(order.average_price * order.filled + fill.price * fill.quantity) / filled,
    )
    parts = [(EntryKind.FILLED, fill.quantity)]
    late = _filled_beyond_release(order, fill, book)
    if late:
        parts.append((EntryKind.RELEASED, -late))
    reason = "FILLED_AFTER_END" if late else "NETTED"
    return _folded(moved, parts, book, cause=f"{order.tag}:{fill.trade_id}", reason=reason)


def _filled_beyond_release(order: CopyOrder, fill: Fill, book: _Book) -> Decimal:
    """What was released when the order ended, and is filled after all; unsigned."""
    if order.status not in TERMINAL:
        return ZERO
    untold = book.untold(order.intent) * int(order.spec.side)
    return max(fill.quantity - max(untold, ZERO), ZERO)


def _folded(
    order: CopyOrder, parts: list[tuple[EntryKind, Decimal]], book: _Book, *, cause: str, reason: str
) -> Folded:
    """Sign the lines; what nothing brings any more leaves the ideal, so that no later fill plans it."""
    if order.subscription_id is None:
        return Folded(order, (), book.ledger)
    subscription_id, key, side = order.subscription_id, order.spec.key, int(order.spec.side)
    lines = [
        LedgerEntry(
            subscription_id,
            key,
            kind,
            order.intent,
            quantity * side,
            cause,
            "" if kind is EntryKind.FILLED else reason,
        )
        for kind, quantity in parts
    ]
    forgone = book.forgone(order, book.ledger.with_lines(lines))
    if forgone:
        lines.append(
            LedgerEntry(subscription_id, key, EntryKind.FORGONE, Intent.ENTRY, -forgone, cause, reason)
        )
    return Folded(order, tuple(lines), book.ledger.with_lines(lines))


def _enters(order: CopyOrder) -> bool:
    return order.intent is Intent.ENTRY and order.status not in TERMINAL
