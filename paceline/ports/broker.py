"""What Paceline asks of a broker. Every request fails with a `Broker…` error of `domain.errors` only.

Absence of an answer is never guessed away: `BrokerNeverSent` means that no byte of the order left this
machine, `BrokerOutcomeUnknown` that it may have arrived.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from paceline.domain.copy_order import OrderSpec
from paceline.domain.errors import BrokerError
from paceline.domain.ids import AccountId, BrokerAppId, BrokerOrderId, InstrumentId, Tag
from paceline.domain.instrument import Exchange, Instrument, Segment
from paceline.domain.instrument_master import FileRead
from paceline.domain.order import Fill, OrderReport, OrderType
from paceline.domain.position import Funds, HoldingReport, PositionReport
from paceline.domain.secret import Secret

NO_SECRET = Secret("")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Everything one request of one account needs. Keep the object: adapters cache by it."""

    account_id: AccountId
    client_id: str
    """The broker's own name of the account (Fyers `fy_id`); events are matched by it."""
    app_id: str
    token: Secret
    egress: str = ""
    """Source address, or the URL of a proxy; empty is the machine's own."""
    session: Secret = NO_SECRET
    """What one broker needs beside the token, in that adapter's own form (Kotak: sid, baseUrl)."""
    version: int = 1
    """Which token of the account this is: another with each login."""


@dataclass(frozen=True, slots=True)
class AppCredentials:
    """One application registered at a broker."""

    broker_app_id: BrokerAppId
    app_id: str
    secret: Secret
    redirect_uri: str
    egress: str = ""


@dataclass(frozen=True, slots=True)
class Tokens:
    access: Secret
    refresh: Secret
    """Empty where the broker gives none."""
    expires_at_ns: int
    """By the token's own claim; one hour from now where it makes none."""
    client_id: str
    """Empty where the answer does not name the client: `profile` does."""


@dataclass(frozen=True, slots=True)
class OrderChange:
    """What a modification sets; None leaves as it is."""

    type: OrderType | None = None
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    trigger_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    client_id: str
    name: str
    message: str = ""


class MarketPhase(StrEnum):
    OPEN = "OPEN"
    PRE_OPEN = "PRE_OPEN"
    POST_CLOSE = "POST_CLOSE"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True)
class MarketStatus:
    exchange: Exchange
    segment: Segment
    market: str
    """The exchange's name of the market: `NORMAL`, `AUCTION` …"""
    phase: MarketPhase


@dataclass(frozen=True, slots=True)
class Quote:
    instrument_id: InstrumentId
    last: Decimal
    bid: Decimal
    ask: Decimal
    broker_time_ns: int
    received_ns: int


@dataclass(frozen=True, slots=True)
class Tick:
    instrument_id: InstrumentId
    price: Decimal
    broker_time_ns: int
    """0 where the broker did not say."""
    received_ns: int
    """When it was last known to be the newest."""
    quoted: bool = False
    """Asked for, because the socket did not tell."""
    stale: bool = False
    """Older than it should be while its market is open."""


class MalformedKind(StrEnum):
    UNPARSEABLE = "UNPARSEABLE"
    UNKNOWN_CLIENT = "UNKNOWN_CLIENT"
    MISSING_FIELD = "MISSING_FIELD"
    BAD_VALUE = "BAD_VALUE"


@dataclass(frozen=True, slots=True)
class Malformed:
    """What could not be read: dead-lettered by whoever gets it, never a reason to stop."""

    raw: bytes
    kind: MalformedKind
    reason: str


@dataclass(frozen=True, slots=True)
class Observed:
    """What one frame said, in its order; each report names its account."""

    reports: tuple[OrderReport | Fill | PositionReport, ...]
    raw: bytes
    received_ns: int


Row = TypeVar("Row", covariant=True)  # noqa: PLC0105 - a book only gives rows


@dataclass(frozen=True, slots=True)
class BookRow(Generic[Row]):
    report: Row
    words: Callable[[], bytes]
    """The broker's own; asked for only where the row is news, and few are."""


@dataclass(frozen=True, slots=True)
class Book(Generic[Row]):
    """One whole book as read. Only a book without malformed rows proves that something is absent."""

    rows: tuple[BookRow[Row], ...]
    malformed: tuple[Malformed, ...]
    received_ns: int

    @property
    def reports(self) -> tuple[Row, ...]:
        return tuple(row.report for row in self.rows)


class Call(StrEnum):
    """The kinds of request that a broker's limits tell apart."""

    PLACE = "PLACE"
    MODIFY = "MODIFY"
    CANCEL = "CANCEL"
    READ = "READ"
    QUOTE = "QUOTE"
    LOGIN = "LOGIN"


class LimitScope(StrEnum):
    ACCOUNT = "ACCOUNT"
    ORDER = "ORDER"
    ADDRESS = "ADDRESS"
    APP = "APP"


@dataclass(frozen=True, slots=True)
class Window:
    """At most `calls` of the counted kinds in any interval of `period_ms`."""

    name: str
    calls: int
    period_ms: int
    scope: LimitScope
    counts: frozenset[Call]
    breaches_a_day: int | None = None
    """How often a day it may be exceeded before the broker blocks the user; None where it never does."""


@dataclass(frozen=True, slots=True)
class Limits:
    windows: tuple[Window, ...]
    cost: Mapping[Call, int]
    """What one call takes from every window that counts it; a basket costs as many as it holds."""
    basket: int
    """The most orders in one basket call."""


class Broker(Protocol):
    """Orders and books of any number of accounts at one broker."""

    @property
    def limits(self) -> Limits: ...

    async def place(self, credentials: Credentials, spec: OrderSpec, tag: Tag) -> BrokerOrderId: ...

    async def place_basket(
        self, credentials: Credentials, orders: Sequence[tuple[OrderSpec, Tag]]
    ) -> tuple[BrokerOrderId | BrokerError, ...]:
        """At most `limits.basket` at once, answered one by one; raises when no single answer is known."""

    async def modify(
        self, credentials: Credentials, order_id: BrokerOrderId, change: OrderChange
    ) -> None: ...

    async def cancel(self, credentials: Credentials, order_id: BrokerOrderId) -> None: ...

    async def order_book(
        self, credentials: Credentials, *, order_id: BrokerOrderId | None = None, tag: Tag | None = None
    ) -> Book[OrderReport]:
        """Today's orders, or those of one id or tag."""

    async def trade_book(self, credentials: Credentials, *, tag: Tag | None = None) -> Book[Fill]: ...

    async def positions(self, credentials: Credentials) -> Book[PositionReport]: ...

    async def holdings(self, credentials: Credentials) -> Book[HoldingReport]:
        """What was delivered on earlier days."""

    async def funds(self, credentials: Credentials) -> Funds: ...

    async def profile(self, credentials: Credentials) -> Profile: ...

    async def market_status(self, credentials: Credentials) -> tuple[MarketStatus, ...]: ...

    async def quotes(
        self, credentials: Credentials, instruments: Sequence[InstrumentId]
    ) -> tuple[Quote, ...]:
        """Those that the broker knows; the others are left out."""

    async def warm(self, connections: Mapping[str, int]) -> int:
        """Open so many idle connections per egress, and answer how many stand."""

    async def aclose(self) -> None: ...


class Logins(Protocol):
    """How a token is got. Asking the person is the caller's part."""

    def login_link(self, app: AppCredentials, state: str) -> str: ...

    def described(self, access: Secret) -> Tokens:
        """A token that was got elsewhere, with what it says of itself."""

    async def exchange_code(self, app: AppCredentials, code: Secret) -> Tokens: ...

    async def refresh(self, app: AppCredentials, refresh_token: Secret, pin: Secret) -> Tokens:
        """Raises `BrokerLoginNeeded` where the broker no longer refreshes."""


class OrderConnection(Protocol):
    """One live order socket: acknowledged and subscribed when it is given out.

    Iterating never stops on a bad frame. It ends by raising `Unavailable` when the socket is closed or dead
    (no pong within the deadline), and silently after `aclose`. Connecting again is the caller's affair.
    """

    @property
    def last_frame_ns(self) -> int:
        """When anything at all was last heard, pongs included."""

    def __aiter__(self) -> AsyncIterator[Observed | Malformed]: ...

    async def aclose(self) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class OrderStreams(Protocol):
    async def connect(self, credentials: Credentials) -> OrderConnection:
        """Raises `BrokerAuthFailed` for a refused token, `Unavailable` when it is not set up in time."""


class TickConnection(Protocol):
    """One live price socket; ends as `OrderConnection` does."""

    async def subscribe(self, instruments: Iterable[InstrumentId]) -> frozenset[InstrumentId]:
        """Adds to what is watched, and answers those the broker does not know; fails as a request does."""

    async def unsubscribe(self, instruments: Iterable[InstrumentId]) -> None: ...

    @property
    def last_frame_ns(self) -> int: ...

    def __aiter__(self) -> AsyncIterator[tuple[Tick, ...]]: ...

    async def aclose(self) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class TickStreams(Protocol):
    async def connect(self, credentials: Credentials) -> TickConnection: ...


@dataclass(frozen=True, slots=True)
class Listing:
    """One instrument and the broker's own id of it (Fyers fyToken, Dhan securityId)."""

    instrument: Instrument
    native_id: str


@dataclass(frozen=True, slots=True)
class Master:
    listings: tuple[Listing, ...]
    files: Mapping[str, FileRead]
    """How each of its files was read."""


class InstrumentMaster(Protocol):
    async def load(self) -> Master: ...
