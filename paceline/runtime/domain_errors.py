"""Errors of the domain as gRPC statuses, there and back."""

import grpc

from paceline.adapters.wire.errors import error_of, refusal_of
from paceline.runtime.grpc_status import RpcStatus, Violation, status_of


def map_domain_error(error: Exception) -> RpcStatus | None:
    """For a server: what a caller is told."""
    refusal = refusal_of(error)
    if refusal is None:
        return None
    return RpcStatus(
        refusal.code,
        refusal.message,
        refusal.reason,
        refusal.metadata,
        tuple(Violation(each.field, each.rule) for each in refusal.violations),
        refusal.retry_after_s,
    )


def domain_error(error: grpc.aio.AioRpcError) -> Exception:
    """For a client: the error that the server raised, or the status itself when it is none of ours."""
    return error_of(status_of(error)) or error
