"""What is sealed is sealed again under the newest key, beside those who write it."""

import asyncio
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import asyncpg
import pytest

from paceline.adapters.clock import SystemClock
from paceline.adapters.postgres.accounts import PostgresAccounts, PostgresBrokerApps
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.sealed import PostgresSealedRows
from paceline.adapters.postgres.sessions import PostgresSessions
from paceline.adapters.seal import KeyringSeal
from paceline.domain.account import Broker
from paceline.domain.ids import AccountId, BrokerAppId
from paceline.domain.secret import Secret
from paceline.ports.accounts import BrokerApp
from paceline.ports.seal import Sealed
from paceline.ports.sealed import Holder, Resealed, SealedRow
from paceline.ports.sessions import SessionId, Tokens
from paceline.runtime.account_secrets import AccountSecrets, seal_secrets, unseal_secrets
from paceline.runtime.credentials import app_context, token_context
from paceline.runtime.reseal import PASSES_MAX, Rotation, census, rotate
from tests.fakes.clock import FakeClock
from tests.integration.storage.makers import accounts_of

OLD_KEY, NEW_KEY, LOST_KEY = (
    f"{name}:{b64encode(bytes([n]) * 32).decode()}" for n, name in enumerate(("old", "new", "lost"))
)
OLD = KeyringSeal.from_text(OLD_KEY)
NEW = KeyringSeal.from_text(NEW_KEY)
BOTH = KeyringSeal.from_text(f"{NEW_KEY},{OLD_KEY}")
APP = BrokerAppId("app-1")
ALICE = AccountId("fyers:ALICE")
SESSION = SessionId(ALICE)
EXPIRY = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)


def tokens_under(seal: KeyringSeal, session: SessionId, said: str) -> Tokens:
    def one(part: str) -> Sealed:
        return seal.seal(f"{part}-{said}".encode(), token_context(session, part))

    return Tokens(one("token"), one("refresh"), one("blob"), EXPIRY)


def opened(seal: KeyringSeal, session: SessionId, tokens: Tokens) -> list[str]:
    parts = {"token": tokens.token, "refresh": tokens.refresh, "blob": tokens.blob}
    return [
        seal.unseal(value, token_context(session, part)).decode()
        for part, value in parts.items()
        if value is not None
    ]


@pytest.fixture
async def rows(database: Database) -> PostgresSealedRows:
    return PostgresSealedRows(database)


async def a_house(database: Database, *accounts: str) -> None:
    """One app, and accounts with credentials and tokens, all under the old key."""
    apps, store = PostgresBrokerApps(database), PostgresAccounts(database)
    app = BrokerApp(APP, Broker.FYERS, "KEY-100", "https://paceline.example/callback", "")
    await apps.create(app, OLD.seal(b"app-secret", app_context(APP)))
    await accounts_of(database, *accounts)
    for account in map(AccountId, accounts):
        await store.set_credentials(account, seal_secrets(OLD, account, AccountSecrets(pin=Secret("4711"))))
        session = SessionId(account)
        await PostgresSessions(database).set_tokens(session, tokens_under(OLD, session, account))


async def rotated(rows: PostgresSealedRows, keyring: KeyringSeal = BOTH, batch_rows: int = 2) -> Rotation:
    return await rotate(rows, keyring, SystemClock(), batch_rows=batch_rows)


async def test_everything_opens_with_the_new_key_alone(database: Database, rows: PostgresSealedRows) -> None:
    names = [f"fyers:F{number}" for number in range(5)]
    await a_house(database, *names)
    rotation = await rotated(rows)
    assert rotation.settled
    assert rotation.broken == ()
    assert rotation.resealed == {Holder.ACCOUNT: 5, Holder.APP: 1, Holder.SESSION: 15}
    sealed = await PostgresAccounts(database).credentials(map(AccountId, names))
    assert {unseal_secrets(NEW, account, each).pin.reveal() for account, each in sealed.items()} == {"4711"}
    secrets = await PostgresBrokerApps(database).secrets([APP])
    assert NEW.unseal(secrets[APP], app_context(APP)) == b"app-secret"
    tokens = await PostgresSessions(database).tokens(map(SessionId, names))
    for session, each in tokens.items():
        assert opened(NEW, session, each) == [f"{part}-{session}" for part in ("token", "refresh", "blob")]
        assert each.expires_at == EXPIRY


async def test_a_second_rotation_finds_nothing(database: Database, rows: PostgresSealedRows) -> None:
    await a_house(database, ALICE)
    await rotated(rows)
    again = await rotated(rows)
    assert again.settled
    assert again.resealed == {}


async def test_an_interrupted_rotation_goes_on_where_it_was(
    database: Database, rows: PostgresSealedRows
) -> None:
    await a_house(database, *(f"fyers:F{number}" for number in range(4)))

    class Dies(PostgresSealedRows):
        async def replace(self, holder: Holder, changes: Sequence[Resealed]) -> frozenset[str]:
            written = await super().replace(holder, changes)
            if holder is Holder.SESSION:
                raise asyncio.CancelledError
            return written

    with pytest.raises(asyncio.CancelledError):
        await rotated(Dies(database))
    rest = await rotated(rows)
    assert rest.resealed == {Holder.SESSION: 6}
    found = await census(rows, NEW, batch_rows=10)
    assert found.broken == ()
    assert {key for key, _ in found.uses} == {"new"}


async def test_it_is_no_news_to_those_who_listen_to_sessions(
    database: Database, rows: PostgresSealedRows
) -> None:
    await a_house(database, ALICE)
    before = await PostgresSessions(database).of_accounts([ALICE])
    await rotated(rows)
    assert await PostgresSessions(database).of_accounts([ALICE]) == before


async def test_parts_that_are_not_there_stay_away(database: Database, rows: PostgresSealedRows) -> None:
    await accounts_of(database, ALICE, "fyers:BOB")
    token = OLD.seal(b"t", token_context(SESSION, "token"))
    await PostgresSessions(database).set_tokens(SESSION, Tokens(token))
    assert (await rotated(rows)).resealed == {Holder.SESSION: 1}
    found = (await PostgresSessions(database).tokens([SESSION]))[SESSION]
    assert (found.refresh, found.blob) == (None, None)
    assert found.token is not None
    assert NEW.unseal(found.token, token_context(SESSION, "token")) == b"t"


async def test_what_changed_meanwhile_is_not_overwritten(
    database: Database, rows: PostgresSealedRows
) -> None:
    await a_house(database, ALICE)
    for holder in (Holder.ACCOUNT, Holder.APP, Holder.SESSION):
        (row,) = await rows.page(holder, after="", limit=10)
        altered = SealedRow(holder, row.name, {part: Sealed(b"other") for part in row.parts})
        assert await rows.replace(holder, [Resealed(altered, row.parts)]) == frozenset()
        assert await rows.replace(holder, [Resealed(row, row.parts)]) == {row.name}
        assert await rows.page(holder, after="", limit=10) == [row]


async def test_a_row_that_is_being_written_keeps_nobody_waiting(
    database: Database, rows: PostgresSealedRows, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await a_house(database, ALICE, "fyers:BOB")
    found = await rows.page(Holder.SESSION, after="", limit=10)
    changes = [Resealed(row, row.parts) for row in found]
    async with connection.transaction():
        await connection.execute("UPDATE sessions SET state = 'LIVE' WHERE session_id = $1", ALICE)
        async with asyncio.timeout(5):
            assert await rows.replace(Holder.SESSION, changes) == {"fyers:BOB"}
    assert await rows.replace(Holder.SESSION, changes) == {ALICE, "fyers:BOB"}


async def test_a_writer_who_logs_in_all_the_time_loses_nothing(
    database: Database, rows: PostgresSealedRows
) -> None:
    names = [f"fyers:F{number}" for number in range(8)]
    await a_house(database, *names)
    sessions = PostgresSessions(database)
    last: dict[SessionId, str] = {}
    ended = asyncio.Event()

    async def log_in() -> None:
        """With the new keyring, and now and then as a service that was not restarted yet."""
        turn = 0
        while not ended.is_set():
            for session in map(SessionId, names):
                turn += 1
                seal = OLD if turn % 5 == 0 and turn < 100 else BOTH
                await sessions.set_tokens(session, tokens_under(seal, session, str(turn)))
                last[session] = str(turn)

    writing = asyncio.create_task(log_in())
    rotations = [await rotated(rows, batch_rows=3) for _ in range(5)]
    ended.set()
    await writing
    final = await rotated(rows)
    assert final.settled
    assert sum(each.resealed.get(Holder.ACCOUNT, 0) for each in rotations) == len(names)
    for session, tokens in (await sessions.tokens(map(SessionId, names))).items():
        said = last[session]
        assert opened(NEW, session, tokens) == [f"token-{said}", f"refresh-{said}", f"blob-{said}"]


async def test_a_service_that_keeps_sealing_with_an_old_key_is_told_of(
    database: Database, rows: PostgresSealedRows
) -> None:
    await a_house(database, ALICE)
    sessions = PostgresSessions(database)

    class Meanwhile(PostgresSealedRows):
        async def replace(self, holder: Holder, changes: Sequence[Resealed]) -> frozenset[str]:
            written = await super().replace(holder, changes)
            await sessions.set_tokens(SESSION, tokens_under(OLD, SESSION, "again"))
            return written

    rotation = await rotate(Meanwhile(database), BOTH, FakeClock(auto_jump=True), batch_rows=10)
    assert not rotation.settled
    assert rotation.resealed[Holder.SESSION] == 3 * PASSES_MAX


async def test_what_does_not_open_is_named_and_left_as_it_is(
    database: Database, rows: PostgresSealedRows
) -> None:
    await a_house(database, ALICE)
    moved = NEW.seal(b"blob", token_context(SessionId("fyers:BOB"), "blob"))
    good = OLD.seal(b"t", token_context(SESSION, "token"))
    await PostgresSessions(database).set_tokens(SESSION, Tokens(good, Sealed(b"rubbish"), moved))
    lost = KeyringSeal.from_text(LOST_KEY).seal(b"x", f"account:{ALICE}")
    await PostgresAccounts(database).set_credentials(ALICE, lost)

    rotation = await rotated(rows)
    assert rotation.settled
    assert rotation.resealed == {Holder.APP: 1, Holder.SESSION: 1}
    found = await census(rows, BOTH, batch_rows=10)
    expected = {
        "account fyers:ALICE: sealed: its key 'lost' is not in the keyring",
        "session fyers:ALICE (refresh): sealed: is not a sealed value",
        "session fyers:ALICE (blob): sealed: was altered, or belongs somewhere else",
    }
    assert {str(each) for each in found.broken} == expected
    assert {str(each) for each in rotation.broken} == expected - {
        "session fyers:ALICE (blob): sealed: was altered, or belongs somewhere else"
    }
    uses: Mapping[tuple[str, Holder], int] = found.uses
    assert uses == {
        ("lost", Holder.ACCOUNT): 1,
        ("new", Holder.APP): 1,
        ("new", Holder.SESSION): 2,
    }
    kept = (await PostgresSessions(database).tokens([SESSION]))[SESSION]
    assert (kept.refresh, kept.blob) == (b"rubbish", moved)
