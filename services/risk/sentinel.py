"""Who crossed a line, pass by pass: decided here at once, written before it is told to anybody."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import structlog

from paceline.domain.alert import Alert, AlertKind
from paceline.domain.calendar import Calendar
from paceline.domain.errors import NotOwner, Unavailable
from paceline.domain.ids import AccountId, Epoch, LiquidationId, Partition
from paceline.domain.liquidation import LiquidationCause
from paceline.domain.risk import RiskAction, RiskState, Span, after_liquidation, margin_level, quiet, step
from paceline.ports.clock import Clock
from paceline.ports.liquidation_requests import Request
from paceline.ports.risk_states import RiskStates, Standing, Turn
from paceline.runtime.log import RepeatGate
from paceline.runtime.metric_names import LIQUIDATIONS, RISK_WARNINGS, RISK_WITHHELD
from paceline.runtime.metrics import Metrics
from services.risk.board import Board, Seat
from services.risk.passes import Passes
from services.risk.scale import decimal_of

_log = structlog.get_logger(__name__)

_SIEVE = 1e-6
"""Wider than what a float may be off by: what passes is looked at exactly."""
_AT_ONCE = 1_000
_HOUR_NS = 3_600_000_000_000
_LEVEL = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Sight:
    """What an account was judged by."""

    equity: Decimal
    used_margin: Decimal
    level: Decimal
    confirmed: bool
    """The reading of the funds before the newest says the same: one reading may lie."""


class Sentinel:
    """`hurry` asks for the funds of an account again; `wanted` hears that liquidations were written."""

    def __init__(
        self,
        board: Board,
        passes: Passes,
        states: RiskStates,
        epoch: Callable[[Partition], Epoch],
        calendar: Calendar,
        clock: Clock,
        metrics: Metrics,
        *,
        hurry: Callable[[AccountId], None],
        wanted: Callable[[], None],
    ) -> None:
        self._board = board
        self._passes = passes
        self._states = states
        self._epoch = epoch
        self._calendar = calendar
        self._clock = clock
        self._hurry = hurry
        self._wanted = wanted
        self._gate = RepeatGate(clock)
        self._warnings = metrics.counter(RISK_WARNINGS)
        self._liquidations = metrics.counter(LIQUIDATIONS)
        self._withheld = metrics.gauge(RISK_WITHHELD)
        self._standings: dict[AccountId, Standing] = {}
        self._heard: set[AccountId] = set()
        self._told: set[str] = set()

    def hear(self, account_id: AccountId) -> None:
        """Its lines, or how it stands, may have changed."""
        self._heard.add(account_id)

    async def run(self) -> None:
        """Until cancelled. Without the database nothing is decided: what cannot be written is not done."""
        seen = self._passes.count
        while True:
            seen = await self._passes.after(seen)
            try:
                await self.look()
            except Unavailable as problem:
                if self._gate.held_back("unreachable") is not None:
                    _log.error("risk.undecided", problem=str(problem))

    async def look(self) -> None:
        """At the newest pass."""
        await self._learn()
        withheld = self._withhold()
        await self._take([turn for seat in self._beyond() if (turn := self._judge(seat)) is not None])
        await self._tell(withheld)

    async def _learn(self) -> None:
        """How those stand who came, or of whom something was heard."""
        accounts = self._board.accounts
        unarmed = np.flatnonzero(~accounts.armed[: accounts.top]).tolist()
        seats = [self._board.by_row[row] for row in unarmed if row in self._board.by_row]
        heard, self._heard = self._heard, set()
        wanted = [seat.account.account_id for seat in seats] + list(heard)
        try:
            for start in range(0, len(wanted), _AT_ONCE):
                found = await self._states.of(wanted[start : start + _AT_ONCE])
                for standing in found.values():
                    self._stand(standing)
        except Unavailable:
            self._heard |= heard
            raise
        if len(self._standings) > 2 * len(self._board.seats):
            here = self._board.seats.keys()
            self._standings = {each: kept for each, kept in self._standings.items() if each in here}

    def _stand(self, standing: Standing) -> None:
        seat = self._board.seats.get(standing.account_id)
        if seat is None:
            return
        self._standings[standing.account_id] = standing
        seat.state = standing.state
        accounts, row = self._board.accounts, seat.row
        span = quiet(standing.state, standing.thresholds)
        if standing.ended_ns:
            # over: the next sound pass concludes, whatever the level is
            span = Span(Decimal("Infinity"), Decimal("Infinity"))
        accounts.lower[row], accounts.upper[row] = float(span.lower), float(span.upper)
        accounts.armed[row] = True
        accounts.touched[row] = True

    def _beyond(self) -> Sequence[Seat]:
        """Whose level is sound and outside of where nothing happens."""
        accounts, top = self._board.accounts, self._board.accounts.top
        rows = np.flatnonzero(self._outside() & ~accounts.stale[:top])
        return [self._board.by_row[row] for row in rows.tolist() if row in self._board.by_row]

    def _outside(self) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        accounts, top = self._board.accounts, self._board.accounts.top
        levels = accounts.levels()
        outside = levels <= accounts.lower[:top] + _SIEVE
        outside |= levels > accounts.upper[:top] - _SIEVE
        outside &= accounts.armed[:top] & (accounts.seen_funds_ns[:top] > 0)
        return outside

    def _judge(self, seat: Seat) -> Turn | None:
        standing, sight = self._standings[seat.account.account_id], self._sight(seat)
        if standing.ended_ns:
            return self._concluded(seat, standing, sight)
        taken = step(standing.state, sight.level, standing.thresholds, confirmed=sight.confirmed)
        if not sight.confirmed and sight.level <= standing.thresholds.liquidation:
            self._hurry(seat.account.account_id)
        if taken.state is standing.state:
            return None
        after = replace(standing, state=taken.state, turn=standing.turn + 1)
        return self._turn(seat, after, taken.actions, sight)

    def _concluded(self, seat: Seat, standing: Standing, sight: Sight) -> Turn | None:
        """By funds that were asked for when it was flat already."""
        account_id = seat.account.account_id
        if int(self._board.accounts.seen_funds_ns[seat.row]) < standing.ended_ns:
            self._hurry(account_id)
            return None
        state = after_liquidation(sight.level, standing.thresholds)
        after = replace(standing, state=state, turn=standing.turn + 1, ended_ns=0)
        return Turn(after, seat.partition, "risk.liquidation_ended", self._cause(seat, sight))

    def _turn(self, seat: Seat, after: Standing, actions: Iterable[RiskAction], sight: Sight) -> Turn:
        cause = self._cause(seat, sight)
        request = None
        alerts = [_warning(after, sight)] if RiskAction.WARN in actions else []
        action = "risk.recovered"
        if RiskAction.WARN in actions:
            action = "risk.warned"
        if RiskAction.LIQUIDATE in actions:
            action = "risk.liquidation_wanted"
            request = _wanted(after, sight, cause)
        return Turn(after, seat.partition, action, cause, tuple(alerts), request)

    async def _take(self, turns: Sequence[Turn]) -> None:
        for start in range(0, len(turns), _AT_ONCE):
            some = turns[start : start + _AT_ONCE]
            written = await self._states.write(self._epochs(some), some)
            for turn in some:
                if turn.standing.account_id in written:
                    self._stand(turn.standing)
                    self._count(turn)
                else:
                    self.hear(turn.standing.account_id)

    def _epochs(self, turns: Sequence[Turn]) -> Mapping[Partition, Epoch]:
        epochs: dict[Partition, Epoch] = {}
        for partition in {each.partition for each in turns}:
            try:
                epochs[partition] = self._epoch(partition)
            except NotOwner:
                continue
        return epochs

    def _count(self, turn: Turn) -> None:
        kinds = {alert.kind for alert in turn.alerts}
        _log.warning(turn.action, account=turn.standing.account_id, turn=turn.standing.turn)
        if AlertKind.WARNING in kinds:
            self._warnings.inc()
        if turn.request is not None:
            self._liquidations.labels(cause="margin").inc()
            self._wanted()

    def _withhold(self) -> Sequence[Seat]:
        """At or below a line by what is known, and not to be judged by it: the broker is asked."""
        accounts, top = self._board.accounts, self._board.accounts.top
        low = accounts.levels() <= accounts.lower[:top] + _SIEVE
        low &= accounts.armed[:top] & (accounts.seen_funds_ns[:top] > 0) & accounts.stale[:top]
        rows = np.flatnonzero(low).tolist()
        seats = [self._board.by_row[row] for row in rows if row in self._board.by_row]
        seats = [seat for seat in seats if self._trading(seat)]
        for seat in seats:
            self._hurry(seat.account.account_id)
        self._withheld.set(len(seats))
        return seats

    async def _tell(self, seats: Sequence[Seat]) -> None:
        """Once an hour for each: by its name in the store, and here to spare the store."""
        hour = self._clock.now_ns() // _HOUR_NS
        alerts = [self._not_judged(seat, hour) for seat in seats]
        news = [each for each in alerts if each.alert_id not in self._told]
        if news:
            await self._states.tell(news)
            _log.error("risk.withheld", accounts=[each.account_id for each in news[:20]], count=len(news))
        self._told = {each.alert_id for each in alerts}

    def _not_judged(self, seat: Seat, hour: int) -> Alert:
        account_id, sight = seat.account.account_id, self._sight(seat)
        standing = self._standings[account_id]
        calm = standing.state is RiskState.CALM
        line = standing.thresholds.warning if calm else standing.thresholds.liquidation
        return Alert(
            f"NOT_JUDGED:{account_id}:{hour}",
            account_id,
            AlertKind.NOT_JUDGED,
            {
                "level": shown(sight.level),
                "line": str(line),
                "reason": "prices or funds are too old, or contradict each other",
            },
        )

    def _trading(self, seat: Seat) -> bool:
        """A closed market makes every price old, which is no alarm."""
        now_ns = self._clock.now_ns()
        markets = {
            self._board.names.markets.get(key.instrument_id) for key, _, _ in self._board.positions(seat)
        }
        return any(each is not None and self._calendar.is_open(*each, now_ns) for each in markets)

    def _sight(self, seat: Seat) -> Sight:
        accounts, row = self._board.accounts, seat.row
        unrealised = int(accounts.unrealised[row])
        margin = decimal_of(int(int(accounts.seen_margin[row]) * self._board.kept(seat)))
        equity = decimal_of(
            int(accounts.seen_cash[row])
            + int(accounts.seen_realised[row])
            + int(accounts.seen_collateral[row])
            + unrealised
        )
        level = margin_level(equity, margin)
        before = seat.before if self._board.as_seen(seat) else None
        confirmed = before is not None and _low(
            before.cash + before.realised + before.collateral + int(accounts.gained[row]) + unrealised,
            before.used_margin,
            self._standings[seat.account.account_id].thresholds.liquidation,
        )
        return Sight(equity, margin, level, confirmed)

    def _cause(self, seat: Seat, sight: Sight) -> dict[str, object]:
        prices = self._board.instruments.price
        return {
            "equity": str(sight.equity),
            "used_margin": str(sight.used_margin),
            "level": shown(sight.level),
            "currency": seat.currency,
            "prices": {
                key.instrument_id: str(decimal_of(int(prices[place])))
                for key, _, place in self._board.positions(seat)
            },
        }


def shown(level: Decimal) -> str:
    return str(level.quantize(_LEVEL)) if level.is_finite() else "infinite"


def _low(equity: int, margin: int, line: Decimal) -> bool:
    return margin_level(decimal_of(equity), decimal_of(margin)) <= line


def _warning(standing: Standing, sight: Sight) -> Alert:
    facts = {
        "level": shown(sight.level),
        "line": str(standing.thresholds.warning),
        "equity": str(sight.equity),
        "margin": str(sight.used_margin),
    }
    account_id = standing.account_id
    return Alert(f"WARNING:{account_id}:{standing.turn}", account_id, AlertKind.WARNING, facts)


def _wanted(standing: Standing, sight: Sight, evidence: Mapping[str, object]) -> Request:
    """One crossing, one name."""
    line = standing.thresholds.liquidation
    return Request(
        LiquidationId(f"margin:{standing.account_id}:{standing.turn}"),
        standing.account_id,
        LiquidationCause.MARGIN,
        f"turn {standing.turn}",
        f"the margin level is {shown(sight.level)} %, at or below the line of {line} %",
        evidence,
    )
