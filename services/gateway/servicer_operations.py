"""The gRPC edge of what operators tell: written down here, carried out by replicators."""

from collections.abc import Callable, Sequence
from typing import Any

from paceline.adapters.wire.fields import required, within
from paceline.adapters.wire.operations import (
    action_from_wire,
    action_view_to_wire,
    ban_list_from_wire,
    ban_view_to_wire,
    ordered_filter_from_wire,
    ordered_from_wire,
    ordered_view_to_wire,
)
from paceline.api.v1 import operations_pb2, operations_pb2_grpc
from paceline.domain.copying import barriers
from paceline.domain.copying.ordered import problems_of_action, problems_of_ordered
from paceline.domain.errors import FailedPrecondition, Invalid, Problem
from paceline.domain.ids import InstrumentId
from paceline.domain.partitioning import partition_of
from paceline.domain.subscription import SubscriptionState
from paceline.ports.barriers import BanLists, BanView
from paceline.ports.changes import Change
from paceline.ports.clock import Clock
from paceline.ports.instruments import Instruments
from paceline.ports.ordered import ActionView, OrderedView, Orders
from paceline.runtime.paging import day_and_text_of, mark_of, moment_and_text_of, paged
from services.gateway.once import Deed, Done, Once


class OperationsServicer(operations_pb2_grpc.OperationsServiceServicer):
    def __init__(
        self,
        once: Once,
        orders: Orders,
        bans: BanLists,
        instruments: Instruments,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._once = once
        self._orders = orders
        self._bans = bans
        self._instruments = instruments
        self._clock = clock
        self._new_id = new_id

    async def AdjustLedger(
        self, request: operations_pb2.AdjustLedgerRequest, context: Any
    ) -> operations_pb2.AdjustLedgerResponse:
        ordered = ordered_from_wire(request, self._new_id())
        _refuse("", problems_of_ordered(ordered))
        key = ordered.key
        await self._known(key.instrument_id, "key.instrument_id")

        async def work(change: Change) -> Done[operations_pb2.AdjustLedgerResponse]:
            subscription = await change.subscriptions.get(ordered.subscription_id)
            if subscription.state is SubscriptionState.ENDED:
                raise FailedPrecondition(f"subscription {ordered.subscription_id} has ended")
            view = await change.orders.order(ordered, partition_of(subscription.leader))
            details = {
                "adjustment": ordered.adjustment_id,
                "instrument_id": key.instrument_id,
                "product": key.product.value,
                "held": str(ordered.held),
                "position": str(ordered.position),
            }
            deed = Deed("ledger.adjust", "subscription", ordered.subscription_id, ordered.reason, details)
            answer = operations_pb2.AdjustLedgerResponse(ledger_adjustment=ordered_view_to_wire(view))
            return Done(answer, deed)

        return await self._once.change(request, context, operations_pb2.AdjustLedgerResponse, work)

    async def ListLedgerAdjustments(
        self, request: operations_pb2.ListLedgerAdjustmentsRequest, context: Any
    ) -> operations_pb2.ListLedgerAdjustmentsResponse:
        which = ordered_filter_from_wire(request)

        async def fetch(after: str, limit: int) -> Sequence[OrderedView]:
            return await self._orders.page(which, moment_and_text_of(after), limit)

        views, token = await paged(
            request, fetch, lambda view: mark_of(view.created_at, view.ordered.adjustment_id)
        )
        return operations_pb2.ListLedgerAdjustmentsResponse(
            ledger_adjustments=[ordered_view_to_wire(view) for view in views], next_page_token=token
        )

    async def CreateCorporateAction(
        self, request: operations_pb2.CreateCorporateActionRequest, context: Any
    ) -> operations_pb2.CreateCorporateActionResponse:
        name = self._new_id()
        action = within(
            "corporate_action", lambda wire: action_from_wire(wire, name), request.corporate_action
        )
        _refuse("corporate_action.", problems_of_action(action, self._clock.now_ns()))
        await self._known(action.instrument_id, "corporate_action.instrument_id")

        async def work(change: Change) -> Done[operations_pb2.CreateCorporateActionResponse]:
            view = await change.orders.announce(action)
            details = {
                "instrument_id": action.instrument_id,
                "kind": action.kind.value,
                "ex_date": action.ex_date.isoformat(),
                "ratio": f"{action.new} for {action.old}",
                "new_instrument_id": action.new_instrument_id or "",
            }
            deed = Deed("corporate_action.create", "corporate_action", name, action.reason, details)
            answer = operations_pb2.CreateCorporateActionResponse(corporate_action=action_view_to_wire(view))
            return Done(answer, deed)

        return await self._once.change(request, context, operations_pb2.CreateCorporateActionResponse, work)

    async def DeleteCorporateAction(
        self, request: operations_pb2.DeleteCorporateActionRequest, context: Any
    ) -> operations_pb2.DeleteCorporateActionResponse:
        name = required(request.corporate_action_id, "corporate_action_id")

        async def work(change: Change) -> Done[operations_pb2.DeleteCorporateActionResponse]:
            await change.orders.take_back(name)
            deed = Deed("corporate_action.delete", "corporate_action", name)
            return Done(operations_pb2.DeleteCorporateActionResponse(), deed)

        return await self._once.change(request, context, operations_pb2.DeleteCorporateActionResponse, work)

    async def ListCorporateActions(
        self, request: operations_pb2.ListCorporateActionsRequest, context: Any
    ) -> operations_pb2.ListCorporateActionsResponse:
        of = InstrumentId(request.instrument_id) if request.instrument_id else None

        async def fetch(after: str, limit: int) -> Sequence[ActionView]:
            return await self._orders.actions(of, day_and_text_of(after), limit)

        views, token = await paged(
            request, fetch, lambda view: mark_of(view.action.ex_date, view.action.action_id)
        )
        return operations_pb2.ListCorporateActionsResponse(
            corporate_actions=[action_view_to_wire(view) for view in views], next_page_token=token
        )

    async def SetBanList(
        self, request: operations_pb2.SetBanListRequest, context: Any
    ) -> operations_pb2.SetBanListResponse:
        banned = within("ban_list", ban_list_from_wire, request.ban_list)
        _refuse("ban_list.", barriers.problems_of(banned))

        async def work(change: Change) -> Done[operations_pb2.SetBanListResponse]:
            view = await change.bans.put(banned)
            details = {
                "start_date": banned.first_day.isoformat(),
                "end_date": banned.last_day.isoformat() if banned.last_day else "",
                "underlyings": len(banned.underlyings),
                "instruments": len(banned.instruments),
            }
            deed = Deed("ban_list.set", "ban_list", banned.source, banned.reason, details)
            return Done(operations_pb2.SetBanListResponse(ban_list=ban_view_to_wire(view)), deed)

        return await self._once.change(request, context, operations_pb2.SetBanListResponse, work)

    async def ListBanLists(
        self, request: operations_pb2.ListBanListsRequest, context: Any
    ) -> operations_pb2.ListBanListsResponse:
        async def fetch(after: str, limit: int) -> Sequence[BanView]:
            return await self._bans.page(request.source, day_and_text_of(after), limit)

        views, token = await paged(
            request, fetch, lambda view: mark_of(view.banned.first_day, view.banned.source)
        )
        return operations_pb2.ListBanListsResponse(
            ban_lists=[ban_view_to_wire(view) for view in views], next_page_token=token
        )

    async def _known(self, instrument_id: InstrumentId, field: str) -> None:
        if instrument_id not in await self._instruments.get_many([instrument_id]):
            raise Invalid(field, "names no instrument that a master knows")


def _refuse(prefix: str, problems: Sequence[Problem]) -> None:
    if problems:
        raise Invalid.of(Problem(f"{prefix}{each.field}", each.rule) for each in problems)
