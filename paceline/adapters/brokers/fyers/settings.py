"""Where Fyers is, and how long each step with it may take."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self


class Endpoints(Protocol):
    """What a service is told of Fyers in its environment."""

    @property
    def fyers_api_url(self) -> str: ...
    @property
    def fyers_data_url(self) -> str: ...
    @property
    def fyers_auth_url(self) -> str: ...
    @property
    def fyers_order_socket_url(self) -> str: ...
    @property
    def fyers_data_socket_url(self) -> str: ...
    @property
    def fyers_symbols_url(self) -> str: ...
    @property
    def fyers_ca_file(self) -> Path | None: ...
    @property
    def broker_connect_timeout_ms(self) -> int: ...
    @property
    def broker_read_timeout_ms(self) -> int: ...
    @property
    def broker_request_max_ms(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FyersSettings:
    """Each field `x` is read from `PACELINE_FYERS_X` by whoever composes a process."""

    api_url: str = "https://api-t1.fyers.in/api/v3"
    data_url: str = "https://api-t1.fyers.in/data"
    auth_url: str = "https://api-t1.fyers.in/api/v3"
    order_socket_url: str = "wss://socket.fyers.in/trade/v3"
    data_socket_url: str = "wss://socket.fyers.in/hsm/v1-5/prod"
    symbols_url: str = "https://public.fyers.in/sym_details"
    symbol_masters: tuple[str, ...] = ("NSE_CM", "NSE_FO", "BSE_CM", "BSE_FO", "MCX_COM")
    ca_file: Path | None = None
    """Authority of the broker's certificate; None trusts the machine's own list."""

    connect_timeout_ms: int = 3_000
    read_timeout_ms: int = 10_000
    """From the last byte written to the first byte of the answer, and between its parts."""
    request_max_ms: int = 15_000
    """No request lasts longer, whatever its phases do: absence of an order is reckoned from it."""
    keep_alive_ms: int = 50_000
    """Idle connections are closed by us a little before a load balancer does it."""
    warm_parallel: int = 100
    """How many handshakes run at once while connections are opened ahead."""

    handshake_timeout_ms: int = 10_000
    subscribe_timeout_ms: int = 10_000
    ping_interval_ms: int = 10_000
    pong_timeout_ms: int = 5_000
    data_heartbeat_ms: int = 10_000
    """The data socket answers no pings of its own: WebSocket's are sent so often, unless 0."""
    close_timeout_ms: int = 1_000
    frame_max_bytes: int = 4 * 1024 * 1024
    retry_after_ms: int = 1_000
    """How long to keep still after a rate refusal that names no time."""

    @classmethod
    def of(cls, told: Endpoints, *, pong_timeout_ms: int = 5_000) -> Self:
        """As a service's environment says."""
        return cls(
            api_url=told.fyers_api_url,
            data_url=told.fyers_data_url,
            auth_url=told.fyers_auth_url,
            order_socket_url=told.fyers_order_socket_url,
            data_socket_url=told.fyers_data_socket_url,
            symbols_url=told.fyers_symbols_url,
            ca_file=told.fyers_ca_file,
            connect_timeout_ms=told.broker_connect_timeout_ms,
            read_timeout_ms=told.broker_read_timeout_ms,
            request_max_ms=told.broker_request_max_ms,
            pong_timeout_ms=pong_timeout_ms,
        )
