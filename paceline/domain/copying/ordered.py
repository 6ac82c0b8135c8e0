"""Adjustments of ledgers that somebody ordered, a person or a corporate action: when, and what they do."""

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum

from paceline.domain.calendar import IST, NS_PER_S
from paceline.domain.copying.adjustments import Adjusted, Adjustment, multiplied, renamed, set_by_hand
from paceline.domain.errors import Problem, Problems
from paceline.domain.ids import InstrumentId, SubscriptionId
from paceline.domain.instrument import InstrumentKey
from paceline.domain.ledger import Ledger, LedgerEntry

OPENS = time(9, 0)
"""From then on somebody may have traded at the new price."""
RATIO_MAX = 1_000_000
POSITION_MAX = Decimal(10) ** 12
_LOT = Decimal(1)


class OrderedKind(StrEnum):
    MANUAL = "MANUAL"
    CORPORATE_ACTION = "CORPORATE_ACTION"


class OrderedState(StrEnum):
    WAITING = "WAITING"
    DONE = "DONE"
    REFUSED = "REFUSED"


class ActionKind(StrEnum):
    SPLIT = "SPLIT"
    BONUS = "BONUS"
    SYMBOL_CHANGE = "SYMBOL_CHANGE"


@dataclass(frozen=True, slots=True)
class CorporateAction:
    """From the morning of a day on there are `new` for every `old`, or another name."""

    action_id: str
    instrument_id: InstrumentId
    kind: ActionKind
    ex_date: date
    new: int = 1
    old: int = 1
    new_instrument_id: InstrumentId | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ordered:
    """One ledger, adjusted once."""

    adjustment_id: str
    subscription_id: SubscriptionId
    key: InstrumentKey
    kind: OrderedKind
    held: Decimal
    """What it held when this was ordered."""
    position: Decimal
    """What it shall hold."""
    reason: str
    new: int = 1
    old: int = 1
    new_instrument_id: InstrumentId | None = None
    action_id: str | None = None

    @property
    def new_key(self) -> InstrumentKey | None:
        name = self.new_instrument_id
        return None if name is None else InstrumentKey(name, self.key.product)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Lines only where it is done; words where it waits or is refused."""

    state: OrderedState
    lines: tuple[LedgerEntry, ...] = ()
    words: str = ""


def carry_out(ordered: Ordered, ledger: Ledger, *, moving: bool) -> Verdict:
    """`moving`: an order or a change is on its way in one of its keys. Of a ledger that holds something else
    by now, nobody said what it shall hold.
    """
    if moving or ledger.entries_working or ledger.exits_working:
        return Verdict(OrderedState.WAITING, words="ORDERS")
    if ledger.position != ordered.held:
        return Verdict(OrderedState.REFUSED, words=f"the ledger holds {ledger.position.normalize():f} by now")
    adjustment = _adjustment(ordered, ledger)
    return Verdict(OrderedState.DONE, adjustment.lines if adjustment else ())


def _adjustment(ordered: Ordered, ledger: Ledger) -> Adjustment | None:
    cause = f"adjustment:{ordered.adjustment_id}"
    of = Adjusted(ordered.subscription_id, ordered.key, ledger, _LOT, cause, ordered.reason)
    if ordered.kind is OrderedKind.MANUAL:
        return set_by_hand(of, ordered.position)
    if ordered.new_key is not None:
        return renamed(of, ordered.new_key)
    return multiplied(of, ordered.new, ordered.old)


def problems_of_ordered(ordered: Ordered) -> tuple[Problem, ...]:
    """What a person may say of a ledger, by field and rule."""
    problems = Problems()
    for name, quantity in (("held", ordered.held), ("position", ordered.position)):
        problems.require(abs(quantity) <= POSITION_MAX, name, f"must not be beyond {POSITION_MAX}")
    whole = ordered.position == ordered.position.to_integral_value()
    problems.require(whole, "position", "must be a whole number")
    problems.require(bool(ordered.reason.strip()), "reason", "must be set: the audit keeps it")
    return problems.found


def problems_of_action(action: CorporateAction, now_ns: int) -> tuple[Problem, ...]:
    """What no corporate action can be, by field and rule."""
    problems = Problems()
    here = datetime.fromtimestamp(now_ns // NS_PER_S, IST)
    early = action.ex_date > here.date() or (action.ex_date == here.date() and here.time() < OPENS)
    problems.require(early, "ex_date", "must be a later day, or today before the exchange opens")
    problems.require(bool(action.instrument_id), "instrument_id", "must be set")
    problems.require(bool(action.reason.strip()), "reason", "must be set: the audit keeps it")
    renames = action.kind is ActionKind.SYMBOL_CHANGE
    for name, number in (("ratio_new", action.new), ("ratio_old", action.old)):
        if renames:
            problems.require(number == 1, name, "must be 1 or absent: a change of name changes no quantity")
        else:
            problems.require(1 <= number <= RATIO_MAX, name, f"must be between 1 and {RATIO_MAX}")
    if renames:
        other = action.new_instrument_id not in (None, action.instrument_id)
        problems.require(other, "new_instrument_id", "must be set, and another one")
    else:
        problems.require(
            action.new_instrument_id is None,
            "new_instrument_id",
            "must be empty: only a change of name has one",
        )
        problems.require(action.new != action.old, "ratio_new", "must differ from ratio_old")
    grows = action.kind is not ActionKind.BONUS or action.new > action.old
    problems.require(grows, "ratio_new", "must be more than ratio_old: a bonus gives shares")
    return problems.found
