"""The gRPC edge of notification targets: where alerts go. A URL goes in and never comes out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from paceline.adapters.wire.times import timestamp_of
from paceline.api.v1 import account_pb2
from paceline.domain.errors import Invalid
from paceline.domain.ids import AccountId
from paceline.domain.secret import Secret
from paceline.ports.alerts import Target, Targets
from paceline.ports.changes import Change
from paceline.ports.notifier import Notifier
from paceline.ports.seal import Seal
from paceline.runtime.alert_targets import seal_target
from paceline.runtime.paging import paged
from paceline.runtime.sound import sound_name
from services.gateway.once import Deed, Done, Once

_URL = "notification_target.url"


@dataclass(frozen=True, slots=True)
class TargetParts:
    targets: Targets
    notifier: Notifier
    seal: Seal
    new_name: Callable[[], str]


class TargetMethods:
    """The part of AccountService that concerns notification targets."""

    def __init__(self, once: Once, parts: TargetParts) -> None:
        self._target_once = once
        self._target_parts = parts

    async def CreateNotificationTarget(
        self, request: account_pb2.CreateNotificationTargetRequest, context: Any
    ) -> account_pb2.CreateNotificationTargetResponse:
        given, parts = request.notification_target, self._target_parts
        account_id = AccountId(sound_name(given.account_id, "notification_target.account_id"))
        if given.notification_target_id:
            raise Invalid("notification_target.notification_target_id", "is the server's to give")
        if not given.url:
            raise Invalid(_URL, "must be set")
        url = Secret(given.url)
        problem = await parts.notifier.problem_of(url)
        if problem is not None:
            raise Invalid(_URL, problem)

        async def work(change: Change) -> Done[account_pb2.CreateNotificationTargetResponse]:
            await change.holds.account(account_id)
            name = parts.new_name()
            wanted = Target(name, account_id, given.display_name, seal_target(parts.seal, name, url))
            made = await change.targets.create(wanted)
            answer = account_pb2.CreateNotificationTargetResponse(notification_target=_to_wire(made))
            deed = Deed("notification_target.create", "account", account_id, details={"target": name})
            return Done(answer, deed)

        kind = account_pb2.CreateNotificationTargetResponse
        return await self._target_once.change(request, context, kind, work)

    async def ListNotificationTargets(
        self, request: account_pb2.ListNotificationTargetsRequest, context: Any
    ) -> account_pb2.ListNotificationTargetsResponse:
        account_id = AccountId(sound_name(request.account_id, "account_id"))

        async def fetch(after: str, limit: int) -> Sequence[Target]:
            return await self._target_parts.targets.page(account_id, after, limit)

        found, token = await paged(request, fetch, lambda target: target.target_id)
        return account_pb2.ListNotificationTargetsResponse(
            notification_targets=[_to_wire(each) for each in found], next_page_token=token
        )

    async def DeleteNotificationTarget(
        self, request: account_pb2.DeleteNotificationTargetRequest, context: Any
    ) -> account_pb2.DeleteNotificationTargetResponse:
        target_id = sound_name(request.notification_target_id, "notification_target_id")

        async def work(change: Change) -> Done[account_pb2.DeleteNotificationTargetResponse]:
            target = await change.targets.get(target_id)
            await change.targets.delete(target_id)
            deed = Deed(
                "notification_target.delete", "account", target.account_id, details={"target": target_id}
            )
            return Done(account_pb2.DeleteNotificationTargetResponse(), deed)

        kind = account_pb2.DeleteNotificationTargetResponse
        return await self._target_once.change(request, context, kind, work)


def _to_wire(target: Target) -> account_pb2.NotificationTarget:
    wire = account_pb2.NotificationTarget(
        notification_target_id=target.target_id,
        account_id=target.account_id,
        display_name=target.display_name,
    )
    if target.created is not None:
        wire.create_time.CopyFrom(timestamp_of(target.created))
    return wire
