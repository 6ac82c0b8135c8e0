"""Liquidations in PostgreSQL: every step in one transaction with what it does, under the executor's lease."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from paceline.adapters.postgres.audit import write_audit
from paceline.adapters.postgres.copy_commands import insert_commands
from paceline.adapters.postgres.copy_orders import CONSUMER
from paceline.adapters.postgres.copy_rows import copy_row_of, key_columns, key_of
from paceline.adapters.postgres.database import Database, Row, Transaction, columns
from paceline.adapters.postgres.fencing import require_owner
from paceline.adapters.postgres.ledgers import append_lines, ledger_of, ledgers_of, lock_ledgers
from paceline.adapters.postgres.plans import insert_orders
from paceline.adapters.postgres.queries import sql
from paceline.domain.copy_order import CopyCommand, CopyOrder, Intent
from paceline.domain.copying.adjustments import Adjusted, AdjustmentKind, ended
from paceline.domain.day_end import at_rest
from paceline.domain.errors import AlreadyExists, FailedPrecondition, NotFound
from paceline.domain.ids import AccountId, Epoch, InstrumentId, LiquidationId, Partition, SubscriptionId
from paceline.domain.instrument import InstrumentKey
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry
from paceline.domain.liquidation import (
    Liquidation,
    LiquidationCause,
    LiquidationLevel,
    LiquidationState,
    covers,
)
from paceline.ports.audit import AuditEntry
from paceline.ports.copy_orders import CopyRow
from paceline.ports.liquidations import Filter, Freeze, Step

_INSERT = sql("liquidation_insert")
_COPIES_OF = sql("liquidation_copies_of")
_GET = sql("liquidation_get")
_LOCK = sql("liquidation_lock")
_RUNNING = sql("liquidation_running")
_PAGE = sql("liquidation_page")
_STEP = sql("liquidation_step_insert")
_MOVE = sql("liquidation_move")
_STEPS = sql("liquidation_steps")
_ROWS = sql("liquidation_rows")
_LEDGERS = sql("liquidation_ledgers")
_LOCK_LEDGERS = sql("liquidation_ledgers_lock")
_RAISE = sql("freeze_raise")
_FREEZE = sql("freeze_account")
_THAW = sql("freeze_thaw")
_STANDING = sql("freeze_standing")
_ACKNOWLEDGE = sql("freeze_acknowledge")
_NEEDED = sql("freeze_needed")
_RELEASE = sql("freeze_release")

_LOT = Decimal(1)
"""Ending a ledger takes all of it, in whatever lots."""


class PostgresLiquidations:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, partition: Partition, epoch: Epoch, wanted: Liquidation) -> Liquidation:
        async with self._database.transaction() as transaction:
            await require_owner(transaction, CONSUMER, partition, epoch)
            if wanted.subscription_id is not None:
                mine = await transaction.value(_COPIES_OF, wanted.subscription_id, wanted.account_id)
                if not mine:
                    raise NotFound("subscription of this account", wanted.subscription_id)
            if await transaction.value(_INSERT, *_columns_of(partition, wanted)):
                await _begin(transaction, wanted)
            row = await transaction.row(_GET, wanted.liquidation_id)
        if row is None:
            raise NotFound("liquidation", wanted.liquidation_id)
        stored = _liquidation(row)
        if _scope(stored) != _scope(wanted):
            raise AlreadyExists("liquidation", wanted.liquidation_id)
        return stored

    async def get(self, liquidation_id: LiquidationId) -> Liquidation:
        row = await self._database.row(_GET, liquidation_id)
        if row is None:
            raise NotFound("liquidation", liquidation_id)
        return _liquidation(row)

    async def running(self, partitions: Iterable[Partition]) -> Sequence[Liquidation]:
        return [_liquidation(row) for row in await self._database.fetch(_RUNNING, sorted(partitions))]

    async def page(
        self, wanted: Filter, *, after: LiquidationId | None = None, limit: int = 100
    ) -> Sequence[Liquidation]:
        rows = await self._database.fetch(
            _PAGE,
            wanted.account_id,
            wanted.cause.value if wanted.cause else None,
            sorted(each.value for each in wanted.states) or None,
            wanted.since,
            wanted.before,
            after,
            limit,
        )
        return [_liquidation(row) for row in rows]

    async def steps(
        self, liquidation_id: LiquidationId, *, after: int = 0, limit: int = 500
    ) -> Sequence[Step]:
        return [_step(row) for row in await self._database.fetch(_STEPS, liquidation_id, after, limit)]

    async def rows(self, of: Liquidation) -> Sequence[CopyRow]:
        return [copy_row_of(row) for row in await self._database.fetch(_ROWS, of.account_id, of.prefix)]

    async def ledgers(self, account_id: AccountId) -> Mapping[tuple[SubscriptionId, InstrumentKey], Ledger]:
        return ledgers_of(await self._database.fetch(_LEDGERS, account_id))

    async def step(
        self,
        partition: Partition,
        epoch: Epoch,
        of: Liquidation,
        steps: Sequence[Step],
        orders: Sequence[CopyOrder] = (),
        lines: Sequence[LedgerEntry] = (),
        commands: Sequence[CopyCommand] = (),
    ) -> Sequence[CopyOrder]:
        async with self._database.transaction() as transaction:
            await require_owner(transaction, CONSUMER, partition, epoch)
            row = await transaction.row(_LOCK, of.liquidation_id)
            if row is None or row["finished_at"] is not None:
                return ()
            if not await _held(transaction, lines):
                return ()
            inserted = await insert_orders(transaction, orders) if orders else frozenset()
            if orders and not inserted:
                return ()
            await append_lines(transaction, lines)
            await insert_commands(transaction, commands)
            await _write(transaction, of, row["steps"], steps)
        return [order for order in orders if order.tag in inserted]

    async def finish(self, partition: Partition, epoch: Epoch, of: Liquidation) -> str:
        async with self._database.transaction() as transaction:
            await require_owner(transaction, CONSUMER, partition, epoch)
            row = await transaction.row(_LOCK, of.liquidation_id)
            if row is None or row["finished_at"] is not None:
                return ""
            closed = 0
            if of.level is LiquidationLevel.FLATTEN:
                mine = await _ledgers_of(transaction, of)
                moving = [each for each, ledger in mine.items() if not at_rest(ledger)]
                if moving:
                    return f"fills of {moving[0][0]} in {moving[0][1].instrument_id} have still to be told"
                closed = len(await append_lines(transaction, _closing(of, mine)))
            detail = f"flat; {closed} ledgers closed" if of.level is LiquidationLevel.FLATTEN else "done"
            await _write(transaction, of, row["steps"], [Step("done", LiquidationState.DONE, detail)])
        return ""

    async def freezes(
        self, partitions: Iterable[Partition] = (), accounts: Iterable[AccountId] = ()
    ) -> Sequence[Freeze]:
        rows = await self._database.fetch(_STANDING, sorted(partitions), sorted(accounts))
        return [_freeze(row) for row in rows]

    async def acknowledge(self, freezes: Sequence[Freeze], by: str) -> None:
        wanted = [(each.account_id, each.version) for each in freezes if each.acknowledged < each.version]
        if wanted:
            await self._database.execute(_ACKNOWLEDGE, *columns(wanted, 2), by)

    async def freeze(self, account_id: AccountId, cause: str, reason: str) -> None:
        async with self._database.transaction() as transaction:
            await _freeze_at(transaction, account_id, LiquidationLevel.STOP_ENTRIES, reason, cause)

    async def release(self, account_id: AccountId, actor: str, reason: str) -> bool:
        async with self._database.transaction() as transaction:
            return await _release(transaction, account_id, actor, reason)


async def _freeze_at(
    transaction: Transaction, account_id: AccountId, level: LiquidationLevel, reason: str, cause: str
) -> None:
    await transaction.value(_RAISE, account_id, level.value, reason, cause)
    await transaction.execute(_FREEZE, account_id)


async def _release(transaction: Transaction, account_id: AccountId, actor: str, reason: str) -> bool:
    needed = await transaction.fetch(_NEEDED, account_id)
    if needed:
        name = needed[0]["liquidation_id"]
        raise FailedPrecondition(f"{account_id} stays frozen until liquidation {name} is done")
    row = await transaction.row(_RELEASE, account_id)
    if row is None:
        return False
    await transaction.execute(_THAW, account_id)
    details = {"reason": reason, "level": row["level"], "version": row["version"]}
    entry = AuditEntry(actor, "freeze.released", "account", account_id, row["cause"], details)
    await write_audit(transaction, [entry])
    return True


async def _begin(transaction: Transaction, wanted: Liquidation) -> None:
    """The freeze, or the end of all that copies should hold; with the first step, before anything acts."""
    if wanted.subscription_id is None:
        await _freeze_at(transaction, wanted.account_id, wanted.level, wanted.reason, wanted.liquidation_id)
    elif wanted.level is LiquidationLevel.FLATTEN:
        ledgers = await _ledgers_of(transaction, wanted)
        cause = f"{wanted.prefix}begun"
        await append_lines(
            transaction,
            [
                LedgerEntry(name, key, EntryKind.FORGONE, Intent.ENTRY, -ledger.ideal, cause, "LIQUIDATED")
                for (name, key), ledger in ledgers.items()
                if ledger.ideal
            ],
        )
    await transaction.row(_LOCK, wanted.liquidation_id)
    words = f"{wanted.level.value} of {wanted.subscription_id or 'the whole account'}: {wanted.reason}"
    first = Step("stored", LiquidationState.STORED, words)
    await _write(transaction, wanted, 0, [first], _why(wanted))


async def _write(
    transaction: Transaction,
    of: Liquidation,
    number: int,
    steps: Sequence[Step],
    details: Mapping[str, object] | None = None,
) -> None:
    """Those that are new, with their audit, and what the last says of the whole; the row is locked."""
    if not steps:
        return
    rows = [
        (
            each.identity,
            each.state.value,
            each.detail,
            *(key_columns(each.key) if each.key else (None, None)),
            each.order_id,
            each.remaining,
        )
        for each in steps
    ]
    written = await transaction.fetch(_STEP, of.liquidation_id, number, *columns(rows, 7))
    await transaction.execute(_MOVE, of.liquidation_id, steps[-1].state.value, len(written))
    new = {row["identity"] for row in written}
    await write_audit(
        transaction, [_audited(of, each, details or {}) for each in steps if each.identity in new]
    )


def _audited(of: Liquidation, step: Step, details: Mapping[str, object]) -> AuditEntry:
    told: dict[str, object] = {"state": step.state.value, "detail": step.detail, **details}
    if step.key is not None:
        told |= {"instrument_id": step.key.instrument_id, "product": step.key.product.value}
    if step.order_id:
        told["order"] = step.order_id
    if step.remaining is not None:
        told["remaining"] = str(step.remaining)
    action = f"liquidation.{step.identity.partition(':')[0]}"
    return AuditEntry(CONSUMER, action, "account", of.account_id, of.liquidation_id, told)


def _why(wanted: Liquidation) -> dict[str, object]:
    return {
        "cause": wanted.cause.value,
        "cause_id": wanted.cause_id,
        "reason": wanted.reason,
        "equity": None if wanted.equity is None else f"{wanted.equity} {wanted.currency}",
        "margin_level_percent": None if wanted.margin_level is None else str(wanted.margin_level),
        "prices": {name: str(price) for name, price in wanted.prices.items()},
    }


async def _held(transaction: Transaction, lines: Sequence[LedgerEntry]) -> bool:
    """Whether ledgers still hold what their lines want to sell, by all that was planned meanwhile."""
    if not lines:
        return True
    ledgers = await lock_ledgers(transaction, [(line.subscription_id, line.key) for line in lines])
    for line in lines:
        held = ledgers.get((line.subscription_id, line.key), Ledger()).held
        if held * line.quantity >= 0 or abs(held) < abs(line.quantity):
            return False
    return True


async def _ledgers_of(
    transaction: Transaction, of: Liquidation
) -> dict[tuple[SubscriptionId, InstrumentKey], Ledger]:
    rows = await transaction.fetch(_LOCK_LEDGERS, of.account_id)
    found = {(SubscriptionId(row["subscription_id"]), key_of(row)): ledger_of(row) for row in rows}
    return {each: ledger for each, ledger in found.items() if covers(of, *each)}


def _closing(
    of: Liquidation, ledgers: Mapping[tuple[SubscriptionId, InstrumentKey], Ledger]
) -> list[LedgerEntry]:
    evidence = f"liquidation {of.liquidation_id}: two readings of the broker's books are flat"
    adjustments = [
        ended(Adjusted(name, key, ledger, _LOT, of.prefix + "done", evidence), AdjustmentKind.LIQUIDATED)
        for (name, key), ledger in ledgers.items()
    ]
    return [line for each in adjustments if each is not None for line in each.lines]


def _columns_of(partition: Partition, wanted: Liquidation) -> tuple[Any, ...]:
    return (
        wanted.liquidation_id,
        wanted.account_id,
        partition,
        wanted.subscription_id,
        *(key_columns(wanted.key) if wanted.key else (None, None)),
        wanted.level.value,
        wanted.cause.value,
        wanted.cause_id,
        wanted.reason,
        wanted.equity,
        wanted.currency,
        wanted.margin_level,
        {name: str(price) for name, price in wanted.prices.items()},
    )


def _scope(of: Liquidation) -> tuple[object, ...]:
    return of.account_id, of.subscription_id, of.key, of.level


def _liquidation(row: Row) -> Liquidation:
    return Liquidation(
        liquidation_id=LiquidationId(row["liquidation_id"]),
        account_id=AccountId(row["account_id"]),
        level=LiquidationLevel(row["level"]),
        cause=LiquidationCause(row["cause"]),
        cause_id=row["cause_id"],
        reason=row["reason"],
        subscription_id=None if row["subscription_id"] is None else SubscriptionId(row["subscription_id"]),
        key=None if row["instrument_id"] is None else key_of(row),
        equity=row["equity"],
        currency=row["currency"],
        margin_level=row["margin_level"],
        prices={InstrumentId(name): Decimal(price) for name, price in row["prices"].items()},
        state=LiquidationState(row["state"]),
        created=row["started_at"],
        updated=row["changed_at"],
    )


def _step(row: Row) -> Step:
    return Step(
        row["identity"],
        LiquidationState(row["state"]),
        row["detail"],
        None if row["instrument_id"] is None else key_of(row),
        row["order_id"],
        row["remaining"],
        row["number"],
        row["at"],
    )


def _freeze(row: Row) -> Freeze:
    return Freeze(
        AccountId(row["account_id"]),
        LiquidationLevel(row["level"]),
        row["cause"],
        row["reason"],
        row["version"],
        row["acknowledged_version"],
    )
