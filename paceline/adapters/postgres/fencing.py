"""Every write carries the epoch of its lease, and is refused when stale."""

from collections.abc import Mapping

from paceline.adapters.postgres.database import Transaction
from paceline.adapters.postgres.queries import sql
from paceline.domain.errors import NotOwner
from paceline.domain.ids import Epoch, Partition

_FENCE = sql("fence")


async def stale_partitions(
    transaction: Transaction, service: str, epochs: Mapping[Partition, Epoch]
) -> frozenset[Partition]:
    """Those held by another epoch; the others' epochs cannot change before this transaction ends."""
    rows = await transaction.fetch(_FENCE, service, sorted(epochs))
    held = {row["partition"]: row["epoch"] for row in rows}
    return frozenset(partition for partition, epoch in epochs.items() if held.get(partition) != epoch)


async def require_owner(transaction: Transaction, service: str, partition: Partition, epoch: Epoch) -> None:
    """Raises `NotOwner`."""
    if await stale_partitions(transaction, service, {partition: epoch}):
        raise not_owner(service, partition, epoch)


def not_owner(service: str, partition: Partition, epoch: Epoch | None) -> NotOwner:
    by = "by the account's pin" if epoch is None else f"under epoch {epoch}"
    return NotOwner(f"{service} does not hold partition {partition} {by} any more")
