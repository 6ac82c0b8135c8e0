"""What the executor's tests start from: orders, a broker that is told what to say, rows in memory."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count

from paceline.domain.copy_order import (
    Cause,
    CauseKind,
    CommandKind,
    CommandStatus,
    CopyCommand,
    CopyOrder,
    CopyStatus,
    Intent,
    Lane,
    OrderSpec,
)
from paceline.domain.copying.build import Origin
from paceline.domain.copying.changes import cancelled, modified
from paceline.domain.copying.fold import Placed, Resized
from paceline.domain.copying.tags import copy_order_id_of, decision_id_of, tag_of
from paceline.domain.errors import BrokerError, BrokerOutcomeUnknown, Unavailable
from paceline.domain.execution import Command
from paceline.domain.ids import (
    AccountId,
    BrokerOrderId,
    CommandId,
    CopyOrderId,
    DecisionId,
    Epoch,
    InstrumentId,
    Offset,
    Partition,
    SubscriptionId,
    Tag,
)
from paceline.domain.instrument import InstrumentKey, Product
from paceline.domain.ledger import Ledger
from paceline.domain.order import OrderReport, OrderType, Side
from paceline.domain.order_states import TRANSITIONS
from paceline.domain.partitioning import partition_of
from paceline.ports.broker import Book, BookRow, Call, Limits, LimitScope, Window
from paceline.ports.copy_commands import CommandResult, CommandRow, CommandsRecorded
from paceline.ports.copy_orders import CopyRow, Recorded, SendResult
from paceline.ports.plans import LedgerKey
from paceline.ports.settlement import Copies, Decide, Decided, Settled, Standing, Stray, StrayKey
from paceline.runtime.partitions import Held, Partitions
from services.executor.books import Reading
from services.executor.outcome import CancelTaken, Said
from tests.fakes.clock import FakeClock
from tests.fakes.leases import FakeLeases
from tests.unit.domain.given import KEY, SBIN, SHARE

S = 1_000_000_000
FOLLOWER = AccountId("fyers:FOLLOWER")
HOME = partition_of(FOLLOWER)
LIMITS = Limits(
    (
        Window("second", 10, 1_000, LimitScope.ACCOUNT, frozenset(Call)),
        Window("minute", 200, 60_000, LimitScope.ACCOUNT, frozenset(Call)),
    ),
    dict.fromkeys(Call, 1),
    basket=10,
)
_PAIRS = {(before, after) for before, moves in TRANSITIONS.items() for after in moves.values()}
_numbers = count(1)


def order(
    event: str = "",
    *,
    account: AccountId = FOLLOWER,
    intent: Intent = Intent.ENTRY,
    lane: Lane | None = None,
    side: Side = Side.BUY,
    quantity: int = 10,
    slice_: int = 0,
    key: str = SBIN,
    planned_ns: int = 0,
    expires_ns: int = 0,
    subscription: str = "s1",
    status: CopyStatus = CopyStatus.PLANNED,
) -> CopyOrder:
    identity = event or f"event-{next(_numbers)}"
    name = SubscriptionId(subscription)
    cause, decision = Cause(CauseKind.EVENT, identity), decision_id_of(identity, name)
    return CopyOrder(
        copy_order_id=copy_order_id_of(DecisionId(decision), 0, slice_, 0),
        decision_id=decision,
        cause=cause,
        subscription_id=name,
        account_id=account,
        spec=OrderSpec(
            InstrumentKey(InstrumentId(key), Product.INTRADAY),
            side,
            OrderType.LIMIT,
            Decimal(quantity),
            Decimal(101),
        ),
        intent=intent,
        lane=lane or (Lane.ENTRY if intent is Intent.ENTRY else Lane.EXIT),
        leg=0,
        slice=slice_,
        step=0,
        tag=tag_of(cause, name, leg=0, slice_=slice_),
        leader_price=Decimal(100),
        leader_time_ns=1,
        seen_ns=2,
        planned_ns=planned_ns,
        expires_ns=expires_ns,
        status=status,
    )


def placing(order: CopyOrder) -> Command:
    return Command(CommandKind.PLACE, order)


def a_change(order: CopyOrder, *, quantity: int = 0, event: str = "", planned_ns: int = 0) -> CopyCommand:
    """Another quantity, or none: a cancellation."""
    cause = Cause(CauseKind.EVENT, event or f"event-{next(_numbers)}")
    assert order.subscription_id is not None
    origin = Origin(
        cause=cause,
        decision_id=decision_id_of(cause.identity, order.subscription_id),
        subscription_id=order.subscription_id,
        follower=order.account_id,
        key=order.spec.key,
        leader_price=order.leader_price,
        leader_time_ns=1,
        seen_ns=2,
        planned_ns=planned_ns,
        traceparent="",
    )
    if not quantity:
        return cancelled(origin, order)
    return modified(origin, order, replace(order.spec, quantity=Decimal(quantity)))


def an_exit(event: str = "", **options: object) -> CopyOrder:
    return order(event, intent=Intent.EXIT, side=Side.SELL, **options)  # type: ignore[arg-type]


async def holding(clock: FakeClock, leases: FakeLeases | None = None, owner: str = "a") -> Partitions:
    """A replica that holds every partition."""
    partitions = Partitions(leases or FakeLeases(clock), clock, owner=owner, address=f"{owner}:1")
    await partitions.turn()
    return partitions


def held(partitions: Partitions) -> Held:
    return partitions.lease(HOME)


@dataclass
class FakeBroker:
    """Accepts, unless told otherwise for a tag; every request is remembered with its moment."""

    clock: FakeClock
    takes_s: float = 0.01
    says: dict[Tag, list[BrokerError]] = field(default_factory=dict)
    sent: list[tuple[Tag, int]] = field(default_factory=list)
    kinds: list[CommandKind] = field(default_factory=list)
    reports: list[OrderReport] | None = None
    """The order book; None where it cannot be read."""
    relogins: int = 0
    has_new_token: bool = False
    silent: set[Tag] = field(default_factory=set)

    async def send(self, command: Command) -> Said:
        order, change = command.order, command.change
        self.sent.append((order.tag, self.clock.now_ns()))
        self.kinds.append(command.kind)
        if order.tag in self.silent:
            await asyncio.get_running_loop().create_future()
        await self.clock.sleep(self.takes_s)
        if self.says.get(order.tag):
            raise self.says[order.tag].pop(0)
        if change is not None:
            return CancelTaken() if change.spec is None else Resized(change.spec, change.command_id)
        return Placed(BrokerOrderId(f"b-{order.tag}"))

    async def book(self, account_id: AccountId) -> Reading:
        if self.reports is None:
            raise BrokerOutcomeUnknown("no book today")
        asked_ns = self.clock.monotonic_ns()
        rows = tuple(BookRow(each, bytes) for each in self.reports)
        return Reading(Book(rows, (), self.clock.now_ns()), asked_ns, asked_ns)

    async def relogin(self, account_id: AccountId) -> bool:
        self.relogins += 1
        await self.clock.sleep(0.01)
        return self.has_new_token

    @property
    def tags(self) -> list[Tag]:
        return [tag for tag, _ in self.sent]

    def times(self, tag: Tag) -> list[int]:
        return [at for each, at in self.sent if each == tag]


@dataclass
class FakeRows:
    """Copy orders and ledgers in memory, with the rules of the tables: legal moves, fenced by epoch."""

    clock: FakeClock
    rows: dict[Tag, CopyRow] = field(default_factory=dict)
    ledgers: dict[LedgerKey, Ledger] = field(default_factory=dict)
    copies: dict[StrayKey, Copies] = field(default_factory=dict)
    epochs: dict[Partition, Epoch] = field(default_factory=dict)
    done: dict[Partition, Offset] = field(default_factory=dict)
    decided: list[Decided] = field(default_factory=list)
    groups: list[Sequence[SendResult]] = field(default_factory=list)
    failures: int = 0
    """How many writes fail before the next one works."""
    lose_answer: bool = False
    """The next write is carried out, and its answer lost."""
    sent: dict[AccountId, Sequence[int]] = field(default_factory=dict)

    commands: "FakeCommands" = field(init=False)

    def __post_init__(self) -> None:
        self.commands = FakeCommands(self)

    def put(self, *orders: CopyOrder, attempts: int = 0, written_ns: int | None = None) -> None:
        for each in orders:
            at = self.clock.now_ns() if written_ns is None else written_ns
            self.rows[each.tag] = CopyRow(each, at, attempts, "", "", 0, 0, 0, None, None, 1)

    def status(self, order: CopyOrder) -> CopyStatus:
        return self.rows[order.tag].order.status

    async def open_rows(
        self,
        partitions: Iterable[Partition],
        *,
        written_before_ns: int | None = None,
        written_after_ns: int | None = None,
        statuses: Iterable[CopyStatus] | None = None,
        limit: int = 10_000,
    ) -> Sequence[CopyRow]:
        self.reach()
        wanted, some = set(statuses or ()), set(partitions)
        return [
            row
            for row in self.rows.values()
            if row.order.status in wanted
            and partition_of(row.order.account_id) in some
            and (written_before_ns is None or row.written_ns < written_before_ns)
        ][:limit]

    async def by_ids(self, ids: Iterable[CopyOrderId]) -> Mapping[CopyOrderId, CopyRow]:
        self.reach()
        wanted = set(ids)
        found = (row for row in self.rows.values() if row.order.copy_order_id in wanted)
        return {row.order.copy_order_id: row for row in found}

    async def record_results(
        self, epochs: Mapping[Partition, Epoch], results: Sequence[SendResult]
    ) -> Recorded:
        self.reach()
        stale = self.stale(epochs)
        moved = {each.tag for each in results if each.partition not in stale and self._move(each)}
        self.groups.append(results)
        self._answer()
        return Recorded(frozenset(moved), stale)

    async def settle(
        self,
        epochs: Mapping[Partition, Epoch],
        offsets: Mapping[Partition, Offset],
        tags: Iterable[Tag],
        decide: Decide,
        strays: Sequence[Stray] = (),
    ) -> Settled:
        self.reach()
        stale = self.stale(epochs)
        orders = {tag: self.rows[tag].order for tag in tags if tag in self.rows}
        decided = decide(
            Standing(orders, {}, dict(self.ledgers), dict(self.done), copies=dict(self.copies)), stale
        )
        self.decided.append(decided)
        for result in decided.results:
            self._move(result)
        for _, move in decided.moves:
            row = self.rows[move.tag]
            filled = row.order.filled if move.filled is None else move.filled
            self.rows[move.tag] = replace(row, order=replace(row.order, status=move.status, filled=filled))
        for tag, spec in decided.specs:
            self.rows[tag] = replace(self.rows[tag], order=replace(self.rows[tag].order, spec=spec))
        self.commands.write(decided.commands)
        for line in decided.lines:
            key = (line.subscription_id, line.key)
            self.ledgers[key] = self.ledgers.get(key, Ledger()).with_lines([line])
        new = [each for correction in decided.corrections for each in correction.orders]
        self.put(*new)
        self.done.update({each: offset for each, offset in offsets.items() if each not in stale})
        self._answer()
        return Settled(stale, new)

    async def sent_since(
        self, accounts: Iterable[AccountId], since_ns: int
    ) -> Mapping[AccountId, Sequence[int]]:
        self.reach()
        return {
            each: [at for at in self.sent[each] if at >= since_ns] for each in accounts if each in self.sent
        }

    def reach(self) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("the database is away")

    def _answer(self) -> None:
        if self.lose_answer:
            self.lose_answer = False
            raise Unavailable("the answer was lost")

    def stale(self, epochs: Mapping[Partition, Epoch]) -> frozenset[Partition]:
        return frozenset(each for each, epoch in epochs.items() if self.epochs.get(each, epoch) != epoch)

    def _move(self, result: SendResult) -> bool:
        row = self.rows[result.tag]
        if (row.order.status, result.status) not in _PAIRS:
            return False
        moved = replace(
            row.order,
            status=result.status,
            broker_order_id=result.broker_order_id or row.order.broker_order_id,
        )
        self.rows[result.tag] = replace(
            row,
            order=moved,
            attempts=max(row.attempts, result.attempts),
            error_code=result.error_code,
            error_text=result.error_text,
            sent_ns=result.sent_ns or row.sent_ns,
            accepted_ns=result.accepted_ns or row.accepted_ns,
        )
        return True


@dataclass
class FakeCommands:
    """Changes to those copy orders, with the rules of their table: what is over stays as it is."""

    orders: FakeRows
    rows: dict[CommandId, CommandRow] = field(default_factory=dict)
    written: list[tuple[CommandId, CommandStatus]] = field(default_factory=list)

    def put(
        self, *commands: CopyCommand, written_ns: int | None = None, attempts: int = 0, taken: int = 0
    ) -> None:
        for each in commands:
            at = self.orders.clock.now_ns() if written_ns is None else written_ns
            self.rows[each.command_id] = CommandRow(each, at, attempts, "", "", 0, taken)

    def status(self, command: CopyCommand) -> CommandStatus:
        return self.rows[command.command_id].command.status

    async def open_commands(
        self, partitions: Iterable[Partition], limit: int = 10_000
    ) -> Sequence[CommandRow]:
        self.orders.reach()
        wanted = set(partitions)
        mine = (row for row in self.rows.values() if partition_of(row.command.account_id) in wanted)
        return [row for row in mine if row.command.open][:limit]

    async def by_ids(self, ids: Iterable[CommandId]) -> Mapping[CommandId, CommandRow]:
        self.orders.reach()
        return {each: self.rows[each] for each in ids if each in self.rows}

    async def record(
        self, epochs: Mapping[Partition, Epoch], results: Sequence[CommandResult]
    ) -> CommandsRecorded:
        self.orders.reach()
        stale = self.orders.stale(epochs)
        moved = self.write([each for each in results if each.partition not in stale])
        return CommandsRecorded(moved, stale)

    def write(self, results: Iterable[CommandResult]) -> frozenset[CommandId]:
        moved = set()
        for each in results:
            row = self.rows[each.command_id]
            if row.command.open:
                moved.add(each.command_id)
                self.written.append((each.command_id, each.status))
                self.rows[each.command_id] = replace(
                    row,
                    command=replace(row.command, status=each.status),
                    attempts=max(row.attempts, each.attempts),
                    taken=max(row.taken, each.taken),
                    error_code=each.error_code,
                    error_text=each.error_text,
                    sent_ns=each.sent_ns or row.sent_ns,
                )
        return frozenset(moved)


class FakeInstruments:
    """Knows one share."""

    def __init__(self, *known: InstrumentId) -> None:
        self.known = known or (SBIN,)
        self.reads: list[frozenset[InstrumentId]] = []

    async def get_many(self, ids: Iterable[InstrumentId]) -> Mapping[InstrumentId, object]:
        wanted = frozenset(ids)
        self.reads.append(wanted)
        return {each: replace(SHARE, instrument_id=each) for each in wanted if each in self.known}


__all__ = ["KEY", "SBIN", "SHARE"]
