"""Logins at the simulated broker: one for all who ask, few when they fail, and what outlasts a restart."""

import asyncio
import base64
import time
from dataclasses import replace
from random import Random

import pytest

from paceline.adapters.brokers.fyers import Egresses, Fyers, FyersLogins, FyersSettings
from paceline.adapters.clock import SystemClock
from paceline.adapters.postgres.accounts import PostgresAccounts, PostgresBrokerApps
from paceline.adapters.postgres.logins import PostgresLogins
from paceline.adapters.postgres.sealed import PostgresSealedRows
from paceline.adapters.postgres.sessions import PostgresSessions
from paceline.adapters.redis.presence import RedisPresence
from paceline.adapters.seal import KeyringSeal
from paceline.api.v1 import feed_pb2, session_pb2
from paceline.domain.account import AccountState, Broker, SessionState
from paceline.domain.errors import BrokerAuthFailed
from paceline.domain.ids import AccountId
from paceline.domain.instrument import Segment
from paceline.domain.secret import Secret
from paceline.ports.broker import Tokens
from paceline.ports.sessions import SessionId
from paceline.runtime.account_secrets import AccountSecrets, seal_secrets
from paceline.runtime.credentials import CredentialStore, sealed_tokens
from paceline.runtime.metrics import Metrics
from paceline.runtime.relogin import LoginStores, LoginTimes, Relogin
from paceline.runtime.reseal import rotate
from services.executor.logins import Logins
from tests.integration.feed.world import KEY, World, until

PIN = "1234"
OTHER_KEY = base64.b64encode(b"n" * 32).decode()


async def renewable(stage: World, client_id: str, *, pin: str = PIN) -> AccountId:
    """An account that can log in by itself as long as the broker lets it."""
    account_id = await stage.account(client_id, token=False)
    client = stage.sim.face.clients[client_id]
    session = SessionId(account_id)
    access, refresh = stage.token(client_id), stage.sim.face.tokens.issue_refresh(client).text
    tokens = Tokens(Secret(access), Secret(refresh), time.time_ns() + 3_600_000_000_000, client_id)
    await PostgresSessions(stage.database).set_tokens(session, sealed_tokens(stage.seal, session, tokens))
    sealed = seal_secrets(stage.seal, account_id, AccountSecrets(pin=Secret(pin)))
    await PostgresAccounts(stage.database).set_credentials(account_id, sealed)
    return account_id


async def lose_tokens(stage: World) -> None:
    await stage.control.post("/tokens/expire")
    await stage.control.post("/sockets/cut")


async def attempts(stage: World) -> dict[str, int]:
    accounts = (await stage.control.get("/stats"))["accounts"]
    return {name: row["login_attempts"] for name, row in accounts.items()}


def replica(stage: World, egresses: Egresses, settings: FyersSettings, name: str) -> tuple[Fyers, Logins]:
    """As much of an executor as calls and logs in."""
    clock, database = SystemClock(), stage.database
    accounts, sessions = PostgresAccounts(database), PostgresSessions(database)
    credentials = CredentialStore(accounts, PostgresBrokerApps(database), sessions, stage.seal, clock)
    stores = LoginStores(accounts, sessions, PostgresLogins(database), credentials, stage.seal)
    doors = {Broker.FYERS: FyersLogins(settings, egresses, clock)}
    relogin = Relogin(stores, doors, clock, Random(7), Metrics(), LoginTimes(10_000, 1_000), name)
    return Fyers(settings, egresses, clock), Logins(credentials, relogin)


async def test_a_hundred_calls_that_meet_an_expired_token_share_one_login(stage: World) -> None:
    account = await renewable(stage, "XL1")
    urls = stage.sim.urls.as_dict()
    settings = FyersSettings(api_url=urls["api_url"], data_url=urls["data_url"], auth_url=urls["auth_url"])
    egresses = Egresses(settings)
    replicas = [replica(stage, egresses, settings, name) for name in ("one", "two")]
    async with stage.feed():
        await stage.until_state(account, "LIVE")
        for _, logins in replicas:
            await logins._credentials.load([account])
        await lose_tokens(stage)

        async def call(number: int) -> str:
            broker, logins = replicas[number % 2]
            credentials = logins.of(account)
            try:
                await broker.profile(credentials)
            except BrokerAuthFailed as refusal:
                logins.refused(credentials, str(refusal))
                assert await logins.relogin(account)
                return (await broker.profile(logins.of(account))).client_id
            return "was not refused"

        assert await asyncio.gather(*(call(number) for number in range(100))) == ["XL1"] * 100
        await stage.until_state(account, "LIVE")
        client = stage.sim.face.clients["XL1"]
        assert (client.refreshes, client.logins, client.login_attempts) == (1, 0, 1)
    await egresses.aclose()


async def test_a_token_that_dies_at_night_is_renewed_by_itself(stage: World) -> None:
    account = await renewable(stage, "XL1")
    async with stage.feed():
        await stage.until_state(account, "LIVE")
        await lose_tokens(stage)
        await stage.trade(account, 7, parts=3)

        async def renewed() -> bool:
            return stage.sim.face.clients["XL1"].refreshes == 1

        await until(renewed, "it was renewed")
        await stage.until_state(account, "LIVE")
        await stage.until_agreed(account)


FAULTS: dict[str, dict[str, object]] = {
    "a page instead of an answer": {"kind": "server_5xx"},
    "no answer": {"kind": "delay_before", "ms": 60_000},
    "the app is blocked": {"kind": "app_blocked"},
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_two_logins_that_fail_suspend_and_a_restart_tries_no_third(stage: World, fault: str) -> None:
    account = await renewable(stage, "XL1")
    async with stage.feed(login_retry_ms="100", broker_request_max_ms="300"):
        await stage.until_state(account, "LIVE")
        await stage.control.post("/faults", calls=["refresh"], **FAULTS[fault])
        await lose_tokens(stage)
        reason = await stage.until_state(account, "SUSPENDED")
        row = (await PostgresSessions(stage.database).of_accounts([account]))[account]
        assert row.failed_logins == 2
        if fault == "the app is blocked":
            assert "Your app is blocked" in reason
    other = await stage.account("XL2")
    await stage.control.delete("/faults")
    async with stage.feed("again"), stage.stub(account) as stub:
        await stage.until_state(other, "LIVE")
        assert await stage.state(account) == ("SUSPENDED", reason)
        shown = await stub.GetSession(feed_pb2.FeedServiceGetSessionRequest(account_id=account))
        assert shown.session.failed_logins == 2
        assert row.state_since is not None
        assert shown.session.state_time.ToDatetime(row.state_since.tzinfo) == row.state_since
        assert (await attempts(stage))["XL1"] == 2
        credential = session_pb2.LoginCredential(access_token=stage.token("XL1"))
        await stub.CompleteLogin(
            feed_pb2.FeedServiceCompleteLoginRequest(account_id=account, credential=credential)
        )
        await stage.until_state(account, "LIVE")
        row = (await PostgresSessions(stage.database).of_accounts([account]))[account]
        assert (row.failed_logins, row.login_url) == (0, "")


async def test_a_wrong_pin_is_tried_once_and_a_right_one_at_once(stage: World) -> None:
    account = await renewable(stage, "XL1", pin="9999")
    async with stage.feed():
        await stage.until_state(account, "LIVE")
        await lose_tokens(stage)
        assert "valid refresh token and pin" in await stage.until_state(account, "LOGIN_NEEDED")
        assert (await attempts(stage))["XL1"] == 1
        sealed = seal_secrets(stage.seal, account, AccountSecrets(pin=Secret(PIN)))
        await PostgresAccounts(stage.database).set_credentials(account, sealed)
        await stage.until_state(account, "LIVE")
        assert (await attempts(stage))["XL1"] == 2


async def test_fifty_accounts_whose_logins_fail_make_no_storm(stage: World) -> None:
    accounts = [await renewable(stage, f"XS{number:02}") for number in range(50)]
    async with stage.feed(login_retry_ms="100"):
        for account in accounts:
            await stage.until_state(account, "LIVE")
        await stage.control.post("/faults", kind="server_5xx", calls=["refresh"])
        await lose_tokens(stage)
        for account in accounts:
            await stage.until_state(account, "SUSPENDED")
    async with stage.feed("again"):
        other = await stage.account("XL2")
        await stage.until_state(other, "LIVE")
    made = await attempts(stage)
    assert [made[f"XS{number:02}"] for number in range(50)] == [2] * 50


async def test_who_waits_for_a_person_is_shown_with_a_link_everywhere_alike(stage: World) -> None:
    account = await stage.account("XL1")
    presence = RedisPresence(stage.redis)
    async with stage.feed(), stage.stub(account) as stub:
        await stage.until_state(account, "LIVE")
        await lose_tokens(stage)
        reason = await stage.until_state(account, "LOGIN_NEEDED")

        async def linked() -> bool:
            row = (await PostgresSessions(stage.database).of_accounts([account]))[account]
            return row.login_url.startswith(stage.sim.urls.auth_url)

        async def present() -> bool:
            found = (await presence.sessions([account])).get(account)
            return found is not None and (found.state, found.reason) == (SessionState.LOGIN_NEEDED, reason)

        await until(linked, "the link stands beside the session")
        await until(present, "Redis says the same")
        listed = await stub.ListSessions(feed_pb2.FeedServiceListSessionsRequest())
        (shown,) = listed.sessions
        assert (shown.state, shown.detail) == (session_pb2.SESSION_STATE_LOGIN_NEEDED, reason)
        assert shown.login_url
        assert shown.token_expire_time.ToNanoseconds() > time.time_ns()
        code = (await stage.control.post("/accounts/XL1/auth-code"))["auth_code"]
        state = shown.login_url.partition("state=")[2]
        credential = session_pb2.LoginCredential(auth_code=code)
        request = feed_pb2.FeedServiceCompleteLoginRequest(
            account_id=account, state=state, credential=credential
        )
        await stub.CompleteLogin(request)
        await stage.until_state(account, "LIVE")


async def test_a_name_or_a_freeze_drops_no_socket(stage: World) -> None:
    account = await stage.account("XL1")
    store = PostgresAccounts(stage.database)
    async with stage.feed():
        await stage.until_state(account, "LIVE")
        opened = stage.sim.face.clients["XL1"].sockets_opened
        named = await store.update(replace(await store.get(account), display_name="Asha"))
        frozen = await store.update(replace(named, state=AccountState.FROZEN))
        await store.update(replace(frozen, segments=frozenset({Segment.EQUITY_DERIVATIVES})))
        later = await stage.account("XL2")
        await stage.until_state(later, "LIVE")
        assert stage.sim.face.clients["XL1"].sockets_opened == opened


async def test_keys_are_rotated_under_a_live_session(stage: World) -> None:
    account = await renewable(stage, "XL1")
    both = f"new:{OTHER_KEY},{KEY}"
    async with stage.feed(encryption_key=both):
        await stage.until_state(account, "LIVE")
        opened = stage.sim.face.clients["XL1"].sockets_opened
        keyring = KeyringSeal.from_text(both)
        turned = await rotate(PostgresSealedRows(stage.database), keyring, SystemClock(), batch_rows=10)
        assert (turned.settled, turned.broken, sum(turned.resealed.values())) == (True, (), 4)
        await stage.trade(account, 7, parts=3)
        await stage.until_agreed(account)
        assert stage.sim.face.clients["XL1"].sockets_opened == opened
    async with stage.feed("again", encryption_key=f"new:{OTHER_KEY}"):
        await lose_tokens(stage)

        async def renewed() -> bool:
            return stage.sim.face.clients["XL1"].refreshes == 1

        await until(renewed, "what it logs in with opens under the new key alone")
        await stage.until_state(account, "LIVE")
