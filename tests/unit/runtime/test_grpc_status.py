"""A refusal keeps its code, words and typed details across the wire."""

import grpc
import grpc.aio
from google.protobuf.wrappers_pb2 import StringValue

from paceline.domain.errors import BrokerRateLimited, Invalid, Problem
from paceline.runtime.domain_errors import map_domain_error
from paceline.runtime.grpc_client import retry_policy
from paceline.runtime.grpc_status import DETAILS_KEY, InvalidRequestError, RpcStatus, Violation, status_of


def across_the_wire(status: RpcStatus) -> RpcStatus:
    metadata = grpc.aio.Metadata((DETAILS_KEY, status.packed()))
    return status_of(grpc.aio.AioRpcError(status.code, grpc.aio.Metadata(), metadata, status.message))


def test_everything_arrives() -> None:
    status = RpcStatus(
        grpc.StatusCode.INVALID_ARGUMENT,
        "no",
        "INVALID_ARGUMENT",
        {"account": "fyers:XV1"},
        (Violation("a.b", "is negative"), Violation("c", "is missing")),
        1.5,
    )
    assert across_the_wire(status) == status


def test_details_of_one_s_own_arrive_packed() -> None:
    sent = RpcStatus(grpc.StatusCode.ABORTED, "no", details=(StringValue(value="mine"),))
    (packed,) = across_the_wire(sent).details
    mine = StringValue()
    assert packed.Unpack(mine)  # type: ignore[attr-defined]
    assert mine.value == "mine"


def test_a_plain_status_is_a_status_too() -> None:
    plain = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, None, None, "gone")
    assert status_of(plain) == RpcStatus(grpc.StatusCode.UNAVAILABLE, "gone")


def test_an_invalid_request_names_every_field() -> None:
    error = InvalidRequestError(Violation("a", "is missing"), Violation("b", "is negative"))
    assert error.status.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.status.message == "a is missing; b is negative"


def test_a_domain_error_keeps_its_fields_on_the_way() -> None:
    status = map_domain_error(Invalid.of([Problem("a", "is missing"), Problem("b", "is negative")]))
    assert status is not None
    assert across_the_wire(status).violations == (Violation("a", "is missing"), Violation("b", "is negative"))


def test_the_time_a_broker_names_is_passed_on() -> None:
    status = map_domain_error(BrokerRateLimited("slow", retry_after_ms=1500))
    assert status is not None
    assert status.retry_after_s == 1.5


def test_other_errors_mean_nothing() -> None:
    assert map_domain_error(KeyError("x")) is None


def test_only_named_methods_are_retried() -> None:
    policy = retry_policy(["paceline.api.v1.QueryService/ListOrders"])
    assert policy is not None
    assert '"service": "paceline.api.v1.QueryService", "method": "ListOrders"' in policy
    assert '"retryableStatusCodes": ["UNAVAILABLE"]' in policy
    assert retry_policy([]) is None
