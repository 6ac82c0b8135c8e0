"""The laws of risk, on the broker's books and on what the platform wrote. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from chaos.copy.laws import Booked, Traded
from chaos.verdict import Break, Ill

WARNING_LINE, LIQUIDATION_LINE = Decimal(50), Decimal(10)
_SLACK = Decimal(2)
"""Fills and moves of a tick: nothing is asked of a level so near to a line."""
_LIQUIDATION_ALERTS = ("LIQUIDATION_BEGUN", "LIQUIDATION_ENDED")


@dataclass(frozen=True, slots=True)
class Book:
    """What the broker shows of one account; `paid` is the average of what is held."""

    total: Decimal
    used: Decimal
    nets: Mapping[str, int] = field(default_factory=dict)
    paid: Mapping[str, Decimal] = field(default_factory=dict)
    working: frozenset[str] = frozenset()
    """Orders that are open."""

    def equity(self, prices: Mapping[str, Decimal]) -> Decimal:
        open_profit = (net * (prices[symbol] - self.paid[symbol]) for symbol, net in self.nets.items())
        return self.total + sum(open_profit, Decimal(0))

    def level(self, prices: Mapping[str, Decimal]) -> Decimal:
        return self.equity(prices) / self.used * 100 if self.used > 0 else Decimal("Infinity")


@dataclass(frozen=True, slots=True)
class Crossing:
    """The price of one house went against it; from the first move until all that followed was over."""

    house: int
    symbol: str
    leader: str
    followers: Sequence[str]
    others: Sequence[str]
    own: Mapping[str, int]
    """What who holds in the symbol beside what is copied."""
    before: Mapping[str, Book]
    after: Mapping[str, Book]
    prices: Sequence[Mapping[str, Decimal]]
    """One after the other; each stood until whoever was to be warned or flat was so, or too long."""
    began_ns: int
    ended_ns: int

    def level(self, client: str, step: int) -> Decimal:
        return self.before[client].level(self.prices[step])

    def falls(self, client: str) -> bool:
        return self.level(client, -1) <= LIQUIDATION_LINE - _SLACK

    @property
    def crew(self) -> tuple[str, ...]:
        return self.leader, *self.followers, *self.others


@dataclass(frozen=True, slots=True)
class Stand:
    """Where who stands whom nothing befell: at rest, in the symbol of the house."""

    symbol: str
    held: Mapping[str, int]
    due: Mapping[str, int]
    at_ns: int


@dataclass(frozen=True, slots=True)
class Vain:
    """What a house waited for until it gave up."""

    house: int
    words: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A liquidation as risk wrote it, and as the executor stored it; times 0 where that never was."""

    name: str
    client: str
    cause: str
    cause_id: str
    whole: bool
    wanted_ns: int
    stored_ns: int
    told: bool
    """With equity and prices, where the margin was the cause."""
    done: bool


@dataclass(frozen=True, slots=True)
class Row:
    """An order as the platform wrote it; `liquidation` is the name of the one that it is of."""

    tag: str
    client: str
    filled: int
    unsent: bool
    ended: bool
    liquidation: str = ""


@dataclass(frozen=True, slots=True)
class Alerted:
    client: str
    kind: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Evidence:
    crossings: Sequence[Crossing]
    stands: Sequence[Stand]
    sides: Mapping[str, int]
    booked: Sequence[Booked]
    """Orders that came through the broker's API."""
    trades: Sequence[Traded]
    """All of them."""
    wanted: Sequence[Wanted]
    rows: Sequence[Row]
    alerts: Sequence[Alerted]
    lied_to: frozenset[str] = frozenset()
    """To whom the broker lied about money: each lie may warn."""
    restless: Mapping[str, str] = field(default_factory=dict)
    """Accounts that are not calm at the end."""
    vain: Sequence[Vain] = ()
    nameless_skips: Sequence[str] = ()
    breaches: int = 0


def judge(evidence: Evidence) -> tuple[Break, ...]:
    return (
        *_orders(evidence),
        *(each for crossing in evidence.crossings for each in _crossing(evidence, crossing)),
        *_wanted(evidence),
        *_between(evidence),
        *_turned(evidence),
        *_stood(evidence),
        *_ends(evidence),
    )


def _orders(evidence: Evidence) -> Iterator[Break]:
    """One tag is one order, written before it arrives; what it filled is known."""
    rows = {row.tag: row for row in evidence.rows}
    stored = {each.name: each.stored_ns for each in evidence.wanted}
    seen: set[str] = set()
    for order in evidence.booked:
        where: dict[str, object] = {"tag": order.tag, "account": order.client, "symbol": order.symbol}
        row = rows.get(order.tag)
        if order.tag in seen:
            yield Break(Ill.DUPLICATED, "one tag names one order at the broker", where, order.at_ns)
        seen.add(order.tag)
        if row is None:
            yield Break(Ill.LAW_BREAK, "no order without a plan", where, order.at_ns)
            continue
        if row.liquidation and not 0 < stored.get(row.liquidation, 0) <= order.at_ns:
            where |= {"liquidation": row.liquidation}
            yield Break(Ill.LAW_BREAK, "a liquidation is stored before its first order", where, order.at_ns)
        if (row.client, row.filled) != (order.client, order.filled):
            where |= {"book": order.filled, "told": row.filled}
            yield Break(
                Ill.LAW_BREAK, "what an order filled is told as the book shows it", where, order.at_ns
            )
    for row in evidence.rows:
        where = {"tag": row.tag, "account": row.client}
        if row.tag not in seen and not row.unsent and row.ended:
            yield Break(Ill.LOST, "a plan is at the broker, or was given up by name", where)
        if not row.ended:
            yield Break(Ill.UNSETTLED, "every order comes to an end", where)


def _crossing(evidence: Evidence, of: Crossing) -> Iterator[Break]:
    wanted = [each for each in evidence.wanted if of.began_ns <= each.wanted_ns <= of.ended_ns]
    for client in of.crew:
        mine = [each for each in wanted if each.client == client]
        yield from _liquidated(of, client, mine, wanted)
        yield from _warned(evidence, of, client)
        yield from _position(evidence, of, client, whole=any(each.whole for each in mine))


def _liquidated(of: Crossing, client: str, mine: Sequence[Wanted], all_: Sequence[Wanted]) -> Iterator[Break]:
    """One for each crossing of the last line, one for each copy of whoever crossed it, and no other."""
    own = sum(each.cause == "MARGIN" and each.whole for each in mine)
    roots = {each.name for each in all_ if each.client == of.leader and each.cause == "MARGIN"}
    copied = sum(each.cause == "CASCADE" and not each.whole and each.cause_id in roots for each in mine)
    drawn_in = client in of.followers and of.falls(of.leader)
    most, least = int(of.falls(client)), int(of.falls(client) and not drawn_in)
    where: dict[str, object] = {"account": client, "own": own, "as a copy": copied, "others": 0}
    where |= {"level": str(of.level(client, -1)), "others": len(mine) - own - copied}
    if own < least or copied < drawn_in:
        law = "who crosses the last line is liquidated, and whoever follows him"
        yield Break(Ill.LOST, law, where, of.began_ns)
    if own > max(most, least) or copied > drawn_in or len(mine) > own + copied:
        law = "one crossing is one liquidation"
        if not (of.falls(client) or drawn_in):
            yield Break(Ill.LAW_BREAK, "nobody is liquidated who did not cross", where, of.began_ns)
        else:
            yield Break(Ill.DUPLICATED, law, where, of.began_ns)


def _warned(evidence: Evidence, of: Crossing, client: str) -> Iterator[Break]:
    """One warning for each crossing, where the level stood long enough to be seen."""
    if client in evidence.lied_to:
        return
    times = sum(
        each.client == client and each.kind == "WARNING" and of.began_ns <= each.at_ns <= of.ended_ns
        for each in evidence.alerts
    )
    levels = [of.level(client, step) for step in range(len(of.prices))]
    below = [level <= WARNING_LINE - _SLACK for level in levels]
    drawn_in = client in of.followers and of.falls(of.leader)
    held = below[:-1] if drawn_in else below
    least = int(any(held))
    most = int(min(levels) <= WARNING_LINE + _SLACK)
    where = {"account": client, "warnings": times, "levels": [str(round(level, 1)) for level in levels]}
    if times < least:
        yield Break(Ill.LOST, "who crosses the first line is warned", where, of.began_ns)
    if times > most:
        yield Break(Ill.DUPLICATED, "one crossing is one warning", where, of.began_ns)


def _position(evidence: Evidence, of: Crossing, client: str, *, whole: bool) -> Iterator[Break]:
    """Flat where it must be, and never beyond; nothing of it moved where it must not."""
    before, after = of.before[client], of.after[client]
    trades = [
        each for each in evidence.trades if each.client == client and of.began_ns <= each.at_ns <= of.ended_ns
    ]
    drawn_in = client in of.followers and of.falls(of.leader)
    where: dict[str, object] = {"account": client, "symbol": of.symbol}
    where |= {"before": dict(before.nets), "after": dict(after.nets)}
    if of.falls(client) and (whole or not drawn_in):
        if after.nets or after.working:
            where |= {"working": sorted(after.working)}
            yield Break(Ill.LAW_BREAK, "whoever had to be flat is flat", where, of.ended_ns)
        yield from _past(before, dict.fromkeys(before.nets, 0), trades)
        return
    due = dict(before.nets)
    if drawn_in:
        due[of.symbol] = of.own[client]
    if {key: net for key, net in due.items() if net} != dict(after.nets):
        law = "whoever had to be flat is flat" if drawn_in else "nobody else is touched"
        yield Break(Ill.LAW_BREAK, law, where, of.ended_ns)
    yield from _past(before, due, trades)
    if before.working - after.working:
        where |= {"gone": sorted(before.working - after.working)}
        yield Break(Ill.LAW_BREAK, "nobody else is touched", where, of.ended_ns)


def _past(before: Book, due: Mapping[str, int], trades: Sequence[Traded]) -> Iterator[Break]:
    """From what was held to what is due, without ever going back or beyond."""
    held = Counter(before.nets)
    told: set[str] = set()
    for trade in sorted(trades, key=lambda each: each.at_ns):
        was, goal = held[trade.symbol], due.get(trade.symbol, 0)
        held[trade.symbol] += trade.side * trade.quantity
        now = held[trade.symbol]
        if trade.symbol in told or min(was, goal) <= now <= max(was, goal):
            continue
        told.add(trade.symbol)
        where = {"account": trade.client, "symbol": trade.symbol, "order": trade.order_id}
        detail = {**where, "was": was, "became": now, "due": goal}
        touched = was == goal == before.nets.get(trade.symbol, 0)
        law = "nobody else is touched" if touched else "nobody is sold twice"
        yield Break(Ill.LAW_BREAK if touched else Ill.DUPLICATED, law, detail, trade.at_ns)


def _wanted(evidence: Evidence) -> Iterator[Break]:
    """Each was stored with its cause, came to its end, and was told once at either."""
    told = Counter((each.client, each.kind) for each in evidence.alerts if each.kind in _LIQUIDATION_ALERTS)
    wanted = Counter(each.client for each in evidence.wanted)
    for each in evidence.wanted:
        where = {"liquidation": each.name, "account": each.client}
        if not each.done:
            yield Break(Ill.UNSETTLED, "a liquidation comes to its end", where, each.wanted_ns)
        elif not each.told or not each.wanted_ns <= each.stored_ns:
            law = "a liquidation is stored with its cause, after it was wanted"
            yield Break(Ill.LAW_BREAK, law, where, each.wanted_ns)
    for client in sorted({*wanted, *(client for client, _ in told)}):
        for kind in _LIQUIDATION_ALERTS:
            count, times = told[client, kind], wanted[client]
            if count != times:
                where = {"account": client, "alert": kind, "told": str(count), "due": str(times)}
                ill = Ill.LOST if count < times else Ill.DUPLICATED
                yield Break(ill, "each liquidation is told once when it begins and once when it ends", where)


def _between(evidence: Evidence) -> Iterator[Break]:
    """Nothing of all this outside of crossings."""
    spans: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for crossing in evidence.crossings:
        for client in crossing.crew:
            spans[client].append((crossing.began_ns, crossing.ended_ns))

    def outside(client: str, at_ns: int) -> bool:
        return not any(began <= at_ns <= ended for began, ended in spans[client])

    for each in evidence.wanted:
        if outside(each.client, each.wanted_ns):
            where = {"liquidation": each.name, "account": each.client}
            yield Break(Ill.LAW_BREAK, "nobody is liquidated who did not cross", where, each.wanted_ns)
    for alert in evidence.alerts:
        if alert.kind != "WARNING" or alert.client in evidence.lied_to:
            continue
        if outside(alert.client, alert.at_ns):
            law = "nobody is warned who did not cross"
            yield Break(Ill.LAW_BREAK, law, {"account": alert.client}, alert.at_ns)


def _turned(evidence: Evidence) -> Iterator[Break]:
    """In the order of all trades, whoever made them: nobody ever stands on the other side."""
    held: Counter[tuple[str, str]] = Counter()
    turned: set[tuple[str, str]] = set()
    for trade in sorted(evidence.trades, key=lambda each: each.at_ns):
        key = trade.client, trade.symbol
        held[key] += trade.side * trade.quantity
        if held[key] * evidence.sides[trade.symbol] < 0 and key not in turned:
            turned.add(key)
            where = {"account": trade.client, "symbol": trade.symbol, "order": trade.order_id}
            yield Break(Ill.LAW_BREAK, "no position is turned over", where, trade.at_ns)


def _stood(evidence: Evidence) -> Iterator[Break]:
    """Whoever was let go on copies as before, and nothing that was liquidated comes back."""
    for stand in evidence.stands:
        for client, due in stand.due.items():
            if stand.held[client] != due:
                where = {"account": client, "symbol": stand.symbol, "held": stand.held[client], "due": due}
                yield Break(Ill.LAW_BREAK, "everyone else copies as before", where, stand.at_ns)


def _ends(evidence: Evidence) -> Iterator[Break]:
    for each in evidence.vain:
        where: dict[str, object] = {"house": each.house, "waited for": each.words}
        yield Break(Ill.UNSETTLED, "whatever follows is done in time", where, each.at_ns)
    for account, state in evidence.restless.items():
        where = {"account": account, "state": state}
        yield Break(Ill.UNSETTLED, "everyone is calm again in the end", where)
    for decision in evidence.nameless_skips:
        yield Break(Ill.SKIP_WITHOUT_REASON, "every skip has its reason", {"decision": decision})
    if evidence.breaches:
        yield Break(Ill.WINDOW_BREACHED, "the broker's limit windows are kept", times=evidence.breaches)
