"""What keeps entries out for a while: liquidations of the follower, and lists of banned instruments."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from paceline.domain.errors import Problem, Problems
from paceline.domain.ids import AccountId, InstrumentId, SubscriptionId
from paceline.domain.instrument import Instrument, InstrumentKey, InstrumentKind
from paceline.domain.subscription import Subscription

BANNED_MAX = 5_000
_DERIVATIVES = frozenset({InstrumentKind.FUTURE, InstrumentKind.CALL, InstrumentKind.PUT})


@dataclass(frozen=True, slots=True)
class Underway:
    """A liquidation of a whole account, of one subscription's copies, or of these in one key."""

    account_id: AccountId
    subscription_id: SubscriptionId | None = None
    key: InstrumentKey | None = None
    flattens: bool = False
    """It has begun, and closes the positions itself."""

    def concerns(self, subscription: Subscription, key: InstrumentKey) -> bool:
        if self.subscription_id is None:
            return True
        return self.subscription_id == subscription.subscription_id and self.key in (None, key)


@dataclass(frozen=True, slots=True)
class BanList:
    """What one source says of a day and the days after it, until its last day or until its next list."""

    source: str
    first_day: date
    last_day: date | None = None
    underlyings: frozenset[str] = frozenset()
    """Their futures and options; as contracts spell them."""
    instruments: frozenset[InstrumentId] = frozenset()
    reason: str = ""

    def bans(self, instrument: Instrument) -> bool:
        of_it = instrument.kind in _DERIVATIVES and instrument.underlying in self.underlyings
        return of_it or instrument.instrument_id in self.instruments

    def lasts(self, day: date) -> bool:
        return self.first_day <= day and (self.last_day is None or day <= self.last_day)


def problems_of(banned: BanList) -> tuple[Problem, ...]:
    """What no list can say, by field and rule; one without any name ends the one before it."""
    problems = Problems()
    problems.require(bool(banned.source.strip()), "source", "must be set")
    problems.require(
        banned.last_day is None or banned.last_day >= banned.first_day,
        "end_date",
        "must not be before the start",
    )
    for name, names in (("underlyings", banned.underlyings), ("instrument_ids", banned.instruments)):
        problems.require(len(names) <= BANNED_MAX, name, f"must not be more than {BANNED_MAX}")
        problems.require(all(each.strip() for each in names), name, "must not hold an empty name")
    return problems.found


@dataclass(frozen=True, slots=True)
class Barriers:
    """As they were read last."""

    underway: Mapping[AccountId, Sequence[Underway]] = field(default_factory=dict)
    lists: Sequence[BanList] = ()

    def stops_entries(self, subscription: Subscription, key: InstrumentKey) -> bool:
        """From the moment that a liquidation is wanted."""
        return any(each.concerns(subscription, key) for each in self._of(subscription))

    def absorbs_exits(self, subscription: Subscription, key: InstrumentKey) -> bool:
        return any(each.flattens and each.concerns(subscription, key) for each in self._of(subscription))

    def banned(self, instrument: Instrument) -> bool:
        return any(each.bans(instrument) for each in self.lists)

    def _of(self, subscription: Subscription) -> Sequence[Underway]:
        return self.underway.get(subscription.follower, ())


def barriers_of(underway: Iterable[Underway], lists: Iterable[BanList], day: date) -> Barriers:
    """Of each source its newest list that has begun, where it still lasts."""
    by_account: dict[AccountId, list[Underway]] = {}
    for each in underway:
        by_account.setdefault(each.account_id, []).append(each)
    newest: dict[str, BanList] = {}
    for banned in lists:
        known = newest.get(banned.source)
        if banned.first_day <= day and (known is None or known.first_day < banned.first_day):
            newest[banned.source] = banned
    return Barriers(by_account, [each for each in newest.values() if each.lasts(day)])
