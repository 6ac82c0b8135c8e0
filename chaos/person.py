"""The people behind the accounts: whoever is asked to log in does, through the public door."""

import asyncio
from dataclasses import dataclass, field

import aiohttp
import grpc
import structlog

from chaos.stage import Stage
from paceline.adapters.postgres.leases import PostgresLeases
from paceline.api.v1 import session_pb2
from paceline.cli.demo.control import ControlError
from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId
from paceline.domain.partitioning import partition_of

_log = structlog.get_logger(__name__)

_LOOK_S = 1.0
_LOOK_MAX_S = 20.0
"""Nobody's answer is waited for without end while others wait to be logged in."""
_WAITING = (session_pb2.SESSION_STATE_LOGIN_NEEDED, session_pb2.SESSION_STATE_SUSPENDED)


@dataclass(slots=True)
class People:
    """Looks at every session once a second, logs in who waits for it, and remembers who held live ones."""

    stage: Stage
    sessions: list[session_pb2.Session] = field(default_factory=list)
    holders: set[str] = field(default_factory=set)
    """Addresses of the feeds that ever held a live session."""

    async def run(self) -> None:
        """Until cancelled; whoever cannot be reached is asked again."""
        while True:
            try:
                async with asyncio.timeout(_LOOK_MAX_S):
                    await self.look()
            except (grpc.RpcError, ControlError, aiohttp.ClientError, Unavailable, TimeoutError) as problem:
                _log.info("people.turned_away", problem=str(problem))
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        self.sessions = await self.stage.registrar.list_sessions()
        rows = await PostgresLeases(self.stage.database, "feed", ttl_ms=0).rows()
        owners = {row.partition: row.address for row in rows if row.owner is not None}
        self.holders |= {
            owners[partition]
            for each in self.sessions
            if each.state == session_pb2.SESSION_STATE_LIVE
            and (partition := partition_of(AccountId(each.account_ids[0]))) in owners
        }
        for session in self.sessions:
            if session.state in _WAITING:
                (account_id,) = session.account_ids
                await self.stage.registrar.log_in(account_id.partition(":")[2], account_id)
                self.stage.note("logged_in", account=account_id)

    def restless(self) -> dict[str, str]:
        """Sessions that are not live, with their state and why."""
        return {
            each.session_id: f"{session_pb2.SessionState.Name(each.state)} {each.detail}"
            for each in self.sessions
            if each.state != session_pb2.SESSION_STATE_LIVE
        }
