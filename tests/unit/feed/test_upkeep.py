"""What one replica does for all: instrument masters and room in the journal, each once a day."""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

from paceline.domain.account import Broker
from paceline.domain.errors import BrokerRejected, Unavailable
from paceline.domain.instrument import Instrument
from paceline.domain.instrument_master import FileRead
from paceline.ports.broker import Listing, Master
from paceline.runtime.metric_names import MASTER_REFUSED
from paceline.runtime.readiness import Readiness
from paceline.runtime.settings import load
from services.feed.master import MasterKeeper
from services.feed.settings import Settings
from services.feed.upkeep import JournalKeeper
from tests.unit.domain.given import SHARE
from tests.unit.feed.house import House, at_work

INDIA = timedelta(hours=5, minutes=30)
DAY_S = 86_400
ENVIRON = {
    "PACELINE_POSTGRES_URL": "postgresql://somewhere/db",
    "PACELINE_REDIS_URL": "redis://somewhere",
    "PACELINE_ENCRYPTION_KEY": base64.b64encode(b"k" * 32).decode(),
}


class FakeMaster:
    def __init__(self) -> None:
        self.loads = 0
        self.failures: list[Exception] = []
        self.read = (100, 0)

    async def load(self) -> Master:
        if self.failures:
            raise self.failures.pop(0)
        self.loads += 1
        return Master((Listing(SHARE, "1010"),), {"NSE_CM": FileRead(*self.read)})


class FakeInstruments:
    def __init__(self) -> None:
        self.saved: list[date] = []
        self.files: dict[str, int] = {}

    async def save(self, _broker: Broker, listings: Sequence[Listing], day: date) -> int:
        self.saved.append(day)
        return len(listings)

    async def note(self, _broker: Broker, _day: date, named: Mapping[str, int]) -> None:
        self.files = dict(named)

    async def named(self, _broker: Broker) -> Mapping[str, int]:
        return self.files

    async def page(self, *, limit: int) -> Sequence[Instrument]:
        return [SHARE][:limit] if self.saved else []


def keeper(house: House, master: FakeMaster, known: FakeInstruments, readiness: Readiness) -> MasterKeeper:
    return MasterKeeper(
        {Broker.FYERS: master},
        known,  # type: ignore[arg-type]
        house.partitions,
        house.clock,
        house.metrics,
        readiness,
        load(Settings, ENVIRON),
    )


async def test_the_master_is_read_at_the_start_and_each_morning_before_the_open(house: House) -> None:
    master, known, readiness = FakeMaster(), FakeInstruments(), Readiness()
    master.failures = [Unavailable("no answer"), BrokerRejected("maintenance")]
    keeping = keeper(house, master, known, readiness)
    assert not readiness.ready
    async with at_work(keeping.run()):
        await house.pass_(4)
        assert house.metrics.value(MASTER_REFUSED, broker="fyers") == 1
        await house.pass_(16)
        assert (readiness.ready, known.saved) == (True, [date(2026, 1, 1)])
        assert house.metrics.value(MASTER_REFUSED, broker="fyers") == 0
        began = datetime.fromtimestamp(house.clock.now_ns() / 1e9, UTC) + INDIA
        morning = datetime.combine(began.date(), time(8, 30), UTC) + timedelta(days=1)
        house.clock.step_wall((morning - began).total_seconds() - 60)
        await house.pass_(1)
        assert len(known.saved) == 1
        house.clock.step_wall(60)
        await house.pass_(1)
        assert known.saved == [date(2026, 1, 1), date(2026, 1, 2)]


async def test_a_master_that_was_cut_off_is_refused_whole_and_the_last_one_stands(house: House) -> None:
    master, known, readiness = FakeMaster(), FakeInstruments(), Readiness()
    async with at_work(keeper(house, master, known, readiness).run()):
        await house.pass_(1)
        for broken in ((40, 0), (100, 30), (0, 0)):
            saved, loads = len(known.saved), master.loads
            master.read = broken
            house.clock.step_wall(DAY_S)
            await house.pass_(1)
            assert (len(known.saved), known.files, readiness.ready) == (saved, {"NSE_CM": 100}, True)
            assert house.metrics.value(MASTER_REFUSED, broker="fyers") == 1
            master.read = (90, 1)
            await house.pass_(6)
            assert (len(known.saved), master.loads) == (saved + 1, loads + 2)
            assert house.metrics.value(MASTER_REFUSED, broker="fyers") == 0
            known.files = {"NSE_CM": 100}


async def test_a_master_that_stays_broken_is_asked_for_ever_more_slowly(house: House) -> None:
    master, known, readiness = FakeMaster(), FakeInstruments(), Readiness()
    master.read = (0, 0)
    async with at_work(keeper(house, master, known, readiness).run()):
        await house.pass_(60)
        assert 3 <= master.loads <= 5
        assert not readiness.ready


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
