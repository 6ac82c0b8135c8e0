"""Who reads which partition, how far: new events from memory, old ones from the journal.

A reader keeps cursors and no queue, so that a slow one costs nothing and delays nobody.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from paceline.domain.event import Event
from paceline.domain.ids import Offset, Partition
from paceline.ports.journal import Journal


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a reader gets next: events in order of offset per partition, marks, and partitions that end."""

    events: tuple[Event, ...]
    caught_up: Mapping[Partition, Offset]
    ended: tuple[Partition, ...]


@dataclass(slots=True, eq=False)
class Reader:
    """One consumer's cursors; `next` is awaited by one task at a time."""

    hub: "Hub"
    cursors: dict[Partition, Offset]
    batch_max: int
    _behind: dict[Partition, None] = field(default_factory=dict)
    """In turn: who was read goes to the end, so that a busy partition keeps none waiting."""
    _ended: set[Partition] = field(default_factory=set)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, partition: Partition) -> None:
        """There is more of this partition."""
        self._behind.setdefault(partition)
        self._news.set()

    def end(self, partition: Partition) -> None:
        """There will be no more of it here."""
        self._ended.add(partition)
        self._news.set()

    async def next(self, patience_s: float) -> Stretch:
        """Waits for news at most so long; an empty stretch is a heartbeat."""
        if not self._behind and not self._ended:
            await self._wait(patience_s)
        self._news.clear()
        events: list[Event] = []
        caught_up: dict[Partition, Offset] = {}
        for partition in tuple(self._behind):
            room = self.batch_max - len(events)
            if room <= 0:
                break
            events.extend(await self._advance(partition, room))
            self._behind.pop(partition, None)
            if self.cursors[partition] >= self.hub.head(partition):
                caught_up[partition] = self.cursors[partition]
            else:
                self._behind[partition] = None
        return Stretch(tuple(events), caught_up, self._leave())

    async def _advance(self, partition: Partition, room: int) -> Sequence[Event]:
        events = await self.hub.read(partition, self.cursors[partition], room)
        if events:
            self.cursors[partition] = events[-1].offset
        return events

    def _leave(self) -> tuple[Partition, ...]:
        ended = tuple(self._ended)
        for partition in ended:
            self.cursors.pop(partition, None)
            self._behind.pop(partition, None)
        self._ended.clear()
        return ended

    async def _wait(self, patience_s: float) -> None:
        try:
            async with asyncio.timeout(patience_s):
                await self._news.wait()
        except TimeoutError:
            return

    def lag(self) -> int:
        return sum(max(0, self.hub.head(each) - cursor) for each, cursor in self.cursors.items())


class Hub:
    """The newest events of the partitions held here, kept in bounded rings."""

    def __init__(self, journal: Journal, *, ring_events: int = 1_024) -> None:
        self._journal = journal
        self._ring_events = ring_events
        self._rings: dict[Partition, deque[Event]] = {}
        self._heads: dict[Partition, Offset] = {}
        self._readers: set[Reader] = set()

    async def open_partitions(self, partitions: Iterable[Partition]) -> None:
        """Serve these from now on, from where their journal stands."""
        for partition, head in (await self._journal.heads(partitions)).items():
            self._rings[partition] = deque(maxlen=self._ring_events)
            self._heads[partition] = head

    def close_partitions(self, partitions: Iterable[Partition]) -> None:
        """Readers are told of the end."""
        for partition in partitions:
            self._rings.pop(partition, None)
            self._heads.pop(partition, None)
            for reader in self._readers:
                if partition in reader.cursors:
                    reader.end(partition)

    def serves(self, partition: Partition) -> bool:
        return partition in self._heads

    def head(self, partition: Partition) -> Offset:
        return self._heads.get(partition, Offset(0))

    def publish(self, events: Sequence[Event]) -> frozenset[Partition]:
        """Show journaled events; answers the partitions in which something between is still missing here."""
        behind: set[Partition] = set()
        for event in events:
            ring = self._rings.get(event.partition)
            if ring is None or event.offset <= self._heads[event.partition]:
                continue
            if event.offset > self._heads[event.partition] + 1:
                behind.add(event.partition)
                continue
            ring.append(event)
            self._heads[event.partition] = event.offset
        touched = {event.partition for event in events}
        for reader in self._readers:
            for partition in touched & reader.cursors.keys():
                reader.tell(partition)
        return frozenset(behind)

    async def catch_up(self, partition: Partition) -> None:
        """Publish what was journaled without our seeing the answer."""
        while self.serves(partition):
            missed = await self._journal.read(partition, self.head(partition), self._ring_events)
            if not missed:
                return
            self.publish(missed)

    def open(self, cursors: Mapping[Partition, Offset], batch_max: int) -> Reader:
        reader = Reader(self, dict(cursors), batch_max)
        self._readers.add(reader)
        for partition in reader.cursors:
            reader.tell(partition)
        return reader

    def close(self, reader: Reader) -> None:
        self._readers.discard(reader)

    def readers(self) -> int:
        return len(self._readers)

    def lag(self) -> int:
        """Events that the slowest reader has still to take."""
        return max((reader.lag() for reader in self._readers), default=0)

    async def read(self, partition: Partition, after: Offset, limit: int) -> Sequence[Event]:
        """From memory where it reaches back far enough, else from the journal."""
        ring = self._rings.get(partition)
        if ring is None or after >= self.head(partition):
            return ()
        if ring and ring[0].offset <= after + 1:
            start = after + 1 - ring[0].offset
            return [ring[index] for index in range(start, min(len(ring), start + limit))]
        return await self._journal.read(partition, after, limit)
