"""`paceline keys`, as an operator types it; no key and no token is ever shown."""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Sequence

import pytest
from typer.testing import CliRunner, Result

from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.postgres.sealed import PostgresSealedRows
from paceline.adapters.seal import KeyringSeal
from paceline.cli.__main__ import app
from paceline.ports.sealed import Holder, SealedRow
from tests.integration.storage.test_sealed import a_house

OLD_BYTES, NEW_BYTES = (b64encode(bytes([n]) * 32).decode() for n in range(2))
OLD_KEY, NEW_KEY = f"old:{OLD_BYTES}", f"new:{NEW_BYTES}"
PLANTED = (OLD_BYTES, NEW_BYTES, "4711", "app-secret", "token-fyers:", "refresh-fyers:", "blob-fyers:")
ACCOUNTS = ("fyers:ALICE", "fyers:BOB")


def typed(url: str | None, keys: str, *arguments: str) -> Result:
    environment = {"PACELINE_POSTGRES_URL": url, "PACELINE_ENCRYPTION_KEY": keys, "DATABASE_URL": None}
    return CliRunner().invoke(app, ["keys", *arguments], env=environment)


def shown(result: Result) -> list[str]:
    assert not any(secret in result.output for secret in PLANTED), "a secret was shown"
    return result.output.splitlines()


@pytest.fixture
def house(postgres_url: str) -> str:
    """Two accounts and an app, sealed under the old key."""

    async def build() -> None:
        database = await open_database(postgres_url, PoolOptions(min_size=1, max_size=2))
        try:
            await a_house(database, *ACCOUNTS)
        finally:
            await database.close()

    asyncio.run(build())
    return postgres_url


def stored(url: str) -> Sequence[SealedRow]:
    async def read() -> list[SealedRow]:
        database: Database = await open_database(url, PoolOptions(min_size=1, max_size=1))
        try:
            rows = PostgresSealedRows(database)
            return [row for holder in Holder for row in await rows.page(holder, after="", limit=100)]
        finally:
            await database.close()

    return asyncio.run(read())


def test_a_fresh_key_is_a_key() -> None:
    bare = typed(None, "", "new").output.strip()
    named = typed(None, "", "new", "--name", "2026b").output.strip()
    assert len(b64decode(bare, validate=True)) == 32
    assert KeyringSeal.from_text(f"{named},{bare}").names[0] == "2026b"
    assert bare != typed(None, "", "new").output.strip()
    assert typed(None, "", "new", "--name", "a:b").exit_code == 2


def test_a_key_is_replaced_step_by_step(house: str) -> None:
    before = typed(house, f"{OLD_KEY},{NEW_KEY}", "check")
    assert shown(before) == ["old (seals): 2 of accounts, 1 of apps, 6 of sessions", "new: nothing"]
    turned = typed(house, f"{NEW_KEY},{OLD_KEY}", "rotate", "--batch", "1")
    assert turned.exit_code == 0
    assert shown(turned) == ["re-sealed under new: 2 of accounts, 1 of apps, 6 of sessions"]
    after = typed(house, f"{NEW_KEY},{OLD_KEY}", "check")
    assert shown(after) == ["new (seals): 2 of accounts, 1 of apps, 6 of sessions", "old: nothing"]
    without = typed(house, NEW_KEY, "check")
    assert (without.exit_code, shown(without)) == (
        0,
        ["new (seals): 2 of accounts, 1 of apps, 6 of sessions"],
    )
    assert shown(typed(house, NEW_KEY, "rotate")) == ["re-sealed under new: nothing"]


def test_a_key_that_was_taken_away_too_early_is_named(house: str) -> None:
    before = stored(house)
    checked = typed(house, NEW_KEY, "check")
    assert checked.exit_code == 1
    lines = shown(checked)
    assert "'old' (not in PACELINE_ENCRYPTION_KEY): 2 of accounts, 1 of apps, 6 of sessions" in lines
    assert "does not open: account fyers:ALICE: sealed: its key 'old' is not in the keyring" in lines
    turned = typed(house, NEW_KEY, "rotate")
    assert turned.exit_code == 1
    assert "re-sealed under new: nothing" in shown(turned)
    assert stored(house) == before


@pytest.mark.parametrize(
    ("url", "keys", "words"),
    [
        (None, NEW_KEY, "PACELINE_POSTGRES_URL is required"),
        ("postgresql://u:planted-password@h/d", "", "PACELINE_ENCRYPTION_KEY is required"),
        ("postgresql://u:planted-password@h/d", NEW_BYTES[:20], "is no key: keyring: key 1 must have"),
        ("postgresql://u:planted-password@h/d", f"{NEW_KEY},{NEW_KEY}", "keyring: key 2 needs an id"),
    ],
)
def test_wrong_settings_are_said_without_being_quoted(url: str | None, keys: str, words: str) -> None:
    result = typed(url, keys, "rotate")
    assert result.exit_code == 2
    assert words in result.output
    assert "planted-password" not in result.output
    assert NEW_BYTES[:20] not in result.output


def test_a_database_that_is_not_there_or_has_no_schema_is_said(empty_postgres_url: str) -> None:
    away = typed("postgresql://u:planted-password@127.0.0.1:1/d", NEW_KEY, "check")
    assert (away.exit_code, "planted-password" in away.output) == (1, False)
    assert "PostgreSQL cannot be reached" in away.output
    bare = typed(empty_postgres_url, NEW_KEY, "check")
    assert bare.exit_code == 1
    assert "does not exist" in bare.output
