"""What sessions found out is written in order, once, in groups, and under the lease it was judged under."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from paceline.domain.errors import Invalid, Unavailable
from paceline.domain.event import Fact
from paceline.domain.ids import AccountId, Epoch, EventIdentity
from paceline.domain.partitioning import partition_of
from paceline.ports.leases import Tenure
from paceline.runtime.metric_names import EVENTS_JOURNALED, JOURNAL_BATCH
from tests.unit.domain.given import LEADER, event, fill
from tests.unit.feed.house import HOME, House, at_work


def some(count: int, first: int = 1) -> list[Fact]:
    return [event(fill(1, trade=f"t{number}")).fact for number in range(first, first + count)]


async def told(house: House, facts: Sequence[Fact], epoch: int = 1) -> None:
    for fact in facts:
        await house.journaler.submit(Tenure(HOME, Epoch(epoch)), [fact], "")


def identities(house: House) -> list[EventIdentity]:
    return [fact.identity for fact in house.facts()]


@pytest.fixture
def dropped(house: House) -> list[AccountId]:
    found: list[AccountId] = []
    house.journaler.on_lost(found.append)
    return found


async def test_what_waits_is_one_commit_in_its_order(house: House) -> None:
    facts = some(70)
    await told(house, facts)
    async with at_work(house.journaler.run()):
        await house.clock.settle()
    assert house.journal.groups == [50, 20]
    assert identities(house) == [fact.identity for fact in facts]
    assert house.hub.head(HOME) == 70
    assert house.metrics.value(EVENTS_JOURNALED, kind="FILL", recovered="false") == 70
    assert house.metrics.value(JOURNAL_BATCH) == 2


async def test_a_commit_whose_answer_was_lost_is_shown_once(house: House) -> None:
    house.journal.failures = [Unavailable("away")]
    house.journal.failures_after = [Unavailable("lost")]
    reader = house.hub.open({HOME: house.hub.head(HOME)}, 100)
    await told(house, some(3))
    async with at_work(house.journaler.run()):
        await house.pass_(2)
        await told(house, some(2, first=4))
        await house.pass_(1)
    shown = (await reader.next(0)).events
    assert [each.offset for each in shown] == [1, 2, 3, 4, 5]


async def test_a_journal_that_cannot_be_read_back_is_asked_until_it_can(house: House) -> None:
    house.journal.failures_after = [Unavailable("lost")]
    house.journal.read_failures = [Unavailable("away"), Unavailable("away")]
    await told(house, some(2))
    async with at_work(house.journaler.run()) as (task,):
        await house.pass_(2)
        assert not task.done()
    assert house.hub.head(HOME) == 2


async def test_a_refusing_database_is_asked_again_and_loses_nothing(house: House) -> None:
    house.journal.failures = [Invalid("events", "no week is laid")]
    await told(house, some(2))
    async with at_work(house.journaler.run()):
        await house.pass_(2)
    assert len(house.facts()) == 2


async def test_a_fact_that_no_journal_can_hold_is_set_aside_alone(house: House) -> None:
    condemned: list[EventIdentity] = []
    house.journaler.on_condemned(lambda fact, _problem: condemned.append(fact.identity))
    facts = some(7)
    house.journal.poison = frozenset({facts[4].identity})
    await told(house, facts)
    async with at_work(house.journaler.run()):
        await house.clock.settle()
    assert condemned == [facts[4].identity]
    assert identities(house) == [fact.identity for fact in facts if fact is not facts[4]]


async def test_a_fenced_partition_gives_its_accounts_up_once(house: House, dropped: list[AccountId]) -> None:
    house.lose(HOME)
    await told(house, some(60))
    async with at_work(house.journaler.run()):
        await house.clock.settle()
    assert dropped == [LEADER]
    assert house.facts() == []


async def test_what_was_judged_under_another_lease_is_not_written(
    house: House, dropped: list[AccountId]
) -> None:
    await told(house, some(2), epoch=7)
    async with at_work(house.journaler.run()):
        await house.clock.settle()
    assert (dropped, house.facts()) == ([LEADER], [])


async def test_without_a_lease_nothing_is_written(house: House, dropped: list[AccountId]) -> None:
    house.clock.suspend(60)
    await told(house, some(2))
    async with at_work(house.journaler.run()):
        await house.clock.settle()
    assert (dropped, house.facts()) == ([LEADER], [])


async def test_a_full_queue_holds_sessions_up_and_lets_them_go_in_turn(house: House) -> None:
    facts = some(130)
    telling = asyncio.create_task(told(house, facts))
    await house.clock.settle()
    assert not telling.done()
    async with at_work(house.journaler.run()):
        await house.pass_(1)
    await telling
    assert identities(house) == [fact.identity for fact in facts]


async def test_drained_is_when_nothing_of_the_partition_waits(house: House) -> None:
    house.journal.failures = [Unavailable("away")]
    await told(house, some(3))
    draining = asyncio.create_task(house.journaler.drained(frozenset({HOME})))
    async with at_work(house.journaler.run()):
        await house.clock.settle()
        assert not draining.done()
        await house.pass_(1)
        assert draining.done()
    assert len(house.facts()) == 3


async def test_an_account_that_was_pinned_meanwhile_is_given_up_and_its_neighbours_are_written(
    house: House, dropped: list[AccountId]
) -> None:
    neighbour = next(
        name
        for name in (AccountId(f"fyers:XN{number}") for number in range(10_000))
        if partition_of(name) == HOME
    )
    facts = some(2)
    house.journal.pins[LEADER] = Epoch(1)
    await told(house, facts)
    await told(house, [replace(facts[0], account_id=neighbour, identity=EventIdentity("of-another"))])
    async with at_work(house.journaler.run()):
        await house.clock.settle()
    assert dropped == [LEADER]
    assert identities(house) == ["of-another"]
