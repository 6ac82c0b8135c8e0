"""Ledger lines and their fold, moved together."""

from collections.abc import Iterable, Mapping, Sequence

from paceline.adapters.postgres.copy_rows import key_columns, key_of
from paceline.adapters.postgres.database import Database, Row, Transaction, columns, literals
from paceline.adapters.postgres.queries import sql
from paceline.domain.errors import Invalid
from paceline.domain.ids import SubscriptionId
from paceline.domain.instrument import InstrumentKey
from paceline.domain.ledger import Ledger, LedgerEntry
from paceline.ports.plans import LedgerKey

_APPLY = sql("ledger_apply")
_LOCK = sql("ledger_lock")
_LOAD = sql("ledger_load")


async def append_lines(transaction: Transaction, lines: Sequence[LedgerEntry]) -> dict[LedgerKey, Ledger]:
    """The ledgers moved, as they are now; a line that is known moves nothing."""
    if not lines:
        return {}
    rows = [
        (
            line.subscription_id,
            *key_columns(line.key),
            line.cause,
            line.kind.value,
            line.intent.value,
            line.quantity,
            line.reason,
        )
        for line in lines
    ]
    if len({row[:6] for row in rows}) != len(rows):
        raise Invalid("entries", "one line per subscription, key, cause, kind and intent")
    return ledgers_of(await transaction.fetch(_APPLY, *literals(rows, 8)))


async def lock_ledgers(transaction: Transaction, keys: Iterable[LedgerKey]) -> dict[LedgerKey, Ledger]:
    """As they stand, until this transaction ends; what was never traded is missing."""
    rows = [(subscription, *key_columns(key)) for subscription, key in keys]
    return ledgers_of(await transaction.fetch(_LOCK, *columns(rows, 3)))


async def load_ledgers(
    database: Database, subscriptions: Iterable[SubscriptionId], key: InstrumentKey | None
) -> Mapping[LedgerKey, Ledger]:
    instrument, product = key_columns(key) if key else (None, None)
    return ledgers_of(await database.fetch(_LOAD, list(subscriptions), instrument, product))


def ledgers_of(rows: Iterable[Row]) -> dict[LedgerKey, Ledger]:
    return {(SubscriptionId(row["subscription_id"]), key_of(row)): ledger_of(row) for row in rows}


def ledger_of(row: Row) -> Ledger:
    return Ledger(
        ideal=row["ideal"],
        entry_planned=row["entry_planned"],
        entry_released=row["entry_released"],
        entry_filled=row["entry_filled"],
        exit_planned=row["exit_planned"],
        exit_released=row["exit_released"],
        exit_filled=row["exit_filled"],
        adjusted=row["adjusted"],
        buy_pledged=row["buy_pledged"],
        sell_pledged=row["sell_pledged"],
    )
