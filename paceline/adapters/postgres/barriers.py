"""What keeps entries out, as rows: liquidations that are wanted or run, and lists of banned instruments."""

from collections.abc import Sequence
from datetime import date

from paceline.adapters.postgres.copy_rows import key_of
from paceline.adapters.postgres.database import Database, Row
from paceline.adapters.postgres.queries import sql
from paceline.domain.copying.barriers import BanList, Underway
from paceline.domain.ids import AccountId, InstrumentId, SubscriptionId
from paceline.ports.barriers import BanMark, BanView

_UNDERWAY = sql("barriers_underway")
_LISTS = sql("ban_lists_of_day")
_PUT = sql("ban_list_put")
_PAGE = sql("ban_list_page")


class PostgresBarriers:
    """Both `Barring` and `BanLists`."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def underway(self) -> Sequence[Underway]:
        return [_underway(row) for row in await self._database.fetch(_UNDERWAY)]

    async def lists(self, day: date) -> Sequence[BanList]:
        return [_view(row).banned for row in await self._database.fetch(_LISTS, day)]

    async def put(self, banned: BanList) -> BanView:
        (row,) = await self._database.fetch(
            _PUT,
            banned.source,
            banned.first_day,
            banned.last_day,
            sorted(banned.underlyings),
            sorted(banned.instruments),
            banned.reason,
        )
        return _view(row)

    async def page(self, source: str, before: BanMark | None, limit: int) -> Sequence[BanView]:
        rows = await self._database.fetch(_PAGE, source, *(before or (None, None)), limit)
        return [_view(row) for row in rows]


def _underway(row: Row) -> Underway:
    return Underway(
        AccountId(row["account_id"]),
        SubscriptionId(row["subscription_id"]) if row["subscription_id"] else None,
        key_of(row) if row["instrument_id"] else None,
        flattens=row["flattens"],
    )


def _view(row: Row) -> BanView:
    return BanView(
        BanList(
            row["source"],
            row["first_day"],
            row["last_day"],
            frozenset(row["underlyings"]),
            frozenset(InstrumentId(each) for each in row["instruments"]),
            row["reason"],
        ),
        row["written_at"],
    )
