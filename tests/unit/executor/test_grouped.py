"""Many questions of one moment are few; none spoils it for the others, and who is in need goes first."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import pytest

from paceline.domain.errors import AlreadyExists, Invalid, Unavailable
from paceline.domain.ids import InstrumentId
from paceline.ports.prices import Price
from services.executor.grouped import Grouped
from services.executor.quoted import SharedPrices
from services.executor.turns import Turns


class Store:
    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.away = False
        self.open = asyncio.Event()
        self.open.set()

    async def answer(self, numbers: Sequence[int]) -> Sequence[int | Exception]:
        self.asked.append(list(numbers))
        await self.open.wait()
        if self.away:
            raise Unavailable("the store is away")
        if 13 in numbers:
            raise Invalid("number", "must not be 13")
        return [AlreadyExists("number", "7") if each == 7 else 2 * each for each in numbers]


async def test_who_asks_meanwhile_goes_together_with_the_next() -> None:
    store = Store()
    store.open.clear()
    grouped = Grouped(store.answer, most=3)
    first = asyncio.create_task(grouped.ask(0))
    await asyncio.sleep(0)
    others = [asyncio.create_task(grouped.ask(each)) for each in range(1, 6)]
    await asyncio.sleep(0)
    others[1].cancel()
    await asyncio.sleep(0)
    store.open.set()
    answers = await asyncio.gather(first, *others, return_exceptions=True)
    assert [each for each in answers if isinstance(each, int)] == [0, 2, 6, 8, 10]
    assert store.asked == [[0], [1, 3], [4, 5]], "who asks no more is left out"


async def test_a_failure_is_told_to_whom_it_concerns() -> None:
    store = Store()
    grouped = Grouped(store.answer, most=10)
    asked = [grouped.ask(each) for each in (1, 7, 13, 2)]
    one, seven, thirteen, two = await asyncio.gather(*asked, return_exceptions=True)
    assert (one, two) == (2, 4)
    assert isinstance(seven, AlreadyExists)
    assert isinstance(thirteen, Invalid)
    assert len(store.asked) == 5
    store.away = True
    with pytest.raises(Unavailable):
        await grouped.ask(1)
    assert len(store.asked) == 6, "nobody is asked alone while the store is away"


async def test_the_first_places_go_to_who_has_least_left() -> None:
    turns, looked = Turns(1), list[str]()
    done = asyncio.Event()

    async def look(name: str, rank: tuple[bool, bool, Decimal]) -> None:
        async with turns.turn(rank):
            looked.append(name)
            await done.wait()

    waits = {
        "begun": (True, False, Decimal(1)),
        "copy": (False, True, Decimal(1)),
        "gone": (False, False, Decimal(0)),
        "poor": (False, False, Decimal(3)),
        "poorest": (False, False, Decimal(-2)),
    }
    tasks = [asyncio.create_task(look("whoever", (True, True, Decimal(0))))]
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(look(name, rank)) for name, rank in waits.items()]
    await asyncio.sleep(0)
    tasks[3].cancel()
    done.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert looked == ["whoever", "poorest", "poor", "copy", "begun"]


class Board:
    """Prices as they are known."""

    def __init__(self) -> None:
        self.reads: list[set[str]] = []

    async def put(self, prices: Mapping[InstrumentId, Price]) -> None:
        raise NotImplementedError

    async def get(self, instruments: Iterable[InstrumentId]) -> Mapping[InstrumentId, Price]:
        wanted = set(instruments)
        self.reads.append({str(each) for each in wanted})
        return {each: Price(Decimal(5), 0, 0, "socket") for each in wanted if each != "C"}


async def test_prices_of_many_are_one_read_and_each_gets_his_own() -> None:
    board = Board()
    prices = SharedPrices(board)
    wanted = [["A"], ["B", "C"], ["A", "B"]]
    found = await asyncio.gather(*(prices.get(map(InstrumentId, names)) for names in wanted))
    assert [set(each) for each in found] == [{"A"}, {"B"}, {"A", "B"}]
    assert board.reads == [{"A", "B", "C"}]
