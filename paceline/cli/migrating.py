"""Moves the schema for the command line: which way it goes, and what stands in the way in one line.

Alembic takes most of a second to import: only who migrates pays for it.
"""

import asyncpg

from paceline.runtime.dependency import place_of
from paceline.runtime.redact import redact_text

BASE = "base"
HEAD = "head"


class MigrationError(Exception):
    """The schema stays as it was; the message says why, without a password."""


def move(url: str, to: str = HEAD) -> tuple[str | None, str | None]:
    """From which revision to which."""
    from alembic.util.exc import CommandError  # noqa: PLC0415 - as above

    from paceline.adapters.postgres import migrate  # noqa: PLC0415 - as above

    try:
        before = migrate.current(url)
        if goes_back(before, to):
            migrate.downgrade(url, to)
        else:
            migrate.upgrade(url, to)
        return before, migrate.current(url)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as problem:
        raise MigrationError(f"PostgreSQL at {place_of(url)}: {redact_text(str(problem))}") from problem
    except CommandError as problem:
        raise MigrationError(redact_text(str(problem))) from problem


def goes_back(at: str | None, to: str) -> bool:
    """Revisions are numbered; `head` is never back, `base` always."""
    return at is not None and (to == BASE or (to != HEAD and to < at))
