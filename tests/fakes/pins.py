"""The table of pins in memory: every method is one atomic step."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId, Epoch
from paceline.ports.pins import PinRow


@dataclass
class FakePins:
    ttl_ms: int = 6_000
    table: dict[AccountId, PinRow] = field(default_factory=dict)
    away: bool = False

    def _reach(self) -> None:
        if self.away:
            raise Unavailable("the pins are away")

    async def prepare(self, accounts: Iterable[AccountId]) -> None:
        self._reach()
        for name in accounts:
            self.table.setdefault(name, PinRow(name, Epoch(0), None, "", 0, self.ttl_ms))

    async def rows(self) -> Sequence[PinRow]:
        self._reach()
        return list(self.table.values())

    async def acquire(
        self, owner: str, address: str, claims: Sequence[tuple[AccountId, int]]
    ) -> Mapping[AccountId, Epoch]:
        self._reach()
        won = [name for name, version in claims if self.table[name].version == version]
        for name in won:
            self._change(name, owner, address)
        return {name: self.table[name].epoch for name in won}

    async def renew(self, owner: str, held: Sequence[tuple[AccountId, Epoch]]) -> Sequence[AccountId]:
        self._reach()
        kept = [
            name for name, epoch in held if (self.table[name].owner, self.table[name].epoch) == (owner, epoch)
        ]
        for name in kept:
            self.table[name] = replace(self.table[name], version=self.table[name].version + 1)
        return kept

    async def release(self, owner: str, held: Sequence[tuple[AccountId, Epoch]]) -> None:
        for name in await self.renew(owner, held):
            self._change(name, None, "")

    async def vacate(self, claims: Sequence[tuple[AccountId, int]]) -> None:
        self._reach()
        for name, version in claims:
            if self.table[name].version == version:
                self._change(name, None, "")

    def _change(self, name: AccountId, owner: str | None, address: str) -> None:
        row = self.table[name]
        self.table[name] = replace(
            row, owner=owner, address=address, epoch=Epoch(row.epoch + 1), version=row.version + 1
        )
