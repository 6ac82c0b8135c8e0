"""What people stopped: everything, what follows one leader, or one follower; and what guards stopped."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from paceline.domain.errors import FailedPrecondition
from paceline.domain.ids import AccountId, SubscriptionId
from paceline.domain.liquidation import LiquidationLevel


class KillScope(StrEnum):
    EVERYTHING = "EVERYTHING"
    LEADER = "LEADER"
    FOLLOWER = "FOLLOWER"


@dataclass(frozen=True, slots=True)
class Target:
    """`scope_id` is the account, empty for everything."""

    scope: KillScope
    scope_id: str = ""


@dataclass(frozen=True, slots=True)
class KillSwitch:
    target: Target
    level: LiquidationLevel | None
    """None is released."""
    reason: str
    actor: str
    version: int
    changed: datetime | None = None
    acknowledged: bool = False
    """Every executor knows this version."""


_ORDER = tuple(LiquidationLevel)


def raised(standing: LiquidationLevel | None, wanted: LiquidationLevel) -> bool:
    """Whether there is anything to do. A level is never lowered by engaging: `FailedPrecondition`."""
    if standing is None or _ORDER.index(wanted) > _ORDER.index(standing):
        return True
    if standing is not wanted:
        raise FailedPrecondition(f"it is engaged at {standing}, which is further: release it first")
    return False


@dataclass(frozen=True, slots=True)
class Engaged:
    """One switch that stops, with the subscriptions that a leader's concerns."""

    target: Target
    subscriptions: frozenset[SubscriptionId] = frozenset()


@dataclass(frozen=True, slots=True)
class Guarded:
    """Whom a guard that tripped keeps from entering: an account, or one subscription of it."""

    account_id: AccountId
    subscription_id: SubscriptionId | None = None


@dataclass(frozen=True, slots=True)
class Stops:
    """All that is stopped; asked for every entry, so it is looked up."""

    everything: bool = False
    leaders: frozenset[str] = frozenset()
    followers: frozenset[str] = frozenset()
    copies: frozenset[SubscriptionId] = frozenset()
    guarded: frozenset[Guarded] = frozenset()

    @classmethod
    def of(cls, engaged: Iterable[Engaged], guarded: Iterable[Guarded] = ()) -> "Stops":
        each_one = list(engaged)

        def named(scope: KillScope) -> frozenset[str]:
            return frozenset(each.target.scope_id for each in each_one if each.target.scope is scope)

        return cls(
            bool(named(KillScope.EVERYTHING)),
            named(KillScope.LEADER),
            named(KillScope.FOLLOWER),
            frozenset(name for each in each_one for name in each.subscriptions),
            frozenset(guarded),
        )

    def entry(self, leader: AccountId, follower: AccountId) -> bool:
        """Whether this follower may not enter after this leader."""
        return self.everything or leader in self.leaders or follower in self.followers

    def copy(self, subscription_id: SubscriptionId | None, follower: AccountId) -> bool:
        """Whether an entry that is planned already may not leave; what is no copy is nobody's to stop."""
        if subscription_id is None:
            return False
        return self.everything or subscription_id in self.copies or follower in self.followers

    def tripped(self, subscription_id: SubscriptionId | None, follower: AccountId) -> bool:
        """Whether a guard keeps entries of this copy out."""
        if subscription_id is None or not self.guarded:
            return False
        return Guarded(follower) in self.guarded or Guarded(follower, subscription_id) in self.guarded
