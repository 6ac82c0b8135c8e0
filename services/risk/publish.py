"""Tells Redis what came of the passes: one packed value a partition each time, keys of those that moved."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from paceline.adapters.wire.packed_portfolios import NOT_KNOWN, STALE, Amounts, Names, names_of, pack
from paceline.domain.errors import Unavailable
from paceline.domain.ids import Partition
from paceline.ports.clock import Clock
from paceline.ports.portfolios import Portfolios
from paceline.runtime.log import RepeatGate
from services.risk.board import Board, Seat
from services.risk.columns import Ints
from services.risk.passes import Passes
from services.risk.portfolios import portfolio_of
from services.risk.scale import DIGITS

_log = structlog.get_logger(__name__)

_BPS = 10_000
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Material:
    """When an account's own key is written anew, and how many are in one go."""

    change_bps: int
    """Of equity."""
    refresh_ms: int
    """Even if nothing changed: readers look at the age."""
    unknown_ms: int
    """So long without funds, what stands there from before is overwritten as not known."""
    puts_max: int


@dataclass(slots=True)
class Layout:
    """Seats partition by partition, as long as the same are on the board."""

    members: int
    seats: list[Seat]
    rows: Ints
    parts: list[tuple[Partition, int, int, Names]]


class Publisher:
    """Follows the passes as fast as Redis goes: what it is late for is left out, the newest is told."""

    def __init__(
        self, board: Board, passes: Passes, portfolios: Portfolios, clock: Clock, material: Material
    ) -> None:
        self._board = board
        self._passes = passes
        self._portfolios = portfolios
        self._clock = clock
        self._material = material
        self._gate = RepeatGate(clock)
        self._layout = Layout(-1, [], np.zeros(0, np.int64), [])

    async def run(self) -> None:
        """Until cancelled; without Redis the passes go on."""
        while True:
            await self._passes.next()
            try:
                await self.publish()
            except Unavailable as problem:
                held_back = self._gate.held_back("unreachable")
                if held_back is not None:
                    _log.warning("portfolios.unpublished", problem=str(problem), held_back=held_back)

    async def publish(self) -> None:
        """What came of the newest pass. Raises `Unavailable`; what was not told then is told next time."""
        layout = self.laid_out()
        await self._portfolios.publish(self.packed(layout))
        due = self.due(layout)
        if not due:
            return
        self._note(due, self._clock.now_ns())
        try:
            await self._portfolios.put([portfolio_of(self._board, seat) for seat in due])
        except Unavailable:
            self._note([seat for seat in due if self._seated(seat)], 0)
            raise

    def packed(self, layout: Layout) -> dict[Partition, bytes]:
        accounts, rows, now_ns = self._board.accounts, layout.rows, self._board.assessed_ns
        flags = np.where(accounts.seen_funds_ns[rows] == 0, np.uint8(NOT_KNOWN), np.uint8(0))
        flags |= np.where(accounts.stale[rows], np.uint8(STALE), np.uint8(0))
        amounts = Amounts(
            cash=accounts.seen_cash[rows],
            realised=accounts.seen_realised[rows],
            unrealised=accounts.unrealised[rows],
            collateral=accounts.seen_collateral[rows],
            used_margin=accounts.seen_margin[rows],
            flags=flags,
        )
        return {
            partition: pack(partition, DIGITS, now_ns, names, amounts.part(start, end))
            for partition, start, end, names in layout.parts
        }

    def due(self, layout: Layout) -> Sequence[Seat]:
        """Those whose own key is out of date, longest told first, as many as go at once."""
        accounts, rows, rules = self._board.accounts, layout.rows, self._material
        now_ns = self._clock.now_ns()
        told_ns, equity = accounts.told_ns[rows], accounts.told_equity[rows]
        moved = np.abs(accounts.equity()[rows] - equity) > np.abs(equity) // _BPS * rules.change_bps
        moved |= accounts.seen_margin[rows] != accounts.told_margin[rows]
        moved |= accounts.stale[rows] != accounts.told_stale[rows]
        moved |= told_ns < now_ns - rules.refresh_ms * _NS_PER_MS
        known = accounts.seen_funds_ns[rows] > 0
        lost = accounts.since_ns[rows] < now_ns - rules.unknown_ms * _NS_PER_MS
        chosen = np.flatnonzero((known & moved) | (~known & lost & (told_ns == 0)))
        if len(chosen) > rules.puts_max:
            oldest = np.argpartition(told_ns[chosen], rules.puts_max)[: rules.puts_max]
            chosen = chosen[oldest]
        return [layout.seats[n] for n in chosen]

    def laid_out(self) -> Layout:
        """Made anew when somebody came or went."""
        board = self._board
        if self._layout.members == board.members:
            return self._layout
        seats: list[Seat] = []
        parts: list[tuple[Partition, int, int, Names]] = []
        for partition, mine in sorted(board.by_partition.items()):
            named = [(each.account.account_id, each.account.type, each.currency) for each in mine.values()]
            parts.append((partition, len(seats), len(seats) + len(mine), names_of(named)))
            seats.extend(mine.values())
        rows = np.array([seat.row for seat in seats], np.int64)
        fresh = rows[board.accounts.since_ns[rows] == 0]
        board.accounts.since_ns[fresh] = self._clock.now_ns()
        self._layout = Layout(board.members, seats, rows, parts)
        return self._layout

    def _note(self, seats: Sequence[Seat], at_ns: int) -> None:
        accounts = self._board.accounts
        rows = np.array([seat.row for seat in seats], np.int64)
        accounts.told_equity[rows] = accounts.equity()[rows]
        accounts.told_margin[rows] = accounts.seen_margin[rows]
        accounts.told_stale[rows] = accounts.stale[rows]
        accounts.told_ns[rows] = at_ns

    def _seated(self, seat: Seat) -> bool:
        return self._board.seats.get(seat.account.account_id) is seat
