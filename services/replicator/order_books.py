"""The orders of leaders whom somebody mirrors: read once from the journal, then folded event by event."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from paceline.domain.calendar import trading_day
from paceline.domain.copying.view import LeaderOrder, fold_orders
from paceline.domain.event import Event
from paceline.domain.ids import AccountId, BrokerOrderId, Partition
from paceline.domain.instrument import InstrumentKey
from paceline.domain.order import Fill, OrderReport, Validity
from paceline.domain.partitioning import partition_of
from paceline.ports.leader_orders import LeaderOrders

ORDERS_LIVE = timedelta(days=7)
"""So long back a leader's order is looked for."""
_OUTLIVE_THE_DAY = frozenset({Validity.GTC, Validity.GTD})


@dataclass(slots=True)
class _Book:
    """Of one account and key; `told` have nothing left to say, and are known again if they speak."""

    day: date
    open: dict[BrokerOrderId, LeaderOrder] = field(default_factory=dict)
    told: dict[BrokerOrderId, LeaderOrder] = field(default_factory=dict)

    def put(self, order_id: BrokerOrderId, order: LeaderOrder) -> None:
        over = order.report is not None and not (order.working or order.remaining)
        mine, others = (self.told, self.open) if over else (self.open, self.told)
        others.pop(order_id, None)
        mine[order_id] = order

    def known(self, order_id: BrokerOrderId) -> dict[BrokerOrderId, LeaderOrder]:
        order = self.open.get(order_id) or self.told.get(order_id)
        return {} if order is None else {order_id: order}


class OrderBooks:
    """What is asked for is kept from then on; a book is read anew every trading day."""

    def __init__(self, leader_orders: LeaderOrders) -> None:
        self._leader_orders = leader_orders
        self._books: dict[tuple[AccountId, InstrumentKey], _Book] = {}

    async def before(self, event: Event) -> Mapping[BrokerOrderId, LeaderOrder]:
        """Orders of the event's key that may still say something, and its own; up to, and without, it."""
        body = event.fact.body
        assert isinstance(body, Fill | OrderReport)  # noqa: S101  # positions are nobody's order
        name = (body.account_id, body.key)
        today = trading_day(body.exchange, event.journaled_ns)
        book = self._books.get(name)
        if book is None or book.day != today:
            book = self._books[name] = await self._read(event, body, today)
        return book.open | book.known(body.order_id)

    def fold(self, event: Event) -> None:
        """With the event, where its key was asked for."""
        body = event.fact.body
        if not isinstance(body, Fill | OrderReport):
            return
        book = self._books.get((body.account_id, body.key))
        if book is not None:
            book.put(body.order_id, fold_orders(book.known(body.order_id), event)[body.order_id])

    def forget(self, partitions: Iterable[Partition]) -> None:
        gone = set(partitions)
        self._books = {name: book for name, book in self._books.items() if partition_of(name[0]) not in gone}

    async def _read(self, event: Event, body: Fill | OrderReport, today: date) -> _Book:
        """Orders of earlier days work no more until they speak again: of their end nobody may have told."""
        since = today - ORDERS_LIVE
        orders = await self._leader_orders.before(body.account_id, body.key, since, event.offset)
        book = _Book(today)
        for order_id, order in orders.items():
            if _stands(order, today):
                book.put(order_id, order)
            else:
                book.told[order_id] = order
        return book


def _stands(order: LeaderOrder, today: date) -> bool:
    report = order.report
    if report is None or report.validity in _OUTLIVE_THE_DAY:
        return True
    return trading_day(report.exchange, report.broker_time_ns) >= today
