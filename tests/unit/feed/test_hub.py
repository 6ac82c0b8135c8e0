"""Readers get everything in order from any place; a slow one costs nobody anything."""

from paceline.domain.event import Event
from paceline.domain.ids import Epoch, Offset, Partition
from services.feed.hub import Hub
from tests.unit.domain.given import event, fill
from tests.unit.feed.house import HOME, House

OTHER = Partition((HOME + 1) % 256)
ZERO = Offset(0)


async def journaled(house: House, count: int, partition: Partition = HOME) -> list[Event]:
    known = len(house.journal.events.get(partition, []))
    facts = [event(fill(1, trade=f"{partition}.{known + number}")).fact for number in range(1, count + 1)]
    return list((await house.journal.append(partition, Epoch(1), facts)).events)


async def test_new_events_are_pushed_from_memory(house: House) -> None:
    reader = house.hub.open({HOME: ZERO}, 100)
    first = await reader.next(0)
    assert (first.events, first.caught_up) == ((), {HOME: 0})
    house.hub.publish(await journaled(house, 2))
    stretch = await reader.next(10)
    assert [each.offset for each in stretch.events] == [1, 2]
    assert stretch.caught_up == {HOME: 2}
    assert (await reader.next(0.001)).events == ()


async def test_older_than_the_ring_comes_from_the_journal_and_joins_without_a_seam(house: House) -> None:
    house.hub.publish(await journaled(house, 20))
    reader = house.hub.open({HOME: Offset(3)}, 6)
    seen: list[int] = []
    while len(seen) < 17:
        stretch = await reader.next(0)
        assert len(stretch.events) <= 6
        seen += [each.offset for each in stretch.events]
    assert seen == list(range(4, 21))


async def test_a_reader_that_takes_nothing_delays_nobody_and_keeps_nothing(house: House) -> None:
    slow, quick = house.hub.open({HOME: ZERO}, 10), house.hub.open({HOME: ZERO}, 10)
    for _ in range(30):
        house.hub.publish(await journaled(house, 10))
        assert len((await quick.next(0)).events) == 10
    assert house.hub.lag() == slow.lag() == 300
    assert house.hub.readers() == 2
    assert [each.offset for each in (await slow.next(0)).events] == list(range(1, 11))
    house.hub.close(slow)
    assert (house.hub.readers(), house.hub.lag()) == (1, 0)


async def test_a_busy_partition_keeps_no_other_waiting(house: House) -> None:
    reader = house.hub.open({HOME: ZERO, OTHER: ZERO}, 10)
    house.hub.publish(await journaled(house, 100))
    house.hub.publish(await journaled(house, 1, OTHER))
    seen = [each.partition for _ in range(3) for each in (await reader.next(0)).events]
    assert OTHER in seen


async def test_a_partition_that_leaves_ends_and_the_others_go_on(house: House) -> None:
    reader = house.hub.open({HOME: ZERO, OTHER: ZERO}, 10)
    await reader.next(0)
    house.hub.close_partitions([HOME])
    assert (await reader.next(10)).ended == (HOME,)
    assert not house.hub.serves(HOME)
    assert (await house.hub.read(HOME, ZERO, 10)) == ()
    house.hub.publish(await journaled(house, 1))
    house.hub.publish(await journaled(house, 1, OTHER))
    assert {each.partition for each in (await reader.next(0)).events} == {OTHER}


async def test_a_gap_is_told_and_filled_from_the_journal(house: House) -> None:
    reader = house.hub.open({HOME: ZERO}, 100)
    written = await journaled(house, 9)
    assert house.hub.publish(written[:2]) == frozenset()
    assert house.hub.publish(written[5:]) == {HOME}
    assert house.hub.head(HOME) == 2
    await house.hub.catch_up(HOME)
    await house.hub.catch_up(HOME)
    assert house.hub.publish(written) == frozenset()
    assert [each.offset for each in (await reader.next(0)).events] == list(range(1, 10))


async def test_a_partition_is_served_from_where_its_journal_stands(house: House) -> None:
    await journaled(house, 3)
    hub = Hub(house.journal)
    await hub.open_partitions([HOME])
    assert hub.head(HOME) == 3
    reader = hub.open({HOME: ZERO}, 10)
    assert len((await reader.next(0)).events) == 3
