"""The people behind the accounts: whoever is asked to log in does, through the public door."""

import asyncio
from dataclasses import dataclass, field

import aiohttp
import grpc

from chaos.stage import Stage
from paceline.api.v1 import session_pb2
from paceline.cli.demo.control import ControlError

_LOOK_S = 1.0
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
                await self.look()
            except (grpc.RpcError, ControlError, aiohttp.ClientError):
                self.stage.tally["people_turned_away"] += 1
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        self.sessions = await self.stage.registrar.list_sessions()
        live = session_pb2.SESSION_STATE_LIVE
        self.holders |= {each.owner_address for each in self.sessions if each.state == live}
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
