"""Guards of accounts, looked at with every pass: by what is held and what it is worth, whatever feeds say.

Columns of whole numbers tell who may be beyond a line; only those are judged exactly. The marks of everybody
else are brought up to date in turn, a few with each look.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_CEILING, Decimal

import structlog

from paceline.domain.errors import Unavailable
from paceline.domain.guards import (
    AccountGuards,
    Figures,
    GuardKind,
    Marks,
    account_trips,
    due_again,
    seen,
)
from paceline.domain.ids import AccountId
from paceline.domain.liquidation import LiquidationLevel
from paceline.ports.clock import Clock
from paceline.ports.guards import Guarded, Guards, Rearming, Tripping
from paceline.runtime.log import RepeatGate
from services.risk.board import Board, Seat
from services.risk.guard_sieve import FAR, beyond
from services.risk.passes import Passes
from services.risk.scale import DIGITS, decimal_of
from services.risk.tripping import AT_ONCE, Register, TradingHours, tripping

_log = structlog.get_logger(__name__)

_TURN_NS = 200_000_000
_TURNS = 150
"""Everybody's marks are brought up to date within so many turns."""
_MOST = 200
"""So many are judged with one look, the others with the next: passes must not wait for all of them."""


@dataclass(slots=True)
class _Watch:
    seat: Seat
    guarded: Guarded
    guards: AccountGuards
    marks: Marks | None
    saved: Marks | None
    tripped: dict[GuardKind, date]
    sifted: bool = False
    """Its columns tell of these marks."""


class Warden:
    """`hear` tells of accounts whose guards may have changed; `hurry` asks for funds again."""

    def __init__(
        self,
        board: Board,
        passes: Passes,
        guards: Guards,
        register: Register,
        hours: TradingHours,
        clock: Clock,
        *,
        hurry: Callable[[AccountId], None],
    ) -> None:
        self._board = board
        self._passes = passes
        self._guards = guards
        self._register = register
        self._hours = hours
        self._clock = clock
        self._hurry = hurry
        self._gate = RepeatGate(clock)
        self._heard: set[AccountId] = set()
        self._watches: dict[AccountId, _Watch] = {}
        self._ring: list[AccountId] = []
        self._turned_ns = 0
        self._first = 0
        self._day = date.min

    def hear(self, account_id: AccountId) -> None:
        """It came, or its guards, or what tripped of them, may have changed."""
        self._heard.add(account_id)

    async def run(self) -> None:
        """Until cancelled. Without the database nothing trips: what cannot be written is not done."""
        made = self._passes.count
        while True:
            made = await self._passes.after(made)
            try:
                await self.look()
            except Unavailable as problem:
                if self._gate.held_back("unreachable") is not None:
                    _log.error("guards.undecided", problem=str(problem))

    async def look(self) -> None:
        """At the newest pass."""
        await self._learn()
        if not self._watches or not self._hours.is_open():
            return
        day, turn = self._hours.day(), self._turn()
        if day != self._day:
            self._day = day
            self._open_day()
        trips: list[Tripping] = []
        due: list[Rearming] = []
        for account_id in dict.fromkeys((*self._beyond(), *turn)):
            seat, watch = self._board.seats.get(account_id), self._watches.get(account_id)
            if seat is not None and watch is not None:
                trips += self._judge(seat, watch, day)
                due += _due(watch, day)
        await self._trip(trips)
        await self._register.rearm(due)
        self._heard |= {each.subject.account_id for each in due}
        await self._keep(turn)

    async def _learn(self) -> None:
        heard, self._heard = self._heard, set()
        wanted = [each for each in heard if each in self._board.seats]
        try:
            for start in range(0, len(wanted), AT_ONCE):
                some = wanted[start : start + AT_ONCE]
                found = {each.subject.account_id: each for each in await self._guards.of_accounts(some)}
                for account_id in some:
                    self._watch(account_id, found.get(account_id))
        except Unavailable:
            self._heard |= heard
            raise
        if len(self._watches) > 2 * len(self._board.seats):
            for gone in self._watches.keys() - self._board.seats.keys():
                self._watch(gone, None)

    def _watch(self, account_id: AccountId, guarded: Guarded | None) -> None:
        seat, before = self._board.seats.get(account_id), self._watches.pop(account_id, None)
        if seat is not None:
            self._board.accounts.guarded[seat.row] = False
        if seat is None or guarded is None or not isinstance(guarded.guards, AccountGuards):
            return
        marks = guarded.marks
        if before is not None and before.marks is not None and before.seat is seat:
            newer = marks is None or (before.marks.arming, before.marks.day) >= (marks.arming, marks.day)
            marks = self._risen(seat, before, self._hours.day()) if newer else marks
        guards = guarded.guards
        self._watches[account_id] = _Watch(seat, guarded, guards, marks, guarded.marks, dict(guarded.tripped))
        accounts, row = self._board.accounts, seat.row
        accounts.guarded[row] = True
        accounts.guard_low[row], accounts.guard_peak[row] = FAR, -FAR

    def _open_day(self) -> None:
        """Columns tell of the day before: everyone is judged, some with each look."""
        accounts = self._board.accounts
        accounts.guard_low[: accounts.top][accounts.guarded[: accounts.top]] = FAR

    def _beyond(self) -> Sequence[AccountId]:
        """Who may be beyond a line; of many the next few, whose turn goes round."""
        board = self._board
        rows = beyond(board.accounts, board.cells, board.instruments).tolist()
        if len(rows) > _MOST:
            at = bisect_right(rows, self._first)
            rows = (rows[at:] + rows[:at])[:_MOST]
            self._first = rows[-1]
        return [board.by_row[row].account.account_id for row in rows if row in board.by_row]

    def _turn(self) -> Sequence[AccountId]:
        """The next few, of all; none where it is not yet time."""
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._turned_ns < _TURN_NS:
            return ()
        self._turned_ns = now_ns
        if not self._ring:
            self._ring = list(self._watches)
        size = -(-len(self._watches) // _TURNS)
        some, self._ring = self._ring[:size], self._ring[size:]
        return some

    def _judge(self, seat: Seat, watch: _Watch, day: date) -> Sequence[Tripping]:
        figures, guards = self._figures(seat, day), self._applicable(seat, watch.guards)
        marks = watch.marks = seen(self._risen(seat, watch, day), figures)
        if marks is None:
            return ()
        found = account_trips(guards, marks, figures, watch.tripped)
        if not found and figures.usable and _doubted(guards, marks, figures, watch.tripped):
            self._hurry(seat.account.account_id)
        self._sift(seat, watch, guards, marks)
        level = guards.level or LiquidationLevel.STOP_ENTRIES
        evidence = self._evidence(seat, figures) if found else {}
        return [tripping(watch.guarded, marks, trip, level, evidence) for trip in found]

    def _risen(self, seat: Seat, watch: _Watch, day: date) -> Marks | None:
        """With the peak that passes saw since it was last judged."""
        marks, peak = watch.marks, int(self._board.accounts.guard_peak[seat.row])
        if marks is None or marks.peak is None or marks.day != day or not watch.sifted:
            return marks
        return replace(marks, peak=max(marks.peak, marks.kept + decimal_of(peak)))

    def _sift(self, seat: Seat, watch: _Watch, guards: AccountGuards, marks: Marks) -> None:
        """Lets the columns tell who has to be judged next; what stands tripped has no line."""

        def armed(kind: GuardKind, line: Decimal | int | None) -> Decimal:
            return Decimal(line or 0) if kind not in watch.tripped else Decimal(0)

        accounts, row = self._board.accounts, seat.row
        loss = armed(GuardKind.DAILY_LOSS, guards.max_daily_loss)
        opened = marks.profit if marks.opened is None else marks.opened
        accounts.guard_low[row] = _units(opened - loss - marks.kept) if loss else -FAR
        accounts.guard_drawdown[row] = float(armed(GuardKind.DRAWDOWN, guards.max_drawdown_percent))
        accounts.guard_exposure[row] = float(armed(GuardKind.EXPOSURE, guards.max_exposure).scaleb(DIGITS))
        accounts.guard_positions[row] = int(armed(GuardKind.OPEN_POSITIONS, guards.max_open_positions))
        accounts.guard_peak[row] = -FAR if marks.peak is None else _units(marks.peak - marks.kept)
        watch.sifted = True

    def _figures(self, seat: Seat, day: date) -> Figures:
        accounts, row = self._board.accounts, seat.row
        unrealised, realised = int(accounts.unrealised[row]), int(accounts.seen_realised[row])
        cash, collateral = int(accounts.seen_cash[row]), int(accounts.seen_collateral[row])
        before = seat.before
        return Figures(
            day=day,
            realised=decimal_of(realised),
            before=None if before is None else decimal_of(before.realised + int(accounts.gained[row])),
            unrealised=decimal_of(unrealised),
            equity=decimal_of(cash + realised + collateral + unrealised),
            exposure=decimal_of(self._exposure(seat)),
            positions=len(seat.cells),
            sound=bool(accounts.seen_funds_ns[row])
            and not accounts.unsure[row]
            and self._board.as_seen(seat),
            priced=not accounts.stale[row],
        )

    def _exposure(self, seat: Seat) -> int:
        """Of what has a price to act on."""
        prices = self._board.instruments
        return sum(
            abs(position.quantity) * int(prices.price[place]) * int(prices.multiplier[place])
            for _, position, place in self._board.positions(seat)
            if not prices.late[place]
        )

    def _applicable(self, seat: Seat, guards: AccountGuards) -> AccountGuards:
        """Amounts in another currency than the account's say nothing of it."""
        if not guards.currency or guards.currency == seat.currency:
            return guards
        if self._gate.held_back(seat.account.account_id) is not None:
            _log.error("guards.currency", account=seat.account.account_id, currency=guards.currency)
        return replace(guards, max_daily_loss=None, max_exposure=None)

    def _evidence(self, seat: Seat, figures: Figures) -> dict[str, object]:
        prices = self._board.instruments.price
        return {
            "equity": str(figures.equity),
            "currency": seat.currency,
            "realised": str(figures.realised),
            "unrealised": str(figures.unrealised),
            "exposure": str(figures.exposure),
            "positions": figures.positions,
            "prices": {
                key.instrument_id: str(decimal_of(int(prices[place])))
                for key, _, place in self._board.positions(seat)
            },
        }

    async def _trip(self, trips: Sequence[Tripping]) -> None:
        if not trips:
            return
        await self._register.trip(trips)
        for each in trips:
            account_id = each.subject.account_id
            watch = self._watches.get(account_id)
            if watch is not None:
                watch.tripped[each.kind] = each.marks.day
            self.hear(account_id)

    async def _keep(self, account_ids: Iterable[AccountId]) -> None:
        moved = [
            watch
            for each in account_ids
            if (watch := self._watches.get(each)) is not None and watch.marks != watch.saved
        ]
        if moved:
            await self._register.keep([replace(each.guarded, marks=each.marks) for each in moved])
        for watch in moved:
            watch.saved = watch.marks


def _due(watch: _Watch, day: date) -> list[Rearming]:
    """What its policy arms again."""
    of = watch.guarded
    return [
        Rearming(of.subject, of.partition, kind)
        for kind, tripped in watch.tripped.items()
        if due_again(watch.guards.rearm, tripped, day)
    ]


def _doubted(guards: AccountGuards, marks: Marks, figures: Figures, standing: Iterable[GuardKind]) -> bool:
    """One reading of the funds alone says that a line is crossed."""
    alone = replace(figures, before=figures.realised)
    return bool(account_trips(guards, marks, alone, list(standing)))


def _units(amount: Decimal) -> int:
    """Exact for what was reckoned from columns; a line that is finer is rounded up, and judged exactly."""
    return max(-FAR, min(FAR, int(amount.scaleb(DIGITS).to_integral_value(ROUND_CEILING))))
