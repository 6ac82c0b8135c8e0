"""The control door's application: every path under /control, JSON in and out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from simulator.control import accounts, acts, faults, market, orders, reading
from simulator.control.body import ControlError
from simulator.fyers.parse import BadBodyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulator.control.body import Handler
    from simulator.server import Simulator

LARGEST_BODY = 64 * 1024 * 1024
MODULES = (accounts, acts, faults, market, orders, reading)


class ControlDoor:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def application(self) -> web.Application:
        application = web.Application(client_max_size=LARGEST_BODY)
        for module in MODULES:
            for method, path, handler in module.ROUTES:
                application.router.add_route(method, f"/control{path}", self._answering(handler))
        return application

    def _answering(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        return _Endpoint(self._simulator, handler).answer


class _Endpoint:
    """Turns one handler into an HTTP handler; what it refuses becomes a 400 that says why."""

    def __init__(self, simulator: Simulator, handler: Handler) -> None:
        self._simulator = simulator
        self._handler = handler

    async def answer(self, request: web.Request) -> web.Response:
        raw = await request.read()
        try:
            values = {**request.query, **_object(raw)}
            result = self._handler(self._simulator, values, dict(request.match_info))
            answer = result if isinstance(result, dict) else await result
        except (ControlError, BadBodyError, ValueError) as fault:
            return web.json_response({"error": str(fault)}, status=400)
        return web.json_response(answer)


def _object(raw: bytes) -> dict[str, Any]:
    body = json.loads(raw) if raw else {}
    if not isinstance(body, dict):
        raise ControlError("the body must be an object")
    return body
