"""The gRPC edge of the replicator: decode, call, encode."""

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Any

from paceline.adapters.wire.drifts import drift_to_wire
from paceline.adapters.wire.enums import DRIFT_POLICY
from paceline.adapters.wire.fields import required, within
from paceline.adapters.wire.past import (
    decision_view_to_wire,
    decisions_of,
    nanoseconds_of,
    plan_view_to_wire,
    plans_of,
)
from paceline.adapters.wire.previews import (
    costs_from_wire,
    equities_from_wire,
    step_to_wire,
    summary_to_wire,
    tried_subscription_from_wire,
)
from paceline.api.v1 import replicator_pb2, replicator_pb2_grpc
from paceline.domain.copying.view import Equity
from paceline.domain.errors import Invalid, Problem
from paceline.domain.ids import AccountId, DecisionId, EventIdentity, SubscriptionId
from paceline.domain.subscription import problems_of
from paceline.ports.drift_looks import AskedLook
from paceline.ports.drifts import Drift, Drifts
from paceline.ports.history import DecisionView, History, PlanView
from paceline.runtime.paging import mark_of, moment_and_text_of, number_of, only_order, paged
from paceline.runtime.sound import require_sound
from services.replicator.compare import Comparisons
from services.replicator.preview import Previews, Told, Wanted


class ReplicatorServicer(replicator_pb2_grpc.ReplicatorServiceServicer):
    def __init__(
        self, history: History, previews: Previews, drifts: Drifts, comparisons: Comparisons
    ) -> None:
        self._history = history
        self._previews = previews
        self._drifts = drifts
        self._comparisons = comparisons

    async def GetPlan(
        self, request: replicator_pb2.GetPlanRequest, context: Any
    ) -> replicator_pb2.GetPlanResponse:
        require_sound(request)
        event = EventIdentity(required(request.event_identity, "event_identity"))
        return replicator_pb2.GetPlanResponse(plan=plan_view_to_wire(await self._history.plan(event)))

    async def ListPlans(
        self, request: replicator_pb2.ListPlansRequest, context: Any
    ) -> replicator_pb2.ListPlansResponse:
        only_order(request.order_by, "create_time desc")
        which = within("filter", plans_of, request.filter)

        async def fetch(after: str, limit: int) -> Sequence[PlanView]:
            mark = moment_and_text_of(after)
            before = None if mark is None else (mark[0], EventIdentity(mark[1]))
            return await self._history.plans(which, before, limit)

        views, token = await paged(request, fetch, lambda view: mark_of(view.started_at, view.event))
        return replicator_pb2.ListPlansResponse(
            plans=[plan_view_to_wire(view) for view in views], next_page_token=token
        )

    async def ListDecisions(
        self, request: replicator_pb2.ReplicatorServiceListDecisionsRequest, context: Any
    ) -> replicator_pb2.ReplicatorServiceListDecisionsResponse:
        which = within("filter", decisions_of, request.filter)

        async def fetch(after: str, limit: int) -> Sequence[DecisionView]:
            mark = moment_and_text_of(after)
            before = None if mark is None else (mark[0], DecisionId(mark[1]))
            return await self._history.decisions(which, before, limit)

        views, token = await paged(
            request, fetch, lambda view: mark_of(view.decided_at, view.decision.decision_id)
        )
        return replicator_pb2.ReplicatorServiceListDecisionsResponse(
            decisions=[decision_view_to_wire(view) for view in views], next_page_token=token
        )

    async def ListDrifts(
        self, request: replicator_pb2.ListDriftsRequest, context: Any
    ) -> replicator_pb2.ListDriftsResponse:
        async def fetch(after: str, limit: int) -> Sequence[Drift]:
            return await self._drifts.page(
                account_id=AccountId(request.account_id) if request.account_id else None,
                subscription_id=SubscriptionId(request.subscription_id) if request.subscription_id else None,
                ended=request.include_healed,
                after=number_of(after) or 0,
                limit=limit,
            )

        found, token = await paged(request, fetch, lambda drift: mark_of(drift.drift_id))
        return replicator_pb2.ListDriftsResponse(
            drifts=[drift_to_wire(each) for each in found], next_page_token=token
        )

    async def Reconcile(
        self, request: replicator_pb2.ReconcileRequest, context: Any
    ) -> replicator_pb2.ReconcileResponse:
        require_sound(request)
        compared = await self._comparisons.make(
            AskedLook(
                required(request.request_id, "request_id"),
                AccountId(required(request.account_id, "account_id")),
                DRIFT_POLICY.read(request.policy, "policy") if request.policy else None,
            )
        )
        return replicator_pb2.ReconcileResponse(
            drifts=[drift_to_wire(each) for each in compared.drifts],
            not_compared_because=compared.not_because,
        )

    async def PreviewSubscription(
        self, request: replicator_pb2.ReplicatorServicePreviewSubscriptionRequest, context: Any
    ) -> AsyncIterator[replicator_pb2.ReplicatorServicePreviewSubscriptionResponse]:
        """Ends with the call: who reads no further is planned for no further."""
        answer = replicator_pb2.ReplicatorServicePreviewSubscriptionResponse
        async for piece in self._previews.run(wanted_of(request)):
            if isinstance(piece, Told):
                yield answer(summary=summary_to_wire(piece.summary, piece.assumptions))
            else:
                yield answer(decision=step_to_wire(piece))


def wanted_of(request: replicator_pb2.ReplicatorServicePreviewSubscriptionRequest) -> Wanted:
    require_sound(request)
    subscription = within("subscription", tried_subscription_from_wire, request.subscription)
    if problems := problems_of(subscription):
        raise Invalid.of(Problem(f"subscription.{each.field}", each.rule) for each in problems)
    journaled = within("range", nanoseconds_of, request.range)
    if journaled.start is None:
        raise Invalid("range.start_time", "must be set")
    leader, follower = within("assumptions", equities_from_wire, request.assumptions)
    return Wanted(
        subscription,
        follower_named=bool(request.subscription.follower_id),
        start_ns=journaled.start,
        end_ns=journaled.end,
        leader_equity=_equity(leader),
        follower_equity=_equity(follower),
        costs=within("assumptions", costs_from_wire, request.assumptions),
    )


def _equity(amount: Decimal | None) -> Equity | None:
    return None if amount is None else Equity(amount, 0)
