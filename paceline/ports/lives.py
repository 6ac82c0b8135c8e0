"""How subscriptions begin and end, written whole: orders, ledgers, and the state they lead to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from paceline.domain.copying.decision import Decision
from paceline.domain.ids import Epoch, Partition, SubscriptionId
from paceline.domain.instrument import InstrumentKey
from paceline.domain.ledger import Ledger, LedgerEntry
from paceline.domain.subscription import Subscription
from paceline.ports.plans import Chunk, LedgerKey


class Tenancy(NamedTuple):
    """The leader's partition, and the lease of service `replicator` under which something is done in it."""

    partition: Partition
    epoch: Epoch


class Steps(NamedTuple):
    """How many steps of its end a subscription took in one key, and when the last was decided."""

    taken: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class Ending:
    """The last word on a subscription: what is left of its ledgers is closed, and it has ended."""

    subscription: Subscription
    lines: tuple[LedgerEntry, ...]
    seen: Mapping[LedgerKey, Ledger]
    """All of its ledgers: one that moved meanwhile is judged again first."""
    handed: bool = False
    """Its successor must be living for it."""


class Lives(Protocol):
    async def open(
        self, tenancy: Tenancy, subscription: Subscription, chunks: Sequence[Chunk]
    ) -> Sequence[Decision] | None:
        """All of it in one transaction, the subscription's `opened` too; what is newly decided is answered.
        None, and nothing written, where a ledger moved or somebody changed it. Raises `NotOwner`.
        """
        ...

    async def steps(self, subscription_id: SubscriptionId) -> Mapping[InstrumentKey, Steps]:
        """Of its end, by key."""
        ...

    async def wait(self, subscription_id: SubscriptionId, waits_for: str) -> None:
        """Shown with the subscription; no change of its settings."""
        ...

    async def end(self, tenancy: Tenancy, ending: Ending) -> bool:
        """Whether it has ended: not where a ledger moved, or somebody changed it. Raises `NotOwner`."""
        ...
