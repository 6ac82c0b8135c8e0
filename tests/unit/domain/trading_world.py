"""A small world in which plans, orders, brokers and ledgers meet: what the laws are tried on."""

from dataclasses import dataclass, field, replace
from decimal import Decimal

from paceline.domain.copy_order import CopyCommand, CopyOrder, CopyStatus, Intent
from paceline.domain.copying.changes import OpenRow, commanded, growing
from paceline.domain.copying.decision import Decision, Outcome, SizingInputs
from paceline.domain.copying.fold import Resized, Told, Withdrawn, fold_result
from paceline.domain.copying.plan import plan
from paceline.domain.copying.surplus import sell_surplus
from paceline.domain.copying.view import Copier, LeaderState, fold_orders
from paceline.domain.event import Event
from paceline.domain.ids import AccountId, BrokerOrderId, SubscriptionId, Tag
from paceline.domain.instrument import Instrument
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry, fold
from paceline.domain.order import BrokerStatus, Fill, OrderReport, Side
from paceline.domain.order_states import TERMINAL
from paceline.domain.position import PositionReport
from paceline.domain.subscription import Subscription
from tests.unit.domain.given import KEY, NOW, event, fill, market, report

AtBroker = (CopyStatus.WORKING, CopyStatus.PARTIAL)


@dataclass
class Books:
    """One subscription's rows, lines and ledger, and what its broker really traded."""

    copier: Copier
    orders: dict[Tag, CopyOrder] = field(default_factory=dict)
    lines: list[LedgerEntry] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    commands: dict[Tag, CopyCommand] = field(default_factory=dict)
    """Changes on their way to working orders: the newest of each."""
    lagging: list[tuple[Tag, Decimal]] = field(default_factory=list)
    """Trades that a report has counted already and that are still to be told."""
    traded: Decimal = Decimal(0)

    @property
    def open(self) -> list[CopyOrder]:
        return [order for order in self.orders.values() if order.status not in TERMINAL]

    @property
    def open_rows(self) -> tuple[OpenRow, ...]:
        return tuple(OpenRow(order, self.commands.get(order.tag)) for order in self.open)

    def write(self, lines: tuple[LedgerEntry, ...]) -> None:
        self.lines.extend(lines)
        self.ledger = self.ledger.with_lines(lines)


class World:
    def __init__(self, traded: Instrument, subscriptions: list[Subscription]) -> None:
        self.instrument = traded
        self.books = {s.subscription_id: Books(Copier(s)) for s in subscriptions}
        self.leaders = {s.leader: LeaderState(s.leader) for s in subscriptions}
        self.decisions: dict[str, Decision] = {}
        self.history: list[tuple[Event, LeaderState]] = []
        self.sizings: dict[tuple[SubscriptionId, BrokerOrderId], SizingInputs] = {}
        self.left_over: set[SubscriptionId] = set()
        """Who held too much with nothing on its way, so that a chase had to take it down."""
        self.around: dict[str, object] = {}
        """What is otherwise in the market than usual."""
        self.counter = 0

    def count(self) -> int:
        self.counter += 1
        return self.counter

    def leader_trades(self, account: AccountId, signed: Decimal) -> list[Decision]:
        """One order that is filled at once, as a follower of fills sees it."""
        number = self.count()
        return self.leader_tells(fill(signed, trade=f"t{number}", order=f"o{number}", account=account))

    def leader_tells(self, body: Fill | OrderReport) -> list[Decision]:
        happened = event(body, offset=self.count())
        before = self.leaders[body.account_id]
        self.history.append((happened, before))
        decisions = self.planned(happened, before)
        self.leaders[body.account_id] = replace(
            before.after(happened), orders=fold_orders(before.orders, happened)
        )
        for decision in decisions:
            self.commit(happened, decision)
        return decisions

    def planned(self, happened: Event, before: LeaderState) -> list[Decision]:
        copiers = [
            self._copier(books, happened)
            for books in self.books.values()
            if books.copier.subscription.leader == before.account_id
        ]
        surroundings = replace(market(self.instrument), **self.around)  # type: ignore[arg-type]
        return list(plan(happened, before, copiers, surroundings).decisions)

    def _copier(self, books: Books, happened: Event) -> Copier:
        name = books.copier.subscription.subscription_id
        mine = {order: sizing for (owner, order), sizing in self.sizings.items() if owner == name}
        body = happened.fact.body
        order_id = None if isinstance(body, PositionReport) else body.order_id
        return replace(
            books.copier,
            ledger=books.ledger,
            open_rows=books.open_rows,
            frozen=mine.get(order_id) if order_id else None,
            frozen_of=mine,
        )

    def commit(self, happened: Event, decision: Decision) -> None:
        """What storage does: unique on event and subscription, orders by tag, lines folded."""
        if decision.decision_id in self.decisions:
            return
        self.decisions[decision.decision_id] = decision
        books = self.books[decision.subscription_id]
        books.write(decision.entries)
        body = happened.fact.body
        if decision.sizing is not None and not isinstance(body, PositionReport):
            self.sizings.setdefault((decision.subscription_id, body.order_id), decision.sizing)
        for order in decision.orders:
            assert order.tag not in books.orders
            books.orders[order.tag] = order
        books.commands |= {command.tag: command for command in decision.commands}
        for command in decision.commands:
            self._carry_out(books, command)

    def _carry_out(self, books: Books, command: CopyCommand) -> None:
        """Unsent rows follow at once, working ones by a request that may lose against a fill."""
        order = books.orders[command.tag]
        if order.status is not CopyStatus.PLANNED:
            return
        del books.commands[command.tag]
        if command.spec is None:
            self.tell(books, command.tag, Withdrawn())
        else:
            self.tell(books, command.tag, Resized(command.spec, command.command_id))

    def tell(self, books: Books, tag: Tag, told: Told) -> None:
        """What the executor does with news of one order, in one transaction."""
        order = books.orders[tag]
        others = [other for other in books.open if other.tag != tag]
        rows = [row for row in books.open_rows if row.order.tag != tag]
        leaving = commanded(rows, Intent.EXIT)
        folded = fold_result(
            order,
            told,
            books.ledger,
            self.instrument.lot,
            others,
            leaving,
            growing(self._rows_after(books, tag, told)),
        )
        books.orders[tag] = folded.order
        books.write(folded.lines)
        assert folded.ledger == books.ledger
        if folded.order.status in TERMINAL:
            books.commands.pop(tag, None)
        mirrors = order.leader_order_id is not None
        if isinstance(told, Fill) and (order.intent is Intent.ENTRY or mirrors):
            self.correct(books, order, f"{tag}:{told.trade_id}")

    @staticmethod
    def _rows_after(books: Books, tag: Tag, told: Told) -> list[OpenRow]:
        """A change that is carried out just now is on its way no more."""
        return [row for row in books.open_rows if row.order.tag != tag or not isinstance(told, Resized)]

    def correct(self, books: Books, order: CopyOrder, identity: str) -> None:
        correction = sell_surplus(
            order,
            identity,
            books.ledger,
            self.instrument,
            reference=Decimal(100),
            allowance_bps=Decimal(100),
            now_ns=NOW,
            leaving=commanded(books.open_rows, Intent.EXIT),
        )
        if correction is None:
            return
        books.write(correction.lines)
        for corrective in correction.orders:
            assert corrective.tag not in books.orders
            books.orders[corrective.tag] = corrective

    def broker_fills(self, books: Books, tag: Tag, quantity: Decimal) -> None:
        order = books.orders[tag]
        signed = quantity * int(order.spec.side)
        books.traded += signed
        self.tell(books, tag, fill(signed, trade=f"f{self.count()}", order=tag, tag=tag))

    def broker_reports(self, books: Books, tag: Tag, status: BrokerStatus) -> None:
        self.tell(books, tag, self.report_of(books.orders[tag], status))

    def broker_ends_ahead_of_trades(
        self, books: Books, tag: Tag, quantity: Decimal, status: BrokerStatus
    ) -> None:
        """The report counts trades that the socket has not brought yet."""
        told = self.report_of(books.orders[tag], status)
        self.tell(books, tag, replace(told, filled=told.filled + quantity))
        books.lagging.append((tag, quantity))

    def trade_arrives(self, books: Books) -> None:
        tag, quantity = books.lagging.pop(0)
        self.broker_fills(books, tag, quantity)

    def obeys(self, books: Books, command: CopyCommand) -> bool:
        """The broker does what a command says; false where the order has been filled further already."""
        order = books.orders[command.tag]
        if command.spec is None or command.spec.quantity <= order.filled:
            self.broker_reports(books, order.tag, BrokerStatus.CANCELLED)
            return True
        self.tell(books, order.tag, Resized(command.spec, command.command_id))
        return False

    @staticmethod
    def report_of(order: CopyOrder, status: BrokerStatus) -> OrderReport:
        told = report(status, order=order.tag, side=Side(order.spec.side), tag=order.tag)
        return replace(told, quantity=order.spec.quantity, filled=order.filled)

    def settle(self) -> None:
        """Let everything end: cancels win, orders fill, surpluses are chased until flat."""
        for books in self.books.values():
            for _ in range(100):
                while books.lagging:
                    self.trade_arrives(books)
                for order in books.open:
                    self._end(books, order)
                if not books.open and not books.ledger.surplus(self.instrument.lot):
                    break
                some = next(iter(books.orders.values()))
                if not books.open:
                    self.left_over.add(books.copier.subscription.subscription_id)
                    self.correct(books, some, f"chase:{self.count()}")

    def _end(self, books: Books, order: CopyOrder) -> None:
        command = books.commands.pop(order.tag, None)
        if command is not None and order.status in AtBroker and self.obeys(books, command):
            return
        order = books.orders[order.tag]
        self.broker_fills(books, order.tag, order.spec.quantity - order.filled)


def check_books(world: World, books: Books) -> None:
    """What holds at every moment."""
    assert fold(books.lines) == books.ledger
    names = [(line.cause, line.kind, line.intent) for line in books.lines]
    assert len(names) == len(set(names))
    assert books.ledger.position == books.traded
    for line in books.lines:
        assert line.key == KEY
        if line.kind in (EntryKind.FORGONE, EntryKind.RELEASED):
            assert line.reason


def check_settled(world: World, books: Books) -> None:
    """What holds once nothing is working."""
    lot = world.instrument.lot
    assert not books.ledger.entries_working
    assert not books.ledger.exits_working
    assert books.ledger.position == books.ledger.target(lot)
    assert abs(books.ledger.position - books.ledger.ideal) < lot + lot / 1000


def every_decision_explains_itself(decisions: list[Decision]) -> None:
    for decision in decisions:
        if decision.outcome is Outcome.SKIPPED:
            assert decision.reason is not None


def subscription_ids(world: World) -> list[SubscriptionId]:
    return list(world.books)


def order_id(tag: Tag) -> BrokerOrderId:
    return BrokerOrderId(tag)
