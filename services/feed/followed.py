"""What is copied here has prices before anybody asks for them: its orders are sized and protected by them."""

from collections.abc import Callable, Iterable

import structlog

from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId, InstrumentId
from paceline.ports.clock import Clock
from paceline.ports.subscriptions import Subscriptions
from services.feed.board import PriceBoard
from services.feed.session import Session

_log = structlog.get_logger(__name__)

_LOOK_S = 0.25
_LEARN_NS = 5_000_000_000
"""A new subscription has its leader's prices within it."""
_LINGER_NS = 60_000_000_000
"""An instrument that is traded in and out is not dropped and subscribed anew each time."""


class Followed:
    """Keeps the board wanting what leaders and their followers work with, for as long as they do."""

    def __init__(
        self,
        sessions: Callable[[], Iterable[Session]],
        board: PriceBoard,
        subscriptions: Subscriptions,
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._board = board
        self._subscriptions = subscriptions
        self._clock = clock
        self._copied: frozenset[AccountId] = frozenset()
        self._asked: frozenset[AccountId] = frozenset()
        self._learned_ns = 0
        self._until_ns: dict[InstrumentId, int] = {}

    async def run(self) -> None:
        """Until cancelled; a store that is away leaves things as they were."""
        while True:
            try:
                await self._learn()
            except Unavailable as problem:
                _log.info("followed.unknown", problem=str(problem))
            self._look()
            await self._clock.sleep(_LOOK_S)

    async def _learn(self) -> None:
        """Which of the accounts here copy or are copied."""
        now_ns = self._clock.monotonic_ns()
        here = frozenset(each.account_id for each in self._sessions())
        if here <= self._asked and now_ns - self._learned_ns < _LEARN_NS:
            return
        self._learned_ns, self._asked = now_ns, here
        self._copied = await self._subscriptions.parties(here)

    def _look(self) -> None:
        now_ns = self._clock.monotonic_ns()
        for session in self._sessions():
            if session.account_id in self._copied:
                self._until_ns |= dict.fromkeys(session.at_work, now_ns + _LINGER_NS)
        self._until_ns = {name: until_ns for name, until_ns in self._until_ns.items() if until_ns > now_ns}
        self._board.follow(self._until_ns)
