"""Whose facts may be journaled here: by the lease of their partition, or by a pin of their account."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from paceline.domain.errors import NotOwner
from paceline.domain.ids import AccountId, Epoch
from paceline.domain.partitioning import partition_of
from paceline.ports.clock import Clock
from paceline.ports.leases import NEVER_PINNED, Tenure
from paceline.ports.pins import PinRow
from paceline.runtime.partitions import Partitions


@dataclass(slots=True)
class Tenures:
    """What this replica knows just now; the database refuses what it did not know yet."""

    partitions: Partitions
    clock: Clock
    _rows: Mapping[AccountId, PinRow] = field(default_factory=dict)
    _epochs: dict[AccountId, Epoch] = field(default_factory=dict)
    _until_ns: dict[AccountId, int] = field(default_factory=dict)
    """Of the pins held here, by our own clock."""
    _closing: frozenset[AccountId] = frozenset()

    def of(self, account_id: AccountId) -> Tenure:
        """To write under; raises `NotOwner`."""
        partition = partition_of(account_id)
        if self._until_ns.get(account_id, 0) > self.clock.boottime_ns():
            return Tenure(partition, None, self._epochs[account_id])
        row = self._rows.get(account_id)
        if row is not None and row.owner is not None:
            raise NotOwner(f"{account_id} is pinned to {row.owner}")
        epoch = self.partitions.lease(partition).epoch
        return Tenure(partition, epoch, row.epoch if row is not None else NEVER_PINNED)

    def usable(self, account_id: AccountId) -> bool:
        """Whether a session of it may be begun, and be asked of, here."""
        if account_id in self._until_ns:
            running = self._until_ns[account_id] > self.clock.boottime_ns()
            return running and account_id not in self._closing
        row = self._rows.get(account_id)
        pinned = row is not None and row.owner is not None
        return not pinned and self.partitions.usable(partition_of(account_id))

    def pinned_here(self) -> frozenset[AccountId]:
        """Also those whose time ran out unnoticed."""
        return frozenset(self._until_ns)

    def pinned_elsewhere(self) -> frozenset[AccountId]:
        """Those of the partitions held here whose sessions another replica runs."""
        return frozenset(
            row.account_id
            for row in self._rows.values()
            if row.owner is not None and self.partitions.usable(partition_of(row.account_id))
        )

    def learn(self, rows: Iterable[PinRow]) -> frozenset[AccountId]:
        """The pins as they stand; answers those that changed hands since."""
        before, self._rows = self._rows, {row.account_id: row for row in rows}
        return frozenset(
            name for name, row in self._rows.items() if name not in before or before[name].epoch != row.epoch
        )

    def take(self, epochs: Mapping[AccountId, Epoch], until_ns: int) -> None:
        """Pins that are ours, new or renewed."""
        self._epochs.update(epochs)
        self._until_ns.update(dict.fromkeys(epochs, until_ns))

    def epochs(self) -> Mapping[AccountId, Epoch]:
        """Of the pins held here."""
        return dict(self._epochs)

    def close(self, accounts: Iterable[AccountId]) -> None:
        """Nothing of these is begun any more; what was found out may still be written."""
        self._closing |= frozenset(accounts)

    def give_up(self, accounts: Iterable[AccountId]) -> None:
        for name in accounts:
            self._epochs.pop(name, None)
            self._until_ns.pop(name, None)

    def expired(self) -> frozenset[AccountId]:
        """Pins held here that could not be renewed in time."""
        now = self.clock.boottime_ns()
        return frozenset(name for name, until in self._until_ns.items() if until <= now)
