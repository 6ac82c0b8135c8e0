"""Stop-loss and take-profit of subscriptions: what their copies came to, by rows and by prices.

Nothing here comes from the leader. What was copied is read from the rows of the copies whenever the follower
traded; what it is worth is reckoned anew with every pass, exactly where it may be beyond a line.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

import structlog

from paceline.domain.errors import Unavailable
from paceline.domain.guards import (
    Adjustment,
    Copied,
    GuardKind,
    Marks,
    copies_seen,
    copy_trips,
    due_again,
    result_of,
)
from paceline.domain.ids import AccountId, InstrumentId, Partition, SubscriptionId
from paceline.domain.liquidation import LiquidationLevel
from paceline.domain.subscription import SubscriptionGuards
from paceline.ports.clock import Clock
from paceline.ports.guards import Guarded, Guards, Lines, Rearming, Tripping
from paceline.runtime.log import RepeatGate
from services.risk.board import Board, Seat
from services.risk.copy_sieve import CopySieve, sieve_of
from services.risk.passes import Passes
from services.risk.scale import decimal_of
from services.risk.tripping import Register, TradingHours, tripping

_log = structlog.get_logger(__name__)

_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000
_LIST_NS = _NS_PER_S
_STIRRED_NS = 5 * _NS_PER_S
"""So long after a trade rows are read each second: they may be written after it is heard of."""
_READ_NS = 15 * _NS_PER_S
_KEEP_NS = 15 * _NS_PER_S
_AT_ONCE = 500
_MOST = 200
"""So many are judged with one look, the others with the next: passes must not wait for all of them."""


@dataclass(slots=True)
class _Watch:
    guarded: Guarded
    guards: SubscriptionGuards
    marks: Marks | None
    saved: Marks | None
    tripped: dict[GuardKind, date]
    seat: Seat | None = None
    """Of the follower."""
    lines: Sequence[Lines] | None = None
    """None until they were read."""
    read_ns: int = 0
    fills: int = -1
    stirred_ns: int = 0
    sieve: CopySieve | None = None
    """None where it has to be judged exactly."""

    def settle(self) -> None:
        """What passes saw since it was last judged goes into its marks."""
        sieve, self.sieve = self.sieve, None
        if sieve is not None and self.marks is not None and self.marks.peak is not None:
            self.marks = replace(self.marks, peak=max(self.marks.peak, sieve.peak))


@dataclass(slots=True)
class CopyWarden:
    """`mine` are the partitions that are held."""

    board: Board
    passes: Passes
    store: Guards
    register: Register
    hours: TradingHours
    clock: Clock
    price_age_max_ms: int
    mine: Callable[[], Iterable[Partition]]
    _watches: dict[SubscriptionId, _Watch] = field(default_factory=dict)
    _listed_ns: int = 0
    _kept_ns: int = 0
    _gate: RepeatGate = field(init=False)

    def __post_init__(self) -> None:
        self._gate = RepeatGate(self.clock)

    async def run(self) -> None:
        """Until cancelled. Without the database nothing trips: what cannot be written is not done."""
        while True:
            await self.passes.next()
            try:
                await self.look()
            except Unavailable as problem:
                if self._gate.held_back("unreachable") is not None:
                    _log.error("guards.undecided", problem=str(problem))

    async def look(self) -> None:
        """At the newest pass."""
        now_ns = self.clock.monotonic_ns()
        if not self._listed_ns or now_ns - self._listed_ns >= _LIST_NS:
            await self._list()
            await self._read(now_ns)
            self._listed_ns = now_ns
        if not self._watches or not self.hours.is_open():
            return
        day = self.hours.day()
        trips: list[Tripping] = []
        left = _MOST
        for watch in self._watches.values():
            if left and self._beyond(watch):
                left -= 1
                trips += self._judge(watch, day)
        await self._trip(trips)
        await self.register.rearm([each for watch in self._watches.values() for each in _due(watch, day)])
        if now_ns - self._kept_ns >= _KEEP_NS:
            self._kept_ns = now_ns
            await self._keep()

    async def _list(self) -> None:
        """Who has guards, and what stands tripped; marks in memory are newer unless it was armed again."""
        before, partitions = self._watches, list(self.mine())
        found = await self.store.of_subscriptions(partitions) if partitions else ()
        self._watches = {}
        for each in found:
            name, guards = each.subject.subscription_id, each.guards
            if name is None or not isinstance(guards, SubscriptionGuards):
                continue
            seat = self.board.seats.get(each.subject.account_id)
            fresh = _Watch(each, guards, each.marks, each.marks, dict(each.tripped), seat)
            self._watches[name] = _kept(before.get(name), fresh)

    async def _read(self, now_ns: int) -> None:
        """Copies of followers who traded a moment ago, and of everyone now and then."""
        due: dict[AccountId, list[_Watch]] = {}
        for watch in self._watches.values():
            follower = watch.guarded.subject.account_id
            seat = self.board.seats.get(follower)
            if seat is None or not self._same_currency(watch, seat.currency):
                watch.lines, watch.sieve = None, None
                continue
            if seat.fills != watch.fills:
                watch.fills, watch.stirred_ns = seat.fills, now_ns
            stirred = now_ns - watch.stirred_ns < _STIRRED_NS
            if watch.lines is None or stirred or now_ns - watch.read_ns >= _READ_NS:
                due.setdefault(follower, []).append(watch)
        followers = list(due)
        for start in range(0, len(followers), _AT_ONCE):
            some = followers[start : start + _AT_ONCE]
            lines: dict[SubscriptionId, list[Lines]] = {}
            for line in await self.store.copies(some):
                lines.setdefault(line.subscription_id, []).append(line)
            for watch in (each for follower in some for each in due[follower]):
                watch.settle()
                watch.lines = lines.get(watch.guarded.subject.subscription_id or SubscriptionId(""), [])
                watch.read_ns = now_ns

    def _same_currency(self, watch: _Watch, currency: str) -> bool:
        """Amounts in another currency than the account's say nothing of its copies."""
        if watch.guards.currency == currency:
            return True
        if self._gate.held_back(watch.guarded.subject) is not None:
            _log.error(
                "guards.currency",
                subscription=watch.guarded.subject.subscription_id,
                currency=watch.guards.currency,
            )
        return False

    def _beyond(self, watch: _Watch) -> bool:
        """Whether it has to be judged; by a price that is not fresh nothing moves."""
        if watch.lines is None:
            return False
        sieve, prices = watch.sieve, self.board.instruments
        if sieve is None:
            return all(self._judgeable(each) for each in watch.lines)
        worth = sieve.worth(prices)
        if worth <= sieve.top and sieve.passes(worth):
            return False
        if not all(self._fresh(place) for place, count in sieve.pieces if count):
            return False
        sieve.top = max(sieve.top, worth)
        return not sieve.passes(worth)

    def _judgeable(self, line: Lines) -> bool:
        place = self.board.names.instruments.get(line.key.instrument_id)
        return not line.copied.held or (place is not None and self._fresh(place))

    def _fresh(self, place: int) -> bool:
        prices, oldest_ns = self.board.instruments, self.clock.now_ns() - self.price_age_max_ms * _NS_PER_MS
        return bool(
            prices.price_ns[place] >= oldest_ns and not prices.unsound[place] and not prices.unlisted[place]
        )

    def _judge(self, watch: _Watch, day: date) -> Sequence[Tripping]:
        watch.settle()
        copies = [self._priced(each) for each in watch.lines or ()]
        known: Mapping[str, Adjustment] = watch.marks.adjusted if watch.marks else {}
        profit, adjusted = result_of(copies, known)
        marks = copies_seen(watch.marks, day, profit)
        if marks is None:
            return ()
        marks = watch.marks = replace(marks, adjusted=adjusted)
        found = copy_trips(watch.guards, marks, profit, watch.tripped)
        if profit is not None and not found:
            watch.sieve = sieve_of(
                watch.guards, marks, frozenset(watch.tripped), self._placed(copies), profit
            )
        evidence = _evidence(copies, watch.guards) if found else {}
        return [tripping(watch.guarded, marks, trip, LiquidationLevel.FLATTEN, evidence) for trip in found]

    def _priced(self, line: Lines) -> Copied:
        place = self.board.names.instruments.get(line.key.instrument_id)
        if place is None:
            return line.copied
        prices = self.board.instruments
        return replace(
            line.copied,
            price=decimal_of(int(prices.price[place])) if prices.price_ns[place] else None,
            fresh=self._fresh(place),
            multiplier=Decimal(int(prices.multiplier[place])),
        )

    def _placed(self, copies: Sequence[Copied]) -> Sequence[tuple[int, Copied]]:
        """What of them is held, with the place of its instrument."""
        places = self.board.names.instruments
        return [(places[InstrumentId(json.loads(each.key)[0])], each) for each in copies if each.held]

    async def _trip(self, trips: Sequence[Tripping]) -> None:
        if not trips:
            return
        await self.register.trip(trips)
        for each in trips:
            name = each.subject.subscription_id
            if name in self._watches:
                self._watches[name].tripped[each.kind] = each.marks.day
        self._listed_ns = 0

    async def _keep(self) -> None:
        moved = [each for each in self._watches.values() if each.marks != each.saved]
        if moved:
            await self.register.keep([replace(each.guarded, marks=each.marks) for each in moved])
        for watch in moved:
            watch.saved = watch.marks


def _kept(before: _Watch | None, fresh: _Watch) -> _Watch:
    """What is in memory goes on, under what is set and stands tripped now."""
    if before is None or before.seat is not fresh.seat:
        return fresh
    again = fresh.marks is not None and (before.marks is None or fresh.marks.arming > before.marks.arming)
    if again or before.guards != fresh.guards or before.tripped != fresh.tripped:
        before.settle()
    return replace(
        before,
        guarded=fresh.guarded,
        guards=fresh.guards,
        tripped=fresh.tripped,
        marks=fresh.marks if again else before.marks,
    )


def _due(watch: _Watch, day: date) -> list[Rearming]:
    of = watch.guarded
    return [
        Rearming(of.subject, of.partition, kind)
        for kind, tripped in watch.tripped.items()
        if due_again(of.rearm, tripped, day)
    ]


def _evidence(copies: Sequence[Copied], guards: SubscriptionGuards) -> dict[str, object]:
    return {
        "currency": guards.currency,
        "copies": {each.key: str(each.held) for each in copies},
        "prices": {json.loads(each.key)[0]: str(each.price) for each in copies if each.price is not None},
    }
