"""A refusal over gRPC: a code, words, and typed details (`google.rpc`), there and back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

DETAILS_KEY = "grpc-status-details-bin"
ERROR_DOMAIN = "paceline"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Violation:
    """A field of the request and the rule it breaks."""

    field: str
    rule: str


@dataclass(frozen=True, slots=True)
class RpcStatus:
    """What a caller is told. `reason` is a stable UPPER_SNAKE word that code may depend on."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()
    retry_after_s: float | None = None
    details: tuple[Message, ...] = ()
    """Further typed details; of a status received, whatever is no standard one, still packed in `Any`."""

    def packed(self) -> bytes:
        """As `google.rpc.Status`, for the trailing metadata."""
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        if self.reason:
            info = error_details_pb2.ErrorInfo(
                reason=self.reason, domain=ERROR_DOMAIN, metadata=dict(self.metadata)
            )
            status.details.add().Pack(info)
        if self.violations:
            bad_request = error_details_pb2.BadRequest()
            for violation in self.violations:
                bad_request.field_violations.add(field=violation.field, description=violation.rule)
            status.details.add().Pack(bad_request)
        if self.retry_after_s is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromTimedelta(timedelta(seconds=self.retry_after_s))
            status.details.add().Pack(retry)
        for detail in self.details:
            status.details.add().Pack(detail)
        return bytes(status.SerializeToString())


class RpcRefusedError(Exception):
    """Raised in a servicer to answer with a status of its own."""

    def __init__(self, status: RpcStatus) -> None:
        super().__init__(status.message)
        self.status = status


class InvalidRequestError(RpcRefusedError):
    """The request breaks rules; each is named with its field."""

    def __init__(self, *violations: Violation) -> None:
        words = "; ".join(f"{violation.field} {violation.rule}" for violation in violations)
        super().__init__(
            RpcStatus(grpc.StatusCode.INVALID_ARGUMENT, words, "INVALID_ARGUMENT", violations=violations)
        )


MapError: TypeAlias = Callable[[Exception], RpcStatus | None]
"""What a domain error means to a caller; None when it is no error of the domain."""


def status_of(error: grpc.aio.AioRpcError) -> RpcStatus:
    """What a peer answered, its typed details included."""
    status = RpcStatus(error.code(), error.details() or "")
    packed = error.trailing_metadata().get(DETAILS_KEY) if error.trailing_metadata() else None
    return _with_details(status, packed) if isinstance(packed, bytes) else status


def _with_details(status: RpcStatus, packed: bytes) -> RpcStatus:
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    parsed = status_pb2.Status.FromString(packed)
    others = [
        detail
        for detail in parsed.details
        if not (detail.Unpack(info) or detail.Unpack(bad_request) or detail.Unpack(retry))
    ]
    retry_after_s = retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None
    return RpcStatus(
        _CODES.get(parsed.code, status.code),
        parsed.message,
        info.reason,
        dict(info.metadata),
        tuple(Violation(each.field, each.description) for each in bad_request.field_violations),
        retry_after_s,
        tuple(others),
    )
