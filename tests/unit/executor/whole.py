"""A whole executor on a clock of the test's own, with a broker and rows in memory."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from paceline.domain.account import AccountType
from paceline.domain.ids import AccountId, Offset, Partition
from paceline.runtime.meter import Meter
from paceline.runtime.metrics import Metrics
from paceline.runtime.partitions import Partitions
from services.executor.changes import Changes
from services.executor.flights import Patience
from services.executor.floor import Floor
from services.executor.links import Links
from services.executor.lots import Lots
from services.executor.results import Results
from services.executor.roster import Roster
from services.executor.sweep import Sweeper
from services.executor.takeover import Reconciler
from services.executor.tenure import Fates, Tenure
from services.executor.timing import Timing
from services.executor.windows import Windows
from tests.fakes.buckets import FakeBuckets
from tests.fakes.clock import FakeClock
from tests.unit.executor.given import (
    FOLLOWER,
    LIMITS,
    FakeBroker,
    FakeInstruments,
    FakeRows,
    held,
    holding,
)
from tests.unit.executor.people import FakeAccounts, FakeCredentials, an_account


class FakeFollower:
    def __init__(self) -> None:
        self.cursors: dict[Partition, Offset] = {}

    def add(self, cursors: Mapping[Partition, Offset]) -> None:
        self.cursors.update(cursors)

    async def drop(self, partitions: Iterable[Partition]) -> None:
        for each in partitions:
            self.cursors.pop(each, None)


class NobodyLiquidates:
    async def prepare(self, partitions: Iterable[Partition]) -> None:
        """Nothing is frozen."""

    async def leave(self, partitions: Iterable[Partition]) -> None:
        """Nothing was begun."""

    def stir(self, account_id: AccountId) -> None:
        """Nobody waits."""


class FakeOffsets:
    async def load(self, consumer: str, partitions: Iterable[Partition]) -> Mapping[Partition, Offset]:
        assert consumer == "executor"
        return {each: Offset(7) for each in partitions}


@dataclass
class World:
    clock: FakeClock
    rows: FakeRows
    broker: FakeBroker
    partitions: Partitions
    floor: Floor
    reconciler: Reconciler
    changes: Changes
    sweeper: Sweeper
    roster: Roster
    follower: FakeFollower
    tenure: Tenure
    fates: Fates
    metrics: Metrics
    windows: Windows

    async def gain(self) -> None:
        await self.tenure.gain([held(self.partitions)])


def _floor(
    clock: FakeClock,
    broker: FakeBroker,
    windows: Windows,
    partitions: Partitions,
    metrics: Metrics,
    results: Results,
    links: Links,
) -> Floor:
    patience = Patience(0, 100, 3, 5_000, lambda _attempt: 0.1)
    return Floor(
        LIMITS,
        broker.send,
        broker.relogin,
        windows.meter,
        partitions,
        clock,
        metrics,
        results.put,
        patience,
        links.answered,
        links.claimed,
    )


@asynccontextmanager
async def an_executor() -> AsyncIterator[World]:
    clock = FakeClock(auto_jump=True)
    rows, broker, partitions, metrics = FakeRows(clock), FakeBroker(clock), await holding(clock), Metrics()
    accounts, credentials = FakeAccounts(), FakeCredentials({FOLLOWER: "token"})
    accounts.put(an_account(FOLLOWER))
    roster = Roster(accounts, credentials, partitions)  # type: ignore[arg-type]  # as much as this needs

    links = Links()
    lots = Lots(FakeInstruments(), clock)  # type: ignore[arg-type]
    results = Results(rows, rows.commands, rows, lots, clock, links.written)  # type: ignore[arg-type]
    buckets = FakeBuckets(clock)
    windows = Windows(Meter(buckets, clock), buckets, rows, LIMITS, clock)  # type: ignore[arg-type]
    floor = _floor(clock, broker, windows, partitions, metrics, results, links)
    reconciler = Reconciler(
        broker.book,
        clock,
        metrics,
        results.put,
        links.shown,
        request_max_ms=4_000,
        settle_ms=2_000,
        reads_at_once=1,
    )
    changes = Changes(
        rows, rows.commands, floor, reconciler, partitions, clock, metrics, results.put, 750  # type: ignore[arg-type]
    )  # fmt: skip
    liquidator = NobodyLiquidates()
    fates = Fates(floor, reconciler, changes, liquidator.stir)
    links.timing = Timing(metrics, lambda _account: AccountType.COPY_FOLLOWER)
    links.changes, links.fates = changes, fates
    sweeper = Sweeper(rows, floor, reconciler, changes, partitions, clock, 750)  # type: ignore[arg-type]
    follower = FakeFollower()
    tenure = Tenure(
        roster, windows, sweeper, floor, results, reconciler, changes, follower, FakeOffsets(), liquidator  # type: ignore[arg-type]
    )  # fmt: skip
    running_parts = (partitions, results, floor, sweeper, reconciler, changes)
    running = [asyncio.create_task(each.run()) for each in running_parts]
    try:
        yield World(
            clock,
            rows,
            broker,
            partitions,
            floor,
            reconciler,
            changes,
            sweeper,
            roster,
            follower,
            tenure,
            fates,
            metrics,
            windows,
        )
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
