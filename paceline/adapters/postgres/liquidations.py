"""Liquidations in PostgreSQL: every step in one transaction with what it does, under the executor's lease."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal

from paceline.adapters.postgres.audit import write_audit
from paceline.adapters.postgres.copy_commands import insert_commands
from paceline.adapters.postgres.copy_orders import CONSUMER
from paceline.adapters.postgres.copy_rows import copy_row_of, key_columns, key_of
from paceline.adapters.postgres.database import Database, Row, Transaction, columns
from paceline.adapters.postgres.fencing import require_owner, stale_partitions
from paceline.adapters.postgres.ledgers import append_lines, ledger_of, lock_ledgers
from paceline.adapters.postgres.liquidation_rows import (
    audited,
    freeze_of,
    liquidation_columns,
    liquidation_of,
    scope_of,
    step_of,
    why,
)
from paceline.adapters.postgres.plans import insert_orders
from paceline.adapters.postgres.queries import sql
from paceline.domain.copy_order import CopyOrder, Intent
from paceline.domain.copying.adjustments import Adjusted, AdjustmentKind, ended
from paceline.domain.day_end import at_rest
from paceline.domain.errors import AlreadyExists, FailedPrecondition, NotFound, NotOwner, PacelineError
from paceline.domain.ids import AccountId, Epoch, LiquidationId, Partition, SubscriptionId
from paceline.domain.instrument import InstrumentKey
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry
from paceline.domain.liquidation import (
    Liquidation,
    LiquidationLevel,
    LiquidationState,
    covers,
)
from paceline.domain.partitioning import partition_of
from paceline.ports.audit import AuditEntry
from paceline.ports.copy_orders import CopyRow
from paceline.ports.liquidations import Act, Filter, Freeze, Ledgers, Step

_INSERT = sql("liquidation_insert")
_COPIES_OF = sql("liquidation_copies_of")
_ACCOUNTS = sql("liquidation_accounts")
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

    async def create(
        self, epochs: Mapping[Partition, Epoch], wanted: Sequence[Liquidation]
    ) -> Sequence[Liquidation | PacelineError]:
        async with self._database.transaction() as transaction:
            ours = await _ours(transaction, epochs)
            refused = await _refused(transaction, ours, wanted)
            sound = [each for each in wanted if each.liquidation_id not in refused]
            rows = (
                await transaction.fetch(_INSERT, *columns([liquidation_columns(each) for each in sound], 13))
                if sound
                else []
            )
            stored = {each.liquidation_id: each for each in map(liquidation_of, rows)}
            begun = {each.liquidation_id: each for each in sound if each.liquidation_id in stored}
            await _begin(transaction, list(begun.values()))
            others = [each for each in sound if each.liquidation_id not in stored]
            known: Sequence[Row] = ()
            if others:
                found = await transaction.fetch(_GET, [each.liquidation_id for each in others])
                stored |= {each.liquidation_id: each for each in map(liquidation_of, found)}
                known = await transaction.fetch(_ACCOUNTS, [each.account_id for each in others])
        accounts = {row["account_id"] for row in known}
        return [
            refused.get(each.liquidation_id) or _as_asked(each, stored.get(each.liquidation_id), accounts)
            for each in wanted
        ]

    async def get(self, liquidation_id: LiquidationId) -> Liquidation:
        row = await self._database.row(_GET, [liquidation_id])
        if row is None:
            raise NotFound("liquidation", liquidation_id)
        return liquidation_of(row)

    async def running(self, partitions: Iterable[Partition]) -> Sequence[Liquidation]:
        return [liquidation_of(row) for row in await self._database.fetch(_RUNNING, sorted(partitions))]

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
        return [liquidation_of(row) for row in rows]

    async def steps(
        self, liquidation_id: LiquidationId, *, after: int = 0, limit: int = 500
    ) -> Sequence[Step]:
        return [step_of(row) for row in await self._database.fetch(_STEPS, liquidation_id, after, limit)]

    async def rows(self, of: Sequence[Liquidation]) -> Sequence[Sequence[CopyRow]]:
        given = columns([(each.account_id, each.prefix, partition_of(each.account_id)) for each in of], 3)
        found: list[list[CopyRow]] = [[] for _ in of]
        for row in await self._database.fetch(_ROWS, *given):
            found[row["n"] - 1].append(copy_row_of(row))
        return found

    async def ledgers(self, accounts: Sequence[AccountId]) -> Sequence[Ledgers]:
        found = _by_follower(await self._database.fetch(_LEDGERS, list(accounts)))
        return [found[each] for each in accounts]

    async def act(
        self, epochs: Mapping[Partition, Epoch], acts: Sequence[Act]
    ) -> Sequence[Sequence[CopyOrder] | NotOwner]:
        async with self._database.transaction() as transaction:
            ours = await _ours(transaction, epochs)
            owned = [each for each in acts if partition_of(each.of.account_id) in ours]
            names = [each.of.liquidation_id for each in owned]
            running = {
                row["liquidation_id"]
                for row in await transaction.fetch(_LOCK, names)
                if row["finished_at"] is None
            }
            going = await _held(transaction, [each for each in owned if each.of.liquidation_id in running])
            orders = [order for each in going for order in each.orders]
            new = await insert_orders(transaction, orders) if orders else frozenset()
            going = [
                each for each in going if not each.orders or any(order.tag in new for order in each.orders)
            ]
            await append_lines(transaction, [line for each in going for line in each.lines])
            await insert_commands(transaction, [command for each in going for command in each.commands])
            await _write(transaction, [(each.of, each.steps, {}) for each in going])
        done = {each.of.liquidation_id: [one for one in each.orders if one.tag in new] for each in going}
        return [
            done.get(each.of.liquidation_id, ())
            if partition_of(each.of.account_id) in ours
            else _not_owner(each.of)
            for each in acts
        ]

    async def finish(self, partition: Partition, epoch: Epoch, of: Liquidation) -> str:
        async with self._database.transaction() as transaction:
            await require_owner(transaction, CONSUMER, partition, epoch)
            row = await transaction.row(_LOCK, [of.liquidation_id])
            if row is None or row["finished_at"] is not None:
                return ""
            closed = 0
            if of.level is LiquidationLevel.FLATTEN:
                mine = (await _ledgers_of(transaction, [of]))[of.liquidation_id]
                moving = [each for each, ledger in mine.items() if not at_rest(ledger)]
                if moving:
                    return f"fills of {moving[0][0]} in {moving[0][1].instrument_id} have still to be told"
                closed = len(await append_lines(transaction, _closing(of, mine)))
            detail = f"flat; {closed} ledgers closed" if of.level is LiquidationLevel.FLATTEN else "done"
            await _write(transaction, [(of, [Step("done", LiquidationState.DONE, detail)], {})])
        return ""

    async def freezes(
        self, partitions: Iterable[Partition] = (), accounts: Iterable[AccountId] = ()
    ) -> Sequence[Freeze]:
        rows = await self._database.fetch(_STANDING, sorted(partitions), sorted(accounts))
        return [freeze_of(row) for row in rows]

    async def acknowledge(self, freezes: Sequence[Freeze], by: str) -> None:
        wanted = [(each.account_id, each.version) for each in freezes if each.acknowledged < each.version]
        if wanted:
            await self._database.execute(_ACKNOWLEDGE, *columns(wanted, 2), by)

    async def freeze(self, account_id: AccountId, cause: str, reason: str) -> None:
        async with self._database.transaction() as transaction:
            await _freeze_at(transaction, [(account_id, LiquidationLevel.STOP_ENTRIES.value, reason, cause)])

    async def release(self, account_id: AccountId, actor: str, reason: str) -> bool:
        async with self._database.transaction() as transaction:
            return await _release(transaction, account_id, actor, reason)


async def _freeze_at(transaction: Transaction, freezes: Iterable[tuple[str, str, str, str]]) -> None:
    """Accounts with level, reason and cause; one that is named twice is frozen twice, in this order."""
    left = list(freezes)
    while left:
        once = {each[0]: each for each in reversed(left)}
        left = [each for each in left if once[each[0]] is not each]
        await transaction.execute(_RAISE, *columns(once.values(), 4))
        await transaction.execute(_FREEZE, list(once))


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


async def _ours(transaction: Transaction, epochs: Mapping[Partition, Epoch]) -> frozenset[Partition]:
    """Those that are held under these epochs until the transaction ends."""
    return frozenset(epochs) - await stale_partitions(transaction, CONSUMER, epochs)


def _not_owner(of: Liquidation) -> NotOwner:
    return NotOwner(f"{CONSUMER} does not hold partition {partition_of(of.account_id)} any more")


async def _refused(
    transaction: Transaction, ours: Collection[Partition], wanted: Sequence[Liquidation]
) -> dict[LiquidationId, PacelineError]:
    """What cannot be stored whoever else stored what."""
    named = [each.subscription_id for each in wanted if each.subscription_id is not None]
    rows = await transaction.fetch(_COPIES_OF, named) if named else ()
    followers = {row["subscription_id"]: row["follower"] for row in rows}
    refused: dict[LiquidationId, PacelineError] = {}
    for each in wanted:
        if partition_of(each.account_id) not in ours:
            refused[each.liquidation_id] = _not_owner(each)
        elif each.subscription_id and followers.get(each.subscription_id) != each.account_id:
            refused[each.liquidation_id] = NotFound("subscription of this account", each.subscription_id)
    return refused


def _as_asked(
    wanted: Liquidation, stored: Liquidation | None, accounts: Collection[str]
) -> Liquidation | PacelineError:
    """What stands under its name, if that means the same."""
    if stored is None and wanted.account_id not in accounts:
        return NotFound("account", wanted.account_id)
    if stored is None or scope_of(stored) != scope_of(wanted):
        return AlreadyExists("liquidation", wanted.liquidation_id)
    return stored


async def _begin(transaction: Transaction, wanted: Sequence[Liquidation]) -> None:
    """The freezes, or the end of all that copies should hold; with the first step, before anything acts."""
    whole = [each for each in wanted if each.whole]
    await _freeze_at(
        transaction, [(each.account_id, each.level.value, each.reason, each.liquidation_id) for each in whole]
    )
    copies = [each for each in wanted if not each.whole and each.level is LiquidationLevel.FLATTEN]
    lines = [
        LedgerEntry(
            name, key, EntryKind.FORGONE, Intent.ENTRY, -ledger.ideal, f"{of.prefix}begun", "LIQUIDATED"
        )
        for of, ledgers in zip(copies, (await _ledgers_of(transaction, copies)).values(), strict=True)
        for (name, key), ledger in ledgers.items()
        if ledger.ideal
    ]
    await append_lines(transaction, lines)
    await _write(
        transaction,
        [
            (
                each,
                [
                    Step(
                        "stored",
                        LiquidationState.STORED,
                        f"{each.level.value} of {each.subscription_id or 'the whole account'}: {each.reason}",
                    )
                ],
                why(each),
            )
            for each in wanted
        ],
    )


async def _write(
    transaction: Transaction,
    told: Sequence[tuple[Liquidation, Sequence[Step], Mapping[str, object]]],
) -> None:
    """Those that are new, with their audit, and what the last says of each whole; the rows are locked."""
    rows = [
        (
            of.liquidation_id,
            each.identity,
            each.state.value,
            each.detail,
            *(key_columns(each.key) if each.key else (None, None)),
            each.order_id,
            each.remaining,
        )
        for of, steps, _ in told
        for each in steps
    ]
    if not rows:
        return
    found = await transaction.fetch(_STEP, *columns(rows, 8))
    new = {(row["liquidation_id"], row["identity"]) for row in found}
    written = Counter(name for name, _ in new)
    moves = [
        (of.liquidation_id, steps[-1].state.value, written[of.liquidation_id])
        for of, steps, _ in told
        if steps
    ]
    await transaction.execute(_MOVE, *columns(moves, 3))
    await write_audit(
        transaction,
        [
            audited(of, each, details)
            for of, steps, details in told
            for each in steps
            if (of.liquidation_id, each.identity) in new
        ],
    )


async def _held(transaction: Transaction, acts: Sequence[Act]) -> list[Act]:
    """Those whose ledgers still hold what their lines want to sell, by all that was planned meanwhile."""
    keys = [(line.subscription_id, line.key) for each in acts for line in each.lines]
    if not keys:
        return list(acts)
    ledgers = await lock_ledgers(transaction, dict.fromkeys(keys))
    held = {key: ledgers.get(key, Ledger()).held for key in keys}
    going = []
    for each in acts:
        sold = [((line.subscription_id, line.key), line.quantity) for line in each.lines]
        if all(held[key] * quantity < 0 and abs(held[key]) >= abs(quantity) for key, quantity in sold):
            going.append(each)
            for key, quantity in sold:
                held[key] += quantity
    return going


async def _ledgers_of(
    transaction: Transaction, of: Sequence[Liquidation]
) -> dict[LiquidationId, dict[tuple[SubscriptionId, InstrumentKey], Ledger]]:
    """Those in the scope of each, locked."""
    accounts = sorted({each.account_id for each in of})
    found = _by_follower(await transaction.fetch(_LOCK_LEDGERS, accounts) if accounts else ())
    return {
        each.liquidation_id: {
            key: ledger for key, ledger in found[each.account_id].items() if covers(each, *key)
        }
        for each in of
    }


def _by_follower(
    rows: Iterable[Row],
) -> defaultdict[AccountId, dict[tuple[SubscriptionId, InstrumentKey], Ledger]]:
    found: defaultdict[AccountId, dict[tuple[SubscriptionId, InstrumentKey], Ledger]] = defaultdict(dict)
    for row in rows:
        found[row["follower"]][SubscriptionId(row["subscription_id"]), key_of(row)] = ledger_of(row)
    return found


def _closing(
    of: Liquidation, ledgers: Mapping[tuple[SubscriptionId, InstrumentKey], Ledger]
) -> list[LedgerEntry]:
    evidence = f"liquidation {of.liquidation_id}: two readings of the broker's books are flat"
    adjustments = [
        ended(Adjusted(name, key, ledger, _LOT, of.prefix + "done", evidence), AdjustmentKind.LIQUIDATED)
        for (name, key), ledger in ledgers.items()
    ]
    return [line for each in adjustments if each is not None for line in each.lines]
