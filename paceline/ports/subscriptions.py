"""Who follows whom."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from paceline.domain.ids import AccountId, Partition, SubscriptionId
from paceline.domain.subscription import Subscription


@dataclass(frozen=True, slots=True)
class SubscriptionChanges:
    """Everything changed after some point, up to `change`; ask from there the next time."""

    subscriptions: tuple[Subscription, ...]
    change: int


class Subscriptions(Protocol):
    async def create(self, subscription: Subscription) -> Subscription:
        """`FailedPrecondition` when it would close a circle of any length, `AlreadyExists` for a pair that
        lives.
        """
        ...

    async def create_many(self, subscriptions: Sequence[Subscription]) -> None:
        """All or none, by the same rules."""
        ...

    async def get(self, subscription_id: SubscriptionId) -> Subscription:
        """Raises `NotFound`."""
        ...

    async def update(self, subscription: Subscription) -> Subscription:
        """Everything but id, leader and follower; `Conflict` unless `version` is the stored one."""
        ...

    async def page(
        self,
        *,
        leader: AccountId | None = None,
        follower: AccountId | None = None,
        after: SubscriptionId | None = None,
        limit: int = 100,
    ) -> Sequence[Subscription]: ...

    async def of_leaders(self, leaders: Iterable[AccountId]) -> Sequence[Subscription]:
        """Those not ended."""
        ...

    async def parties(self, accounts: Iterable[AccountId]) -> frozenset[AccountId]:
        """Those of these accounts that lead or follow by an approved or paused subscription."""
        ...

    async def load(self, leader_partitions: Iterable[Partition]) -> SubscriptionChanges:
        """Those not ended, of all leaders in these partitions, and where to go on from."""
        ...

    async def changes_since(self, change: int, leader_partitions: Iterable[Partition]) -> SubscriptionChanges:
        """Ended ones too. Complete: a change is numbered under the lock it commits under."""
        ...
