"""What was planned, filled and released for one subscription and instrument key, and what should be held."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from enum import StrEnum

from paceline.domain.copy_order import Intent
from paceline.domain.ids import SubscriptionId
from paceline.domain.instrument import InstrumentKey
from paceline.domain.money import EXACT, ZERO, lots_toward_zero


class EntryKind(StrEnum):
    IDEAL = "IDEAL"
    """An exact change of what should be held: an eligible entry adds, an exit takes its fraction."""
    FORGONE = "FORGONE"
    """Quantity that leaves the ideal because it was skipped, rejected, expired, cancelled or capped."""
    PLANNED = "PLANNED"
    FILLED = "FILLED"
    RELEASED = "RELEASED"
    """Planned quantity that ended unfilled."""
    ADJUSTED = "ADJUSTED"
    """Square-off, expiry, corporate action, a person's hand; with evidence."""
    BUY_PLEDGED = "BUY_PLEDGED"
    """What mirrored orders of the leader may still buy, while they work: held or not, both is right."""
    SELL_PLEDGED = "SELL_PLEDGED"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One append-only line; quantities are signed in the direction of trading (buy positive)."""

    subscription_id: SubscriptionId
    key: InstrumentKey
    kind: EntryKind
    intent: Intent
    quantity: Decimal
    cause: str
    """Event identity, or tag and trade of the copy order that wrote the line; unique with kind and intent."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The fold of a ledger's lines."""

    ideal: Decimal = ZERO
    entry_planned: Decimal = ZERO
    entry_released: Decimal = ZERO
    entry_filled: Decimal = ZERO
    exit_planned: Decimal = ZERO
    exit_released: Decimal = ZERO
    exit_filled: Decimal = ZERO
    adjusted: Decimal = ZERO
    buy_pledged: Decimal = ZERO
    sell_pledged: Decimal = ZERO
    """Never above zero."""

    @property
    def position(self) -> Decimal:
        """What is copied and filled now, signed."""
        return self.entry_filled + self.exit_filled + self.adjusted

    @property
    def held(self) -> Decimal:
        """The position once every outstanding exit is filled: what a further exit is sized on."""
        return self.entry_filled + self.exit_planned - self.exit_released + self.adjusted

    @property
    def entries_working(self) -> Decimal:
        """Entry quantity at or on its way to the broker, signed."""
        return self.entry_planned - self.entry_released - self.entry_filled

    @property
    def exits_working(self) -> Decimal:
        return self.exit_planned - self.exit_released - self.exit_filled

    @property
    def idle(self) -> bool:
        """Nothing held, wanted or on its way."""
        wanted = self.ideal or self.buy_pledged or self.sell_pledged
        return not (wanted or self.position or self.entries_working or self.exits_working)

    def target(self, lot: Decimal) -> Decimal:
        """Whole lots of the ideal, toward zero; the ideal is zero when the leader is flat."""
        return lots_toward_zero(self.ideal, lot)

    def highest(self, lot: Decimal) -> Decimal:
        """The target once all that the leader's working orders may buy is bought."""
        return lots_toward_zero(self.ideal + self.buy_pledged, lot)

    def lowest(self, lot: Decimal) -> Decimal:
        """The target once all that they may sell is sold."""
        return lots_toward_zero(self.ideal + self.sell_pledged, lot)

    def needed(self, lot: Decimal) -> Decimal:
        """What must be held whatever the leader's working orders still do; signed as wanted."""
        if self.ideal > 0:
            return max(self.lowest(lot), ZERO)
        return min(self.highest(lot), ZERO)

    def surplus(self, lot: Decimal, leaving: Decimal = ZERO) -> Decimal:
        """What is held and not wanted, signed as held: an exit of it never opens the other side.

        `leaving` are the rests of exits that are being cancelled, signed: they will not take it down.
        """
        held = self.held - leaving
        return beyond(held, self.highest(lot) if held > 0 else self.lowest(lot))

    def missing(self, lot: Decimal, coming: Decimal, leaving: Decimal = ZERO) -> Decimal:
        """What is needed and neither held nor coming, signed as wanted.

        `coming` is what open entries toward it will still bring, signed: during a flip only their
        rows can tell, because the ledger's own sums net both directions. `leaving` is as for `surplus`.
        """
        needed = self.needed(lot)
        return beyond(needed, toward(needed, self.held - leaving) + coming)

    def unwanted(self, lot: Decimal, leaving: Decimal = ZERO) -> Decimal:
        """Working entries that the target no longer needs, signed: to be withdrawn or cancelled.

        `leaving` is what changes on their way will take off them, signed.
        """
        working = self.entries_working - leaving
        bound = self.highest(lot) if working > 0 else self.lowest(lot)
        return beyond(working, bound - toward(bound, self.held))

    def with_lines(self, lines: Iterable[LedgerEntry]) -> "Ledger":
        """Folding line by line gives what folding all lines at once gives."""
        sums: dict[str, Decimal] = {}
        for line in lines:
            name = _column(line)
            sums[name] = EXACT.add(sums[name] if name in sums else getattr(self, name), line.quantity)
        return replace(self, **sums) if sums else self


def fold(lines: Iterable[LedgerEntry]) -> Ledger:
    """The ledger from scratch."""
    return Ledger().with_lines(lines)


def beyond(quantity: Decimal, bound: Decimal) -> Decimal:
    """The part of a signed quantity that lies farther from zero than the bound on its side."""
    if quantity > 0:
        return max(quantity - max(bound, ZERO), ZERO)
    return min(quantity - min(bound, ZERO), ZERO)


def toward(direction: Decimal, quantity: Decimal) -> Decimal:
    """The quantity if it lies on the side of the direction, else zero."""
    return quantity if direction * quantity > 0 else ZERO


_COLUMNS = {
    (kind, intent): f"{intent.value}_{kind.value}".lower()
    for kind in (EntryKind.PLANNED, EntryKind.FILLED, EntryKind.RELEASED)
    for intent in Intent
} | {
    (kind, intent): column
    for kind, column in (
        (EntryKind.IDEAL, "ideal"),
        (EntryKind.FORGONE, "ideal"),
        (EntryKind.ADJUSTED, "adjusted"),
        (EntryKind.BUY_PLEDGED, "buy_pledged"),
        (EntryKind.SELL_PLEDGED, "sell_pledged"),
    )
    for intent in Intent
}
assert set(_COLUMNS.values()) == {field.name for field in fields(Ledger)}  # noqa: S101  # a wrong name must not wait for its first line


def _column(line: LedgerEntry) -> str:
    return _COLUMNS[line.kind, line.intent]
