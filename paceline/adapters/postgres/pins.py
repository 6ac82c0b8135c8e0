"""The table of pinned accounts; a change of hands locks the heads that the journal locks."""

from collections.abc import Iterable, Mapping, Sequence

from paceline.adapters.postgres.database import Database, columns
from paceline.adapters.postgres.queries import sql
from paceline.domain.ids import AccountId, Epoch
from paceline.domain.partitioning import partition_of
from paceline.ports.pins import PinRow

_PREPARE = sql("pins_prepare")
_ROWS = sql("pins_rows")
_HEADS = sql("pins_heads")
_ACQUIRE = sql("pins_acquire")
_RENEW = sql("pins_renew")
_RELEASE = sql("pins_release")
_VACATE = sql("pins_vacate")


class PostgresPins:
    __slots__ = ("_database", "_ttl_ms")

    def __init__(self, database: Database, *, ttl_ms: int) -> None:
        self._database = database
        self._ttl_ms = ttl_ms

    async def prepare(self, accounts: Iterable[AccountId]) -> None:
        wanted = sorted(accounts)
        partitions = [partition_of(each) for each in wanted]
        await self._database.execute(_PREPARE, wanted, partitions, self._ttl_ms)

    async def rows(self) -> Sequence[PinRow]:
        return [
            PinRow(
                AccountId(row["account_id"]),
                Epoch(row["epoch"]),
                row["owner"],
                row["address"],
                row["version"],
                row["ttl_ms"],
            )
            for row in await self._database.fetch(_ROWS)
        ]

    async def acquire(
        self, owner: str, address: str, claims: Sequence[tuple[AccountId, int]]
    ) -> Mapping[AccountId, Epoch]:
        async with self._database.transaction() as transaction:
            await transaction.fetch(_HEADS, [account for account, _ in claims])
            rows = await transaction.fetch(_ACQUIRE, owner, address, self._ttl_ms, *columns(claims, 2))
        return {AccountId(row["account_id"]): Epoch(row["epoch"]) for row in rows}

    async def renew(self, owner: str, held: Sequence[tuple[AccountId, Epoch]]) -> Sequence[AccountId]:
        rows = await self._database.fetch(_RENEW, owner, *columns(held, 2))
        return [AccountId(row["account_id"]) for row in rows]

    async def release(self, owner: str, held: Sequence[tuple[AccountId, Epoch]]) -> None:
        async with self._database.transaction() as transaction:
            await transaction.fetch(_HEADS, [account for account, _ in held])
            await transaction.execute(_RELEASE, owner, *columns(held, 2))

    async def vacate(self, claims: Sequence[tuple[AccountId, int]]) -> None:
        async with self._database.transaction() as transaction:
            await transaction.fetch(_HEADS, [account for account, _ in claims])
            await transaction.execute(_VACATE, *columns(claims, 2))
