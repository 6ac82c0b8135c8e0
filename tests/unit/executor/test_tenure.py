"""What begins and ends with a lease: rows of former owners are marked before anything of ours is sent."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from paceline.adapters.wire.copy_orders import copy_order_to_wire
from paceline.api.v1 import executor_pb2
from paceline.domain.account import AccountType
from paceline.domain.copy_order import CopyOrder, CopyStatus
from paceline.domain.copying.fold import GivenUp, SurelyAbsent
from paceline.domain.errors import BrokerOutcomeUnknown, NotOwner, Unavailable
from paceline.domain.ids import AccountId, Epoch, Partition
from services.executor.lots import Lots
from services.executor.outcome import Outcome
from services.executor.roster import Roster
from services.executor.servicer import ExecutorServicer
from services.executor.warm import Warmer
from tests.fakes.clock import FakeClock
from tests.unit.executor.given import (
    FOLLOWER,
    HOME,
    FakeInstruments,
    S,
    held,
    holding,
    order,
)
from tests.unit.executor.people import FakeAccounts, FakeCredentials, an_account
from tests.unit.executor.whole import NobodyLiquidates, an_executor


async def test_rows_of_former_owners_are_looked_up_and_new_ones_are_sent() -> None:
    async with an_executor() as world:
        planned, unknown = order("e1"), order("e2", status=CopyStatus.UNKNOWN)
        before_ns = held(world.partitions).acquired_ns - 1
        world.rows.put(planned, unknown, written_ns=before_ns, attempts=2)
        await world.gain()
        assert world.reconciler.open() == 2
        assert world.follower.cursors == {HOME: 7}
        fresh = order("e3")
        world.rows.put(fresh)
        await world.clock.sleep(3)
        assert world.broker.tags == [fresh.tag]
        assert world.rows.status(fresh) is CopyStatus.WORKING


async def test_a_row_that_no_message_brought_is_swept_up_after_a_while() -> None:
    async with an_executor() as world:
        await world.gain()
        forgotten = order("e1")
        world.rows.put(forgotten)
        await world.clock.sleep(0.5)
        assert world.broker.sent == []
        await world.clock.sleep(1)
        assert world.broker.tags == [forgotten.tag]


async def test_nothing_is_swept_before_its_partition_is_open_or_when_it_is_away() -> None:
    async with an_executor() as world:
        world.rows.put(order("e1"))
        await world.clock.sleep(3)
        assert world.broker.sent == []
        world.rows.failures = 2
        await world.clock.sleep(3)
        await world.gain()
        await world.clock.sleep(2)
        assert len(world.broker.sent) == 1


async def test_a_gain_that_fails_sends_nothing() -> None:
    async with an_executor() as world:
        world.rows.failures = 99
        with pytest.raises(Unavailable):
            await world.gain()
        assert world.floor.take_in([order("e1")])[2] != []


async def test_what_is_in_the_air_lands_before_a_partition_is_handed_over() -> None:
    async with an_executor() as world:
        await world.gain()
        one = order("e1")
        world.rows.put(one)
        world.broker.takes_s = 1.0
        world.floor.take_in([one])
        await world.clock.sleep(0.1)
        await world.tenure.surrender([HOME])
        assert world.rows.status(one) is CopyStatus.WORKING
        assert world.follower.cursors == {}


async def test_what_does_not_land_in_time_is_handed_over_as_unknown() -> None:
    async with an_executor() as world:
        await world.gain()
        one = order("e1")
        world.rows.put(one)
        world.broker.silent = {one.tag}
        world.floor.take_in([one])
        await world.clock.sleep(0.1)

        async def in_time() -> None:
            async with asyncio.timeout(10):
                await world.tenure.surrender([HOME])

        await in_time()
        assert world.rows.status(one) is CopyStatus.UNKNOWN
        assert world.reconciler.open() == 0


async def test_a_lost_answer_is_looked_into_and_a_sure_absence_sent_again() -> None:
    async with an_executor() as world:
        await world.gain()
        one = order("e1")
        world.rows.put(one)
        world.broker.says[one.tag] = [BrokerOutcomeUnknown("reset")]
        world.floor.take_in([one])
        await world.clock.sleep(0.5)
        assert world.rows.status(one) is CopyStatus.UNKNOWN
        assert world.reconciler.open() == 1
        absent = Outcome(replace(one, status=CopyStatus.UNKNOWN), SurelyAbsent(), Epoch(1), 1)
        world.tenure.results.put(absent)
        await world.clock.sleep(0.5)
        assert world.broker.tags == [one.tag, one.tag]
        assert world.rows.rows[one.tag].attempts == 2


async def test_a_row_that_says_nothing_new_stays_known_and_unsent() -> None:
    async with an_executor() as world:
        await world.gain()
        one = order("e1")
        world.floor.mark(one)
        world.fates.written(Outcome(one, GivenUp("TOO_OLD"), Epoch(1), 1), CopyStatus.PLANNED)
        assert world.floor.knows(one.copy_order_id)
        await world.clock.sleep(1)
        assert world.broker.sent == []


async def test_the_socket_settles_what_was_looked_for() -> None:
    async with an_executor() as world:
        lost = order("e1", status=CopyStatus.UNKNOWN)
        world.reconciler.suspect(lost, 1, Epoch(1))
        world.fates.observed(lost)
        assert world.reconciler.open() == 1
        world.fates.observed(replace(lost, status=CopyStatus.WORKING))
        assert world.reconciler.open() == 0


async def test_a_sweep_of_what_is_no_longer_held_does_nothing() -> None:
    async with an_executor() as world:
        world.rows.put(order("e1"))
        row = next(iter(world.rows.rows.values()))

        def gone(_partition: Partition) -> None:
            raise NotOwner("gone")

        world.sweeper._partitions = _Only(gone)  # type: ignore[assignment]
        world.sweeper._look_at(row)
        assert world.reconciler.open() == 0


class _Only:
    def __init__(self, lease: object) -> None:
        self.lease = lease

    def held(self) -> frozenset[Partition]:
        return frozenset()


async def test_accounts_are_known_by_their_lease_and_those_who_came_later_by_their_orders() -> None:
    clock = FakeClock()
    partitions, accounts, credentials = await holding(clock), FakeAccounts(), FakeCredentials()
    later = AccountId("fyers:LATER")
    accounts.put(an_account(FOLLOWER, AccountType.LIVE, egress="127.0.0.9"), an_account(later))
    credentials.stored = {FOLLOWER: "a", later: "b"}
    roster = Roster(accounts, credentials, partitions)  # type: ignore[arg-type]
    await roster.gain([HOME])
    assert (roster.type_of(FOLLOWER), roster.accounts()) == (AccountType.LIVE, [FOLLOWER])
    assert roster.type_of(later) is AccountType.COPY_FOLLOWER
    await roster.prepare([FOLLOWER, later])
    assert credentials.get(later).token.reveal() == "b"
    reads = accounts.reads
    await roster.prepare([FOLLOWER, later])
    assert accounts.reads == reads
    assert roster.egresses() == {"127.0.0.9": 1, "": 1}
    credentials.stored[later] = "c"
    assert await roster.changed([later]) == [later]
    assert credentials.get(later).token.reveal() == "c"
    roster.lose([HOME])
    assert roster.accounts() == [later]


async def test_each_egress_is_warmed_once() -> None:
    clock, warmed = FakeClock(auto_jump=True), []

    async def warm(wanted: Mapping[str, int]) -> int:
        warmed.append(dict(wanted))
        return sum(wanted.values())

    egresses = {"": 3, "127.0.0.9": 200}
    running = asyncio.create_task(Warmer(warm, lambda: egresses, clock, 100).run())
    await clock.sleep(5)
    running.cancel()
    assert warmed == [{"": 3, "127.0.0.9": 100}]


async def test_a_batch_is_acknowledged_by_what_came_in() -> None:
    async with an_executor() as world:
        await world.gain()
        await world.clock.sleep(2)
        servicer = ExecutorServicer(
            world.floor.hint, world.changes.bring, world.roster.prepare, NobodyLiquidates()  # type: ignore[arg-type]
        )  # fmt: skip
        one = order("e1", planned_ns=world.clock.now_ns())
        foreign = order("e2", account=AccountId("fyers:ELSEWHERE"), planned_ns=world.clock.now_ns())
        answers = await _answers(servicer, _batch("b1", one, one, foreign))
        (ack,) = answers[0].acks
        assert (ack.batch_id, ack.accepted, ack.known) == ("b1", 1, 1)
        assert list(ack.not_owned_ids) == [foreign.copy_order_id]


def _batch(name: str, *orders: CopyOrder) -> executor_pb2.ExecuteRequest:
    return executor_pb2.ExecuteRequest(batch_id=name, orders=[copy_order_to_wire(each) for each in orders])


async def _answers(servicer: ExecutorServicer, *requests: Any) -> list[executor_pb2.ExecuteResponse]:
    async def arriving() -> AsyncIterator[executor_pb2.ExecuteRequest]:
        for each in requests:
            yield each

    return [each async for each in servicer.Execute(arriving(), None)]


async def _nothing(_accounts: Iterable[AccountId]) -> None:
    return None


async def test_instruments_are_read_once_until_they_are_forgotten() -> None:
    clock = FakeClock(auto_jump=True)
    instruments = FakeInstruments()
    lots = Lots(instruments, clock)  # type: ignore[arg-type]
    (known,) = instruments.known
    running = asyncio.create_task(lots.forget_daily())
    assert known in await lots.of([known])
    assert known in await lots.of([known])
    assert len(instruments.reads) == 1
    await clock.sleep(3_600)
    assert known in await lots.of([known])
    running.cancel()
    assert len(instruments.reads) == 2
    assert S
