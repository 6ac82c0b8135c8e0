"""Tokens are renewed ahead of their end and of the opening, spread; before it is said who is not ready."""

import asyncio
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b

import structlog

from paceline.domain.account import Account, SessionState
from paceline.domain.calendar import Calendar, day_end_ns
from paceline.domain.errors import BrokerError, BrokerLoginNeeded, Unavailable
from paceline.domain.ids import AccountId
from paceline.domain.login import Ahead, Lifetime, LoginFailed, due_ns
from paceline.domain.session_states import USABLE, WAITS_FOR_A_PERSON
from paceline.runtime.metric_names import SESSIONS_NOT_READY, TOKEN_EXPIRES_SECONDS
from services.feed.roster import Roster
from services.feed.session import Session
from services.feed.settings import Settings
from services.feed.shared import Shared

_log = structlog.get_logger(__name__)

_LOOK_S = 5.0
_AGAIN_NS = 60_000_000_000
_PERSON_AGAIN_NS = 3_600_000_000_000
"""What only a person can do is not looked for more often."""
_NAMES_SHOWN = 20
_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000
_NS_PER_MIN = 60_000_000_000


@dataclass(frozen=True, slots=True)
class MorningTimes:
    ahead: Ahead
    roll_call_ns: int
    """So long before an opening it is said who is not ready."""
    at_once: int
    """Logins side by side."""


def morning_times(settings: Settings) -> MorningTimes:
    ahead = Ahead(
        settings.token_ahead_min * _NS_PER_MIN,
        settings.login_ahead_min * _NS_PER_MIN,
        settings.login_spread_min * _NS_PER_MIN,
    )
    return MorningTimes(ahead, settings.roll_call_min * _NS_PER_MIN, settings.logins_at_once)


@dataclass(frozen=True, slots=True)
class _Opening:
    """The next one of the markets an account trades in; none while one of them is open."""

    at_ns: int | None
    day_end_ns: int


class Mornings:
    def __init__(self, roster: Roster, shared: Shared, calendar: Calendar, times: MorningTimes) -> None:
        self._roster = roster
        self._shared = shared
        self._clock = shared.desk.clock
        self._calendar = calendar
        self._times = times
        self._gate = asyncio.Semaphore(times.at_once)
        self._renewing: dict[AccountId, asyncio.Task[None]] = {}
        self._not_before_ns: dict[AccountId, int] = {}
        self._reminded: dict[AccountId, int] = {}
        """For which opening."""
        self._called_ns = 0
        """The last opening before which the roll was called."""

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self.look()
                await self._clock.sleep(_LOOK_S)
        finally:
            for task in self._renewing.values():
                task.cancel()

    async def look(self) -> None:
        now_ns = self._clock.now_ns()
        openings: dict[object, _Opening] = {}
        ready: dict[AccountId, bool] = {}
        for session in self._roster.all():
            segments = session.account.segments
            if segments not in openings:
                openings[segments] = self._opening(session.account, now_ns)
            opening = openings[segments]
            await self._see(session, opening, now_ns)
            ready[session.account_id] = self._is_ready(session, opening)
        self._measure(ready, now_ns)
        for opening in openings.values():
            self._call_roll(opening, ready, now_ns)
        for gone in self._not_before_ns.keys() - ready.keys():
            del self._not_before_ns[gone]
        for gone in self._reminded.keys() - ready.keys():
            del self._reminded[gone]

    async def _see(self, session: Session, opening: _Opening, now_ns: int) -> None:
        account_id, share = session.account_id, share_of(session.account_id)
        if session.state in WAITS_FOR_A_PERSON:
            before_ns = self._times.ahead.opening_ns + round(self._times.ahead.spread_ns * share)
            at_ns = opening.at_ns
            if at_ns is not None and now_ns >= at_ns - before_ns and self._reminded.get(account_id) != at_ns:
                self._reminded[account_id] = at_ns
                await self._remind(session, at_ns)
            return
        life = self._shared.credentials.lifetime(account_id)
        if life is None or not life.until_ns or account_id in self._renewing:
            return
        due = due_ns(life, opening.at_ns, opening.day_end_ns, self._times.ahead, share)
        if now_ns >= max(due, self._not_before_ns.get(account_id, 0)):
            task = asyncio.create_task(self._renew(session), name=f"renew {account_id}")
            self._renewing[account_id] = task
            task.add_done_callback(partial(self._renewed, account_id))

    async def _renew(self, session: Session) -> None:
        """A session lives on with its token while another is got; where none is, a person is called."""
        account_id = session.account_id
        version = self._shared.credentials.version(account_id)
        pause_ns = _AGAIN_NS
        async with self._gate:
            try:
                await self._shared.relogin.renewed(account_id, version, "the token ends soon")
                session.reconsider()
            except LoginFailed as problem:
                pause_ns = problem.retry_after_ms * _NS_PER_MS
            except BrokerLoginNeeded as problem:
                pause_ns = _PERSON_AGAIN_NS
                life = self._shared.credentials.lifetime(account_id)
                ends_in_s = (life.until_ns - self._clock.now_ns()) // _NS_PER_S if life else 0
                _log.warning(
                    "login.person_needed", account=account_id, problem=str(problem), token_ends_in_s=ends_in_s
                )
                await session.announce()
            except (BrokerError, Unavailable) as problem:
                _log.warning("login.unreachable", account=account_id, problem=str(problem))
        self._not_before_ns[account_id] = self._clock.now_ns() + pause_ns

    def _renewed(self, account_id: AccountId, task: "asyncio.Task[None]") -> None:
        del self._renewing[account_id]
        if not task.cancelled() and task.exception() is not None:
            _log.error("login.fault", account=account_id, exc_info=task.exception())
            self._not_before_ns[account_id] = self._clock.now_ns() + _AGAIN_NS

    async def _remind(self, session: Session, opening_ns: int) -> None:
        opens_in_s = (opening_ns - self._clock.now_ns()) // _NS_PER_S
        _log.warning(
            "login.reminder",
            account=session.account_id,
            state=session.state,
            reason=session.reason,
            opens_in_s=opens_in_s,
        )
        await session.announce()

    def _opening(self, account: Account, now_ns: int) -> _Opening:
        markets = [
            (exchange, sessions)
            for (exchange, segment), sessions in self._calendar.sessions.items()
            if segment in account.segments
        ]
        if any(sessions.is_open(now_ns) for _, sessions in markets):
            return _Opening(None, now_ns)
        coming = [
            (at_ns, exchange) for exchange, sessions in markets if (at_ns := sessions.next_open(now_ns))
        ]
        if not coming:
            return _Opening(None, now_ns)
        at_ns, exchange = min(coming)
        return _Opening(at_ns, day_end_ns(exchange, at_ns))

    def _is_ready(self, session: Session, opening: _Opening) -> bool:
        """It could trade now, and at the opening if that comes first."""
        life = self._shared.credentials.lifetime(session.account_id)
        lasts = opening.at_ns is None or life is None or not life.until_ns or life.until_ns > opening.at_ns
        return session.state in USABLE and lasts

    def _measure(self, ready: dict[AccountId, bool], now_ns: int) -> None:
        metrics = self._shared.desk.metrics
        ends: dict[str, list[float]] = {}
        missing: dict[str, int] = {}
        for session in self._roster.all():
            broker = session.account.broker
            missing[broker] = missing.get(broker, 0) + (not ready[session.account_id])
            life: Lifetime | None = self._shared.credentials.lifetime(session.account_id)
            if session.state is SessionState.LIVE and life is not None and life.until_ns:
                ends.setdefault(broker, []).append((life.until_ns - now_ns) / _NS_PER_S)
        for broker in self._shared.doors:
            metrics.gauge(SESSIONS_NOT_READY).labels(broker).set(missing.get(broker, 0))
            metrics.gauge(TOKEN_EXPIRES_SECONDS).labels(broker).set(min(ends.get(broker, [0.0])))

    def _call_roll(self, opening: _Opening, ready: dict[AccountId, bool], now_ns: int) -> None:
        """Once for each opening, of everyone held here."""
        at_ns = opening.at_ns
        if at_ns is None or at_ns <= self._called_ns or now_ns < at_ns - self._times.roll_call_ns:
            return
        self._called_ns = at_ns
        missing = sorted(each for each, is_ready in ready.items() if not is_ready)
        say = _log.warning if missing else _log.info
        say(
            "sessions.not_ready",
            count=len(missing),
            of=len(ready),
            opens_in_s=(at_ns - now_ns) // _NS_PER_S,
            accounts=missing[:_NAMES_SHOWN],
        )


def share_of(account_id: AccountId) -> float:
    """Where in the spread an account stands: the same after every restart, so that nothing bunches."""
    digest = blake2b(account_id.encode(), digest_size=4, person=b"mornings").digest()
    return int.from_bytes(digest) / 2**32
