"""Never sent is said only when nothing left; unknown whenever it may have."""

import asyncio
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from paceline.adapters.brokers.fyers import Fyers
from paceline.domain.copy_order import OrderSpec
from paceline.domain.errors import BrokerNeverSent, BrokerOutcomeUnknown, BrokerRejected
from paceline.domain.ids import BrokerOrderId, Tag
from paceline.ports.broker import Credentials, OrderChange
from tests.unit.brokers.conftest import Opened
from tests.unit.brokers.stand_in import (
    PLACED,
    Reader,
    Script,
    StandIn,
    Writer,
    answering,
    http,
    standing_in,
)

TAG = Tag("cp1")


def closing_after_each(*, hard: bool = False) -> Callable[[StandIn], Script]:
    """The first request of a connection is answered as if it were kept, and then the connection is closed."""

    def script(stand_in: StandIn) -> Script:
        async def play(reader: Reader, writer: Writer) -> None:
            await stand_in.request(reader)
            writer.write(http(PLACED))
            await writer.drain()
            if hard:
                connection = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        return play

    return script


def swallowing(then: Callable[[Writer], None] | None = None) -> Callable[[StandIn], Script]:
    """The request arrives whole; then silence, or what `then` does."""

    def script(stand_in: StandIn) -> Script:
        async def play(reader: Reader, writer: Writer) -> None:
            await stand_in.request(reader)
            if then is None:
                await reader.read()
            else:
                then(writer)

        return play

    return script


async def test_a_refused_connection_is_never_sent(
    opened: Opened, credentials: Credentials, spec: OrderSpec
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    async with opened(f"http://127.0.0.1:{port}") as broker:
        with pytest.raises(BrokerNeverSent):
            await broker.place(credentials, spec, TAG)


async def test_a_name_that_does_not_resolve_is_never_sent(
    opened: Opened, credentials: Credentials, spec: OrderSpec
) -> None:
    async with opened("http://nowhere.invalid") as broker:
        with pytest.raises(BrokerNeverSent):
            await broker.place(credentials, spec, TAG)


async def test_a_connect_that_takes_too_long_is_never_sent(
    opened: Opened, credentials: Credentials, spec: OrderSpec
) -> None:
    """A listener whose queue is full lets nobody in and refuses nobody."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        try:
            async with opened(f"http://127.0.0.1:{port}", connect_timeout_ms=50) as broker:
                with pytest.raises(BrokerNeverSent):
                    await broker.place(credentials, spec, TAG)
        finally:
            for filler in fillers:
                filler.close()


async def test_an_egress_that_is_not_ours_is_never_sent(
    opened: Opened, credentials: Credentials, spec: OrderSpec
) -> None:
    foreign = Credentials(
        credentials.account_id, "XP0001", "APP-100", credentials.token, egress="203.0.113.9"
    )
    async with standing_in(answering(http(PLACED))) as stand_in, opened(stand_in.url) as broker:
        with pytest.raises(BrokerNeverSent):
            await broker.place(foreign, spec, TAG)
        assert stand_in.requests == []


async def test_the_egress_is_the_source_address(
    opened: Opened, credentials: Credentials, spec: OrderSpec
) -> None:
    sources: list[str] = []

    def script(stand_in: StandIn) -> Script:
        async def play(reader: Reader, writer: Writer) -> None:
            sources.append(writer.get_extra_info("peername")[0])
            await stand_in.request(reader)
            writer.write(http(PLACED))
            await writer.drain()

        return play

    own = Credentials(credentials.account_id, "XP0001", "APP-100", credentials.token, egress="127.0.0.7")
    async with standing_in(script) as stand_in, opened(stand_in.url) as broker:
        await broker.place(own, spec, TAG)
    assert sources == ["127.0.0.7"]


async def test_an_egress_that_is_a_url_is_a_proxy(
    opened: Opened, credentials: Credentials, spec: OrderSpec
) -> None:
    async with standing_in(answering(http(PLACED))) as proxy, opened("http://api.invalid") as broker:
        through = Credentials(
            credentials.account_id, "XP0001", "APP-100", credentials.token, egress=proxy.url
        )
        await broker.place(through, spec, TAG)
    assert proxy.requests[0].startswith(b"POST http://api.invalid/orders/sync")


@pytest.mark.parametrize("hard", [False, True], ids=["fin", "reset"])
async def test_a_connection_closed_while_idle_is_replaced_and_the_order_leaves_once(
    opened: Opened, credentials: Credentials, spec: OrderSpec, hard: bool
) -> None:
    async with standing_in(closing_after_each(hard=hard)) as stand_in, opened(stand_in.url) as broker:
        for count in range(1, 6):
            await broker.place(credentials, spec, TAG)
            assert len(stand_in.requests) == count
        assert stand_in.connections == 5


async def test_a_fin_that_the_loop_has_not_seen_is_noticed_before_the_body_leaves(
    opened: Opened, credentials: Credentials, spec: OrderSpec
) -> None:
    """The broker closes while our loop is busy: the FIN lies in the kernel when the next order is written."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as broker_side:
        listener.settimeout(5)

        def serve_one() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(http(PLACED))

        async with opened(f"http://127.0.0.1:{listener.getsockname()[1]}") as broker:
            first = broker_side.submit(serve_one)
            await broker.place(credentials, spec, TAG)
            first.result()
            second = broker_side.submit(serve_one)
            assert await broker.place(credentials, spec, TAG) == "808058117761"
            second.result()


@pytest.mark.parametrize("verb", ["place", "modify", "cancel"])
async def test_a_connection_closed_after_the_body_left_is_unknown_and_nothing_is_repeated(
    opened: Opened, credentials: Credentials, spec: OrderSpec, verb: str
) -> None:
    async with (
        standing_in(swallowing(lambda writer: writer.close())) as stand_in,
        opened(stand_in.url) as broker,
    ):
        with pytest.raises(BrokerOutcomeUnknown):
            await command(verb, broker, credentials, spec)
        assert len(stand_in.requests) == 1


@pytest.mark.parametrize("verb", ["place", "modify", "cancel"])
async def test_a_kept_alive_connection_that_breaks_after_the_body_left_is_unknown_and_nothing_is_repeated(
    opened: Opened, credentials: Credentials, spec: OrderSpec, verb: str
) -> None:
    """The HTTP client repeats DELETE by itself on a connection that served before."""

    def script(stand_in: StandIn) -> Script:
        async def play(reader: Reader, writer: Writer) -> None:
            await stand_in.request(reader)
            writer.write(http(PLACED))
            await stand_in.request(reader)

        return play

    async with standing_in(script) as stand_in, opened(stand_in.url) as broker:
        await broker.place(credentials, spec, TAG)
        with pytest.raises(BrokerOutcomeUnknown):
            await command(verb, broker, credentials, spec)
        assert len(stand_in.requests) == 2


async def test_an_answer_that_does_not_come_is_unknown(
    opened: Opened, credentials: Credentials, spec: OrderSpec
) -> None:
    async with standing_in(swallowing()) as stand_in, opened(stand_in.url, read_timeout_ms=50) as broker:
        with pytest.raises(BrokerOutcomeUnknown):
            await broker.place(credentials, spec, TAG)
        assert len(stand_in.requests) == 1


async def test_an_answer_that_drips_ends_with_the_longest_request(
    opened: Opened, credentials: Credentials, spec: OrderSpec
) -> None:
    def script(stand_in: StandIn) -> Script:
        async def play(reader: Reader, writer: Writer) -> None:
            await stand_in.request(reader)
            while True:
                writer.write(b"H")
                await writer.drain()
                await asyncio.sleep(0.02)

        return play

    async with standing_in(script) as stand_in, opened(stand_in.url, request_max_ms=150) as broker:
        with pytest.raises(BrokerOutcomeUnknown):
            await broker.place(credentials, spec, TAG)


@pytest.mark.parametrize(
    "answer",
    [
        http(b"<html>bad gateway</html>", "502 Bad Gateway"),
        http(b"<html>hello</html>"),
        http(b'{"s":"ok","code":201,"message":"Order request has been sent"}'),
        http(b'{"s":"ok","code":1101,"message":"no id"}'),
        http(b'{"s":"perhaps"}'),
        http(b"[]"),
        http(b'{"s":"ok","code":1101,"id":'),
        http(b'{"s":"error","code":-50,"message":"x"}', "503 Service Unavailable"),
        http(b"", "302 Found", "Location: /elsewhere"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{}",
        b"\x16\x03\x01 not http\r\n\r\n",
    ],
)
async def test_an_answer_that_says_nothing_certain_is_unknown(
    opened: Opened, credentials: Credentials, spec: OrderSpec, answer: bytes
) -> None:
    def script(stand_in: StandIn) -> Script:
        async def play(reader: Reader, writer: Writer) -> None:
            await stand_in.request(reader)
            writer.write(answer)
            await writer.drain()

        return play

    async with standing_in(script) as stand_in, opened(stand_in.url) as broker:
        with pytest.raises(BrokerOutcomeUnknown):
            await broker.place(credentials, spec, TAG)
        assert len(stand_in.requests) == 1


async def test_a_book_that_is_not_in_the_answer_is_not_an_empty_book(
    opened: Opened, credentials: Credentials
) -> None:
    async with (
        standing_in(answering(http(b'{"s":"ok","code":200}'))) as stand_in,
        opened(stand_in.url) as broker,
    ):
        with pytest.raises(BrokerOutcomeUnknown):
            await broker.order_book(credentials)


async def test_what_fyers_has_no_words_for_is_refused_unsent(
    opened: Opened, credentials: Credentials, spec: OrderSpec
) -> None:
    async with standing_in(answering(http(PLACED))) as stand_in, opened(stand_in.url) as broker:
        with pytest.raises(BrokerRejected, match="tag"):
            await broker.place(credentials, spec, Tag("not a tag"))
        assert stand_in.connections == 0


async def test_warm_connections_stand_before_any_request_and_are_used(
    opened: Opened, credentials: Credentials, spec: OrderSpec
) -> None:
    async with standing_in(answering(http(PLACED))) as stand_in, opened(stand_in.url) as broker:
        assert await broker.warm({"": 20}) == 20
        assert await broker.warm({"": 20}) == 20
        assert (stand_in.connections, stand_in.requests) == (20, [])
        await asyncio.gather(*(broker.place(credentials, spec, TAG) for _ in range(20)))
        assert (stand_in.connections, len(stand_in.requests)) == (20, 20)


async def test_warming_what_cannot_be_reached_answers_none(opened: Opened) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    async with opened(f"http://127.0.0.1:{port}") as broker:
        assert await broker.warm({"": 3}) == 0


async def command(verb: str, broker: Fyers, credentials: Credentials, spec: OrderSpec) -> None:
    match verb:
        case "place":
            await broker.place(credentials, spec, TAG)
        case "modify":
            await broker.modify(credentials, BrokerOrderId("1"), OrderChange(quantity=spec.quantity))
        case _:
            await broker.cancel(credentials, BrokerOrderId("1"))
