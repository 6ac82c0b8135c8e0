"""What the topics of one data socket last said: records in, ticks out. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from paceline.adapters.brokers.fyers.hsm import UNCHANGED, Data, Record, Snapshot, Update
from paceline.domain.ids import InstrumentId
from paceline.ports.broker import Tick

_LAST: Final = 0
_INDEX_TIME, _FEED_TIME = 2, 3
_FINEST: Final = Decimal(1).scaleb(-8)
"""So that every price is a whole number of something that fits into 64 bits."""
_NS: Final = 1_000_000_000


@dataclass(slots=True)
class _Topic:
    instrument_id: InstrumentId
    divisor: Decimal
    time_at: int
    last: int = UNCHANGED
    time_s: int = 0


class Prices:
    """The broker names a topic once, in its snapshot; from then on by two bytes."""

    def __init__(self) -> None:
        self._instruments: dict[str, InstrumentId] = {}
        self._topics: dict[bytes, _Topic] = {}

    def watch(self, topic: str, instrument_id: InstrumentId) -> None:
        self._instruments[topic] = instrument_id

    def forget(self, topic: str) -> None:
        self._instruments.pop(topic, None)

    def ticks(self, data: Data, received_ns: int) -> tuple[Tick, ...]:
        """One tick for each price told, changed or not; a topic nobody introduced or watches has none."""
        found = (self._tick(record, received_ns) for record in data.records)
        return tuple(tick for tick in found if tick is not None)

    def _tick(self, record: Record, received_ns: int) -> Tick | None:
        if isinstance(record, Snapshot):
            self._introduce(record)
        topic = self._topics.get(record.topic_id)
        if topic is None or not _take(topic, record):
            return None
        price = (topic.last / topic.divisor).quantize(_FINEST).normalize()
        return Tick(topic.instrument_id, price, topic.time_s * _NS, received_ns)

    def _introduce(self, snapshot: Snapshot) -> None:
        instrument_id = self._instruments.get(snapshot.name)
        if instrument_id is None:
            self._topics.pop(snapshot.topic_id, None)
            return
        time_at = _INDEX_TIME if snapshot.name.startswith("if|") else _FEED_TIME
        self._topics[snapshot.topic_id] = _Topic(instrument_id, Decimal(snapshot.divisor), time_at)


def _take(topic: _Topic, record: Record) -> bool:
    """Whether the record tells a price."""
    if not isinstance(record, (Snapshot, Update)):
        told, time_s = record.last, UNCHANGED
    else:
        values = record.values
        told = values[_LAST] if values else UNCHANGED
        time_s = values[topic.time_at] if len(values) > topic.time_at else UNCHANGED
    if time_s > 0:
        topic.time_s = time_s
    if told != UNCHANGED:
        topic.last = told
    return topic.last != UNCHANGED and (told != UNCHANGED or time_s > 0)
