"""What a session knows of its account, and what of all it is told is news.

Pure and synchronous: it is told, it answers, and the caller journals, reads books and sends.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from paceline.domain.calendar import NS_PER_S, trading_day
from paceline.domain.event import EventKind, Fact
from paceline.domain.facts import baseline_identity, fill_identity, material, order_identity
from paceline.domain.ids import AccountId, BrokerOrderId
from paceline.domain.instrument import Exchange, InstrumentKey, Segment
from paceline.domain.money import ZERO
from paceline.domain.order import BrokerStatus, Fill, OrderReport
from paceline.domain.position import PositionReport


class Verdict(StrEnum):
    NEWS = "NEWS"
    DUPLICATE = "DUPLICATE"
    STALE = "STALE"
    UNCLEAR = "UNCLEAR"
    """It contradicts what is known, and nothing says which is later: read the order."""


@dataclass(frozen=True, slots=True)
class NeedsRead:
    """Read this order from the broker and tell the answer as read."""

    order_id: BrokerOrderId


@dataclass(frozen=True, slots=True)
class NeedsTradeBook:
    """More of this order is filled than its trades add up to; they may be on their way, so ask later."""

    order_id: BrokerOrderId


@dataclass(frozen=True, slots=True)
class Observation:
    """The answer to one report: facts to journal in this order, and what to ask the broker for."""

    verdict: Verdict
    facts: tuple[Fact, ...] = ()
    needs: tuple[NeedsRead | NeedsTradeBook, ...] = ()


DUPLICATE = Observation(Verdict.DUPLICATE)
STALE = Observation(Verdict.STALE)


class OrderName(NamedTuple):
    """Order numbers are unique within a segment of an exchange, and may return on another day."""

    exchange: Exchange
    segment: Segment
    order_id: BrokerOrderId


@dataclass(slots=True)
class _Known:
    """The last known state of one order; `trades` are by number, also those older than the session."""

    day: date
    report: OrderReport | None
    revision: int
    trades: dict[str, Decimal]

    @property
    def traded(self) -> Decimal:
        return sum(self.trades.values(), ZERO)


_RANK = {BrokerStatus.IN_TRANSIT: 0, BrokerStatus.PENDING: 1}


def _rank(status: BrokerStatus) -> int:
    return _RANK.get(status, 2)


class Tracker:
    """One account's orders, fills and positions as last told.

    What it returns as a fact it counts as known: journal it, or throw the tracker away and restore another.
    `baseline_ns` is when the account's books were first taken as known, to be stored by the caller: what is
    older is not news. Without it nothing is too old, and a first connect should take a baseline.
    """

    def __init__(self, account_id: AccountId, baseline_ns: int | None = None) -> None:
        self.account_id = account_id
        self.baseline_ns = baseline_ns
        self._orders: dict[OrderName, _Known] = {}
        self._positions: dict[InstrumentKey, Decimal] = {}

    def restore(self, facts: Iterable[Fact]) -> None:
        """Take journaled facts as known, oldest first."""
        for fact in facts:
            if isinstance(fact.body, Fill):
                self._learn_fill(fact.body)
            elif isinstance(fact.body, OrderReport):
                self._learn_order(fact.body, fact.revision)
            else:
                self._positions[fact.body.key] = fact.body.quantity

    def observe(
        self,
        told: OrderReport | Fill | PositionReport,
        seen_ns: int,
        raw: bytes = b"",
        *,
        read: bool = False,
        recovered: bool = False,
    ) -> Observation:
        """Judge one report; `read` marks the answer to our own question, which decides a contradiction."""
        if isinstance(told, Fill):
            return self._fill(told, seen_ns, raw, recovered)
        if isinstance(told, OrderReport):
            return self._order(told, _Telling(seen_ns, raw, read, recovered))
        return self._position(told)

    def baseline(
        self,
        orders: Iterable[OrderReport],
        trades: Iterable[Fill],
        positions: Iterable[PositionReport],
        now_ns: int,
    ) -> tuple[Fact, ...]:
        """Of a first connect: everything in the books is known, and only what is held becomes a fact.

        The books must agree (read the trade book before and after the others, until it stays the same).
        """
        self.baseline_ns = now_ns
        for report in orders:
            self._learn_order(report, 0)
        for fill in trades:
            self._known(fill).trades[fill.trade_id] = fill.quantity
        return tuple(self._hold(position, now_ns) for position in positions if position.quantity)

    def recover(self, orders: Iterable[OrderReport], trades: Iterable[Fill], seen_ns: int) -> Observation:
        """Books against the known state: the difference in broker time order, marked recovered."""
        books: list[OrderReport | Fill] = [*orders, *trades]
        told = sorted(books, key=_chronology)
        answers = [self.observe(item, seen_ns, read=True, recovered=True) for item in told]
        facts = tuple(fact for answer in answers for fact in answer.facts)
        lacking = tuple(NeedsTradeBook(order_id) for order_id in self.lacking_trades())
        return Observation(Verdict.NEWS if facts else Verdict.DUPLICATE, facts, lacking)

    def lacking_trades(self) -> tuple[BrokerOrderId, ...]:
        """Orders of which more is filled than their known trades add up to."""
        return tuple(name.order_id for name, known in self._orders.items() if _lacks(known))

    def order(self, name: OrderName) -> OrderReport | None:
        known = self._orders.get(name)
        return known.report if known else None

    def position(self, key: InstrumentKey) -> Decimal:
        """Baseline and fills, signed."""
        return self._positions.get(key, ZERO)

    def forget_before(self, day: date) -> None:
        """Drop ended orders of earlier days; nothing will be told of them again."""
        gone = [name for name, known in self._orders.items() if known.day < day and _over(known)]
        for name in gone:
            del self._orders[name]

    def _fill(self, fill: Fill, seen_ns: int, raw: bytes, recovered: bool) -> Observation:
        known = self._known(fill)
        if fill.trade_id in known.trades:
            return DUPLICATE
        if self._older_than_session(fill.broker_time_ns):
            known.trades[fill.trade_id] = fill.quantity
            return STALE
        self._learn_fill(fill)
        identity = fill_identity(fill)
        fact = Fact(
            identity, self.account_id, EventKind.FILL, fill, fill.broker_time_ns, seen_ns, recovered, raw
        )
        return Observation(Verdict.NEWS, (fact,))

    def _order(self, report: OrderReport, telling: "_Telling") -> Observation:
        name = OrderName(report.exchange, report.segment, report.order_id)
        known = self._known(report)
        last = known.report
        if last is None and self._older_than_session(report.broker_time_ns):
            known.report = report
            return STALE
        verdict = Verdict.NEWS if last is None else judge(last, report, read=telling.read)
        if verdict is Verdict.UNCLEAR:
            return Observation(verdict, needs=(NeedsRead(name.order_id),))
        if verdict is Verdict.STALE:
            return STALE
        if verdict is Verdict.DUPLICATE:
            assert last is not None  # noqa: S101  # only a known state can be repeated
            known.report = _confirmed(last, report)
            return Observation(verdict, needs=_trade_need(known))
        return self._news(known, report, telling)

    def _news(self, known: _Known, report: OrderReport, telling: "_Telling") -> Observation:
        merged = report if known.report is None else _merged(known.report, report)
        newest = merged.broker_time_ns if known.report is None else known.report.broker_time_ns
        known.report = replace(merged, broker_time_ns=max(newest, merged.broker_time_ns))
        known.revision += 1
        fact = Fact(
            identity=order_identity(merged),
            account_id=self.account_id,
            kind=EventKind.ORDER,
            body=merged,
            broker_time_ns=merged.broker_time_ns,
            seen_ns=telling.seen_ns,
            recovered=telling.recovered,
            raw=telling.raw,
            revision=known.revision,
        )
        return Observation(Verdict.NEWS, (fact,), _trade_need(known))

    def _position(self, position: PositionReport) -> Observation:
        """Outside a baseline positions follow from fills: a report agrees with them, or is unclear."""
        agrees = position.quantity == self.position(position.key)
        return DUPLICATE if agrees else Observation(Verdict.UNCLEAR)

    def _hold(self, position: PositionReport, now_ns: int) -> Fact:
        self._positions[position.key] = position.quantity
        identity = baseline_identity(position, now_ns)
        return Fact(
            identity, self.account_id, EventKind.POSITION, position, now_ns, now_ns, recovered=True, raw=b""
        )

    def _known(self, told: OrderReport | Fill) -> _Known:
        name = OrderName(told.exchange, told.segment, told.order_id)
        day = trading_day(told.exchange, told.broker_time_ns)
        known = self._orders.get(name)
        if known is None or (known.day < day and _over(known)):
            known = self._orders[name] = _Known(day, None, 0, {})
        return known

    def _learn_fill(self, fill: Fill) -> None:
        self._known(fill).trades[fill.trade_id] = fill.quantity
        self._positions[fill.key] = self.position(fill.key) + fill.quantity * int(fill.side)

    def _learn_order(self, report: OrderReport, revision: int) -> None:
        known = self._known(report)
        known.report, known.revision = report, revision

    def _older_than_session(self, broker_time_ns: int) -> bool:
        """By whole seconds, because that is how finely brokers tell the time."""
        return self.baseline_ns is not None and broker_time_ns // NS_PER_S < self.baseline_ns // NS_PER_S


class _Telling(NamedTuple):
    """How a report came."""

    seen_ns: int
    raw: bytes
    read: bool
    recovered: bool


def judge(last: OrderReport, report: OrderReport, *, read: bool = False) -> Verdict:
    """A report against the last known state of its order.

    Broker time first; but neither the filled quantity nor an ended state ever goes back, so a report that is
    further in these is later, whatever its clock says (books stamp the order, sockets the change).
    """
    if material(last) == material(report):
        return Verdict.DUPLICATE
    ahead, behind = _progress(last, report)
    if report.broker_time_ns < last.broker_time_ns:
        further = report.filled > last.filled or (report.status.terminal and not last.status.terminal)
        return Verdict.NEWS if further and not behind else Verdict.STALE
    if behind:
        return Verdict.UNCLEAR if ahead and not read else Verdict.STALE
    if ahead or read:
        return Verdict.NEWS
    later = report.broker_time_ns > last.broker_time_ns
    return Verdict.NEWS if later and not last.status.terminal else Verdict.UNCLEAR


def _progress(last: OrderReport, report: OrderReport) -> tuple[bool, bool]:
    """Whether the report is ahead of, and behind, what is known in something that never goes back."""
    same_second = report.broker_time_ns == last.broker_time_ns
    filled = report.filled - last.filled
    rank = _rank(report.status) - _rank(last.status)
    back = rank < 0 and (same_second or last.status.terminal)
    return filled > 0 or rank > 0, filled < 0 or back


def _confirmed(last: OrderReport, report: OrderReport) -> OrderReport:
    """The same state told again: what was missing is filled in, the later time stands."""
    return replace(_merged(report, last), broker_time_ns=max(last.broker_time_ns, report.broker_time_ns))


def _merged(last: OrderReport, report: OrderReport) -> OrderReport:
    """A source that leaves a name out does not take it back."""
    return replace(
        report,
        tag=report.tag or last.tag,
        parent_id=report.parent_id or last.parent_id,
        exchange_order_id=report.exchange_order_id or last.exchange_order_id,
    )


def _trade_need(known: _Known) -> tuple[NeedsTradeBook, ...]:
    assert known.report is not None  # noqa: S101  # asked of reported orders only
    return (NeedsTradeBook(known.report.order_id),) if _lacks(known) else ()


def _lacks(known: _Known) -> bool:
    return known.report is not None and known.traded < known.report.filled


def _over(known: _Known) -> bool:
    return known.report is None or known.report.status.terminal


def _chronology(told: OrderReport | Fill) -> tuple[int, int, str, str]:
    """Within one second an order comes before its trades, and trades by number."""
    if isinstance(told, Fill):
        return (told.broker_time_ns, 1, told.order_id, told.trade_id)
    return (told.broker_time_ns, 0, told.order_id, "")
