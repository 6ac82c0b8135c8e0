"""Plans in PostgreSQL: a chunk is one transaction, and nothing of it is decided here."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import groupby

from paceline.adapters.postgres.copy_commands import insert_commands
from paceline.adapters.postgres.copy_rows import ORDER_WIDTH, key_columns, key_of, order_columns, order_of
from paceline.adapters.postgres.database import Database, Transaction, columns, literals
from paceline.adapters.postgres.decisions import DECISION_WIDTH, decision_columns, decision_of, sizing_of
from paceline.adapters.postgres.fencing import not_owner, stale_partitions
from paceline.adapters.postgres.ledgers import append_lines, ledgers_of, load_ledgers
from paceline.adapters.postgres.offsets import move_offsets
from paceline.adapters.postgres.queries import sql
from paceline.domain.copy_order import CopyOrder
from paceline.domain.copying.decision import Decision, SizingInputs
from paceline.domain.copying.view import LeaderPosition, LeaderState
from paceline.domain.errors import Conflict
from paceline.domain.ids import (
    AccountId,
    BrokerOrderId,
    DecisionId,
    Epoch,
    EventIdentity,
    Partition,
    SubscriptionId,
    Tag,
)
from paceline.domain.instrument import InstrumentKey
from paceline.domain.ledger import Ledger
from paceline.domain.position import PositionReport
from paceline.ports.plans import NOTHING, Chunk, Committed, LedgerKey, Moved, Passage

CONSUMER = "replicator"

_LOCK = sql("chunk_lock")
_DECIDE = sql("decision_insert")
_STANDING = sql("decision_standing")
_FROZEN = sql("sizing_frozen")
_CLOSE = sql("plan_close")
_SAVE_STATES = sql("leader_states_save")
_LOAD_STATES = sql("leader_state_load")
_INSERT_ORDERS = sql("copy_order_insert")
_BY_DECISIONS = sql("copy_order_by_decisions")
_OTHERS = sql("ledger_others")


class PostgresPlans:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def commit_chunk(self, chunk: Chunk) -> Committed:
        if not chunk.decisions:
            if chunk.move_offset:
                await _close(self._database, chunk)
            return NOTHING
        async with self._database.transaction() as transaction:
            committed = await write_decisions(transaction, chunk)
            if chunk.move_offset and not committed.outdated:
                await _close(transaction, chunk)
        return committed

    async def pass_over(self, passages: Sequence[Passage]) -> frozenset[Partition]:
        if not passages:
            return frozenset()
        async with self._database.transaction() as transaction:
            epochs = {each.partition: each.epoch for each in passages}
            stale = await stale_partitions(transaction, CONSUMER, epochs)
            sound = [each for each in passages if each.partition not in stale]
            rows = _position_rows(moved for each in sound for moved in each.positions)
            if rows:
                await transaction.execute(_SAVE_STATES, *columns(rows, 5))
            if sound:
                await move_offsets(transaction, CONSUMER, {each.partition: each.offset for each in sound})
        return stale

    async def ledgers_for(
        self, subscriptions: Iterable[SubscriptionId], key: InstrumentKey | None = None
    ) -> Mapping[LedgerKey, Ledger]:
        return await load_ledgers(self._database, subscriptions, key)

    async def others_held(
        self, subscriptions: Iterable[SubscriptionId], key: InstrumentKey
    ) -> Mapping[SubscriptionId, Decimal]:
        rows = await self._database.fetch(_OTHERS, list(subscriptions), *key_columns(key))
        return {SubscriptionId(row["subscription_id"]): row["held"] for row in rows}

    async def leader_states(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, LeaderState]:
        wanted = list(accounts)
        rows = await self._database.fetch(_LOAD_STATES, wanted)
        held = {
            account: {key_of(row): LeaderPosition(row["own"], row["copied"]) for row in mine}
            for account, mine in groupby(rows, key=lambda row: row["account_id"])
        }
        return {account: LeaderState(account, held.get(account, {})) for account in wanted}

    async def frozen_sizings(
        self, account_id: AccountId, order_id: BrokerOrderId, subscriptions: Iterable[SubscriptionId]
    ) -> Mapping[SubscriptionId, SizingInputs]:
        rows = await self._database.fetch(_FROZEN, account_id, [order_id], list(subscriptions))
        return {SubscriptionId(row["subscription_id"]): sizing_of(row) for row in rows}

    async def sizings_of_orders(
        self,
        account_id: AccountId,
        orders: Iterable[BrokerOrderId],
        subscriptions: Iterable[SubscriptionId],
    ) -> Mapping[SubscriptionId, Mapping[BrokerOrderId, SizingInputs]]:
        found: dict[SubscriptionId, dict[BrokerOrderId, SizingInputs]] = {}
        for row in await self._database.fetch(_FROZEN, account_id, list(orders), list(subscriptions)):
            mine = found.setdefault(SubscriptionId(row["subscription_id"]), {})
            mine[BrokerOrderId(row["order_id"])] = sizing_of(row)
        return found

    async def decisions_of(self, event: EventIdentity) -> Sequence[Decision]:
        return await _read_decisions(self._database, event, None)


async def write_decisions(transaction: Transaction, chunk: Chunk) -> Committed:
    """All of a chunk but its place in the journal, by who holds its partition."""
    moved = await moved_since(transaction, chunk.partition, chunk.epoch, chunk.seen)
    inserted = await _decide(transaction, chunk, moved.keys())
    standing = await _standing(transaction, chunk, inserted)
    outdated = _neither(chunk, inserted, standing)
    ledgers = await _write_out(transaction, inserted)
    return Committed(inserted, standing, outdated, moved | ledgers)


async def moved_since(
    transaction: Transaction, partition: Partition, epoch: Epoch, seen: Mapping[LedgerKey, Ledger]
) -> dict[LedgerKey, Ledger]:
    """Ledgers that are not as they were seen; the others cannot move any more, nor can the lease."""
    keys = [(subscription, *key_columns(key)) for subscription, key in seen]
    rows = await transaction.fetch(_LOCK, partition, epoch, *columns(keys, 3))
    if not rows:
        raise not_owner(CONSUMER, partition, epoch)
    now = ledgers_of(row for row in rows if row["subscription_id"] is not None)
    return {key: now.get(key, Ledger()) for key, was in seen.items() if now.get(key, Ledger()) != was}


async def _decide(transaction: Transaction, chunk: Chunk, moved: Iterable[LedgerKey]) -> tuple[Decision, ...]:
    left_out = set(moved)
    sound = [each for each in chunk.decisions if (each.subscription_id, each.key) not in left_out]
    if not sound:
        return ()
    fact = chunk.event.fact
    rows = [decision_columns(fact.identity, decision) for decision in sound]
    order_id = None if isinstance(fact.body, PositionReport) else fact.body.order_id
    given = (*literals(rows, DECISION_WIDTH), fact.account_id, order_id)
    new = {row["subscription_id"] for row in await transaction.fetch(_DECIDE, *given)}
    return tuple(decision for decision in sound if decision.subscription_id in new)


async def _standing(
    transaction: Transaction, chunk: Chunk, inserted: Sequence[Decision]
) -> tuple[Decision, ...]:
    if len(inserted) == len(chunk.decisions):
        return ()
    new = {decision.subscription_id for decision in inserted}
    others = [each.subscription_id for each in chunk.decisions if each.subscription_id not in new]
    return await _read_decisions(transaction, chunk.event.fact.identity, others)


def _neither(
    chunk: Chunk, inserted: Sequence[Decision], standing: Sequence[Decision]
) -> frozenset[SubscriptionId]:
    written = {decision.subscription_id for decision in (*inserted, *standing)}
    return frozenset(each.subscription_id for each in chunk.decisions) - written


async def _write_out(transaction: Transaction, inserted: Sequence[Decision]) -> dict[LedgerKey, Ledger]:
    """Orders and ledger lines of what was newly decided."""
    orders = [order for decision in inserted for order in decision.orders]
    if len(await insert_orders(transaction, orders)) != len(orders):
        raise Conflict("a new decision's order has a tag or a cause that stands already")
    await insert_commands(transaction, [each for decision in inserted for each in decision.commands])
    return await append_lines(transaction, [line for decision in inserted for line in decision.entries])


async def insert_orders(transaction: Transaction, orders: Sequence[CopyOrder]) -> frozenset[Tag]:
    """Tags of the rows that are new; the caller has fenced."""
    if not orders:
        return frozenset()
    rows = await transaction.fetch(
        _INSERT_ORDERS, *literals([order_columns(order) for order in orders], ORDER_WIDTH)
    )
    return frozenset(Tag(row["tag"]) for row in rows)


async def _close(target: Database | Transaction, chunk: Chunk) -> None:
    """One statement, fenced by itself."""
    event, key = chunk.event, chunk.event.fact.body.key
    moved = list(chunk.passed)
    if chunk.leader_state is not None:
        moved = [
            each for each in moved if (each.account_id, each.key) != (chunk.leader_state.account_id, key)
        ]
        moved.append(Moved(chunk.leader_state.account_id, key, chunk.leader_state.position(key)))
    holds = await target.value(
        _CLOSE,
        event.fact.identity,
        chunk.partition,
        chunk.epoch,
        event.offset,
        event.fact.account_id,
        *columns(_position_rows(moved), 5),
    )
    if not holds:
        raise not_owner(CONSUMER, chunk.partition, chunk.epoch)


def _position_rows(moved: Iterable[Moved]) -> list[tuple[object, ...]]:
    """In one order, whoever writes them."""
    return sorted(
        (each.account_id, *key_columns(each.key), each.position.own, each.position.copied) for each in moved
    )


async def _read_decisions(
    source: Database | Transaction, event: EventIdentity, subscriptions: Sequence[SubscriptionId] | None
) -> tuple[Decision, ...]:
    rows = await source.fetch(_STANDING, event, subscriptions)
    orders: dict[DecisionId, list[CopyOrder]] = {}
    for row in await source.fetch(_BY_DECISIONS, [row["decision_id"] for row in rows]):
        orders.setdefault(DecisionId(row["decision_id"]), []).append(order_of(row))
    return tuple(decision_of(row, orders.get(row["decision_id"], ())) for row in rows)
