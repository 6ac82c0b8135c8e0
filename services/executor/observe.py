"""Followers' own orders and fills, as the journal tells them, onto copy orders and ledgers."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from paceline.domain.copy_order import CopyOrder
from paceline.domain.copying.strays import is_stray
from paceline.domain.copying.tags import kind_of
from paceline.domain.errors import NotOwner
from paceline.domain.event import Event
from paceline.domain.ids import Offset, Partition, Tag
from paceline.domain.instrument import InstrumentKey
from paceline.domain.order import Fill, OrderReport
from paceline.ports.clock import Clock
from paceline.ports.copy_orders import CopyFill
from paceline.ports.settlement import Settlement, Stray
from paceline.runtime.follow import Batch
from paceline.runtime.partitions import Partitions
from services.executor.lots import Lots
from services.executor.settle import News, Settling, StrayNews


class Observer:
    """`handle` is what the journal's follower calls: one transaction for a batch of all partitions.

    A batch that comes again, whole or in part, tells nothing new.
    """

    def __init__(
        self,
        settlement: Settlement,
        lots: Lots,
        partitions: Partitions,
        clock: Clock,
        told: Callable[[CopyOrder], None],
        take_in: Callable[[Iterable[CopyOrder]], object],
        traded: Callable[[Iterable[CopyFill], Mapping[Tag, CopyOrder]], None],
    ) -> None:
        self._settlement = settlement
        self._lots = lots
        self._partitions = partitions
        self._clock = clock
        self._told = told
        self._take_in = take_in
        self._traded = traded

    async def handle(self, batch: Batch) -> None:
        epochs = {partition: self._partitions.lease(partition).epoch for partition in batch}
        spoken = [each for events in batch.values() for event in events for each in _news(event)]
        instruments = await self._lots.of(key.instrument_id for _, key in spoken)
        told = [each for each, _ in spoken]
        news = [each for each in told if isinstance(each, News)]
        strays = [
            Stray(each.account_id, each.fill.key, each.fill.order_id)
            for each in told
            if isinstance(each, StrayNews)
        ]
        settling = Settling(told, instruments, self._clock.now_ns())
        tags = [each.tag for each in news]
        settled = await self._settlement.settle(epochs, _ends(batch), tags, settling, strays)
        self._traded(settling.fills, settling.orders)
        for tag in {each.tag for each in news if each.partition not in settled.stale}:
            if tag in settling.orders:
                self._told(settling.orders[tag])
        if settled.corrections:
            self._take_in(settled.corrections)
        if settled.stale:
            raise NotOwner(f"partitions {sorted(settled.stale)} are held under other epochs")


def _news(event: Event) -> Sequence[tuple[News | StrayNews, InstrumentKey]]:
    """What carries a tag of ours moves orders; what he trades beside copying may close copies."""
    body, fact = event.fact.body, event.fact
    found: list[tuple[News | StrayNews, InstrumentKey]] = []
    if isinstance(body, Fill | OrderReport) and kind_of(body.tag) is not None:
        news = News(
            event.partition,
            fact.account_id,
            Tag(body.tag),
            body,
            event=fact.identity,
            offset=event.offset,
        )
        found.append((news, body.key))
    if isinstance(body, Fill) and is_stray(body):
        stray = StrayNews(event.partition, fact.account_id, body, fact.identity, event.offset)
        found.append((stray, body.key))
    return found


def _ends(batch: Batch) -> dict[Partition, Offset]:
    return {partition: events[-1].offset for partition, events in batch.items()}
