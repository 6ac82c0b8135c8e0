"""Folds fills into trades: what was opened, what closed it, and what it earned."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import structlog

from paceline.domain.errors import Forgotten, NotOwner, Unavailable
from paceline.domain.event import Event
from paceline.domain.ids import AccountId, InstrumentId, Offset, Partition
from paceline.domain.instrument import InstrumentKey
from paceline.domain.money import ONE
from paceline.domain.order import Fill, OrderReport
from paceline.domain.trade import Trade, after_baseline, after_fill
from paceline.ports.clock import Clock
from paceline.ports.instruments import Instruments
from paceline.ports.journal import Journal
from paceline.ports.position_facts import PositionFacts
from paceline.ports.trades import Stand, TradeKey, Trades
from paceline.runtime.partitions import Partitions

_log = structlog.get_logger(__name__)

_PAGE = 200
"""Sessions share this loop: a page is folded within a few milliseconds."""


class TradeKeeper:
    """A consumer of the journal like any other, but in no hurry: a trade is a record, not a decision."""

    def __init__(
        self,
        journal: Journal,
        facts: PositionFacts,
        trades: Trades,
        instruments: Instruments,
        partitions: Partitions,
        clock: Clock,
        interval_s: float,
    ) -> None:
        self._journal = journal
        self._facts = facts
        self._trades = trades
        self._instruments = instruments
        self._partitions = partitions
        self._clock = clock
        self._interval_s = interval_s
        self._turn = asyncio.Lock()
        """A day's end asks beside `run`: the slower of two would open again what the faster one closed."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.advance(self._partitions.held())
            except Unavailable as problem:
                _log.warning("trades.unreachable", problem=str(problem))
            await self._clock.sleep(self._interval_s)

    async def advance(self, partitions: Iterable[Partition]) -> None:
        """All that is journaled of these by now."""
        async with self._turn:
            await self._advance_all(list(partitions))

    async def _advance_all(self, wanted: Sequence[Partition]) -> None:
        heads, places = await self._journal.heads(wanted), await self._trades.places(wanted)
        for partition in wanted:
            head, place = heads.get(partition, Offset(0)), places[partition]
            try:
                while place < head:
                    place = await self._advance(partition, place, head)
                    await self._clock.sleep(0)
            except NotOwner:
                continue
            except Forgotten as problem:
                _log.error("trades.lost", problem=str(problem))

    async def _advance(self, partition: Partition, place: Offset, head: Offset) -> Offset:
        epoch = self._partitions.lease(partition).epoch
        events = await self._facts.read(partition, place, head, _PAGE)
        reached = events[-1].offset if len(events) == _PAGE else head
        standing = await self._trades.open({event.fact.account_id for event in events}) if events else {}
        changed = folded(events, standing)
        found = await self._instruments.get_many({trade.key.instrument_id for trade in changed})
        worth: Mapping[InstrumentId, Decimal] = {name: each.multiplier for name, each in found.items()}
        stands = [Stand(trade, worth.get(trade.key.instrument_id, ONE)) for trade in changed]
        await self._trades.advance(partition, epoch, reached, stands)
        return reached


def folded(events: Sequence[Event], standing: Mapping[TradeKey, Trade]) -> Sequence[Trade]:
    """What these facts change, each trade once as it stands then, in the order of opening."""
    now = dict(standing)
    changed: dict[str, Trade] = {}
    for event in events:
        fact = event.fact
        if isinstance(fact.body, OrderReport):
            continue
        name: tuple[AccountId, InstrumentKey] = (fact.account_id, fact.body.key)
        if isinstance(fact.body, Fill):
            moved = after_fill(now.get(name), fact.identity, fact.body)
        else:
            moved = after_baseline(now.get(name), fact.identity, fact.body, fact.broker_time_ns)
        for trade in moved:
            changed[trade.trade_id] = now[name] = trade
    return list(changed.values())
