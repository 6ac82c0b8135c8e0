"""The end of the trading day: when it is, which failed orders go, and which positions are surely gone."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from paceline.domain.calendar import IST, NS_PER_S, Calendar
from paceline.domain.copy_order import Intent
from paceline.domain.ids import InstrumentId, SubscriptionId
from paceline.domain.instrument import InstrumentKey, Product
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry

OPENING = time(9, 15)
_LOOK_BACK_DAYS = 30

TradesOn = Callable[[date], bool]

DELIVERED = frozenset({Product.CNC, Product.MTF, Product.SPOT})
"""They leave the position book for the holdings by themselves: absence there proves nothing."""
HELD_OVER = frozenset({Product.CNC})
"""Of these the holdings tell the rest."""


def trading_days(calendar: Calendar) -> TradesOn:
    """A day on which any exchange of the calendar trades."""
    return lambda day: any(sessions.trades_on(day) for sessions in calendar.sessions.values())


def local(at_ns: int) -> datetime:
    return datetime.fromtimestamp(at_ns // NS_PER_S, IST)


def moment(day: date, at: time) -> int:
    return int(datetime.combine(day, at, IST).timestamp()) * NS_PER_S


def last_end(now_ns: int, at: time, trades_on: TradesOn) -> date | None:
    """The newest trading day whose end has come; None when none is in sight."""
    here = local(now_ns)
    newest = here.date() if here.time() >= at else here.date() - timedelta(days=1)
    days = (newest - timedelta(days=back) for back in range(_LOOK_BACK_DAYS))
    return next((day for day in days if trades_on(day)), None)


def swept_before(now_ns: int, trades_on: TradesOn) -> int:
    """Failed orders of before this moment go, and those without a time.

    Today's stay; yesterday's, which is the trading day before, until the market opens.
    """
    here = local(now_ns)
    today = here.date()
    if trades_on(today) and here.time() >= OPENING:
        return moment(today, time.min)
    days = (today - timedelta(days=back) for back in range(1, _LOOK_BACK_DAYS))
    yesterday = next((day for day in days if trades_on(day)), today - timedelta(days=1))
    return moment(yesterday, time.min)


@dataclass(frozen=True, slots=True)
class BookRead:
    """A position book as read; `whole` when every row of it could be.

    `held`: what the holdings show, read after it; None where they were not asked for.
    """

    taken_ns: int
    whole: bool
    net: Mapping[InstrumentKey, Decimal]
    held: frozenset[InstrumentId] | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two readings of the day whose end it is, so far apart that nothing was on its way."""

    first: BookRead
    second: BookRead

    def stands(self, day: date, at: time, settle_ns: int) -> bool:
        reads = (self.first, self.second)
        after = all(
            local(each.taken_ns).date() == day and local(each.taken_ns).time() >= at for each in reads
        )
        apart = self.second.taken_ns - self.first.taken_ns >= settle_ns
        return after and apart and all(each.whole for each in reads)

    def lacks(self, key: InstrumentKey, held: Decimal) -> bool:
        """Whether neither shows anything on that side, in any product: a converted position is not gone. What
        was delivered must be absent from the holdings too.
        """
        reads = (self.first, self.second)
        if not held or (key.product in DELIVERED and not self._delivered_nowhere(key, held)):
            return False
        return not any(_shows(each.net, key.instrument_id, held) for each in reads)

    def _delivered_nowhere(self, key: InstrumentKey, held: Decimal) -> bool:
        """Nobody is short of what was delivered over night."""
        if key.product not in HELD_OVER or held < 0:
            return False
        return all(
            each.held is not None and key.instrument_id not in each.held for each in (self.first, self.second)
        )

    def words(self) -> str:
        first, second = local(self.first.taken_ns), local(self.second.taken_ns)
        beside = ", and the holdings read beside it," if self.second.held is not None else ""
        return f"absent from the position book{beside} at {first:%H:%M:%S} and {second:%H:%M:%S} IST"


def _shows(net: Mapping[InstrumentKey, Decimal], instrument_id: InstrumentId, held: Decimal) -> bool:
    return any(quantity * held > 0 for key, quantity in net.items() if key.instrument_id == instrument_id)


def net_of(rows: Iterable[tuple[InstrumentKey, Decimal]]) -> Mapping[InstrumentKey, Decimal]:
    """One number per key, however many rows a broker gives it."""
    net: dict[InstrumentKey, Decimal] = {}
    for key, quantity in rows:
        net[key] = net.get(key, Decimal(0)) + quantity
    return net


def closing_lines(
    subscription_id: SubscriptionId, key: InstrumentKey, ledger: Ledger, cause: str, evidence: str
) -> tuple[LedgerEntry, ...]:
    """Brings a ledger to nothing held and nothing wanted, so that what is gone is not bought again."""
    moves = (
        (EntryKind.ADJUSTED, Intent.EXIT, ledger.position),
        (EntryKind.FORGONE, Intent.ENTRY, ledger.ideal),
    )
    return tuple(
        LedgerEntry(subscription_id, key, kind, intent, -quantity, cause, evidence)
        for kind, intent, quantity in moves
        if quantity
    )


def at_rest(ledger: Ledger) -> bool:
    """Nothing of it is on its way, or wanted by an order that still works."""
    coming = ledger.entries_working or ledger.exits_working or ledger.buy_pledged or ledger.sell_pledged
    return not coming
