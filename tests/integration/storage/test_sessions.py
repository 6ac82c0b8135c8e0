"""What the database remembers of live connections."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.sessions import PostgresSessions
from paceline.domain.account import SessionState
from paceline.domain.errors import NotFound
from paceline.domain.ids import AccountId, Epoch
from paceline.domain.partitioning import partition_of
from paceline.ports.seal import Sealed
from paceline.ports.sessions import Session, SessionId, StateChange, Tokens
from tests.integration.storage.makers import accounts_of, own

ALICE = AccountId("fyers:ALICE")
NAME = SessionId(ALICE)
HOME = partition_of(ALICE)
NOW = datetime(2026, 1, 1, 4, 0, tzinfo=UTC)


@pytest.fixture
async def sessions(database: Database) -> PostgresSessions:
    await accounts_of(database, ALICE)
    return PostgresSessions(database)


async def the_session(sessions: PostgresSessions) -> Session:
    (found,) = await sessions.in_partitions([HOME])
    return found


async def test_a_state_is_written_by_the_feed_that_holds_the_partition(
    sessions: PostgresSessions, database: Database
) -> None:
    epoch = await own(database, "feed", [HOME], 2)
    live = StateChange(NAME, HOME, epoch, SessionState.LIVE, connected_since=NOW)
    assert await sessions.set_states([live]) == [NAME]
    stale = replace(live, epoch=Epoch(1), state=SessionState.SUSPENDED, reason="two failed logins")
    assert await sessions.set_states([stale]) == []
    found = await the_session(sessions)
    assert (found.state, found.connected_since, found.version) == (SessionState.LIVE, NOW, 2)


async def test_frames_move_forward_and_are_no_news(sessions: PostgresSessions) -> None:
    for at in (NOW, NOW - timedelta(seconds=5)):
        await sessions.frames_seen({NAME: at})
    found = await the_session(sessions)
    assert (found.last_frame_at, found.version) == (NOW, 1)


async def test_tokens_are_kept_sealed(sessions: PostgresSessions) -> None:
    tokens = Tokens(Sealed(b"t"), None, Sealed(b"b"), NOW)
    await sessions.set_tokens(NAME, tokens)
    assert await sessions.tokens([NAME]) == {NAME: tokens}
    assert (await the_session(sessions)).token_expires_at == NOW
    with pytest.raises(NotFound):
        await sessions.set_tokens(SessionId("nobody"), tokens)


async def test_sessions_are_listed_by_page(sessions: PostgresSessions, database: Database) -> None:
    await accounts_of(database, "fyers:BOB")
    (first,) = await sessions.page(limit=1)
    (second,) = await sessions.page(after=first.session_id)
    assert [first.session_id, second.session_id] == [SessionId(ALICE), SessionId("fyers:BOB")]
