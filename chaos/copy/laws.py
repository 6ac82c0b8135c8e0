"""The laws of copying a leader who trades by orders, on the broker's books. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from chaos.verdict import Break, Ill

_NO_REASON = ("", "UNSPECIFIED")
_TOO_LATE = "trigger passed"
"""A stop that the market has passed by the time it is mirrored: no exchange takes it."""


@dataclass(frozen=True, slots=True)
class Follower:
    """`mirrors` copies orders; who does not, copies fills."""

    client: str
    ratio: Decimal
    mirrors: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """An order of the leader in the book; `most` is the largest quantity it ever had."""

    order_id: str
    symbol: str
    side: int
    most: int
    filled: int
    whole: bool
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class Booked:
    """An order of a follower in the book."""

    tag: str
    client: str
    symbol: str
    side: int
    quantity: int
    filled: int
    working: bool = False
    cancelled: bool = False
    rejected: str = ""
    modifications: int = 0
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class Traded:
    """A trade in the book, whoever made it."""

    client: str
    order_id: str
    trade: str
    symbol: str
    side: int
    quantity: int
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy order, as the platform tells it."""

    tag: str
    event: str
    client: str
    symbol: str
    side: int
    filled: int
    unsent: bool = False

    @property
    def leader_order(self) -> str:
        return _order_of(self.event)


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision, as the platform tells it; `acts` has orders, changes, or lines in the ledger."""

    event: str
    client: str
    skipped: bool = False
    reason: str = ""
    acts: bool = True


@dataclass(frozen=True, slots=True)
class Evidence:
    """`sides` says on which side of a symbol the leader stands, whenever he does."""

    leader: str
    sides: Mapping[str, int]
    followers: Sequence[Follower]
    asked: Sequence[Asked]
    booked: Sequence[Booked]
    trades: Sequence[Traded]
    copies: Sequence[Copy]
    decisions: Sequence[Decided]


def judge(evidence: Evidence) -> tuple[Break, ...]:
    return (
        *_orders(evidence),
        *_told(evidence),
        *_positions(evidence),
        *_entries(evidence),
        *_decisions(evidence),
    )


def _orders(evidence: Evidence) -> Iterator[Break]:
    """Every order has one plan, every plan one order or none, and all of them end."""
    planned = {copy.tag for copy in evidence.copies}
    seen: set[str] = set()
    for order in evidence.booked:
        where = {"tag": order.tag, "account": order.client, "symbol": order.symbol}
        if order.tag not in planned:
            yield Break(Ill.LAW_BREAK, "no order without a plan", where, order.at_ns)
        if order.tag in seen:
            yield Break(Ill.DUPLICATED, "one tag names one order at the broker", where, order.at_ns)
        seen.add(order.tag)
        if order.rejected and order.rejected != _TOO_LATE:
            refused = {**where, "why": order.rejected}
            yield Break(Ill.LAW_BREAK, "no copy is refused by the broker", refused, order.at_ns)
        if order.working:
            yield Break(Ill.UNSETTLED, "no copy is left open at the broker", where, order.at_ns)
    for copy in evidence.copies:
        if copy.tag not in seen and not copy.unsent:
            where = {"tag": copy.tag, "account": copy.client, "event": copy.event}
            yield Break(Ill.LOST, "a plan is at the broker, or was given up by name", where)


def _told(evidence: Evidence) -> Iterator[Break]:
    """What the platform says of a copy is what the book shows."""
    copies = {copy.tag: copy for copy in evidence.copies}
    for order in evidence.booked:
        copy = copies.get(order.tag)
        if copy is None:
            continue
        where = {"tag": order.tag, "account": order.client, "symbol": order.symbol}
        if (copy.client, copy.symbol, copy.side) != (order.client, order.symbol, order.side):
            yield Break(Ill.LAW_BREAK, "an order is placed as planned", where, order.at_ns)
        if copy.filled != order.filled:
            told: dict[str, object] = {**where, "book": order.filled, "told": copy.filled}
            yield Break(Ill.LAW_BREAK, "what a copy filled is told as the book shows it", told, order.at_ns)


def _positions(evidence: Evidence) -> Iterator[Break]:
    """In the order of the trades: flat is flat, and nobody ever stands on the other side."""
    held: Counter[tuple[str, str]] = Counter()
    turned: set[tuple[str, str]] = set()
    last: dict[tuple[str, str], int] = {}
    for trade in sorted(evidence.trades, key=lambda each: each.at_ns):
        key = trade.client, trade.symbol
        held[key] += trade.side * trade.quantity
        last[key] = trade.at_ns
        if held[key] * evidence.sides[trade.symbol] < 0 and key not in turned:
            turned.add(key)
            where = {"account": trade.client, "symbol": trade.symbol, "order": trade.order_id}
            yield Break(Ill.LAW_BREAK, "an exit never opens the other side", where, trade.at_ns)
    for (client, symbol), quantity in held.items():
        if quantity and client != evidence.leader and not held[evidence.leader, symbol]:
            still: dict[str, object] = {"account": client, "symbol": symbol, "held": quantity}
            yield Break(Ill.LAW_BREAK, "flat is flat", still, last[client, symbol])


def _entries(evidence: Evidence) -> Iterator[Break]:
    """Nobody enters more than his ratio of the order he copies; fills carry less than one lot over."""
    asked = {order.order_id: order for order in evidence.asked}
    followers = {each.client: each for each in evidence.followers}
    filled = {order.tag: order.filled for order in evidence.booked}
    entered: Counter[tuple[str, str]] = Counter()
    for copy in evidence.copies:
        order = asked.get(copy.leader_order)
        if order is not None and copy.side == order.side == evidence.sides[order.symbol]:
            entered[copy.client, order.order_id] += filled.get(copy.tag, 0)
    for (client, order_id), quantity in entered.items():
        who, order = followers[client], asked[order_id]
        carried = not who.mirrors
        if quantity > who.ratio * (order.filled if carried else order.most) + carried:
            where = {"account": client, "order": order_id, "entered": quantity, "ratio": str(who.ratio)}
            yield Break(Ill.LAW_BREAK, "nobody holds more than he copies", where, order.at_ns)


def _decisions(evidence: Evidence) -> Iterator[Break]:
    """Who copies fills decides each once; who mirrors decides about every order that filled whole."""
    made: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for each in evidence.decisions:
        made[each.client].update((_fact_of(each.event), _order_of(each.event)))
        if (each.skipped or not each.acts) and each.reason in _NO_REASON:
            where = {"event": each.event, "account": each.client}
            yield Break(Ill.SKIP_WITHOUT_REASON, "every decision that does nothing has its reason", where)
    fills = [(f"{t.order_id}:{t.trade}", t.at_ns) for t in evidence.trades if t.client == evidence.leader]
    whole = [(order.order_id, order.at_ns) for order in evidence.asked if order.whole and order.filled]
    for who in evidence.followers:
        yield from _undecided(who, whole if who.mirrors else fills, made[who.client])


def _undecided(who: Follower, facts: Iterable[tuple[str, int]], made: Counter[str]) -> Iterator[Break]:
    for fact, at_ns in facts:
        where = {"account": who.client, "of": fact}
        if not made[fact]:
            law = (
                "an order is decided for who mirrors"
                if who.mirrors
                else "a fill is decided for who copies it"
            )
            yield Break(Ill.LOST, law, where, at_ns)
        if made[fact] > 1 and not who.mirrors:
            yield Break(Ill.DUPLICATED, "one decision per fill and follower", where, at_ns)


def _order_of(event: str) -> str:
    """`broker:client:day:exchange:segment:order:…`; empty for what is no leader's event."""
    parts = event.split(":")
    return parts[5] if len(parts) > 6 else ""


def _fact_of(event: str) -> str:
    return ":".join(event.split(":")[5:7])
