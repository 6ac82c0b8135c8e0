"""The settings every service has."""

import base64
import binascii
import os
import socket
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import ClassVar

from paceline.domain.secret import Secret
from paceline.runtime.settings import CrossRule, setting

_KEY_BYTES = 32
_EVERY_INTERFACE = frozenset({"", "0.0.0.0", "::", "[::]"})  # noqa: S104 - compared with, not bound to


class LogLevel(Enum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(Enum):
    JSON = "json"
    CONSOLE = "console"


def without_driver(url: str) -> str:
    """Older deployments name SQLAlchemy's driver in the scheme; the place is the same."""
    scheme, separator, rest = url.strip().partition("://")
    return scheme.partition("+")[0] + separator + rest


def _broken_key(key: Secret) -> str | None:
    """A key is 32 bytes in base64 (either alphabet), with an optional name before a colon."""
    text = key.reveal().rpartition(":")[2].replace("-", "+").replace("_", "/")
    try:
        size = len(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
    except (ValueError, binascii.Error):
        return "is not base64"
    return None if size == _KEY_BYTES else f"holds {size} bytes where {_KEY_BYTES} are needed"


def _broken_tls(certificate: Path | None, key: Path | None) -> str | None:
    return "go together: set both or neither" if (certificate is None) != (key is None) else None


def _broken_requirement(required: bool, certificate: Path | None, authority: Path | None) -> str | None:
    if required and (certificate is None or authority is None):
        return "disagree: TLS is required, so the certificate and the authority must be set"
    return None


def _missing_file(path: Path) -> str | None:
    return None if path.is_file() else "is not a file that can be read"


def _replica_id() -> str:
    """Different for every start of every process: a restarted owner is a new owner."""
    return f"{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}"


@dataclass(frozen=True, kw_only=True, slots=True)
class CommonSettings:
    """What each service reads from the environment, beside its own."""

    RULES: ClassVar[tuple[CrossRule, ...]] = (
        CrossRule(("tls_certificate_file", "tls_key_file"), _broken_tls),
        CrossRule(("tls_required", "tls_certificate_file", "tls_authority_file"), _broken_requirement),
    )

    environment: str = setting(
        default="development", about="name of this deployment, on every trace and metric"
    )
    log_level: LogLevel = setting(default=LogLevel.INFO, about="least important level that is logged")
    log_format: LogFormat = setting(default=LogFormat.JSON, about="json for a pod, console for a terminal")
    postgres_url: Secret = setting(
        about="where events, plans and ledgers are kept: postgresql://user:password@host:5432/database",
        schemes=("postgresql", "postgres"),
        clean=without_driver,
    )
    postgres_pool_max: int = setting(
        default=10, minimum=1, maximum=200, about="most connections of one process"
    )
    redis_url: Secret = setting(
        about="where buckets, prices and portfolios are kept: redis://host:6379/0",
        schemes=("redis", "rediss", "unix"),
    )
    grpc_host: str = setting(default="127.0.0.1", about="interface the gRPC server listens on")
    grpc_port: int = setting(
        default=50051, minimum=0, maximum=65535, about="port of the gRPC server; 0 takes a free one"
    )
    advertise_address: str | None = setting(
        default=None,
        shown_default="host name (or gRPC host) and port",
        about="host:port at which other services reach this replica; written into its leases",
    )
    metrics_host: str = setting(default="127.0.0.1", about="interface of /metrics, /healthz and /readyz")
    metrics_port: int = setting(
        default=9464, minimum=0, maximum=65535, about="port of /metrics; 0 takes a free one"
    )
    otlp_endpoint: str | None = setting(
        default=None, schemes=("http", "https"), about="OTLP gRPC receiver of traces; unset means no traces"
    )
    trace_sample_ratio: float = setting(
        default=1.0, minimum=0, maximum=1, about="share of new traces that is kept"
    )
    drain_s: float = setting(
        default=15.0, minimum=0, maximum=600, about="seconds a stop may take before it is cut short"
    )
    rpc_deadline_ms: int = setting(
        default=10_000, minimum=10, maximum=600_000, about="deadline of a unary call that brought none"
    )
    replica_id: str = setting(
        default_factory=_replica_id,
        shown_default="host name, process id and a random part",
        about="who holds a lease; different for every process",
    )
    encryption_keys: tuple[Secret, ...] = setting(
        name="PACELINE_ENCRYPTION_KEY",
        default=(),
        check=_broken_key,
        about="32-byte keys in base64, separated by commas: the first seals, all of them open",
    )
    tls_certificate_file: Path | None = setting(
        default=None, check=_missing_file, about="certificate chain (PEM) of this service"
    )
    tls_key_file: Path | None = setting(
        default=None, check=_missing_file, about="private key (PEM) of the certificate"
    )
    tls_authority_file: Path | None = setting(
        default=None,
        check=_missing_file,
        about="authority (PEM) that signs every peer; set, it makes TLS mutual",
    )
    tls_server_name: str | None = setting(
        default=None, about="name expected in a peer's certificate, where peers are dialled by pod address"
    )
    tls_required: bool = setting(default=False, about="refuse to speak plain text")


def advertised_address(settings: CommonSettings, port: int) -> str:
    """Where others reach a server that is bound to `port`."""
    if settings.advertise_address:
        return settings.advertise_address
    bound_everywhere = settings.grpc_host in _EVERY_INTERFACE
    return f"{socket.gethostname() if bound_everywhere else settings.grpc_host}:{port}"
