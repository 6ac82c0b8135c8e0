"""Holds a service's partitions for as long as it runs."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from paceline.domain.errors import NotOwner, Unavailable
from paceline.domain.ids import Partition
from paceline.ports.clock import Clock
from paceline.ports.leases import Leases
from paceline.runtime.lifecycle import Runtime
from paceline.runtime.metric_names import LEASE_LOSSES, LEASES_HELD
from paceline.runtime.partitions import Gained, Held, LeaseTimes, Leaving, Partitions

_log = structlog.get_logger(__name__)

_HAND_OVER_S = 5.0
_AGAIN_S = 0.5


@dataclass(slots=True)
class Takings:
    """Sees to it that what was gained is taken up, also when a store is away at that moment.

    A lease that is held and not worked would be worse than none: nobody else looks after its partition.
    """

    partitions: Partitions
    clock: Clock
    take: Gained
    surrender: Leaving
    lose: Leaving
    _waiting: dict[Partition, Held] = field(default_factory=dict)
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def gain(self, held: Sequence[Held]) -> None:
        self._waiting.update({each.partition: each for each in held})
        async with self._one_at_a_time:
            await self._take_up()

    async def give_up(self, partitions: Sequence[Partition]) -> None:
        """In good order, before others may have them."""
        async with self._one_at_a_time:
            self._forget(partitions)
            await self.surrender(partitions)

    async def lost(self, partitions: Sequence[Partition]) -> None:
        async with self._one_at_a_time:
            self._forget(partitions)
            await self.lose(partitions)

    async def run(self) -> None:
        """Try again what could not be taken up, until cancelled."""
        while True:
            await self.clock.sleep(_AGAIN_S)
            if self._waiting:
                async with self._one_at_a_time:
                    await self._take_up()

    async def _take_up(self) -> None:
        wanted = [each for each in self._waiting.values() if self._is_current(each)]
        try:
            if wanted:
                await self.take(wanted)
        except Unavailable as problem:
            _log.warning("partitions.not_taken_up", count=len(wanted), problem=str(problem))
            return
        self._forget(each.partition for each in wanted)

    def _is_current(self, held: Held) -> bool:
        try:
            return self.partitions.lease(held.partition) == held
        except NotOwner:
            return False

    def _forget(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            self._waiting.pop(partition, None)


def partitions_of(runtime: Runtime[Any], leases: Leases, times: LeaseTimes) -> Partitions:
    """Not holding anything yet; the address is that of the server once it is bound."""
    return Partitions(leases, runtime.clock, owner=runtime.settings.replica_id, address="", times=times)


def own(
    runtime: Runtime[Any],
    partitions: Partitions,
    address: str,
    *,
    gain: Gained,
    surrender: Leaving,
    lose: Leaving,
) -> None:
    """Start holding. At the stop everything is handed over first, while the rest still works.

    A `gain` that fails with `Unavailable` is called again with the same until it succeeds or they are lost.
    """
    held = runtime.metrics.gauge(LEASES_HELD).labels(runtime.service)
    losses = runtime.metrics.counter(LEASE_LOSSES).labels(runtime.service)
    takings = Takings(partitions, runtime.clock, gain, surrender, lose)

    async def lost(which: Sequence[Partition]) -> None:
        losses.inc(len(which))
        await takings.lost(which)

    partitions.address = address
    partitions.on_gain = takings.gain
    partitions.on_surrender = takings.give_up
    partitions.on_loss = lost
    partitions.on_turn = held.set
    runtime.on_stop("hand over partitions", partitions.stop, stop_s=_HAND_OVER_S)
    runtime.spawn("partitions taken up", takings.run())
    runtime.spawn("partitions", partitions.run())
