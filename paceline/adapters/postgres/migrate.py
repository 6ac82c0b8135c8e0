"""Moves a database's schema forward and back; any number of starters may try at once."""

import asyncio
import io
from collections.abc import Callable
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

_LOCK = 0x7061_6365_6C69_6E65  # "paceline": one migration at a time per database


def upgrade(url: str, revision: str = "head") -> None:
    """All steps up to `revision` or none; waits for another starter's migration first. Not inside a running
    loop.
    """
    asyncio.run(_move(url, command.upgrade, revision))


def downgrade(url: str, revision: str) -> None:
    """Back to `revision` (`base` is an empty schema), with what the dropped tables held."""
    asyncio.run(_move(url, command.downgrade, revision))


def current(url: str) -> str | None:
    """The revision the database is at; None before the first."""
    return asyncio.run(read_current(url))


async def read_current(url: str) -> str | None:
    """As `current`, for callers inside an event loop."""
    connection = await asyncpg.connect(url)
    try:
        return await _stamp(connection)
    finally:
        await connection.close()


def head() -> str | None:
    """The newest revision this code knows, and therefore needs."""
    return ScriptDirectory.from_config(_config(io.StringIO())).get_current_head()


def _config(output: io.StringIO) -> Config:
    config = Config(output_buffer=output)
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


async def _move(url: str, step: Callable[..., None], revision: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            script = _script(step, await _stamp(connection), revision)
            if script:
                await connection.execute(script)
    finally:
        await connection.close()


def _script(step: Callable[..., None], at: str | None, revision: str) -> str:
    """What leads from one revision to another, as SQL; empty when already there."""
    output = io.StringIO()
    config = _config(output)
    scripts = ScriptDirectory.from_config(config)
    target = None if revision == "base" else scripts.get_revision(revision).revision
    if target == at:
        return ""
    step(config, f"{at or 'base'}:{target or 'base'}", sql=True)
    if target is None:
        output.write("DROP TABLE alembic_version;")
    return output.getvalue()


async def _stamp(connection: asyncpg.Connection) -> str | None:
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return revision
