"""Whose liquidation looks at the broker's books when many want to."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast

from paceline.domain.copy_order import CopyCommand, CopyOrder
from paceline.domain.ids import AccountId, Epoch, LiquidationId, Partition, SubscriptionId
from paceline.domain.liquidation import Liquidation, LiquidationCause, LiquidationLevel, View
from paceline.domain.partitioning import partition_of
from paceline.ports.liquidations import Act, Liquidations
from paceline.runtime.metrics import Metrics
from paceline.runtime.partitions import Held, Partitions
from services.executor.freezes import Freezes
from services.executor.hands import Hands
from services.executor.liquidate import Liquidator, Outlets
from services.executor.liquidation_view import Memory, Sight, Sights
from tests.fakes.clock import FakeClock

SETTLE_MS = 2_000
BREATH_S, PACE_S = 0.25, 1.0


class Table:
    async def create(
        self, epochs: Mapping[Partition, Epoch], wanted: Sequence[Liquidation]
    ) -> Sequence[Liquidation]:
        return wanted

    async def running(self, partitions: Collection[Partition]) -> Sequence[Liquidation]:
        return ()

    async def act(
        self, epochs: Mapping[Partition, Epoch], acts: Sequence[Act]
    ) -> Sequence[Sequence[CopyOrder]]:
        return [() for _ in acts]


class Books:
    """Something is always in the way, so that everyone looks again; `slow` waits for its books."""

    def __init__(self, clock: FakeClock, slow: LiquidationId) -> None:
        self.looks: Counter[LiquidationId] = Counter()
        self.answer = asyncio.Event()
        self._clock = clock
        self._slow = slow

    async def look(self, of: Liquidation, memory: Memory) -> Sight:
        self.looks[of.liquidation_id] += 1
        if of.liquidation_id == self._slow:
            await self.answer.wait()
        memory.looks = {}
        return Sight(View(self._clock.now_ns(), of.level, others=1))


class Leases:
    def held(self) -> frozenset[Partition]:
        return frozenset(map(Partition, range(256)))

    def lease(self, partition: Partition) -> Held:
        return Held(partition, Epoch(1), 0)


async def bring_nothing(_: Sequence[CopyCommand]) -> None:
    """No order is open that could be changed."""


def copies(number: int) -> Liquidation:
    return Liquidation(
        LiquidationId(f"l{number}"),
        AccountId(f"fyers:X{number}"),
        LiquidationLevel.FLATTEN,
        LiquidationCause.CASCADE,
        subscription_id=SubscriptionId(f"s{number}"),
    )


@asynccontextmanager
async def under_way(
    clock: FakeClock, books: Books, wanted: Sequence[Liquidation]
) -> AsyncIterator[Liquidator]:
    """Nothing is ever sold, so that no hands are needed."""
    table = cast(Liquidations, Table())
    liquidator = Liquidator(
        table,
        Freezes(table, "me"),
        cast(Sights, books),
        cast(Hands, None),
        Outlets(lambda _: None, bring_nothing, lambda _: None),
        cast(Partitions, Leases()),
        clock,
        Metrics(),
        SETTLE_MS,
    )
    await liquidator.begin_all(wanted)
    await clock.settle()
    yield liquidator
    await liquidator.leave({partition_of(each.account_id) for each in wanted})


async def passes(clock: FakeClock, seconds: float) -> None:
    for _ in range(round(seconds / 0.05)):
        clock.advance(0.05)
        await clock.settle()


async def test_who_was_looked_at_leaves_the_first_look_to_others_but_not_for_ever() -> None:
    clock, wanted = FakeClock(), [copies(n) for n in range(3)]
    slow = wanted[2].liquidation_id
    books = Books(clock, slow)
    async with under_way(clock, books, wanted):
        assert set(books.looks.values()) == {1}
        await passes(clock, BREATH_S + PACE_S + 0.1)
        assert set(books.looks.values()) == {1}
        await passes(clock, PACE_S)
        assert [books.looks[each.liquidation_id] for each in wanted] == [2, 2, 1]
        books.answer.set()
        await passes(clock, BREATH_S + PACE_S + 0.1)
        assert [books.looks[each.liquidation_id] for each in wanted] == [3, 3, 2]


async def test_whose_partition_is_gone_keeps_nobody_waiting() -> None:
    clock, wanted = FakeClock(), [copies(n) for n in range(2)]
    slow = wanted[1].liquidation_id
    books = Books(clock, slow)
    async with under_way(clock, books, wanted) as liquidator:
        await liquidator.leave({partition_of(wanted[1].account_id)})
        await passes(clock, BREATH_S + PACE_S + 0.1)
        assert [books.looks[each.liquidation_id] for each in wanted] == [2, 1]
