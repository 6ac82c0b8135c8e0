"""How sessions come to live, wait for people, and follow what people change, on the real stores."""

import time
from dataclasses import replace

import grpc
import grpc.aio
import pytest

from paceline.adapters.postgres.accounts import PostgresAccounts
from paceline.adapters.postgres.sessions import PostgresSessions
from paceline.adapters.redis.presence import RedisPresence
from paceline.api.v1 import feed_pb2, session_pb2
from paceline.domain.account import AccountState, SessionState
from paceline.domain.errors import Conflict
from paceline.domain.ids import AccountId
from paceline.domain.instrument import Exchange, Segment
from paceline.runtime.grpc_status import status_of
from paceline.runtime.metric_names import SESSIONS, STREAM_CONSUMERS
from tests.integration.feed.world import World, client_of, until


async def test_without_a_token_it_waits_for_a_person_and_one_token_wakes_it(stage: World) -> None:
    account = await stage.account("XL1", token=False)
    async with stage.feed() as runtime:
        assert "must log in" in await stage.until_state(account, "LOGIN_NEEDED")
        await stage.log_in(account)
        await stage.until_state(account, "LIVE")

        async def counted() -> bool:
            return runtime.metrics.value(SESSIONS, broker="fyers", state="LIVE") == 1

        await until(counted, "the gauge says so")


async def test_an_expired_token_waits_for_the_next_one_and_misses_nothing(stage: World) -> None:
    account = await stage.account("XL1")
    async with stage.feed():
        await stage.until_state(account, "LIVE")
        await stage.control.post("/tokens/expire")
        await stage.control.post("/sockets/cut")
        await stage.until_state(account, "LOGIN_NEEDED")
        sockets = stage.sim.face.clients["XL1"].sockets_opened
        await stage.trade(account, 7, parts=3)
        await stage.log_in(account)
        await stage.until_state(account, "LIVE")
        await stage.until_agreed(account)
        assert stage.sim.face.clients["XL1"].sockets_opened == sockets + 1


async def test_a_token_of_another_client_is_not_taken(stage: World) -> None:
    account = await stage.account("XL1", token=False)
    stage.sim.face.add_client("XOTHER")
    await stage.log_in(account, "XOTHER")
    async with stage.feed():
        reason = await stage.until_state(account, "LOGIN_NEEDED")
        assert "the token is of XOTHER, and not of XL1" in reason
        assert not stage.sim.sockets.connected("XOTHER")


async def test_after_two_refused_tokens_only_a_person_brings_it_back(stage: World) -> None:
    account = await stage.account("XL1", token=False)
    stage.sim.face.add_client("XOTHER")
    async with stage.feed(), stage.stub(account) as stub:
        await stage.log_in(account, "XOTHER")

        async def refused() -> bool:
            return "XOTHER" in (await stage.state(account))[1]

        await until(refused, "the first token is refused")
        await stage.log_in(account, "XOTHER")
        assert "XOTHER" in await stage.until_state(account, "SUSPENDED")
        credential = session_pb2.LoginCredential(access_token=stage.token("XL1"))
        request = feed_pb2.FeedServiceCompleteLoginRequest(account_id=account, credential=credential)
        await stub.CompleteLogin(request)
        await stage.until_state(account, "LIVE")


async def test_accounts_are_picked_up_changed_and_closed_without_a_restart(stage: World) -> None:
    async with stage.feed():
        account = await stage.account("XL1")
        await stage.until_state(account, "LIVE")
        await _changed(stage, account, egress="127.0.0.2")

        async def moved() -> bool:
            return stage.sim.face.clients["XL1"].addresses.get("127.0.0.2", 0) > 0

        await until(moved, "it comes from its new address")
        await stage.until_state(account, "LIVE")
        await _changed(stage, account, state=AccountState.CLOSED)
        assert await stage.until_state(account, "DISCONNECTED") == "the account is closed"

        async def gone() -> bool:
            return not stage.sim.sockets.connected("XL1")

        await until(gone, "its socket is closed")


async def _changed(stage: World, account: AccountId, **changes: object) -> None:
    """Sessions of others change the row's version meanwhile: again until it takes."""
    store = PostgresAccounts(stage.database)

    async def took() -> bool:
        try:
            await store.update(replace(await store.get(account), **changes))  # type: ignore[arg-type]
        except Conflict:
            return False
        return True

    await until(took, "the account is changed")


async def test_a_disconnection_by_request_lasts_over_a_restart_until_someone_connects(stage: World) -> None:
    account = await stage.account("XL1")
    async with stage.feed():
        await stage.until_state(account, "LIVE")
        async with stage.stub(account) as stub:
            request = feed_pb2.FeedServiceDisconnectSessionRequest(account_id=account)
            parted = (await stub.DisconnectSession(request)).session
        assert parted.state == session_pb2.SESSION_STATE_DISCONNECTED
        assert not stage.sim.sockets.connected("XL1")
    other = await stage.account("XL2")
    async with stage.feed():
        await stage.until_state(other, "LIVE")
        assert await stage.state(account) == ("DISCONNECTED", "by request")
        async with stage.stub(account) as stub:
            joined = feed_pb2.FeedServiceConnectSessionRequest(account_id=account)
            await stub.ConnectSession(joined)
            await stage.until_state(account, "LIVE")
            version = await stage.database.value(
                "SELECT version FROM sessions WHERE session_id = $1", account
            )
            assert (await stub.ConnectSession(joined)).session.state == session_pb2.SESSION_STATE_LIVE
        assert version == await stage.database.value(
            "SELECT version FROM sessions WHERE session_id = $1", account
        )


async def test_a_person_logs_in_by_link_and_code(stage: World) -> None:
    account = await stage.account("XL1", token=False)
    async with stage.feed(), stage.stub(account) as stub:
        await stage.until_state(account, "LOGIN_NEEDED")
        link = await stub.StartLogin(feed_pb2.FeedServiceStartLoginRequest(account_id=account))
        assert link.login_url.startswith(stage.sim.urls.auth_url)
        assert link.expire_time.ToNanoseconds() > time.time_ns()
        code = (await stage.control.post("/accounts/XL1/auth-code"))["auth_code"]
        credential = session_pb2.LoginCredential(auth_code=code)
        request = feed_pb2.FeedServiceCompleteLoginRequest(
            account_id=account, state=link.state, credential=credential
        )
        await stub.CompleteLogin(request)
        await stage.until_state(account, "LIVE")


async def test_a_token_brought_along_says_itself_whose_it_is_and_for_how_long(stage: World) -> None:
    account = await stage.account("XL1", token=False)
    stage.sim.face.add_client("XOTHER")
    async with stage.feed(), stage.stub(account) as stub:
        for client, taken in (("XOTHER", False), ("XL1", True)):
            credential = session_pb2.LoginCredential(access_token=stage.token(client))
            request = feed_pb2.FeedServiceCompleteLoginRequest(account_id=account, credential=credential)
            if taken:
                await stub.CompleteLogin(request)
            else:
                refused = await _refusal(stub.CompleteLogin(request))
                assert refused == (grpc.StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
        await stage.until_state(account, "LIVE")
        row = (await PostgresSessions(stage.database).of_accounts([account]))[account]
        assert row.token_expires_at is not None
        assert row.token_expires_at.timestamp() - time.time() > 4_000


async def _refusal(call: "grpc.aio.UnaryUnaryCall[object, object]") -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), status_of(caught.value).reason


async def test_bad_requests_are_refused_with_the_field(stage: World) -> None:
    account = await stage.account("XL1")
    async with stage.feed(), stage.stub(account) as stub:
        requests = [
            (stub.GetSession, feed_pb2.FeedServiceGetSessionRequest()),
            (stub.ConnectSession, feed_pb2.FeedServiceConnectSessionRequest()),
            (stub.ListSessions, feed_pb2.FeedServiceListSessionsRequest(page_size=-1)),
            (stub.ListSessions, feed_pb2.FeedServiceListSessionsRequest(page_token="?")),
            (stub.CompleteLogin, feed_pb2.FeedServiceCompleteLoginRequest(account_id=account)),
        ]
        for method, request in requests:
            assert await _refusal(method(request)) == (
                grpc.StatusCode.INVALID_ARGUMENT,
                "INVALID_ARGUMENT",
            )
        unknown = feed_pb2.FeedServiceGetSessionRequest(account_id="fyers:NOBODY")
        assert (await _refusal(stub.GetSession(unknown)))[0] is grpc.StatusCode.NOT_FOUND


async def test_sessions_are_listed_by_page_and_by_state(stage: World) -> None:
    accounts = [await stage.account(f"XL{number}", token=number > 0) for number in range(3)]
    async with stage.feed(), stage.stub(accounts[0]) as stub:
        await stage.until_state(accounts[0], "LOGIN_NEEDED")
        for account in accounts[1:]:
            await stage.until_state(account, "LIVE")
        first = await stub.ListSessions(feed_pb2.FeedServiceListSessionsRequest(page_size=2))
        second = await stub.ListSessions(
            feed_pb2.FeedServiceListSessionsRequest(page_size=2, page_token=first.next_page_token)
        )
        assert [each.session_id for each in (*first.sessions, *second.sessions)] == accounts
        assert not second.next_page_token
        live = feed_pb2.FeedServiceListSessionsRequest()
        live.filter.states.append(session_pb2.SESSION_STATE_LIVE)
        assert [each.session_id for each in (await stub.ListSessions(live)).sessions] == accounts[1:]
        shown = await stub.GetSession(feed_pb2.FeedServiceGetSessionRequest(account_id=accounts[1]))
        assert shown.session.owner_address == await stage.address_of(accounts[1])
        assert shown.session.last_frame_time.ToNanoseconds() > 0


async def test_others_see_who_is_connected_and_which_markets_are_open(stage: World) -> None:
    account = await stage.account("XL1")
    presence = RedisPresence(stage.redis)
    async with stage.feed() as runtime:
        await stage.until_state(account, "LIVE")

        async def present() -> bool:
            found = (await presence.sessions([account])).get(account)
            return found is not None and found.state is SessionState.LIVE and found.last_frame_ns > 0

        async def written() -> bool:
            row = (await PostgresSessions(stage.database).of_accounts([account]))[account]
            return row.last_frame_at is not None

        async def market() -> bool:
            return await presence.market(Exchange.NSE, Segment.CAPITAL_MARKET) is not None

        await until(present, "Redis knows the session")
        await until(written, "PostgreSQL knows when it was heard")
        await until(market, "Redis knows the market")
        assert runtime.metrics.value(STREAM_CONSUMERS, stream="events") == 0


async def test_a_session_of_an_unsealable_token_hinders_no_other(stage: World) -> None:
    broken, good = await stage.account("XL1"), await stage.account("XL2")
    await stage.database.execute("UPDATE sessions SET sealed_token = 'junk' WHERE session_id = $1", broken)
    async with stage.feed():
        await stage.until_state(good, "LIVE")
        await stage.until_state(broken, "LOGIN_NEEDED")


async def test_prices_are_streamed_to_whoever_asks(stage: World) -> None:
    account = await stage.account("XL1")
    async with stage.feed(), stage.stub(account) as stub:
        await stage.until_state(account, "LIVE")
        call = stub.StreamTicks()
        await call.write(
            feed_pb2.StreamTicksRequest(consumer="test", subscribe=["NSE:SBIN-EQ", "NSE:NOTHING-EQ"])
        )
        unknown: set[str] = set()
        prices: dict[str, tuple[int, int]] = {}
        while "NSE:SBIN-EQ" not in prices or not unknown:
            response = await call.read()
            unknown |= set(response.unknown_instrument_ids)
            prices |= {tick.instrument_id: (tick.last, tick.scale) for tick in response.ticks}
        await stage.control.post("/prices", prices={"NSE:SBIN-EQ": 815.5})
        while prices["NSE:SBIN-EQ"] not in {(8155, 1), (81550, 2)}:
            response = await call.read()
            prices |= {tick.instrument_id: (tick.last, tick.scale) for tick in response.ticks}
        assert unknown == {"NSE:NOTHING-EQ"}

        async def saved() -> bool:
            return bool(await stage.redis.exists("market:{NSE:SBIN-EQ}", "market:NSE:SBIN-EQ"))

        await until(saved, "Redis has the price")
        call.cancel()
    assert client_of(account) == "XL1"
