"""Drifts in PostgreSQL: what stands is read again under locks before anything of it is healed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from paceline.adapters.postgres.audit import write_audit
from paceline.adapters.postgres.copy_orders import CONSUMER
from paceline.adapters.postgres.copy_rows import copy_row_of, key_columns, key_of
from paceline.adapters.postgres.database import Database, Row, Transaction, columns
from paceline.adapters.postgres.fencing import require_owner
from paceline.adapters.postgres.ledgers import append_lines, ledger_of
from paceline.adapters.postgres.plans import insert_orders
from paceline.adapters.postgres.queries import sql
from paceline.domain.copy_order import CopyOrder
from paceline.domain.drift import Difference, DriftKind, Share, Standing
from paceline.domain.ids import AccountId, Epoch, Partition, SubscriptionId
from paceline.domain.instrument import InstrumentKey
from paceline.domain.subscription import AttributionPolicy, DriftPolicy
from paceline.ports.audit import AuditEntry
from paceline.ports.drifts import Drift, Finding
from paceline.ports.plans import LedgerKey

_READERS = ("executor", "trades")
"""Whoever folds fills into ledgers and trades must have folded them all."""

_ACCOUNTS = sql("drift_accounts")
_BEHIND = sql("day_end_behind")
_STANDINGS = sql("drift_standings")
_NEWEST = sql("drift_newest")
_LOCK = sql("drift_lock")
_SEEN = sql("drift_seen")
_ENDED = sql("drift_ended")
_COUNT = sql("drift_count")
_PAGE = sql("drift_page")


class PostgresDrifts:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def accounts(self, partitions: Iterable[Partition]) -> Sequence[AccountId]:
        rows = await self._database.fetch(_ACCOUNTS, sorted(partitions))
        return [AccountId(row["account_id"]) for row in rows]

    async def standings(
        self, partition: Partition, account_id: AccountId, quiet_ms: int
    ) -> Mapping[InstrumentKey, Standing]:
        return await _standings(self._database, partition, account_id, quiet_ms)

    async def newest(self, account_id: AccountId, keys: Iterable[LedgerKey]) -> Mapping[LedgerKey, CopyOrder]:
        pairs = [(subscription_id, *key_columns(key)) for subscription_id, key in keys]
        rows = await self._database.fetch(_NEWEST, account_id, *columns(pairs, 3)) if pairs else ()
        orders = [copy_row_of(row).order for row in rows]
        return {
            (order.subscription_id, order.spec.key): order
            for order in orders
            if order.subscription_id is not None
        }

    async def write(
        self,
        partition: Partition,
        epoch: Epoch,
        account_id: AccountId,
        findings: Sequence[Finding],
        quiet_ms: int,
    ) -> Sequence[CopyOrder]:
        async with self._database.transaction() as transaction:
            await require_owner(transaction, CONSUMER, partition, epoch)
            await transaction.fetch(_LOCK, account_id)
            now = await _standings(transaction, partition, account_id, quiet_ms)
            sound = [each for each in findings if now.get(each.key) == each.standing]
            new, healed = await _heal(transaction, sound)
            audit = await _seen(transaction, partition, account_id, sound, healed)
            audit += await _ended(transaction, account_id, [each for each in sound if not each.difference])
            await write_audit(transaction, audit)
        return new

    async def standing(self, partitions: Iterable[Partition]) -> int:
        return await self._database.value(_COUNT, sorted(partitions)) or 0

    async def page(
        self,
        *,
        account_id: AccountId | None = None,
        subscription_id: SubscriptionId | None = None,
        ended: bool = False,
        after: int = 0,
        limit: int = 100,
    ) -> Sequence[Drift]:
        rows = await self._database.fetch(_PAGE, after, account_id, ended, subscription_id, limit)
        return [_drift(row) for row in rows]


async def _standings(
    database: Database | Transaction, partition: Partition, account_id: AccountId, quiet_ms: int
) -> Mapping[InstrumentKey, Standing]:
    behind = await database.fetch(_BEHIND, partition, list(_READERS))
    late = f"{behind[0]['consumer']} has still to read the journal" if behind else ""
    groups: defaultdict[InstrumentKey, list[Row]] = defaultdict(list)
    for row in await database.fetch(_STANDINGS, account_id, partition, quiet_ms / 1_000):
        groups[key_of(row)].append(row)
    return {
        key: Standing(
            tuple(_share(row) for row in rows),
            rows[0]["journal"],
            late or next((words for row in rows if (words := _unrest(row))), ""),
            rows[0]["heals"],
        )
        for key, rows in groups.items()
    }


def _share(row: Row) -> Share:
    return Share(
        SubscriptionId(row["subscription_id"]),
        ledger_of(row),
        AttributionPolicy(row["attribution"]),
        DriftPolicy(row["policy"]),
    )


def _unrest(row: Row) -> str:
    if row["ordering"]:
        return "an order has not ended"
    if row["changing"]:
        return "an order is being changed"
    return "it moved a moment ago" if row["moved"] else ""


async def _heal(
    transaction: Transaction, findings: Sequence[Finding]
) -> tuple[list[CopyOrder], set[InstrumentKey]]:
    """The orders that are new, and the keys in which something was done."""
    new: list[CopyOrder] = []
    healed: set[InstrumentKey] = set()
    for finding in findings:
        lines = [line for each in finding.healing.adjustments for line in each.lines]
        if lines and await append_lines(transaction, lines):
            healed.add(finding.key)
        for correction in finding.healing.corrections:
            inserted = await insert_orders(transaction, correction.orders)
            if inserted:
                await append_lines(transaction, correction.lines)
                new += [order for order in correction.orders if order.tag in inserted]
                healed.add(finding.key)
    return new, healed


async def _seen(
    transaction: Transaction,
    partition: Partition,
    account_id: AccountId,
    findings: Sequence[Finding],
    healed: set[InstrumentKey],
) -> list[AuditEntry]:
    by_key = {key_columns(each.key): each for each in findings if each.difference is not None}
    rows = [
        (
            *key,
            found.kind.value,
            found.copied,
            found.net,
            found.amount,
            each.evidence,
            each.book_ns,
            int(each.key in healed),
        )
        for key, each in by_key.items()
        if (found := each.difference) is not None
    ]
    if not rows:
        return []
    entries: list[AuditEntry] = []
    for row in await transaction.fetch(_SEEN, account_id, partition, *columns(rows, 9)):
        finding = by_key[row["instrument_id"], row["product"]]
        if row["began"]:
            entries.append(_entry("drift.began", account_id, finding.key, row, _details(finding)))
        if finding.key in healed:
            entries.append(
                _entry("drift.healed", account_id, finding.key, row, _details(finding) | _done(finding))
            )
    return entries


async def _ended(
    transaction: Transaction, account_id: AccountId, findings: Sequence[Finding]
) -> list[AuditEntry]:
    keys = [key_columns(each.key) for each in findings]
    rows = await transaction.fetch(_ENDED, account_id, *columns(keys, 2)) if keys else ()
    return [_entry("drift.ended", account_id, key_of(row), row, {}) for row in rows]


def _entry(
    action: str, account_id: AccountId, key: InstrumentKey, row: Row, details: Mapping[str, object]
) -> AuditEntry:
    named: dict[str, object] = {"instrument_id": key.instrument_id, "product": key.product.value}
    return AuditEntry(
        CONSUMER, action, "account", account_id, f"drift {row['drift_id']}", {**named, **details}
    )


def _details(finding: Finding) -> dict[str, object]:
    found = finding.difference
    if found is None:
        return {}
    return {
        "kind": found.kind.value,
        "copied": str(found.copied),
        "net": str(found.net),
        "amount": str(found.amount),
        "evidence": finding.evidence,
    }


def _done(finding: Finding) -> dict[str, object]:
    healing = finding.healing
    return {
        "adjusted": {
            each.lines[0].subscription_id: f"{each.before} to {each.after}" for each in healing.adjustments
        },
        "sold": [order.tag for each in healing.corrections for order in each.orders],
    }


def _drift(row: Row) -> Drift:
    return Drift(
        row["drift_id"],
        AccountId(row["account_id"]),
        key_of(row),
        Difference(DriftKind(row["kind"]), row["copied"], row["net"], row["amount"]),
        row["evidence"],
        row["since"],
        row["book_ns"],
        row["heals"],
        row["ended_at"],
    )
