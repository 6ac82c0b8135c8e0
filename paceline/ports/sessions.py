"""The live connections to brokers, as the database remembers them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NewType, Protocol

from paceline.domain.account import Broker, SessionState
from paceline.domain.ids import AccountId, Epoch, Partition
from paceline.ports.leases import NEVER_PINNED
from paceline.ports.seal import Sealed

SessionId = NewType("SessionId", str)
"""An account's own session has the account's name; one session may serve many accounts."""


@dataclass(frozen=True, slots=True)
class Session:
    session_id: SessionId
    broker: Broker
    broker_client_id: str
    accounts: tuple[AccountId, ...]
    state: SessionState
    reason: str = ""
    token_expires_at: datetime | None = None
    connected_since: datetime | None = None
    last_frame_at: datetime | None = None
    version: int = 1
    state_since: datetime | None = None
    failed_logins: int = 0
    """In a row."""
    login_url: str = ""
    """Where a person logs in, while one is needed."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login gave, sealed; the blob is what this broker alone needs between calls."""

    token: Sealed | None
    refresh: Sealed | None = None
    blob: Sealed | None = None
    expires_at: datetime | None = None
    version: int = field(default=1, compare=False)
    """Counted by the store: another with each login."""
    refused: bool = field(default=False, compare=False)
    """The broker did not take the token."""
    obtained_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class StateChange:
    """Written only while the `feed` lease of the partition still has this epoch (None: while the account is
    pinned), and the account's pin that one.
    """

    session_id: SessionId
    partition: Partition
    epoch: Epoch | None
    state: SessionState
    reason: str = ""
    connected_since: datetime | None = None
    pin: Epoch = NEVER_PINNED


class Sessions(Protocol):
    async def of_accounts(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, Session]: ...

    async def in_partitions(self, partitions: Iterable[Partition]) -> Sequence[Session]:
        """Those that serve at least one account of these partitions."""
        ...

    async def page(self, *, after: SessionId | None = None, limit: int = 100) -> Sequence[Session]: ...

    async def set_states(self, changes: Sequence[StateChange]) -> Sequence[SessionId]:
        """All in one statement; those not returned were refused as stale. Wakes the listeners of
        `paceline_sessions`.
        """
        ...

    async def frames_seen(self, last: Mapping[SessionId, datetime]) -> None:
        """Quietly: wakes nobody."""
        ...

    async def set_tokens(self, session_id: SessionId, tokens: Tokens) -> None:
        """Raises `NotFound`."""
        ...

    async def tokens(self, sessions: Iterable[SessionId]) -> Mapping[SessionId, Tokens]: ...

    async def share(self, session: Session) -> None:
        """Let one session (made when missing) serve all the accounts it names, instead of their own."""
        ...
