"""The brokers' instrument masters: read at start and every morning, written once for everyone."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

import structlog

from paceline.domain.account import Broker
from paceline.domain.errors import BrokerError, Unavailable
from paceline.domain.ids import Partition
from paceline.domain.instrument_master import complaint
from paceline.ports.broker import InstrumentMaster, Master
from paceline.ports.clock import Clock
from paceline.ports.instruments import Instruments
from paceline.runtime.metric_names import MASTER_REFUSED
from paceline.runtime.metrics import Metrics
from paceline.runtime.partitions import Partitions
from paceline.runtime.readiness import Readiness
from services.feed.settings import Settings

_log = structlog.get_logger(__name__)

_KEEPER = Partition(0)
"""Whoever holds this partition reads for all."""
_WAITS = "the first instrument master"
_LOOK_S = 0.2
_AGAIN_S = 5.0
_AGAIN_MAX_S = 300.0
_DOUBLINGS = 10
_INDIA = timedelta(hours=5, minutes=30)


class MasterKeeper:
    """Fresh once a day, before the market opens; one that is not whole is refused: the last one stands."""

    def __init__(
        self,
        masters: Mapping[Broker, InstrumentMaster],
        instruments: Instruments,
        partitions: Partitions,
        clock: Clock,
        metrics: Metrics,
        readiness: Readiness,
        settings: Settings,
    ) -> None:
        self._masters = masters
        self._instruments = instruments
        self._partitions = partitions
        self._clock = clock
        self._refused = metrics.gauge(MASTER_REFUSED)
        self._readiness = readiness
        self._lost_max_percent = settings.master_lost_max_percent
        at = time.fromisoformat(settings.master_read_at)
        self._read_at = timedelta(hours=at.hour, minutes=at.minute, seconds=at.second)
        self._done: dict[Broker, date] = {}
        self._again_ns: dict[Broker, int] = {}
        self._failures: dict[Broker, int] = {}
        readiness.block(_WAITS)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if self._partitions.usable(_KEEPER):
                for broker in self._due():
                    await self._try(broker)
            else:
                self._done.clear()
            if self._readiness.waiting(_WAITS) and await self._has_any():
                self._readiness.unblock(_WAITS)
            await self._clock.sleep(_LOOK_S)

    def _due(self) -> list[Broker]:
        """Whose master of this morning was not read, and who is not to be left alone for a while."""
        now_ns, morning = self._clock.monotonic_ns(), (self._now() - self._read_at).date()
        return [
            broker
            for broker in self._masters
            if self._done.get(broker) != morning and now_ns >= self._again_ns.get(broker, 0)
        ]

    async def _try(self, broker: Broker) -> None:
        morning, today = (self._now() - self._read_at).date(), self._now().date()
        try:
            master = await self._masters[broker].load()
            reason = complaint(await self._instruments.named(broker), master.files, self._lost_max_percent)
            changed = 0 if reason else await self._save(broker, master, today)
        except (BrokerError, Unavailable) as problem:
            self._put_off(broker, "master.unread", str(problem))
            return
        if reason:
            self._put_off(broker, "master.refused", reason)
            return
        self._done[broker], self._failures[broker] = morning, 0
        self._refused.labels(broker).set(0)
        self._log_read(broker, master, changed)

    async def _save(self, broker: Broker, master: Master, today: date) -> int:
        changed = await self._instruments.save(broker, master.listings, today)
        await self._instruments.note(broker, today, {name: read.found for name, read in master.files.items()})
        return changed

    def _put_off(self, broker: Broker, event: str, reason: str) -> None:
        failures = self._failures[broker] = self._failures.get(broker, 0) + 1
        pause_s = min(_AGAIN_S * 2 ** min(failures - 1, _DOUBLINGS), _AGAIN_MAX_S)
        self._again_ns[broker] = self._clock.monotonic_ns() + round(pause_s * 1e9)
        self._refused.labels(broker).set(1)
        _log.error(event, broker=broker, reason=reason, again_in_s=pause_s)

    async def _has_any(self) -> bool:
        try:
            return bool(await self._instruments.page(limit=1))
        except Unavailable:
            return False

    def _log_read(self, broker: Broker, master: Master, changed: int) -> None:
        skipped = sum(read.skipped for read in master.files.values())
        count = len(master.listings)
        _log.info("master.read", broker=broker, instruments=count, changed=changed, skipped=skipped)

    def _now(self) -> datetime:
        """Where the exchanges are."""
        return datetime.fromtimestamp(self._clock.now_ns() / 1e9, UTC) + _INDIA
