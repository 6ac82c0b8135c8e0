"""Versioned instrument masters, and the price bands of the day beside them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from paceline.adapters.postgres.database import Database, Row, columns
from paceline.adapters.postgres.queries import sql
from paceline.domain.account import Broker
from paceline.domain.ids import InstrumentId
from paceline.domain.instrument import Exchange, Instrument, InstrumentKind, Segment
from paceline.ports.broker import Listing

_SAVE = sql("instruments_save")
_SAVE_BANDS = sql("instrument_bands_save")
_SAVE_IDS = sql("instrument_ids_save")
_SAVE_FILES = sql("master_files_save")
_FILES = sql("master_files")
_GET = sql("instruments_get")
_PAGE = sql("instruments_page")

_CHUNK = 5_000
_WIDTH = 12


class PostgresInstruments:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, broker: Broker, listings: Sequence[Listing], day: date) -> int:
        changed = 0
        for start in range(0, len(listings), _CHUNK):
            chunk = listings[start : start + _CHUNK]
            rows = {each.instrument.instrument_id: _values(each.instrument) for each in chunk}
            natives = {each.native_id: (each.native_id, each.instrument.instrument_id) for each in chunk}
            bands = {each.instrument.instrument_id: _bands(each.instrument) for each in chunk}
            async with self._database.transaction() as transaction:
                changed += int(await transaction.value(_SAVE, day, *columns(rows.values(), _WIDTH)))
                await transaction.execute(_SAVE_BANDS, day, *columns(bands.values(), 3))
                await transaction.execute(_SAVE_IDS, broker, day, *columns(natives.values(), 2))
        return changed

    async def note(self, broker: Broker, day: date, named: Mapping[str, int]) -> None:
        await self._database.execute(_SAVE_FILES, broker, day, *columns(named.items(), 2))

    async def named(self, broker: Broker) -> Mapping[str, int]:
        return {row["file"]: row["listings"] for row in await self._database.fetch(_FILES, broker)}

    async def get_many(self, ids: Iterable[InstrumentId]) -> Mapping[InstrumentId, Instrument]:
        rows = await self._database.fetch(_GET, list(ids))
        return {InstrumentId(row["instrument_id"]): instrument_of(row) for row in rows}

    async def page(
        self, *, prefix: str = "", after: InstrumentId | None = None, limit: int = 100
    ) -> Sequence[Instrument]:
        rows = await self._database.fetch(_PAGE, prefix, after or "", limit)
        return [instrument_of(row) for row in rows]


def _bands(each: Instrument) -> tuple[object, ...]:
    return (each.instrument_id, each.lower_band, each.upper_band)


def _values(each: Instrument) -> tuple[object, ...]:
    return (
        each.instrument_id,
        each.exchange,
        each.segment,
        each.kind,
        each.lot,
        each.tick,
        each.freeze,
        each.multiplier,
        each.currency,
        each.underlying,
        each.expiry,
        each.strike,
    )


def instrument_of(row: Row) -> Instrument:
    return Instrument(
        instrument_id=InstrumentId(row["instrument_id"]),
        exchange=Exchange(row["exchange"]),
        segment=Segment(row["segment"]),
        kind=InstrumentKind(row["kind"]),
        lot=row["lot"],
        tick=row["tick"],
        freeze=row["freeze_quantity"],
        lower_band=row["lower_band"],
        upper_band=row["upper_band"],
        multiplier=row["multiplier"],
        currency=row["currency"],
        underlying=row["underlying"],
        expiry=row["expiry"],
        strike=row["strike"],
        has_derivatives=bool(row.get("has_derivatives")),
    )
