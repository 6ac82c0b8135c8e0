"""What an account holds by its fills, and where the broker's position book says otherwise."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from paceline.domain.calendar import trading_day
from paceline.domain.ids import AccountId, InstrumentId
from paceline.domain.instrument import Exchange, InstrumentKey, Product, Segment
from paceline.domain.money import ZERO
from paceline.domain.order import Fill
from paceline.domain.position import PositionReport

_DELIVERED = frozenset({Product.CNC, Product.MTF})
"""Over night these leave the position book and stand among the holdings."""


@dataclass(slots=True)
class _Line:
    """`carried` was held when `day` began; `moves` counts what moved it."""

    exchange: Exchange
    segment: Segment
    quantity: Decimal
    carried: Decimal
    day: date
    moves: int = 0


class _Doubt(NamedTuple):
    """By how much the book differed, and what was known then."""

    excess: Decimal
    moves: int
    since_ns: int


class Holdings:
    """Signed quantities by key: fills move them, reports set them.

    A difference is believed when a second reading, `settle_ns` later, shows the same one and nothing moved
    the key between: a trade may stand in the position book before any frame or trade book tells of it.
    """

    def __init__(self, account_id: AccountId, settle_ns: int) -> None:
        self._account_id = account_id
        self._settle_ns = settle_ns
        self._lines: dict[InstrumentKey, _Line] = {}
        self._doubts: dict[InstrumentKey, _Doubt] = {}
        self._held: frozenset[InstrumentId] | None = None

    @property
    def held(self) -> frozenset[InstrumentId]:
        """Of which there is any, in whatever product; asked far more often than it changes."""
        if self._held is None:
            self._held = frozenset(key.instrument_id for key, line in self._lines.items() if line.quantity)
        return self._held

    def quantity(self, key: InstrumentKey) -> Decimal:
        line = self._lines.get(key)
        return line.quantity if line else ZERO

    def doubted(self) -> bool:
        """Whether the book must be read again."""
        return bool(self._doubts)

    def move(self, fill: Fill) -> None:
        day = trading_day(fill.exchange, fill.broker_time_ns)
        line = self._line(fill.key, fill.exchange, fill.segment, day)
        traded = fill.quantity * int(fill.side)
        line.quantity += traded
        if day < line.day:
            line.carried += traded
        line.moves += 1
        self._held = None

    def put(self, report: PositionReport, day: date) -> None:
        """Make it what was reported; for delivery the report says all that is held, carried or not."""
        line = self._line(report.key, report.exchange, report.segment, day)
        line.quantity = report.quantity
        self._held = None

    def compare(
        self,
        book: Iterable[PositionReport],
        *,
        whole: bool,
        unsettled: frozenset[InstrumentKey],
        asked_ns: int,
        now_ns: int,
    ) -> tuple[PositionReport, ...]:
        """What the book shows and fills do not explain, as reports of all that is then held.

        Absence counts in a `whole` book alone; `unsettled` keys have trades that are known to be missing.
        """
        told = _summed(book)
        if whole:
            told = {**self._flat(), **told}
        differing = {key: report for key, report in told.items() if self._excess(report, now_ns)}
        self._doubts = {key: doubt for key, doubt in self._doubts.items() if key in differing}
        found: list[PositionReport] = []
        for key, report in differing.items():
            if key not in unsettled and self._stands(report, asked_ns, now_ns):
                del self._doubts[key]
                found.append(replace(report, quantity=self.quantity(key) + self._excess(report, now_ns)))
        return tuple(found)

    def _stands(self, report: PositionReport, asked_ns: int, now_ns: int) -> bool:
        line = self._lines.get(report.key)
        seen = _Doubt(self._excess(report, now_ns), line.moves if line else 0, now_ns)
        before = self._doubts.get(report.key)
        if before is None or before[:2] != seen[:2]:
            self._doubts[report.key] = seen
            return False
        return asked_ns - before.since_ns >= self._settle_ns

    def _excess(self, report: PositionReport, now_ns: int) -> Decimal:
        """How much more the book shows than is known."""
        line = self._lines.get(report.key)
        if line is None:
            return report.quantity
        if report.quantity == line.quantity - line.carried and report.key.product in _DELIVERED:
            return ZERO  # also of a book that was not begun anew this morning
        return report.quantity - _shown(line, report.key, now_ns)

    def _flat(self) -> dict[InstrumentKey, PositionReport]:
        """What a book says of a key by leaving it out."""
        return {
            key: PositionReport(self._account_id, key, line.exchange, line.segment, ZERO, ZERO)
            for key, line in self._lines.items()
        }

    def _line(self, key: InstrumentKey, exchange: Exchange, segment: Segment, day: date) -> _Line:
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line(exchange, segment, ZERO, ZERO, day)
        if line.day < day:
            line.carried, line.day = line.quantity, day
        return line


def _shown(line: _Line, key: InstrumentKey, now_ns: int) -> Decimal:
    """What a position book should show of it: of delivery, what today's trades made of it."""
    if key.product not in _DELIVERED:
        return line.quantity
    began_today = line.day >= trading_day(line.exchange, now_ns)
    return line.quantity - line.carried if began_today else ZERO


def _summed(book: Iterable[PositionReport]) -> dict[InstrumentKey, PositionReport]:
    summed: dict[InstrumentKey, PositionReport] = {}
    for row in book:
        seen = summed.get(row.key)
        summed[row.key] = row if seen is None else replace(row, quantity=row.quantity + seen.quantity)
    return summed
