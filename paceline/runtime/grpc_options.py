"""What both ends of a gRPC connection agree on."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from paceline.runtime.common_settings import CommonSettings

Options: TypeAlias = list[tuple[str, str | int]]

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
CLIENT_PING_EVERY_MS = 2_000
SERVER_PING_EVERY_MS = 10_000
PING_TIMEOUT_MS = 3_000
SHORTEST_PING_INTERVAL_MS = 1_000
RECONNECT_FIRST_MS = 100
RECONNECT_LONGEST_MS = 2_000


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of one side's identity; with an authority it is mutual."""

    certificate_file: Path
    key_file: Path
    authority_file: Path | None = None
    server_name: str | None = None

    def pair(self) -> tuple[bytes, bytes]:
        """Key and certificate, as gRPC wants them."""
        return self.key_file.read_bytes(), self.certificate_file.read_bytes()

    def authority(self) -> bytes | None:
        return self.authority_file.read_bytes() if self.authority_file else None


def tls_of(settings: CommonSettings) -> Tls | None:
    """The identity in the settings, if they hold one."""
    if settings.tls_certificate_file is None or settings.tls_key_file is None:
        return None
    return Tls(
        settings.tls_certificate_file,
        settings.tls_key_file,
        settings.tls_authority_file,
        settings.tls_server_name,
    )


def _shared_options() -> Options:
    # The keepalive time-out alone is ignored (a dead peer is noticed after 62 s); the ping time-out is not.
    return [
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
        ("grpc.keepalive_timeout_ms", PING_TIMEOUT_MS),
        ("grpc.http2.ping_timeout_ms", PING_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]


def server_options() -> Options:
    """Without re-use of the port, so that a second server on it is told so."""
    return [
        *_shared_options(),
        ("grpc.so_reuseport", 0),
        ("grpc.keepalive_time_ms", SERVER_PING_EVERY_MS),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", SHORTEST_PING_INTERVAL_MS),
        ("grpc.http2.min_ping_interval_without_data_ms", SHORTEST_PING_INTERVAL_MS),
        ("grpc.http2.max_ping_strikes", 0),
    ]


def client_options(service_config: str | None, server_name: str | None) -> Options:
    """Without the bandwidth probe, whose buffers (4 MB) would hide a slow reader from the writer."""
    options: Options = [
        *_shared_options(),
        ("grpc.keepalive_time_ms", CLIENT_PING_EVERY_MS),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_FIRST_MS),
        ("grpc.min_reconnect_backoff_ms", RECONNECT_FIRST_MS),
        ("grpc.max_reconnect_backoff_ms", RECONNECT_LONGEST_MS),
        ("grpc.enable_retries", 1),
    ]
    if service_config:
        options.append(("grpc.service_config", service_config))
    if server_name:
        options.append(("grpc.ssl_target_name_override", server_name))
    return options
