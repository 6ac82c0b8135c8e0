"""How logins stand, in PostgreSQL: its clock says whose turn it is."""

from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.queries import sql
from paceline.domain.errors import NotFound
from paceline.domain.login import FAILURES_MAX, Standing
from paceline.ports.seal import Sealed
from paceline.ports.sessions import SessionId, Tokens

_STANDING = sql("login_standing")
_REFUSE = sql("login_refuse")
_CLAIM = sql("login_claim")
_RENEWED = sql("login_renewed")
_FAILED = sql("login_failed")
_RELEASE = sql("login_release")
_PARDON = sql("login_pardon")
_LINK = sql("login_link")


class PostgresLogins:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def standing(self, session_id: SessionId) -> Standing:
        row = await self._database.row(_STANDING, session_id)
        if row is None:
            raise NotFound("session", session_id)
        return Standing(
            token_version=row["token_version"],
            is_usable=row["is_usable"],
            can_renew=row["can_renew"],
            failed=row["failed_logins"],
            retry_in_ms=row["retry_in_ms"] or 0,
            is_claimed=row["is_claimed"],
            failure=row["login_failure"],
        )

    async def refuse(self, session_id: SessionId, token_version: int, words: str) -> None:
        await self._database.execute(_REFUSE, session_id, token_version, words)

    async def claim(
        self, session_id: SessionId, token_version: int, claim: str, lives_ms: int
    ) -> Sealed | None:
        row = await self._database.row(_CLAIM, session_id, token_version, claim, lives_ms, FAILURES_MAX)
        return None if row is None else Sealed(row["sealed_refresh"])

    async def renewed(self, session_id: SessionId, claim: str, tokens: Tokens) -> bool:
        row = await self._database.row(
            _RENEWED, session_id, claim, tokens.token, tokens.refresh, tokens.blob, tokens.expires_at
        )
        return row is not None

    async def failed(
        self, session_id: SessionId, claim: str, words: str, *, refused: bool, retry_after_ms: int
    ) -> None:
        await self._database.execute(_FAILED, session_id, claim, words, refused, retry_after_ms)

    async def release(self, session_id: SessionId, claim: str, words: str, retry_after_ms: int) -> None:
        await self._database.execute(_RELEASE, session_id, claim, words, retry_after_ms)

    async def pardon(self, session_id: SessionId) -> None:
        await self._database.execute(_PARDON, session_id)

    async def link(self, session_id: SessionId, url: str) -> None:
        await self._database.execute(_LINK, session_id, url)
