"""Sessions in PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from paceline.adapters.postgres.database import Database, Row, columns
from paceline.adapters.postgres.queries import sql
from paceline.domain.account import Broker, SessionState
from paceline.domain.errors import NotFound
from paceline.domain.ids import AccountId, Partition
from paceline.ports.seal import Sealed
from paceline.ports.sessions import Session, SessionId, StateChange, Tokens

_OF_ACCOUNTS = sql("session_of_accounts")
_PARTITIONS = sql("session_partitions")
_PAGE = sql("session_page")
_STATES = sql("session_states")
_FRAMES = sql("session_frames")
_SET_TOKENS = sql("session_tokens_set")
_TOKENS = sql("session_tokens_get")
_UPSERT = sql("session_upsert")
_SERVE = sql("session_account_set")


class PostgresSessions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_accounts(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, Session]:
        wanted = list(accounts)
        sessions = [session_of(row) for row in await self._database.fetch(_OF_ACCOUNTS, wanted)]
        serving = {account: session for session in sessions for account in session.accounts}
        return {account: serving[account] for account in wanted if account in serving}

    async def in_partitions(self, partitions: Iterable[Partition]) -> Sequence[Session]:
        return [session_of(row) for row in await self._database.fetch(_PARTITIONS, list(partitions))]

    async def page(self, *, after: SessionId | None = None, limit: int = 100) -> Sequence[Session]:
        return [session_of(row) for row in await self._database.fetch(_PAGE, after, limit)]

    async def set_states(self, changes: Sequence[StateChange]) -> Sequence[SessionId]:
        rows = [
            (
                each.session_id,
                each.partition,
                each.epoch,
                each.pin,
                each.state.value,
                each.reason,
                each.connected_since,
            )
            for each in changes
        ]
        written = await self._database.fetch(_STATES, *columns(rows, 7))
        return [SessionId(row["session_id"]) for row in written]

    async def frames_seen(self, last: Mapping[SessionId, datetime]) -> None:
        await self._database.execute(_FRAMES, *columns(sorted(last.items()), 2))

    async def set_tokens(self, session_id: SessionId, tokens: Tokens) -> None:
        row = await self._database.row(
            _SET_TOKENS, session_id, tokens.token, tokens.refresh, tokens.blob, tokens.expires_at
        )
        if row is None:
            raise NotFound("session", session_id)

    async def tokens(self, sessions: Iterable[SessionId]) -> Mapping[SessionId, Tokens]:
        rows = await self._database.fetch(_TOKENS, list(sessions))
        return {SessionId(row["session_id"]): _tokens_of(row) for row in rows}

    async def share(self, session: Session) -> None:
        async with self._database.transaction() as transaction:
            await transaction.execute(
                _UPSERT, session.session_id, session.broker.value, session.broker_client_id
            )
            await transaction.execute(_SERVE, session.session_id, list(session.accounts))


def session_of(row: Row) -> Session:
    return Session(
        session_id=SessionId(row["session_id"]),
        broker=Broker(row["broker"]),
        broker_client_id=row["broker_client_id"],
        accounts=tuple(AccountId(account) for account in row["accounts"] or ()),
        state=SessionState(row["state"]),
        reason=row["reason"],
        token_expires_at=row["token_expires_at"],
        connected_since=row["connected_since"],
        last_frame_at=row["last_frame_at"],
        version=row["version"],
        state_since=row["state_since"],
        failed_logins=row["failed_logins"],
        login_url=row["login_url"],
    )


def _tokens_of(row: Row) -> Tokens:
    return Tokens(
        token=_sealed(row["sealed_token"]),
        refresh=_sealed(row["sealed_refresh"]),
        blob=_sealed(row["sealed_blob"]),
        expires_at=row["token_expires_at"],
        version=row["token_version"],
        refused=row["refused_version"] >= row["token_version"],
        obtained_at=row["token_at"],
    )


def _sealed(stored: bytes | None) -> Sealed | None:
    return None if stored is None else Sealed(stored)
