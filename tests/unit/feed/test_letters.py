"""Frames nobody can use are kept in batches, bounded, and wait for a store that is away."""

from collections.abc import Sequence

from paceline.domain.errors import Unavailable
from paceline.ports.broker import Malformed, MalformedKind
from paceline.ports.journal import DeadLetter
from paceline.runtime.metric_names import DEAD_LETTERS
from services.feed import letters as letterbox
from tests.unit.feed.house import House, an_account, at_work


def put(house: House, count: int) -> None:
    for number in range(count):
        malformed = Malformed(b"%d" % number, MalformedKind.UNPARSEABLE, "not JSON")
        house.letters.put(an_account(), "order_socket", [malformed])


async def test_a_store_that_is_away_is_waited_for(house: House) -> None:
    away = [Unavailable("away"), Unavailable("away")]
    write = house.journal.dead_letter

    async def flaky(letters: Sequence[DeadLetter]) -> None:
        if away:
            raise away.pop()
        await write(letters)

    house.journal.dead_letter = flaky  # type: ignore[method-assign]
    put(house, 3)
    async with at_work(house.letters.run()):
        await house.pass_(3)
    assert [letter.raw for letter in house.journal.letters] == [b"0", b"1", b"2"]


async def test_what_comes_when_too_many_wait_is_only_counted(house: House) -> None:
    limit = letterbox._WAITING_MAX
    put(house, limit + 5)
    await house.letters.flush()
    assert len(house.journal.letters) == limit
    assert house.metrics.value(DEAD_LETTERS, reason="UNPARSEABLE") == limit + 5
