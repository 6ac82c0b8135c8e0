"""Beginnings and ends of subscriptions in PostgreSQL: one transaction each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from paceline.adapters.postgres.audit import write_audit
from paceline.adapters.postgres.copy_rows import key_of
from paceline.adapters.postgres.database import Database, Transaction
from paceline.adapters.postgres.ledgers import append_lines
from paceline.adapters.postgres.plans import CONSUMER, moved_since, write_decisions
from paceline.adapters.postgres.queries import sql
from paceline.adapters.postgres.subscriptions import update_subscription
from paceline.domain.copying.decision import Decision
from paceline.domain.ids import SubscriptionId
from paceline.domain.instrument import InstrumentKey
from paceline.domain.ledger import LedgerEntry
from paceline.domain.subscription import LIVING, Subscription, SubscriptionState
from paceline.ports.audit import AuditEntry
from paceline.ports.lives import Ending, Steps, Tenancy
from paceline.ports.plans import Chunk

_STEPS = sql("ending_steps")
_WAIT = sql("subscription_wait")
_GET = sql("subscription_get")


class _Undo(Exception):  # noqa: N818 - no error: it takes back what became pointless meanwhile
    pass


def _require(holds: bool) -> None:
    if not holds:
        raise _Undo


class PostgresLives:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(
        self, tenancy: Tenancy, subscription: Subscription, chunks: Sequence[Chunk]
    ) -> Sequence[Decision] | None:
        made: list[Decision] = []
        try:
            async with self._database.transaction() as transaction:
                await moved_since(transaction, *tenancy, {})
                for chunk in chunks:
                    committed = await write_decisions(transaction, chunk)
                    _require(not committed.outdated)
                    made += committed.inserted
                opened = replace(subscription, opened=True)
                _require(await update_subscription(transaction, opened) is not None)
                await transaction.execute(_WAIT, subscription.subscription_id, "")
                await write_audit(transaction, [_opened(subscription, made)])
        except _Undo:
            return None
        return made

    async def steps(self, subscription_id: SubscriptionId) -> Mapping[InstrumentKey, Steps]:
        rows = await self._database.fetch(_STEPS, subscription_id)
        return {key_of(row): Steps(row["taken"], row["last_ns"]) for row in rows}

    async def wait(self, subscription_id: SubscriptionId, waits_for: str) -> None:
        await self._database.execute(_WAIT, subscription_id, waits_for)

    async def end(self, tenancy: Tenancy, ending: Ending) -> bool:
        subscription = ending.subscription
        try:
            async with self._database.transaction() as transaction:
                _require(not await moved_since(transaction, *tenancy, ending.seen))
                await append_lines(transaction, ending.lines)
                ended = replace(subscription, state=SubscriptionState.ENDED)
                _require(await update_subscription(transaction, ended) is not None)
                _require(not ending.handed or await _living(transaction, subscription.successor))
                await transaction.execute(_WAIT, subscription.subscription_id, "")
                await write_audit(transaction, [_ended(subscription, ending.lines)])
        except _Undo:
            return False
        return True


async def _living(transaction: Transaction, successor: SubscriptionId | None) -> bool:
    """Read while nobody else may change it."""
    row = await transaction.row(_GET, successor)
    return row is not None and SubscriptionState(row["state"]) in LIVING


def _opened(subscription: Subscription, decisions: Sequence[Decision]) -> AuditEntry:
    details: dict[str, object] = {"take_over": subscription.take_over.value}
    for each in decisions:
        said = f"{each.quantity.normalize():f}" if each.orders else (each.reason or each.outcome).value
        details[f"{each.key.instrument_id} {each.key.product.value}"] = said
    return _entry("subscription.opened", subscription, details)


def _ended(subscription: Subscription, lines: Sequence[LedgerEntry]) -> AuditEntry:
    details: dict[str, object] = {"policy": subscription.ending.value if subscription.ending else ""}
    if subscription.successor is not None:
        details["successor"] = subscription.successor
    for each in lines:
        if each.subscription_id == subscription.subscription_id and each.kind.value == "ADJUSTED":
            named = f"{each.key.instrument_id} {each.key.product.value}"
            details[named] = f"{-each.quantity.normalize():f} {each.reason}"
    return _entry("subscription.ended", subscription, details)


def _entry(action: str, subscription: Subscription, details: Mapping[str, object]) -> AuditEntry:
    return AuditEntry(CONSUMER, action, "subscription", subscription.subscription_id, "", details)
