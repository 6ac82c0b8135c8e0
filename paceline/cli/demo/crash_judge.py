"""What the crash came to: the simulator's books, the mails that arrived, and what was asked for."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Fill:
    """A trade in the broker's books; `side` is 1 or -1."""

    client: str
    symbol: str
    order_id: str
    side: int
    quantity: int
    mono_ns: int


@dataclass(frozen=True, slots=True)
class Placed:
    client: str
    symbol: str
    order_id: str
    rejected: bool


@dataclass(frozen=True, slots=True)
class CrashEvidence:
    """`crew` is the leader and his followers; `by_hand` are the orders that people gave at the broker."""

    symbol: str
    seed: int
    crew: Set[str]
    by_hand: Set[str]
    orders: Sequence[Placed]
    fills: Sequence[Fill]
    liquidations: int
    done: int
    mails: Mapping[str, Sequence[str]]
    """Clients that were mailed, once for each mail, by what it said."""
    expected: Mapping[str, Set[str]]
    """Clients that have to be mailed, by the same."""
    fallen_ns: int
    breaches: int


@dataclass(frozen=True, slots=True)
class CrashVerdict:
    followers: int
    seed: int
    symbol: str
    liquidations: int
    unfinished: int
    """Liquidations that should be done and are not."""
    never_in: int
    """Of the leader and his followers: who never held what crashed."""
    not_flat: int
    sold_twice: int
    """Who sold more than he had bought, at any moment."""
    touched: int
    """Orders in what was nobody's business: other accounts, other instruments."""
    rejected: int
    unmailed: int
    """Mails that should have arrived and did not."""
    mailed_to_others: int
    windows_breached: int
    flat_ms: float
    """From the last fall of the price to the last sale."""
    mails: Mapping[str, int] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        faults = (self.unfinished, self.never_in, self.not_flat, self.sold_twice, self.touched)
        return not any((*faults, self.unmailed, self.mailed_to_others, self.windows_breached))

    def as_json(self) -> dict[str, Any]:
        return {"scenario": "crash", **asdict(self), "sound": self.sound}


def judge_crash(evidence: CrashEvidence) -> CrashVerdict:
    nets: dict[str, list[int]] = {client: [0] for client in evidence.crew}
    for fill in sorted(evidence.fills, key=lambda each: each.mono_ns):
        if fill.client in nets and fill.symbol == evidence.symbol:
            nets[fill.client].append(nets[fill.client][-1] + fill.side * fill.quantity)
    ours = [each for each in evidence.orders if each.order_id not in evidence.by_hand]
    sales = [
        each.mono_ns
        for each in evidence.fills
        if each.client in evidence.crew and each.side < 0 and each.mono_ns >= evidence.fallen_ns
    ]
    unmailed, to_others = _mailed(evidence)
    return CrashVerdict(
        followers=len(evidence.crew) - 1,
        seed=evidence.seed,
        symbol=evidence.symbol,
        liquidations=evidence.liquidations,
        unfinished=len(evidence.crew) - evidence.done,
        never_in=sum(max(each) <= 0 for each in nets.values()),
        not_flat=sum(each[-1] != 0 for each in nets.values()),
        sold_twice=sum(min(each) < 0 for each in nets.values()),
        touched=sum(each.client not in evidence.crew or each.symbol != evidence.symbol for each in ours),
        rejected=sum(each.rejected for each in ours),
        unmailed=unmailed,
        mailed_to_others=to_others,
        windows_breached=evidence.breaches,
        flat_ms=round((max(sales) - evidence.fallen_ns) / 1_000_000, 1) if sales else 0.0,
        mails={subject: len(clients) for subject, clients in evidence.mails.items()},
    )


def _mailed(evidence: CrashEvidence) -> tuple[int, int]:
    """How many are missing, and how many went to others; twice is no fault, at least once is told."""
    missing = others = 0
    for subject, wanted in evidence.expected.items():
        mailed = evidence.mails.get(subject, ())
        missing += len(wanted - set(mailed))
        others += sum(client not in wanted for client in mailed)
    return missing, others
