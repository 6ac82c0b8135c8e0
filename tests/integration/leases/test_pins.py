"""One account, one writer: whoever journals it must know the epoch of its pin, and offsets stay one line."""

import asyncio

import pytest

from paceline.adapters.clock import SystemClock
from paceline.adapters.postgres.baselines import PostgresBaselines
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.journal import PostgresJournal, append_within
from paceline.adapters.postgres.leases import PostgresLeases
from paceline.adapters.postgres.listen import JOURNAL, PINS, Listener
from paceline.adapters.postgres.pins import PostgresPins
from paceline.domain.errors import NotOwner
from paceline.domain.ids import AccountId, Epoch, Offset
from paceline.domain.partitioning import partition_of
from paceline.domain.tracking import Baseline
from paceline.ports.journal import Append, Appended
from paceline.ports.leases import Tenure
from tests.integration.storage.makers import HOME, LEADER, a_fill, a_position, accounts_of

NEIGHBOUR = next(
    name
    for name in (AccountId(f"fyers:XN{number}") for number in range(10_000))
    if partition_of(name) == HOME
)
"""Another account in the same partition."""


@pytest.fixture
async def pins(database: Database) -> PostgresPins:
    """Laid, with the partition held by another under epoch 1."""
    leases = PostgresLeases(database, "feed", ttl_ms=2_000)
    await leases.prepare()
    version = next(row.version for row in await leases.rows() if row.partition == HOME)
    await leases.acquire("sharing", "sharing:1", [(HOME, version)])
    made = PostgresPins(database, ttl_ms=2_000)
    await made.prepare([LEADER])
    return made


@pytest.fixture
def journal(database: Database) -> PostgresJournal:
    return PostgresJournal(database)


async def version(pins: PostgresPins) -> int:
    return next(row.version for row in await pins.rows() if row.account_id == LEADER)


async def pinned(pins: PostgresPins, owner: str = "pod") -> Epoch:
    return (await pins.acquire(owner, f"{owner}:1", [(LEADER, await version(pins))]))[LEADER]


def by_pin(epoch: Epoch, count: int = 1) -> Append:
    return Append(HOME, None, [a_fill() for _ in range(count)], pins={LEADER: epoch})


def by_lease(*accounts: AccountId, knowing: Epoch | None = None) -> Append:
    pins = {LEADER: knowing} if knowing is not None else {}
    return Append(HOME, Epoch(1), [a_fill(each) for each in accounts], pins=pins)


async def appended(journal: PostgresJournal, batch: Append) -> Appended:
    (answer,) = await journal.append_many([batch])
    assert isinstance(answer, Appended)
    return answer


async def test_two_writers_of_one_partition_number_their_events_in_one_line(
    pins: PostgresPins, journal: PostgresJournal
) -> None:
    epoch = await pinned(pins)
    tries = [
        appended(journal, by_pin(epoch, 3) if number % 2 else by_lease(NEIGHBOUR, NEIGHBOUR))
        for number in range(20)
    ]
    for answer in await asyncio.gather(*tries):
        assert answer.events
        assert not answer.refused
    events = await journal.read(HOME, Offset(0), 1_000)
    assert [event.offset for event in events] == list(range(1, 51))
    for account, count in ((LEADER, 30), (NEIGHBOUR, 20)):
        mine = [event.sequence for event in events if event.fact.account_id == account]
        assert mine == list(range(1, count + 1))


async def test_the_owner_of_the_partition_writes_nothing_of_a_pinned_account_and_all_of_the_others(
    pins: PostgresPins, journal: PostgresJournal
) -> None:
    await pinned(pins)
    answer = await appended(journal, by_lease(LEADER, NEIGHBOUR, LEADER))
    assert [event.fact.account_id for event in answer.events] == [NEIGHBOUR]
    assert answer.refused == {LEADER}
    assert not answer.known
    with pytest.raises(NotOwner):
        await journal.append(HOME, Epoch(1), [a_fill(NEIGHBOUR), a_fill()])
    assert await journal.heads([HOME]) == {HOME: 1}


async def test_a_holder_who_lost_his_pin_writes_nothing_more(
    pins: PostgresPins, journal: PostgresJournal, database: Database
) -> None:
    await accounts_of(database, LEADER)
    stale = await pinned(pins)
    await pins.vacate([(LEADER, await version(pins))])
    for _ in ("while nobody is pinned", "while another is"):
        assert (await appended(journal, by_pin(stale))).refused == {LEADER}
        with pytest.raises(NotOwner):
            await PostgresBaselines(database).take(
                LEADER, Tenure(HOME, None, stale), Baseline(7), [a_position()]
            )
        assert await pins.renew("pod", [(LEADER, stale)]) == []
        await pinned(pins, "another")
    assert await journal.heads([HOME]) == {HOME: 0}


async def test_whoever_stood_in_must_know_that_the_pin_came_and_went(
    pins: PostgresPins, journal: PostgresJournal
) -> None:
    """What was judged before it may contradict what the holder journaled."""
    assert (await appended(journal, by_lease(LEADER))).events
    epoch = await pinned(pins)
    await pins.release("pod", [(LEADER, epoch)])
    assert (await appended(journal, by_lease(LEADER))).refused == {LEADER}
    (row,) = await pins.rows()
    assert (row.owner, row.epoch) == (None, epoch + 1)
    assert (await appended(journal, by_lease(LEADER, knowing=row.epoch))).events


async def test_without_lease_and_pin_nothing_is_written(pins: PostgresPins, journal: PostgresJournal) -> None:
    assert (await appended(journal, Append(HOME, None, [a_fill(NEIGHBOUR)]))).refused == {NEIGHBOUR}
    assert (await appended(journal, Append(HOME, None, [a_fill()], pins={LEADER: Epoch(0)}))).refused == {
        LEADER
    }


async def test_a_pin_waits_for_what_is_being_journaled(pins: PostgresPins, database: Database) -> None:
    """The new holder restores what is known from the journal: nothing may be committed behind his back."""
    async with database.transaction() as transaction:
        await append_within(transaction, [by_lease(LEADER)])
        taking = asyncio.create_task(pinned(pins))
        await asyncio.wait({taking}, timeout=0.2)
        assert not taking.done()
    assert await taking == 1


async def test_only_what_stood_unchanged_is_taken(pins: PostgresPins) -> None:
    seen = await version(pins)
    tries = [pins.acquire(f"pod{number}", "", [(LEADER, seen)]) for number in range(6)]
    (epoch,) = [won[LEADER] for won in await asyncio.gather(*tries) if won]
    seen = await version(pins)
    (row,) = await pins.rows()
    assert row.owner is not None
    assert await pins.renew(row.owner, [(LEADER, epoch)]) == [LEADER]
    await pins.vacate([(LEADER, seen)])
    assert await pins.renew(row.owner, [(LEADER, epoch)]) == [LEADER]


async def test_readers_of_the_partition_are_told_of_what_a_pin_wrote(
    pins: PostgresPins, journal: PostgresJournal, postgres_url: str
) -> None:
    heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    ready = asyncio.Event()

    async def read_again() -> None:
        ready.set()

    listener = Listener(
        postgres_url, (PINS, JOURNAL), lambda *notice: heard.put_nowait(notice), read_again, SystemClock()
    )
    task = asyncio.create_task(listener.run())
    try:
        await asyncio.wait_for(ready.wait(), 20)
        epoch = await pinned(pins)
        assert await asyncio.wait_for(heard.get(), 20) == (PINS, LEADER)
        await appended(journal, by_lease(NEIGHBOUR))
        await appended(journal, by_pin(epoch))
        assert await asyncio.wait_for(heard.get(), 20) == (JOURNAL, str(HOME))
        assert heard.empty()
    finally:
        task.cancel()
        await asyncio.wait({task})
