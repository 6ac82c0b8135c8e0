"""Sessions: asked of the feed that owns the account, wherever that is just now."""

import asyncio
from typing import Any

import grpc
import pytest

from paceline.api.v1 import common_pb2, session_pb2
from paceline.domain.errors import BrokerLoginNeeded, NotOwner
from paceline.embedded.ports import free_port
from paceline.runtime.grpc_status import RpcRefusedError, RpcStatus
from tests.integration.gateway.feed_stand_in import LOGIN_URL, STATE, FeedStandIn
from tests.integration.gateway.house import House, a_feed, fields_of, refusal_of


@pytest.fixture
async def name(house: House) -> str:
    """An account whose partition the feed stand-in holds."""
    account_id = await house.an_account("X1")
    await house.owned_by(house.feed_address, account_id)
    return account_id


async def test_a_session_is_connected_and_disconnected_by_its_feed(house: House, name: str) -> None:
    connected = await house.sessions.ConnectSession(session_pb2.ConnectSessionRequest(account_id=name))
    assert connected.session.state == session_pb2.SESSION_STATE_LIVE
    await house.sessions.DisconnectSession(
        session_pb2.DisconnectSessionRequest(account_id=name, reason="holiday")
    )
    assert [(each.account_id, getattr(each, "reason", "")) for each in house.feed.asked] == [
        (name, ""),
        (name, "holiday"),
    ]
    entries = [(each.action, each.detail) for each in await house.audit(name)][1:]
    assert entries == [("session.connect", ""), ("session.disconnect", "holiday")]


async def test_a_login_goes_through_the_feed_both_ways(house: House, name: str) -> None:
    started = await house.sessions.StartLogin(session_pb2.StartLoginRequest(account_id=name))
    assert (started.login_url, started.state) == (LOGIN_URL, STATE)
    await house.sessions.CompleteLogin(
        session_pb2.CompleteLoginRequest(
            account_id=name, state=STATE, credential=session_pb2.LoginCredential(auth_code="code")
        )
    )
    completed = house.feed.asked[-1]
    assert (completed.state, completed.credential.auth_code) == (STATE, "code")
    assert all("code" not in entry.detail for entry in await house.audit(name))


@pytest.mark.parametrize("target", ["account_id", "session_id"])
async def test_a_session_is_found_by_either_name_and_without_its_secrets(
    house: House, name: str, target: str
) -> None:
    got = await house.sessions.GetSession(session_pb2.GetSessionRequest(**{target: name}))
    assert (got.session.session_id, list(got.session.account_ids)) == (name, [name])
    assert not got.session.HasField("sealed_state")


async def test_a_feed_that_lost_the_account_sends_on_to_its_new_owner(house: House, name: str) -> None:
    other = FeedStandIn()
    moved = asyncio.Event()
    async with a_feed(other) as address:
        house.feed.refusals = [NotOwner("not held here")]
        house.feed.before_refusing = moved.set
        call = house.sessions.ConnectSession(session_pb2.ConnectSessionRequest(account_id=name))
        asking = asyncio.ensure_future(call)
        await moved.wait()
        await house.owned_by(address, name)
        answer = await asking
    assert answer.session.session_id == name
    assert len(other.asked) == 1


async def test_a_feed_that_died_is_left_for_its_successor(house: House, name: str) -> None:
    await house.owned_by(f"127.0.0.1:{free_port()}", name)
    asking = asyncio.ensure_future(house.sessions.GetSession(session_pb2.GetSessionRequest(account_id=name)))
    await house.owned_by(house.feed_address, name)
    assert (await asking).session.session_id == name


async def test_a_refusal_of_the_feed_is_passed_on_as_it_was(house: House, name: str) -> None:
    house.feed.refusals = [BrokerLoginNeeded("the token has expired", code="-8")]
    status = await refusal_of(
        house.sessions.ConnectSession(session_pb2.ConnectSessionRequest(account_id=name))
    )
    assert (status.code, status.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "LOGIN_NEEDED")
    assert status.metadata == {"broker_code": "-8", "broker_words": "the token has expired"}
    assert len(house.feed.asked) == 1


async def test_a_login_code_is_not_sent_twice(house: House, name: str) -> None:
    house.feed.refusals = [RpcRefusedError(RpcStatus(grpc.StatusCode.UNAVAILABLE, "going down", "DRAINING"))]
    asked = session_pb2.CompleteLoginRequest(
        account_id=name, state=STATE, credential=session_pb2.LoginCredential(auth_code="code")
    )
    status = await refusal_of(house.sessions.CompleteLogin(asked))
    assert (status.code, status.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
    assert len(house.feed.asked) == 1


async def test_a_refused_forward_may_be_asked_again_under_its_id(house: House, name: str) -> None:
    house.feed.refusals = [BrokerLoginNeeded("log in")]
    asked = session_pb2.ConnectSessionRequest(request_id="r1", account_id=name)
    await refusal_of(house.sessions.ConnectSession(asked))
    assert (await house.sessions.ConnectSession(asked)).session.session_id == name


async def test_an_account_that_does_not_exist_troubles_no_feed(house: House) -> None:
    status = await refusal_of(
        house.sessions.ConnectSession(session_pb2.ConnectSessionRequest(account_id="fyers:nobody"))
    )
    assert (status.code, house.feed.asked) == (grpc.StatusCode.NOT_FOUND, [])
    nobody = session_pb2.GetSessionRequest(session_id="fyers:nobody")
    assert (await refusal_of(house.sessions.GetSession(nobody))).code is grpc.StatusCode.NOT_FOUND
    unnamed = house.sessions.GetSession(session_pb2.GetSessionRequest())
    assert fields_of(await refusal_of(unnamed)) == {"target"}


async def test_sessions_are_listed_from_the_rows(house: House) -> None:
    first = await house.an_account("A1")
    second = await house.an_account("A2", type=common_pb2.ACCOUNT_TYPE_COPY_FOLLOWER)
    await house.database.execute("UPDATE sessions SET state = 'LIVE' WHERE session_id = $1", first)

    async def names(**which: Any) -> list[str]:
        wire = session_pb2.SessionFilter(**which)
        page = await house.sessions.ListSessions(session_pb2.ListSessionsRequest(filter=wire))
        return [each.session_id for each in page.sessions]

    assert await names() == [first, second]
    assert await names(states=[session_pb2.SESSION_STATE_LIVE]) == [first]
    assert await names(account_type=common_pb2.ACCOUNT_TYPE_COPY_FOLLOWER) == [second]
    assert await names(account_ids=[second, "fyers:nobody"]) == [second]
    assert await names(account_group_id="none") == []
    assert await names(broker=common_pb2.BROKER_FYERS) == [first, second]
    assert house.feed.asked == []
