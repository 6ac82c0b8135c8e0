"""Asked looks as rows; who waits for one reads it again."""

from collections.abc import Iterable, Sequence

from paceline.adapters.postgres.copy_orders import CONSUMER
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.fencing import require_owner
from paceline.adapters.postgres.queries import sql
from paceline.domain.drift import LookOutcome
from paceline.domain.errors import Conflict
from paceline.domain.ids import AccountId, Epoch, Partition
from paceline.domain.partitioning import partition_of
from paceline.domain.subscription import DriftPolicy
from paceline.ports.drift_looks import AskedLook

_ASK = sql("drift_look_ask")
_OUTCOME = sql("drift_look_outcome")
_OPEN = sql("drift_look_open")
_ANSWER = sql("drift_look_answer")


class PostgresDriftLooks:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask(self, asked: AskedLook) -> None:
        policy = asked.policy.value if asked.policy else ""
        partition = partition_of(asked.account_id)
        same = await self._database.value(_ASK, asked.request_id, asked.account_id, partition, policy)
        if not same:
            raise Conflict(f"request {asked.request_id} was another one before")

    async def outcome(self, request_id: str) -> LookOutcome | None:
        said = await self._database.value(_OUTCOME, request_id)
        return LookOutcome(said) if said else None

    async def asked(self, partitions: Iterable[Partition]) -> Sequence[AskedLook]:
        return [
            AskedLook(
                row["request_id"],
                AccountId(row["account_id"]),
                DriftPolicy(row["policy"]) if row["policy"] else None,
            )
            for row in await self._database.fetch(_OPEN, sorted(partitions))
        ]

    async def answer(self, partition: Partition, epoch: Epoch, request_id: str, outcome: LookOutcome) -> None:
        async with self._database.transaction() as transaction:
            await require_owner(transaction, CONSUMER, partition, epoch)
            await transaction.execute(_ANSWER, request_id, outcome.value)
