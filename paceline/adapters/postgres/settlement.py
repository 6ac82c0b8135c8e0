"""Locks what the news is about, lets the rules decide, and writes what they say: one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from paceline.adapters.postgres.audit import write_audit
from paceline.adapters.postgres.copy_commands import (
    insert_commands,
    read_open_rows,
    write_command_results,
    write_specs,
)
from paceline.adapters.postgres.copy_orders import CONSUMER, write_fills, write_moves, write_results
from paceline.adapters.postgres.copy_rows import copy_row_of
from paceline.adapters.postgres.database import Database, Transaction
from paceline.adapters.postgres.fencing import stale_partitions
from paceline.adapters.postgres.ledgers import append_lines, lock_ledgers
from paceline.adapters.postgres.offsets import move_offsets, offsets_of
from paceline.adapters.postgres.plans import insert_orders
from paceline.adapters.postgres.queries import sql
from paceline.adapters.postgres.strays import audit_of, copies_of, policies_of
from paceline.domain.copy_order import CopyOrder
from paceline.domain.copying.surplus import Correction
from paceline.domain.ids import Epoch, Offset, Partition, Tag
from paceline.ports.plans import LedgerKey
from paceline.ports.settlement import Decide, Settled, Standing, Stray

_LOCK = sql("copy_order_lock_by_tags")


class PostgresSettlement:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def settle(
        self,
        epochs: Mapping[Partition, Epoch],
        offsets: Mapping[Partition, Offset],
        tags: Iterable[Tag],
        decide: Decide,
        strays: Sequence[Stray] = (),
    ) -> Settled:
        async with self._database.transaction() as transaction:
            stale = await stale_partitions(transaction, CONSUMER, epochs)
            wanted = sorted(set(tags))
            policies = await policies_of(transaction, strays)
            beside = [(name, key) for (_, key), names in policies.items() for name in names]
            none = Standing({}, {}, {})
            standing = await _standing(transaction, wanted, beside) if wanted or beside else none
            # read after the locks: a commit whose answer was lost has ended by now
            done = await offsets_of(transaction, CONSUMER, offsets) if offsets else {}
            copies = await copies_of(transaction, policies, strays, standing.ledgers, done)
            decided = decide(replace(standing, done=done, copies=copies), stale)
            await write_results(transaction, decided.results)
            await write_moves(transaction, decided.moves)
            await write_fills(transaction, decided.fills)
            await write_specs(transaction, decided.specs)
            await write_command_results(transaction, decided.commands)
            await append_lines(transaction, decided.lines)
            await insert_commands(transaction, decided.withdrawn)
            await write_audit(transaction, audit_of(decided.adjusted))
            corrections = await _correct(transaction, decided.corrections)
            sound = {each: offset for each, offset in offsets.items() if each not in stale}
            if sound:
                await move_offsets(transaction, CONSUMER, sound)
        return Settled(stale, corrections)


async def _standing(transaction: Transaction, tags: Sequence[Tag], beside: Sequence[LedgerKey]) -> Standing:
    rows = [copy_row_of(row).order for row in await transaction.fetch(_LOCK, tags)]
    keys = sorted({*beside, *(key for order in rows if (key := _ledger_key(order)))}, key=str)
    ledgers = await lock_ledgers(transaction, keys) if keys else {}
    open_rows = await read_open_rows(transaction, keys)
    return Standing(
        orders={order.tag: order for order in rows},
        open={key: [row.order for row in mine] for key, mine in open_rows.items()},
        ledgers=ledgers,
        commands={row.order.tag: row.command for mine in open_rows.values() for row in mine if row.command},
    )


async def _correct(transaction: Transaction, corrections: Sequence[Correction]) -> tuple[CopyOrder, ...]:
    """A correction that was made before is not made again."""
    new: list[CopyOrder] = []
    for correction in corrections:
        inserted = await insert_orders(transaction, correction.orders)
        if inserted:
            await append_lines(transaction, correction.lines)
            new.extend(order for order in correction.orders if order.tag in inserted)
    return tuple(new)


def _ledger_key(order: CopyOrder) -> LedgerKey | None:
    return (order.subscription_id, order.spec.key) if order.subscription_id is not None else None
