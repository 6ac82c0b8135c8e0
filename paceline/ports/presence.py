"""What is alive now: session states and market status, for whoever asks often. All of it can be rebuilt."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from paceline.domain.account import SessionState
from paceline.domain.calendar import Phase
from paceline.domain.ids import AccountId
from paceline.domain.instrument import Exchange, Segment
from paceline.ports.broker import MarketStatus


@dataclass(frozen=True, slots=True)
class SessionPresence:
    account_id: AccountId
    state: SessionState
    reason: str
    since_ns: int
    last_frame_ns: int
    token_expires_ns: int = 0
    """0 where it is not known, or there is none."""


@dataclass(frozen=True, slots=True)
class ExchangePhase:
    """What an exchange's calendar says of one segment; the broker's word may differ."""

    exchange: Exchange
    segment: Segment
    phase: Phase
    since_ns: int


class Presence(Protocol):
    async def put_sessions(
        self, sessions: Sequence[SessionPresence], ttl_ms: int, unchanged: Sequence[AccountId] = ()
    ) -> Sequence[AccountId]:
        """Each is forgotten after `ttl_ms` unless said again: a dead feed leaves no live sessions behind.

        `unchanged` live on as they were told before; answered are those of them that are not known any more.
        """
        ...

    async def sessions(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, SessionPresence]: ...

    async def put_market(self, statuses: Sequence[MarketStatus], ttl_ms: int) -> None: ...

    async def put_phases(self, phases: Sequence[ExchangePhase], ttl_ms: int) -> None:
        """For whoever waits for an opening or a closing."""
        ...

    async def phase(self, exchange: Exchange, segment: Segment) -> ExchangePhase | None: ...

    async def market(
        self, exchange: Exchange, segment: Segment, market: str = "NORMAL"
    ) -> MarketStatus | None:
        """None when nobody said so within its time."""
        ...


class Relations(Protocol):
    """Who follows whom, as keys other systems read; subscriptions in PostgreSQL are the truth."""

    async def follow(self, leader: AccountId, follower: AccountId) -> None: ...

    async def unfollow(self, leader: AccountId, follower: AccountId) -> None: ...

    async def followers(self, leader: AccountId) -> frozenset[AccountId]: ...

    async def rebuild(self, pairs: Iterable[tuple[AccountId, AccountId]]) -> None: ...
