"""Which sessions run here: those of the accounts in our partitions, as their rows say just now."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from paceline.domain.account import Account, AccountState, SessionState
from paceline.domain.errors import NotFound, NotOwner, Unavailable
from paceline.domain.ids import AccountId, Partition
from paceline.ports.accounts import Accounts
from paceline.ports.sessions import Session as SessionRow
from paceline.ports.sessions import SessionId, Sessions, StateChange
from paceline.runtime.metric_names import SESSIONS
from paceline.runtime.partitions import Held
from paceline.runtime.together import patiently
from services.feed.echoes import Echoes
from services.feed.session import Session
from services.feed.shared import Shared

_log = structlog.get_logger(__name__)

BY_REQUEST = "by request"
"""The reason of a disconnection that lasts until someone connects again."""
_LOOK_S = 0.1
_GATHER_S = 0.05
"""What changes within it is read and written together: a thousand sessions dial at once."""
_COUNT_NS = 200_000_000
_AGAIN_S = 1.0
_SWEEP_NS = 5_000_000_000
"""How long a session that ended by a fault stays down, and how long what no notice told stays unseen."""
_CLOSING_S = 1.0
"""A frozen socket is not waited for: what was cancelled tells nothing more."""
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Running:
    session: Session
    task: asyncio.Task[None]


class Roster:
    """Starts and stops sessions as partitions come and go and as accounts change."""

    def __init__(self, accounts: Accounts, sessions: Sessions, shared: Shared) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._shared = shared
        self._tenures = shared.desk.tenures
        self._clock = shared.desk.clock
        self._running: dict[AccountId, _Running] = {}
        self._heard: set[AccountId] = set()
        self._touched: set[AccountId] = set()
        self._changed: dict[AccountId, Session] = {}
        self._news = asyncio.Event()
        self._changing = asyncio.Lock()
        """Sessions are started, stopped and written down by one at a time."""
        self._swept_ns = self._clock.monotonic_ns()
        self._counted_ns = -_COUNT_NS
        self._echoes = Echoes()

    def get(self, account_id: AccountId) -> Session | None:
        running = self._running.get(account_id)
        return running.session if running else None

    def all(self) -> Sequence[Session]:
        return [running.session for running in self._running.values()]

    def hear(self, account_id: AccountId, *, by_a_person: bool = False) -> None:
        """Its row, or that of its session, changed; a person's change may be what a login waited for."""
        self._heard.add(account_id)
        if by_a_person:
            self._touched.add(account_id)
        self._news.set()

    def hear_session(self, account_id: AccountId) -> None:
        """The row of its session changed; that this roster changed it is no news."""
        if not self._echoes.is_own(account_id):
            self.hear(account_id)

    async def reread(self) -> None:
        """Everything may have changed unheard."""
        self._echoes.forget()
        self._heard |= {account.account_id for account in await self._ours()}
        self._heard |= self._running.keys()
        self._news.set()

    async def gain(self, held: Sequence[Held]) -> None:
        async with self._changing:
            found = await self._accounts.in_partitions(each.partition for each in held)
            accounts = [account for account in found if self._tenures.usable(account.account_id)]
            await self._shared.credentials.reload(account.account_id for account in accounts)
            await self._start_those(accounts)

    async def lose(self, partitions: Iterable[Partition]) -> None:
        """Their sockets close; returns when nothing of them can be found out here any more."""
        leaving = set(partitions)
        async with self._changing:
            await self._stop_those([each.account_id for each in self.all() if each.partition in leaving])

    async def leave(self, account_ids: Iterable[AccountId]) -> None:
        """As `lose`, of accounts whose pins went elsewhere."""
        async with self._changing:
            await self._stop_those(list(account_ids))

    async def part(self, account_id: AccountId) -> None:
        """Disconnect it until somebody connects it again."""
        async with self._changing:
            await self._stop_those([account_id])
            await self._set(account_id, SessionState.DISCONNECTED, BY_REQUEST)

    async def join(self, account_id: AccountId) -> None:
        """Connect it, now where it waits; of a live session this changes nothing."""
        async with self._changing:
            session = self.get(account_id)
            if session is not None:
                if session.state is not SessionState.LIVE:
                    await self._forgive(session)
                    session.wake()
                return
            await self._shared.book.pardon(SessionId(account_id))
            await self._set(account_id, SessionState.CONNECTING, "")
        self.hear(account_id)

    async def pardon(self, account_id: AccountId) -> None:
        """A person logged it in: the next token is tried, however many were refused."""
        async with self._changing:
            session = self.get(account_id)
            if session is not None:
                await self._forgive(session)
        self.hear(account_id)

    async def _forgive(self, session: Session) -> None:
        await self._shared.book.pardon(SessionId(session.account_id))
        session.pardon()

    def drop(self, account_id: AccountId) -> None:
        """What it found out could not be journaled: forget it, and begin anew if it is still ours."""
        running = self._running.pop(account_id, None)
        if running is not None:
            running.task.cancel()
        self.hear(account_id)

    async def run(self) -> None:
        """Carry out what was heard, and write down how sessions stand, until cancelled."""
        while True:
            await patiently(self._clock, _LOOK_S, self._news)
            await self._clock.sleep(_GATHER_S)
            self._news.clear()
            try:
                await self.tend()
            except Unavailable as problem:
                _log.warning("roster.unreachable", problem=str(problem))
                await self._clock.sleep(_AGAIN_S)

    async def tend(self) -> None:
        """One round; what a store that is away left undone is done in the next."""
        if self._clock.monotonic_ns() - self._swept_ns > _SWEEP_NS:
            await self._sweep()
        async with self._changing:
            await self._attend()
            await self._write_states()
        self._shared.tidings.flush()
        self._count()

    async def _sweep(self) -> None:
        """Accounts that should run and do not, for whatever reason."""
        for account in await self._ours():
            if account.account_id not in self._running:
                self._heard.add(account.account_id)
        self._swept_ns = self._clock.monotonic_ns()

    async def _ours(self) -> Sequence[Account]:
        """Those of the partitions held here, and those pinned here."""
        shared = await self._accounts.in_partitions(self._tenures.partitions.held())
        pinned = await self._accounts.get_many(self._tenures.pinned_here())
        return [each for each in (*shared, *pinned.values()) if self._tenures.usable(each.account_id)]

    async def _attend(self) -> None:
        heard, self._heard = self._heard, set()
        mine = {each for each in heard if self._tenures.usable(each)}
        self._heard |= heard & self._running.keys() - mine  # a lease that ran out may yet be renewed
        if not mine:
            return
        try:
            await self._shared.credentials.reload(mine)
            await self._start_those(list((await self._accounts.get_many(mine)).values()))
        except Unavailable:
            self._heard |= heard
            raise
        touched, self._touched = self._touched, set()
        for session in filter(None, map(self.get, mine)):
            session.reconsider()
            if session.account_id in touched and session.state is SessionState.LOGIN_NEEDED:
                session.wake()

    async def _start_those(self, accounts: Sequence[Account]) -> None:
        rows = await self._sessions.of_accounts(account.account_id for account in accounts)
        for account in accounts:
            row = rows.get(account.account_id)
            if account.state is AccountState.CLOSED:
                await self._stop_those([account.account_id], "the account is closed")
            elif account.broker not in self._shared.doors or (row is not None and _is_parted(row)):
                await self._stop_those([account.account_id])
            else:
                await self._run_one(account, row)

    async def _run_one(self, account: Account, row: SessionRow | None) -> None:
        """Only a change of what a connection is made of begins it anew: no name and no freeze does."""
        running = self._running.get(account.account_id)
        if running is not None and not running.task.done():
            before, running.session.account = running.session.account, account
            if _made_of(before) == _made_of(account):
                return
        await self._stop_those([account.account_id])
        if not self._tenures.usable(account.account_id):
            return
        session = Session(account, self._shared, self._note, row)
        task = asyncio.create_task(session.run(), name=f"session {account.account_id}")
        self._running[account.account_id] = _Running(session, task)
        task.add_done_callback(lambda done: self._ended(session, done))

    async def _stop_those(self, account_ids: Sequence[AccountId], reason: str = "") -> None:
        stopped = [self._running.pop(each) for each in account_ids if each in self._running]
        for running in stopped:
            running.task.cancel()
            self._changed.pop(running.session.account_id, None)
            self._shared.tidings.forget(running.session.account_id)
        if stopped:
            await asyncio.wait([running.task for running in stopped], timeout=_CLOSING_S)
        for running in stopped if reason else ():
            running.session.end(reason)

    def _ended(self, session: Session, task: asyncio.Task[None]) -> None:
        """A session ends by itself only by a fault of ours, or because the partition or the account went; the
        next sweep looks whether it should run again.
        """
        if task.cancelled():
            return
        problem = task.exception()
        if not isinstance(problem, NotOwner | NotFound):
            _log.error("session.fault", account=session.account_id, exc_info=problem)
        if self.get(session.account_id) is session:
            del self._running[session.account_id]
            session.end(f"fault: {type(problem).__name__}")

    def _note(self, session: Session) -> None:
        self._shared.tidings.tell(session.account_id, session.state, session.reason)
        self._changed[session.account_id] = session
        self._news.set()

    async def _write_states(self) -> None:
        changed, self._changed = self._changed, {}
        changes = []
        for session in changed.values():
            try:
                changes.append(self._change(session))
            except NotOwner:
                if self.get(session.account_id) is session:
                    self._changed[session.account_id] = session
        try:
            if changes:
                await self._write(changes)
        except Unavailable:
            self._changed = changed | self._changed
            raise

    async def _write(self, changes: Sequence[StateChange]) -> None:
        names = [AccountId(each.session_id) for each in changes]
        written: frozenset[str] = frozenset()
        self._echoes.expect(names)
        try:
            written = frozenset(await self._sessions.set_states(changes))
        finally:
            for name in self._echoes.not_written(each for each in names if each not in written):
                self.hear(name)

    async def _set(self, account_id: AccountId, state: SessionState, reason: str) -> None:
        tenure = self._tenures.of(account_id)
        row = (await self._sessions.of_accounts([account_id])).get(account_id)
        if row is None:
            raise NotFound("session", account_id)
        change = StateChange(row.session_id, tenure.partition, tenure.epoch, state, reason, pin=tenure.pin)
        if not await self._sessions.set_states([change]):
            raise NotOwner(f"{account_id} is not held here")

    def _change(self, session: Session) -> StateChange:
        tenure = self._tenures.of(session.account_id)
        return StateChange(
            session_id=SessionId(session.account_id),
            partition=tenure.partition,
            epoch=tenure.epoch,
            pin=tenure.pin,
            state=session.state,
            reason=session.reason,
            connected_since=_when(session.since_ns) if session.state is SessionState.LIVE else None,
        )

    def _count(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._counted_ns < _COUNT_NS:
            return
        self._counted_ns = now_ns
        gauge = self._shared.desk.metrics.gauge(SESSIONS)
        counts = Counter((each.account.broker, each.state) for each in self.all())
        for broker in self._shared.doors:
            for state in SessionState:
                gauge.labels(broker, state).set(counts[(broker, state)])


def _made_of(account: Account) -> tuple[object, ...]:
    return account.broker, account.client_id, account.app_id, account.egress


def _is_parted(row: SessionRow) -> bool:
    return row.state is SessionState.DISCONNECTED and row.reason == BY_REQUEST


def _when(at_ns: int) -> datetime:
    return datetime.fromtimestamp(at_ns / _NS_PER_S, UTC)
