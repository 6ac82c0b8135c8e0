"""Changes to copy orders as rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from paceline.adapters.postgres.codec import from_json, to_json
from paceline.adapters.postgres.copy_rows import key_columns, key_of, order_of
from paceline.adapters.postgres.database import Database, Row, Transaction, columns
from paceline.adapters.postgres.fencing import stale_partitions
from paceline.adapters.postgres.queries import sql
from paceline.domain.copy_order import (
    Cause,
    CauseKind,
    CommandKind,
    CommandStatus,
    CopyCommand,
    CopyOrder,
    Lane,
    OrderSpec,
)
from paceline.domain.copying.changes import OpenRow
from paceline.domain.ids import (
    AccountId,
    CommandId,
    CopyOrderId,
    DecisionId,
    Epoch,
    Partition,
    SubscriptionId,
    Tag,
)
from paceline.domain.partitioning import partition_of
from paceline.ports.copy_commands import CommandResult, CommandRow, CommandsRecorded
from paceline.ports.plans import LedgerKey

EXECUTOR = "executor"
_WIDTH = 19

_INSERT = sql("copy_command_insert")
_SUPERSEDE = sql("copy_command_supersede")
_OPEN = sql("copy_command_open")
_BY_IDS = sql("copy_command_by_ids")
_BY_DECISIONS = sql("copy_command_by_decisions")
_RESULTS = sql("copy_command_results")
_RESPEC = sql("copy_order_respec")
_OPEN_ROWS = sql("open_rows_of_keys")


async def insert_commands(transaction: Transaction, commands: Sequence[CopyCommand]) -> None:
    """The caller has fenced; what was planned before for the same orders and not sent is superseded."""
    if not commands:
        return
    new = await transaction.fetch(_INSERT, *columns([_columns_of(each) for each in commands], _WIDTH))
    if new:
        await transaction.execute(
            _SUPERSEDE, [row["copy_order_id"] for row in new], [row["command_id"] for row in new]
        )


async def write_command_results(
    transaction: Transaction, results: Sequence[CommandResult]
) -> frozenset[CommandId]:
    """Those that moved; the caller has fenced."""
    if not results:
        return frozenset()
    rows = [
        (
            each.command_id,
            each.partition,
            each.status.value,
            each.attempts,
            each.error_code,
            each.error_text,
            each.sent_ns,
            each.taken,
        )
        for each in results
    ]
    moved = await transaction.fetch(_RESULTS, *columns(rows, 8))
    return frozenset(CommandId(row["command_id"]) for row in moved)


async def write_specs(transaction: Transaction, specs: Sequence[tuple[Tag, OrderSpec]]) -> None:
    """What orders look like now; the last word on each counts, and the caller has locked their rows."""
    rows = [
        (
            tag,
            spec.type.value,
            spec.quantity,
            spec.limit_price,
            spec.trigger_price,
            spec.disclosed,
            spec.protected,
        )
        for tag, spec in dict(specs).items()
    ]
    if rows:
        await transaction.execute(_RESPEC, *columns(rows, 7))


async def read_open_rows(
    source: Database | Transaction, keys: Iterable[LedgerKey]
) -> Mapping[LedgerKey, Sequence[OpenRow]]:
    wanted = list(keys)
    found: dict[LedgerKey, list[OpenRow]] = {key: [] for key in wanted}
    if not wanted:
        return found
    pairs = [(subscription, *key_columns(key)) for subscription, key in wanted]
    for row in await source.fetch(_OPEN_ROWS, *columns(pairs, 3)):
        order = order_of(row)
        found[SubscriptionId(row["subscription_id"]), order.spec.key].append(
            OpenRow(order, _command_beside(row, order))
        )
    return found


async def commands_of_decisions(
    database: Database, decisions: Iterable[DecisionId]
) -> Mapping[DecisionId, Sequence[CopyCommand]]:
    found: dict[DecisionId, list[CopyCommand]] = {}
    for row in await database.fetch(_BY_DECISIONS, list(decisions)):
        found.setdefault(DecisionId(row["decision_id"]), []).append(_command_of(row))
    return found


class PostgresCopyCommands:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open_commands(
        self, partitions: Iterable[Partition], limit: int = 10_000
    ) -> Sequence[CommandRow]:
        return [_row_of(row) for row in await self._database.fetch(_OPEN, list(partitions), limit)]

    async def by_ids(self, ids: Iterable[CommandId]) -> Mapping[CommandId, CommandRow]:
        rows = [_row_of(row) for row in await self._database.fetch(_BY_IDS, list(ids))]
        return {row.command.command_id: row for row in rows}

    async def record(
        self, epochs: Mapping[Partition, Epoch], results: Sequence[CommandResult]
    ) -> CommandsRecorded:
        async with self._database.transaction() as transaction:
            stale = await stale_partitions(transaction, EXECUTOR, epochs)
            ours = [each for each in results if each.partition in epochs and each.partition not in stale]
            moved = await write_command_results(transaction, ours)
        return CommandsRecorded(moved, stale)

    async def open_rows(self, keys: Iterable[LedgerKey]) -> Mapping[LedgerKey, Sequence[OpenRow]]:
        return await read_open_rows(self._database, keys)


def _columns_of(command: CopyCommand) -> tuple[Any, ...]:
    return (
        command.command_id,
        command.copy_order_id,
        command.tag,
        command.decision_id,
        command.cause.kind.value,
        command.cause.identity,
        command.subscription_id,
        command.account_id,
        partition_of(command.account_id),
        *key_columns(command.key),
        command.kind.value,
        None if command.spec is None else to_json(command.spec),
        int(command.lane),
        command.leader_time_ns,
        command.seen_ns,
        command.planned_ns,
        command.status.value,
        command.traceparent,
    )


def _row_of(row: Row) -> CommandRow:
    return CommandRow(
        command=_command_of(row),
        written_ns=row["written_ns"],
        attempts=row["attempts"],
        error_code=row["error_code"],
        error_text=row["error_text"],
        sent_ns=row["sent_ns"],
        taken=row["taken"],
    )


def _command_of(row: Row) -> CopyCommand:
    return CopyCommand(
        command_id=CommandId(row["command_id"]),
        copy_order_id=CopyOrderId(row["copy_order_id"]),
        tag=Tag(row["tag"]),
        decision_id=DecisionId(row["decision_id"]),
        cause=Cause(CauseKind(row["cause_kind"]), row["cause_identity"]),
        subscription_id=SubscriptionId(row["subscription_id"]),
        account_id=AccountId(row["account_id"]),
        key=key_of(row),
        kind=CommandKind(row["kind"]),
        spec=None if row["spec"] is None else from_json(OrderSpec, row["spec"]),
        lane=Lane(row["lane"]),
        leader_time_ns=row["leader_time_ns"],
        seen_ns=row["seen_ns"],
        planned_ns=row["planned_ns"],
        status=CommandStatus(row["status"]),
        traceparent=row["traceparent"],
    )


def _command_beside(row: Row, order: CopyOrder) -> CopyCommand | None:
    """The command that was read together with its order."""
    if row["command_id"] is None or order.subscription_id is None:
        return None
    return CopyCommand(
        command_id=CommandId(row["command_id"]),
        copy_order_id=order.copy_order_id,
        tag=order.tag,
        decision_id=DecisionId(row["command_decision"]),
        cause=Cause(CauseKind(row["command_cause_kind"]), row["command_cause"]),
        subscription_id=order.subscription_id,
        account_id=order.account_id,
        key=order.spec.key,
        kind=CommandKind(row["command_kind"]),
        spec=None if row["command_spec"] is None else from_json(OrderSpec, row["command_spec"]),
        lane=Lane(row["command_lane"]),
        leader_time_ns=row["command_leader_time_ns"],
        seen_ns=row["command_seen_ns"],
        planned_ns=row["command_planned_ns"],
        status=CommandStatus(row["command_status"]),
        traceparent=row["command_traceparent"],
    )
