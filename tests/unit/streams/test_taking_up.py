"""What was gained is taken up, also when a store was away just then; what leaves, leaves once."""

import asyncio
from collections.abc import Sequence

import pytest

from paceline.domain.errors import Unavailable
from paceline.domain.ids import Partition
from paceline.runtime.ownership import Takings
from paceline.runtime.partitions import Held, Partitions
from tests.fakes.clock import FakeClock
from tests.fakes.leases import FakeLeases


class Service:
    """Takes up and gives up as a service would."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.leases = FakeLeases(self.clock, count=4)
        self.partitions = Partitions(self.leases, self.clock, owner="me", address="me:1")
        self.takings = Takings(self.partitions, self.clock, self._take, self._surrender, self._lose)
        self.partitions.on_gain = self.takings.gain
        self.partitions.on_surrender = self.takings.give_up
        self.partitions.on_loss = self.takings.lost
        self.failures: list[Exception] = []
        self.working: set[Partition] = set()
        self.told: list[str] = []

    async def _take(self, held: Sequence[Held]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.working |= {each.partition for each in held}

    async def _surrender(self, partitions: Sequence[Partition]) -> None:
        self.told.append("surrender")
        self.working -= set(partitions)

    async def _lose(self, partitions: Sequence[Partition]) -> None:
        self.told.append("lose")
        self.working -= set(partitions)

    async def pass_(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await self.clock.settle()


@pytest.fixture
def service() -> Service:
    return Service()


async def test_a_gain_that_failed_is_tried_until_it_succeeds(service: Service) -> None:
    service.failures = [Unavailable("away"), Unavailable("away")]
    running = asyncio.create_task(service.takings.run())
    await service.clock.settle()
    await service.partitions.turn()
    assert service.working == set()
    await service.pass_(0.5)
    await service.pass_(0.5)
    assert service.working == service.partitions.held()
    assert len(service.working) == 4
    running.cancel()
    await asyncio.wait({running})


async def test_what_was_lost_meanwhile_is_not_taken_up(service: Service) -> None:
    service.failures = [Unavailable("away")]
    running = asyncio.create_task(service.takings.run())
    await service.clock.settle()
    await service.partitions.turn()
    service.clock.suspend(60)
    await service.pass_(0.5)
    assert service.working == set()
    running.cancel()
    await asyncio.wait({running})


async def test_what_was_handed_over_is_not_taken_up(service: Service) -> None:
    service.failures = [Unavailable("away")]
    await service.partitions.turn()
    running = asyncio.create_task(service.takings.run())
    await service.partitions.stop()
    await service.pass_(1)
    assert (service.working, service.told) == (set(), ["surrender"])
    running.cancel()
    await asyncio.wait({running})


async def test_a_loss_is_told(service: Service) -> None:
    await service.partitions.turn()
    service.leases.away = True
    service.clock.advance(7)
    await service.partitions.beat()
    assert (service.working, service.told) == (set(), ["lose"])


async def test_a_fault_of_ours_is_not_hidden(service: Service) -> None:
    service.failures = [ZeroDivisionError("planted")]
    with pytest.raises(ZeroDivisionError):
        await service.partitions.turn()
