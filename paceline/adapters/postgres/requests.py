"""Answers kept by request id in PostgreSQL."""

from collections.abc import Collection

from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.queries import sql
from paceline.domain.errors import Conflict, Unavailable

_CLAIM = sql("request_claim")
_GET = sql("request_get")
_FINISH = sql("request_finish")
_ABANDON = sql("request_abandon")
_FORGET = sql("request_forget")


class PostgresRequests:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(
        self, method: str, request_id: str, fingerprint: bytes, others: Collection[bytes] = ()
    ) -> bytes | None:
        same = [fingerprint, *others]
        if await self._database.row(_CLAIM, method, request_id, same) is not None:
            return None
        row = await self._database.row(_GET, method, request_id)
        if row is None or (row["fingerprint"] in same and row["response"] is None):
            raise Unavailable(f"request {request_id!r} is being carried out")
        if row["fingerprint"] not in same:
            raise Conflict(f"request id {request_id!r} was used for another {method}")
        answer: bytes = row["response"]
        return answer

    async def finish(self, method: str, request_id: str, response: bytes) -> None:
        await self._database.execute(_FINISH, method, request_id, response)

    async def abandon(self, method: str, request_id: str) -> None:
        await self._database.execute(_ABANDON, method, request_id)

    async def forget_before(self, age_hours: int) -> int:
        return int(await self._database.value(_FORGET, age_hours))
