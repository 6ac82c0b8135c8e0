"""The brokers' instrument masters: read at start and every day, written once for everyone."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import structlog

from paceline.domain.account import Broker
from paceline.domain.errors import BrokerError, Unavailable
from paceline.domain.ids import Partition
from paceline.ports.broker import InstrumentMaster
from paceline.ports.clock import Clock
from paceline.ports.instruments import Instruments
from paceline.runtime.partitions import Partitions
from paceline.runtime.readiness import Readiness

_log = structlog.get_logger(__name__)

_KEEPER = Partition(0)
"""Whoever holds this partition reads for all."""
_WAITS = "the first instrument master"
_LOOK_S = 0.2
_AGAIN_S = 5.0


class MasterKeeper:
    """Fresh once a day, as the exchange's date changes."""

    def __init__(
        self,
        masters: Mapping[Broker, InstrumentMaster],
        instruments: Instruments,
        partitions: Partitions,
        clock: Clock,
        readiness: Readiness,
        zone_offset: timedelta,
    ) -> None:
        self._masters = masters
        self._instruments = instruments
        self._partitions = partitions
        self._clock = clock
        self._readiness = readiness
        self._zone_offset = zone_offset
        readiness.block(_WAITS)

    async def run(self) -> None:
        """Until cancelled; a master that cannot be read leaves the last one standing."""
        read_on: date | None = None
        while True:
            today = self._today()
            try:
                if read_on != today and self._partitions.usable(_KEEPER):
                    await self._read(today)
                    read_on = today
                if self._readiness.waiting(_WAITS) and await self._instruments.page(limit=1):
                    self._readiness.unblock(_WAITS)
            except (BrokerError, Unavailable) as problem:
                _log.warning("master.unread", problem=str(problem), again_in_s=_AGAIN_S)
                await self._clock.sleep(_AGAIN_S)
            await self._clock.sleep(_LOOK_S)

    async def _read(self, today: date) -> None:
        for broker, master in self._masters.items():
            read = await master.load()
            changed = await self._instruments.save(broker, read.listings, today)
            _log.info(
                "master.read",
                broker=broker,
                instruments=len(read.listings),
                changed=changed,
                skipped=read.skipped,
            )

    def _today(self) -> date:
        return (datetime.fromtimestamp(self._clock.now_ns() / 1e9, UTC) + self._zone_offset).date()
