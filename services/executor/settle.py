"""What news about copy orders comes to: pure, so that it can be decided inside a transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import structlog

from paceline.domain.copy_order import (
    CommandStatus,
    CopyCommand,
    CopyOrder,
    CopyStatus,
    Intent,
    OrderSpec,
)
from paceline.domain.copying.adjustments import Adjustment
from paceline.domain.copying.changes import OpenRow, commanded, growing
from paceline.domain.copying.fold import Folded, Resized, SurelyAbsent, Told, Withdrawn, fold_result
from paceline.domain.copying.strays import closed_by, oversold
from paceline.domain.copying.surplus import Correction, sell_surplus
from paceline.domain.ids import AccountId, CommandId, EventIdentity, InstrumentId, Offset, Partition, Tag
from paceline.domain.instrument import Instrument
from paceline.domain.ledger import Ledger, LedgerEntry
from paceline.domain.money import slippage_bps, slippage_money
from paceline.domain.order import BrokerStatus, Fill, OrderReport
from paceline.domain.order_states import TERMINAL, IllegalTransition
from paceline.ports.copy_commands import CommandResult
from paceline.ports.copy_orders import CopyFill, SendResult, StatusMove
from paceline.ports.plans import LedgerKey
from paceline.ports.settlement import Copies, Decided, Standing, StrayKey

_log = structlog.get_logger(__name__)

_SURPLUS_ALLOWANCE_BPS = Decimal(100)
_CENT = Decimal("0.01")
_NO_OFFSET = Offset(0)
_NOT_ACCEPTED = frozenset({BrokerStatus.IN_TRANSIT, BrokerStatus.REJECTED})
_STILL_OPEN = (CommandStatus.PLANNED, CommandStatus.UNKNOWN)


@dataclass(frozen=True, slots=True)
class News:
    """One thing learned about the order of one tag."""

    partition: Partition
    account_id: AccountId
    """Whose order it is, by whoever told; a stranger's order under one of our tags is not ours."""
    tag: Tag
    told: Told
    event: EventIdentity | None = None
    """The journaled fact it comes from; None where it is the answer to a request of ours."""
    offset: Offset = _NO_OFFSET
    attempts: int = 0
    sent_ns: int = 0
    code: str = ""
    words: str = ""
    change: CommandResult | None = None
    """What is written of the change that brought it about; nothing where the news cannot be."""


@dataclass(frozen=True, slots=True)
class StrayNews:
    """A fill of a follower's that no copy asked for."""

    partition: Partition
    account_id: AccountId
    fill: Fill
    event: EventIdentity
    offset: Offset


@dataclass(slots=True)
class Settling:
    """Folds news in its order onto what stands; `orders` is what stands afterwards, `changes` what became of
    those that were carried out.
    """

    news: Sequence[News | StrayNews]
    instruments: Mapping[InstrumentId, Instrument]
    now_ns: int
    orders: dict[Tag, CopyOrder] = field(default_factory=dict)
    changes: dict[CommandId, CommandResult] = field(default_factory=dict)
    _ledgers: dict[LedgerKey, Ledger] = field(default_factory=dict)
    _open: dict[LedgerKey, dict[Tag, OpenRow]] = field(default_factory=dict)
    _results: list[SendResult] = field(default_factory=list)
    _moves: list[tuple[Partition, StatusMove]] = field(default_factory=list)
    _fills: list[CopyFill] = field(default_factory=list)
    _lines: list[LedgerEntry] = field(default_factory=list)
    _specs: list[tuple[Tag, OrderSpec]] = field(default_factory=list)
    _traded: dict[LedgerKey, News] = field(default_factory=dict)
    """What may have filled more than is wanted."""
    _copies: dict[StrayKey, Copies] = field(default_factory=dict)
    _adjusted: list[tuple[AccountId, Adjustment]] = field(default_factory=list)
    _withdrawn: list[CopyCommand] = field(default_factory=list)

    def __call__(self, standing: Standing, stale: frozenset[Partition]) -> Decided:
        """May be called again when the transaction is tried again."""
        self._begin(standing)
        for news in self.news:
            if isinstance(news, StrayNews):
                if news.partition not in stale and not _told_before(news, standing):
                    self._take_down(news)
                continue
            order = self.orders.get(news.tag)
            if order is None or order.account_id != news.account_id:
                _log.warning("settle.not_our_order", account=news.account_id, tag=news.tag)
            elif news.partition not in stale and not _told_before(news, standing):
                self._learn(news, order)
        return Decided(
            self._results,
            self._moves,
            self._fills,
            self._lines,
            self._corrections(),
            self._specs,
            list(self.changes.values()),
            self._adjusted,
            self._withdrawn,
        )

    @property
    def fills(self) -> Sequence[CopyFill]:
        """Those that are new."""
        return self._fills

    def _begin(self, standing: Standing) -> None:
        self.orders = dict(standing.orders)
        self._ledgers = dict(standing.ledgers)
        self._open = {
            key: {row.tag: OpenRow(row, standing.commands.get(row.tag)) for row in rows}
            for key, rows in standing.open.items()
        }
        self._results, self._moves, self._fills, self._lines, self._specs = [], [], [], [], []
        self._traded, self.changes = {}, {}
        self._copies, self._adjusted, self._withdrawn = dict(standing.copies), [], []

    def _learn(self, news: News, order: CopyOrder) -> None:
        instrument = self.instruments.get(order.spec.key.instrument_id)
        if instrument is None:
            _log.error("settle.unknown_instrument", tag=order.tag, instrument=order.spec.key.instrument_id)
            return
        if _came_too_late(news, order):
            return
        key = ledger_key(order)
        ledger = self._ledgers.get(key, Ledger()) if key else Ledger()
        beside = _Beside.of(order, news.told, self._open.get(key, {}) if key else {})
        try:
            folded = _fold(order, news, ledger, instrument.lot, beside)
        except IllegalTransition as problem:
            _log.error("settle.illegal", tag=order.tag, problem=str(problem))
            return
        self._note(news, order, folded, instrument.multiplier)
        if news.change is not None:
            self.changes[news.change.command_id] = news.change
        if key:
            self._keep(key, news, folded)

    def _take_down(self, stray: StrayNews) -> None:
        """What he closed himself of the copies is no longer theirs, and no exit sells it any more."""
        fill, where = stray.fill, (stray.account_id, stray.fill.key)
        copies, instrument = self._copies.get(where), self.instruments.get(fill.key.instrument_id)
        if copies is None or instrument is None or fill.order_id in copies.placed:
            return
        held = {
            name: (self._ledgers.get((name, fill.key), Ledger()), policy)
            for name, policy in copies.policies.items()
        }
        closed = closed_by(fill, stray.event, held, copies.own, instrument.lot)
        self._copies[where] = replace(copies, own=closed.own)
        for name, adjustment in closed.adjustments.items():
            key = (name, fill.key)
            ledger = self._ledgers[key] = held[name][0].with_lines(adjustment.lines)
            self._lines.extend(adjustment.lines)
            self._adjusted.append((stray.account_id, adjustment))
            rows = self._open.get(key, {}).values()
            self._withdrawn.extend(oversold(name, stray.event, ledger, rows, self.now_ns))

    def _keep(self, key: LedgerKey, news: News, folded: Folded) -> None:
        self._ledgers[key] = folded.ledger
        self._lines.extend(folded.lines)
        order, rows = folded.order, self._open.setdefault(key, {})
        known = rows.pop(order.tag, OpenRow(order))
        if order.status not in TERMINAL:
            rows[order.tag] = OpenRow(order, _still_coming(known.command, news))
        mirrors = order.leader_order_id is not None
        if isinstance(news.told, Fill) and (order.intent is Intent.ENTRY or mirrors):
            self._traded[key] = news

    def _note(self, news: News, before: CopyOrder, folded: Folded, multiplier: Decimal) -> None:
        """What the row shall say. Lines go with the whole, so that they are written once."""
        after = self.orders[news.tag] = folded.order
        if after.spec != before.spec:
            self._specs.append((after.tag, after.spec))
        if news.event is None:
            self._results.append(_result(news, after, self.now_ns))
            return
        if isinstance(news.told, Fill):
            self._fills.append(_fill(news.event, news.told, before, multiplier))
        self._moves.append((news.partition, _move(news, after, multiplier, self.now_ns)))

    def _corrections(self) -> list[Correction]:
        """Where more is held than is wanted now, the rest is sold: late fills, lost cancels.

        A mirrored exit is asked too: what it sold ahead of its leader is forgone, and no longer wanted.
        """
        found = []
        for key, news in self._traded.items():
            order = self.orders[news.tag]
            instrument = self.instruments.get(order.spec.key.instrument_id)
            if instrument is None or news.event is None or not isinstance(news.told, Fill):
                continue
            correction = sell_surplus(
                order,
                news.event,
                self._ledgers[key],
                instrument,
                reference=news.told.price,
                allowance_bps=_SURPLUS_ALLOWANCE_BPS,
                now_ns=self.now_ns,
                leaving=commanded(self._open[key].values(), Intent.EXIT),
            )
            if correction is not None:
                found.append(correction)
        return found


def _came_too_late(news: News, order: CopyOrder) -> bool:
    """Only a row that was never sent is changed or taken back without the broker."""
    folds = news.change is not None and news.change.status is CommandStatus.FOLDED
    return folds and order.status is not CopyStatus.PLANNED


def _told_before(news: News | StrayNews, standing: Standing) -> bool:
    """A stretch of the journal that comes again after its commit's answer was lost tells nothing new."""
    return 0 < news.offset <= standing.done.get(news.partition, 0)


@dataclass(frozen=True, slots=True)
class _Beside:
    """What else is on its way in the same ledger when an order has news."""

    others: Sequence[CopyOrder]
    leaving: Decimal
    growing: Decimal

    @staticmethod
    def of(order: CopyOrder, told: Told, rows: Mapping[Tag, OpenRow]) -> "_Beside":
        others = [row for tag, row in rows.items() if tag != order.tag]
        mine = [_as_told(rows[order.tag], told)] if order.tag in rows else []
        return _Beside(
            [row.order for row in others], commanded(others, Intent.EXIT), growing([*others, *mine])
        )


def _as_told(row: OpenRow, told: Told) -> OpenRow:
    """What the news carries out of a change is on its way no more."""
    match told:
        case Resized():
            carried_out = row.command is not None and row.command.command_id == told.command_id
            spec, command = told.spec, None if carried_out else row.command
        case OrderReport() if told.quantity:
            spec, command = replace(row.order.spec, quantity=told.quantity), row.command
        case _:
            return row
    return OpenRow(replace(row.order, spec=spec), command)


def _still_coming(command: CopyCommand | None, news: News) -> CopyCommand | None:
    """What is carried out, or over, comes no more."""
    if command is None or news.change is None or news.change.command_id != command.command_id:
        return command
    return command if news.change.status in _STILL_OPEN else None


def _fold(order: CopyOrder, news: News, ledger: Ledger, lot: Decimal, beside: _Beside) -> Folded:
    """As `fold_result`; an entry that is surely not at the broker and wanted no more is taken back.

    What a change takes back was decided with the ledger, and is not judged again.
    """

    def fold(subject: CopyOrder, told: Told) -> Folded:
        return fold_result(subject, told, ledger, lot, beside.others, beside.leaving, beside.growing)

    if news.change is not None or not isinstance(news.told, SurelyAbsent):
        return fold(order, news.told)
    absent = fold(order, news.told)
    return fold(absent.order, Withdrawn()) if _unwanted(absent.order, ledger, lot) else absent


def _unwanted(order: CopyOrder, ledger: Ledger, lot: Decimal) -> bool:
    """All of it: less than the whole cannot be taken back, and is sold once it is filled."""
    entering = order.intent is Intent.ENTRY and order.subscription_id is not None
    return entering and ledger.unwanted(lot) * int(order.spec.side) >= order.spec.quantity - order.filled


def _accepted_ns(told: Told, now_ns: int) -> int | None:
    """When it was learned that the broker has it, where no answer of his said so first."""
    shown = isinstance(told, OrderReport) and told.status not in _NOT_ACCEPTED
    return now_ns if shown or isinstance(told, Fill) else None


def _move(news: News, after: CopyOrder, multiplier: Decimal, now_ns: int) -> StatusMove:
    told = news.told
    filled = isinstance(told, Fill)
    bps, money = slippage(after, after.average_price, after.filled, multiplier)
    return StatusMove(
        tag=after.tag,
        status=after.status,
        broker_order_id=after.broker_order_id,
        filled=after.filled if filled else None,
        average_price=after.average_price if filled else None,
        accepted_ns=_accepted_ns(told, now_ns),
        filled_ns=told.broker_time_ns if isinstance(told, Fill) else None,
        slippage_bps=bps if filled else None,
        slippage_money=money if filled else None,
        error_text=told.message if isinstance(told, OrderReport) and after.status in TERMINAL else "",
    )


def ledger_key(order: CopyOrder) -> LedgerKey | None:
    return (order.subscription_id, order.spec.key) if order.subscription_id is not None else None


def slippage(
    order: CopyOrder, price: Decimal, quantity: Decimal, multiplier: Decimal
) -> tuple[Decimal | None, Decimal | None]:
    """Signed difference to the leader's price, in basis points and money; positive is worse."""
    if order.leader_price <= 0 or price <= 0:
        return None, None
    side, leader = order.spec.side, order.leader_price
    return (
        slippage_bps(side, price, leader).quantize(_CENT),
        slippage_money(side, price, leader, quantity, multiplier),
    )


def _fill(event: EventIdentity, fill: Fill, order: CopyOrder, multiplier: Decimal) -> CopyFill:
    bps, money = slippage(order, fill.price, fill.quantity, multiplier)
    return CopyFill(
        order.tag, fill.trade_id, event, fill.quantity, fill.price, fill.broker_time_ns, bps, money, fill.fees
    )


def _result(news: News, after: CopyOrder, now_ns: int) -> SendResult:
    return SendResult(
        tag=after.tag,
        partition=news.partition,
        status=after.status,
        attempts=news.attempts,
        broker_order_id=after.broker_order_id,
        error_code=news.code,
        error_text=news.words,
        sent_ns=news.sent_ns or None,
        accepted_ns=_accepted_ns(news.told, now_ns),
    )
