"""When an account's books were first taken as known, and what was held then."""

from collections.abc import Iterable, Mapping, Sequence

from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.fencing import not_owner
from paceline.adapters.postgres.journal import append_within
from paceline.adapters.postgres.queries import sql
from paceline.domain.event import Fact
from paceline.domain.ids import AccountId, Epoch, Partition
from paceline.ports.journal import Append

_OF = sql("baselines_of")
_TAKE = sql("baselines_take")


class PostgresBaselines:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, int]:
        rows = await self._database.fetch(_OF, list(accounts))
        return {AccountId(row["account_id"]): row["taken_ns"] for row in rows}

    async def take(
        self,
        account_id: AccountId,
        partition: Partition,
        epoch: Epoch,
        taken_ns: int,
        held: Sequence[Fact],
    ) -> bool:
        async with self._database.transaction() as transaction:
            stands: int | None = await transaction.value(_TAKE, account_id, partition, epoch, taken_ns)
            if stands is None:
                raise not_owner("feed", partition, epoch)
            if stands != taken_ns:
                return False
            if held:
                await append_within(transaction, [Append(partition, epoch, held)])
        return True
