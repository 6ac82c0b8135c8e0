"""Broker apps and account groups."""

from typing import Any

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from paceline.adapters.postgres.accounts import PostgresBrokerApps
from paceline.api.v1 import account_pb2, common_pb2
from paceline.domain.ids import BrokerAppId
from paceline.runtime.credentials import app_context
from tests.integration.gateway.house import APP_SECRET, House, fields_of, refusal_of


async def secret_of(house: House, app_id: str) -> str:
    name = BrokerAppId(app_id)
    sealed = (await PostgresBrokerApps(house.database).secrets([name]))[name]
    return house.seal.unseal(sealed, app_context(name)).decode()


def creation(**fields: Any) -> account_pb2.CreateBrokerAppRequest:
    wire = {"broker": common_pb2.BROKER_FYERS, "app_id": "XC4-100", "app_secret": APP_SECRET, **fields}
    return account_pb2.CreateBrokerAppRequest(broker_app=account_pb2.BrokerApp(**wire))


async def test_an_app_is_named_by_its_broker_unless_it_brings_a_name(house: House) -> None:
    made = (await house.accounts.CreateBrokerApp(creation())).broker_app
    assert (made.broker_app_id, made.app_id, made.version) == ("fyers:XC4-100", "XC4-100", 1)
    own = creation(broker_app_id="ours", app_id="XC5-100", redirect_uri="https://example.com/back")
    named = (await house.accounts.CreateBrokerApp(own)).broker_app
    assert (named.broker_app_id, named.redirect_uri) == ("ours", "https://example.com/back")
    got = await house.accounts.GetBrokerApp(account_pb2.GetBrokerAppRequest(broker_app_id="ours"))
    assert got.broker_app == named


async def test_a_secret_goes_in_and_never_comes_out(house: House) -> None:
    made = await house.accounts.CreateBrokerApp(creation())
    listed = await house.accounts.ListBrokerApps(account_pb2.ListBrokerAppsRequest())
    assert APP_SECRET not in f"{made}{listed}{await house.audit()}"
    assert await secret_of(house, made.broker_app.broker_app_id) == APP_SECRET


async def test_a_secret_stays_unless_the_mask_names_it(house: House) -> None:
    name = (await house.accounts.CreateBrokerApp(creation())).broker_app.broker_app_id

    async def update(path: str, version: int, **fields: Any) -> account_pb2.BrokerApp:
        app = account_pb2.BrokerApp(broker_app_id=name, version=version, **fields)
        asked = account_pb2.UpdateBrokerAppRequest(broker_app=app, update_mask=FieldMask(paths=[path]))
        return (await house.accounts.UpdateBrokerApp(asked)).broker_app

    changed = await update("display_name", 1, display_name="shared", app_secret="not asked for")
    assert (changed.display_name, changed.version) == ("shared", 2)
    assert await secret_of(house, name) == APP_SECRET
    await update("app_secret", 2, app_secret="newer")
    assert await secret_of(house, name) == "newer"
    assert fields_of(await refusal_of(update("app_secret", 3))) == {"broker_app.app_secret"}
    assert fields_of(await refusal_of(update("app_id", 3, app_id="other"))) == {"update_mask"}
    assert (await refusal_of(update("display_name", 2))).reason == "VERSION_CONFLICT"


WRONG = [
    (creation(app_secret=""), "broker_app.app_secret"),
    (creation(app_id=""), "broker_app.app_id"),
    (creation(broker=0), "broker_app.broker"),
    (creation(broker_app_id="with space"), "broker_app.broker_app_id"),
    (creation(redirect_uri="nowhere"), "broker_app.redirect_uri"),
    (creation(version=3), "broker_app.version"),
]


async def test_a_wrong_app_is_refused_by_field(house: House) -> None:
    for wrong, field in WRONG:
        assert fields_of(await refusal_of(house.accounts.CreateBrokerApp(wrong))) == {field}


async def test_an_app_twice_is_told_by_its_name(house: House) -> None:
    await house.accounts.CreateBrokerApp(creation())
    status = await refusal_of(house.accounts.CreateBrokerApp(creation()))
    assert status.metadata == {"what": "broker app", "name": "fyers:XC4-100"}


def group(name: str = "family", **lots: str) -> account_pb2.AccountGroup:
    wire = account_pb2.AccountGroup(account_group_id=name)
    for field, value in lots.items():
        getattr(wire, field).value = value
    return wire


async def test_a_group_bounds_its_members(house: House) -> None:
    made = await house.accounts.CreateAccountGroup(
        account_pb2.CreateAccountGroupRequest(account_group=group(min_lots="1", max_lots="10"))
    )
    assert (made.account_group.min_lots.value, made.account_group.max_lots.value) == ("1", "10")
    members = [await house.an_account("G1"), await house.an_account("G2")]
    await house.accounts.SetAccountGroupMembers(
        account_pb2.SetAccountGroupMembersRequest(account_group_id="family", account_ids=members)
    )
    listed = await house.accounts.ListAccountGroupMembers(
        account_pb2.ListAccountGroupMembersRequest(account_group_id="family")
    )
    assert list(listed.account_ids) == members
    which = account_pb2.AccountFilter(account_group_id="family")
    found = await house.accounts.ListAccounts(account_pb2.ListAccountsRequest(filter=which))
    assert [(each.account_id, list(each.account_group_ids)) for each in found.accounts] == [
        (member, ["family"]) for member in members
    ]


async def test_a_group_changes_by_mask(house: House) -> None:
    await house.accounts.CreateAccountGroup(
        account_pb2.CreateAccountGroupRequest(account_group=group(min_lots="2"))
    )
    patch = group(max_lots="1")
    asked = account_pb2.UpdateAccountGroupRequest(
        account_group=patch, update_mask=FieldMask(paths=["max_lots"])
    )
    assert fields_of(await refusal_of(house.accounts.UpdateAccountGroup(asked))) == {"account_group.max_lots"}
    patch.max_lots.value = "5"
    asked.account_group.CopyFrom(patch)
    changed = (await house.accounts.UpdateAccountGroup(asked)).account_group
    assert (changed.min_lots.value, changed.max_lots.value, changed.version) == ("2", "5", 2)
    got = await house.accounts.GetAccountGroup(account_pb2.GetAccountGroupRequest(account_group_id="family"))
    assert got.account_group == changed
    listed = await house.accounts.ListAccountGroups(account_pb2.ListAccountGroupsRequest())
    assert list(listed.account_groups) == [changed]


async def test_nobody_belongs_to_a_group_who_is_no_account(house: House) -> None:
    await house.accounts.CreateAccountGroup(account_pb2.CreateAccountGroupRequest(account_group=group()))
    asked = account_pb2.SetAccountGroupMembersRequest(account_group_id="family", account_ids=["fyers:nobody"])
    assert fields_of(await refusal_of(house.accounts.SetAccountGroupMembers(asked))) == {"account_ids"}
    asked.account_group_id = "nowhere"
    assert (await refusal_of(house.accounts.SetAccountGroupMembers(asked))).code is grpc.StatusCode.NOT_FOUND


async def test_bounds_are_positive(house: House) -> None:
    asked = account_pb2.CreateAccountGroupRequest(
        account_group=group(min_lots="0", max_lots="0", lot_step="0")
    )
    assert fields_of(await refusal_of(house.accounts.CreateAccountGroup(asked))) == {
        "account_group.min_lots",
        "account_group.max_lots",
        "account_group.lot_step",
    }


async def test_what_is_not_built_yet_says_so(house: House) -> None:
    asked = account_pb2.DeleteBrokerAppRequest(broker_app_id="ours")
    assert (await refusal_of(house.accounts.DeleteBrokerApp(asked))).code is grpc.StatusCode.UNIMPLEMENTED
