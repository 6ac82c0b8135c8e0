"""A baseline is taken once, with what was held, by the owner alone."""

import asyncio

import pytest

from paceline.adapters.postgres.baselines import PostgresBaselines
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.journal import PostgresJournal
from paceline.domain.errors import NotOwner
from paceline.domain.ids import Epoch, Offset
from paceline.domain.tracking import Baseline
from paceline.ports.leases import Tenure
from tests.integration.storage.makers import HOME, LEADER, a_position, accounts_of, own


@pytest.fixture
async def baselines(database: Database) -> PostgresBaselines:
    await accounts_of(database, LEADER)
    return PostgresBaselines(database)


def taken(at_ns: int) -> Baseline:
    return Baseline(at_ns, frozenset({f"trade {at_ns}", "order:stood:1"}))


async def journaled(database: Database) -> int:
    return len(await PostgresJournal(database).read(HOME, Offset(0), 100))


async def test_it_stands_with_what_was_held(baselines: PostgresBaselines, database: Database) -> None:
    epoch = await own(database, "feed", [HOME])
    assert await baselines.of([LEADER]) == {}
    assert await baselines.take(LEADER, Tenure(HOME, epoch), taken(7), [a_position(), a_position()])
    assert (await baselines.of([LEADER]), await journaled(database)) == ({LEADER: taken(7)}, 2)


async def test_the_first_one_stands_and_a_later_one_writes_nothing(
    baselines: PostgresBaselines, database: Database
) -> None:
    epoch = await own(database, "feed", [HOME])
    tries = [
        baselines.take(LEADER, Tenure(HOME, epoch), taken(number), [a_position()]) for number in range(1, 6)
    ]
    answers = await asyncio.gather(*tries)
    assert sorted(answers) == [False] * 4 + [True]
    assert (await baselines.of([LEADER]))[LEADER] == taken(answers.index(True) + 1)
    assert await journaled(database) == 1


async def test_a_stale_owner_takes_nothing(baselines: PostgresBaselines, database: Database) -> None:
    await own(database, "feed", [HOME], epoch=2)
    with pytest.raises(NotOwner):
        await baselines.take(LEADER, Tenure(HOME, Epoch(1)), taken(7), [a_position()])
    assert (await baselines.of([LEADER]), await journaled(database)) == ({}, 0)


async def test_one_of_which_only_the_time_was_kept_stands_as_it_is(
    baselines: PostgresBaselines, database: Database
) -> None:
    await database.execute("INSERT INTO baselines (account_id, taken_ns) VALUES ($1, 5)", LEADER)
    assert await baselines.of([LEADER]) == {LEADER: Baseline(5)}
