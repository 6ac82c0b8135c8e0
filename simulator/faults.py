"""Faults that the control door switches on: what goes wrong, for whom, how often. Every hit is counted."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class FaultKind(Enum):
    # calls
    DROP_AFTER_ACCEPT = "drop_after_accept"
    DROP_BEFORE_ACCEPT = "drop_before_accept"
    CODE_201 = "code_201"
    RATE_429 = "rate_429"
    SERVER_5XX = "server_5xx"
    DELAY_BEFORE = "delay_before"
    DELAY_AFTER = "delay_after"
    LATE_LANDING = "late_landing"
    FILL_BEFORE_ANSWER = "fill_before_answer"
    MARKET_REJECTED = "market_rejected"
    MARKET_CONVERTED = "market_converted"
    BOOKS_LAG = "books_lag"
    APP_BLOCKED = "app_blocked"
    FUNDS_LIE = "funds_lie"
    # connections
    REFUSE = "refuse"
    # order sockets
    WS_403 = "ws_403"
    WS_SLOW_HANDSHAKE = "ws_slow_handshake"
    WS_FREEZE = "ws_freeze"
    WS_CUT = "ws_cut"
    FRAME_LOSE = "frame_lose"
    FRAME_DUPLICATE = "frame_duplicate"
    FRAME_REORDER = "frame_reorder"
    TRADE_FRAME_LOSE = "trade_frame_lose"
    # price sockets
    TICKS_HELD = "ticks_held"
    # acts of the control door, counted when they happen
    TOKENS_EXPIRED = "tokens_expired"
    CIRCUIT_LOCK = "circuit_lock"
    SQUARE_OFF = "square_off"
    BY_HAND = "by_hand"
    CLOCK_SKEW = "clock_skew"
    LISTENER_CLOSED = "listener_closed"


WRITES = frozenset(
    {"place", "modify", "cancel", "basket_place", "basket_modify", "basket_cancel", "multileg"}
)
PLACES = frozenset({"place", "basket_place", "multileg"})
BOOKS = frozenset({"orders", "tradebook"})
LOGINS = frozenset({"validate_authcode", "refresh"})
FRAME_KINDS = frozenset(
    {FaultKind.FRAME_LOSE, FaultKind.FRAME_DUPLICATE, FaultKind.FRAME_REORDER, FaultKind.TRADE_FRAME_LOSE}
)
ACTS = frozenset(
    {
        FaultKind.TOKENS_EXPIRED,
        FaultKind.CIRCUIT_LOCK,
        FaultKind.SQUARE_OFF,
        FaultKind.BY_HAND,
        FaultKind.CLOCK_SKEW,
        FaultKind.LISTENER_CLOSED,
    }
)
DEFAULT_CALLS: Mapping[FaultKind, frozenset[str]] = {
    FaultKind.MARKET_REJECTED: PLACES,
    FaultKind.MARKET_CONVERTED: PLACES,
    FaultKind.FILL_BEFORE_ANSWER: PLACES,
    FaultKind.BOOKS_LAG: BOOKS,
    FaultKind.APP_BLOCKED: LOGINS,
    FaultKind.FUNDS_LIE: frozenset({"funds"}),
}
EVERY_CALL = frozenset({"*"})


@dataclass(slots=True)
class Rule:
    """One fault that is switched on."""

    id: int
    kind: FaultKind
    accounts: frozenset[str] = frozenset()
    """Empty: everybody."""
    calls: frozenset[str] = WRITES
    probability: float = 1.0
    remaining: int | None = None
    """Hits left; None is without end."""
    ms: float = 0.0
    status: int = 502
    accept: bool = False
    """Whether the request is carried out although its answer is spoilt."""
    percent: float = 1.0
    hits: int = 0

    def concerns(self, client_id: str, call: str) -> bool:
        if self.accounts and client_id not in self.accounts:
            return False
        return call in self.calls or self.calls is EVERY_CALL or "*" in self.calls


@dataclass(slots=True)
class Faults:
    """All rules, one seeded source of chance, and the counts."""

    seed: int
    rules: dict[int, Rule] = field(default_factory=dict)
    hits: Counter[FaultKind] = field(default_factory=Counter)
    _random: random.Random = field(init=False)
    _next_id: int = 0
    _by_kind: dict[FaultKind, list[Rule]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def add(self, kind: FaultKind, **options: object) -> Rule:
        """Switch a fault on; options are the fields of a rule."""
        self._next_id += 1
        options.setdefault("calls", DEFAULT_CALLS.get(kind, WRITES))
        rule = Rule(self._next_id, kind, **options)  # type: ignore[arg-type]  # named fields of a rule
        self.rules[rule.id] = rule
        self._index()
        return rule

    def remove(self, rule_id: int) -> Rule | None:
        rule = self.rules.pop(rule_id, None)
        self._index()
        return rule

    def clear(self, kind: FaultKind | None = None) -> int:
        """Switch off every rule, or those of one kind; gives how many."""
        gone = [one.id for one in self.rules.values() if kind is None or one.kind is kind]
        for rule_id in gone:
            del self.rules[rule_id]
        self._index()
        return len(gone)

    def _index(self) -> None:
        self._by_kind = {}
        for rule in self.rules.values():
            self._by_kind.setdefault(rule.kind, []).append(rule)

    def has(self, *kinds: FaultKind) -> bool:
        return any(kind in self._by_kind for kind in kinds)

    @property
    def any(self) -> bool:
        return bool(self.rules)

    @property
    def touches_frames(self) -> bool:
        return any(kind in self._by_kind for kind in FRAME_KINDS)

    def standing(self, kind: FaultKind, client_id: str, call: str = "*") -> Rule | None:
        """A rule that concerns this, without a throw of the dice and without a hit."""
        for rule in self._by_kind.get(kind, ()):
            if (
                rule.remaining != 0
                and (call == "*" or rule.concerns(client_id, call))
                and _includes(rule, client_id)
            ):
                return rule
        return None

    def is_on(self, kind: FaultKind, client_id: str) -> bool:
        """Whether a rule of this kind that concerns the client is switched on, used up or not."""
        return any(_includes(rule, client_id) for rule in self._by_kind.get(kind, ()))

    def strike(self, kind: FaultKind, client_id: str, call: str = "*") -> Rule | None:
        """The rule that hits now, if one does: counted, and used up by one."""
        for rule in self._by_kind.get(kind, ()):
            if rule.remaining == 0 or not _includes(rule, client_id):
                continue
            if call != "*" and not rule.concerns(client_id, call):
                continue
            if rule.probability < 1.0 and self._random.random() >= rule.probability:
                continue
            self._hit(rule)
            return rule
        return None

    def _hit(self, rule: Rule) -> None:
        rule.hits += 1
        self.hits[rule.kind] += 1
        if rule.remaining is not None:
            rule.remaining -= 1

    def count(self, kind: FaultKind, times: int = 1) -> None:
        """An act of the control door that happened."""
        self.hits[kind] += times

    def reset_counts(self) -> None:
        self.hits.clear()
        for rule in self.rules.values():
            rule.hits = 0


def _includes(rule: Rule, client_id: str) -> bool:
    return not rule.accounts or client_id in rule.accounts
