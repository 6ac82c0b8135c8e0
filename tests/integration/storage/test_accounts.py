"""Accounts, apps, groups and what is kept sealed."""

from dataclasses import replace
from decimal import Decimal

import pytest

from paceline.adapters.postgres.accounts import PostgresAccountGroups, PostgresAccounts, PostgresBrokerApps
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.sessions import PostgresSessions
from paceline.domain.account import AccountState, AccountType, Broker, SessionState
from paceline.domain.errors import AlreadyExists, Conflict, NotFound
from paceline.domain.ids import AccountId, BrokerAppId
from paceline.domain.partitioning import partition_of
from paceline.ports.accounts import AccountGroup, BrokerApp, GroupId
from paceline.ports.seal import Sealed
from paceline.ports.sessions import Session, SessionId
from tests.integration.storage.makers import accounts_of, an_account

ALICE, BOB = AccountId("fyers:ALICE"), AccountId("fyers:BOB")
APP = BrokerApp(BrokerAppId("app"), Broker.FYERS, "XC4-100", "https://example.test/back", "Ours")


@pytest.fixture
def accounts(database: Database) -> PostgresAccounts:
    return PostgresAccounts(database)


async def test_an_account_is_read_as_it_was_created_with_a_session_of_its_name(
    accounts: PostgresAccounts, database: Database
) -> None:
    alice = replace(an_account(ALICE), egress="127.0.0.9", display_name="Alice")
    assert await accounts.create(alice) == alice
    session = (await PostgresSessions(database).of_accounts([ALICE]))[ALICE]
    assert session.state_since is not None
    expected = Session(SessionId(ALICE), Broker.FYERS, "ALICE", (ALICE,), SessionState.DISCONNECTED)
    assert replace(session, state_since=None) == expected


async def test_an_account_is_created_once(accounts: PostgresAccounts, database: Database) -> None:
    await accounts.create(an_account(ALICE))
    with pytest.raises(AlreadyExists):
        await accounts.create(an_account(ALICE))
    with pytest.raises(AlreadyExists):
        await accounts.create(replace(an_account(ALICE), account_id=BOB))
    assert await accounts.get_many([ALICE, BOB]) == {ALICE: an_account(ALICE)}


async def test_who_is_not_there_is_not_found(accounts: PostgresAccounts) -> None:
    with pytest.raises(NotFound, match="BOB"):
        await accounts.get(BOB)
    with pytest.raises(NotFound):
        await accounts.update(an_account(BOB))
    with pytest.raises(NotFound):
        await accounts.set_credentials(BOB, Sealed(b"x"))
    with pytest.raises(NotFound):
        await accounts.create(replace(an_account(BOB), app_id=BrokerAppId("nobody")))


async def test_of_two_changes_of_one_version_the_second_is_refused(accounts: PostgresAccounts) -> None:
    first = await accounts.create(an_account(ALICE))
    frozen = await accounts.update(replace(first, state=AccountState.FROZEN))
    assert (frozen.state, frozen.version) == (AccountState.FROZEN, 2)
    with pytest.raises(Conflict):
        await accounts.update(replace(first, egress="127.0.0.2"))


async def test_accounts_are_listed_by_partition_and_page(accounts: PostgresAccounts) -> None:
    everyone = [await accounts.create(an_account(f"fyers:A{n}")) for n in range(5)]
    await accounts.create(an_account("paper:P", AccountType.DEMO))
    home = partition_of(everyone[0].account_id)
    listed = await accounts.in_partitions([home])
    assert everyone[0] in listed
    assert all(partition_of(each.account_id) == home for each in listed)
    first = await accounts.page(limit=3)
    assert [*first, *await accounts.page(after=first[-1].account_id, broker=Broker.FYERS)] == everyone
    assert len(await accounts.page(type=AccountType.DEMO)) == 1


async def test_credentials_are_kept_sealed_and_apart(accounts: PostgresAccounts) -> None:
    await accounts.create(an_account(ALICE))
    for sealed in (Sealed(b"\x01old"), Sealed(b"\x01new")):
        await accounts.set_credentials(ALICE, sealed)
    assert await accounts.credentials([ALICE, BOB]) == {ALICE: b"\x01new"}


async def test_an_app_keeps_its_secret_until_a_new_one_is_given(database: Database) -> None:
    apps = PostgresBrokerApps(database)
    assert await apps.create(APP, Sealed(b"one")) == APP
    with pytest.raises(AlreadyExists):
        await apps.create(replace(APP, app_id=BrokerAppId("twin")), Sealed(b"two"))
    moved = await apps.update(replace(APP, redirect_url="https://example.test/there"))
    assert await apps.secrets([APP.app_id]) == {APP.app_id: b"one"}
    await apps.update(moved, Sealed(b"three"))
    assert await apps.secrets([APP.app_id]) == {APP.app_id: b"three"}
    with pytest.raises(Conflict):
        await apps.update(APP)
    assert [each.version for each in await apps.page()] == [3]
    with pytest.raises(NotFound):
        await apps.get(BrokerAppId("nobody"))


async def test_groups_share_lot_rules_among_accounts(database: Database) -> None:
    await accounts_of(database, ALICE, BOB)
    groups = PostgresAccountGroups(database)
    small = AccountGroup(GroupId("small"), "Small", Decimal(1), Decimal(5), Decimal(1))
    await groups.create(small)
    await groups.set_members(small.group_id, [ALICE, BOB])
    await groups.set_members(small.group_id, [BOB])
    assert await groups.of_accounts([ALICE, BOB]) == {BOB: [small]}
    wider = await groups.update(replace(small, max_lots=None))
    assert list(await groups.page()) == [wider]
    with pytest.raises(Conflict):
        await groups.update(small)


async def test_one_session_may_serve_many_accounts(database: Database) -> None:
    await accounts_of(database, ALICE, BOB)
    sessions = PostgresSessions(database)
    alone = (await sessions.of_accounts([ALICE]))[ALICE]
    await sessions.share(replace(alone, session_id=SessionId("partner"), accounts=(ALICE, BOB)))
    serving = await sessions.of_accounts([ALICE, BOB])
    assert {each.session_id for each in serving.values()} == {"partner"}
    assert serving[BOB].accounts == (ALICE, BOB)
