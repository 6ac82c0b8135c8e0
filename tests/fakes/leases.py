"""The lease table in memory: every method is one atomic step, as one statement is in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from paceline.domain.errors import Unavailable
from paceline.domain.ids import Epoch, Partition
from paceline.ports.clock import Clock
from paceline.ports.leases import Grant, LeaseRow, ReplicaRow


@dataclass
class FakeLeases:
    clock: Clock
    count: int = 256
    table: dict[Partition, LeaseRow] = field(default_factory=dict)
    replicas: dict[str, ReplicaRow] = field(default_factory=dict)
    away: bool = False

    def _reach(self) -> None:
        if self.away:
            raise Unavailable("the lease table is away")

    async def prepare(self) -> None:
        self._reach()
        for number in range(self.count):
            partition = Partition(number)
            self.table.setdefault(partition, LeaseRow(partition, Epoch(0), None, "", 0))

    async def announce(self, owner: str, address: str) -> Sequence[ReplicaRow]:
        self._reach()
        version = self.replicas[owner].version + 1 if owner in self.replicas else 1
        self.replicas[owner] = ReplicaRow(owner, address, version)
        return list(self.replicas.values())

    async def rows(self) -> Sequence[LeaseRow]:
        self._reach()
        return list(self.table.values())

    async def acquire(
        self, owner: str, address: str, claims: Sequence[tuple[Partition, int]]
    ) -> Sequence[Grant]:
        self._reach()
        grants = []
        for partition, version in claims:
            row = self.table[partition]
            if row.version == version:
                taken = replace(
                    row, epoch=Epoch(row.epoch + 1), owner=owner, address=address, version=version + 1
                )
                self.table[partition] = taken
                grants.append(Grant(partition, taken.epoch, self.clock.now_ns()))
        return grants

    async def renew(self, owner: str, held: Sequence[tuple[Partition, Epoch]]) -> Sequence[Partition]:
        self._reach()
        kept = [
            partition
            for partition, epoch in held
            if (self.table[partition].owner, self.table[partition].epoch) == (owner, epoch)
        ]
        for partition in kept:
            row = self.table[partition]
            self.table[partition] = replace(row, version=row.version + 1)
        return kept

    async def release(self, owner: str, held: Sequence[tuple[Partition, Epoch]]) -> None:
        for partition in await self.renew(owner, held):
            self.table[partition] = replace(self.table[partition], owner=None, address="")

    async def withdraw(self, owner: str) -> None:
        self._reach()
        self.replicas.pop(owner, None)

    async def forget(self, owner: str, version: int) -> None:
        if owner in self.replicas and self.replicas[owner].version == version:
            await self.withdraw(owner)
