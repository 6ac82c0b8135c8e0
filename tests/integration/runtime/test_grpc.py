"""What every RPC gets on both ends: health, deadlines, typed errors, counts, traces, an orderly end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from paceline.domain.errors import Invalid, Problem
from paceline.runtime.failure import PortError, SetupError
from paceline.runtime.grpc_client import ChannelPool
from paceline.runtime.grpc_server import Listen
from paceline.runtime.grpc_status import RpcRefusedError, RpcStatus, Violation, status_of
from paceline.runtime.metric_names import (
    GRPC_CLIENT_HANDLED,
    GRPC_CLIENT_SECONDS,
    GRPC_SERVER_HANDLED,
    GRPC_SERVER_OPEN,
    GRPC_SERVER_SECONDS,
)
from paceline.runtime.telemetry import current_traceparent, start_telemetry
from tests.integration.runtime.echo import (
    NAME,
    EchoService,
    method,
    read_to_the_end,
    server_stream,
    serving,
    stream,
)

ECHO = f"{NAME}/Echo"


async def refusal_of(call: Any) -> RpcStatus:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return status_of(caught.value)


async def ticks(_request: bytes, _context: Any) -> AsyncIterator[bytes]:
    while True:
        yield b"tick"
        await asyncio.sleep(0.005)


async def test_health_follows_readiness_for_the_whole_and_for_each_service() -> None:
    async with serving(EchoService()) as wire, wire.channel() as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service=NAME))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        wire.readiness.block("Redis")
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        whole = await health.Check(health_pb2.HealthCheckRequest())
        assert whole.status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()


async def test_reflection_lists_the_services() -> None:
    async with serving(EchoService()) as wire, wire.channel() as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast(Any, channel))
        call = stub.ServerReflectionInfo()
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        answer: Any = await call.read()
        await call.done_writing()
        assert await call.code() is grpc.StatusCode.OK
    assert {each.name for each in answer.list_services_response.service} >= {NAME, "grpc.health.v1.Health"}


async def test_a_domain_error_arrives_with_its_reason_and_fields() -> None:
    async def refuse(_request: bytes, _context: Any) -> bytes:
        raise Invalid.of([Problem("ratio", "is negative"), Problem("symbol", "is unknown")])

    async with serving(EchoService(unary={"Refuse": refuse})) as wire, wire.channel() as channel:
        status = await refusal_of(method(channel, "Refuse")(b""))
    assert (status.code, status.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")
    assert status.violations == (Violation("ratio", "is negative"), Violation("symbol", "is unknown"))


async def test_an_unexpected_error_is_logged_and_not_told() -> None:
    async def crash(_request: bytes, _context: Any) -> bytes:
        raise KeyError("hunter2")

    async with serving(EchoService(unary={"Crash": crash})) as wire, wire.channel() as channel:
        with capture_logs() as logs:
            status = await refusal_of(method(channel, "Crash")(b""))
    assert (status.code, status.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "hunter2" not in status.message
    assert isinstance(logs[0]["exc_info"], KeyError)


async def test_a_refusal_of_one_s_own_and_an_abort_pass_as_they_are() -> None:
    async def refuse(_request: bytes, _context: Any) -> bytes:
        raise RpcRefusedError(RpcStatus(grpc.StatusCode.ABORTED, "read again", "VERSION_CONFLICT"))

    async def abort(_request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.OUT_OF_RANGE, "too old")
        return b""

    async with (
        serving(EchoService(unary={"Refuse": refuse, "Abort": abort})) as wire,
        wire.channel() as channel,
    ):
        assert (await refusal_of(method(channel, "Refuse")(b""))).reason == "VERSION_CONFLICT"
        assert (await refusal_of(method(channel, "Abort")(b""))).code is grpc.StatusCode.OUT_OF_RANGE
        assert wire.metrics.value(GRPC_SERVER_HANDLED, method=f"{NAME}/Abort", code="OUT_OF_RANGE") == 1


async def test_a_method_that_is_not_built_yet_says_so() -> None:
    def generated(_request: bytes, context: Any) -> bytes:
        context.set_code(grpc.StatusCode.UNIMPLEMENTED)
        raise NotImplementedError("Method not implemented!")

    service = EchoService(unary={"Unary": generated}, server_streams={"Stream": generated})
    async with serving(service) as wire, wire.channel() as channel:
        assert (await refusal_of(method(channel, "Unary")(b""))).reason == "UNIMPLEMENTED"
        assert (await refusal_of(server_stream(channel, "Stream")(b"").read())).reason == "UNIMPLEMENTED"
        assert (await refusal_of(method(channel, "Unknown")(b""))).code is grpc.StatusCode.UNIMPLEMENTED


async def test_a_call_that_brings_no_deadline_gets_the_service_s_own() -> None:
    remaining: list[float | None] = []

    async def hang(_request: bytes, context: Any) -> bytes:
        remaining.append(context.time_remaining())
        await asyncio.sleep(60)
        return b""

    service = EchoService(unary={"Hang": hang})
    async with (
        serving(service, listen=Listen(deadline_s=0.05)) as wire,
        grpc.aio.insecure_channel(wire.address) as bare,
    ):
        status = await refusal_of(method(bare, "Hang")(b""))
    assert (status.code, status.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "TOO_LATE")
    assert remaining == [None]


async def test_our_unary_calls_always_bring_a_deadline_and_streams_none() -> None:
    remaining: list[float | None] = []

    async def hang(_request: bytes, context: Any) -> bytes:
        remaining.append(context.time_remaining())
        await asyncio.sleep(60)
        return b""

    async def two(_request: bytes, context: Any) -> AsyncIterator[bytes]:
        remaining.append(context.time_remaining())
        yield b"1"
        yield b"2"

    service = EchoService(unary={"Hang": hang}, server_streams={"Two": two})
    async with serving(service, client_deadline_s=0.2) as wire, wire.channel() as channel:
        assert (await refusal_of(method(channel, "Hang")(b""))).code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert [each async for each in server_stream(channel, "Two")(b"")] == [b"1", b"2"]
    assert remaining[0] is not None
    assert 0 < remaining[0] <= 0.2
    assert remaining[1] is None


async def test_both_styles_of_streams_are_served() -> None:
    async def generate(requests: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
        async for each in requests:
            yield each.upper()

    async def write(requests: AsyncIterator[bytes], context: Any) -> None:
        async for each in requests:
            await context.write(each.upper())

    async with serving(EchoService(streams={"G": generate, "W": write})) as wire, wire.channel() as channel:
        for name in ("G", "W"):
            call = stream(channel, name)()
            await call.write(b"a")
            assert await call.read() == b"A"
            await call.done_writing()
            assert await call.read() is grpc.aio.EOF


async def test_everything_is_counted_on_both_ends() -> None:
    service = EchoService(server_streams={"Ticks": ticks})
    async with serving(service) as wire, wire.channel() as channel:
        metrics = wire.metrics
        assert await method(channel, "Echo")(b"x") == b"x"
        call = server_stream(channel, "Ticks")(b"")
        await call.read()
        assert metrics.value(GRPC_SERVER_OPEN, method=f"{NAME}/Ticks") == 1
        call.cancel()
        while metrics.value(GRPC_SERVER_HANDLED, method=f"{NAME}/Ticks", code="CANCELLED") == 0:
            await asyncio.sleep(0.005)
        assert metrics.value(GRPC_SERVER_OPEN, method=f"{NAME}/Ticks") == 0
        assert metrics.value(GRPC_SERVER_HANDLED, method=ECHO, code="OK") == 1
        assert metrics.value(GRPC_SERVER_SECONDS, method=ECHO) == 1
        assert metrics.value(GRPC_CLIENT_HANDLED, method=ECHO, code="OK") == 1
        assert metrics.value(GRPC_CLIENT_HANDLED, method=f"{NAME}/Ticks", code="CANCELLED") == 1
        assert metrics.value(GRPC_CLIENT_SECONDS, method=ECHO) == 1
        assert metrics.value(GRPC_CLIENT_SECONDS, method=f"{NAME}/Ticks") == 0


async def test_a_trace_goes_through_a_call_and_through_a_stream() -> None:
    inside: list[str] = []

    async def note(request: bytes, _context: Any) -> bytes:
        inside.append(current_traceparent())
        return request

    async def notes(requests: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
        async for each in requests:
            inside.append(current_traceparent())
            yield each

    exporter = InMemorySpanExporter()
    telemetry = start_telemetry(service="echo", replica_id="1", exporter=exporter)
    service = EchoService(unary={"Note": note}, streams={"Notes": notes})
    async with serving(service, telemetry=telemetry) as wire, wire.channel() as channel:
        with telemetry.span("cause") as cause:
            await method(channel, "Note")(b"")
            call = stream(channel, "Notes")()
            await call.write(b"")
            await call.read()
            await call.done_writing()
            assert await call.code() is grpc.StatusCode.OK
    telemetry.shutdown()
    trace_id = format(cause.get_span_context().trace_id, "032x")
    assert [each.split("-")[1] for each in inside] == [trace_id, trace_id]
    spans = [(span.name, span.kind.name) for span in exporter.get_finished_spans()]
    assert sorted(spans) == [
        ("cause", "INTERNAL"),
        (f"{NAME}/Note", "CLIENT"),
        (f"{NAME}/Note", "SERVER"),
        (f"{NAME}/Notes", "CLIENT"),
        (f"{NAME}/Notes", "SERVER"),
    ]


async def test_a_failed_call_marks_the_spans_of_both_ends() -> None:
    async def refuse(_request: bytes, _context: Any) -> bytes:
        raise Invalid("ratio", "is negative")

    exporter = InMemorySpanExporter()
    telemetry = start_telemetry(service="echo", replica_id="1", exporter=exporter)
    async with (
        serving(EchoService(unary={"Refuse": refuse}), telemetry=telemetry) as wire,
        wire.channel() as channel,
    ):
        await refusal_of(method(channel, "Refuse")(b""))
    telemetry.shutdown()
    spans = exporter.get_finished_spans()
    assert [span.status.is_ok for span in spans] == [False, False]
    assert {span.attributes["rpc.grpc.status_code"] for span in spans if span.attributes} == {3}


async def test_a_stream_that_watches_the_drain_ends_by_itself() -> None:
    service = EchoService()
    async with serving(service) as wire:

        async def until_drain(_request: bytes, _context: Any) -> AsyncIterator[bytes]:
            yield b"open"
            await wire.draining.wait()
            yield b"last"

        service.server_streams["Watch"] = until_drain
        service.register(service, wire.server._server)
        async with wire.channel() as channel:
            call = server_stream(channel, "Watch")(b"")
            assert await call.read() == b"open"
            await wire.server.stop()
            assert await call.read() == b"last"
            assert await call.read() is grpc.aio.EOF


async def test_a_stream_that_does_not_is_told_to_go_elsewhere() -> None:
    async with serving(EchoService(server_streams={"Ticks": ticks})) as wire, wire.channel() as channel:
        call = server_stream(channel, "Ticks")(b"")
        await call.read()
        await wire.server.stop()
        status = await refusal_of(read_to_the_end(call))
    assert (status.code, status.reason) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
    assert status.retry_after_s is not None


async def test_a_call_in_flight_ends_before_the_server_does() -> None:
    begun = asyncio.Event()

    async def slow(_request: bytes, _context: Any) -> bytes:
        begun.set()
        await asyncio.sleep(0.1)
        return b"done"

    async with serving(EchoService(unary={"Slow": slow})) as wire, wire.channel() as channel:
        call = method(channel, "Slow")(b"")
        await begun.wait()
        await wire.server.stop()
        assert await call == b"done"


async def test_a_taken_port_is_said_with_its_setting() -> None:
    async with serving(EchoService()) as wire:
        with pytest.raises(
            PortError, match=f"PACELINE_GRPC_PORT: port {wire.server.port} on 127.0.0.1 is taken"
        ):
            async with serving(EchoService(), listen=Listen(port=wire.server.port)):
                pytest.fail("two servers on one port")


async def test_plain_text_is_refused_where_tls_is_required() -> None:
    with pytest.raises(SetupError, match="no certificate to serve with"):
        async with serving(EchoService(), listen=Listen(tls_required=True)):
            pytest.fail("it serves in plain text")
    async with serving(EchoService()) as wire:
        with pytest.raises(SetupError, match="no certificate to call with"):
            async with wire.channel(tls_required=True):
                pytest.fail("it calls in plain text")


async def test_only_an_idempotent_method_is_tried_again() -> None:
    attempts: dict[str, int] = {"Read": 0, "Write": 0}

    async def twice_away(name: str) -> bytes:
        attempts[name] += 1
        if attempts[name] < 3:
            raise RpcRefusedError(RpcStatus(grpc.StatusCode.UNAVAILABLE, "away"))
        return b"done"

    service = EchoService(
        unary={
            "Read": lambda _request, _: twice_away("Read"),
            "Write": lambda _request, _: twice_away("Write"),
        }
    )
    async with serving(service) as wire, wire.channel(idempotent=[f"{NAME}/Read"]) as channel:
        assert await method(channel, "Read")(b"") == b"done"
        assert (await refusal_of(method(channel, "Write")(b""))).code is grpc.StatusCode.UNAVAILABLE
    assert attempts == {"Read": 3, "Write": 1}


async def test_a_slow_reader_holds_up_the_writer_early() -> None:
    written = 0

    async def pour(_request: bytes, _context: Any) -> AsyncIterator[bytes]:
        nonlocal written
        while True:
            written += 1
            yield bytes(200)

    async with serving(EchoService(server_streams={"Pour": pour})) as wire, wire.channel() as channel:
        call = server_stream(channel, "Pour")(b"")
        await call.read()
        before = -1
        while before != written:
            before = written
            await asyncio.sleep(0.1)
        assert written < 2_000
        call.cancel()


async def test_a_pool_keeps_one_channel_per_address_and_no_more_than_it_may() -> None:
    async with serving(EchoService()) as wire:
        pool = ChannelPool(wire.calls, channels_max=2)
        first = await pool.channel(wire.address)
        assert await pool.channel(wire.address) is first
        assert await method(first, "Echo")(b"x") == b"x"
        await pool.channel("127.0.0.1:1")
        await pool.channel("127.0.0.1:2")
        assert await pool.channel(wire.address) is not first
        await pool.discard(wire.address)
        await pool.discard("never:1")
        await pool.close()
