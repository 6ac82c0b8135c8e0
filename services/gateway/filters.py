"""What a question asks for, as the stores are asked."""

from paceline.adapters.wire.enums import (
    COPY_STATUS,
    DEAD_LETTER_KIND,
    EVENT_KIND,
    EXCHANGE,
    INSTRUMENT_KIND,
    LEDGER_ENTRY_KIND,
    SEGMENT,
    TRADE_STATE,
)
from paceline.adapters.wire.fields import required, within
from paceline.adapters.wire.orders import key_from_wire
from paceline.adapters.wire.past import moments_of, nanoseconds_of
from paceline.api.v1 import copy_order_pb2, query_pb2
from paceline.domain.ids import (
    AccountId,
    BrokerOrderId,
    DecisionId,
    InstrumentId,
    SubscriptionId,
    Tag,
)
from paceline.domain.instrument_master import canonical
from paceline.ports.history import (
    AuditFilter,
    DeadLetterFilter,
    EventFilter,
    InstrumentFilter,
    LedgerFilter,
    LineFilter,
    OrderFilter,
    TradeFilter,
)


def events_of(wire: query_pb2.EventFilter) -> EventFilter:
    """Of one account: only there do offsets put events in order."""
    return EventFilter(
        account_id=AccountId(required(wire.account_id, "account_id")),
        kind=EVENT_KIND.read(wire.kind, "kind") if wire.kind else None,
        instrument_id=InstrumentId(wire.instrument_id) if wire.instrument_id else None,
        order_id=BrokerOrderId(wire.order_id) if wire.order_id else None,
        recovered=wire.recovered if wire.HasField("recovered") else None,
        journaled=within("journaled", nanoseconds_of, wire.journaled),
    )


def dead_letters_of(wire: query_pb2.ListDeadLettersRequest) -> DeadLetterFilter:
    return DeadLetterFilter(
        account_id=AccountId(wire.account_id) if wire.account_id else None,
        kind=DEAD_LETTER_KIND.read(wire.kind, "kind") if wire.kind else None,
        received=within("received", nanoseconds_of, wire.received),
    )


def copy_orders_of(wire: copy_order_pb2.CopyOrderFilter) -> OrderFilter:
    return OrderFilter(
        account_id=AccountId(wire.account_id) if wire.account_id else None,
        subscription_id=SubscriptionId(wire.subscription_id) if wire.subscription_id else None,
        decision_id=DecisionId(wire.decision_id) if wire.decision_id else None,
        statuses=COPY_STATUS.read_some(wire.statuses, "statuses"),
        instrument_id=InstrumentId(wire.instrument_id) if wire.instrument_id else None,
        tag=Tag(wire.tag) if wire.tag else None,
        planned=within("planned", nanoseconds_of, wire.planned),
    )


def ledgers_of(wire: query_pb2.ListLedgersRequest) -> LedgerFilter:
    return LedgerFilter(
        subscription_id=SubscriptionId(wire.subscription_id) if wire.subscription_id else None,
        follower=AccountId(wire.follower_id) if wire.follower_id else None,
        instrument_id=InstrumentId(wire.instrument_id) if wire.instrument_id else None,
        include_flat=wire.include_flat,
    )


def lines_of(wire: query_pb2.ListLedgerEntriesRequest) -> LineFilter:
    """Of one subscription."""
    return LineFilter(
        subscription_id=SubscriptionId(required(wire.subscription_id, "subscription_id")),
        key=within("key", key_from_wire, wire.key) if wire.HasField("key") else None,
        kind=LEDGER_ENTRY_KIND.read(wire.kind, "kind") if wire.kind else None,
        written=within("created", moments_of, wire.created),
    )


def trades_of(wire: query_pb2.ListTradesRequest) -> TradeFilter:
    return TradeFilter(
        account_id=AccountId(wire.account_id) if wire.account_id else None,
        subscription_id=SubscriptionId(wire.subscription_id) if wire.subscription_id else None,
        state=TRADE_STATE.read(wire.state, "state") if wire.state else None,
        entered=within("entered", moments_of, wire.entered),
    )


def audit_of(wire: query_pb2.ListAuditEntriesRequest) -> AuditFilter:
    return AuditFilter(wire.actor, wire.subject, within("created", moments_of, wire.created))


def instruments_of(wire: query_pb2.InstrumentFilter) -> InstrumentFilter:
    """A prefix in any case."""
    return InstrumentFilter(
        prefix=canonical(wire.prefix),
        exchange=EXCHANGE.read(wire.exchange, "exchange") if wire.exchange else None,
        segment=SEGMENT.read(wire.segment, "segment") if wire.segment else None,
        kind=INSTRUMENT_KIND.read(wire.kind, "kind") if wire.kind else None,
        underlying=wire.underlying,
    )
