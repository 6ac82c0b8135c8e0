"""What one replica does for all: instrument masters and room in the journal, each once a day."""

from collections.abc import Sequence
from datetime import date, timedelta

from paceline.domain.account import Broker
from paceline.domain.errors import BrokerRejected, Unavailable
from paceline.domain.instrument import Instrument
from paceline.ports.broker import Listing, Master
from paceline.runtime.readiness import Readiness
from services.feed.master import MasterKeeper
from services.feed.upkeep import JournalKeeper
from tests.unit.domain.given import SHARE
from tests.unit.feed.house import House, at_work

INDIA = timedelta(hours=5, minutes=30)
DAY_S = 86_400


class FakeMaster:
    def __init__(self) -> None:
        self.loads = 0
        self.failures: list[Exception] = []

    async def load(self) -> Master:
        if self.failures:
            raise self.failures.pop(0)
        self.loads += 1
        return Master((Listing(SHARE, "1010"),), 0)


class FakeInstruments:
    def __init__(self) -> None:
        self.saved: list[date] = []

    async def save(self, _broker: Broker, listings: Sequence[Listing], day: date) -> int:
        self.saved.append(day)
        return len(listings)

    async def page(self, *, limit: int) -> Sequence[Instrument]:
        return [SHARE][:limit] if self.saved else []


def keeper(house: House, master: FakeMaster, known: FakeInstruments, readiness: Readiness) -> MasterKeeper:
    return MasterKeeper(
        {Broker.FYERS: master},
        known,  # type: ignore[arg-type]
        house.partitions,
        house.clock,
        readiness,
        INDIA,
    )


async def test_the_master_is_read_at_the_start_and_each_day_of_the_exchange(house: House) -> None:
    master, known, readiness = FakeMaster(), FakeInstruments(), Readiness()
    master.failures = [Unavailable("no answer"), BrokerRejected("maintenance")]
    keeping = keeper(house, master, known, readiness)
    assert not readiness.ready
    async with at_work(keeping.run()):
        await house.pass_(12)
        assert (readiness.ready, known.saved) == (True, [date(2026, 1, 1)])
        house.clock.step_wall(13 * 3_600 - 60)
        await house.pass_(1)
        assert len(known.saved) == 1
        house.clock.step_wall(60)
        await house.pass_(1)
        assert known.saved == [date(2026, 1, 1), date(2026, 1, 2)]


async def test_who_does_not_keep_house_waits_for_who_does(house: House) -> None:
    master, known, readiness = FakeMaster(), FakeInstruments(), Readiness()
    await house.partitions.stop()
    async with at_work(keeper(house, master, known, readiness).run()):
        house.clock.advance(1)
        await house.clock.settle()
        assert not readiness.ready
        known.saved.append(date(2026, 1, 1))
        house.clock.advance(1)
        await house.clock.settle()
        assert (readiness.ready, master.loads) == (True, 0)


async def test_weeks_are_laid_daily_and_again_when_the_store_was_away(house: House) -> None:
    laid: list[date] = []
    away = [Unavailable("away")]

    async def lay(first_day: date, weeks: int) -> int:
        if away:
            raise away.pop()
        assert weeks >= 2
        laid.append(first_day)
        return 0

    house.journal.lay_weeks = lay  # type: ignore[method-assign]
    async with at_work(JournalKeeper(house.journal, house.partitions, house.clock).run()):
        await house.pass_(15)
        assert laid == [date(2026, 1, 1)]
        house.clock.step_wall(DAY_S)
        await house.pass_(3)
    assert laid == [date(2026, 1, 1), date(2026, 1, 2)]
