"""A whole simulated broker: its listeners, its clock's routine, and its addresses."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from simulator.clock import Clock, ist_date
from simulator.control import ControlDoor
from simulator.exchange import Exchange
from simulator.fyers.app import DATA_SOCKET_PATH, ORDER_SOCKET_PATH, BrokerApp
from simulator.fyers.face import Face
from simulator.fyers.order_socket import OrderSockets
from simulator.fyers.rest import API, DATA, Rest
from simulator.hours import Hours
from simulator.settings import Settings
from simulator.truth import Truth
from simulator.universe import default_universe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simulator.walk import Walk

BACKLOG = 4096
SHUTDOWN_S = 1.0


@dataclass(frozen=True, slots=True)
class Urls:
    """Where everything is."""

    api_url: str
    data_url: str
    order_socket_url: str
    data_socket_url: str
    symbols_url: str
    auth_url: str
    control_url: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


class Simulator:
    """Built inside a running loop; `start` listens, `stop` leaves nothing behind."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        clock = Clock()
        today = self.settings.universe_date or ist_date(clock.wall_ns())
        universe = self.settings.universe or default_universe(self.settings.seed, today)
        hours = Hours(real=self.settings.real_hours)
        self.exchange = Exchange(universe, clock, liquidity=self.settings.liquidity, hours=hours)
        self.face = Face(self.settings, self.exchange)
        self.truth = Truth()
        self.sockets = OrderSockets(self.face, self.truth)
        self.exchange.listen(self.sockets)
        self.rest = Rest(self.face)
        self.app = BrokerApp(self.face, self.rest, self.sockets)
        self.control = ControlDoor(self)
        self.walk: Walk | None = None
        self.urls = Urls("", "", "", "", "", "", "")
        self._listener: asyncio.Server | None = None
        self._control_runner: web.AppRunner | None = None
        self._port = self.settings.port
        self._routine: asyncio.Task[None] | None = None

    async def start(self) -> Urls:
        """Listen on both doors."""
        await self.open_listener()
        self._control_runner = web.AppRunner(self.control.application(), access_log=None)
        await self._control_runner.setup()
        site = web.TCPSite(self._control_runner, self.settings.host, self.settings.control_port)
        await site.start()
        control_port = self._control_runner.addresses[0][1]
        self.urls = self._addresses(self._port, control_port)
        self._routine = asyncio.create_task(self._keep_time(), name="simulator routine")
        return self.urls

    def _addresses(self, port: int, control_port: int) -> Urls:
        host, tls = self.settings.host, self.settings.is_tls
        http = f"{'https' if tls else 'http'}://{host}:{port}"
        ws = f"{'wss' if tls else 'ws'}://{host}:{port}"
        return Urls(
            api_url=f"{http}{API}",
            data_url=f"{http}{DATA}",
            order_socket_url=f"{ws}{ORDER_SOCKET_PATH}",
            data_socket_url=f"{ws}{DATA_SOCKET_PATH}",
            symbols_url=f"{http}/sym_details",
            auth_url=f"{http}{API}",
            control_url=f"http://{host}:{control_port}/control",
        )

    async def open_listener(self) -> None:
        """Listen for brokers' clients, on the port of before if there was one."""
        if self._listener is not None:
            return
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            self.app.protocol,
            self.settings.host,
            self._port,
            ssl=self._tls(),
            backlog=BACKLOG,
            reuse_address=True,
        )
        self._port = self._listener.sockets[0].getsockname()[1]

    def close_listener(self) -> None:
        """New connections are refused by the system; open ones stay."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _tls(self) -> ssl.SSLContext | None:
        if self.settings.tls_cert is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.settings.tls_cert, self.settings.tls_key)
        return context

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(self.settings.tick_interval_ms / 1000)
            if self.face.day.on_time():
                self.face.new_limits_day()
            if self.walk is not None:
                self.walk.step()

    async def stop(self) -> None:
        """Close every connection and listener."""
        if self._routine is not None:
            self._routine.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._routine
        self.close_listener()
        await self.sockets.close()
        await self.app.data.close()
        await self.app.server.shutdown(SHUTDOWN_S)
        if self._control_runner is not None:
            await self._control_runner.cleanup()


@contextlib.asynccontextmanager
async def serve(settings: Settings | None = None) -> AsyncIterator[Simulator]:
    """A simulated broker for as long as the block lasts."""
    simulator = Simulator(settings)
    await simulator.start()
    try:
        yield simulator
    finally:
        await simulator.stop()
