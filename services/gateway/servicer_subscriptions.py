"""The gRPC edge of subscriptions: decode, call, encode."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from paceline.adapters.wire.enums import END_POLICY, SUBSCRIPTION_STATE
from paceline.adapters.wire.fields import within
from paceline.adapters.wire.masks import masked
from paceline.adapters.wire.previews import tried_subscription_from_wire
from paceline.adapters.wire.subscriptions import (
    FIXED,
    new_subscription_from_wire,
    subscription_from_wire,
    subscription_to_wire,
)
from paceline.api.v1 import replicator_pb2, subscription_pb2, subscription_pb2_grpc
from paceline.domain.ids import AccountId, SubscriptionId
from paceline.domain.subscription import Subscription
from paceline.ports.changes import Change
from paceline.ports.views import SubscriptionFilter, SubscriptionView, Views
from paceline.runtime.paging import only_order, paged
from paceline.runtime.sound import require_sound, sound_name
from services.gateway.encode import subscription_view_to_wire
from services.gateway.once import Deed, Done, Once, taken_as
from services.gateway.replicator_door import ReplicatorDoor
from services.gateway.subscriptions import Move, SubscriptionDesk, check_settings

A = TypeVar(
    "A",
    subscription_pb2.CreateSubscriptionResponse,
    subscription_pb2.UpdateSubscriptionResponse,
    subscription_pb2.ApproveSubscriptionResponse,
    subscription_pb2.PauseSubscriptionResponse,
    subscription_pb2.ResumeSubscriptionResponse,
    subscription_pb2.EndSubscriptionResponse,
)
Step = Callable[[Change, SubscriptionId], Awaitable[SubscriptionView]]


class SubscriptionServicer(subscription_pb2_grpc.SubscriptionServiceServicer):
    def __init__(
        self,
        once: Once,
        views: Views,
        desk: SubscriptionDesk,
        replicators: ReplicatorDoor,
        new_id: Callable[[], str],
    ) -> None:
        self._once = once
        self._replicators = replicators
        self._views = views
        self._desk = desk
        self._new_id = new_id

    async def CreateSubscription(
        self, request: subscription_pb2.CreateSubscriptionRequest, context: Any
    ) -> subscription_pb2.CreateSubscriptionResponse:
        name = SubscriptionId(self._new_id())
        subscription = within(
            "subscription", lambda wire: new_subscription_from_wire(wire, name), request.subscription
        )

        async def create(change: Change, _name: SubscriptionId) -> SubscriptionView:
            return await self._desk.create(change, subscription)

        details = {"leader": subscription.leader, "follower": subscription.follower}
        kind = subscription_pb2.CreateSubscriptionResponse
        with taken_as("subscription", f"{subscription.follower} to {subscription.leader}"):
            return await self._change(request, context, kind, name, "create", create, details)

    async def GetSubscription(
        self, request: subscription_pb2.GetSubscriptionRequest, context: Any
    ) -> subscription_pb2.GetSubscriptionResponse:
        view = await self._views.subscription(_named(request.subscription_id))
        return subscription_pb2.GetSubscriptionResponse(subscription=subscription_view_to_wire(view))

    async def ListSubscriptions(
        self, request: subscription_pb2.ListSubscriptionsRequest, context: Any
    ) -> subscription_pb2.ListSubscriptionsResponse:
        only_order(request.order_by, "subscription_id")
        which = within("filter", _filter_of, request.filter)

        async def fetch(after: str, limit: int) -> Sequence[SubscriptionView]:
            return await self._views.subscriptions(which, after, limit)

        views, token = await paged(request, fetch, lambda view: view.subscription.subscription_id)
        return subscription_pb2.ListSubscriptionsResponse(
            subscriptions=[subscription_view_to_wire(view) for view in views], next_page_token=token
        )

    async def UpdateSubscription(
        self, request: subscription_pb2.UpdateSubscriptionRequest, context: Any
    ) -> subscription_pb2.UpdateSubscriptionResponse:
        patch, mask = request.subscription, request.update_mask

        def edit(current: Subscription) -> Subscription:
            wire = masked(subscription_to_wire(current), patch, mask, fixed=FIXED)
            return within("subscription", subscription_from_wire, wire)

        async def update(change: Change, name: SubscriptionId) -> SubscriptionView:
            return await self._desk.update(change, name, patch.version, edit)

        name = _named(patch.subscription_id, "subscription.subscription_id")
        details = {"fields": list(mask.paths)}
        kind = subscription_pb2.UpdateSubscriptionResponse
        return await self._change(request, context, kind, name, "update", update, details)

    async def ApproveSubscription(
        self, request: subscription_pb2.ApproveSubscriptionRequest, context: Any
    ) -> subscription_pb2.ApproveSubscriptionResponse:
        return await self._move(request, context, subscription_pb2.ApproveSubscriptionResponse, Move.APPROVE)

    async def PauseSubscription(
        self, request: subscription_pb2.PauseSubscriptionRequest, context: Any
    ) -> subscription_pb2.PauseSubscriptionResponse:
        kind = subscription_pb2.PauseSubscriptionResponse
        return await self._move(request, context, kind, Move.PAUSE, cause=request.reason)

    async def ResumeSubscription(
        self, request: subscription_pb2.ResumeSubscriptionRequest, context: Any
    ) -> subscription_pb2.ResumeSubscriptionResponse:
        return await self._move(request, context, subscription_pb2.ResumeSubscriptionResponse, Move.RESUME)

    async def EndSubscription(
        self, request: subscription_pb2.EndSubscriptionRequest, context: Any
    ) -> subscription_pb2.EndSubscriptionResponse:
        policy = END_POLICY.read(request.policy, "policy") if request.policy else None
        successor = _named(request.successor_id, "successor_id") if request.successor_id else None

        async def end(change: Change, name: SubscriptionId) -> SubscriptionView:
            return await self._desk.end(change, name, request.version, policy, successor)

        name = _named(request.subscription_id)
        details = {"policy": policy.value if policy else "as set", "successor": successor or ""}
        kind = subscription_pb2.EndSubscriptionResponse
        return await self._change(request, context, kind, name, "end", end, details)

    async def PreviewSubscription(
        self, request: subscription_pb2.PreviewSubscriptionRequest, context: Any
    ) -> AsyncIterator[subscription_pb2.PreviewSubscriptionResponse]:
        """The replicator's words; ends with the call."""
        require_sound(request)
        tried = within("subscription", tried_subscription_from_wire, request.subscription)
        check_settings(tried)
        asked = replicator_pb2.ReplicatorServicePreviewSubscriptionRequest(
            subscription=request.subscription, range=request.range, assumptions=request.assumptions
        )
        async for piece in self._replicators.preview(tried.leader, asked):
            if piece.HasField("summary"):
                yield subscription_pb2.PreviewSubscriptionResponse(summary=piece.summary)
            else:
                yield subscription_pb2.PreviewSubscriptionResponse(decision=piece.decision)

    async def _move(self, request: Any, context: Any, kind: type[A], move: Move, cause: str = "") -> A:
        async def step(change: Change, name: SubscriptionId) -> SubscriptionView:
            return await self._desk.move(change, name, request.version, move)

        name = _named(request.subscription_id)
        return await self._change(request, context, kind, name, move.value.name, step, cause=cause)

    async def _change(
        self,
        request: Any,
        context: Any,
        kind: type[A],
        name: SubscriptionId,
        action: str,
        step: Step,
        details: Mapping[str, object] | None = None,
        cause: str = "",
    ) -> A:
        deed = Deed(f"subscription.{action}", "subscription", name, cause, details or {})

        async def work(change: Change) -> Done[A]:
            view = await step(change, name)
            return Done(kind(subscription=subscription_view_to_wire(view)), deed)

        return await self._once.change(request, context, kind, work)


def _named(name: str, field: str = "subscription_id") -> SubscriptionId:
    return SubscriptionId(sound_name(name, field))


def _filter_of(wire: subscription_pb2.SubscriptionFilter) -> SubscriptionFilter:
    return SubscriptionFilter(
        leader=AccountId(wire.leader_id) if wire.leader_id else None,
        follower=AccountId(wire.follower_id) if wire.follower_id else None,
        states=SUBSCRIPTION_STATE.read_some(wire.states, "states"),
    )
