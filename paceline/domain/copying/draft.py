"""A decision in the making about a mirrored order: lines, orders and changes, on a ledger that moves."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from paceline.domain.copy_order import CopyCommand, CopyOrder, Intent
from paceline.domain.copying.build import OrderShape, Origin, build, line
from paceline.domain.copying.changes import OpenRow, cancelled, commanded, modified
from paceline.domain.copying.decision import SizingInputs, SkipReason
from paceline.domain.copying.view import Copier
from paceline.domain.ids import BrokerOrderId, Tag
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry
from paceline.domain.money import EXACT, ZERO
from paceline.domain.trading import largest_order


@dataclass(slots=True)
class Draft:
    origin: Origin
    copier: Copier
    reason: SkipReason | None = None
    detail: str = ""
    sizing: SizingInputs | None = None
    orders: list[CopyOrder] = field(default_factory=list)
    forgone: SkipReason = SkipReason.COPY_ENDED
    """Why something is missing, where the decision finds that it is."""
    _sums: dict[tuple[EntryKind, Intent], Decimal] = field(default_factory=dict)
    _commands: dict[Tag, CopyCommand] = field(default_factory=dict)
    ledger: Ledger = field(init=False)
    """With all lines so far."""

    def __post_init__(self) -> None:
        self.ledger = self.copier.ledger

    @property
    def lines(self) -> tuple[LedgerEntry, ...]:
        """One for each kind and intent."""
        return tuple(
            line(self.origin, kind, intent, quantity, self.forgone if kind is EntryKind.FORGONE else "")
            for (kind, intent), quantity in self._sums.items()
            if quantity
        )

    @property
    def commands(self) -> tuple[CopyCommand, ...]:
        return tuple(self._commands.values())

    @property
    def rows(self) -> list[OpenRow]:
        """Everything on its way, as it shall be."""
        standing = [
            OpenRow(row.order, self._commands.get(row.order.tag, row.command))
            for row in self.copier.open_rows
        ]
        return standing + [OpenRow(order) for order in self.orders]

    @property
    def acts(self) -> bool:
        return bool(self.orders or self._commands or self.lines)

    def rows_of(self, leader_order: BrokerOrderId, intent: Intent) -> list[OpenRow]:
        """Copies of one order of the leader that are not being cancelled, oldest first."""
        return [
            row
            for row in self.rows
            if row.order.leader_order_id == leader_order and row.order.intent is intent and not row.leaving
        ]

    def held(self, aside: Collection[BrokerOrderId]) -> Decimal:
        """Once every exit is filled but those that rest with these orders of the leader; signed."""
        exits = (row for row in self.rows if row.order.intent is Intent.EXIT)
        staying = (
            row.order.rest if row.order.leader_order_id in aside else row.order.rest - row.coming
            for row in exits
        )
        return self.ledger.held - sum(staying, ZERO)

    def leaving(self, intent: Intent) -> Decimal:
        return commanded(self.rows, intent)

    def add(self, kind: EntryKind, intent: Intent, quantity: Decimal) -> None:
        self._sums[kind, intent] = EXACT.add(self._sums.get((kind, intent), ZERO), quantity)
        if quantity:
            self.ledger = self.ledger.with_lines([line(self.origin, kind, intent, quantity)])

    def set_ideal(self, ideal: Decimal, intent: Intent) -> None:
        self.add(EntryKind.IDEAL, intent, EXACT.subtract(ideal, self.ledger.ideal))

    def place(self, looks: OrderShape, quantity: Decimal, expires_ns: int = 0) -> None:
        """`quantity` is unsigned."""
        if quantity > 0:
            self.add(EntryKind.PLANNED, looks.intent, quantity * int(looks.side))
            self.orders += build(self.origin, looks, quantity, expires_ns)

    def command(self, commands: Iterable[CopyCommand]) -> None:
        self._commands |= {each.tag: each for each in commands}

    def cancel(self, rows: Iterable[OpenRow]) -> None:
        self.command(cancelled(self.origin, row.order) for row in rows)

    def reshape(self, rows: list[OpenRow], looks: OrderShape, coming: Decimal) -> Decimal:
        """Rows shall look like this and bring so much together, unsigned; what did not fit is returned."""
        left = coming
        for number, row in enumerate(rows):
            last = number == len(rows) - 1
            room = _room(row, looks) if last else abs(row.coming)
            part = min(left, room)
            left -= part
            if part <= 0:
                self.cancel([row])
                continue
            spec = looks.spec(self.origin.key, row.order.filled + part)
            if spec != row.spec:
                self.command([modified(self.origin, row.order, spec)])
        return left


def _room(row: OpenRow, looks: OrderShape) -> Decimal:
    """How much more one order may bring: as much as stays below the freeze quantity."""
    largest = largest_order(looks.instrument)
    return Decimal("Infinity") if largest is None else max(largest - row.order.filled, abs(row.coming))
