"""What really happened: the simulator's books against what Paceline says it decided."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision, as the platform tells it."""

    event: str
    subscription: str
    skipped: bool
    reason: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Copied:
    """One copy order, as the platform tells it."""

    tag: str
    event: str
    client: str
    side: int
    quantity: int
    withdrawn: bool = False
    """Taken back before it was sent, as the platform says."""
    given_up: bool = False
    """Too old, or never to be brought to the broker, as the platform says."""

    @property
    def unsent(self) -> bool:
        return self.withdrawn or self.given_up


@dataclass(frozen=True, slots=True)
class Booked:
    """One order in the books of the broker; times by the machine's monotonic clock."""

    tag: str
    client: str
    side: int
    quantity: int
    rejected: bool
    received_ns: int
    accepted_ns: int


@dataclass(frozen=True, slots=True)
class Frame:
    """When a fill of the leader left the broker."""

    order_id: str
    trade: str
    sent_ns: int

    @property
    def short(self) -> str:
        """Trade numbers carry the order's in front; the platform leaves that away."""
        return f"{self.order_id}:{self.trade.removeprefix(f'{self.order_id}-')}"


@dataclass(frozen=True, slots=True)
class Quantiles:
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that is judged. `booked` is the broker's book of all followers."""

    followers: int
    events: int
    seed: int
    decisions: Sequence[Decided]
    copies: Sequence[Copied]
    booked: Sequence[Booked]
    open_positions: int
    frames: Sequence[Frame]
    breaches: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """`planned` counts decisions; `missing` those and orders that should be there and are not."""

    followers: int
    events: int
    planned: int
    accepted: int
    skipped: int
    rejected: int
    duplicates: int
    missing: int
    altered: int
    """Orders of another side, quantity or account than planned."""
    withdrawn: int
    """Decisions without an order at the broker: what they undo was not filled yet, or they were undone."""
    given_up: int
    """Decisions whose orders were dropped before they were sent; not on a good day."""
    positions_off: int
    windows_breached: int
    first_order_ms: Quantiles
    last_order_ms: Quantiles
    seed: int
    skips: Mapping[str, int] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Every decision of every follower accounted for, at the broker, once, as planned."""
        faults = self.duplicates + self.missing + self.altered + self.positions_off + self.windows_breached
        return (
            self.planned == self.followers * self.events
            and self.accepted + self.skipped + self.withdrawn == self.planned
            and not faults
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def judge(evidence: Evidence) -> Verdict:
    by_tag: defaultdict[str, list[Booked]] = defaultdict(list)
    for order in evidence.booked:
        by_tag[order.tag].append(order)
    planned = {copy.tag: copy for copy in evidence.copies}
    surplus = sum(len(orders) - (tag in planned) for tag, orders in by_tag.items())
    absent = sum(tag not in by_tag and not copy.unsent for tag, copy in planned.items())
    undecided = evidence.followers * evidence.events - len(evidence.decisions)
    altered = sum(_differ(copy, order) for tag, copy in planned.items() for order in by_tag.get(tag, ()))
    outcomes = Counter(_outcome(decision, planned, by_tag) for decision in evidence.decisions)
    first, last = latencies(evidence)
    return Verdict(
        followers=evidence.followers,
        events=evidence.events,
        planned=len(evidence.decisions),
        accepted=outcomes["accepted"],
        skipped=outcomes["skipped"],
        rejected=outcomes["rejected"],
        duplicates=surplus + len(evidence.copies) - len(planned),
        missing=absent + max(0, undecided),
        altered=altered,
        withdrawn=outcomes["withdrawn"],
        given_up=outcomes["given up"],
        positions_off=evidence.open_positions,
        windows_breached=evidence.breaches,
        first_order_ms=quantiles(first),
        last_order_ms=quantiles(last),
        seed=evidence.seed,
        skips=dict(Counter(decision.reason for decision in evidence.decisions if decision.skipped)),
    )


def latencies(evidence: Evidence) -> tuple[list[float], list[float]]:
    """Per event, ms: from the leader's fill leaving the broker to the first arrival, and the last acceptance
    there.
    """
    sent = {frame.short: frame.sent_ns for frame in evidence.frames}
    event_of = {copy.tag: copy.event for copy in evidence.copies}
    by_event: defaultdict[str, list[Booked]] = defaultdict(list)
    for order in evidence.booked:
        if order.tag in event_of:
            by_event[event_of[order.tag]].append(order)
    first, last = [], []
    for event, orders in by_event.items():
        left_ns = sent.get(":".join(event.split(":")[-2:]))
        if left_ns is not None:
            first.append((min(order.received_ns for order in orders) - left_ns) / _NS_PER_MS)
            last.append((max(order.accepted_ns for order in orders) - left_ns) / _NS_PER_MS)
    return first, last


def quantiles(values: Sequence[float]) -> Quantiles:
    """Nearest rank; zeros of nothing."""
    ordered = sorted(values) or [0.0]

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)

    return Quantiles(at(0.50), at(0.99))


def _differ(copy: Copied, order: Booked) -> bool:
    return (copy.client, copy.side, copy.quantity) != (order.client, order.side, order.quantity)


def _outcome(decision: Decided, planned: Mapping[str, Copied], by_tag: Mapping[str, Sequence[Booked]]) -> str:
    """Accepted is what has every one of its orders in the book, none of them rejected."""
    if decision.skipped:
        return "skipped"
    wanted = [tag for tag in decision.tags if tag in by_tag or tag not in planned or not planned[tag].unsent]
    if not wanted:
        return "given up" if any(planned[tag].given_up for tag in decision.tags) else "withdrawn"
    orders = [order for tag in wanted for order in by_tag.get(tag, ())]
    if len({order.tag for order in orders}) < len(wanted):
        return "missing"
    return "rejected" if any(order.rejected for order in orders) else "accepted"
