"""Sessions that one replica holds for itself, and how the others come in when it dies.

A pin is a lease of one account. While it is held, the owner of the partition runs no session of that account
and journals nothing of it; he shows what the holder journaled.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId, Partition
from paceline.domain.partitioning import partition_of
from paceline.ports.clock import Clock
from paceline.ports.leases import Leases
from paceline.ports.pins import PinRow, Pins
from paceline.runtime.balance import Watch
from paceline.runtime.credentials import CredentialStore
from paceline.runtime.partitions import LeaseTimes
from paceline.runtime.readiness import Readiness
from paceline.runtime.together import patiently
from services.feed.roster import Roster
from services.feed.tenure import Tenures

_log = structlog.get_logger(__name__)

_NS_PER_MS = 1_000_000
_AGAIN_S = 0.1
"""The shortest pause between two looks, however often it is asked for."""


@dataclass(slots=True)
class PinWatch:
    """Beside the partitions of a sharing replica: what others hold, taken from those who fell silent.

    Every sharing replica counts the silence of all pins; only who holds the partition acts on it.
    """

    pins: Pins
    tenures: Tenures
    roster: Roster
    credentials: CredentialStore
    clock: Clock
    beat_ms: int
    _silence: Watch[AccountId] = field(default_factory=Watch)
    _stale: set[AccountId] = field(default_factory=set)
    """Pinned elsewhere, with credentials that may have changed: prices can be asked for with them."""
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def doubt(self) -> None:
        """Some pin changed hands: look now."""
        self._wanted.set()

    def hear(self, account_id: AccountId) -> None:
        """Its session changed; of those that run here the roster hears."""
        if account_id in self.tenures.pinned_elsewhere():
            self._stale.add(account_id)
            self._wanted.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._wanted.clear()
            try:
                await self.look()
            except Unavailable as problem:
                _log.warning("pins.unreachable", problem=str(problem))
            await self.clock.sleep(_AGAIN_S)
            await patiently(self.clock, self.beat_ms / 1000, self._wanted)

    async def look(self) -> None:
        """Once; returns when what the rows say is known here."""
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        rows = await self.pins.rows()
        now_ns = self.clock.boottime_ns()
        self._silence.look({row.account_id: row.version for row in rows}, now_ns)
        silent = [row for row in rows if self._is_ours_to_take(row, now_ns)]
        if silent:
            await self.pins.vacate([(row.account_id, row.version) for row in silent])
            _log.warning("pins.vacated", accounts=[row.account_id for row in silent])
            rows = await self.pins.rows()
        changed = self.tenures.learn(rows)
        await self._follow([row for row in rows if row.account_id in changed])
        await self._refresh()

    def _is_ours_to_take(self, row: PinRow, now_ns: int) -> bool:
        return (
            row.owner is not None
            and self._silence.silent(row.account_id, now_ns, row.ttl_ms * _NS_PER_MS)
            and self.tenures.partitions.usable(partition_of(row.account_id))
        )

    async def _follow(self, changed: Iterable[PinRow]) -> None:
        """Also of a pin taken and given back unseen: what is known here may miss what was journaled then."""
        names = [row.account_id for row in changed]
        self._stale.update(names)
        await self.roster.leave(names)
        for name in names:
            self.roster.hear(name)

    async def _refresh(self) -> None:
        stale = self._stale & self.tenures.pinned_elsewhere()
        if stale:
            await self.credentials.reload(stale)
        self._stale.clear()


Drained = Callable[[frozenset[Partition]], Awaitable[None]]


@dataclass(slots=True)
class PinHolder:
    """The sessions of a pinned replica: it takes the pins of its accounts as soon as nobody else holds them.

    A sharing replica that stood in gives way: what is taken here is fenced there in the same instant.
    """

    pins: Pins
    leases: Leases
    tenures: Tenures
    roster: Roster
    drained: Drained
    readiness: Readiness
    clock: Clock
    owner: str
    address: Callable[[], str]
    """Of the server, once it is bound."""
    accounts: Sequence[AccountId]
    times: LeaseTimes
    on_turn: Callable[[int], None]
    _prepared: bool = False
    _silence: Watch[AccountId] = field(default_factory=Watch)
    _readers: Watch[Partition] = field(default_factory=Watch)
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)

    def doubt(self) -> None:
        """Some pin changed hands: look now."""
        self._wanted.set()

    def hear(self, account_id: AccountId) -> None:
        """The roster hears of what is held here; nothing else matters."""

    async def look(self) -> None:
        """A pinned replica gains no partitions that it would have to look for."""

    async def run(self) -> None:
        """Until cancelled; a database that is away costs the pins, never the loop."""
        while True:
            self._wanted.clear()
            try:
                await self.turn()
            except Unavailable as problem:
                _log.warning("pins.unreachable", problem=str(problem))
                await self.expire()
            await self.clock.sleep(_AGAIN_S)
            await patiently(self.clock, self.times.beat_ms / 1000, self._wanted)

    async def turn(self) -> None:
        """One beat: renew, look around, take what is free."""
        if not self._prepared:
            await self.leases.prepare()
            await self.pins.prepare(self.accounts)
            self._prepared = True
        await self._renew()
        rows = await self.pins.rows()
        now_ns = self.clock.boottime_ns()
        self._silence.look({row.account_id: row.version for row in rows}, now_ns)
        self.tenures.learn(rows)
        await self._take([row for row in rows if self._is_free(row, now_ns)])
        self._look_for_readers(await self._unread())
        self.on_turn(len(self.tenures.pinned_here()))

    async def expire(self) -> None:
        """Give up for lost what could not be renewed in time."""
        await self._lose(self.tenures.expired())

    async def stop(self) -> None:
        """In good order: sessions close, what they told is journaled, then others may have them."""
        held = self.tenures.epochs()
        if held:
            self.tenures.close(held)
            await self.roster.leave(held)
            await self.drained(frozenset(partition_of(each) for each in held))
            await self.pins.release(self.owner, list(held.items()))
            self.tenures.give_up(held)

    async def _renew(self) -> None:
        held, before = self.tenures.epochs(), self.clock.boottime_ns()
        if not held:
            return
        kept = set(await self.pins.renew(self.owner, list(held.items())))
        self.tenures.take({name: held[name] for name in kept}, before + self._ttl_ns)
        await self._lose(held.keys() - kept)

    async def _take(self, free: Sequence[PinRow]) -> None:
        if not free:
            return
        before = self.clock.boottime_ns()
        claims = [(row.account_id, row.version) for row in free]
        gained = await self.pins.acquire(self.owner, self.address(), claims)
        self.tenures.take(gained, before + self._ttl_ns)
        for name in gained:
            _log.info("pins.gained", account=name)
            self.roster.hear(name)

    async def _lose(self, accounts: Iterable[AccountId]) -> None:
        lost = list(accounts)
        if lost:
            self.tenures.give_up(lost)
            _log.warning("pins.lost", accounts=lost)
            await self.roster.leave(lost)

    def _is_free(self, row: PinRow, now_ns: int) -> bool:
        if row.account_id not in self.accounts or row.account_id in self.tenures.pinned_here():
            return False
        return row.owner is None or self._silence.silent(row.account_id, now_ns, row.ttl_ms * _NS_PER_MS)

    async def _unread(self) -> frozenset[Partition]:
        """Partitions of ours that nobody shows to readers: their owner is silent, or there is none."""
        mine = {partition_of(each) for each in self.accounts}
        rows = [row for row in await self.leases.rows() if row.partition in mine]
        now_ns = self.clock.boottime_ns()
        self._readers.look({row.partition: row.version for row in rows}, now_ns)
        return frozenset(
            row.partition
            for row in rows
            if row.owner is None or self._readers.silent(row.partition, now_ns, self._ttl_ns)
        )

    def _look_for_readers(self, unread: frozenset[Partition]) -> None:
        for name in self.accounts:
            reason = f"a sharing feed that shows {name} to readers"
            if partition_of(name) in unread:
                self.readiness.block(reason)
            else:
                self.readiness.unblock(reason)

    @property
    def _ttl_ns(self) -> int:
        return self.times.ttl_ms * _NS_PER_MS
