"""The newest price of each instrument, and who watches."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain, islice

from paceline.domain.ids import InstrumentId
from paceline.ports.broker import Tick


class Watcher:
    """One consumer: what it wants, and what of that changed since it last asked."""

    def __init__(self) -> None:
        self.wants: set[InstrumentId] = set()
        self.fresh: dict[InstrumentId, Tick] = {}
        self.unknown: set[InstrumentId] = set()
        self.everything = False
        self.news = asyncio.Event()

    def tell(self, tick: Tick) -> None:
        if self.everything or tick.instrument_id in self.wants:
            self.fresh[tick.instrument_id] = tick
            self.news.set()


class PriceBoard:
    """The newest tick of each instrument, and who watches; a source carries at most `limit` of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.newest: dict[InstrumentId, Tick] = {}
        self.unsaved: dict[InstrumentId, Tick] = {}
        self.unknown: set[InstrumentId] = set()
        self.demand_changed = asyncio.Event()
        self._watchers: set[Watcher] = set()
        self._demand: Counter[InstrumentId] = Counter()
        self._followed: dict[InstrumentId, None] = {}

    def open(self) -> Watcher:
        watcher = Watcher()
        self._watchers.add(watcher)
        return watcher

    def close(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)
        self.change(watcher, (), tuple(watcher.wants))

    def change(self, watcher: Watcher, more: Iterable[InstrumentId], less: Iterable[InstrumentId]) -> None:
        """What is new to the watcher comes at once, when it is known."""
        for instrument in [each for each in dict.fromkeys(more) if each not in watcher.wants]:
            watcher.wants.add(instrument)
            self._demand[instrument] += 1
            if instrument in self.newest:
                watcher.tell(self.newest[instrument])
            if instrument in self.unknown:
                watcher.unknown.add(instrument)
        for instrument in set(less) & watcher.wants:
            watcher.wants.discard(instrument)
            self._demand[instrument] -= 1
            if not self._demand[instrument]:
                del self._demand[instrument]
        self.demand_changed.set()

    def follow(self, instruments: Iterable[InstrumentId]) -> None:
        """These and no others, besides what watchers want."""
        followed = dict.fromkeys(instruments)
        if followed.keys() != self._followed.keys():
            self._followed = followed
            self.demand_changed.set()

    def wanted(self) -> frozenset[InstrumentId]:
        """What watchers want comes first, then what is followed; each as first asked for."""
        return frozenset(islice(self._asked_for(), self._limit))

    def left_out(self) -> tuple[InstrumentId, ...]:
        """What does not fit."""
        return tuple(islice(self._asked_for(), self._limit, None))

    def _asked_for(self) -> Iterable[InstrumentId]:
        return dict.fromkeys(chain(self._demand, self._followed))

    def put(self, ticks: Iterable[Tick]) -> None:
        for tick in ticks:
            self.unknown.discard(tick.instrument_id)
            self.newest[tick.instrument_id] = tick
            self.unsaved[tick.instrument_id] = tick
            self._tell(tick)

    def confirm(self, instruments: Iterable[InstrumentId], heard_ns: int, *, aloud: bool) -> None:
        """What was silent while its source spoke is what it was; kept, and `aloud` told to watchers too."""
        for instrument in instruments:
            known = self.newest.get(instrument)
            if known is None or known.received_ns > heard_ns:
                continue
            tick = replace(known, received_ns=heard_ns, stale=False)
            self.newest[instrument] = self.unsaved[instrument] = tick
            if aloud or known.stale:
                self._tell(tick)

    def outdate(self, instruments: Iterable[InstrumentId]) -> None:
        """These are too old to go by; said once."""
        for instrument in instruments:
            known = self.newest.get(instrument)
            if known is not None and not known.stale:
                self.newest[instrument] = self.unsaved[instrument] = tick = replace(known, stale=True)
                self._tell(tick)

    def _tell(self, tick: Tick) -> None:
        for watcher in self._watchers:
            watcher.tell(tick)

    def refuse(self, unknown: Iterable[InstrumentId]) -> None:
        """The broker does not know these."""
        for instrument in unknown:
            self.unknown.add(instrument)
            for watcher in self._watchers:
                if instrument in watcher.wants:
                    watcher.unknown.add(instrument)
                    watcher.news.set()
