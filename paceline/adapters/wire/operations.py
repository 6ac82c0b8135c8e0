"""What operators tell of ledgers and instruments, as messages."""

from datetime import date
from typing import Any

from paceline.adapters.wire.decimals import decimal_or_zero, text_of
from paceline.adapters.wire.enums import (
    CORPORATE_ACTION_KIND,
    LEDGER_ADJUSTMENT_KIND,
    LEDGER_ADJUSTMENT_STATE,
)
from paceline.adapters.wire.fields import only, required, within
from paceline.adapters.wire.orders import key_from_wire, key_to_wire
from paceline.adapters.wire.times import timestamp_of
from paceline.api.v1 import operations_pb2
from paceline.domain.copying.barriers import BanList
from paceline.domain.copying.ordered import CorporateAction, Ordered, OrderedKind
from paceline.domain.errors import Invalid
from paceline.domain.ids import InstrumentId, SubscriptionId
from paceline.domain.instrument_master import canonical
from paceline.ports.barriers import BanView
from paceline.ports.ordered import ActionView, OrderedFilter, OrderedView

_GIVEN = frozenset(
    {"instrument_id", "kind", "ex_date", "ratio_new", "ratio_old", "new_instrument_id", "reason"}
)
_SAID = frozenset({"source", "start_date", "end_date", "underlyings", "instrument_ids", "reason"})


def day_from_wire(text: str, field: str) -> date:
    try:
        day = date.fromisoformat(required(text, field))
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise Invalid(field, "must be a day as `YYYY-MM-DD`")
    return day


def ordered_from_wire(wire: operations_pb2.AdjustLedgerRequest, name: str) -> Ordered:
    return Ordered(
        adjustment_id=name,
        subscription_id=SubscriptionId(required(wire.subscription_id, "subscription_id")),
        key=within("key", key_from_wire, wire.key),
        kind=OrderedKind.MANUAL,
        held=decimal_or_zero(wire, "held"),
        position=decimal_or_zero(wire, "position"),
        reason=wire.reason,
    )


def ordered_view_to_wire(view: OrderedView) -> operations_pb2.LedgerAdjustment:
    ordered = view.ordered
    wire = operations_pb2.LedgerAdjustment(
        ledger_adjustment_id=ordered.adjustment_id,
        subscription_id=ordered.subscription_id,
        key=key_to_wire(ordered.key),
        kind=LEDGER_ADJUSTMENT_KIND.wire[ordered.kind],
        new_instrument_id=ordered.new_instrument_id or "",
        reason=ordered.reason,
        corporate_action_id=ordered.action_id or "",
        state=LEDGER_ADJUSTMENT_STATE.wire[view.state],
        detail=view.words,
        create_time=timestamp_of(view.created_at),
    )
    if ordered.held:
        wire.held.value = text_of(ordered.held)
    if ordered.position:
        wire.position.value = text_of(ordered.position)
    if view.finished_at is not None:
        wire.finish_time.CopyFrom(timestamp_of(view.finished_at))
    return wire


def ordered_filter_from_wire(wire: operations_pb2.ListLedgerAdjustmentsRequest) -> OrderedFilter:
    return OrderedFilter(
        subscription_id=SubscriptionId(wire.subscription_id) if wire.subscription_id else None,
        state=LEDGER_ADJUSTMENT_STATE.read(wire.state, "state") if wire.state else None,
        kind=LEDGER_ADJUSTMENT_KIND.read(wire.kind, "kind") if wire.kind else None,
    )


def action_from_wire(wire: operations_pb2.CorporateAction, name: str) -> CorporateAction:
    only(wire, _GIVEN)
    kind = CORPORATE_ACTION_KIND.read(wire.kind, "kind")
    renamed = canonical(wire.new_instrument_id)
    return CorporateAction(
        action_id=name,
        instrument_id=InstrumentId(canonical(required(wire.instrument_id, "instrument_id"))),
        kind=kind,
        ex_date=day_from_wire(wire.ex_date, "ex_date"),
        new=_ratio(wire, "ratio_new", named=bool(renamed)),
        old=_ratio(wire, "ratio_old", named=bool(renamed)),
        new_instrument_id=InstrumentId(renamed) if renamed else None,
        reason=wire.reason,
    )


def _ratio(wire: Any, field: str, *, named: bool) -> int:
    """Absent is one where an instrument is only named anew."""
    given = int(getattr(wire, field))
    return 1 if named and not given else given


def action_view_to_wire(view: ActionView) -> operations_pb2.CorporateAction:
    action = view.action
    return operations_pb2.CorporateAction(
        corporate_action_id=action.action_id,
        instrument_id=action.instrument_id,
        kind=CORPORATE_ACTION_KIND.wire[action.kind],
        ex_date=action.ex_date.isoformat(),
        ratio_new=action.new,
        ratio_old=action.old,
        new_instrument_id=action.new_instrument_id or "",
        reason=action.reason,
        create_time=timestamp_of(view.created_at),
        begun=view.begun,
    )


def ban_list_from_wire(wire: operations_pb2.BanList) -> BanList:
    only(wire, _SAID)
    return BanList(
        source=required(wire.source, "source"),
        first_day=day_from_wire(wire.start_date, "start_date"),
        last_day=day_from_wire(wire.end_date, "end_date") if wire.end_date else None,
        underlyings=frozenset(canonical(each) for each in wire.underlyings),
        instruments=frozenset(InstrumentId(canonical(each)) for each in wire.instrument_ids),
        reason=wire.reason,
    )


def ban_view_to_wire(view: BanView) -> operations_pb2.BanList:
    banned = view.banned
    return operations_pb2.BanList(
        source=banned.source,
        start_date=banned.first_day.isoformat(),
        end_date=banned.last_day.isoformat() if banned.last_day else "",
        underlyings=sorted(banned.underlyings),
        instrument_ids=sorted(banned.instruments),
        reason=banned.reason,
        update_time=timestamp_of(view.written_at),
    )
