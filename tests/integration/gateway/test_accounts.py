"""Accounts: created whole, changed by mask and version, frozen, closed."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from paceline.adapters.postgres.accounts import PostgresAccounts
from paceline.adapters.postgres.liquidations import PostgresLiquidations
from paceline.adapters.postgres.sessions import PostgresSessions
from paceline.adapters.redis.portfolios import RedisPortfolios
from paceline.api.v1 import account_pb2, common_pb2, query_pb2, subscription_pb2
from paceline.domain.account import AccountType
from paceline.domain.ids import AccountId
from paceline.domain.liquidation import LiquidationLevel
from paceline.ports.sessions import SessionId
from paceline.runtime.account_secrets import unseal_secrets
from paceline.runtime.credentials import token_context
from tests.integration.gateway.house import ALICE, TOKEN, House, account, fields_of, refusal_of

LATER = Timestamp(seconds=4_000_000_000)


def creation(wire: account_pb2.Account, **credentials: Any) -> account_pb2.CreateAccountRequest:
    asked = account_pb2.CreateAccountRequest(account=wire)
    if credentials:
        asked.credentials.CopyFrom(account_pb2.Credentials(**credentials))
    return asked


async def test_an_account_is_named_by_its_broker_and_client(house: House) -> None:
    app = await house.an_app()
    made = await house.accounts.CreateAccount(
        creation(account("XV20986", broker_app_id=app, display_name="Asha", egress="10.0.0.7")),
        metadata=ALICE,
    )
    wire = made.account
    assert (wire.account_id, wire.state) == ("fyers:XV20986", account_pb2.ACCOUNT_STATE_ACTIVE)
    assert (wire.broker_app_id, wire.display_name, wire.egress) == (app, "Asha", "10.0.0.7")
    assert (wire.version, wire.has_credentials) == (1, False)
    assert wire.create_time.ToDatetime(UTC) <= datetime.now(UTC)
    got = await house.accounts.GetAccount(account_pb2.GetAccountRequest(account_id=wire.account_id))
    assert got.account == wire


async def test_an_account_begins_with_an_empty_portfolio_and_a_session_that_is_not_connected(
    house: House,
) -> None:
    name = AccountId(await house.an_account(type=common_pb2.ACCOUNT_TYPE_COPY_FOLLOWER))
    portfolio = (await RedisPortfolios(house.redis).get({name: AccountType.COPY_FOLLOWER}))[name]
    assert (portfolio.equity, portfolio.stale) == (Decimal(0), True)
    assert await house.redis.hget(f"user:{{copy_follower:{name}}}:config", "account_id") == name.encode()
    assert (await PostgresSessions(house.database).of_accounts([name]))[name].accounts == (name,)


async def test_tokens_and_secrets_are_sealed_and_never_told(house: House) -> None:
    made = await house.accounts.CreateAccount(
        creation(account("XS1"), access_token=TOKEN, refresh_token="again", expire_time=LATER, pin="1234")
    )
    assert made.account.has_credentials
    assert TOKEN not in str(made)
    name = AccountId(made.account.account_id)
    tokens = (await PostgresSessions(house.database).tokens([SessionId(name)]))[SessionId(name)]
    assert tokens.token is not None
    assert TOKEN not in repr(tokens)
    assert house.seal.unseal(tokens.token, token_context(SessionId(name), "token")) == TOKEN.encode()
    assert tokens.expires_at == datetime.fromtimestamp(LATER.seconds, UTC)
    sealed = (await PostgresAccounts(house.database).credentials([name]))[name]
    assert unseal_secrets(house.seal, name, sealed).pin.reveal() == "1234"
    assert all(TOKEN not in entry.detail and "1234" not in entry.detail for entry in await house.audit())


async def test_a_token_without_an_end_is_good_for_an_hour(house: House) -> None:
    made = await house.accounts.CreateAccount(creation(account("XS2"), access_token=TOKEN))
    name = SessionId(made.account.account_id)
    tokens = (await PostgresSessions(house.database).tokens([name]))[name]
    assert tokens.expires_at is not None
    assert 3_500 < (tokens.expires_at - datetime.now(UTC)).total_seconds() <= 3_600


async def test_credentials_are_replaced_by_themselves(house: House) -> None:
    name = AccountId(await house.an_account("XS3"))
    asked = account_pb2.SetCredentialsRequest(
        account_id=name, credentials=account_pb2.Credentials(api_key="key", api_secret="word")
    )
    changed = await house.accounts.SetCredentials(asked)
    assert changed.account.has_credentials
    sealed = (await PostgresAccounts(house.database).credentials([name]))[name]
    assert unseal_secrets(house.seal, name, sealed).api_secret.reveal() == "word"
    asked.credentials.Clear()
    assert fields_of(await refusal_of(house.accounts.SetCredentials(asked))) == {"credentials"}


WRONG = [
    (account("has space"), "account.client_id"),
    (account("X" * 65), "account.client_id"),
    (account("X1", broker=common_pb2.BROKER_UNSPECIFIED), "account.broker"),
    (account("X1", type=common_pb2.ACCOUNT_TYPE_UNSPECIFIED), "account.type"),
    (account("X1", segments=[]), "account.segments"),
    (account("X1", segments=[99]), "account.segments"),
    (account("X1", egress="somewhere"), "account.egress"),
    (account("X1", egress="ftp://proxy"), "account.egress"),
    (account("X1", account_id="fyers:X2"), "account.account_id"),
    (account("X1", state=account_pb2.ACCOUNT_STATE_FROZEN), "account.state"),
    (account("X1", owner_user_id="somebody"), "account.owner_user_id"),
    (account("X1", broker_app_id="nobody's"), "account.broker_app_id"),
    (account("X1", display_name="\0"), "account.display_name"),
    (account("X1", display_name="x" * 513), "account.display_name"),
]


async def test_a_wrong_field_is_named_with_its_rule(house: House) -> None:
    for wrong, field in WRONG:
        assert fields_of(await refusal_of(house.accounts.CreateAccount(creation(wrong)))) == {field}
    listed = await house.accounts.ListAccounts(account_pb2.ListAccountsRequest())
    assert list(listed.accounts) == []


async def test_an_app_of_another_broker_is_refused(house: House) -> None:
    app = await house.an_app()
    wrong = account("X1", broker=common_pb2.BROKER_DHAN, broker_app_id=app)
    assert fields_of(await refusal_of(house.accounts.CreateAccount(creation(wrong)))) == {
        "account.broker_app_id"
    }


async def test_expired_and_incomplete_credentials_are_refused(house: House) -> None:
    past = creation(account("X1"), access_token=TOKEN, expire_time=Timestamp(seconds=1))
    assert fields_of(await refusal_of(house.accounts.CreateAccount(past))) == {"credentials.expire_time"}
    half = creation(account("X1"), refresh_token="again")
    assert fields_of(await refusal_of(house.accounts.CreateAccount(half))) == {"credentials.access_token"}


async def test_the_same_client_twice_is_told_by_its_name(house: House) -> None:
    await house.an_account("X1")
    status = await refusal_of(house.accounts.CreateAccount(creation(account("X1"))))
    assert (status.code, status.reason) == (grpc.StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS")
    assert status.metadata == {"what": "account", "name": "fyers:X1"}


async def test_nobody_is_not_found(house: House) -> None:
    status = await refusal_of(
        house.accounts.GetAccount(account_pb2.GetAccountRequest(account_id="fyers:nobody"))
    )
    assert (status.code, status.metadata["name"]) == (grpc.StatusCode.NOT_FOUND, "fyers:nobody")


async def test_an_update_changes_what_its_mask_names(house: House) -> None:
    name = await house.an_account("X1", display_name="before", egress="10.0.0.1")
    asked = account_pb2.UpdateAccountRequest(
        account=account_pb2.Account(account_id=name, display_name="after", egress="10.0.0.2", version=1),
        update_mask=FieldMask(paths=["display_name"]),
    )
    changed = (await house.accounts.UpdateAccount(asked)).account
    assert (changed.display_name, changed.egress, changed.version) == ("after", "10.0.0.1", 2)
    stale = await refusal_of(house.accounts.UpdateAccount(asked))
    assert (stale.code, stale.reason) == (grpc.StatusCode.ABORTED, "VERSION_CONFLICT")
    asked.account.version = 0
    asked.account.display_name = "whatever is there"
    assert (await house.accounts.UpdateAccount(asked)).account.version == 3


async def test_an_update_of_what_is_fixed_is_refused(house: House) -> None:
    name = await house.an_account()
    for paths in (["client_id"], ["type"], ["state"], ["version"], ["nothing"], [""], []):
        asked = account_pb2.UpdateAccountRequest(
            account=account_pb2.Account(account_id=name), update_mask=FieldMask(paths=paths)
        )
        assert fields_of(await refusal_of(house.accounts.UpdateAccount(asked))) == {"update_mask"}


async def test_a_frozen_account_thaws(house: House) -> None:
    name = await house.an_account()
    frozen = await house.accounts.FreezeAccount(
        account_pb2.FreezeAccountRequest(account_id=name, reason="odd orders"), metadata=ALICE
    )
    assert frozen.account.state == account_pb2.ACCOUNT_STATE_FROZEN
    again = await house.accounts.FreezeAccount(account_pb2.FreezeAccountRequest(account_id=name))
    assert again.account.version == frozen.account.version
    freezes = PostgresLiquidations(house.database)
    (freeze,) = await freezes.freezes(accounts=[AccountId(name)])
    assert (freeze.level, freeze.reason) == (LiquidationLevel.STOP_ENTRIES, "odd orders")
    thawed = await house.accounts.UnfreezeAccount(account_pb2.UnfreezeAccountRequest(account_id=name))
    assert thawed.account.state == account_pb2.ACCOUNT_STATE_ACTIVE
    assert await freezes.freezes(accounts=[AccountId(name)]) == []
    entry = next(each for each in await house.audit(name) if each.action == "account.freeze")
    assert (entry.actor, entry.action, entry.detail) == ("alice", "account.freeze", "odd orders")


async def test_an_account_closes_for_ever_once_nobody_depends_on_it(house: House) -> None:
    made = await house.accounts.CreateAccount(creation(account("XL"), access_token=TOKEN))
    leader = made.account.account_id
    name = await house.a_subscription(leader)
    closing = account_pb2.DeleteAccountRequest(account_id=leader)
    refused = await refusal_of(house.accounts.DeleteAccount(closing))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
    await house.subscriptions.EndSubscription(_end(name))
    closed = (await house.accounts.DeleteAccount(closing)).account
    assert (closed.state, closed.has_credentials) == (account_pb2.ACCOUNT_STATE_CLOSED, False)
    for change in (
        house.accounts.DeleteAccount(closing),
        house.accounts.UnfreezeAccount(account_pb2.UnfreezeAccountRequest(account_id=leader)),
    ):
        assert (await refusal_of(change)).code is grpc.StatusCode.FAILED_PRECONDITION


def _end(name: str) -> subscription_pb2.EndSubscriptionRequest:
    return subscription_pb2.EndSubscriptionRequest(subscription_id=name)


async def test_pages_hold_every_account_once_while_new_ones_come(house: House) -> None:
    for number in range(5):
        await house.an_account(f"P{number}")
    asked = account_pb2.ListAccountsRequest(page_size=2)
    first = await house.accounts.ListAccounts(asked)
    await house.an_account("P0A")
    seen = [each.client_id for each in first.accounts]
    token = first.next_page_token
    while token:
        page = await house.accounts.ListAccounts(
            account_pb2.ListAccountsRequest(page_size=2, page_token=token)
        )
        seen += [each.client_id for each in page.accounts]
        token = page.next_page_token
    assert seen == ["P0", "P1", "P2", "P3", "P4"]
    other = account_pb2.ListAccountsRequest(
        page_token=first.next_page_token, filter=account_pb2.AccountFilter(broker=common_pb2.BROKER_FYERS)
    )
    assert fields_of(await refusal_of(house.accounts.ListAccounts(other))) == {"page_token"}


async def test_lists_are_filtered(house: House) -> None:
    live = await house.an_account(type=common_pb2.ACCOUNT_TYPE_LIVE)
    follower = await house.an_account(type=common_pb2.ACCOUNT_TYPE_COPY_FOLLOWER)
    await house.accounts.FreezeAccount(account_pb2.FreezeAccountRequest(account_id=live))

    async def names(**which: Any) -> list[str]:
        asked = account_pb2.ListAccountsRequest(filter=account_pb2.AccountFilter(**which))
        return [each.account_id for each in (await house.accounts.ListAccounts(asked)).accounts]

    assert await names(type=common_pb2.ACCOUNT_TYPE_COPY_FOLLOWER) == [follower]
    assert await names(states=[account_pb2.ACCOUNT_STATE_FROZEN]) == [live]
    assert await names(broker=common_pb2.BROKER_DHAN) == []
    ordered = account_pb2.ListAccountsRequest(order_by="update_time desc")
    assert fields_of(await refusal_of(house.accounts.ListAccounts(ordered))) == {"order_by"}


async def test_who_is_ready_is_listed_with_what_is_missing(house: House) -> None:
    name = await house.an_account()
    answer = await house.queries.ListReadiness(query_pb2.ListReadinessRequest(not_ready_only=True))
    assert [(each.account_id, each.ready) for each in answer.readiness] == [(name, False)]
    assert answer.readiness[0].detail == "the session is DISCONNECTED"
    await house.database.execute("UPDATE sessions SET state = 'LIVE' WHERE session_id = $1", name)
    assert not (
        await house.queries.ListReadiness(query_pb2.ListReadinessRequest(not_ready_only=True))
    ).readiness
    (ready,) = (await house.queries.ListReadiness(query_pb2.ListReadinessRequest())).readiness
    assert (ready.ready, ready.detail, ready.session.session_id) == (True, "", name)
    await house.accounts.FreezeAccount(account_pb2.FreezeAccountRequest(account_id=name))
    (frozen,) = (await house.queries.ListReadiness(query_pb2.ListReadinessRequest())).readiness
    assert (frozen.ready, frozen.detail) == (False, "the account is FROZEN")
