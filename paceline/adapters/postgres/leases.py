"""The lease table of one service."""

from collections.abc import Sequence

from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.queries import sql
from paceline.domain.ids import Epoch, Partition
from paceline.domain.partitioning import PARTITIONS
from paceline.ports.leases import Grant, LeaseRow, ReplicaRow

_PREPARE = sql("leases_prepare")
_ANNOUNCE = sql("replicas_announce")
_ROWS = sql("leases_rows")
_ACQUIRE = sql("leases_acquire")
_RENEW = sql("leases_renew")
_RELEASE = sql("leases_release")
_WITHDRAW = sql("replicas_withdraw")
_FORGET = sql("replicas_forget")


class PostgresLeases:
    """Every method is one statement, so that two replicas can never both win."""

    __slots__ = ("_database", "_service", "_ttl_ms")

    def __init__(self, database: Database, service: str, *, ttl_ms: int) -> None:
        self._database = database
        self._service = service
        self._ttl_ms = ttl_ms

    async def prepare(self) -> None:
        await self._database.execute(_PREPARE, self._service, PARTITIONS, self._ttl_ms)

    async def announce(self, owner: str, address: str) -> Sequence[ReplicaRow]:
        rows = await self._database.fetch(_ANNOUNCE, self._service, owner, address)
        return [ReplicaRow(row["owner"], row["address"], row["version"]) for row in rows]

    async def rows(self) -> Sequence[LeaseRow]:
        rows = await self._database.fetch(_ROWS, self._service)
        return [
            LeaseRow(
                Partition(row["partition"]),
                Epoch(row["epoch"]),
                row["owner"],
                row["address"],
                row["version"],
            )
            for row in rows
        ]

    async def acquire(
        self, owner: str, address: str, claims: Sequence[tuple[Partition, int]]
    ) -> Sequence[Grant]:
        partitions, versions = _turned(claims)
        rows = await self._database.fetch(
            _ACQUIRE, self._service, owner, address, partitions, versions, self._ttl_ms
        )
        return [Grant(Partition(row["partition"]), Epoch(row["epoch"]), row["acquired_ns"]) for row in rows]

    async def renew(self, owner: str, held: Sequence[tuple[Partition, Epoch]]) -> Sequence[Partition]:
        rows = await self._database.fetch(_RENEW, self._service, owner, *_turned(held))
        return [Partition(row["partition"]) for row in rows]

    async def release(self, owner: str, held: Sequence[tuple[Partition, Epoch]]) -> None:
        await self._database.execute(_RELEASE, self._service, owner, *_turned(held))

    async def withdraw(self, owner: str) -> None:
        await self._database.execute(_WITHDRAW, self._service, owner)

    async def forget(self, owner: str, version: int) -> None:
        await self._database.execute(_FORGET, self._service, owner, version)


def _turned(pairs: Sequence[tuple[Partition, int]]) -> tuple[list[int], list[int]]:
    return [first for first, _ in pairs], [second for _, second in pairs]
