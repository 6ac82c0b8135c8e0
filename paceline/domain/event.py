"""A leader event: one normalized, journaled, numbered fact about an order or a fill."""

from dataclasses import dataclass
from enum import StrEnum

from paceline.domain.ids import AccountId, EventIdentity, Offset, Partition
from paceline.domain.order import Fill, OrderReport
from paceline.domain.position import PositionReport


class EventKind(StrEnum):
    ORDER = "ORDER"
    FILL = "FILL"
    POSITION = "POSITION"
    """What was held before anything was copied, and later what the broker shows and no fill explains."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What a session found out: not journaled yet, so without numbers."""

    identity: EventIdentity
    account_id: AccountId
    kind: EventKind
    body: OrderReport | Fill | PositionReport
    broker_time_ns: int
    """By our clock where the broker's is known to be wrong; the body keeps his own words."""
    seen_ns: int
    recovered: bool
    raw: bytes
    revision: int = 0
    """Of the order, counted from 1; 0 for fills."""


@dataclass(frozen=True, slots=True)
class Event:
    """A fact with its place: the account's sequence and the partition's offset, both without holes."""

    partition: Partition
    offset: Offset
    sequence: int
    journaled_ns: int
    fact: Fact
    traceparent: str = ""
