"""Sealed values in PostgreSQL, wherever they are."""

from collections.abc import Mapping, Sequence

from paceline.adapters.postgres.database import Database, Row, columns
from paceline.adapters.postgres.queries import sql
from paceline.ports.seal import Sealed
from paceline.ports.sealed import Holder, Resealed, SealedRow

_PAGES: Mapping[Holder, str] = {
    Holder.ACCOUNT: sql("sealed_accounts"),
    Holder.APP: sql("sealed_apps"),
    Holder.SESSION: sql("sealed_sessions"),
    Holder.TARGET: sql("sealed_targets"),
}
_REPLACE: Mapping[Holder, str] = {
    Holder.ACCOUNT: sql("sealed_accounts_replace"),
    Holder.APP: sql("sealed_apps_replace"),
    Holder.SESSION: sql("sealed_sessions_replace"),
    Holder.TARGET: sql("sealed_targets_replace"),
}
_PARTS: Mapping[Holder, tuple[str, ...]] = {
    Holder.ACCOUNT: ("",),
    Holder.APP: ("",),
    Holder.SESSION: ("token", "refresh", "blob"),
    Holder.TARGET: ("",),
}


class PostgresSealedRows:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, holder: Holder, *, after: str, limit: int) -> Sequence[SealedRow]:
        rows = await self._database.fetch(_PAGES[holder], after, limit)
        return [_row(holder, row) for row in rows]

    async def replace(self, holder: Holder, changes: Sequence[Resealed]) -> frozenset[str]:
        parts = _PARTS[holder]
        rows = [
            (each.row.name, *map(each.row.parts.get, parts), *map(each.parts.get, parts)) for each in changes
        ]
        written = await self._database.fetch(_REPLACE[holder], *columns(rows, 1 + 2 * len(parts)))
        return frozenset(row["name"] for row in written)


def _row(holder: Holder, row: Row) -> SealedRow:
    values = zip(_PARTS[holder], tuple(row)[1:], strict=True)
    return SealedRow(
        holder, row["name"], {part: Sealed(value) for part, value in values if value is not None}
    )
