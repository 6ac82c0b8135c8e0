"""The broker's books against the journal and against what a consumer was streamed. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, TypeVar

from chaos.verdict import Break, Ill
from paceline.domain.event import Event
from paceline.domain.ids import Partition
from paceline.domain.order import BrokerStatus, Fill, OrderReport, OrderType

B = TypeVar("B", Fill, OrderReport)

_STATUSES = {
    1: BrokerStatus.CANCELLED,
    2: BrokerStatus.TRADED,
    4: BrokerStatus.IN_TRANSIT,
    5: BrokerStatus.REJECTED,
    6: BrokerStatus.PENDING,
    7: BrokerStatus.EXPIRED,
}
_TYPES = {1: OrderType.LIMIT, 2: OrderType.MARKET, 3: OrderType.STOP, 4: OrderType.STOP_LIMIT}


class FillName(NamedTuple):
    client: str
    order: str
    trade: str


@dataclass(frozen=True, slots=True)
class BookedTrade:
    """One trade as the broker has it."""

    name: FillName
    symbol: str
    side: int
    quantity: Decimal
    price: Decimal
    at_ns: int


class OrderState(NamedTuple):
    """What an order came to, in words that both sides can say."""

    status: BrokerStatus
    type: OrderType
    quantity: Decimal
    filled: Decimal
    limit: Decimal
    stop: Decimal


@dataclass(frozen=True, slots=True)
class BookedOrder:
    client: str
    order: str
    state: OrderState
    at_ns: int


@dataclass(frozen=True, slots=True)
class Received:
    offset: int
    identity: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """`events` in order of offset within each partition; `received` as the consumer got them."""

    trades: Sequence[BookedTrade]
    orders: Sequence[BookedOrder]
    events: Mapping[Partition, Sequence[Event]]
    heads: Mapping[Partition, int]
    received: Mapping[Partition, Sequence[Received]]
    restless: Mapping[str, str] = field(default_factory=dict)
    """Sessions that are not live, with their state."""
    dead_letters: Sequence[str] = ()
    breaches: int = 0


def judge(evidence: Evidence) -> tuple[Break, ...]:
    return (
        *_fills(evidence),
        *_orders(evidence),
        *_numbers(evidence),
        *_histories(evidence),
        *_streamed(evidence),
        *_ends(evidence),
    )


def _fills(evidence: Evidence) -> Iterator[Break]:
    """Every trade is one event, and every event one trade."""
    told: defaultdict[FillName, list[Event]] = defaultdict(list)
    for event, fill in _bodies(evidence, Fill):
        told[FillName(_client(fill.account_id), fill.order_id, fill.trade_id)].append(event)
    for trade in evidence.trades:
        events = told.pop(trade.name, [])
        where = trade.name._asdict() | {"symbol": trade.symbol, "quantity": str(trade.quantity)}
        if not events:
            yield Break(Ill.LOST, "a trade is an event", where, trade.at_ns)
        for event in events[1:]:
            law = "a trade is one event"
            yield Break(Ill.DUPLICATED, law, where | {"identity": event.fact.identity}, trade.at_ns)
        for event in events:
            body = event.fact.body
            if isinstance(body, Fill) and _told(body) != _booked(trade):
                law = "a fill is told as it was traded"
                yield Break(Ill.LAW_BREAK, law, where | {"told": str(body)}, trade.at_ns)
    for name, events in told.items():
        where = name._asdict() | {"identity": events[0].fact.identity}
        at_ns = events[0].fact.broker_time_ns
        yield Break(Ill.DUPLICATED, "a fill that the broker never made", where, at_ns, times=len(events))


def _orders(evidence: Evidence) -> Iterator[Break]:
    """The last that the journal says of an order is what the book says."""
    last: dict[tuple[str, str], tuple[Event, OrderReport]] = {}
    for event, report in _bodies(evidence, OrderReport):
        name = (_client(report.account_id), report.order_id)
        if name not in last or last[name][0].offset < event.offset:
            last[name] = (event, report)
    for order in evidence.orders:
        found = last.get((order.client, order.order))
        where: dict[str, object] = {"client": order.client, "order": order.order}
        where["book"] = _said(order.state)
        if found is None:
            yield Break(Ill.LOST, "an order is an event", where, order.at_ns)
        elif (state := _state(found[1])) != order.state:
            where |= {"journal": _said(state), "identity": found[0].fact.identity}
            yield Break(Ill.LAW_BREAK, "the last event of an order is its state", where, order.at_ns)


def _numbers(evidence: Evidence) -> Iterator[Break]:
    """Offsets per partition and sequences per account count from one, without holes."""
    sequences: defaultdict[str, list[int]] = defaultdict(list)
    for partition, events in evidence.events.items():
        offsets = [event.offset for event in events]
        if offsets != list(range(1, evidence.heads.get(partition, 0) + 1)):
            where = {"partition": partition, "head": evidence.heads.get(partition, 0), **_gap(offsets)}
            yield Break(Ill.LAW_BREAK, "offsets have no holes", where)
        for event in events:
            sequences[event.fact.account_id].append(event.sequence)
    for account, numbers in sequences.items():
        if numbers != list(range(1, len(numbers) + 1)):
            law = "sequences of an account have no holes and follow the offsets"
            yield Break(Ill.LAW_BREAK, law, {"account": account, **_gap(numbers)})


def _histories(evidence: Evidence) -> Iterator[Break]:
    """The events of one order never go back."""
    last: dict[tuple[str, str], tuple[Event, OrderReport]] = {}
    for event, report in _bodies(evidence, OrderReport):
        name = (report.account_id, report.order_id)
        before, last[name] = last.get(name), (event, report)
        if before is None or not _goes_back(before, (event, report)):
            continue
        where = {
            "account": report.account_id,
            "order": report.order_id,
            "before": f"revision {before[0].fact.revision}, {_said(_state(before[1]))}",
            "after": f"revision {event.fact.revision}, {_said(_state(report))}",
            "identity": event.fact.identity,
        }
        law = "the events of an order never go back"
        yield Break(Ill.LAW_BREAK, law, where, event.fact.broker_time_ns)


def _goes_back(before: tuple[Event, OrderReport], after: tuple[Event, OrderReport]) -> bool:
    (older, was), (newer, now) = before, after
    revived = was.status.terminal and now.status != was.status
    return now.filled < was.filled or revived or newer.fact.revision <= older.fact.revision


def _streamed(evidence: Evidence) -> Iterator[Break]:
    """A consumer that resumes gets each event once, in order."""
    for partition, events in evidence.events.items():
        received = list(evidence.received.get(partition, ()))
        journaled = [Received(event.offset, event.fact.identity) for event in events]
        if received == journaled:
            continue
        missing = len(set(journaled) - set(received))
        repeated = len(received) - len(set(received))
        where = {"partition": partition, "received": len(received), "journaled": len(journaled)}
        if missing:
            yield Break(Ill.LOST, "a consumer is streamed every event", where, times=missing)
        if repeated:
            yield Break(Ill.DUPLICATED, "a consumer is streamed an event once", where, times=repeated)
        if not missing and not repeated:
            yield Break(Ill.LAW_BREAK, "a consumer is streamed events as journaled, in order", where)


def _ends(evidence: Evidence) -> Iterator[Break]:
    for session, state in evidence.restless.items():
        where = {"session": session, "state": state}
        yield Break(Ill.UNSETTLED, "every session is live again in the end", where)
    for letter in evidence.dead_letters:
        yield Break(Ill.LAW_BREAK, "what the broker rightly said can be read and kept", {"letter": letter})
    if evidence.breaches:
        law = "the broker's limit windows are kept"
        yield Break(Ill.WINDOW_BREACHED, law, times=evidence.breaches)


def _bodies(evidence: Evidence, kind: type[B]) -> Iterator[tuple[Event, B]]:
    for events in evidence.events.values():
        for event in events:
            if isinstance(event.fact.body, kind):
                yield event, event.fact.body


def _told(fill: Fill) -> tuple[str, int, Decimal, Decimal]:
    return fill.key.instrument_id, int(fill.side), fill.quantity, fill.price


def _booked(trade: BookedTrade) -> tuple[str, int, Decimal, Decimal]:
    return trade.symbol, trade.side, trade.quantity, trade.price


def _state(report: OrderReport) -> OrderState:
    return OrderState(
        report.status,
        report.type,
        report.quantity,
        report.filled,
        report.limit_price,
        report.trigger_price,
    )


def _said(state: OrderState) -> str:
    return " ".join(f"{name}={value}" for name, value in state._asdict().items())


def _client(account: str) -> str:
    return account.partition(":")[2]


def _gap(numbers: Sequence[int]) -> dict[str, object]:
    """Where counting from one first goes wrong."""
    for wanted, found in enumerate(numbers, start=1):
        if wanted != found:
            return {"wanted": wanted, "found": found}
    return {"last": numbers[-1] if numbers else 0}


def trade_of(row: Mapping[str, object]) -> BookedTrade:
    """As the control door tells it; trade numbers carry the order's in front."""
    order, at = str(row["order_id"]), row["at"]
    name = FillName(str(row["client_id"]), order, str(row["number"]).removeprefix(f"{order}-"))
    return BookedTrade(
        name,
        str(row["symbol"]),
        int(str(row["side"])),
        Decimal(str(row["qty"])),
        Decimal(str(row["price"])),
        _wall(at),
    )


def order_of(row: Mapping[str, object]) -> BookedOrder:
    state = OrderState(
        _STATUSES[int(str(row["status"]))],
        _TYPES[int(str(row["type"]))],
        Decimal(str(row["qty"])),
        Decimal(str(row["filled"])),
        Decimal(str(row["limit"])),
        Decimal(str(row["stop"])),
    )
    return BookedOrder(str(row["client_id"]), str(row["id"]), state, _wall(row["received_at"]))


def _wall(at: object) -> int:
    return int(at["wall_ns"]) if isinstance(at, Mapping) else 0
