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


async def test_a_letter_is_bounded_and_so_are_those_of_one_book(house: House) -> None:
    long = Malformed(b"{" + b"x" * 10_000_000, MalformedKind.UNPARSEABLE, "not JSON")
    house.letters.put(an_account(), "books", [long] * 1_000)
    await house.letters.flush()
    assert 0 < len(house.journal.letters) <= 50
    assert {len(letter.raw) for letter in house.journal.letters} == {16_384}
    assert house.metrics.value(DEAD_LETTERS, reason="UNPARSEABLE") == 1_000


async def test_what_waits_is_bounded_by_its_size(house: House) -> None:
    long = Malformed(b"x" * 20_000, MalformedKind.UNPARSEABLE, "not JSON")
    for _ in range(5_000):
        house.letters.put(an_account(), "order_socket", [long])
    await house.letters.flush()
    assert sum(len(letter.raw) for letter in house.journal.letters) < 33 * 1024 * 1024
    house.letters.put(an_account(), "order_socket", [long])
    kept = len(house.journal.letters)
    await house.letters.flush()
    assert len(house.journal.letters) == kept + 1


async def test_no_secret_is_kept_with_a_letter(house: House) -> None:
    said = b'{"fy_token":"10100000003045","access_token":"abc.def","note":"pin: 1234"}'
    reason = "authorization: 'APP-100:eyJhbGciOi.eyJzdWIi.c2ln' is not understood"
    house.letters.put(an_account(), "order_socket", [Malformed(said, MalformedKind.BAD_VALUE, reason)])
    await house.letters.flush()
    (letter,) = house.journal.letters
    assert letter.raw == b'{"fy_token":"10100000003045","access_token":***,"note":"pin: ***"}'
    assert "APP-100" not in letter.detail
    assert "eyJ" not in letter.detail
