"""Changes to orders as rows: with their decision, once, superseded by later ones, fenced when they move."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from paceline.adapters.postgres.codec import to_json
from paceline.adapters.postgres.copy_commands import PostgresCopyCommands
from paceline.adapters.postgres.copy_orders import PostgresCopyOrders
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.leader_orders import PostgresLeaderOrders
from paceline.adapters.postgres.plans import PostgresPlans
from paceline.adapters.postgres.settlement import PostgresSettlement
from paceline.domain.copy_order import CommandStatus, CopyCommand, CopyOrder
from paceline.domain.copying.build import Origin
from paceline.domain.copying.changes import OpenRow, cancelled, modified
from paceline.domain.copying.decision import Decision, SkipReason
from paceline.domain.copying.tags import decision_id_of
from paceline.domain.copying.view import LeaderOrder
from paceline.domain.event import Event, Fact
from paceline.domain.ids import BrokerOrderId, Epoch, InstrumentId, Offset
from paceline.domain.instrument import InstrumentKey
from paceline.domain.order import Fill, OrderReport
from paceline.domain.partitioning import partition_of
from paceline.ports.copy_commands import CommandResult
from paceline.ports.plans import Chunk
from paceline.ports.settlement import Decided, Standing
from tests.integration.storage.makers import (
    HOME,
    LEADER,
    SBIN,
    a_decision,
    a_fill,
    a_skip,
    an_event,
    an_order,
    own,
)

TWELVE = Decimal(12)
LONG_AGO = date(2020, 1, 1)
NOWHERE = InstrumentKey(InstrumentId("NSE:NONE"), SBIN.product)


def origin_of(event: Event, order: CopyOrder) -> Origin:
    assert order.subscription_id is not None
    decision_id = decision_id_of(event.fact.identity, order.subscription_id)
    price = Decimal(1)
    return Origin(
        order.cause, decision_id, order.subscription_id, order.account_id, SBIN, price, 1, 2, 3, "trace"
    )


class Desk:
    """One decision with one order, committed, and what comes after it."""

    def __init__(self, database: Database, epoch: Epoch) -> None:
        self.plans = PostgresPlans(database)
        self.commands = PostgresCopyCommands(database)
        self.epoch = epoch
        self.offset = 1
        first = an_event(a_fill(), self.offset)
        self.decision: Decision = a_decision(first, "one")
        (self.order,) = self.decision.orders
        self.first = first

    async def begin(self) -> None:
        await self.commit(self.first, self.decision)

    async def commit(self, event: Event, decision: Decision) -> None:
        await self.plans.commit_chunk(Chunk(HOME, self.epoch, event, (decision,)))

    async def changes(self, *, cancels: bool = False) -> CopyCommand:
        """A later decision that changes the order."""
        self.offset += 1
        event = an_event(a_fill(), self.offset)
        origin = origin_of(event, self.order)
        spec = replace(self.order.spec, quantity=TWELVE)
        command = cancelled(origin, self.order) if cancels else modified(origin, self.order, spec)
        decision = replace(a_skip(event, "one"), reason=None, commands=(command,))
        await self.commit(event, decision)
        await self.commit(event, decision)
        return command


async def a_desk(database: Database) -> Desk:
    desk = Desk(database, await own(database, "replicator", [HOME]))
    await desk.begin()
    return desk


async def test_a_change_is_written_once_with_its_decision_and_read_back(database: Database) -> None:
    desk = await a_desk(database)
    command = await desk.changes()
    partition = partition_of(desk.order.account_id)
    (row,) = await desk.commands.open_commands([partition])
    assert row.command == command
    assert row.written_ns > 0
    assert await desk.commands.by_ids([command.command_id]) == {command.command_id: row}


async def test_a_later_change_supersedes_what_was_not_sent(database: Database) -> None:
    desk = await a_desk(database)
    first, second = await desk.changes(), await desk.changes(cancels=True)
    (row,) = await desk.commands.open_commands([partition_of(desk.order.account_id)])
    assert row.command == second
    rows = await desk.commands.by_ids([first.command_id])
    assert rows[first.command_id].command.status is CommandStatus.SUPERSEDED


async def test_open_rows_come_with_the_change_on_its_way(database: Database) -> None:
    desk = await a_desk(database)
    key = (desk.decision.subscription_id, SBIN)
    assert await desk.commands.open_rows([key]) == {key: [OpenRow(desk.order)]}
    command = await desk.changes()
    assert await desk.commands.open_rows([key]) == {key: [OpenRow(desk.order, command)]}
    assert await desk.commands.open_rows([]) == {}


async def test_what_became_of_a_change_is_written_under_the_lease_and_stays(database: Database) -> None:
    desk = await a_desk(database)
    command = await desk.changes()
    partition = partition_of(desk.order.account_id)
    epoch = await own(database, "executor", [partition], 3)
    done = CommandResult(command.command_id, partition, CommandStatus.DONE, 2, sent_ns=7)
    stale = await desk.commands.record({partition: Epoch(2)}, [done])
    assert not stale.moved
    assert stale.stale == {partition}
    assert (await desk.commands.record({partition: epoch}, [done])).moved == {command.command_id}
    again = replace(done, status=CommandStatus.LOST)
    assert (await desk.commands.record({partition: epoch}, [again])).moved == frozenset()
    row = (await desk.commands.by_ids([command.command_id]))[command.command_id]
    assert (row.command.status, row.attempts, row.sent_ns) == (CommandStatus.DONE, 2, 7)


async def test_a_change_that_was_carried_out_moves_row_command_and_ledger_together(
    database: Database,
) -> None:
    desk = await a_desk(database)
    command = await desk.changes()
    partition = partition_of(desk.order.account_id)
    epoch = await own(database, "executor", [partition])
    assert command.spec is not None
    spec = replace(command.spec, limit_price=Decimal("815.5"))

    def decide(standing: Standing, stale: object) -> Decided:
        assert standing.orders[desk.order.tag] == desk.order
        result = CommandResult(command.command_id, partition, CommandStatus.FOLDED)
        return Decided(specs=[(desk.order.tag, spec)], commands=[result])

    await PostgresSettlement(database).settle({partition: epoch}, {}, [desk.order.tag], decide)
    rows = await PostgresCopyOrders(database).by_tags([desk.order.tag])
    assert rows[desk.order.tag].order.spec == spec
    assert await desk.commands.open_commands([partition]) == []


async def test_what_a_size_was_reckoned_from_is_kept_with_its_cap(database: Database) -> None:
    desk = Desk(database, await own(database, "replicator", [HOME]))
    assert desk.decision.sizing is not None
    sizing = replace(
        desk.decision.sizing,
        ordered=Decimal(100),
        granted=Decimal(20),
        rounded_up=True,
        limited_by=SkipReason.CAPPED_LOTS,
    )
    mirrored = replace(desk.order, leader_order_id=BrokerOrderId("O1"))
    decision = replace(desk.decision, sizing=sizing, orders=(mirrored,))
    await desk.commit(desk.first, decision)
    (stored,) = await desk.plans.decisions_of(desk.first.fact.identity)
    assert (stored.sizing, stored.orders) == (sizing, (mirrored,))
    frozen = await desk.plans.frozen_sizings(LEADER, BrokerOrderId("O1"), [decision.subscription_id])
    assert list(frozen.values()) == [sizing]


async def journal(database: Database, facts: Sequence[Fact]) -> None:
    for number, fact in enumerate(facts, 1):
        assert isinstance(fact.body, Fill | OrderReport)
        await database.execute(
            "INSERT INTO events (partition, event_offset, journaled_on, account_id, sequence, identity, kind,"
            " order_id, revision, broker_time_ns, seen_ns, journaled_ns, recovered, body, raw, traceparent)"
            " VALUES ($1, $2, current_date, $3, $2, $4, $8, $5, $6, 1, 1, 1, false, $7::jsonb, '', '')",
            HOME,
            number,
            LEADER,
            fact.identity,
            fact.body.order_id,
            fact.revision,
            to_json(fact.body),
            fact.kind.value,
        )


async def test_the_newest_report_of_each_order_of_a_leader_in_one_key(database: Database) -> None:
    told = [("O1", 1), ("O1", 2), ("O2", 1)]
    await journal(database, [an_order(order=order, revision=revision) for order, revision in told])
    store = PostgresLeaderOrders(database)
    found = await store.newest(LEADER, SBIN, LONG_AGO)
    assert {(each.order_id, each.filled) for each in found} == {("O1", Decimal(1)), ("O2", Decimal(0))}
    assert await store.newest(LEADER, NOWHERE, LONG_AGO) == []


async def test_a_leaders_orders_are_read_as_they_were_before_an_offset(database: Database) -> None:
    first, second = an_order(order="O1", revision=1), an_order(order="O1", revision=2)
    trades = [a_fill(trade=name, order=order) for name, order in (("T1", "O1"), ("T2", "O2"), ("T3", "O1"))]
    await journal(database, [first, *trades, second])
    store = PostgresLeaderOrders(database)
    part = [each.body.quantity for each in trades if isinstance(each.body, Fill)]
    found = await store.before(LEADER, SBIN, LONG_AGO, Offset(5))
    assert found == {"O1": LeaderOrder(first.body, part[0] + part[2]), "O2": LeaderOrder(None, part[1])}  # type: ignore[arg-type]
    assert (await store.before(LEADER, SBIN, LONG_AGO, Offset(6)))[BrokerOrderId("O1")].report == second.body
    assert await store.before(LEADER, SBIN, LONG_AGO, Offset(1)) == {}
    assert await store.before(LEADER, NOWHERE, LONG_AGO, Offset(6)) == {}
