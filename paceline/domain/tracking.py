"""What a session knows of its account, and what of all it is told is news.

Pure and synchronous: it is told, it answers, and the caller journals, reads books and sends.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from paceline.domain.calendar import NS_PER_S, trading_day
from paceline.domain.event import EventKind, Fact
from paceline.domain.facts import (
    baseline_identity,
    difference_identity,
    fill_identity,
    material,
    order_identity,
    standing_identity,
)
from paceline.domain.holdings import Holdings
from paceline.domain.ids import AccountId, BrokerOrderId, EventIdentity, InstrumentId
from paceline.domain.instrument import Exchange, InstrumentKey, Segment
from paceline.domain.money import ZERO
from paceline.domain.order import Fill, OrderReport
from paceline.domain.position import PositionReport
from paceline.domain.revisions import LATE_MAX_NS, Verdict, confirmed, judge, merged, told_at
from paceline.domain.succession import in_order

_ANSWERS_ENOUGH = 2
"""So many readings that agree with what is known, and a contradiction is laid aside."""
_DOUBTS_MAX = 32
"""Of one order; the oldest give way."""
_SETTLE_NS = 5 * NS_PER_S


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


@dataclass(frozen=True, slots=True)
class Baseline:
    """When the books of an account were first taken as known, and the names of what stood in them.

    `known` is None where only the time was kept: then whatever is older by its second is not news.
    """

    taken_ns: int
    known: frozenset[str] | None = None


class OrderName(NamedTuple):
    """Order numbers are unique within a segment of an exchange, and may return on another day."""

    exchange: Exchange
    segment: Segment
    order_id: BrokerOrderId


class _Doubt(NamedTuple):
    """A state that was told and contradicts the known one; by a book it has no time of its own."""

    told_ns: int
    broker_time_ns: int | None


@dataclass(slots=True)
class _Known:
    """The last known state of one order; `trades` are by number, also those older than the session."""

    day: date
    report: OrderReport | None
    revision: int
    trades: dict[str, Decimal]
    key: InstrumentKey
    doubts: dict[tuple[object, ...], _Doubt] = field(default_factory=dict)
    answers: int = 0
    """Readings since the first doubt that agreed with what is known."""

    @property
    def traded(self) -> Decimal:
        return sum(self.trades.values(), ZERO)

    def doubt(self, report: OrderReport, telling: "_Telling") -> None:
        while len(self.doubts) >= _DOUBTS_MAX:
            del self.doubts[next(iter(self.doubts))]
        at_ns = None if telling.read else report.broker_time_ns
        self.doubts.setdefault(material(report), _Doubt(telling.seen_ns, at_ns))

    def agree(self) -> None:
        """A reading found nothing else than what is known."""
        self.answers += 1
        if self.answers >= _ANSWERS_ENOUGH:
            self.doubts.clear()
            self.answers = 0

    def settle(self, asked_ns: int | None) -> None:
        """Something became news: what was told before it was asked for is no longer in doubt."""
        kept = {} if asked_ns is None else {k: v for k, v in self.doubts.items() if v.told_ns >= asked_ns}
        self.doubts, self.answers = kept, 0


class Tracker:
    """One account's orders, fills and positions as last told.

    What it returns as a fact it counts as known: journal it, or throw the tracker away and restore another.
    `baseline` is what the caller stored of the first connect: what stood there is not news. Without it
    nothing is too old, and a first connect should take one.
    """

    def __init__(
        self, account_id: AccountId, baseline: Baseline | None = None, *, settle_ns: int = _SETTLE_NS
    ) -> None:
        self.account_id = account_id
        self.baseline_taken = baseline
        self._stood = _names(baseline)
        self._orders: dict[OrderName, _Known] = {}
        self._working: dict[OrderName, InstrumentId] = {}
        self._holdings = Holdings(account_id, settle_ns)

    def restore(self, facts: Iterable[Fact]) -> None:
        """Take journaled facts as known, oldest first."""
        for fact in facts:
            if isinstance(fact.body, Fill):
                self._learn_fill(fact.body)
            elif isinstance(fact.body, OrderReport):
                self._learn_order(fact.body, fact.revision)
            else:
                self._holdings.put(fact.body, trading_day(fact.body.exchange, fact.seen_ns))

    def observe(
        self,
        told: OrderReport | Fill | PositionReport,
        seen_ns: int,
        raw: bytes = b"",
        *,
        read: bool = False,
        recovered: bool = False,
        asked_ns: int | None = None,
    ) -> Observation:
        """Judge one report; `read` marks the answer to our own question, put at `asked_ns`."""
        if isinstance(told, Fill):
            return self._fill(told, seen_ns, raw, recovered)
        if isinstance(told, OrderReport):
            asked_ns = seen_ns if asked_ns is None else asked_ns
            return self._order(told, _Telling(seen_ns, raw, read, recovered, asked_ns))
        agrees = told.quantity == self.position(told.key)
        return DUPLICATE if agrees else Observation(Verdict.UNCLEAR)

    def baseline(
        self,
        orders: Collection[OrderReport],
        trades: Collection[Fill],
        positions: Iterable[PositionReport],
        now_ns: int,
    ) -> tuple[Fact, ...]:
        """Of a first connect: everything in the books is known, and only what is held becomes a fact.

        The books must agree (read the trade book before and after the others, until it stays the same).
        """
        names = [standing_identity(report) for report in orders] + [fill_identity(fill) for fill in trades]
        self.baseline_taken = Baseline(now_ns, frozenset(names))
        self._stood = _names(self.baseline_taken)
        for report in orders:
            self._learn_order(report, 0)
        for fill in trades:
            self._known(fill).trades[fill.trade_id] = fill.quantity
        held = [position for position in positions if position.quantity]
        for position in held:
            self._holdings.put(position, trading_day(position.exchange, now_ns))
        return tuple(self._position_fact(each, baseline_identity(each, now_ns), now_ns) for each in held)

    def recover(
        self,
        orders: Iterable[OrderReport],
        trades: Iterable[Fill],
        seen_ns: int,
        asked_ns: int | None = None,
    ) -> Observation:
        """Books against the known state: the difference in broker time order, marked recovered."""
        told = in_order(orders, trades)
        answers = [self.observe(item, seen_ns, read=True, recovered=True, asked_ns=asked_ns) for item in told]
        self._unmentioned({_name(item) for item in told if isinstance(item, OrderReport)})
        facts = tuple(fact for answer in answers for fact in answer.facts)
        lacking = tuple(NeedsTradeBook(order_id) for order_id in self.lacking_trades())
        return Observation(Verdict.NEWS if facts else Verdict.DUPLICATE, facts, lacking)

    def compare_positions(
        self, positions: Iterable[PositionReport], asked_ns: int, now_ns: int, *, whole: bool
    ) -> tuple[Fact, ...]:
        """The position book, read after `recover`: what no fill explains, once it stood for a while."""
        unsettled = frozenset(known.key for known in self._orders.values() if _lacks(known))
        found = self._holdings.compare(
            positions, whole=whole, unsettled=unsettled, asked_ns=asked_ns, now_ns=now_ns
        )
        for report in found:
            self._holdings.put(report, trading_day(report.exchange, now_ns))
        return tuple(self._position_fact(each, difference_identity(each, now_ns), now_ns) for each in found)

    def puzzled(self) -> bool:
        """Whether the books must be read again."""
        in_doubt = any(known.doubts or _lacks(known) for known in self._orders.values())
        return in_doubt or self._holdings.doubted()

    def lacking_trades(self) -> tuple[BrokerOrderId, ...]:
        """Orders of which more is filled than their known trades add up to."""
        return tuple(name.order_id for name, known in self._orders.items() if _lacks(known))

    def order(self, name: OrderName) -> OrderReport | None:
        known = self._orders.get(name)
        return known.report if known else None

    def position(self, key: InstrumentKey) -> Decimal:
        """Baseline and fills, signed."""
        return self._holdings.quantity(key)

    def at_work(self) -> frozenset[InstrumentId]:
        """What its working orders are about, and what it holds."""
        return self._holdings.held.union(self._working.values())

    def forget_before(self, day: date) -> None:
        """Drop ended orders of earlier days; nothing will be told of them again."""
        gone = [name for name, known in self._orders.items() if known.day < day and _over(known)]
        for name in gone:
            del self._orders[name]

    def _fill(self, fill: Fill, seen_ns: int, raw: bytes, recovered: bool) -> Observation:
        known = self._known(fill)
        if fill.trade_id in known.trades:
            return DUPLICATE
        if self._stood_before(fill, fill_identity(fill)):
            known.trades[fill.trade_id] = fill.quantity
            return STALE
        self._learn_fill(fill)
        identity = fill_identity(fill)
        fact = Fact(
            identity, self.account_id, EventKind.FILL, fill, fill.broker_time_ns, seen_ns, recovered, raw
        )
        return Observation(Verdict.NEWS, (fact,))

    def _order(self, report: OrderReport, telling: "_Telling") -> Observation:
        known = self._known(report)
        last = known.report
        if last is None:
            if self._stood_before(report, standing_identity(report)):
                self._put(known, report)
                return STALE
            return self._news(known, report, telling)
        verdict = judge(last, report, read=telling.read)
        if verdict is Verdict.UNCLEAR:
            return self._unclear(known, report, telling)
        if verdict is Verdict.STALE:
            return STALE
        if verdict is Verdict.DUPLICATE:
            known.report = confirmed(last, report)
            if telling.read and known.doubts:
                known.agree()
            return Observation(verdict, needs=_trade_need(known))
        return self._news(known, report, telling)

    def _unclear(self, known: _Known, report: OrderReport, telling: "_Telling") -> Observation:
        """What a reading says is believed when it was told before: by a frame, or by an earlier reading."""
        doubt = known.doubts.get(material(report)) if telling.read else None
        if doubt is None:
            known.doubt(report, telling)
            return Observation(Verdict.UNCLEAR, needs=(NeedsRead(report.order_id),))
        assert known.report is not None  # noqa: S101  # only a known state can be contradicted
        del known.doubts[material(report)]
        told_ns = doubt.broker_time_ns
        if told_ns is not None and told_ns < known.report.broker_time_ns - LATE_MAX_NS:
            known.report = replace(known.report, broker_time_ns=told_ns)  # his clock was put back
        return self._news(known, report, telling)

    def _news(self, known: _Known, report: OrderReport, telling: "_Telling") -> Observation:
        newest = report if known.report is None else merged(known.report, report)
        at_ns = newest.broker_time_ns if known.report is None else known.report.broker_time_ns
        self._put(known, told_at(newest, max(at_ns, newest.broker_time_ns)))
        known.revision += 1
        known.settle(telling.asked_ns if telling.read else None)
        fact = Fact(
            identity=order_identity(newest, known.revision),
            account_id=self.account_id,
            kind=EventKind.ORDER,
            body=newest,
            broker_time_ns=newest.broker_time_ns,
            seen_ns=telling.seen_ns,
            recovered=telling.recovered,
            raw=telling.raw,
            revision=known.revision,
        )
        return Observation(Verdict.NEWS, (fact,), _trade_need(known))

    def _unmentioned(self, told: set[OrderName]) -> None:
        """A book without the order in doubt is an answer too, or it would be asked for ever."""
        for name, known in self._orders.items():
            if known.doubts and name not in told:
                known.agree()

    def _position_fact(self, position: PositionReport, identity: EventIdentity, now_ns: int) -> Fact:
        return Fact(
            identity, self.account_id, EventKind.POSITION, position, now_ns, now_ns, recovered=True, raw=b""
        )

    def _known(self, told: OrderReport | Fill) -> _Known:
        name = _name(told)
        day = trading_day(told.exchange, told.broker_time_ns)
        known = self._orders.get(name)
        if known is None or (known.day < day and _over(known)):
            known = self._orders[name] = _Known(day, None, 0, {}, told.key)
        return known

    def _learn_fill(self, fill: Fill) -> None:
        self._known(fill).trades[fill.trade_id] = fill.quantity
        self._holdings.move(fill)

    def _learn_order(self, report: OrderReport, revision: int) -> None:
        known = self._known(report)
        known.revision = revision
        self._put(known, report)

    def _put(self, known: _Known, report: OrderReport) -> None:
        known.report = report
        if report.status.terminal:
            self._working.pop(_name(report), None)
        else:
            self._working[_name(report)] = report.key.instrument_id

    def _stood_before(self, told: OrderReport | Fill, name: EventIdentity) -> bool:
        """By name where the names were kept, because a broker's clock may be wrong; else by whole seconds,
        because that is how finely brokers tell the time.
        """
        baseline = self.baseline_taken
        if baseline is None:
            return False
        if baseline.known is None:
            return told.broker_time_ns // NS_PER_S < baseline.taken_ns // NS_PER_S
        place = _place(name)
        if place in self._stood:
            return self._stood[place] == name
        taken_on = trading_day(told.exchange, baseline.taken_ns)
        return trading_day(told.exchange, told.broker_time_ns) < taken_on


class _Telling(NamedTuple):
    """How a report came."""

    seen_ns: int
    raw: bytes
    read: bool
    recovered: bool
    asked_ns: int


def _name(told: OrderReport | Fill) -> OrderName:
    return OrderName(told.exchange, told.segment, told.order_id)


def _names(baseline: Baseline | None) -> dict[str, str]:
    """What stood in the books then, by the order or trade it is about."""
    return {_place(name): name for name in (baseline.known if baseline else None) or ()}


def _place(name: str) -> str:
    """An order is about the same whatever its state."""
    return name.partition(":stood:")[0]


def _trade_need(known: _Known) -> tuple[NeedsTradeBook, ...]:
    assert known.report is not None  # noqa: S101  # asked of reported orders only
    return (NeedsTradeBook(known.report.order_id),) if _lacks(known) else ()


def _lacks(known: _Known) -> bool:
    return known.report is not None and known.traded < known.report.filled


def _over(known: _Known) -> bool:
    return known.report is None or known.report.status.terminal
