"""What follows from a guard that trips: written at once and together, under the lease of its partition."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal

import structlog

from paceline.domain.alert import Alert, AlertKind
from paceline.domain.calendar import Calendar, trading_day
from paceline.domain.errors import NotOwner
from paceline.domain.guards import GuardKind, Marks, Trip
from paceline.domain.ids import Epoch, LiquidationId, Partition
from paceline.domain.instrument import Exchange
from paceline.domain.liquidation import LiquidationCause, LiquidationLevel
from paceline.ports.clock import Clock
from paceline.ports.guards import Guarded, Guards, Rearming, Subject, Tripping, trip_id
from paceline.ports.liquidation_requests import Request
from paceline.runtime.metric_names import GUARD_TRIPS, LIQUIDATIONS
from paceline.runtime.metrics import Metrics

_log = structlog.get_logger(__name__)

AT_ONCE = 1_000
_NS_PER_S = 1_000_000_000
_NAMES = {
    GuardKind.DAILY_LOSS: "The daily loss",
    GuardKind.DRAWDOWN: "The drawdown in percent",
    GuardKind.STOP_LOSS: "The stop-loss",
    GuardKind.TAKE_PROFIT: "The take-profit",
    GuardKind.EXPOSURE: "The exposure",
    GuardKind.OPEN_POSITIONS: "The number of open positions",
}
_DOES = {
    LiquidationLevel.STOP_ENTRIES: "Until it is armed again no copy is entered",
    LiquidationLevel.CANCEL_WORKING: "Working entries are cancelled; until it is armed again none is entered",
    LiquidationLevel.FLATTEN: "What it watches is being closed; until it is armed again no copy is entered",
}


class TradingHours:
    """Guards are judged while some market is open: a closed one makes figures old and days without trade."""

    def __init__(self, calendar: Calendar, clock: Clock) -> None:
        self._calendar = calendar
        self._clock = clock
        self._second = -1
        self._open = False

    def is_open(self) -> bool:
        now_ns = self._clock.now_ns()
        if now_ns // _NS_PER_S != self._second:
            self._second = now_ns // _NS_PER_S
            self._open = any(each.is_open(now_ns) for each in self._calendar.sessions.values())
        return self._open

    def day(self) -> date:
        return trading_day(Exchange.NSE, self._clock.now_ns())


class Register:
    """`wanted` hears that liquidations were written."""

    def __init__(
        self,
        guards: Guards,
        epoch: Callable[[Partition], Epoch],
        metrics: Metrics,
        wanted: Callable[[], None],
    ) -> None:
        self._guards = guards
        self._epoch = epoch
        self._wanted = wanted
        self._trips = metrics.counter(GUARD_TRIPS)
        self._liquidations = metrics.counter(LIQUIDATIONS)

    async def trip(self, trips: Sequence[Tripping]) -> frozenset[str]:
        """Names of those that were new."""
        new: set[str] = set()
        for start in range(0, len(trips), AT_ONCE):
            some = trips[start : start + AT_ONCE]
            new |= await self._guards.trip(self._epochs(each.partition for each in some), some)
        for each in trips:
            if each.guard_trip_id in new:
                self._count(each)
        if any(each.level is not LiquidationLevel.STOP_ENTRIES for each in trips):
            self._wanted()
        return frozenset(new)

    async def keep(self, guarded: Sequence[Guarded]) -> None:
        for start in range(0, len(guarded), AT_ONCE):
            some = guarded[start : start + AT_ONCE]
            await self._guards.keep(self._epochs(each.partition for each in some), some)

    async def rearm(self, due: Sequence[Rearming]) -> None:
        if due:
            await self._guards.rearm_due(self._epochs(each.partition for each in due), due)

    def _epochs(self, partitions: Iterable[Partition]) -> Mapping[Partition, Epoch]:
        epochs: dict[Partition, Epoch] = {}
        for partition in set(partitions):
            try:
                epochs[partition] = self._epoch(partition)
            except NotOwner:
                continue
        return epochs

    def _count(self, each: Tripping) -> None:
        self._trips.labels(kind=each.kind.value.lower()).inc()
        if each.request is not None:
            self._liquidations.labels(cause="guard").inc()
        _log.warning(
            "guard.tripped",
            trip=each.guard_trip_id,
            account=each.subject.account_id,
            observed=str(each.observed),
            threshold=str(each.threshold),
        )


def tripping(
    guarded: Guarded,
    marks: Marks,
    trip: Trip,
    level: LiquidationLevel,
    evidence: Mapping[str, object],
) -> Tripping:
    """With what is told of it, and the liquidation where it flattens."""
    subject = guarded.subject
    name = trip_id(subject, trip.kind, marks.arming)
    figures = {
        **evidence,
        "day": marks.day.isoformat(),
        "profit": str(marks.profit),
        "opened": str(marks.opened),
        "peak": str(marks.peak),
    }
    request = None
    if level is LiquidationLevel.FLATTEN:
        words = f"{_NAMES[trip.kind].lower()} is {shown(trip.observed)}, the line {shown(trip.threshold)}"
        request = Request(
            LiquidationId(f"guard:{name}"),
            subject.account_id,
            LiquidationCause.GUARD,
            name,
            words,
            figures,
            subject.subscription_id,
        )
    return Tripping(
        subject,
        guarded.partition,
        trip.kind,
        marks,
        trip.threshold,
        trip.observed,
        figures,
        level,
        _alert(subject, name, trip, level),
        request,
    )


def shown(number: Decimal) -> str:
    """Four digits behind the point, and none that say nothing."""
    text = f"{number:.4f}"
    return text.rstrip("0").rstrip(".")


def _alert(subject: Subject, name: str, trip: Trip, level: LiquidationLevel) -> Alert:
    of = f" of subscription {subject.subscription_id}" if subject.subscription_id else ""
    facts = {
        "guard": f"{_NAMES[trip.kind]}{of}",
        "observed": shown(trip.observed),
        "line": shown(trip.threshold),
        "reason": _DOES[level],
    }
    return Alert(f"GUARD_TRIPPED:{name}", subject.account_id, AlertKind.GUARD_TRIPPED, facts)
