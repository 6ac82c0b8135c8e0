"""Where alerts go: a URL goes in sealed and never comes out."""

from typing import Any

import grpc

from paceline.adapters.postgres.alerts import PostgresTargets
from paceline.api.v1 import account_pb2
from paceline.runtime.alert_targets import url_of
from tests.integration.gateway.house import House, fields_of, refusal_of

URL = "json://user:planted-password@hook.example"


def creation(account_id: str, **fields: Any) -> account_pb2.CreateNotificationTargetRequest:
    wire = {"account_id": account_id, "url": URL, "display_name": "the desk", **fields}
    target = account_pb2.NotificationTarget(**wire)
    return account_pb2.CreateNotificationTargetRequest(request_id="r1", notification_target=target)


async def test_a_target_is_made_once_listed_without_its_url_and_deleted(house: House) -> None:
    account_id = await house.an_account()
    made = (await house.accounts.CreateNotificationTarget(creation(account_id))).notification_target
    again = (await house.accounts.CreateNotificationTarget(creation(account_id))).notification_target
    assert made == again
    assert (made.account_id, made.display_name, made.url) == (account_id, "the desk", "")
    asked = account_pb2.ListNotificationTargetsRequest(account_id=account_id)
    listed = await house.accounts.ListNotificationTargets(asked)
    assert list(listed.notification_targets) == [made]
    stored = await PostgresTargets(house.database).get(made.notification_target_id)
    assert url_of(house.seal, stored).reveal() == URL
    assert "planted-password" not in f"{listed}{await house.audit()}{stored.url!r}"

    gone = account_pb2.DeleteNotificationTargetRequest(notification_target_id=made.notification_target_id)
    await house.accounts.DeleteNotificationTarget(gone)
    assert (await refusal_of(house.accounts.DeleteNotificationTarget(gone))).code is grpc.StatusCode.NOT_FOUND


async def test_what_is_no_target_is_refused_by_field(house: House) -> None:
    account_id = await house.an_account()
    for fields in ({"url": "nonsense"}, {"url": ""}, {"url": "dbus://"}):
        refusal = await refusal_of(house.accounts.CreateNotificationTarget(creation(account_id, **fields)))
        assert fields_of(refusal) == {"notification_target.url"}
    named = creation(account_id, notification_target_id="mine")
    refusal = await refusal_of(house.accounts.CreateNotificationTarget(named))
    assert fields_of(refusal) == {"notification_target.notification_target_id"}
    nobody = house.accounts.CreateNotificationTarget(creation("fyers:XNOBODY"))
    assert (await refusal_of(nobody)).code is grpc.StatusCode.NOT_FOUND
