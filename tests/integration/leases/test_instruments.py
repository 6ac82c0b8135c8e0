"""Masters are versioned: what changed begins a new version, what did not costs nothing."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.instruments import PostgresInstruments
from paceline.domain.account import Broker
from paceline.domain.ids import InstrumentId
from paceline.domain.instrument import Exchange, Instrument, InstrumentKind, Segment
from paceline.ports.broker import Listing

MONDAY, TUESDAY = date(2026, 1, 5), date(2026, 1, 6)
SHARE = Instrument(
    InstrumentId("NSE:SBIN-EQ"),
    Exchange.NSE,
    Segment.CAPITAL_MARKET,
    InstrumentKind.EQUITY,
    lot=Decimal(1),
    tick=Decimal("0.05"),
)
CALL = Instrument(
    InstrumentId("NSE:NIFTY26JAN26000CE"),
    Exchange.NSE,
    Segment.EQUITY_DERIVATIVES,
    InstrumentKind.CALL,
    lot=Decimal(65),
    tick=Decimal("0.05"),
    freeze=Decimal(1800),
    underlying="NIFTY",
    expiry=date(2026, 1, 27),
    strike=Decimal(26_000),
)


@pytest.fixture
def instruments(database: Database) -> PostgresInstruments:
    return PostgresInstruments(database)


def listed(*instruments: Instrument, first_id: int = 1) -> list[Listing]:
    return [Listing(each, f"10{first_id + number}") for number, each in enumerate(instruments)]


async def test_a_master_comes_back_as_it_was_read(instruments: PostgresInstruments) -> None:
    assert await instruments.save(Broker.FYERS, listed(SHARE, CALL), MONDAY) == 2
    found = await instruments.get_many([SHARE.instrument_id, CALL.instrument_id, InstrumentId("NSE:NO-EQ")])
    assert found == {SHARE.instrument_id: SHARE, CALL.instrument_id: CALL}


async def test_what_its_files_named_is_known_until_the_next(instruments: PostgresInstruments) -> None:
    assert await instruments.named(Broker.FYERS) == {}
    for named in ({"NSE_CM": 7, "NSE_FO": 9}, {"NSE_CM": 8}):
        await instruments.note(Broker.FYERS, MONDAY, named)
        assert await instruments.named(Broker.FYERS) == {"NSE_CM": 7, "NSE_FO": 9} | named


async def test_only_what_changed_begins_a_version(
    instruments: PostgresInstruments, database: Database
) -> None:
    await instruments.save(Broker.FYERS, listed(SHARE, CALL), MONDAY)
    assert await instruments.save(Broker.FYERS, listed(SHARE, CALL), TUESDAY) == 0
    larger = replace(CALL, lot=Decimal(75))
    assert await instruments.save(Broker.FYERS, listed(SHARE, larger), TUESDAY) == 1
    assert (await instruments.get_many([CALL.instrument_id]))[CALL.instrument_id].lot == 75
    rows = await database.fetch(
        "SELECT valid_from, valid_to, lot FROM instruments WHERE instrument_id = $1 ORDER BY valid_from",
        CALL.instrument_id,
    )
    assert [(row["valid_from"], row["lot"]) for row in rows] == [
        (MONDAY, Decimal(65)),
        (TUESDAY, Decimal(75)),
    ]
    assert rows[0]["valid_to"] == TUESDAY


async def test_a_share_knows_whether_derivatives_on_it_are_listed(instruments: PostgresInstruments) -> None:
    share, other = replace(SHARE, underlying="SBIN"), replace(SHARE, instrument_id=InstrumentId("NSE:X-EQ"))
    future = replace(
        CALL, instrument_id=InstrumentId("NSE:SBINFUT"), underlying="SBIN", kind=InstrumentKind.FUTURE
    )
    for expiry, listed_now in ((date(2020, 1, 30), False), (date(2099, 1, 29), True)):
        written = listed(share, other, replace(future, expiry=expiry))
        await instruments.save(Broker.FYERS, written, MONDAY)
        names = [each.instrument.instrument_id for each in written]
        found = await instruments.get_many(names)
        assert [found[name].has_derivatives for name in names] == [listed_now, False, False]


def banded(lower: int, upper: int) -> Instrument:
    return replace(SHARE, lower_band=Decimal(lower), upper_band=Decimal(upper))


async def test_new_price_bands_begin_no_version_and_the_days_own_are_read(
    instruments: PostgresInstruments, database: Database
) -> None:
    await instruments.save(Broker.FYERS, listed(banded(90, 110), CALL), MONDAY)
    assert await instruments.save(Broker.FYERS, listed(banded(95, 116), CALL), TUESDAY) == 0
    assert await database.value("SELECT count(*) FROM instruments") == 2
    wanted = [SHARE.instrument_id, CALL.instrument_id]
    assert await instruments.get_many(wanted) == {
        SHARE.instrument_id: banded(95, 116),
        CALL.instrument_id: CALL,
    }
    assert await instruments.page(limit=5) == [CALL, banded(95, 116)]
    bands = await database.fetch("SELECT instrument_id, since FROM instrument_bands")
    assert [tuple(row) for row in bands] == [(SHARE.instrument_id, TUESDAY)]


async def test_bands_that_are_lifted_are_no_longer_read(
    instruments: PostgresInstruments, database: Database
) -> None:
    await instruments.save(Broker.FYERS, listed(banded(90, 110)), MONDAY)
    await instruments.save(Broker.FYERS, listed(SHARE), TUESDAY)
    assert await instruments.get_many([SHARE.instrument_id]) == {SHARE.instrument_id: SHARE}
    assert await instruments.save(Broker.FYERS, listed(SHARE), TUESDAY) == 0


async def test_a_second_reading_of_a_day_replaces_the_first(
    instruments: PostgresInstruments, database: Database
) -> None:
    for lot in (65, 75, 65):
        await instruments.save(Broker.FYERS, listed(replace(CALL, lot=Decimal(lot))), MONDAY)
    assert await database.value("SELECT count(*) FROM instruments") == 1
    assert await instruments.get_many([CALL.instrument_id]) == {CALL.instrument_id: CALL}


async def test_a_broker_id_that_moved_names_the_new_instrument(
    instruments: PostgresInstruments, database: Database
) -> None:
    await instruments.save(Broker.FYERS, listed(SHARE, CALL), MONDAY)
    await instruments.save(Broker.FYERS, listed(CALL, SHARE), TUESDAY)
    rows = await database.fetch(
        "SELECT DISTINCT ON (native_id) native_id, instrument_id FROM instrument_ids"
        " ORDER BY native_id, valid_from DESC"
    )
    assert {row["native_id"]: row["instrument_id"] for row in rows} == {
        "101": CALL.instrument_id,
        "102": SHARE.instrument_id,
    }


async def test_a_master_larger_than_a_chunk_is_saved_whole(
    instruments: PostgresInstruments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paceline.adapters.postgres.instruments._CHUNK", 3)
    many = [replace(SHARE, instrument_id=InstrumentId(f"NSE:S{number:02}-EQ")) for number in range(8)]
    assert await instruments.save(Broker.FYERS, listed(*many, *many[:2]), MONDAY) == 8
    first = await instruments.page(prefix="NSE:S0", limit=5)
    second = await instruments.page(prefix="NSE:S0", after=first[-1].instrument_id, limit=5)
    assert [*first, *second] == many
