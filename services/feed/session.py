"""One account's life at its broker: connect, recover, listen; again and again.

The socket is subscribed before the books are read, so that nothing falls between; what both tell is told
once, because the notebook judges it.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog

from paceline.domain.account import Account, SessionState
from paceline.domain.errors import BrokerAuthFailed, BrokerError, BrokerLoginNeeded, Unavailable
from paceline.domain.ids import AccountId, InstrumentId, Partition
from paceline.domain.login import LoginFailed, LoginSuspended
from paceline.domain.partitioning import partition_of
from paceline.domain.session_states import moved
from paceline.ports import broker as brokers
from paceline.ports.broker import Call, Credentials, Malformed, MalformedKind, Observed, OrderConnection
from paceline.ports.sessions import Session as SessionRow
from paceline.runtime.metric_names import FRAMES, SESSION_RECONNECTS
from paceline.runtime.retry import Backoff
from paceline.runtime.together import attended, patiently
from services.feed.backstop import Backstop
from services.feed.notebook import Notebook
from services.feed.shared import Shared

_log = structlog.get_logger(__name__)

_NS_PER_S = 1_000_000_000
_STEADY_NS = 60_000_000_000
"""So long live, and the next break begins the back-off anew."""
_PATIENCE_S = 2.0
"""A session that dials holds a place others wait for: with its limits used up it steps back."""
_ASKS_LONGEST = 8
"""The longest pause between two readings of a book that keeps an answer owing, in settling times."""
_TOKEN_LOOK_S = 30.0
"""How long a clock that was set may hide that a token has ended."""

StateChanged = Callable[["Session"], None]


class NewTokenError(Exception):
    """There is another token than the one this connection was made with."""


class Session:
    """Runs until cancelled or until the partition is lost; its state is what the operator sees."""

    def __init__(
        self, account: Account, shared: Shared, changed: StateChanged, before: SessionRow | None = None
    ) -> None:
        """`before`: how it stood when it was last written down, here or elsewhere."""
        self.account = account
        self.partition: Partition = partition_of(account.account_id)
        self.state = SessionState.DISCONNECTED
        self.reason = ""
        self.since_ns = 0
        """When it came into this state."""
        self._shared = shared
        self._before = before
        self._clock = shared.desk.clock
        self._changed = changed
        self._notebook: Notebook | None = None
        self._connection: OrderConnection | None = None
        self._last_frame_ns = 0
        self._live_since_ns: int | None = None
        self._credentials: Credentials | None = None
        """What the broker was last asked with."""
        self._verified = 0
        """The token that is known to be of this client."""
        self._wake = asyncio.Event()
        self._token_news = asyncio.Event()
        self._awaits_login = False
        """A login failed and is tried again after a pause, unless a token comes from elsewhere."""
        self._needs_books = asyncio.Event()

    @property
    def account_id(self) -> AccountId:
        return self.account.account_id

    @property
    def last_frame_ns(self) -> int:
        """When anything was last heard of the broker, pongs included; 0 is never."""
        if self._connection is not None:
            self._last_frame_ns = self._connection.last_frame_ns
        return self._last_frame_ns

    @property
    def last_books_ns(self) -> int:
        """When its books were last read with success; 0 is never."""
        return self._notebook.read_ns if self._notebook is not None else 0

    @property
    def last_heard_ns(self) -> int:
        """Silent since then: no pong, and no successful reading of the books."""
        return max(self.last_frame_ns, self.last_books_ns)

    @property
    def at_work(self) -> frozenset[InstrumentId]:
        """What its working orders are about, and what it holds, as far as is known."""
        return self._notebook.at_work if self._notebook is not None else frozenset()

    def wake(self) -> None:
        """Try now: what it waited for may be there, or somebody asked for it."""
        self._wake.set()

    def pardon(self) -> None:
        """A person is at it: where it was suspended, it waits for the next token again."""
        if self.state is SessionState.SUSPENDED:
            self._move(SessionState.LOGIN_NEEDED, self.reason)

    def reconsider(self) -> None:
        """Its tokens were read again: it goes on with the newest."""
        self._token_news.set()
        if (self.state is SessionState.LOGIN_NEEDED or self._awaits_login) and self._has_token():
            self.wake()

    async def announce(self) -> None:
        """A new link for the person who must log in."""
        await self._shared.announce(self.account_id)

    async def run(self) -> None:
        """No last attempt: only a person's missing login makes it wait for a wake instead of a back-off."""
        attempt = 0
        await self._resume()
        while True:
            try:
                await self._live_once()
            except NewTokenError:
                attempt = 0
                self._move(SessionState.CONNECTING, "there is a new token")
            except BrokerAuthFailed as refusal:
                attempt = 0
                await self._log_in_again(refusal)
            except (Unavailable, BrokerError) as problem:
                attempt = 1 if self._was_steady() else attempt + 1
                await self._step_back(problem, self._shared.backoff.wait_s(attempt, self._shared.random))

    def end(self, reason: str) -> None:
        """It runs no more, and says why."""
        self._move(SessionState.DISCONNECTED, reason)

    async def _live_once(self) -> None:
        """One connection from its dial to its death."""
        self._live_since_ns = None
        self._move(SessionState.CONNECTING, self.reason if self.state is SessionState.CONNECTING else "")
        door = self._shared.doors[self.account.broker]
        async with self._shared.dials:
            credentials = self._credentials = self._current()
            await self._verify(door.broker, credentials)
            connection = await door.streams.connect(credentials)
            try:
                self._move(SessionState.RECOVERING)
                notebook = await self._recovered(door.broker, credentials)
            except BaseException:
                await connection.aclose()
                raise
        async with connection:
            self._connection = connection
            try:
                self._live_since_ns = self._clock.monotonic_ns()
                self._move(SessionState.LIVE)
                await attended(
                    self._listen(connection, notebook),
                    self._ask_books(notebook, door.broker, credentials),
                    Backstop(self.account, self._shared, door.broker, credentials, notebook).run(),
                    self._mind_token(credentials),
                )
            finally:
                self._last_frame_ns = connection.last_frame_ns
                self._connection = None
        raise Unavailable("the order socket ended")

    async def _verify(self, broker: brokers.Broker, credentials: Credentials) -> None:
        """Whose token it is, asked once for each: another's books must never become this account's."""
        if self._verified == credentials.version:
            return
        async with self._spend_dialling():
            profile = await broker.profile(credentials)
        if profile.client_id != self.account.client_id:
            raise BrokerLoginNeeded(
                f"the token is of {profile.client_id}, and not of {self.account.client_id}"
            )
        self._verified = credentials.version

    async def _recovered(self, broker: brokers.Broker, credentials: Credentials) -> Notebook:
        notebook = self._notebook
        if notebook is None:
            notebook = await Notebook.opened(self.account, self._shared.desk)
        await notebook.read_books(broker, credentials, self._spend_dialling)
        self._notebook = notebook
        if notebook.puzzled():
            self._needs_books.set()
        return notebook

    def _current(self) -> Credentials:
        """The newest token; where there is none that is good, that is no refusal of the last one."""
        self._credentials = None
        return self._shared.credentials.get(self.account_id)

    def _has_token(self) -> bool:
        try:
            self._shared.credentials.get(self.account_id)
        except BrokerAuthFailed:
            return False
        return True

    async def _mind_token(self, used: Credentials) -> None:
        """Beside a live connection: it ends with its token, and when there is another."""
        while True:
            if self._current().version != used.version:
                raise NewTokenError
            self._credentials = used
            self._token_news.clear()
            life = self._shared.credentials.lifetime(self.account_id)
            left_s = (
                (life.until_ns - self._clock.now_ns()) / _NS_PER_S
                if life and life.until_ns
                else _TOKEN_LOOK_S
            )
            await patiently(self._clock, min(left_s, _TOKEN_LOOK_S), self._token_news)

    async def _resume(self) -> None:
        """What waited for a person before this process held it waits on, with its reason and its time."""
        before = self._before
        if before is None or before.state_since is None:
            return
        if before.state is SessionState.SUSPENDED:
            self.since_ns = round(before.state_since.timestamp() * _NS_PER_S)
            await self._park(SessionState.SUSPENDED, before.reason)
        elif before.state is SessionState.LOGIN_NEEDED and not self._has_token():
            self.since_ns = round(before.state_since.timestamp() * _NS_PER_S)
            await self._log_in_again(BrokerLoginNeeded(before.reason))

    async def _log_in_again(self, refusal: BrokerAuthFailed) -> None:
        """Shared with everyone who met the same; returns when another connection may be tried."""
        relogin, used = self._shared.relogin, self._credentials
        self._credentials = None
        try:
            if used is not None:
                await relogin.refused(used, str(refusal))
            after = self._shared.credentials.version(self.account_id)
            await relogin.renewed(self.account_id, 0 if self._has_token() else after, str(refusal))
        except LoginSuspended as problem:
            await self._park(SessionState.SUSPENDED, str(problem))
        except LoginFailed as problem:
            self._awaits_login = True
            await self._step_back(problem, problem.retry_after_ms / 1_000)
            self._awaits_login = False
        except BrokerLoginNeeded as problem:
            await self._park(SessionState.LOGIN_NEEDED, str(problem))
        except (Unavailable, BrokerError) as problem:
            await self._step_back(problem, self._shared.backoff.wait_s(1, self._shared.random))

    async def _park(self, state: SessionState, reason: str) -> None:
        """Exits wait and are alarmed elsewhere; here nothing is tried until somebody acted."""
        self._wake.clear()
        self._move(state, reason)
        await self.announce()
        while self.state is SessionState.SUSPENDED or not (self._wake.is_set() or self._has_token()):
            await self._wake.wait()
            if self.state is SessionState.SUSPENDED:
                self._wake.clear()

    async def _step_back(self, problem: Exception, pause_s: float) -> None:
        reconnects = self._shared.desk.metrics.counter(SESSION_RECONNECTS)
        reconnects.labels(self.account.broker, type(problem).__name__).inc()
        _log.debug("session.lost", account=self.account_id, problem=str(problem), again_in_s=pause_s)
        self._wake.clear()
        self._move(SessionState.CONNECTING, str(problem))
        await patiently(self._clock, pause_s, self._wake)

    def _was_steady(self) -> bool:
        since_ns = self._live_since_ns
        return since_ns is not None and self._clock.monotonic_ns() - since_ns > _STEADY_NS

    async def _listen(self, connection: OrderConnection, notebook: Notebook) -> None:
        async for heard in connection:
            await self._hear(heard, notebook)

    async def _hear(self, heard: Observed | Malformed, notebook: Notebook) -> None:
        letters = self._shared.desk.letters
        if isinstance(heard, Malformed):
            letters.put(self.account, "order_socket", [heard])
            return
        self._shared.desk.metrics.counter(FRAMES).labels(self.account.broker, "reports").inc()
        for report in heard.reports:
            if report.account_id != self.account_id:
                letters.put(self.account, "order_socket", [_stranger(heard, report.account_id)])
            elif await notebook.hear(report, heard):
                self._needs_books.set()

    async def _ask_books(self, notebook: Notebook, broker: brokers.Broker, credentials: Credentials) -> None:
        """Where orders are fuller than their trades after a while, or contradict each other, books are read;
        where the books owe the answer too, again and more slowly.
        """
        settle_s = self._shared.trades_settle_s
        pace = Backoff(first_s=settle_s, longest_s=_ASKS_LONGEST * settle_s, jitter=0)
        attempt = 0
        while True:
            await self._needs_books.wait()
            attempt += 1
            await self._clock.sleep(pace.wait_s(attempt, self._shared.random))
            self._needs_books.clear()
            try:
                if notebook.puzzled():
                    await notebook.read_books(broker, credentials, self._spend)
            except BrokerAuthFailed:
                raise
            except (BrokerError, Unavailable) as problem:
                _log.info("session.books_unread", account=self.account_id, problem=str(problem))
            if notebook.puzzled():
                self._needs_books.set()
            else:
                attempt = 0

    def _spend(self) -> AbstractAsyncContextManager[None]:
        """Reading takes from the same windows as sending."""
        limits = self._shared.doors[self.account.broker].broker.limits
        return self._shared.budget.call(self.account_id, limits, Call.READ)

    def _spend_dialling(self) -> AbstractAsyncContextManager[None]:
        limits = self._shared.doors[self.account.broker].broker.limits
        return self._shared.budget.call(self.account_id, limits, Call.READ, patience_s=_PATIENCE_S)

    def _move(self, state: SessionState, reason: str = "") -> None:
        if (state, reason) == (self.state, self.reason):
            return
        before, self.state, self.reason = self.state, moved(self.state, state), reason
        if state is not before and not self._stood_so(state):
            self.since_ns = self._clock.now_ns()
        self._before = None
        self._changed(self)

    def _stood_so(self, state: SessionState) -> bool:
        """When it was taken over."""
        return self._before is not None and self._before.state is state and self.since_ns > 0


def _stranger(heard: Observed, account_id: AccountId) -> Malformed:
    return Malformed(heard.raw, MalformedKind.UNKNOWN_CLIENT, f"speaks of {account_id}")
