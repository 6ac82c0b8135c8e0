"""Consumers' places in the journal."""

from collections.abc import Iterable, Mapping

from paceline.adapters.postgres.database import Database, Transaction
from paceline.adapters.postgres.fencing import require_owner
from paceline.adapters.postgres.queries import sql
from paceline.domain.ids import Epoch, Offset, Partition

_LOAD = sql("offset_load")
_MOVE = sql("offset_move")


class PostgresOffsets:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, consumer: str, partitions: Iterable[Partition]) -> Mapping[Partition, Offset]:
        return await offsets_of(self._database, consumer, partitions)

    async def move(self, consumer: str, partition: Partition, epoch: Epoch, offset: Offset) -> None:
        async with self._database.transaction() as transaction:
            await require_owner(transaction, consumer, partition, epoch)
            await move_offsets(transaction, consumer, {partition: offset})


async def offsets_of(
    source: Database | Transaction, consumer: str, partitions: Iterable[Partition]
) -> dict[Partition, Offset]:
    """Zero where nothing was ever done."""
    wanted = list(partitions)
    done = {row["partition"]: row["event_offset"] for row in await source.fetch(_LOAD, consumer, wanted)}
    return {partition: Offset(done.get(partition, 0)) for partition in wanted}


async def move_offsets(transaction: Transaction, consumer: str, offsets: Mapping[Partition, Offset]) -> None:
    """Never back; the caller has fenced."""
    ordered = sorted(offsets.items())
    await transaction.execute(
        _MOVE, consumer, [partition for partition, _ in ordered], [offset for _, offset in ordered]
    )
