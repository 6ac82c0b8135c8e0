"""Copy orders in PostgreSQL: results and broker facts are moved in groups."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from paceline.adapters.postgres.codec import from_json, to_json
from paceline.adapters.postgres.copy_rows import copy_row_of
from paceline.adapters.postgres.database import Database, Row, Transaction, columns
from paceline.adapters.postgres.fencing import require_owner, stale_partitions
from paceline.adapters.postgres.ledgers import append_lines
from paceline.adapters.postgres.offsets import move_offsets
from paceline.adapters.postgres.plans import insert_orders
from paceline.adapters.postgres.queries import sql
from paceline.domain.copy_order import CopyOrder, CopyStatus
from paceline.domain.ids import (
    AccountId,
    CopyOrderId,
    DecisionId,
    Epoch,
    EventIdentity,
    Partition,
    SubscriptionId,
    Tag,
)
from paceline.domain.order import Fee
from paceline.domain.order_states import TERMINAL, TRANSITIONS
from paceline.ports.copy_orders import BrokerFacts, CopyFill, CopyRow, Recorded, SendResult, StatusMove

CONSUMER = "executor"

_OPEN = sql("copy_order_open")
_BY_TAGS = sql("copy_order_by_tags")
_BY_IDS = sql("copy_order_by_ids")
_BY_DECISIONS = sql("copy_order_by_decisions")
_PAGE = sql("copy_order_page")
_LOCK = sql("copy_order_lock")
_RESULTS = sql("copy_order_results")
_MOVES = sql("copy_order_moves")
_FILLS = sql("fill_insert")
_FILLS_OF = sql("fill_by_orders")
_SENT = sql("copy_order_sent")

_OPEN_STATUSES = frozenset(CopyStatus) - TERMINAL
_LEGAL = sorted({f"{before}>{after}" for before, moves in TRANSITIONS.items() for after in moves.values()})


class PostgresCopyOrders:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def open_rows(
        self,
        partitions: Iterable[Partition],
        *,
        written_before_ns: int | None = None,
        written_after_ns: int | None = None,
        statuses: Iterable[CopyStatus] | None = None,
        limit: int = 10_000,
    ) -> Sequence[CopyRow]:
        wanted = [status.value for status in (_OPEN_STATUSES if statuses is None else statuses)]
        rows = await self._database.fetch(
            _OPEN, list(partitions), wanted, written_before_ns, written_after_ns, limit
        )
        return [copy_row_of(row) for row in rows]

    async def by_tags(self, tags: Iterable[Tag]) -> Mapping[Tag, CopyRow]:
        return {Tag(row["tag"]): copy_row_of(row) for row in await self._database.fetch(_BY_TAGS, list(tags))}

    async def by_ids(self, ids: Iterable[CopyOrderId]) -> Mapping[CopyOrderId, CopyRow]:
        rows = await self._database.fetch(_BY_IDS, list(ids))
        return {CopyOrderId(row["copy_order_id"]): copy_row_of(row) for row in rows}

    async def by_decisions(self, decisions: Iterable[DecisionId]) -> Sequence[CopyRow]:
        return [copy_row_of(row) for row in await self._database.fetch(_BY_DECISIONS, list(decisions))]

    async def insert(
        self, service: str, partition: Partition, epoch: Epoch, orders: Sequence[CopyOrder]
    ) -> Sequence[CopyOrder]:
        async with self._database.transaction() as transaction:
            await require_owner(transaction, service, partition, epoch)
            new = await insert_orders(transaction, orders)
        return [order for order in orders if order.tag in new]

    async def record_results(
        self, epochs: Mapping[Partition, Epoch], results: Sequence[SendResult]
    ) -> Recorded:
        async with self._database.transaction() as transaction:
            concerned = {each.partition for each in results}
            held = {each: epoch for each, epoch in epochs.items() if each in concerned}
            stale = await stale_partitions(transaction, CONSUMER, held)
            sound = [each for each in results if each.partition in held.keys() - stale]
            moved = await write_results(transaction, sound)
            ended = [line for each in sound if each.tag in moved for line in each.released]
            await append_lines(transaction, ended)
        return Recorded(moved, stale | (concerned - held.keys()))

    async def apply_broker_facts(self, facts: Sequence[BrokerFacts]) -> Recorded:
        async with self._database.transaction() as transaction:
            epochs = {stretch.partition: stretch.epoch for stretch in facts}
            stale = await stale_partitions(transaction, CONSUMER, epochs)
            sound = [stretch for stretch in facts if stretch.partition not in stale]
            moves = [(stretch.partition, move) for stretch in sound for move in stretch.moves]
            moved = await write_moves(transaction, moves)
            await write_fills(transaction, [fill for stretch in sound for fill in stretch.fills])
            await append_lines(transaction, [line for stretch in sound for line in stretch.entries])
            await move_offsets(
                transaction, CONSUMER, {stretch.partition: stretch.offset for stretch in sound}
            )
        return Recorded(moved, stale)

    async def page(
        self,
        *,
        account_id: AccountId | None = None,
        subscription_id: SubscriptionId | None = None,
        status: CopyStatus | None = None,
        after: tuple[int, CopyOrderId] | None = None,
        limit: int = 100,
    ) -> Sequence[CopyRow]:
        last = after or (None, None)
        rows = await self._database.fetch(
            _PAGE, account_id, subscription_id, status.value if status else None, *last, limit
        )
        return [copy_row_of(row) for row in rows]

    async def fills_of(self, ids: Iterable[CopyOrderId]) -> Mapping[CopyOrderId, Sequence[CopyFill]]:
        rows = await self._database.fetch(_FILLS_OF, list(ids))
        return {
            CopyOrderId(order): [_fill_of(row) for row in mine]
            for order, mine in groupby(rows, key=lambda row: row["copy_order_id"])
        }

    async def sent_since(
        self, accounts: Iterable[AccountId], since_ns: int
    ) -> Mapping[AccountId, Sequence[int]]:
        rows = await self._database.fetch(_SENT, list(accounts), since_ns)
        return {
            AccountId(account): [row["sent_ns"] for row in mine]
            for account, mine in groupby(rows, key=lambda row: row["account_id"])
        }


async def write_results(transaction: Transaction, results: Sequence[SendResult]) -> frozenset[Tag]:
    rows: list[tuple[object, ...]] = [
        (
            each.tag,
            each.partition,
            each.status.value,
            each.attempts,
            each.broker_order_id,
            each.error_code,
            each.error_text,
            each.sent_ns,
            each.accepted_ns,
        )
        for each in results
    ]
    return await _in_rounds(transaction, _RESULTS, rows)


async def write_moves(
    transaction: Transaction, moves: Iterable[tuple[Partition, StatusMove]]
) -> frozenset[Tag]:
    rows = [_move_columns(partition, move) for partition, move in moves]
    return await _in_rounds(transaction, _MOVES, rows)


async def _in_rounds(
    transaction: Transaction, query: str, rows: Sequence[tuple[object, ...]]
) -> frozenset[Tag]:
    """One statement moves a row once: what speaks of the same tag (the first column) again waits a round."""
    if rows:
        await transaction.fetch(_LOCK, [row[0] for row in rows])
    moved: set[Tag] = set()
    waiting = list(rows)
    while waiting:
        first = {row[0]: row for row in reversed(waiting)}
        answers = await transaction.fetch(query, *columns(first.values(), len(waiting[0])), _LEGAL)
        moved |= {Tag(row["tag"]) for row in answers if row["legal"]}
        waiting = [row for row in waiting if first[row[0]] is not row]
    return frozenset(moved)


def _move_columns(partition: Partition, move: StatusMove) -> tuple[object, ...]:
    return (
        move.tag,
        partition,
        move.status.value,
        move.broker_order_id,
        move.filled,
        move.average_price,
        move.accepted_ns,
        move.filled_ns,
        move.slippage_bps,
        move.slippage_money,
        move.error_code,
        move.error_text,
    )


async def write_fills(transaction: Transaction, fills: Sequence[CopyFill]) -> None:
    if not fills:
        return
    rows = [
        (
            fill.tag,
            fill.trade_id,
            fill.event,
            fill.quantity,
            fill.price,
            fill.broker_time_ns,
            fill.slippage_bps,
            fill.slippage_money,
            json.dumps(to_json(fill.fees)),
        )
        for fill in fills
    ]
    await transaction.execute(_FILLS, *columns(rows, 9))


def _fill_of(row: Row) -> CopyFill:
    return CopyFill(
        tag=Tag(row["tag"]),
        trade_id=row["trade_id"],
        event=EventIdentity(row["event_identity"]),
        quantity=row["quantity"],
        price=row["price"],
        broker_time_ns=row["broker_time_ns"],
        slippage_bps=row["slippage_bps"],
        slippage_money=row["slippage_money"],
        fees=tuple(from_json(Fee, fee) for fee in row["fees"]),
    )
