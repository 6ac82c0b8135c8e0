"""Who serves which partition, or which session, of another service: lease rows as a routing table."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import structlog

from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId, Partition
from paceline.domain.partitioning import partition_of
from paceline.ports.clock import Clock
from paceline.ports.leases import Leases
from paceline.ports.pins import Pins
from paceline.runtime.together import patiently

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Routes:
    """Addresses by partition, re-read every so often and whenever a caller found one wrong."""

    leases: Leases
    clock: Clock
    refresh_ms: int = 500
    pins: Pins | None = None
    """For who asks of sessions; streams are those of the partition, whoever holds the session."""
    _addresses: dict[Partition, str] = field(default_factory=dict)
    _pinned: dict[AccountId, str] = field(default_factory=dict)
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)

    def address(self, partition: Partition) -> str | None:
        """None while nobody holds it."""
        return self._addresses.get(partition)

    def address_of(self, account_id: AccountId) -> str | None:
        """Where its session runs; None while nobody holds it."""
        return self._pinned.get(account_id) or self.address(partition_of(account_id))

    def by_address(self, partitions: Iterable[Partition]) -> dict[str, list[Partition]]:
        """Group what has an owner by who serves it; what has none is left out."""
        groups: dict[str, list[Partition]] = {}
        for partition in partitions:
            address = self._addresses.get(partition)
            if address is not None:
                groups.setdefault(address, []).append(partition)
        return groups

    def addresses(self) -> frozenset[str]:
        return frozenset(self._addresses.values())

    def doubt(self) -> None:
        """Someone was sent to the wrong place: read again at once."""
        self._wanted.set()

    async def refresh(self) -> None:
        rows = await self.leases.rows()
        self._addresses = {row.partition: row.address for row in rows if row.owner is not None}
        if self.pins is not None:
            pinned = await self.pins.rows()
            self._pinned = {row.account_id: row.address for row in pinned if row.owner is not None}

    async def run(self) -> None:
        """Keep the table fresh until cancelled; an unreachable database leaves the last one standing."""
        while True:
            self._wanted.clear()
            try:
                await self.refresh()
            except Unavailable as problem:
                _log.warning("routes.unreachable", problem=str(problem))
            await patiently(self.clock, self.refresh_ms / 1000, self._wanted)
