"""Facts and events as rows."""

from typing import Any

from paceline.adapters.postgres.codec import from_json, to_json
from paceline.adapters.postgres.database import Row
from paceline.domain.event import Event, EventKind, Fact
from paceline.domain.ids import AccountId, EventIdentity, Offset, Partition
from paceline.domain.order import Fill, OrderReport
from paceline.domain.position import PositionReport

_BODIES: dict[EventKind, type[OrderReport | Fill | PositionReport]] = {
    EventKind.ORDER: OrderReport,
    EventKind.FILL: Fill,
    EventKind.POSITION: PositionReport,
}


def fact_columns(partition: Partition, fact: Fact, traceparent: str) -> tuple[Any, ...]:
    return (
        partition,
        fact.account_id,
        fact.identity,
        fact.kind.value,
        _subject(fact.body),
        fact.revision,
        fact.broker_time_ns,
        fact.seen_ns,
        fact.recovered,
        to_json(fact.body),
        fact.raw,
        traceparent,
    )


FACT_WIDTH = 12


def _subject(body: OrderReport | Fill | PositionReport) -> str:
    """What a newer report of the same thing replaces."""
    if isinstance(body, PositionReport):
        return f"{body.key.instrument_id}|{body.key.product.value}"
    return body.order_id


def fact_of(row: Row) -> Fact:
    kind = EventKind(row["kind"])
    return Fact(
        identity=EventIdentity(row["identity"]),
        account_id=AccountId(row["account_id"]),
        kind=kind,
        body=from_json(_BODIES[kind], row["body"]),
        broker_time_ns=row["broker_time_ns"],
        seen_ns=row["seen_ns"],
        recovered=row["recovered"],
        raw=row["raw"],
        revision=row["revision"],
    )


def event_of(row: Row) -> Event:
    return Event(
        partition=Partition(row["partition"]),
        offset=Offset(row["event_offset"]),
        sequence=row["sequence"],
        journaled_ns=row["journaled_ns"],
        fact=fact_of(row),
        traceparent=row["traceparent"],
    )
