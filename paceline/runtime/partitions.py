"""The partitions a replica holds: leases renewed, claimed, surrendered and lost.

One loop per replica. Ownership is counted from before a renewal was sent, on a clock that also runs while
the machine sleeps; whoever sends asks `usable` in the same synchronous step.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from paceline.domain.errors import NotOwner, Unavailable
from paceline.domain.ids import Epoch, Partition
from paceline.ports.clock import Clock
from paceline.ports.leases import Grant, LeaseRow, Leases
from paceline.runtime.balance import Watch, decide, free_rows, live_replicas

_log = structlog.get_logger(__name__)

_NS_PER_MS = 1_000_000
_HOOK_TTLS_MAX = 5
"""Whoever does not come back from a hook for so many lives of a lease holds nothing any more."""


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """How long a lease lives unrenewed, and how often the loop turns."""

    ttl_ms: int = 6_000
    beat_ms: int = 1_000


@dataclass(frozen=True, slots=True)
class Held:
    """A partition of ours: the epoch to write under, and when it became ours by the database's clock."""

    partition: Partition
    epoch: Epoch
    acquired_ns: int


Gained = Callable[[Sequence[Held]], Awaitable[None]]
Leaving = Callable[[Sequence[Partition]], Awaitable[None]]


async def _ignore_gain(_held: Sequence[Held]) -> None:
    """Nobody waits for gains."""


async def _ignore_loss(_partitions: Sequence[Partition]) -> None:
    """Nobody waits for losses."""


def _ignore_turn(_count: int) -> None:
    """Nobody counts."""


@dataclass(slots=True)
class Partitions:
    """What this replica owns of one service.

    `on_gain` is awaited before the next turn; `on_surrender` is awaited before rows are freed, so that work
    in flight ends first; `on_loss` tells of what is no longer ours already. What is held is renewed
    meanwhile: a hook may outlast a lease, though not for ever.
    """

    leases: Leases
    clock: Clock
    owner: str
    address: str
    times: LeaseTimes = field(default_factory=LeaseTimes)
    on_gain: Gained = _ignore_gain
    on_surrender: Leaving = _ignore_loss
    on_loss: Leaving = _ignore_loss
    on_turn: Callable[[int], None] = _ignore_turn
    _prepared: bool = False
    _held: dict[Partition, Held] = field(default_factory=dict)
    _until_ns: dict[Partition, int] = field(default_factory=dict)
    _surrendering: set[Partition] = field(default_factory=set)
    _rows: Watch[Partition] = field(default_factory=Watch)
    _peers: Watch[str] = field(default_factory=Watch)

    def held(self) -> frozenset[Partition]:
        """Those whose lease still runs by our own clock."""
        now = self.clock.boottime_ns()
        return frozenset(partition for partition, until in self._until_ns.items() if until > now)

    def usable(self, partition: Partition, need_ms: int = 0) -> bool:
        """Whether enough of the lease is left for something that takes so long."""
        left = self._until_ns.get(partition, 0) - self.clock.boottime_ns()
        return left > need_ms * _NS_PER_MS and partition not in self._surrendering

    def lease(self, partition: Partition) -> Held:
        """The lease to write under; NotOwner when it ran out."""
        if self._until_ns.get(partition, 0) <= self.clock.boottime_ns():
            raise NotOwner(f"partition {partition} is not held by {self.owner}")
        return self._held[partition]

    async def run(self) -> None:
        """Hold leases until cancelled; a database that is away costs the leases, never the loop."""
        while True:
            await self.beat()
            await self.clock.sleep(self.times.beat_ms / 1000)

    async def beat(self) -> None:
        """A failed turn is tried again on the next beat; what ran out meanwhile is given up for lost."""
        try:
            await self.turn()
        except Unavailable as problem:
            _log.warning("partitions.unreachable", problem=str(problem))
            await self._expire()

    async def turn(self) -> None:
        """One beat: renew, look around, then claim or surrender."""
        if not self._prepared:
            await self.leases.prepare()
            self._prepared = True
        await self._renew()
        peers = await self.leases.announce(self.owner, self.address)
        rows = await self.leases.rows()
        now = self.clock.boottime_ns()
        self._rows.look({row.partition: row.version for row in rows}, now)
        self._peers.look({peer.owner: peer.version for peer in peers}, now)
        live, dead = live_replicas(peers, self._peers, now, self._ttl_ns)
        for peer in dead:
            await self.leases.forget(peer.owner, peer.version)
        await self._move(live, rows, now)
        self.on_turn(len(self._held))

    async def stop(self) -> None:
        """Hand everything over at once: others need not wait for the leases to run out."""
        await self._surrender(list(self._held))
        await self.leases.withdraw(self.owner)

    @property
    def _ttl_ns(self) -> int:
        return self.times.ttl_ms * _NS_PER_MS

    async def _move(self, live: Sequence[str], rows: Sequence[LeaseRow], now: int) -> None:
        held = frozenset(self._held)
        free = free_rows(rows, held, self._rows, now, self._ttl_ns)
        moves = decide(self.owner, live, rows, held, free)
        if moves.surrenders:
            await self._surrender(moves.surrenders)
        if moves.claims:
            await self._claim(moves.claims)

    async def _renew(self) -> None:
        await self._lose(await self._prolong())

    async def _prolong(self) -> list[Partition]:
        """Renews what is held; answers what turned out to be so no longer."""
        before = self.clock.boottime_ns()
        asked = [(held.partition, held.epoch) for held in self._held.values()]
        kept = set(await self.leases.renew(self.owner, asked)) if asked else set()
        for partition in kept & self._held.keys():
            self._until_ns[partition] = before + self._ttl_ns
        return [partition for partition, _ in asked if partition not in kept]

    async def _meanwhile(self, hook: Awaitable[None]) -> None:
        """Renewing goes on while a hook runs; what was lost is told in the next turn."""
        renewing = asyncio.ensure_future(self._keep())
        try:
            await hook
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])

    async def _keep(self) -> None:
        for _ in range(_HOOK_TTLS_MAX * self.times.ttl_ms // self.times.beat_ms):
            await self.clock.sleep(self.times.beat_ms / 1000)
            try:
                await self._prolong()
            except Unavailable as problem:
                _log.warning("partitions.unreachable", problem=str(problem))

    async def _claim(self, claims: Sequence[tuple[Partition, int]]) -> None:
        before = self.clock.boottime_ns()
        grants = await self.leases.acquire(self.owner, self.address, claims)
        gained = [self._take(grant, before) for grant in grants]
        if gained:
            _log.info("partitions.gained", count=len(gained), held=len(self._held))
            await self._begin(gained)

    async def _begin(self, gained: Sequence[Held]) -> None:
        """What could not be begun is given back at once: nobody holds what he does not serve."""
        try:
            await self._meanwhile(self.on_gain(gained))
        except BaseException:
            _log.warning("partitions.not_begun", count=len(gained))
            self._drop([held.partition for held in gained])
            await self.leases.release(self.owner, [(held.partition, held.epoch) for held in gained])
            raise

    def _take(self, grant: Grant, before: int) -> Held:
        held = Held(grant.partition, grant.epoch, grant.acquired_ns)
        self._held[grant.partition] = held
        self._until_ns[grant.partition] = before + self._ttl_ns
        return held

    async def _surrender(self, partitions: Sequence[Partition]) -> None:
        leaving = [self._held[partition] for partition in partitions]
        if not leaving:
            return
        self._surrendering.update(partitions)
        try:
            await self._meanwhile(self.on_surrender(partitions))
            await self.leases.release(self.owner, [(held.partition, held.epoch) for held in leaving])
        finally:
            self._drop(partitions)
            self._surrendering.difference_update(partitions)
        _log.info("partitions.surrendered", count=len(leaving), held=len(self._held))

    async def _lose(self, partitions: Sequence[Partition]) -> None:
        if not partitions:
            return
        self._drop(partitions)
        _log.warning("partitions.lost", count=len(partitions), held=len(self._held))
        await self._meanwhile(self.on_loss(partitions))

    def _drop(self, partitions: Sequence[Partition]) -> None:
        for partition in partitions:
            self._held.pop(partition, None)
            self._until_ns.pop(partition, None)

    async def _expire(self) -> None:
        now = self.clock.boottime_ns()
        await self._lose([partition for partition, until in self._until_ns.items() if until <= now])
