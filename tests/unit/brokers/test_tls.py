"""Certificates, and a proxy that tunnels to them."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from paceline.adapters.brokers.fyers import Egresses, Fyers, FyersSettings
from paceline.domain.copy_order import OrderSpec
from paceline.domain.errors import BrokerNeverSent
from paceline.domain.ids import Tag
from paceline.embedded.certificate import Certificate, self_signed
from paceline.ports.broker import Credentials
from tests.fakes.clock import FakeClock
from tests.unit.brokers.stand_in import PLACED, Reader, Script, StandIn, Writer, http, standing_in

TAG = Tag("cp1")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"))


@contextlib.asynccontextmanager
async def tls_broker(certificate: Certificate) -> AsyncIterator[tuple[int, list[bytes]]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    stand_in = StandIn()

    async def serve(reader: Reader, writer: Writer) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await stand_in.request(reader)
                writer.write(http(PLACED))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], stand_in.requests
    finally:
        server.close()


@contextlib.asynccontextmanager
async def broker_at(port: int, ca_file: Path | None) -> AsyncIterator[Fyers]:
    settings = FyersSettings(api_url=f"https://localhost:{port}", ca_file=ca_file)
    broker = Fyers(settings, Egresses(settings), FakeClock())
    try:
        yield broker
    finally:
        await broker.aclose()


def tunnelling(stand_in: StandIn) -> Script:
    """CONNECT, yes, and then the bytes of both sides."""

    async def play(reader: Reader, writer: Writer) -> None:
        request = await stand_in.request(reader)
        host, _, port = request.split()[1].decode().partition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def copy(source: Reader, sink: Writer) -> None:
            while piece := await source.read(65_536):
                sink.write(piece)
            sink.close()

        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))

    return play


async def test_an_authority_of_ones_own_is_trusted(
    certificate: Certificate, credentials: Credentials, spec: OrderSpec
) -> None:
    async with tls_broker(certificate) as (port, requests), broker_at(port, certificate.chain) as broker:
        assert await broker.warm({"": 3}) == 3
        assert await broker.place(credentials, spec, TAG) == "808058117761"
        assert len(requests) == 1


async def test_a_certificate_nobody_vouches_for_gets_no_order(
    certificate: Certificate, credentials: Credentials, spec: OrderSpec
) -> None:
    async with tls_broker(certificate) as (port, requests), broker_at(port, None) as broker:
        with pytest.raises(BrokerNeverSent):
            await broker.place(credentials, spec, TAG)
        assert requests == []


async def test_a_proxy_tunnels_and_is_told_its_password_once(
    certificate: Certificate, credentials: Credentials, spec: OrderSpec
) -> None:
    async with (
        standing_in(tunnelling) as proxy,
        tls_broker(certificate) as (port, requests),
        broker_at(port, certificate.chain) as broker,
    ):
        egress = f"http://user:word@127.0.0.1:{proxy.port}"
        through = replace(credentials, egress=egress)
        assert await broker.warm({egress: 2}) == 2
        for _ in range(2):
            assert await broker.place(through, spec, TAG) == "808058117761"
        assert proxy.connections == 2
        assert all(request.startswith(f"CONNECT localhost:{port} ".encode()) for request in proxy.requests)
        assert all(b"Proxy-Authorization: Basic dXNlcjp3b3Jk\r\n" in request for request in proxy.requests)
        assert not any(b"Proxy-Authorization" in request for request in requests)


async def test_a_proxy_that_refuses_never_sent_it(
    certificate: Certificate, credentials: Credentials, spec: OrderSpec
) -> None:
    def refusing(stand_in: StandIn) -> Script:
        async def play(reader: Reader, writer: Writer) -> None:
            await stand_in.request(reader)
            writer.write(http(b"", "407 Proxy Authentication Required"))

        return play

    async with (
        standing_in(refusing) as proxy,
        tls_broker(certificate) as (port, requests),
        broker_at(port, certificate.chain) as broker,
    ):
        with pytest.raises(BrokerNeverSent):
            await broker.place(replace(credentials, egress=proxy.url), spec, TAG)
        assert requests == []
