"""Fills and baselines of one partition, without the frames they came in, and what they came to before."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.facts import event_of
from paceline.adapters.postgres.fencing import require_owner
from paceline.adapters.postgres.offsets import move_offsets
from paceline.adapters.postgres.queries import sql
from paceline.domain.errors import Forgotten
from paceline.domain.event import Event
from paceline.domain.ids import AccountId, InstrumentId, Offset, Partition
from paceline.domain.instrument import Exchange, Product, Segment
from paceline.ports.position_facts import Checkpoint, Kept, Listed, Taken, Uncountable

CONSUMER = "risk"

_READ = sql("position_facts_read")
_FLOORS = sql("journal_floors")
_CHECKPOINTS = sql("position_checkpoints_of")
_KEEP = sql("position_checkpoint_keep")


class PostgresPositionFacts:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, partition: Partition, after: Offset, up_to: Offset, limit: int) -> Sequence[Event]:
        rows = await self._database.fetch(_READ, partition, after, up_to, limit)
        # asked afterwards: what went before this was answered would be missing in the rows
        for floor in await self._database.fetch(_FLOORS, [partition]):
            if after < floor["gone_offset"]:
                raise Forgotten(
                    f"partition {partition} is kept from offset {floor['gone_offset'] + 1} on;"
                    f" {after + 1} was asked for"
                )
        return [event_of(row) for row in rows]

    async def checkpoints(self, partitions: Sequence[Partition]) -> Mapping[Partition, Checkpoint]:
        rows = await self._database.fetch(_CHECKPOINTS, list(partitions))
        return {Partition(row["partition"]): _checkpoint(row["event_offset"], row["body"]) for row in rows}

    async def keep(self, taken: Taken) -> None:
        checkpoint = taken.checkpoint
        body = json.dumps(
            {
                "positions": checkpoint.positions,
                "listed": checkpoint.listed,
                "uncountable": checkpoint.uncountable,
            }
        )
        async with self._database.transaction() as transaction:
            await require_owner(transaction, CONSUMER, taken.partition, taken.epoch)
            await transaction.execute(_KEEP, taken.partition, checkpoint.offset, body)
            await move_offsets(transaction, CONSUMER, {taken.partition: checkpoint.offset})


def _checkpoint(offset: int, body: Any) -> Checkpoint:
    return Checkpoint(
        Offset(offset),
        tuple(
            Kept(AccountId(account), InstrumentId(instrument), Product(product), quantity, cost)
            for account, instrument, product, quantity, cost in body["positions"]
        ),
        tuple(
            Listed(InstrumentId(instrument), Exchange(exchange), Segment(segment))
            for instrument, exchange, segment in body["listed"]
        ),
        tuple(Uncountable(AccountId(account), problem) for account, problem in body["uncountable"]),
    )
