"""How one liquidation stands: its rows, then the order book, then the position book, read in this order."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from paceline.domain.calendar import Calendar
from paceline.domain.copy_order import CauseKind, CopyOrder, CopyStatus, Intent
from paceline.domain.day_end import net_of
from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId, BrokerOrderId, Tag
from paceline.domain.instrument import InstrumentKey
from paceline.domain.liquidation import (
    Liquidation,
    LiquidationLevel,
    Market,
    View,
    bounded,
    covers,
    to_flatten,
)
from paceline.domain.money import ZERO
from paceline.domain.order import OrderReport
from paceline.domain.order_states import TERMINAL
from paceline.ports.clock import Clock
from paceline.ports.copy_orders import CopyRow
from paceline.ports.liquidations import Ledgers, Liquidations
from services.executor.grouped import Grouped
from services.executor.hands import Hands
from services.executor.lots import Lots

_NOT_SEEN = frozenset({CopyStatus.PLANNED, CopyStatus.UNKNOWN})
_SECOND_NS = 1_000_000_000
"""Brokers stamp orders with whole seconds."""
_AT_ONCE = 100
"""Accounts in one statement."""


@dataclass(slots=True)
class Memory:
    """What one liquidation saw before; nothing of it must outlive the process."""

    since_ns: int | None
    """Where it goes on after somebody else: whatever moved before this moment is not known."""
    moved_ns: dict[InstrumentKey, int] = field(default_factory=dict)
    """By the monotonic clock: when something last was seen to move in a key."""
    touched_ns: dict[Tag, int] = field(default_factory=dict)
    looks: dict[InstrumentKey, frozenset[tuple[object, ...]]] | None = None

    def unsure(
        self, keys: Sequence[InstrumentKey], asked_ns: int, settle_ns: int
    ) -> frozenset[InstrumentKey]:
        """A position book may lag; of these it was asked too early."""
        early = {key: self.moved_ns.get(key, self.since_ns) for key in keys}
        return frozenset(key for key, at in early.items() if at is not None and asked_ns - at < settle_ns)


@dataclass(frozen=True, slots=True)
class Sight:
    """A view, with what is to be cancelled and what the book says of rows that do not know it."""

    view: View
    cancels: Sequence[OrderReport] = ()
    """At the broker, whoever placed them."""
    withdrawals: Sequence[CopyOrder] = ()
    """Copies, which are taken back as copies are."""
    ended: Sequence[tuple[CopyRow, OrderReport]] = ()
    asked_ns: int = 0
    """When the position book was asked for, by the monotonic clock; 0 where it was not."""


class Unreadable(Unavailable):
    """A book with rows that cannot be read proves nothing."""


class Sights:
    """What many ask of the tables in one moment is read at once."""

    def __init__(
        self,
        liquidations: Liquidations,
        hands: Hands,
        lots: Lots,
        calendar: Calendar,
        clock: Clock,
        settle_ns: int,
        chase_ns: int,
    ) -> None:
        self._hands = hands
        self._lots = lots
        self._calendar = calendar
        self._clock = clock
        self._settle_ns = settle_ns
        self._chase_ns = chase_ns
        self._rows: Grouped[Liquidation, Sequence[CopyRow]] = Grouped(liquidations.rows, _AT_ONCE)
        self._ledgers: Grouped[AccountId, Ledgers] = Grouped(liquidations.ledgers, _AT_ONCE)

    async def look(self, of: Liquidation, memory: Memory) -> Sight:
        """Raises a `BrokerError`, or `Unavailable`."""
        rows = await self._rows.ask(of)
        book = await self._hands.orders(of.account_id)
        if book.malformed:
            raise Unreadable(f"{len(book.malformed)} rows of the order book cannot be read")
        mine = [row.order for row in rows if _belongs(row.order, of)]
        self._remember(memory, mine, book.reports)
        others = [row.order for row in rows if not _belongs(row.order, of)]
        cancels, withdrawals = _in_the_way(of, mine, others, book.reports)
        unsettled = [each for each in _concerned(of, others) if each.status in _NOT_SEEN]
        ended = _ended(rows, book.reports)
        own = {order.tag: order.broker_order_id for order in mine}
        shown = {Tag(each.tag): each for each in book.reports if _is_own(each, own)}
        view = View(
            now_ns=self._clock.now_ns(),
            level=of.level,
            mine=mine,
            book={order.tag: shown[order.tag] for order in mine if order.tag in shown},
            others=len(cancels) + len(withdrawals),
            unsettled=len({each.tag for each in unsettled} - {each.tag for each in withdrawals}),
        )
        if view.others or view.unsettled or of.level is not LiquidationLevel.FLATTEN:
            return Sight(view, cancels, withdrawals, ended)
        return await self._with_positions(of, memory, view, others, ended)

    async def _with_positions(
        self,
        of: Liquidation,
        memory: Memory,
        view: View,
        others: Sequence[CopyOrder],
        ended: Sequence[tuple[CopyRow, OrderReport]],
    ) -> Sight:
        asked_ns = self._clock.monotonic_ns()
        book = await self._hands.positions(of.account_id)
        if book.malformed:
            raise Unreadable(f"{len(book.malformed)} rows of the position book cannot be read")
        net = net_of((report.key, report.quantity) for report in book.reports)
        held = to_flatten(net) if of.whole else await self._copied(of, net, others)
        keys = list(held.keys() | {order.spec.key for order in view.mine if order.status not in TERMINAL})
        markets = await self._markets(of, keys)
        whole = View(
            now_ns=self._clock.now_ns(),
            level=view.level,
            mine=view.mine,
            book=view.book,
            held=held,
            unsure=memory.unsure(keys, asked_ns, self._settle_ns),
            markets=markets,
            touched_ns=memory.touched_ns,
            chase_ns=self._chase_ns,
        )
        return Sight(whole, ended=ended, asked_ns=asked_ns)

    async def _copied(
        self, of: Liquidation, net: Mapping[InstrumentKey, Decimal], others: Sequence[CopyOrder]
    ) -> dict[InstrumentKey, Decimal]:
        """What its ledgers hold and the broker still shows, less what others are about to sell of it."""
        held: dict[InstrumentKey, Decimal] = {}
        for (name, key), ledger in (await self._ledgers.ask(of.account_id)).items():
            if not covers(of, name, key) or not ledger.position:
                continue
            leaving = sum((each.rest for each in others if _exits_in(each, key)), ZERO)
            left = net.get(key, ZERO) + leaving
            if part := bounded(ledger.position, left):
                held[key] = part
        return held

    async def _markets(self, of: Liquidation, keys: Sequence[InstrumentKey]) -> dict[InstrumentKey, Market]:
        ids = {key.instrument_id for key in keys}
        if not ids:
            return {}
        instruments = await self._lots.of(ids)
        now_ns = self._clock.now_ns()
        trading = {each for each in instruments if self._calendar.trades(instruments[each], now_ns)}
        prices = await self._hands.fresh(of.account_id, trading) if trading else {}
        markets: dict[InstrumentKey, Market] = {}
        for key in keys:
            price = prices.get(key.instrument_id)
            markets[key] = Market(
                instruments.get(key.instrument_id),
                key.instrument_id in trading,
                price.last if price else None,
                price.bid if price else None,
                price.ask if price else None,
            )
        return markets

    def _remember(self, memory: Memory, mine: Sequence[CopyOrder], reports: Sequence[OrderReport]) -> None:
        """What differs from the last look moved a moment ago; at the first, what the broker's time says."""
        now_ns, wall_ns = self._clock.monotonic_ns(), self._clock.now_ns()
        looks: defaultdict[InstrumentKey, set[tuple[object, ...]]] = defaultdict(set)
        for report in reports:
            looks[report.key].add((report.order_id, report.status, report.filled))
        for order in mine:
            looks[order.spec.key].add((order.tag, order.status, order.filled))
        seen = {key: frozenset(each) for key, each in looks.items()}
        if memory.looks is None:
            late = {
                report.key
                for report in reports
                if wall_ns - report.broker_time_ns < self._settle_ns + _SECOND_NS
            }
        else:
            late = {key for key, each in seen.items() if memory.looks.get(key) != each}
        memory.moved_ns.update(dict.fromkeys(late, now_ns))
        memory.looks = seen


def _in_the_way(
    of: Liquidation,
    mine: Sequence[CopyOrder],
    others: Sequence[CopyOrder],
    reports: Sequence[OrderReport],
) -> tuple[list[OrderReport], list[CopyOrder]]:
    if not of.whole:
        return [], list(_concerned(of, others))
    own = {order.tag: order.broker_order_id for order in mine}
    standing = [each for each in reports if not each.status.terminal and not _is_own(each, own)]
    if of.level is LiquidationLevel.CANCEL_WORKING:
        entries = {each.tag for each in _concerned(of, others)}
        standing = [each for each in standing if each.tag in entries]
    return standing, []


def _is_own(report: OrderReport, own: Mapping[Tag, BrokerOrderId | None]) -> bool:
    """Of two orders under one tag the row names one; the other is in the way."""
    tag = Tag(report.tag)
    return tag in own and own[tag] in (None, report.order_id)


def _belongs(order: CopyOrder, of: Liquidation) -> bool:
    return order.cause.kind is CauseKind.LIQUIDATION and order.cause.identity.startswith(of.prefix)


def _concerned(of: Liquidation, others: Sequence[CopyOrder]) -> Sequence[CopyOrder]:
    """Its scope; short of flattening only what enters is in the way."""
    return [
        each
        for each in others
        if covers(of, each.subscription_id, each.spec.key)
        and (of.level is LiquidationLevel.FLATTEN or each.intent is Intent.ENTRY)
    ]


def _ended(rows: Sequence[CopyRow], reports: Sequence[OrderReport]) -> list[tuple[CopyRow, OrderReport]]:
    """Rows that still work by all they were told, and have ended by the book: a socket may be silent."""
    over = {each.tag: each for each in reports if each.tag and each.status.terminal}
    return [
        (row, over[row.order.tag])
        for row in rows
        if row.order.status in (CopyStatus.WORKING, CopyStatus.PARTIAL) and row.order.tag in over
    ]


def _exits_in(order: CopyOrder, key: InstrumentKey) -> bool:
    return order.intent is Intent.EXIT and order.spec.key == key
