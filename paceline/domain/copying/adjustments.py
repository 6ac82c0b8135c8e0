"""What happens to copied positions outside of copying: ledger lines with a cause, and the evidence."""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from paceline.domain.copy_order import Intent
from paceline.domain.ids import SubscriptionId
from paceline.domain.instrument import InstrumentKey
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry
from paceline.domain.money import EXACT, ZERO, kept_part, lots_toward_zero


class AdjustmentKind(StrEnum):
    CLOSED_BY_HAND = "CLOSED_BY_HAND"
    """An untagged fill of the follower's that opposed what was copied."""
    LIQUIDATED = "LIQUIDATED"
    SQUARED_OFF = "SQUARED_OFF"
    """By the broker, at his cut-off for intraday positions."""
    EXPIRED = "EXPIRED"
    GONE_AT_BROKER = "GONE_AT_BROKER"
    """The broker's book no longer shows it."""
    CORPORATE_ACTION = "CORPORATE_ACTION"
    LEFT = "LEFT"
    """The subscription ended, and what it held is the follower's own."""
    HANDED_OVER = "HANDED_OVER"
    """The subscription ended, and another of the same follower has what it held."""
    MANUAL = "MANUAL"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """The lines go with the audit in one transaction; known lines are not written again."""

    kind: AdjustmentKind
    lines: tuple[LedgerEntry, ...]
    before: Decimal
    after: Decimal
    evidence: str


@dataclass(frozen=True, slots=True)
class Adjusted:
    """What is adjusted, by what cause: the identity of a fact, a day, or a person's request."""

    subscription_id: SubscriptionId
    key: InstrumentKey
    ledger: Ledger
    lot: Decimal
    cause: str
    evidence: str


def closed(of: Adjusted, kind: AdjustmentKind, taken: Decimal) -> Adjustment | None:
    """A quantity left the position otherwise; it is forgone, so that no later fill plans it again.

    `taken` is signed as it traded, against what is held; never more of it than there is.
    """
    position = of.ledger.position
    if position * taken >= 0:
        return None
    part = max(taken, -position) if position > 0 else min(taken, -position)
    lines = [_line(of, EntryKind.ADJUSTED, part, kind)]
    after = of.ledger.with_lines(lines)
    forgone = after.missing(of.lot, after.entries_working)
    if forgone:
        lines.append(_line(of, EntryKind.FORGONE, -forgone, kind))
    return Adjustment(kind, tuple(lines), position, position + part, of.evidence)


def ended(of: Adjusted, kind: AdjustmentKind) -> Adjustment | None:
    """Expiry, or a position that the broker no longer shows: nothing of it is left, and nothing wanted."""
    ledger = of.ledger
    lines = [
        _line(of, kind_of_line, -quantity, kind)
        for kind_of_line, quantity in (
            (EntryKind.ADJUSTED, ledger.position),
            (EntryKind.FORGONE, ledger.ideal),
        )
        if quantity
    ]
    return Adjustment(kind, tuple(lines), ledger.position, ZERO, of.evidence) if lines else None


def multiplied(of: Adjusted, new: int, old: int) -> Adjustment | None:
    """A split, a consolidation, a bonus: `new` for every `old`, without fractions of a share."""
    ledger = of.ledger
    position = many_of(ledger.position, new, old)
    ideal = kept_part(ledger.ideal, Decimal(new), Decimal(old))
    lines = [
        _line(of, kind, quantity, AdjustmentKind.CORPORATE_ACTION)
        for kind, quantity in (
            (EntryKind.ADJUSTED, position - ledger.position),
            (EntryKind.IDEAL, EXACT.subtract(ideal, ledger.ideal)),
        )
        if quantity
    ]
    if not lines:
        return None
    kind = AdjustmentKind.CORPORATE_ACTION
    return Adjustment(kind, tuple(lines), ledger.position, position, of.evidence)


def many_of(quantity: Decimal, new: int, old: int) -> Decimal:
    """Whole shares, toward zero; multiplied before it is divided, so that a third of thirty is ten."""
    return lots_toward_zero(kept_part(quantity, Decimal(new), Decimal(old)), Decimal(1))


def renamed(of: Adjusted, key: InstrumentKey) -> Adjustment | None:
    """The instrument has another name: what is held and wanted goes over to it as it is."""
    ledger, kind = of.ledger, AdjustmentKind.CORPORATE_ACTION
    there = replace(of, key=key)
    lines = [
        line
        for entry_kind, quantity in (
            (EntryKind.ADJUSTED, ledger.position),
            (EntryKind.IDEAL, ledger.ideal),
        )
        if quantity
        for line in (_line(of, entry_kind, -quantity, kind), _line(there, entry_kind, quantity, kind))
    ]
    return Adjustment(kind, tuple(lines), ledger.position, ZERO, of.evidence) if lines else None


def set_by_hand(of: Adjusted, position: Decimal) -> Adjustment | None:
    """A person says what is held; from then on that much is wanted too."""
    ledger = of.ledger
    lines = [
        _line(of, kind, quantity, AdjustmentKind.MANUAL)
        for kind, quantity in (
            (EntryKind.ADJUSTED, position - ledger.position),
            (EntryKind.IDEAL, EXACT.subtract(position, ledger.ideal)),
        )
        if quantity
    ]
    if not lines:
        return None
    return Adjustment(AdjustmentKind.MANUAL, tuple(lines), ledger.position, position, of.evidence)


def _line(of: Adjusted, kind: EntryKind, quantity: Decimal, reason: AdjustmentKind) -> LedgerEntry:
    intent = Intent.EXIT if kind is EntryKind.ADJUSTED else Intent.ENTRY
    cause = f"{of.cause}:{reason.value}"
    return LedgerEntry(of.subscription_id, of.key, kind, intent, quantity, cause, reason.value)
