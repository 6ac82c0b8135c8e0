"""Between processes: a frozen peer is noticed, an idle one is left alone, traces reach a receiver."""

import asyncio
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from paceline.runtime import grpc_options
from paceline.runtime.grpc_client import open_channel
from paceline.runtime.grpc_client_calls import ClientCalls
from paceline.runtime.metrics import Metrics
from paceline.runtime.telemetry import start_telemetry
from tests.integration.runtime.echo import EchoService, method, read_to_the_end, server_stream, serving
from tests.integration.runtime.test_process import tiny


async def test_an_idle_stream_is_left_alone_and_a_frozen_peer_is_noticed(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_options, "CLIENT_PING_EVERY_MS", 1_100)
    monkeypatch.setattr(grpc_options, "PING_TIMEOUT_MS", 700)
    calls = ClientCalls(
        metrics=Metrics(), telemetry=start_telemetry(service="x", replica_id="1"), deadline_s=60
    )
    async with tiny(postgres_url=postgres_url, redis_url="redis://nowhere") as service:
        port = (await service.event("listening"))["grpc_port"]
        channel = open_channel(f"127.0.0.1:{port}", calls)
        await method(channel, "Echo")(b"x")
        await asyncio.sleep(3.6)  # three pings of an idle connection: too many strikes would be a GOAWAY
        call = server_stream(channel, "Ticks")(b"")
        await call.read()
        service.process.send_signal(signal.SIGSTOP)
        frozen = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await read_to_the_end(call)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert time.monotonic() - frozen < 8
        await channel.close()


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
    """An OTLP receiver that keeps what it gets."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name in the protocol
        for resource in request.resource_spans:
            service = next(
                each.value.string_value for each in resource.resource.attributes if each.key == "service.name"
            )
            self.spans += [(service, span) for scope in resource.scope_spans for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    server = grpc.server(ThreadPoolExecutor(2))
    servicer = Receiver()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, f"http://127.0.0.1:{port}"
    server.stop(None).wait()


async def test_the_spans_of_a_call_reach_a_real_receiver_as_one_trace(receiver: tuple[Receiver, str]) -> None:
    servicer, endpoint = receiver
    telemetry = start_telemetry(service="echo", replica_id="1", otlp_endpoint=endpoint)
    async with serving(EchoService(), telemetry=telemetry) as wire, wire.channel() as channel:
        with telemetry.span("cause"):
            await method(channel, "Echo")(b"x")
    await asyncio.to_thread(telemetry.shutdown)
    assert {service for service, _ in servicer.spans} == {"paceline-echo"}
    assert len({span.trace_id for _, span in servicer.spans}) == 1
    assert sorted(span.name for _, span in servicer.spans) == [
        "cause",
        "test.v1.EchoService/Echo",
        "test.v1.EchoService/Echo",
    ]


def test_a_receiver_that_is_away_costs_the_end_no_more_than_its_time() -> None:
    telemetry = start_telemetry(service="echo", replica_id="1", otlp_endpoint="http://127.0.0.1:1")
    with telemetry.span("lost"):
        pass
    began = time.monotonic()
    telemetry.shutdown(timeout_s=0.3)
    assert time.monotonic() - began < 5
