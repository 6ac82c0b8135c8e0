"""When exchanges trade, reckoned in their own zone; schedules are data and come in as arguments."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from paceline.domain.instrument import Exchange, Instrument, Segment

NS_PER_S = 1_000_000_000
_S_PER_DAY = 86_400
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_LOOK_AHEAD_DAYS = 30
_WORKING_DAYS = range(5)

IST = timezone(timedelta(hours=5, minutes=30), "IST")
"""India keeps one offset all year, so a fixed one is exact."""


def zone_of(exchange: Exchange) -> timezone:
    return UTC if exchange is Exchange.CRYPTO else IST


def trading_day(exchange: Exchange, at_ns: int) -> date:
    """The calendar day of a moment where the exchange stands."""
    offset = 0 if exchange is Exchange.CRYPTO else 19_800
    return _day_of_ordinal(_EPOCH_ORDINAL + (at_ns // NS_PER_S + offset) // _S_PER_DAY)


def day_end_ns(exchange: Exchange, at_ns: int) -> int:
    """The midnight after a moment where the exchange stands."""
    after = trading_day(exchange, at_ns) + timedelta(days=1)
    return int(datetime.combine(after, time.min, zone_of(exchange)).timestamp()) * NS_PER_S


@lru_cache(maxsize=64)
def _day_of_ordinal(ordinal: int) -> date:
    return date.fromordinal(ordinal)


def us_daylight_saving(day: date) -> bool:
    """Whether New York is an hour ahead; metals and energy in India close by its evening."""
    march, november = date(day.year, 3, 8), date(day.year, 11, 1)
    return _sunday_from(march) <= day < _sunday_from(november)


def _sunday_from(day: date) -> date:
    return day + timedelta(days=6 - day.weekday())


class Phase(StrEnum):
    """What a market does with an order that arrives now."""

    CLOSED = "CLOSED"
    PRE_OPEN = "PRE_OPEN"
    """Collected for the opening price."""
    NORMAL = "NORMAL"
    CLOSING_AUCTION = "CLOSING_AUCTION"
    """Collected for the closing price; no stop orders."""
    POST_CLOSE = "POST_CLOSE"
    """Traded at the closing price alone."""

    @property
    def takes_copies(self) -> bool:
        """Orders of any price are matched while, or right after, this lasts."""
        return self in {Phase.NORMAL, Phase.CLOSING_AUCTION}


class TradingClass(StrEnum):
    """What has hours of its own within a segment."""

    REGULAR = "REGULAR"
    AUCTIONED = "AUCTIONED"
    """Shares with derivatives on them, whose day ends in an auction."""
    AGRI = "AGRI"
    AGRI_INTERNATIONAL = "AGRI_INTERNATIONAL"


class Sessions(Protocol):
    """When one segment of one exchange takes orders."""

    def phase(self, at_ns: int) -> Phase: ...

    def is_open(self, at_ns: int) -> bool: ...

    def next_open(self, at_ns: int) -> int | None:
        """This moment while it is open, else the next opening; None when none is in sight."""
        ...

    def changed_ns(self, at_ns: int) -> int:
        """No later than this moment, and never before the schedule's last change."""
        ...

    def trades_on(self, day: date) -> bool: ...

    def knows(self, day: date) -> bool:
        """Whether the holidays of that day are known; otherwise it is taken for an ordinary one."""
        ...


@dataclass(frozen=True, slots=True)
class AlwaysOpen:
    def phase(self, at_ns: int) -> Phase:  # noqa: ARG002  # whenever it is
        return Phase.NORMAL

    def is_open(self, at_ns: int) -> bool:  # noqa: ARG002
        return True

    def next_open(self, at_ns: int) -> int | None:
        return at_ns

    def changed_ns(self, at_ns: int) -> int:  # noqa: ARG002
        return 0

    def trades_on(self, day: date) -> bool:  # noqa: ARG002
        return True

    def knows(self, day: date) -> bool:  # noqa: ARG002
        return True


@dataclass(frozen=True, slots=True)
class Hours:
    """From and until, on one day; the end is exclusive."""

    opens: time
    closes: time
    phase: Phase = Phase.NORMAL

    def within(self, opens: time, closes: time) -> "Hours | None":
        """What is left of these hours between two others."""
        start, end = max(self.opens, opens), min(self.closes, closes)
        return Hours(start, end, self.phase) if start < end else None


@dataclass(frozen=True, slots=True)
class Regime:
    """The hours of every working day from one day on, until the next regime."""

    since: date
    hours: tuple[Hours, ...]
    us_winter: tuple[Hours, ...] | None = None
    """While the United States keep standard time; None is the same hours."""

    def on(self, day: date) -> tuple[Hours, ...]:
        return self.hours if self.us_winter is None or us_daylight_saving(day) else self.us_winter


@dataclass(frozen=True, slots=True)
class Schedule:
    """Hours by regime on working days but holidays; special days (a budget Sunday, Diwali) have their own."""

    zone: timezone
    regimes: tuple[Regime, ...]
    """The newest last."""
    holidays: frozenset[date] = frozenset()
    special: Mapping[date, tuple[Hours, ...]] = field(default_factory=dict)
    known_until: date | None = None
    """The last day whose holidays are known; None is always."""

    def phase(self, at_ns: int) -> Phase:
        local = self._local(at_ns)
        at = local.time()
        for hours in self.on(local.date()):
            if hours.opens <= at < hours.closes:
                return hours.phase
        return Phase.CLOSED

    def is_open(self, at_ns: int) -> bool:
        return self.phase(at_ns).takes_copies

    def next_open(self, at_ns: int) -> int | None:
        if self.is_open(at_ns):
            return at_ns
        today = self._local(at_ns).date()
        openings = (
            opening
            for ahead in range(_LOOK_AHEAD_DAYS)
            for opening in self._openings(today + timedelta(days=ahead))
        )
        return next((opening for opening in openings if opening > at_ns), None)

    def changed_ns(self, at_ns: int) -> int:
        day = self._local(at_ns).date()
        edges = (self._ns(day, edge) for hours in self.on(day) for edge in (hours.opens, hours.closes))
        return max((edge for edge in edges if edge <= at_ns), default=self._ns(day, time.min))

    def trades_on(self, day: date) -> bool:
        return any(hours.phase.takes_copies for hours in self.on(day))

    def knows(self, day: date) -> bool:
        return self.known_until is None or day <= self.known_until

    def on(self, day: date) -> tuple[Hours, ...]:
        if day in self.special:
            return self.special[day]
        if day in self.holidays or day.weekday() not in _WORKING_DAYS:
            return ()
        return self.ordinary(day)

    def ordinary(self, day: date) -> tuple[Hours, ...]:
        """What the hours would be, were it a working day."""
        for regime in reversed(self.regimes):
            if regime.since <= day:
                return regime.on(day)
        return ()

    def _openings(self, day: date) -> Iterator[int]:
        return (self._ns(day, hours.opens) for hours in self.on(day) if hours.phase.takes_copies)

    def _local(self, at_ns: int) -> datetime:
        return datetime.fromtimestamp(at_ns // NS_PER_S, self.zone)

    def _ns(self, day: date, at: time) -> int:
        return int(datetime.combine(day, at, self.zone).timestamp()) * NS_PER_S


NEVER_OPEN = Schedule(UTC, ())


@dataclass(frozen=True, slots=True)
class Calendar:
    """The sessions of every segment that is known; an unknown one is closed."""

    sessions: Mapping[tuple[Exchange, Segment], Sessions]
    classes: Mapping[tuple[Exchange, Segment, TradingClass], Sessions] = field(default_factory=dict)
    """Where a class has hours other than its segment's."""
    underlyings: Mapping[tuple[Exchange, str], TradingClass] = field(default_factory=dict)

    def of(
        self, exchange: Exchange, segment: Segment, trading_class: TradingClass = TradingClass.REGULAR
    ) -> Sessions:
        own = self.classes.get((exchange, segment, trading_class))
        return own or self.sessions.get((exchange, segment), NEVER_OPEN)

    def class_of(self, instrument: Instrument) -> TradingClass:
        """By its underlying where that has hours of its own; a share with derivatives closes by auction."""
        named = self.underlyings.get((instrument.exchange, instrument.underlying))
        if named is not None:
            return named
        auctioned = instrument.has_derivatives and instrument.segment is Segment.CAPITAL_MARKET
        return TradingClass.AUCTIONED if auctioned else TradingClass.REGULAR

    def is_open(
        self,
        exchange: Exchange,
        segment: Segment,
        at_ns: int,
        trading_class: TradingClass = TradingClass.REGULAR,
    ) -> bool:
        return self.of(exchange, segment, trading_class).is_open(at_ns)

    def trades(self, instrument: Instrument, at_ns: int) -> bool:
        """Whether orders for it are matched now."""
        named = self.class_of(instrument)
        return self.is_open(instrument.exchange, instrument.segment, at_ns, named)

    def next_trading_day(self, exchange: Exchange, segment: Segment, after: date) -> date | None:
        """None when none is in sight."""
        sessions = self.of(exchange, segment)
        days = (after + timedelta(days=ahead) for ahead in range(1, _LOOK_AHEAD_DAYS))
        return next((day for day in days if sessions.trades_on(day)), None)


def always_open() -> Calendar:
    return Calendar({(exchange, segment): AlwaysOpen() for exchange in Exchange for segment in Segment})
