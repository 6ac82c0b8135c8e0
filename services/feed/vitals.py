"""Signs of life for others: who is connected, when he was last heard, which markets are open, who lags."""

from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from paceline.domain.account import SessionState
from paceline.domain.errors import BrokerError, Unavailable
from paceline.domain.ids import AccountId
from paceline.ports.broker import Call
from paceline.ports.clock import Clock
from paceline.ports.presence import Presence, SessionPresence
from paceline.ports.sessions import SessionId, Sessions
from paceline.runtime.credentials import CredentialStore
from paceline.runtime.metric_names import STREAM_CONSUMERS, STREAM_LAG
from paceline.runtime.metrics import Metrics
from services.feed.hub import Hub
from services.feed.roster import Roster
from services.feed.session import Session
from services.feed.shared import Shared

_log = structlog.get_logger(__name__)

_EVERY_S = 1.0
_LIVES_MS = 5_000
_RENEW_NS = _LIVES_MS * 1_000_000 // 3
"""What did not change is told again so often: two renewals may fail before it is forgotten."""
_MARKET_EVERY_S = 60.0
_MARKET_AGAIN_S = 2.0
_MARKET_LIVES_MS = 180_000
_NS_PER_S = 1_000_000_000


class Vitals:
    """Once a second, in one round trip to each store, however many sessions there are."""

    def __init__(
        self,
        roster: Roster,
        hub: Hub,
        presence: Presence,
        sessions: Sessions,
        credentials: CredentialStore,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._credentials = credentials
        self._roster = roster
        self._hub = hub
        self._presence = presence
        self._sessions = sessions
        self._clock = clock
        self._consumers = metrics.gauge(STREAM_CONSUMERS).labels("events")
        self._lag = metrics.gauge(STREAM_LAG).labels("events")
        self._told: dict[AccountId, int] = {}
        self._shown: dict[AccountId, SessionPresence] = {}
        self._renewed_ns = clock.monotonic_ns()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(_EVERY_S)
            try:
                await self.tell()
            except Unavailable as problem:
                _log.warning("vitals.untold", problem=str(problem))

    async def tell(self) -> None:
        self._consumers.set(self._hub.readers())
        self._lag.set(self._hub.lag())
        sessions = self._roster.all()
        await self._show(sessions)
        await self._tell_frames(sessions)

    async def _show(self, sessions: Sequence[Session]) -> None:
        """What changed at once; the rest lives on, and is told anew where it was lost."""
        now_ns = self._clock.monotonic_ns()
        words = {each.account_id: _presence(each, self._token_expires_ns(each)) for each in sessions}
        shown = {name: word for name, word in self._shown.items() if words.get(name) == word}
        news = [word for name, word in words.items() if name not in shown]
        is_due = now_ns - self._renewed_ns >= _RENEW_NS
        if news or (is_due and shown):
            lost = await self._presence.put_sessions(news, _LIVES_MS, list(shown) if is_due else ())
            for name in lost:
                del words[name]
        self._shown = words
        if is_due:
            self._renewed_ns = now_ns

    def _token_expires_ns(self, session: Session) -> int:
        life = self._credentials.lifetime(session.account_id)
        return life.until_ns if life else 0

    async def _tell_frames(self, sessions: Sequence[Session]) -> None:
        """Only of those who were heard since the last time."""
        heard = {each.account_id: each.last_frame_ns for each in sessions if each.last_frame_ns}
        news = {name: at_ns for name, at_ns in heard.items() if self._told.get(name) != at_ns}
        if news:
            await self._sessions.frames_seen(
                {
                    SessionId(name): datetime.fromtimestamp(at_ns / _NS_PER_S, UTC)
                    for name, at_ns in news.items()
                }
            )
        self._told = heard


class MarketWatch:
    """Asks a broker now and then, as any account that is live here, which markets are open."""

    def __init__(self, roster: Roster, shared: Shared, presence: Presence) -> None:
        self._roster = roster
        self._doors = shared.doors
        self._clock = shared.desk.clock
        self._credentials = shared.credentials
        self._budget = shared.budget
        self._presence = presence

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                told = await self.tell()
            except (BrokerError, Unavailable) as problem:
                _log.info("market.unread", problem=str(problem))
                told = False
            await self._clock.sleep(_MARKET_EVERY_S if told else _MARKET_AGAIN_S)

    async def tell(self) -> bool:
        """False while nobody is live."""
        session = next((each for each in self._roster.all() if each.state is SessionState.LIVE), None)
        if session is None:
            return False
        broker = self._doors[session.account.broker].broker
        async with self._budget.call(session.account_id, broker.limits, Call.READ):
            statuses = await broker.market_status(self._credentials.get(session.account_id))
        await self._presence.put_market(statuses, _MARKET_LIVES_MS)
        return True


def _presence(session: Session, token_expires_ns: int) -> SessionPresence:
    return SessionPresence(
        session.account_id,
        session.state,
        session.reason,
        session.since_ns,
        session.last_heard_ns,
        token_expires_ns,
    )
