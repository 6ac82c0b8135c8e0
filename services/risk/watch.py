"""`WatchPortfolios`: first all that are asked for, then what changes, each in its newest form."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from paceline.api.v1 import risk_pb2
from paceline.domain.errors import Invalid
from paceline.ports.clock import Clock
from services.risk.board import Board, Seat
from services.risk.passes import Passes

_HEARTBEAT_S = 2.0
_NS_PER_S = 1_000_000_000

Wanted = Callable[[Seat], bool]
Encode = Callable[[Seat], risk_pb2.Portfolio]


@dataclass(frozen=True, slots=True)
class Pace:
    interval_ms: int
    batch: int


class Watches:
    """A token names a pass of this very process: elsewhere, and after a restart, all is sent again."""

    def __init__(
        self, board: Board, passes: Passes, clock: Clock, draining: asyncio.Event, pace: Pace
    ) -> None:
        self._board = board
        self._passes = passes
        self._clock = clock
        self._draining = draining
        self._pace = pace
        self._name = secrets.token_hex(6)

    async def stream(
        self, request: risk_pb2.WatchPortfoliosRequest, wanted: Wanted, encode: Encode
    ) -> AsyncIterator[risk_pb2.WatchPortfoliosResponse]:
        """Until the watcher leaves or we do; at least an empty response every few seconds."""
        seen = self.resumed(request.resume_token)
        interval_s = max(request.interval_ms, self._pace.interval_ms) / 1000
        spoke_ns, caught_up = self._clock.monotonic_ns(), False
        while not self._draining.is_set():
            now = self._board.turns
            for portfolios in self._batches(seen, wanted, encode):
                yield risk_pb2.WatchPortfoliosResponse(portfolios=portfolios, resume_token=self._token(seen))
                spoke_ns = self._clock.monotonic_ns()
            silent_s = (self._clock.monotonic_ns() - spoke_ns) / _NS_PER_S
            if not caught_up or silent_s >= _HEARTBEAT_S:
                yield risk_pb2.WatchPortfoliosResponse(resume_token=self._token(now), caught_up=not caught_up)
                spoke_ns, caught_up = self._clock.monotonic_ns(), True
            seen = now
            await self._clock.sleep(interval_s)
            await self._passes.next()

    def resumed(self, token: str) -> int:
        """The pass a token names; 0, which is before all, where it is none of this process."""
        name, colon, turn = token.partition(":")
        if token and not (colon and turn.isdecimal()):
            raise Invalid("resume_token", "is no token of ours")
        return int(turn) if name == self._name else 0

    def _token(self, turn: int) -> str:
        return f"{self._name}:{turn}"

    def _batches(self, seen: int, wanted: Wanted, encode: Encode) -> Iterator[list[risk_pb2.Portfolio]]:
        """Read one by one while others run: whoever changes meanwhile is newer than `seen` still."""
        changed = [seat for seat in self._board.changed_since(seen) if wanted(seat)]
        size = self._pace.batch
        for start in range(0, len(changed), size):
            yield [encode(seat) for seat in changed[start : start + size] if self._still(seat)]

    def _still(self, seat: Seat) -> bool:
        return self._board.seats.get(seat.account.account_id) is seat
