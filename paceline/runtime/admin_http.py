"""`/metrics`, `/healthz` and `/readyz` over plain HTTP."""

from collections.abc import Callable

from aiohttp import web

from paceline.runtime.failure import PortError
from paceline.runtime.metrics import Metrics

_EXPOSITION_TYPE = "text/plain; version=1.0.0; charset=utf-8"


class AdminHttp:
    """Answers scrapes and probes; ready is who waits for nothing."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        metrics: Metrics,
        waiting_for: Callable[[], tuple[str, ...]],
        setting_name: str = "PACELINE_METRICS_PORT",
    ) -> None:
        self._host = host
        self._wanted_port = port
        self._metrics = metrics
        self._waiting_for = waiting_for
        self._setting_name = setting_name
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/metrics", self._serve_metrics)
        app.router.add_get("/healthz", self._serve_health)
        app.router.add_get("/readyz", self._serve_readiness)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._wanted_port)
        try:
            await site.start()
        except OSError as error:
            await self.stop()
            raise PortError(self._setting_name, self._host, self._wanted_port, error) from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _serve_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.exposition(), headers={"Content-Type": _EXPOSITION_TYPE})

    async def _serve_health(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def _serve_readiness(self, _request: web.Request) -> web.Response:
        waiting_for = self._waiting_for()
        if waiting_for:
            return web.json_response({"status": "not ready", "waiting_for": list(waiting_for)}, status=503)
        return web.json_response({"status": "ready"})
