"""Outcomes reach their rows: in groups, fenced, and as long as it takes; who must hear of it does, once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from paceline.domain.copy_order import CopyOrder, CopyStatus
from paceline.domain.copying.fold import GivenUp, Placed, SurelyAbsent, Told
from paceline.domain.errors import BrokerOutcomeUnknown, BrokerRejected
from paceline.domain.ids import BrokerOrderId, Epoch
from services.executor.lots import Lots
from services.executor.outcome import Outcome
from services.executor.results import Results
from tests.fakes.clock import FakeClock
from tests.unit.executor.given import HOME, FakeInstruments, FakeRows, order


@dataclass
class World:
    clock: FakeClock
    rows: FakeRows
    results: Results
    heard: list[tuple[CopyOrder, CopyStatus]] = field(default_factory=list)

    async def put(self, order: CopyOrder, told: Told, *, epoch: int = 1) -> None:
        self.results.put(Outcome(order, told, Epoch(epoch), 1, sent_ns=11, answered_ns=12))
        await self.results.drained([HOME])


@asynccontextmanager
async def writing() -> AsyncIterator[World]:
    clock = FakeClock(auto_jump=True)
    rows = FakeRows(clock, epochs={HOME: Epoch(1)})
    heard: list[tuple[CopyOrder, CopyStatus]] = []
    results = Results(
        rows,  # type: ignore[arg-type]  # as much of the port as this needs
        rows.commands,  # type: ignore[arg-type]
        rows,
        Lots(FakeInstruments(), clock),  # type: ignore[arg-type]
        clock,
        lambda outcome, status: heard.append((outcome.order, status)),
    )
    running = asyncio.create_task(results.run())
    try:
        yield World(clock, rows, results, heard)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_an_acceptance_is_written_with_its_moments() -> None:
    async with writing() as world:
        one = order("e1")
        world.rows.put(one)
        await world.put(one, Placed(BrokerOrderId("b1")))
        row = world.rows.rows[one.tag]
        assert (row.order.status, row.order.broker_order_id) == (CopyStatus.WORKING, "b1")
        assert (row.sent_ns, row.accepted_ns, row.attempts) == (11, 12, 1)
        assert world.heard == [(one, CopyStatus.WORKING)]


async def test_what_comes_together_is_written_together() -> None:
    async with writing() as world:
        orders = [order(f"e{n}") for n in range(50)]
        world.rows.put(*orders)
        for each in orders:
            world.results.put(Outcome(each, Placed(BrokerOrderId("b")), Epoch(1), 1))
        await world.results.drained([HOME])
        assert [len(group) for group in world.rows.groups] == [50]


async def test_an_absent_order_is_planned_again_and_heard_of() -> None:
    async with writing() as world:
        lost = order("e1", status=CopyStatus.UNKNOWN)
        world.rows.put(lost)
        await world.put(lost, SurelyAbsent())
        assert world.heard == [(lost, CopyStatus.PLANNED)]


async def test_an_absence_that_the_socket_has_disproved_sends_nothing_again() -> None:
    async with writing() as world:
        lost = order("e1", status=CopyStatus.UNKNOWN)
        world.rows.put(replace(lost, status=CopyStatus.WORKING))
        await world.put(lost, SurelyAbsent())
        assert world.heard == [(lost, CopyStatus.WORKING)]


async def test_a_lost_answer_to_what_the_socket_has_told_is_not_looked_up() -> None:
    async with writing() as world:
        one = order("e1")
        world.rows.put(replace(one, status=CopyStatus.FILLED))
        await world.put(one, BrokerOutcomeUnknown("reset"))
        assert world.heard == [(one, CopyStatus.WORKING)]
        assert world.rows.status(one) is CopyStatus.FILLED


async def test_an_end_releases_its_quantity_in_the_same_transaction() -> None:
    async with writing() as world:
        refused, given_up = order("e1"), order("e2")
        world.rows.put(refused, given_up)
        await world.put(refused, BrokerRejected("no margin", code="-99"))
        await world.put(given_up, GivenUp("TOO_OLD"))
        assert world.rows.rows[refused.tag].error_text == "no margin"
        assert world.rows.rows[refused.tag].error_code == "-99"
        assert world.rows.rows[given_up.tag].error_code == "TOO_OLD"
        assert {line.cause for decided in world.rows.decided for line in decided.lines} == {
            refused.tag,
            given_up.tag,
        }


async def test_a_database_that_is_away_is_waited_for_and_nobody_hears_twice() -> None:
    async with writing() as world:
        accepted, absent = order("e1"), order("e2", status=CopyStatus.UNKNOWN)
        world.rows.put(accepted, absent)
        world.rows.failures = 3
        world.results.put(Outcome(accepted, Placed(BrokerOrderId("b1")), Epoch(1), 1))
        await world.put(absent, SurelyAbsent())
        assert world.heard == [(accepted, CopyStatus.WORKING), (absent, CopyStatus.PLANNED)]


async def test_a_commit_whose_answer_was_lost_is_written_again_and_heard_of_once() -> None:
    async with writing() as world:
        absent = order("e1", status=CopyStatus.UNKNOWN)
        world.rows.put(absent)
        world.rows.lose_answer = True
        await world.put(absent, SurelyAbsent())
        assert world.heard == [(absent, CopyStatus.PLANNED)]


async def test_what_was_learned_under_a_lost_lease_is_not_written() -> None:
    async with writing() as world:
        accepted, absent = order("e1"), order("e2", status=CopyStatus.UNKNOWN)
        world.rows.put(accepted, absent)
        world.rows.epochs[HOME] = Epoch(2)
        await world.put(accepted, Placed(BrokerOrderId("b1")))
        await world.put(absent, SurelyAbsent())
        assert world.rows.status(accepted) is CopyStatus.PLANNED
        assert world.rows.status(absent) is CopyStatus.UNKNOWN
        assert world.heard == []


async def test_of_a_lease_lost_and_won_again_only_the_newer_word_counts() -> None:
    async with writing() as world:
        old, new = order("e1"), order("e2")
        world.rows.put(old, new)
        world.rows.epochs[HOME] = Epoch(3)
        world.results.put(Outcome(old, Placed(BrokerOrderId("b1")), Epoch(1), 1))
        world.results.put(Outcome(new, Placed(BrokerOrderId("b2")), Epoch(3), 1))
        await world.results.drained([HOME])
        assert world.heard == [(new, CopyStatus.WORKING)]


async def test_a_row_that_is_not_there_is_nobodys_news() -> None:
    async with writing() as world:
        await world.put(order("e1"), BrokerRejected("no"))
        assert world.heard == []
