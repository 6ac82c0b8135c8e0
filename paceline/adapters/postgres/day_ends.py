"""The end of the day in PostgreSQL: what is closed, why, and that it was done."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal

from paceline.adapters.postgres.audit import write_audit
from paceline.adapters.postgres.copy_rows import key_columns, key_of
from paceline.adapters.postgres.database import Database, Transaction, columns
from paceline.adapters.postgres.fencing import require_owner, stale_partitions
from paceline.adapters.postgres.journal import may_journal
from paceline.adapters.postgres.ledgers import append_lines, ledger_of
from paceline.adapters.postgres.queries import sql
from paceline.adapters.postgres.trades import open_trades, save_trades
from paceline.domain.day_end import at_rest, closing_lines
from paceline.domain.errors import NotOwner
from paceline.domain.ids import AccountId, Epoch, Partition, SubscriptionId
from paceline.domain.instrument import InstrumentKey
from paceline.domain.ledger import Ledger, LedgerEntry
from paceline.domain.money import ONE
from paceline.domain.trade import ended
from paceline.ports.audit import AuditEntry
from paceline.ports.day_ends import Finding
from paceline.ports.journal import Append
from paceline.ports.leases import Tenure
from paceline.ports.plans import LedgerKey
from paceline.ports.trades import Stand

ACTOR = "feed"
_READERS = ("executor", "trades")
"""Whoever folds fills into ledgers and trades must have folded them all."""

_PENDING = sql("day_end_pending")
_PENDING_IN = sql("day_end_pending_in")
_HELD = sql("day_end_held")
_BEHIND = sql("day_end_behind")
_LEDGERS = sql("day_end_ledgers")
_OPEN = sql("copy_order_open_of_keys")
_DONE = sql("day_end_done")
_SWEEP = sql("day_end_sweep")


class PostgresDayEnds:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def pending(self, accounts: Iterable[AccountId], day: date) -> Sequence[AccountId]:
        rows = await self._database.fetch(_PENDING, list(accounts), day)
        return [AccountId(row["account_id"]) for row in rows]

    async def pending_in(self, partitions: Iterable[Partition], day: date) -> Sequence[AccountId]:
        rows = await self._database.fetch(_PENDING_IN, list(partitions), day)
        return [AccountId(row["account_id"]) for row in rows]

    async def held(self, account_id: AccountId) -> Sequence[tuple[InstrumentKey, Decimal]]:
        return [(key_of(row), row["held"]) for row in await self._database.fetch(_HELD, account_id)]

    async def end(
        self, tenure: Tenure, account_id: AccountId, day: date, finding: Finding | None
    ) -> str | None:
        append = Append(tenure.partition, tenure.epoch, (), pins={account_id: tenure.pin})
        async with self._database.transaction() as transaction:
            if not await may_journal(transaction, account_id, append):
                raise NotOwner(f"{account_id} is journaled elsewhere")
            closed = 0
            if finding is not None:
                behind = await transaction.value(_BEHIND, tenure.partition, list(_READERS))
                if behind:
                    return f"{behind} has still to read the journal"
                ledgers = await _gone_ledgers(transaction, account_id, finding)
                if unrest := await _unrest(transaction, ledgers):
                    return unrest
                closed = await _close(transaction, account_id, day, ledgers, finding)
            words = finding.words if finding else ""
            await transaction.execute(_DONE, [account_id], day, "COMPARED", closed, words)
        return None

    async def unread(
        self, partition: Partition, epoch: Epoch, accounts: Sequence[AccountId], day: date, why: str
    ) -> None:
        async with self._database.transaction() as transaction:
            await require_owner(transaction, "feed", partition, epoch)
            await transaction.execute(_DONE, list(accounts), day, "UNREAD", 0, why)
            await write_audit(
                transaction,
                [
                    AuditEntry(ACTOR, "day_end.unread", "account", each, f"the end of {day}", {"why": why})
                    for each in accounts
                ],
            )

    async def sweep(self, held: Mapping[Partition, Epoch], before_ns: int) -> int:
        async with self._database.transaction() as transaction:
            stale = await stale_partitions(transaction, "feed", held)
            rows = await transaction.fetch(_SWEEP, sorted(held.keys() - stale), before_ns)
            await write_audit(
                transaction,
                [
                    AuditEntry(
                        ACTOR,
                        "failed_orders.swept",
                        "account",
                        row["account_id"],
                        "failed before the trading day before",
                        {"orders": row["swept"], "planned_before_ns": before_ns},
                    )
                    for row in rows
                ],
            )
        return sum(row["swept"] for row in rows)


async def _gone_ledgers(
    transaction: Transaction, account_id: AccountId, finding: Finding
) -> dict[LedgerKey, Ledger]:
    """Of copies of this follower; they stay as they are until the transaction ends."""
    found: dict[LedgerKey, Ledger] = {}
    for row in await transaction.fetch(_LEDGERS, account_id):
        key, ledger = key_of(row), ledger_of(row)
        if finding.gone(key, ledger.position):
            found[SubscriptionId(row["subscription_id"]), key] = ledger
    return found


async def _unrest(transaction: Transaction, ledgers: Mapping[LedgerKey, Ledger]) -> str:
    """A fill that is on its way is not fought: what stands in the ledger then is not the end of it."""
    for (subscription_id, key), ledger in ledgers.items():
        if not at_rest(ledger):
            return f"orders of {subscription_id} in {key.instrument_id} are on their way"
    pairs = [(subscription_id, *key_columns(key)) for subscription_id, key in ledgers]
    rows = await transaction.fetch(_OPEN, *columns(pairs, 3)) if pairs else ()
    return f"copy order {rows[0]['copy_order_id']} has not ended" if rows else ""


async def _close(
    transaction: Transaction,
    account_id: AccountId,
    day: date,
    ledgers: Mapping[LedgerKey, Ledger],
    finding: Finding,
) -> int:
    cause, entries = f"the end of {day}", []
    lines: list[LedgerEntry] = []
    for (subscription_id, key), ledger in ledgers.items():
        lines += closing_lines(
            subscription_id, key, ledger, f"day-end:{account_id}:{day:%Y%m%d}", finding.words
        )
        entries.append(
            _entry("ledger.closed", "subscription", subscription_id, key, cause, ledger.position, finding)
        )
    stands = []
    for (_, key), trade in (await open_trades(transaction, [account_id])).items():
        if finding.gone(key, trade.held):
            stands.append(Stand(ended(trade, finding.at_ns, finding.words), ONE))
            entries.append(_entry("trade.closed", "account", account_id, key, cause, trade.held, finding))
    await append_lines(transaction, lines)
    await save_trades(transaction, stands)
    await write_audit(transaction, entries)
    return len(ledgers)


def _entry(
    action: str, kind: str, subject: str, key: InstrumentKey, cause: str, held: Decimal, finding: Finding
) -> AuditEntry:
    details = {
        "instrument_id": key.instrument_id,
        "product": key.product.value,
        "held": str(held),
        "evidence": finding.words,
    }
    return AuditEntry(ACTOR, action, kind, subject, cause, details)
