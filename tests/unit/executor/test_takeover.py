"""Found by its tag, or surely absent: two settled reads, some time apart, and nothing less."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from paceline.domain.copying.fold import SurelyAbsent
from paceline.domain.errors import BrokerError, BrokerOutcomeUnknown
from paceline.domain.ids import AccountId, BrokerOrderId, CommandId, Epoch
from paceline.domain.order import BrokerStatus, OrderReport
from paceline.ports.broker import Book, BookRow, Malformed, MalformedKind
from paceline.runtime.metric_names import ORDERS_UNKNOWN, RECONCILES
from paceline.runtime.metrics import Metrics
from services.executor.books import Reading
from services.executor.outcome import Outcome
from services.executor.takeover import Reconciler, Sought
from tests.fakes.clock import FakeClock
from tests.unit.domain.given import report
from tests.unit.executor.given import FOLLOWER, HOME, S, a_change, order

REQUEST_S, SETTLE_S = 4, 2
LATE_S = 60


@dataclass
class World:
    clock: FakeClock
    metrics: Metrics
    book: list[OrderReport] = field(default_factory=list)
    malformed: tuple[Malformed, ...] = ()
    failure: BrokerError | None = None
    waits_s: float = 0.0
    """For the limits, before the broker is asked."""
    reads: list[int] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    shown: list[tuple[CommandId, OrderReport | None, bool]] = field(default_factory=list)

    async def read(self, account_id: AccountId) -> Reading:
        await self.clock.sleep(self.waits_s)
        if self.failure:
            raise self.failure
        asked_ns = self.clock.monotonic_ns()
        self.reads.append(asked_ns)
        rows = tuple(BookRow(each, bytes) for each in self.book)
        return Reading(Book(rows, self.malformed, self.clock.now_ns()), asked_ns, asked_ns)

    def show(self, sought: Sought, report: OrderReport | None, *, settled: bool) -> bool:
        self.shown.append((sought.command.command_id, report, settled))
        return settled or report is not None

    async def until_settled(self) -> Outcome:
        for _ in range(LATE_S * 10):
            if self.outcomes:
                return self.outcomes[0]
            await self.clock.sleep(0.1)
        raise AssertionError("nothing was settled")


@asynccontextmanager
async def reconciling() -> AsyncIterator[tuple[World, Reconciler]]:
    clock = FakeClock(auto_jump=True)
    world = World(clock, Metrics())
    reconciler = Reconciler(
        world.read,
        clock,
        world.metrics,
        world.outcomes.append,
        world.show,
        request_max_ms=REQUEST_S * 1000,
        settle_ms=SETTLE_S * 1000,
        reads_at_once=4,
    )
    running = asyncio.create_task(reconciler.run())
    try:
        yield world, reconciler
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def standing(tag: str, status: BrokerStatus = BrokerStatus.PENDING, number: str = "b1") -> OrderReport:
    return report(status, order=number, account=FOLLOWER, tag=tag)


async def test_what_the_book_shows_is_told_at_the_first_look() -> None:
    async with reconciling() as (world, reconciler):
        lost = order("e1")
        world.book = [standing(lost.tag)]
        reconciler.suspect(lost, 2, Epoch(7))
        told = await world.until_settled()
        assert (told.told, told.attempts, told.epoch) == (world.book[0], 2, 7)
        assert world.clock.monotonic_ns() < SETTLE_S * S
        assert reconciler.open() == 0
        assert world.metrics.value(RECONCILES, cause="lookup", outcome="found") == 1


async def test_absence_needs_two_settled_reads_apart() -> None:
    async with reconciling() as (world, reconciler):
        reconciler.suspect(order("e1"), 1, Epoch(1))
        told = await world.until_settled()
        assert told.told == SurelyAbsent()
        settled = [at for at in world.reads if at >= (REQUEST_S + SETTLE_S) * S]
        assert len(settled) == 2
        assert settled[1] - settled[0] >= SETTLE_S * S


async def test_early_reads_never_prove_absence() -> None:
    async with reconciling() as (world, reconciler):
        reconciler.suspect(order("e1"), 1, Epoch(1))
        await world.clock.sleep(REQUEST_S + SETTLE_S - 0.5)
        assert len(world.reads) >= 2
        assert world.outcomes == []


async def test_a_read_that_waited_for_the_limits_counts_from_when_it_was_asked() -> None:
    async with reconciling() as (world, reconciler):
        world.waits_s = 5
        reconciler.suspect(order("e1"), 1, Epoch(1))
        await world.until_settled()
        assert world.reads[-1] - world.reads[-2] >= SETTLE_S * S


async def test_a_book_with_a_row_that_cannot_be_read_proves_nothing() -> None:
    async with reconciling() as (world, reconciler):
        world.malformed = (Malformed(b"{}", MalformedKind.MISSING_FIELD, "no tag"),)
        reconciler.suspect(order("e1"), 1, Epoch(1))
        await world.clock.sleep(LATE_S)
        assert (world.outcomes, reconciler.open()) == ([], 1)
        assert world.metrics.value(ORDERS_UNKNOWN) == 1


async def test_a_malformed_book_finds_all_the_same() -> None:
    async with reconciling() as (world, reconciler):
        lost = order("e1")
        world.malformed = (Malformed(b"{}", MalformedKind.MISSING_FIELD, "no tag"),)
        world.book = [standing(lost.tag)]
        reconciler.suspect(lost, 1, Epoch(1))
        assert (await world.until_settled()).told == world.book[0]


async def test_a_book_that_cannot_be_read_is_read_again() -> None:
    async with reconciling() as (world, reconciler):
        world.failure = BrokerOutcomeUnknown("502")
        reconciler.suspect(order("e1"), 1, Epoch(1))
        await world.clock.sleep(LATE_S)
        assert world.outcomes == []
        world.failure = None
        assert (await world.until_settled()).told == SurelyAbsent()


async def test_what_is_in_transit_is_there_but_says_nothing_yet() -> None:
    async with reconciling() as (world, reconciler):
        lost = order("e1")
        world.book = [standing(lost.tag, BrokerStatus.IN_TRANSIT)]
        reconciler.suspect(lost, 1, Epoch(1))
        await world.clock.sleep(5)
        world.book = []
        await world.clock.sleep(LATE_S)
        assert world.outcomes == []
        world.book = [standing(lost.tag, BrokerStatus.REJECTED)]
        assert (await world.until_settled()).told == world.book[0]


async def test_two_orders_under_one_tag_are_reported_and_the_first_is_ours() -> None:
    async with reconciling() as (world, reconciler):
        lost = order("e1")
        later = replace(standing(lost.tag, number="b2"), broker_time_ns=9 * 10**18)
        world.book = [later, standing(lost.tag, number="b1")]
        reconciler.suspect(lost, 1, Epoch(1))
        told = (await world.until_settled()).told
        assert isinstance(told, OrderReport)
        assert told.order_id == BrokerOrderId("b1")


async def test_one_read_answers_for_all_orders_of_an_account() -> None:
    async with reconciling() as (world, reconciler):
        lost = [order(f"e{n}") for n in range(20)]
        world.book = [standing(each.tag) for each in lost]
        for each in lost:
            reconciler.suspect(each, 1, Epoch(1))
        await world.until_settled()
        assert (len(world.outcomes), len(world.reads)) == (20, 1)


async def test_the_socket_may_be_faster() -> None:
    async with reconciling() as (world, reconciler):
        lost = order("e1")
        reconciler.suspect(lost, 1, Epoch(1))
        assert reconciler.told(lost)
        assert not reconciler.told(lost)
        await world.clock.sleep(LATE_S)
        assert (world.outcomes, world.reads) == ([], [])


async def test_a_partition_that_leaves_takes_its_questions_along() -> None:
    async with reconciling() as (world, reconciler):
        reconciler.suspect(order("e1"), 1, Epoch(1))
        reconciler.leave([HOME])
        await world.clock.sleep(LATE_S)
        assert (world.outcomes, reconciler.open()) == ([], 0)


async def test_a_new_doubt_begins_anew() -> None:
    """Lost and won again: another owner may have sent it meanwhile."""
    async with reconciling() as (world, reconciler):
        lost = order("e1")
        reconciler.suspect(lost, 1, Epoch(1))
        await world.clock.sleep(REQUEST_S + SETTLE_S + 1)
        again_ns = world.clock.monotonic_ns()
        reconciler.leave([HOME])
        reconciler.suspect(lost, 1, Epoch(3))
        told = await world.until_settled()
        assert told.epoch == 3
        assert world.clock.monotonic_ns() - again_ns >= (REQUEST_S + 2 * SETTLE_S) * S


async def test_a_change_is_shown_its_order_and_whether_all_that_was_sent_has_arrived() -> None:
    async with reconciling() as (world, reconciler):
        one = replace(order("e1"), broker_order_id=BrokerOrderId("b1"))
        gone = a_change(one)
        world.book = [standing(one.tag, number="b0"), standing(one.tag)]
        reconciler.seek(gone, one, patiently=False)
        await world.clock.sleep(SETTLE_S / 2)
        assert world.shown == [(gone.command_id, world.book[1], False)]
        await world.clock.sleep(LATE_S)
        assert len(world.reads) == 1
        assert world.metrics.value(RECONCILES, cause="change", outcome="found") == 1


async def test_a_change_whose_order_no_book_shows_is_told_so_once_it_is_settled() -> None:
    async with reconciling() as (world, reconciler):
        gone = a_change(order("e1"))
        reconciler.seek(gone, order("e1"), patiently=True)
        await world.clock.sleep(REQUEST_S + SETTLE_S - 1)
        assert world.reads == []
        await world.clock.sleep(LATE_S)
        assert world.shown == [(gone.command_id, None, True)]


async def test_of_what_the_socket_told_or_someone_else_holds_no_book_is_read() -> None:
    async with reconciling() as (world, reconciler):
        told, left = a_change(order("e1")), a_change(order("e2"))
        reconciler.seek(told, order("e1"), patiently=True)
        reconciler.unseek(told)
        reconciler.seek(left, order("e2"), patiently=True)
        reconciler.leave([HOME])
        await world.clock.sleep(LATE_S)
        assert (world.reads, world.shown) == ([], [])
