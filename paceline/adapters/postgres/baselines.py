"""When an account's books were first taken as known, and what was held then."""

from collections.abc import Iterable, Mapping, Sequence

from paceline.adapters.postgres.database import Database, Row
from paceline.adapters.postgres.fencing import not_owner
from paceline.adapters.postgres.journal import append_within, may_journal
from paceline.adapters.postgres.queries import sql
from paceline.domain.event import Fact
from paceline.domain.ids import AccountId
from paceline.domain.tracking import Baseline
from paceline.ports.journal import Append
from paceline.ports.leases import Tenure

_OF = sql("baselines_of")
_TAKE = sql("baselines_take")


class PostgresBaselines:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, Baseline]:
        rows = await self._database.fetch(_OF, list(accounts))
        return {AccountId(row["account_id"]): _baseline(row) for row in rows}

    async def take(
        self,
        account_id: AccountId,
        tenure: Tenure,
        taken: Baseline,
        held: Sequence[Fact],
    ) -> bool:
        async with self._database.transaction() as transaction:
            append = Append(tenure.partition, tenure.epoch, held, pins={account_id: tenure.pin})
            if not await may_journal(transaction, account_id, append):
                raise not_owner("feed", tenure.partition, tenure.epoch)
            stands: int = await transaction.value(_TAKE, account_id, taken.taken_ns, _known(taken))
            if stands != taken.taken_ns:
                return False
            if held:
                await append_within(transaction, [append])
        return True


def _baseline(row: Row) -> Baseline:
    known: list[str] | None = row["known"]
    return Baseline(row["taken_ns"], None if known is None else frozenset(known))


def _known(taken: Baseline) -> list[str] | None:
    return None if taken.known is None else sorted(taken.known)
