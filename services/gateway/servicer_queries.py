"""The gRPC edge of questions: what it does not have answers UNIMPLEMENTED."""

from collections.abc import Sequence
from typing import Any

from paceline.adapters.wire.answers import dead_letter_to_wire, instrument_to_wire
from paceline.adapters.wire.copy_orders import copy_order_to_wire
from paceline.adapters.wire.decisions import ledger_to_wire
from paceline.adapters.wire.enums import BROKER
from paceline.adapters.wire.events import event_to_wire
from paceline.adapters.wire.fields import required, within
from paceline.adapters.wire.past import (
    decision_view_to_wire,
    decisions_of,
    line_view_to_wire,
    trade_view_to_wire,
)
from paceline.api.v1 import query_pb2, query_pb2_grpc
from paceline.domain.errors import Invalid, NotFound
from paceline.domain.event import Event
from paceline.domain.ids import CopyOrderId, DecisionId, EventIdentity, InstrumentId, Offset, Tag
from paceline.domain.instrument import Instrument
from paceline.domain.instrument_master import canonical
from paceline.ports.audit import AuditEntry
from paceline.ports.copy_orders import CopyOrders, CopyRow
from paceline.ports.history import (
    DeadLetterView,
    DecisionView,
    History,
    LedgerLineView,
    LedgerView,
    TradeView,
)
from paceline.ports.instruments import Instruments
from paceline.ports.views import Readiness, Views
from paceline.runtime.paging import (
    mark_of,
    moment_and_text_of,
    number_and_text_of,
    number_of,
    only_order,
    paged,
    texts_of,
)
from paceline.runtime.sound import require_sound
from services.gateway import filters
from services.gateway.encode import (
    audit_entry_to_wire,
    copy_row_to_wire,
    readiness_to_wire,
)


class QueryServicer(query_pb2_grpc.QueryServiceServicer):
    def __init__(
        self, history: History, views: Views, copy_orders: CopyOrders, instruments: Instruments
    ) -> None:
        self._history = history
        self._views = views
        self._copy_orders = copy_orders
        self._instruments = instruments

    async def ListEvents(
        self, request: query_pb2.ListEventsRequest, context: Any
    ) -> query_pb2.ListEventsResponse:
        only_order(request.order_by, "journaled_ns desc")
        which, raw = within("filter", filters.events_of, request.filter), request.include_raw

        async def fetch(after: str, limit: int) -> Sequence[Event]:
            before = number_of(after)
            offset = None if before is None else Offset(before)
            return await self._history.events(which, offset, limit, with_raw=raw)

        events, token = await paged(request, fetch, lambda event: mark_of(event.offset))
        wires = [event_to_wire(event, with_raw=raw) for event in events]
        return query_pb2.ListEventsResponse(events=wires, next_page_token=token)

    async def ListDeadLetters(
        self, request: query_pb2.ListDeadLettersRequest, context: Any
    ) -> query_pb2.ListDeadLettersResponse:
        which = filters.dead_letters_of(request)

        async def fetch(after: str, limit: int) -> Sequence[DeadLetterView]:
            return await self._history.dead_letters(which, number_of(after), limit)

        views, token = await paged(request, fetch, lambda view: mark_of(view.number))
        wires = [dead_letter_to_wire(view.letter) for view in views]
        return query_pb2.ListDeadLettersResponse(dead_letters=wires, next_page_token=token)

    async def ListDecisions(
        self, request: query_pb2.ListDecisionsRequest, context: Any
    ) -> query_pb2.ListDecisionsResponse:
        only_order(request.order_by, "create_time desc")
        which = within("filter", decisions_of, request.filter)

        async def fetch(after: str, limit: int) -> Sequence[DecisionView]:
            mark = moment_and_text_of(after)
            before = None if mark is None else (mark[0], DecisionId(mark[1]))
            return await self._history.decisions(which, before, limit)

        views, token = await paged(
            request, fetch, lambda view: mark_of(view.decided_at, view.decision.decision_id)
        )
        wires = [decision_view_to_wire(view) for view in views]
        return query_pb2.ListDecisionsResponse(decisions=wires, next_page_token=token)

    async def GetCopyOrder(
        self, request: query_pb2.GetCopyOrderRequest, context: Any
    ) -> query_pb2.GetCopyOrderResponse:
        require_sound(request)
        match request.WhichOneof("target"):
            case "copy_order_id":
                name = CopyOrderId(required(request.copy_order_id, "copy_order_id"))
                row = (await self._copy_orders.by_ids([name])).get(name)
            case "tag":
                tag = Tag(required(request.tag, "tag"))
                row = (await self._copy_orders.by_tags([tag])).get(tag)
            case _:
                raise Invalid("target", "must be one of copy_order_id, tag")
        if row is None:
            raise NotFound("copy order", request.copy_order_id or request.tag)
        return copy_row_to_wire(row)

    async def ListCopyOrders(
        self, request: query_pb2.ListCopyOrdersRequest, context: Any
    ) -> query_pb2.ListCopyOrdersResponse:
        only_order(request.order_by, "planned_ns desc")
        which = within("filter", filters.copy_orders_of, request.filter)

        async def fetch(after: str, limit: int) -> Sequence[CopyRow]:
            mark = number_and_text_of(after)
            before = None if mark is None else (mark[0], CopyOrderId(mark[1]))
            return await self._history.copy_orders(which, before, limit)

        rows, token = await paged(
            request, fetch, lambda row: mark_of(row.order.planned_ns, row.order.copy_order_id)
        )
        wires = [copy_order_to_wire(row.order) for row in rows]
        return query_pb2.ListCopyOrdersResponse(orders=wires, next_page_token=token)

    async def ListTrades(
        self, request: query_pb2.ListTradesRequest, context: Any
    ) -> query_pb2.ListTradesResponse:
        which = filters.trades_of(request)

        async def fetch(after: str, limit: int) -> Sequence[TradeView]:
            mark = moment_and_text_of(after)
            before = None if mark is None else (mark[0], EventIdentity(mark[1]))
            return await self._history.trades(which, before, limit)

        views, token = await paged(request, fetch, lambda view: mark_of(view.entered_at, view.trade_id))
        return query_pb2.ListTradesResponse(
            trades=[trade_view_to_wire(view) for view in views], next_page_token=token
        )

    async def ListLedgers(
        self, request: query_pb2.ListLedgersRequest, context: Any
    ) -> query_pb2.ListLedgersResponse:
        which = filters.ledgers_of(request)

        async def fetch(after: str, limit: int) -> Sequence[LedgerView]:
            return await self._history.ledgers(which, texts_of(after), limit)

        views, token = await paged(
            request,
            fetch,
            lambda view: mark_of(view.subscription_id, view.key.instrument_id, view.key.product.value),
        )
        wires = [ledger_to_wire(view.subscription_id, view.key, view.ledger, view.lot) for view in views]
        return query_pb2.ListLedgersResponse(ledgers=wires, next_page_token=token)

    async def ListLedgerEntries(
        self, request: query_pb2.ListLedgerEntriesRequest, context: Any
    ) -> query_pb2.ListLedgerEntriesResponse:
        which = filters.lines_of(request)

        async def fetch(after: str, limit: int) -> Sequence[LedgerLineView]:
            return await self._history.ledger_lines(which, moment_and_text_of(after), limit)

        views, token = await paged(request, fetch, lambda view: mark_of(view.written_at, view.mark))
        return query_pb2.ListLedgerEntriesResponse(
            ledger_entries=[line_view_to_wire(view) for view in views], next_page_token=token
        )

    async def ListReadiness(
        self, request: query_pb2.ListReadinessRequest, context: Any
    ) -> query_pb2.ListReadinessResponse:
        async def fetch(after: str, limit: int) -> Sequence[Readiness]:
            return await self._views.readiness(request.not_ready_only, after, limit)

        rows, token = await paged(request, fetch, lambda row: row.account.account_id)
        return query_pb2.ListReadinessResponse(
            readiness=[readiness_to_wire(row) for row in rows], next_page_token=token
        )

    async def ListAuditEntries(
        self, request: query_pb2.ListAuditEntriesRequest, context: Any
    ) -> query_pb2.ListAuditEntriesResponse:
        which = filters.audit_of(request)

        async def fetch(after: str, limit: int) -> Sequence[AuditEntry]:
            return await self._history.audit(which, number_of(after), limit)

        entries, token = await paged(request, fetch, lambda entry: mark_of(entry.audit_id))
        return query_pb2.ListAuditEntriesResponse(
            audit_entries=[audit_entry_to_wire(entry) for entry in entries], next_page_token=token
        )

    async def GetInstrument(
        self, request: query_pb2.GetInstrumentRequest, context: Any
    ) -> query_pb2.GetInstrumentResponse:
        require_sound(request)
        name = await self._instrument_id(request)
        found = (await self._instruments.get_many([name])).get(name)
        if found is None:
            raise NotFound("instrument", name)
        return query_pb2.GetInstrumentResponse(instrument=instrument_to_wire(found))

    async def ListInstruments(
        self, request: query_pb2.ListInstrumentsRequest, context: Any
    ) -> query_pb2.ListInstrumentsResponse:
        which = within("filter", filters.instruments_of, request.filter)

        async def fetch(after: str, limit: int) -> Sequence[Instrument]:
            return await self._history.instruments(which, InstrumentId(after) if after else None, limit)

        found, token = await paged(request, fetch, lambda instrument: instrument.instrument_id)
        return query_pb2.ListInstrumentsResponse(
            instruments=[instrument_to_wire(each) for each in found], next_page_token=token
        )

    async def _instrument_id(self, request: query_pb2.GetInstrumentRequest) -> InstrumentId:
        match request.WhichOneof("target"):
            case "instrument_id":
                return InstrumentId(required(request.instrument_id, "instrument_id"))
            case "symbol":
                return InstrumentId(canonical(required(request.symbol, "symbol")))
            case "broker_instrument_id":
                native = request.broker_instrument_id
                broker = BROKER.read(native.broker, "broker_instrument_id.broker")
                return await self._history.instrument_of(
                    broker, required(native.id, "broker_instrument_id.id")
                )
            case _:
                raise Invalid("target", "must be one of instrument_id, broker_instrument_id, symbol")
