"""A request asked twice is carried out once, with one line in the audit."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import grpc
import pytest

from paceline.adapters.postgres.audit import PostgresAudit
from paceline.adapters.postgres.changes import PostgresChanges
from paceline.adapters.postgres.requests import PostgresRequests
from paceline.adapters.postgres.views import PostgresViews
from paceline.api.v1 import account_pb2, common_pb2, query_pb2, session_pb2, subscription_pb2
from paceline.domain.account import AccountState
from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId
from paceline.ports.changes import Change
from paceline.runtime.grpc_status import RpcRefusedError
from services.gateway.once import ANONYMOUS, Deed, Done, Once
from tests.integration.gateway.house import ALICE, TOKEN, House, account, refusal_of, subscription


def creation(client_id: str, request_id: str = "r1", token: str = TOKEN) -> account_pb2.CreateAccountRequest:
    return account_pb2.CreateAccountRequest(
        request_id=request_id,
        account=account(client_id),
        credentials=account_pb2.Credentials(access_token=token),
    )


async def test_the_same_request_gets_the_same_answer(house: House) -> None:
    first = await house.accounts.CreateAccount(creation("X1"))
    await house.accounts.FreezeAccount(account_pb2.FreezeAccountRequest(account_id=first.account.account_id))
    assert await house.accounts.CreateAccount(creation("X1")) == first
    assert [entry.action for entry in await house.audit()] == ["account.create", "account.freeze"]


async def test_the_same_id_with_other_content_is_refused(house: House) -> None:
    await house.accounts.CreateAccount(creation("X1"))
    for other in (creation("X2"), creation("X1", token="another")):
        status = await refusal_of(house.accounts.CreateAccount(other))
        assert (status.code, status.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    assert len(await house.audit()) == 1


async def test_ids_belong_to_their_method(house: House) -> None:
    name = (await house.accounts.CreateAccount(creation("X1"))).account.account_id
    frozen = await house.accounts.FreezeAccount(
        account_pb2.FreezeAccountRequest(request_id="r1", account_id=name)
    )
    assert frozen.account.state == account_pb2.ACCOUNT_STATE_FROZEN


async def test_twins_at_the_same_time_are_one(house: House) -> None:
    leader, follower = await house.an_account(), await house.an_account()
    asked = subscription_pb2.CreateSubscriptionRequest(
        request_id="r1", subscription=subscription(leader, follower)
    )
    answers = await asyncio.gather(*(house.subscriptions.CreateSubscription(asked) for _ in range(5)))
    assert len({answer.subscription.subscription_id for answer in answers}) == 1
    assert [entry.action for entry in await house.audit()].count("subscription.create") == 1


async def test_a_refused_request_may_be_asked_again(house: House) -> None:
    leader = await house.an_account("L")
    asked = subscription_pb2.CreateSubscriptionRequest(
        request_id="r1", subscription=subscription(leader, "fyers:F")
    )
    await refusal_of(house.subscriptions.CreateSubscription(asked))
    await house.an_account("F")
    made = await house.subscriptions.CreateSubscription(asked)
    assert made.subscription.state == subscription_pb2.SUBSCRIPTION_STATE_PENDING


async def test_without_an_id_every_request_is_its_own(house: House) -> None:
    name = await house.an_account()
    asked = account_pb2.FreezeAccountRequest(account_id=name)
    await house.accounts.FreezeAccount(asked)
    await house.accounts.FreezeAccount(asked)
    assert [entry.action for entry in await house.audit(name)].count("account.freeze") == 2


async def test_who_did_it_is_who_he_says_or_nobody(house: House) -> None:
    await house.accounts.CreateAccount(creation("X1", "r1"), metadata=ALICE)
    await house.accounts.CreateAccount(creation("X2", "r2"))
    assert [entry.actor for entry in await house.audit()] == ["alice", ANONYMOUS]
    by_alice = query_pb2.ListAuditEntriesRequest(actor="alice")
    (entry,) = (await house.queries.ListAuditEntries(by_alice)).audit_entries
    assert (entry.subject, entry.action) == ("fyers:X1", "account.create")
    assert "request_id: r1" in entry.detail


async def test_a_change_whose_audit_fails_did_not_happen(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_audit: object, _entries: object) -> None:
        raise Unavailable("the audit cannot be written")

    with monkeypatch.context() as broken:
        broken.setattr("paceline.adapters.postgres.audit.PostgresAudit.write", away)
        status = await refusal_of(house.accounts.CreateAccount(creation("X1")))
        assert status.code is grpc.StatusCode.UNAVAILABLE
    assert not (await house.accounts.ListAccounts(account_pb2.ListAccountsRequest())).accounts
    assert (await house.accounts.CreateAccount(creation("X1"))).account.client_id == "X1"


async def test_a_redis_that_is_away_leaves_nothing_half_done(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise Unavailable("Redis cannot be used")

    with monkeypatch.context() as broken:
        broken.setattr("paceline.adapters.redis.portfolios.RedisPortfolios.create_empty", away)
        assert (await refusal_of(house.accounts.CreateAccount(creation("X1")))).code is (
            grpc.StatusCode.UNAVAILABLE
        )
    assert await house.audit() == []
    assert (await house.accounts.CreateAccount(creation("X1"))).account.client_id == "X1"


async def test_stores_inside_a_change_see_what_it_wrote_and_nobody_else_does(house: House) -> None:
    name = AccountId(await house.an_account())
    changes, requests = PostgresChanges(house.database), PostgresRequests(house.database)

    async def write(change: Change) -> None:
        assert await change.requests.begin("M", "r1", b"f") is None
        await change.requests.finish("M", "r1", b"answer")
        assert await change.requests.begin("M", "r1", b"f") == b"answer"
        frozen = replace(await change.holds.account(name), state=AccountState.FROZEN)
        await change.accounts.update(frozen)
        assert (await change.views.account(name)).account.state is AccountState.FROZEN
        raise LookupError(name)

    with pytest.raises(LookupError):
        async with changes.begin() as change:
            await write(change)
    assert await requests.begin("M", "r1", b"f") is None
    assert (await PostgresViews(house.database).account(name)).account.state is AccountState.ACTIVE


async def test_forwarded_requests_are_asked_once_too(house: House) -> None:
    name = await house.an_account()
    await house.owned_by(house.feed_address, name)
    asked = session_pb2.ConnectSessionRequest(request_id="r1", account_id=name)
    first = await house.sessions.ConnectSession(asked)
    assert await house.sessions.ConnectSession(asked) == first
    assert len(house.feed.asked) == 1
    asked.account_id = await house.an_account()
    assert (await refusal_of(house.sessions.ConnectSession(asked))).reason == "REQUEST_ID_REUSED"


async def test_pages_of_the_audit_are_newest_first(house: House) -> None:
    for number in range(5):
        await house.an_account(f"X{number}")
    seen, token = [], ""
    while True:
        asked = query_pb2.ListAuditEntriesRequest(page_size=2, page_token=token)
        page = await house.queries.ListAuditEntries(asked)
        seen += [entry.subject for entry in page.audit_entries]
        token = page.next_page_token
        if not token:
            break
    assert seen == [f"fyers:X{number}" for number in reversed(range(5))]
    future = common_pb2.TimeRange()
    future.start_time.seconds = 4_000_000_000
    later = query_pb2.ListAuditEntriesRequest(created=future)
    assert not (await house.queries.ListAuditEntries(later)).audit_entries


async def test_a_request_asked_again_after_the_keys_were_rotated_is_the_same(house: House) -> None:
    database = house.database
    stores = PostgresChanges(database), PostgresRequests(database), PostgresAudit(database)
    asked = session_pb2.ConnectSessionRequest(request_id="r1", account_id="fyers:X1")
    carried_out = 0

    async def work() -> Done[session_pb2.ConnectSessionResponse]:
        nonlocal carried_out
        carried_out += 1
        return Done(session_pb2.ConnectSessionResponse(), Deed("session.connect", "account", "fyers:X1"))

    async def ask(keys: Sequence[bytes]) -> None:
        once = Once(*stores, keys)
        await once.forward(asked, Context(), session_pb2.ConnectSessionResponse, work)

    for keys in ([b"old"], [b"new", b"old"]):
        await ask(keys)
    assert carried_out == 1
    with pytest.raises(RpcRefusedError, match="was used for another"):
        await ask([b"new"])


class Context:
    """Of a call by nobody in particular."""

    def invocation_metadata(self) -> tuple[()]:
        return ()
