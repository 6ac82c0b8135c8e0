"""What every journal promises; run against PostgreSQL and against the fake."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.journal import PostgresJournal
from paceline.domain.account import Broker
from paceline.domain.errors import Invalid, NotOwner
from paceline.domain.event import Event
from paceline.domain.ids import AccountId, Epoch, Offset, Partition
from paceline.domain.partitioning import partition_of
from paceline.ports.broker import MalformedKind
from paceline.ports.journal import Append, Appended, DeadLetter, Journal
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.integration.storage.makers import HOME, LEADER, a_fill, a_position, an_order, own

Own = Callable[[Partition, int], Awaitable[Epoch]]
OTHER = AccountId("fyers:XOTHER")
AWAY = partition_of(OTHER)


@pytest.fixture(params=["postgres", "fake"])
def stage(request: pytest.FixtureRequest) -> tuple[Journal, Own]:
    if request.param == "fake":
        fake = FakeJournal(FakeClock())

        async def own_fake(partition: Partition, epoch: int) -> Epoch:
            fake.own(partition, Epoch(epoch))
            return Epoch(epoch)

        return fake, own_fake
    database = request.getfixturevalue("database")
    return PostgresJournal(database), lambda partition, epoch: own(database, "feed", [partition], epoch)


async def test_facts_become_events_in_their_order_without_holes(stage: tuple[Journal, Own]) -> None:
    journal, owning = stage
    epoch = await owning(HOME, 1)
    facts = [a_fill() for _ in range(3)]
    first = await journal.append(HOME, epoch, facts, ["a", "b", "c"])
    second = await journal.append(HOME, epoch, [a_fill()])
    assert [event.fact for event in first.events] == facts
    assert [event.traceparent for event in first.events] == ["a", "b", "c"]
    assert numbers([*first.events, *second.events]) == [(1, 1), (2, 2), (3, 3), (4, 4)]


async def test_events_are_read_back_as_they_were_written(stage: tuple[Journal, Own]) -> None:
    journal, owning = stage
    epoch = await owning(HOME, 1)
    facts = [an_order(), a_fill(), a_position()]
    written = (await journal.append(HOME, epoch, facts, ["a", "b", "c"])).events
    assert list(await journal.read(HOME, Offset(0), 10)) == list(written)
    assert list(await journal.read(HOME, Offset(1), 1)) == [written[1]]
    assert await journal.heads([HOME, AWAY]) == {HOME: 3, AWAY: 0}


async def test_a_known_fact_is_not_new_in_the_same_call_or_a_later_one(stage: tuple[Journal, Own]) -> None:
    journal, owning = stage
    epoch = await owning(HOME, 1)
    known, new = a_fill(), a_fill()
    assert numbers((await journal.append(HOME, epoch, [known, known])).events) == [(1, 1)]
    again = await journal.append(HOME, epoch, [known, new, known])
    assert numbers(again.events) == [(2, 2)]
    assert again.known == {known.identity}


async def test_accounts_of_one_partition_have_sequences_of_their_own(stage: tuple[Journal, Own]) -> None:
    journal, owning = stage
    epoch = await owning(HOME, 1)
    neighbour = neighbour_of(LEADER)
    await journal.append(HOME, epoch, [a_fill(), a_fill(neighbour), a_fill()])
    assert await journal.sequences([LEADER, neighbour, OTHER]) == {LEADER: 2, neighbour: 1}


async def test_a_stale_epoch_writes_nothing(stage: tuple[Journal, Own]) -> None:
    journal, owning = stage
    old = await owning(HOME, 1)
    await owning(HOME, 2)
    with pytest.raises(NotOwner):
        await journal.append(HOME, old, [a_fill()])
    assert await journal.heads([HOME]) == {HOME: 0}


async def test_a_partition_never_leased_is_refused(stage: tuple[Journal, Own]) -> None:
    with pytest.raises(NotOwner):
        await stage[0].append(HOME, Epoch(1), [a_fill()])


async def test_in_a_group_a_stale_partition_is_refused_alone(stage: tuple[Journal, Own]) -> None:
    journal, owning = stage
    epoch = await owning(HOME, 4)
    await owning(AWAY, 7)
    sound, stale = await journal.append_many(
        [Append(HOME, epoch, [a_fill()]), Append(AWAY, Epoch(6), [a_fill(OTHER)])]
    )
    assert isinstance(sound, Appended)
    assert numbers(sound.events) == [(1, 1)]
    assert isinstance(stale, NotOwner)
    assert await journal.heads([HOME, AWAY]) == {HOME: 1, AWAY: 0}


async def test_a_session_is_restored_from_the_newest_reports_and_every_fill(
    stage: tuple[Journal, Own],
) -> None:
    journal, owning = stage
    epoch = await owning(HOME, 1)
    fills = [a_fill(), a_fill()]
    position, older = a_position(quantity=7), a_position(quantity=5)
    facts = [an_order(revision=1), older, fills[0], an_order(revision=2), fills[1], position]
    events = (await journal.append(HOME, epoch, facts)).events
    restored = await journal.restore([LEADER, OTHER], 0)
    assert restored == {LEADER: [fills[0], facts[3], fills[1], position]}
    assert await journal.restore([LEADER], events[-1].journaled_ns + 1) == {}


async def test_a_frame_nobody_could_use_is_kept_raw(stage: tuple[Journal, Own]) -> None:
    journal, _ = stage
    letters = [
        DeadLetter(Broker.FYERS, account, "order_socket", MalformedKind.UNKNOWN_CLIENT, "XX1", b"\x00{", 17)
        for account in (LEADER, None)
    ]
    await journal.dead_letter(letters)
    assert list(await journal.dead_letters(None, 10)) == letters[::-1]
    assert list(await journal.dead_letters(LEADER, 10)) == letters[:1]


async def test_a_group_names_a_partition_once(database: Database) -> None:
    journal = PostgresJournal(database)
    with pytest.raises(Invalid, match="batches"):
        await journal.append_many([Append(HOME, Epoch(1), []), Append(HOME, Epoch(1), [])])


def numbers(events: tuple[Event, ...] | list[Event]) -> list[tuple[int, int]]:
    return [(event.offset, event.sequence) for event in events]


def neighbour_of(account: AccountId) -> AccountId:
    """Another account in the same partition."""
    names = (AccountId(f"fyers:N{n}") for n in range(10_000))
    return next(name for name in names if partition_of(name) == partition_of(account))


async def test_weeks_are_laid_ahead(database: Database) -> None:
    journal = PostgresJournal(database)
    today = datetime.now(UTC).date()
    assert await journal.lay_weeks(today, 6) == 0
    assert await journal.lay_weeks(today + timedelta(weeks=6), 2) == 2
