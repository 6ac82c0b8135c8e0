"""Guards of accounts and of subscriptions: what they measure from, and what tripped."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from paceline.domain.alert import Alert
from paceline.domain.guards import AccountGuards, Copied, GuardKind, Marks, RearmPolicy
from paceline.domain.ids import AccountId, Epoch, Partition, SubscriptionId
from paceline.domain.instrument import InstrumentKey
from paceline.domain.liquidation import LiquidationLevel
from paceline.domain.subscription import SubscriptionGuards
from paceline.ports.liquidation_requests import Request


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose guards: an account's own, or those of one of its subscriptions."""

    account_id: AccountId
    subscription_id: SubscriptionId | None = None

    @property
    def name(self) -> str:
        return self.subscription_id or self.account_id


@dataclass(frozen=True, slots=True)
class GuardTrip:
    guard_trip_id: str
    kind: GuardKind
    account_id: AccountId
    subscription_id: SubscriptionId | None
    threshold: Decimal
    observed: Decimal
    day: date
    tripped: datetime
    rearmed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Guarded:
    """What is known of a subject's guards: as set, as they stand."""

    subject: Subject
    partition: Partition
    guards: AccountGuards | SubscriptionGuards
    rearm: RearmPolicy
    marks: Marks | None = None
    tripped: Mapping[GuardKind, date] = field(default_factory=dict)
    """Those that are not armed again, with the day."""


@dataclass(frozen=True, slots=True)
class Tripping:
    """One trip with all that follows from it, written together or not at all."""

    subject: Subject
    partition: Partition
    kind: GuardKind
    marks: Marks
    threshold: Decimal
    observed: Decimal
    evidence: Mapping[str, object]
    level: LiquidationLevel
    alert: Alert
    request: Request | None = None
    """Of what is flattened."""

    @property
    def guard_trip_id(self) -> str:
        return trip_id(self.subject, self.kind, self.marks.arming)


def trip_id(subject: Subject, kind: GuardKind, arming: int) -> str:
    """One trip of one arming has one name, whoever sees it."""
    return f"{kind.value}:{subject.name}:{arming}"


@dataclass(frozen=True, slots=True)
class Rearming:
    """A guard that its policy arms again."""

    subject: Subject
    partition: Partition
    kind: GuardKind


@dataclass(frozen=True, slots=True)
class Lines:
    """Copies of one subscription in one key, without prices."""

    subscription_id: SubscriptionId
    key: InstrumentKey
    copied: Copied


class Guards(Protocol):
    async def of_accounts(self, accounts: Iterable[AccountId]) -> Sequence[Guarded]:
        """Those of them that have guards, with whatever they were measured from."""
        ...

    async def of_subscriptions(self, partitions: Iterable[Partition]) -> Sequence[Guarded]:
        """Subscriptions that copy, of followers in these partitions, with guards."""
        ...

    async def copies(self, followers: Iterable[AccountId]) -> Sequence[Lines]:
        """All that was ever copied by their guarded subscriptions, by key."""
        ...

    async def keep(self, epochs: Mapping[Partition, Epoch], guarded: Sequence[Guarded]) -> None:
        """Marks as they are; those of an arming that is over are left."""
        ...

    async def trip(self, epochs: Mapping[Partition, Epoch], trips: Sequence[Tripping]) -> frozenset[str]:
        """Names of those that were new: none under a stale epoch, none that somebody else wrote."""
        ...

    async def rearm_due(self, epochs: Mapping[Partition, Epoch], due: Sequence[Rearming]) -> None:
        """Armed again as their policy says, with their audit."""
        ...

    async def rearm(self, guard_trip_id: str, actor: str, reason: str, request_id: str) -> GuardTrip:
        """By a person; what is armed already stays as it is. Raises `NotFound`."""
        ...

    async def page(
        self, account_id: AccountId | None, kind: GuardKind | None, *, rearmed: bool, after: str, limit: int
    ) -> Sequence[GuardTrip]:
        """The newest first, from behind the one named."""
        ...
