"""Reads the broker's own funds of everyone whose session is up: rarely, spread, a few at a time.

What fills gain in between is added by the board; a reading that a fill crossed is taken again.
"""

import asyncio
import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from random import Random

import structlog

from paceline.domain.account import Broker as BrokerName
from paceline.domain.account import SessionState
from paceline.domain.errors import BrokerAuthFailed, BrokerError, BrokerRateLimited, Unavailable
from paceline.domain.ids import AccountId
from paceline.ports.broker import Broker, Call, Credentials
from paceline.ports.clock import Clock
from paceline.ports.sessions import Sessions
from paceline.runtime.budget import Budget
from paceline.runtime.credentials import CredentialStore
from paceline.runtime.log import RepeatGate
from services.risk.board import Board, Seat
from services.risk.scale import UnrepresentableError

_log = structlog.get_logger(__name__)

USABLE = frozenset({SessionState.LIVE, SessionState.RECOVERING})
_LOOK_S = 0.05
_AGAIN_S = 0.5
_NS_PER_MS = 1_000_000
_SPREAD = 0.2
_BATCH = 500
"""Accounts whose tokens are opened in one go: the passes must not wait for all of them."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often one account is read, how soon again when a fill crossed the reading, how many at once."""

    interval_ms: int
    again_ms: int
    at_once: int


class FundsReader:
    """`hear` tells of accounts that came or whose session changed; `hurry` of a reading in doubt."""

    def __init__(
        self,
        board: Board,
        doors: Mapping[BrokerName, Broker],
        credentials: CredentialStore,
        sessions: Sessions,
        budget: Budget,
        clock: Clock,
        random: Random,
        rhythm: Rhythm,
    ) -> None:
        self._board = board
        self._doors = doors
        self._credentials = credentials
        self._sessions = sessions
        self._budget = budget
        self._clock = clock
        self._random = random
        self._rhythm = rhythm
        self._gate = RepeatGate(clock)
        self._heard: set[AccountId] = set()
        self._due_ns: dict[AccountId, int] = {}
        self._queue: list[tuple[int, AccountId]] = []
        self._reading: dict[AccountId, asyncio.Task[None]] = {}

    def hear(self, account_id: AccountId) -> None:
        self._heard.add(account_id)

    def hurry(self, account_id: AccountId) -> None:
        """Read again soon, if it is read at all."""
        due_ns = self._clock.monotonic_ns() + self._rhythm.again_ms * _NS_PER_MS
        if account_id in self._due_ns and due_ns < self._due_ns[account_id]:
            self._plan(account_id, due_ns)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                try:
                    await self._attend()
                except Unavailable as problem:
                    _log.warning("funds.unreachable", problem=str(problem))
                    await self._clock.sleep(_AGAIN_S)
                self._begin()
                await self._clock.sleep(_LOOK_S)
        finally:
            for task in self._reading.values():
                task.cancel()

    async def _attend(self) -> None:
        """Who can be asked now is read at once; who no longer can is let alone."""
        self._heard &= self._board.seats.keys()
        heard = set(islice(self._heard, _BATCH))
        if not heard:
            return
        rows = await self._sessions.of_accounts(heard)
        usable = {each for each in heard if each in rows and rows[each].state in USABLE}
        for account_id in heard:
            self._credentials.forget(account_id)
        await self._credentials.load(usable)
        self._heard -= heard
        for account_id in heard:
            if account_id in usable and self._credentials_of(account_id) is not None:
                if account_id not in self._due_ns or self._unread(account_id):
                    self._plan(account_id, self._clock.monotonic_ns())
            else:
                self._due_ns.pop(account_id, None)

    def _unread(self, account_id: AccountId) -> bool:
        seat = self._board.seats.get(account_id)
        return seat is not None and not seat.asked_ns and account_id not in self._reading

    def _credentials_of(self, account_id: AccountId) -> Credentials | None:
        try:
            return self._credentials.get(account_id)
        except BrokerAuthFailed:
            return None

    def _plan(self, account_id: AccountId, due_ns: int) -> None:
        self._due_ns[account_id] = due_ns
        heapq.heappush(self._queue, (due_ns, account_id))

    def _begin(self) -> None:
        """Start what is due, as many at once as may be."""
        now_ns = self._clock.monotonic_ns()
        while self._queue and self._queue[0][0] <= now_ns and len(self._reading) < self._rhythm.at_once:
            due_ns, account_id = heapq.heappop(self._queue)
            seat = self._board.seats.get(account_id)
            if self._due_ns.get(account_id) != due_ns or account_id in self._reading:
                continue
            if seat is None:
                del self._due_ns[account_id]
                continue
            task = asyncio.create_task(self._read(seat), name=f"funds {account_id}")
            self._reading[account_id] = task
            task.add_done_callback(partial(self._ended, account_id))

    def _ended(self, account_id: AccountId, task: "asyncio.Task[None]") -> None:
        del self._reading[account_id]
        if not task.cancelled() and task.exception() is not None:
            _log.error("funds.fault", account=account_id, exc_info=task.exception())

    async def _read(self, seat: Seat) -> None:
        account_id = seat.account.account_id
        pause_ms = self._next_ms()
        try:
            if not await self._ask(seat):
                pause_ms = self._rhythm.again_ms
        except BrokerAuthFailed:
            self._due_ns.pop(account_id, None)
        except BrokerRateLimited as refusal:
            pause_ms = max(pause_ms, refusal.retry_after_ms)
        except UnrepresentableError as problem:
            pause_ms = self._rhythm.again_ms
            _log.error("funds.refused", account=account_id, problem=str(problem))
        except (BrokerError, Unavailable) as problem:
            held_back = self._gate.held_back("unread")
            if held_back is not None:
                _log.info("funds.unread", account=account_id, problem=str(problem), held_back=held_back)
        if account_id in self._due_ns:
            self._plan(account_id, self._clock.monotonic_ns() + pause_ms * _NS_PER_MS)

    async def _ask(self, seat: Seat) -> bool:
        """Whether the reading is beyond doubt; it counts either way."""
        account_id = seat.account.account_id
        door, credentials = self._doors.get(seat.account.broker), self._credentials_of(account_id)
        if door is None or credentials is None:
            self._due_ns.pop(account_id, None)
            return True
        async with self._budget.call(account_id, door.limits, Call.READ):
            asked_ns, fills = self._clock.now_ns(), seat.fills
            funds = await door.funds(credentials)
            answered_ns, told = self._clock.now_ns(), seat.fills
        if self._board.seats.get(account_id) is not seat:
            return False
        if self._board.questionable(seat, funds) and not await self._borne_out(seat, door, credentials, told):
            return False
        self._board.set_funds(funds, asked_ns, answered_ns)
        return fills == seat.fills

    async def _borne_out(self, seat: Seat, door: Broker, credentials: Credentials, told: int) -> bool:
        """By the position book, while nothing more is told. Where it contradicts the fills, they are on their
        way: what was read is not taken, and nobody is judged by what was read before.
        """
        account_id = seat.account.account_id
        async with self._budget.call(account_id, door.limits, Call.READ):
            book = await door.positions(credentials)
        if self._board.seats.get(account_id) is not seat or told != seat.fills or book.malformed:
            return False
        if self._board.bears_out(seat, book.reports):
            return True
        self._board.doubt(seat, self._clock.now_ns())
        if self._gate.held_back((account_id, "contradicted")) is not None:
            _log.warning("funds.contradicted", account=account_id)
        return False

    def _next_ms(self) -> int:
        """Never all of them in one moment."""
        spread = 1 + _SPREAD * (2 * self._random.random() - 1)
        return round(self._rhythm.interval_ms * spread)
