"""The chase in PostgreSQL: each step is its command, written once, on rows that stand as they were judged."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from paceline.adapters.postgres.audit import write_audit
from paceline.adapters.postgres.codec import from_json
from paceline.adapters.postgres.copy_commands import insert_commands
from paceline.adapters.postgres.copy_orders import CONSUMER
from paceline.adapters.postgres.copy_rows import order_of
from paceline.adapters.postgres.database import Database, Row, Transaction
from paceline.adapters.postgres.fencing import require_owner
from paceline.adapters.postgres.ledgers import append_lines, lock_ledgers
from paceline.adapters.postgres.plans import insert_orders
from paceline.adapters.postgres.queries import sql
from paceline.domain.copy_order import CommandKind, CopyCommand, CopyOrder, CopyStatus
from paceline.domain.copying.chase import ChasePolicy
from paceline.domain.copying.protect import BY_ALLOWANCE
from paceline.domain.ids import Epoch, InstrumentId, Partition
from paceline.domain.ledger import Ledger
from paceline.domain.partitioning import partition_of
from paceline.domain.subscription import Protection
from paceline.ports.audit import AuditEntry
from paceline.ports.chases import NO_PRICES, ChaseStep, Replacing, RestingRow

_NS_PER_MS = 1_000_000

_STOPS = sql("chase_stops")
_RESTING = sql("chase_resting")
_LOCK = sql("copy_order_lock_by_tags")
_CHANGING = sql("chase_changing")
_STEP = sql("chase_step")
_GIVEN_UP = sql("chase_given_up")
_REPLACEABLE = sql("chase_replaceable")
_REPLACED = sql("chase_replaced")
_REFUSED = sql("chase_refused")
_RETRIED = sql("chase_retried")


class PostgresChases:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stops(self, partitions: Iterable[Partition]) -> Sequence[InstrumentId]:
        rows = await self._database.fetch(_STOPS, sorted(partitions))
        return [InstrumentId(row["instrument_id"]) for row in rows]

    async def resting(
        self,
        partitions: Iterable[Partition],
        now_ns: int,
        policy: ChasePolicy,
        limit: int,
        prices: Mapping[InstrumentId, Decimal] = NO_PRICES,
    ) -> Sequence[RestingRow]:
        times = [policy.rest_ms, policy.rest_longest_ms, policy.entry_max_ms]
        due = [each * _NS_PER_MS for each in times]
        known = (list(prices), list(prices.values()))
        rows = await self._database.fetch(_RESTING, sorted(partitions), now_ns, *due, limit, *known)
        return [_resting(row) for row in rows]

    async def write(
        self, partition: Partition, epoch: Epoch, steps: Sequence[ChaseStep]
    ) -> Sequence[CopyCommand]:
        async with self._database.transaction() as transaction:
            await require_owner(transaction, CONSUMER, partition, epoch)
            sound = [each for each in await _standing(transaction, steps) if await _new(transaction, each)]
            await insert_commands(transaction, [each.command for each in sound])
            for each in sound:
                if each.ends_as:
                    await transaction.execute(_GIVEN_UP, each.row.order.tag, each.ends_as)
            await write_audit(transaction, [_told(each) for each in sound])
        return [each.command for each in sound]

    async def replaceable(self, partitions: Iterable[Partition]) -> Sequence[CopyOrder]:
        return [order_of(row) for row in await self._database.fetch(_REPLACEABLE, sorted(partitions))]

    async def refused(
        self, partitions: Iterable[Partition], now_ns: int, policy: ChasePolicy, limit: int
    ) -> Sequence[CopyOrder]:
        pauses = [each * _NS_PER_MS for each in (policy.retry_first_ms, policy.retry_longest_ms)]
        rows = await self._database.fetch(_REFUSED, sorted(partitions), now_ns, *pauses, limit)
        return [order_of(row) for row in rows]

    async def replace(
        self, partition: Partition, epoch: Epoch, order: CopyOrder, replacing: Replacing
    ) -> Sequence[CopyOrder]:
        async with self._database.transaction() as transaction:
            await require_owner(transaction, CONSUMER, partition, epoch)
            (row,) = await transaction.fetch(_LOCK, [order.tag])
            ledger = Ledger()
            if order.subscription_id is not None:
                key = (order.subscription_id, order.spec.key)
                ledger = (await lock_ledgers(transaction, [key])).get(key, ledger)
            decided = _RETRIED if order.status is CopyStatus.REJECTED else _REPLACED
            first = await transaction.value(decided, order.copy_order_id)
            found = replacing(order_of(row), ledger) if first else None
            if found is None:
                return ()
            await insert_orders(transaction, found.orders)
            await append_lines(transaction, found.lines)
            await write_audit(transaction, [_replaced(order, each) for each in found.orders])
        return found.orders


async def _standing(transaction: Transaction, steps: Sequence[ChaseStep]) -> list[ChaseStep]:
    """Locked as settlements lock, rows before ledgers: whoever plans changes of them holds their ledgers."""
    rows = await transaction.fetch(_LOCK, [each.row.order.tag for each in steps])
    versions = {row["tag"]: row["version"] for row in rows}
    keys = {(each.command.subscription_id, each.command.key) for each in steps}
    await lock_ledgers(transaction, sorted(keys, key=str))
    return [each for each in steps if versions.get(each.row.order.tag) == each.row.version]


async def _new(transaction: Transaction, step: ChaseStep) -> bool:
    name = step.command.copy_order_id
    if await transaction.value(_CHANGING, name):
        return False
    modifications = step.row.modifications + (step.command.kind is CommandKind.MODIFY)
    taken = await transaction.fetch(
        _STEP,
        name,
        partition_of(step.command.account_id),
        step.row.steps + 1,
        modifications,
        step.now_ns,
        step.replacing,
    )
    return bool(taken)


def _told(step: ChaseStep) -> AuditEntry:
    spec = step.command.spec
    return AuditEntry(
        CONSUMER,
        "chase.moved" if spec else "chase.given_up",
        "copy_order",
        step.command.copy_order_id,
        step.command.cause.identity,
        {
            "tag": step.command.tag,
            "command_id": step.command.command_id,
            "step": step.row.steps + 1,
            "from": str(step.row.order.spec.limit_price),
            "to": str(spec.limit_price) if spec else step.ends_as,
            "last": "" if step.last is None else str(step.last),
            "filled": str(step.row.order.filled),
        },
    )


def _replaced(order: CopyOrder, by: CopyOrder) -> AuditEntry:
    details = {"tag": by.tag, "quantity": str(by.spec.quantity), "limit": str(by.spec.limit_price)}
    action = "chase.retried" if order.status is CopyStatus.REJECTED else "chase.replaced"
    return AuditEntry(CONSUMER, action, "copy_order", order.copy_order_id, by.copy_order_id, details)


def _resting(row: Row) -> RestingRow:
    protection = row["protection"]
    return RestingRow(
        order_of(row),
        row["version"],
        row["began_ns"],
        row["touched_ns"],
        row["steps"],
        row["modifications"],
        Decimal(row["allowance_bps"] or 0),
        BY_ALLOWANCE if protection is None else from_json(Protection, protection),
    )
