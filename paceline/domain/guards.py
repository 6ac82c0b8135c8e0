"""Guards: what was lost, fell, or grew beyond what a person allowed; each trips once until it is armed again.

A result is reckoned in profit, not in equity: money that is paid in or out hides no loss and makes none.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

from paceline.domain.errors import Problem, Problems
from paceline.domain.liquidation import LiquidationLevel
from paceline.domain.money import EXACT, ZERO
from paceline.domain.subscription import SubscriptionGuards

_WHOLE = Decimal(100)


class GuardKind(StrEnum):
    DAILY_LOSS = "DAILY_LOSS"
    DRAWDOWN = "DRAWDOWN"
    STOP_LOSS = "STOP_LOSS"
    TAKE_PROFIT = "TAKE_PROFIT"
    EXPOSURE = "EXPOSURE"
    OPEN_POSITIONS = "OPEN_POSITIONS"


class RearmPolicy(StrEnum):
    BY_PERSON = "BY_PERSON"
    NEXT_TRADING_DAY = "NEXT_TRADING_DAY"


@dataclass(frozen=True, slots=True)
class AccountGuards:
    """What an account is held to; None is no guard."""

    max_daily_loss: Decimal | None = None
    max_drawdown_percent: Decimal | None = None
    max_exposure: Decimal | None = None
    max_open_positions: int | None = None
    currency: str = ""
    """Of the amounts."""
    level: LiquidationLevel | None = None
    rearm: RearmPolicy = RearmPolicy.BY_PERSON

    @property
    def watches(self) -> bool:
        lines = (self.max_daily_loss, self.max_drawdown_percent, self.max_exposure, self.max_open_positions)
        return any(each is not None for each in lines)


def problems_of(guards: AccountGuards) -> tuple[Problem, ...]:
    """Every setting that can never work, by field and rule."""
    problems = Problems()
    for name in ("max_daily_loss", "max_exposure"):
        amount = getattr(guards, name)
        positive = amount is None or (amount.is_finite() and amount > 0)
        problems.require(positive, name, "must be positive")
        problems.require(amount is None or bool(guards.currency), name, "must have a currency")
    percent = guards.max_drawdown_percent
    within = percent is None or (percent.is_finite() and 0 < percent <= _WHOLE)
    problems.require(within, "max_drawdown_percent", "must be above 0 and not above 100")
    count = guards.max_open_positions
    problems.require(count is None or count > 0, "max_open_positions", "must be positive")
    problems.require(
        guards.level is not None or not guards.watches,
        "guard_level",
        "must be set where a guard is: it is what a trip does",
    )
    return problems.found


@dataclass(frozen=True, slots=True)
class Figures:
    """What an account comes to at one moment of a trading day."""

    day: date
    realised: Decimal
    """Today, by the newest reading of the funds."""
    before: Decimal | None
    """The same by the reading before it: one alone may lie. None is no such reading."""
    unrealised: Decimal
    equity: Decimal
    exposure: Decimal = ZERO
    positions: int = 0
    sound: bool = True
    """The funds are fresh, and what is held contradicts nothing that the broker says."""
    priced: bool = True
    """So are all prices. Otherwise the exposure is that of what has a fresh one: it is more, never less."""

    @property
    def usable(self) -> bool:
        """Results can be told by them; without all prices only caps can."""
        numbers = (self.realised, self.before or ZERO, self.unrealised, self.equity, self.exposure)
        return self.sound and self.priced and all(each.is_finite() for each in numbers)


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Copies that left without a fill of ours, at the price of the moment in which that was seen."""

    quantity: Decimal
    value: Decimal


@dataclass(frozen=True, slots=True)
class Marks:
    """What results are measured from, of an account or of a subscription."""

    day: date
    kept: Decimal = ZERO
    """Realised on the days before."""
    realised: Decimal = ZERO
    profit: Decimal = ZERO
    """As last seen."""
    opened: Decimal | None = None
    """Profit from which losses count: at the opening, or where it was armed. None is taken anew."""
    peak: Decimal | None = None
    """The best since it was armed; only ever raised. None is taken anew."""
    arming: int = 0
    """Counts how often something was armed again: a trip is named by it, once."""
    adjusted: Mapping[str, Adjustment] = field(default_factory=dict)
    """Of a subscription, by key."""


@dataclass(frozen=True, slots=True)
class Trip:
    kind: GuardKind
    threshold: Decimal
    observed: Decimal


def seen(marks: Marks | None, figures: Figures) -> Marks | None:
    """The marks after a look; what is not usable begins a day at most, and a day that is over moves none.

    On the first look what is held already is not today's loss; what was realised today is.
    """
    if marks is not None and figures.sound and figures.day > marks.day:
        kept = EXACT.add(marks.kept, marks.realised)
        marks = replace(marks, day=figures.day, kept=kept, realised=ZERO, opened=marks.profit)
    if not figures.usable:
        return marks
    if marks is None:
        marks = Marks(figures.day, opened=figures.unrealised)
    if figures.day < marks.day:
        return marks
    profit = _profit(marks, figures.realised, figures)
    sure = profit if figures.before is None else min(profit, _profit(marks, figures.before, figures))
    return replace(
        marks,
        realised=figures.realised,
        profit=profit,
        opened=profit if marks.opened is None else marks.opened,
        peak=sure if marks.peak is None else max(marks.peak, sure),
    )


def account_trips(
    guards: AccountGuards, marks: Marks | None, figures: Figures, standing: Collection[GuardKind]
) -> tuple[Trip, ...]:
    """Guards that trip now, by marks that have seen these figures; those that stand tripped do not again.

    A loss needs all prices, and two readings of the funds that agree on it; a price that is missing hides
    nothing that is too much without it.
    """
    if not figures.sound or marks is None or marks.day != figures.day:
        return ()
    found: list[Trip] = []
    if figures.usable and figures.before is not None:
        found += _losses(guards, marks, figures, figures.before)
    known = figures.exposure.is_finite()
    if guards.max_exposure is not None and known and figures.exposure > guards.max_exposure:
        found.append(Trip(GuardKind.EXPOSURE, guards.max_exposure, figures.exposure))
    most = guards.max_open_positions
    if most is not None and figures.positions > most:
        found.append(Trip(GuardKind.OPEN_POSITIONS, Decimal(most), Decimal(figures.positions)))
    return tuple(each for each in found if each.kind not in standing)


def _losses(guards: AccountGuards, marks: Marks, figures: Figures, before: Decimal) -> list[Trip]:
    profit = max(_profit(marks, figures.realised, figures), _profit(marks, before, figures))
    found: list[Trip] = []
    if guards.max_daily_loss is not None and marks.opened is not None:
        loss = marks.opened - profit
        if loss >= guards.max_daily_loss:
            found.append(Trip(GuardKind.DAILY_LOSS, guards.max_daily_loss, loss))
    if guards.max_drawdown_percent is not None and marks.peak is not None:
        fallen = drawdown_percent(marks.peak - profit, figures.equity)
        if fallen >= guards.max_drawdown_percent:
            found.append(Trip(GuardKind.DRAWDOWN, guards.max_drawdown_percent, fallen))
    return found


def drawdown_percent(fall: Decimal, equity: Decimal) -> Decimal:
    """Of what the equity would be without the fall; all of it where that is nothing."""
    if fall <= 0:
        return ZERO
    highest = equity + fall
    return fall / highest * _WHOLE if highest > 0 else _WHOLE


@dataclass(frozen=True, slots=True)
class Copied:
    """All that was ever copied in one key: sums of fills, and what left without one; signed as traded."""

    key: str
    quantity: Decimal
    value: Decimal
    """Quantity x price, without the multiplier."""
    adjusted: Decimal = ZERO
    price: Decimal | None = None
    """The last that was told; None is never."""
    fresh: bool = True
    """It may be acted on."""
    multiplier: Decimal = Decimal(1)

    @property
    def held(self) -> Decimal:
        return self.quantity + self.adjusted


def result_of(
    copies: Iterable[Copied], known: Mapping[str, Adjustment]
) -> tuple[Decimal | None, Mapping[str, Adjustment]]:
    """What a subscription brought in all, and what its adjustments are worth from now on.

    None where a copy that is held has no price to act on.
    """
    total: Decimal | None = ZERO
    adjustments = dict(known)
    for each in copies:
        noted = adjustments.get(each.key, Adjustment(ZERO, ZERO))
        more = each.adjusted - noted.quantity
        if more:
            value = noted.value + more * _worth(each)
            noted = adjustments[each.key] = Adjustment(each.adjusted, value)
        sound = each.price is not None and each.price.is_finite() and each.price > 0 and each.fresh
        if each.held and not sound:
            total = None
        if total is not None:
            value = each.held * (each.price or ZERO) if each.held else ZERO
            total += (value - each.value - noted.value) * each.multiplier
    return total, adjustments


def _worth(copied: Copied) -> Decimal:
    """At what something left that nobody told the price of: the last, else what it cost."""
    if copied.price is not None and copied.price.is_finite() and copied.price > 0:
        return copied.price
    return copied.value / copied.quantity if copied.quantity else ZERO


def copies_seen(marks: Marks | None, day: date, profit: Decimal | None) -> Marks | None:
    """As `seen`, of a subscription: from its beginning, or from where it was armed again."""
    if profit is None or not profit.is_finite():
        return marks
    if marks is None:
        marks = Marks(day, opened=ZERO, peak=ZERO)
    opened = profit if marks.opened is None else marks.opened
    peak = opened if marks.peak is None else marks.peak
    return replace(marks, day=max(day, marks.day), profit=profit, opened=opened, peak=max(peak, profit))


def copy_trips(
    guards: SubscriptionGuards, marks: Marks | None, profit: Decimal | None, standing: Collection[GuardKind]
) -> tuple[Trip, ...]:
    """A stop that trails is measured from the best result, which is never lowered: it only tightens."""
    if profit is None or not profit.is_finite() or marks is None or marks.opened is None:
        return ()
    found: list[Trip] = []
    if guards.stop_loss is not None and marks.peak is not None:
        loss = (marks.peak if guards.trailing else marks.opened) - profit
        if loss >= guards.stop_loss:
            found.append(Trip(GuardKind.STOP_LOSS, guards.stop_loss, loss))
    if guards.take_profit is not None and profit - marks.opened >= guards.take_profit:
        found.append(Trip(GuardKind.TAKE_PROFIT, guards.take_profit, profit - marks.opened))
    return tuple(each for each in found if each.kind not in standing)


def due_again(policy: RearmPolicy, tripped: date, today: date) -> bool:
    """Whether a guard is armed again by itself."""
    return policy is RearmPolicy.NEXT_TRADING_DAY and today > tripped


def rearmed(marks: Marks, kind: GuardKind, *, by_person: bool) -> Marks:
    """Measured from where it stands then, or it would trip at once; a new day has an opening of its own."""
    marks = replace(marks, arming=marks.arming + 1)
    match kind:
        case GuardKind.DAILY_LOSS:
            return replace(marks, opened=None) if by_person else marks
        case GuardKind.DRAWDOWN:
            return replace(marks, peak=None)
        case GuardKind.STOP_LOSS | GuardKind.TAKE_PROFIT:
            return replace(marks, opened=None, peak=None)
        case _:
            return marks


def _profit(marks: Marks, realised: Decimal, figures: Figures) -> Decimal:
    return EXACT.add(EXACT.add(marks.kept, realised), figures.unrealised)
