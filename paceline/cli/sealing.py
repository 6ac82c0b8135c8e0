"""Keys that seal tokens and secrets: a fresh one, everything under the newest, and which are still in use."""

import asyncio
import os
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar

import asyncpg
import typer

from paceline.adapters.clock import SystemClock
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.postgres.sealed import PostgresSealedRows
from paceline.adapters.seal import KeyringSeal
from paceline.domain.errors import Invalid, Unavailable
from paceline.domain.secret import Secret
from paceline.ports.sealed import Holder
from paceline.runtime.common_settings import without_driver
from paceline.runtime.redact import redact_text
from paceline.runtime.reseal import Broken, Census, Rotation, census, rotate
from paceline.runtime.settings import SettingsError, load, setting

T = TypeVar("T")
_FAILED = 1
_USAGE = 2
_KEY_BYTES = 32
_SHOWN_MAX = 20

app = typer.Typer(help="Keys that tokens and secrets are sealed with.", no_args_is_help=True)

Url = Annotated[str | None, typer.Option(help="Which database; PACELINE_POSTGRES_URL says so otherwise.")]
Batch = Annotated[int, typer.Option(min=1, max=10_000, help="Rows read and written at once.")]


def _broken_key(key: Secret) -> str | None:
    try:
        KeyringSeal.from_text(key.reveal())
    except Invalid as problem:
        return f"is no key: {problem}"
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class KeySettings:
    """The same names that the services read."""

    postgres_url: Secret = setting(
        about="where sealed values are kept", schemes=("postgresql", "postgres"), clean=without_driver
    )
    encryption_keys: tuple[Secret, ...] = setting(
        name="PACELINE_ENCRYPTION_KEY", check=_broken_key, about="the first seals, all of them open"
    )


@app.command(epilog="Examples:\n\n`paceline keys new --name 2026b`\n\n`paceline keys new > key`")
def new(
    name: Annotated[
        str, typer.Option(help="What the key is called wherever keys are listed; its hash otherwise.")
    ] = "",
) -> None:
    """Print a fresh key, to be put into PACELINE_ENCRYPTION_KEY. It is kept nowhere else."""
    if any(each in name for each in ":, \t\n"):
        typer.echo("--name has no colons, commas or spaces", err=True)
        raise typer.Exit(_USAGE)
    key = b64encode(os.urandom(_KEY_BYTES)).decode()
    typer.echo(f"{name}:{key}" if name else key)


@app.command("rotate", epilog="Examples:\n\n`paceline keys rotate`\n\n`paceline keys rotate --batch 50`")
def rotate_(url: Url = None, batch: Batch = 200) -> None:
    """Seal everything again under the first key of PACELINE_ENCRYPTION_KEY, while the services run.

    They must all know that key already. May be ended at any time and run again.
    """
    settings, keyring = _given(url)
    rotation = _with_rows(settings, lambda rows: rotate(rows, keyring, SystemClock(), batch_rows=batch))
    _tell_rotation(rotation, keyring.names[0])
    if rotation.broken or not rotation.settled:
        raise typer.Exit(_FAILED)


@app.command(epilog="Examples:\n\n`paceline keys check`")
def check(url: Url = None, batch: Batch = 500) -> None:
    """Tell which keys are in use, and whether everything that is sealed opens. Changes nothing."""
    settings, keyring = _given(url)
    found = _with_rows(settings, lambda rows: census(rows, keyring, batch_rows=batch))
    _tell_census(found, keyring.names)
    if found.broken:
        raise typer.Exit(_FAILED)


def _given(url: str | None) -> tuple[KeySettings, KeyringSeal]:
    named = {"PACELINE_POSTGRES_URL": url} if url else {}
    try:
        settings = load(KeySettings, {**os.environ, **named})
        return settings, KeyringSeal.from_text(",".join(key.reveal() for key in settings.encryption_keys))
    except (SettingsError, Invalid) as problem:
        typer.echo(redact_text(str(problem)), err=True)
        raise typer.Exit(_USAGE) from None


def _with_rows(settings: KeySettings, work: Callable[[PostgresSealedRows], Awaitable[T]]) -> T:
    async def run() -> T:
        options = PoolOptions(min_size=1, max_size=1, application_name="paceline-keys")
        database = await open_database(settings.postgres_url.reveal(), options)
        try:
            return await work(PostgresSealedRows(database))
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except (Unavailable, asyncpg.PostgresError) as problem:
        typer.echo(redact_text(str(problem)), err=True)
        raise typer.Exit(_FAILED) from None


def _tell_rotation(rotation: Rotation, newest: str) -> None:
    typer.echo(f"re-sealed under {newest}: {_counted(rotation.resealed)}")
    if not rotation.settled:
        typer.echo(
            "some values keep coming back under an older key: does every service know this one?", err=True
        )
    _tell_broken(rotation.broken)


def _tell_census(found: Census, names: tuple[str, ...]) -> None:
    strangers = sorted({key for key, _ in found.uses} - set(names))
    for key in (*names, *strangers):
        uses = {holder: found.uses.get((key, holder), 0) for holder in Holder}
        typer.echo(f"{_shown(key, names)}: {_counted(uses)}")
    _tell_broken(found.broken)


def _shown(key: str, names: tuple[str, ...]) -> str:
    if key not in names:
        return f"{key!r} (not in PACELINE_ENCRYPTION_KEY)"
    return f"{key} (seals)" if key == names[0] else key


def _tell_broken(broken: tuple[Broken, ...]) -> None:
    for each in broken[:_SHOWN_MAX]:
        typer.echo(f"does not open: {each}", err=True)
    if len(broken) > _SHOWN_MAX:
        typer.echo(f"and {len(broken) - _SHOWN_MAX} more that do not open", err=True)


def _counted(values: Mapping[Holder, int]) -> str:
    counts = [f"{values[holder]} of {holder}s" for holder in Holder if values.get(holder)]
    return ", ".join(counts) or "nothing"
