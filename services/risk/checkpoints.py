"""Keeps what positions come to, so that a restart reads little and old weeks of the journal may go.

Reckoned from the journal and not from the board: the board forgets who left it.
"""

from collections.abc import Callable, Mapping

import structlog

from paceline.domain.errors import Forgotten, NotOwner, Unavailable
from paceline.domain.ids import Epoch, Offset, Partition
from paceline.ports.clock import Clock
from paceline.ports.position_facts import PositionFacts, Taken
from services.risk.rebuilt import rebuild

_log = structlog.get_logger(__name__)

_AGAIN_S = 10.0


class Checkpointer:
    """`done` is how far each partition is here; `epoch` raises `NotOwner` where its lease ran out."""

    def __init__(
        self,
        facts: PositionFacts,
        done: Callable[[], Mapping[Partition, Offset]],
        epoch: Callable[[Partition], Epoch],
        clock: Clock,
        interval_s: float,
    ) -> None:
        self._facts = facts
        self._done = done
        self._epoch = epoch
        self._clock = clock
        self._interval_s = interval_s
        self._kept: dict[Partition, Offset] = {}

    async def run(self) -> None:
        """Until cancelled. Partitions are taken one by one over the interval: none of them is urgent."""
        while True:
            places = self._done()
            self._kept = {each: offset for each, offset in self._kept.items() if each in places}
            for partition, offset in places.items():
                await self._clock.sleep(self._interval_s / len(places))
                if self._kept.get(partition) != offset:
                    await self._keep(partition, offset)
            if not places:
                await self._clock.sleep(self._interval_s)

    async def _keep(self, partition: Partition, offset: Offset) -> None:
        try:
            epoch = self._epoch(partition)
            rebuilt = await rebuild(self._facts, partition, offset)
            await self._facts.keep(Taken(partition, epoch, rebuilt.checkpoint()))
        except NotOwner:
            return
        except Forgotten as problem:
            _log.error("checkpoint.impossible", problem=str(problem))
        except Unavailable as problem:
            _log.warning("checkpoint.unreachable", problem=str(problem))
            await self._clock.sleep(_AGAIN_S)
        else:
            self._kept[partition] = offset
