"""The audit trail in PostgreSQL."""

import json
from collections.abc import Sequence

from paceline.adapters.postgres.database import Database, Transaction, columns
from paceline.adapters.postgres.queries import sql
from paceline.ports.audit import AuditEntry

_INSERT = sql("audit_insert")
_PAGE = sql("audit_page")


class PostgresAudit:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, entries: Sequence[AuditEntry]) -> None:
        await write_audit(self._database, entries)

    async def page(
        self, *, subject_kind: str = "", subject: str = "", before: int | None = None, limit: int = 100
    ) -> Sequence[AuditEntry]:
        rows = await self._database.fetch(_PAGE, subject_kind, subject, before, limit)
        return [
            AuditEntry(
                actor=row["actor"],
                action=row["action"],
                subject_kind=row["subject_kind"],
                subject=row["subject"],
                cause=row["cause"],
                details=row["details"],
                audit_id=row["audit_id"],
                at=row["at"],
            )
            for row in rows
        ]


async def write_audit(into: Database | Transaction, entries: Sequence[AuditEntry]) -> None:
    """With what it tells of, where that is a transaction."""
    rows = [
        (
            each.actor,
            each.action,
            each.subject_kind,
            each.subject,
            each.cause,
            json.dumps(dict(each.details)),
        )
        for each in entries
    ]
    await into.execute(_INSERT, *columns(rows, 6))
