"""The REST door: who calls, within which limits, through which faults."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from aiohttp import web

from simulator.faults import FaultKind
from simulator.fyers import account_api, data_api, gtt_api, login, orders_api, symbols
from simulator.fyers.answer import JSON, UNAUTHORIZED, Answer, failure, html, too_many, unacknowledged
from simulator.fyers.auth import Token
from simulator.fyers.face import Call
from simulator.fyers.parse import BadBodyError
from simulator.fyers.words import Words
from simulator.limits import Verdict
from simulator.orders import Received

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.faults import Faults
    from simulator.fyers.face import Face


API = "/api/v3"
DATA = "/data"
NOT_FOUND = 404
LIMIT_WORDS = {
    Verdict.SECOND: "request limit reached: 10 requests per second",
    Verdict.MINUTE: "request limit reached: 200 requests per minute",
    Verdict.DAY: "request limit reached for the day",
    Verdict.BLOCKED: "You are blocked for the day for exceeding the request limit",
}
FORGED_WAIT_NS = 1_000_000_000
LATE_POLL_S = 0.001


@dataclass(slots=True)
class Route:
    name: str
    handler: Callable[[Face, Call], Answer]
    hits: int = 0
    bare_token: bool = False


def routes() -> dict[tuple[str, str], Route]:
    """Every authenticated path."""
    return {
        ("POST", f"{API}/orders/sync"): Route("place", orders_api.place),
        ("PATCH", f"{API}/orders/sync"): Route("modify", orders_api.modify),
        ("DELETE", f"{API}/orders/sync"): Route("cancel", orders_api.cancel),
        ("POST", f"{API}/multi-order/sync"): Route("basket_place", orders_api.basket_place),
        ("PATCH", f"{API}/multi-order/sync"): Route("basket_modify", orders_api.basket_modify),
        ("DELETE", f"{API}/multi-order/sync"): Route("basket_cancel", orders_api.basket_cancel),
        ("POST", f"{API}/multileg/orders/sync"): Route("multileg", orders_api.multileg),
        ("POST", f"{API}/gtt/orders/sync"): Route("gtt_place", gtt_api.place),
        ("PATCH", f"{API}/gtt/orders/sync"): Route("gtt_modify", gtt_api.modify),
        ("DELETE", f"{API}/gtt/orders/sync"): Route("gtt_cancel", gtt_api.cancel),
        ("GET", f"{API}/gtt/orders"): Route("gtt_orders", gtt_api.book),
        ("GET", f"{API}/orders"): Route("orders", account_api.orders),
        ("GET", f"{API}/tradebook"): Route("tradebook", account_api.tradebook),
        ("GET", f"{API}/positions"): Route("positions", account_api.positions),
        ("DELETE", f"{API}/positions"): Route("exit", account_api.exit_positions),
        ("POST", f"{API}/positions"): Route("convert", account_api.convert),
        ("PATCH", f"{API}/positions"): Route("attach", account_api.attach_legs),
        ("GET", f"{API}/profile"): Route("profile", account_api.profile),
        ("GET", f"{API}/funds"): Route("funds", account_api.funds),
        ("GET", f"{API}/holdings"): Route("holdings", account_api.holdings),
        ("POST", f"{API}/logout"): Route("logout", account_api.logout),
        ("GET", f"{DATA}/marketStatus"): Route("market_status", data_api.market_status),
        ("GET", f"{DATA}/quotes"): Route("quotes", data_api.quotes),
        ("POST", f"{DATA}/quotes"): Route("quotes", data_api.quotes),
        ("GET", f"{DATA}/depth"): Route("depth", data_api.depth),
        ("POST", f"{DATA}/symbol-token"): Route("symbol_token", data_api.symbol_token, bare_token=True),
    }


class Rest:
    """Answers every HTTP request that is not a socket."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._routes = routes()
        self.public_hits: Counter[str] = Counter()

    def hits(self) -> dict[str, int]:
        """How often each path was called."""
        called = {
            f"{method} {path}": route.hits for (method, path), route in self._routes.items() if route.hits
        }
        return called | dict(self.public_hits)

    def reset(self) -> None:
        self.public_hits.clear()
        for route in self._routes.values():
            route.hits = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        received = Received(time.monotonic_ns(), self._face.exchange.clock.wall_ns())
        route = self._routes.get((request.method, request.path))
        if route is None:
            return _response(await self._public(request))
        route.hits += 1
        body = await request.read()
        answer = await self._authenticated(request, route, body, received)
        return _response(answer)

    async def _authenticated(
        self, request: web.BaseRequest, route: Route, body: bytes, received: Received
    ) -> Answer:
        face = self._face
        header = request.headers.get("Authorization", "")
        token = face.tokens.by_header(header)
        if not isinstance(token, Token) and route.bare_token:
            token = face.tokens.by_text(header)
        if not isinstance(token, Token):
            return failure(token, UNAUTHORIZED)
        client = token.client
        client.calls += 1
        client.seen_from(request.remote or "")
        verdict = client.limits.admit(received.mono_ns)
        if verdict is not Verdict.ADMITTED:
            wait_ns = client.limits.retry_after_ns(received.mono_ns, verdict)
            return too_many(LIMIT_WORDS[verdict], wait_ns)
        query = dict(parse_qsl(request.query_string)) if request.query_string else {}
        call = Call(client, route.name, body, query, received, token.text)
        if not face.faults.any:
            return self._carry_out(route, call)
        ordeal = Ordeal(face.faults, request, client.id, route.name)
        return await ordeal.run(lambda: self._carry_out(route, call))

    def _carry_out(self, route: Route, call: Call) -> Answer:
        try:
            return route.handler(self._face, call)
        except BadBodyError as fault:
            return failure(fault.words)

    async def _public(self, request: web.BaseRequest) -> Answer:
        method, path = request.method, request.path
        face = self._face
        self.public_hits[f"{method} {path}"] += 1
        if path in symbols.PATHS:
            return Answer(symbols.master_file(face.exchange, symbols.PATHS[path]))
        if path == symbols.INDEX_NAMES_PATH:
            return Answer(symbols.index_names())
        try:
            return await self._login(request)
        except BadBodyError as fault:
            return failure(fault.words)

    async def _login(self, request: web.BaseRequest) -> Answer:
        face = self._face
        key = (request.method, request.path)
        if key == ("GET", f"{API}/generate-authcode"):
            return login.generate_authcode(face, request.query)
        if key == ("POST", f"{API}/generate-authcode"):
            form = dict(parse_qsl((await request.read()).decode(errors="replace")))
            return login.submit(face, form)
        if key == ("POST", f"{API}/validate-authcode"):
            return await self._token(request, "validate_authcode", login.validate_authcode)
        if key == ("POST", f"{API}/validate-refresh-token"):
            return await self._token(request, "refresh", login.validate_refresh_token)
        return failure(Words(NOT_FOUND, "Not Found"), NOT_FOUND)

    async def _token(
        self, request: web.BaseRequest, name: str, handler: Callable[[Face, bytes], Answer]
    ) -> Answer:
        """A login of whoever the body names, through the faults that concern him."""
        face, body = self._face, await request.read()
        client = login.named(face, body)
        if client is not None:
            client.login_attempts += 1
        client_id = client.id if client else ""
        if face.faults.strike(FaultKind.APP_BLOCKED, client_id, name):
            return failure(login.APP_BLOCKED)
        return await Ordeal(face.faults, request, client_id, name).run(
            lambda: _understood(handler, face, body)
        )


class Ordeal:
    """One call on its way through the faults that concern it."""

    def __init__(self, faults: Faults, request: web.BaseRequest, client_id: str, name: str) -> None:
        self._faults = faults
        self._request = request
        self._client_id = client_id
        self._name = name

    async def run(self, act: Callable[[], Answer]) -> Answer:
        """Carry the call out, or not, and answer, or not."""
        await self._before()
        if self._strike(FaultKind.DROP_BEFORE_ACCEPT):
            return self._drop(failure(Words(0, "dropped")))
        spoilt = self._instead()
        if spoilt is not None and not spoilt[1]:
            return spoilt[0]
        answer = act()
        if self._strike(FaultKind.DROP_AFTER_ACCEPT):
            return self._drop(answer)
        if spoilt is not None:
            return spoilt[0]
        await self._after()
        return answer

    def _strike(self, kind: FaultKind) -> bool:
        return self._faults.strike(kind, self._client_id, self._name) is not None

    async def _before(self) -> None:
        rule = self._faults.strike(FaultKind.DELAY_BEFORE, self._client_id, self._name)
        if rule is not None:
            await asyncio.sleep(rule.ms / 1000)
        late = self._faults.strike(FaultKind.LATE_LANDING, self._client_id, self._name)
        if late is not None:
            await self._client_gone(late.ms / 1000)

    async def _client_gone(self, longest_s: float) -> None:
        """Until the caller hung up, or for so long at most."""
        end = time.monotonic() + longest_s
        while time.monotonic() < end:
            transport = self._request.transport
            if transport is None or transport.is_closing():
                return
            await asyncio.sleep(LATE_POLL_S)

    def _instead(self) -> tuple[Answer, bool] | None:
        """An answer that replaces the true one, and whether the call is carried out all the same."""
        client_id, name = self._client_id, self._name
        if self._faults.strike(FaultKind.RATE_429, client_id, name):
            return too_many(LIMIT_WORDS[Verdict.SECOND], FORGED_WAIT_NS), False
        broken = self._faults.strike(FaultKind.SERVER_5XX, client_id, name)
        if broken is not None:
            return html(broken.status), broken.accept
        unheard = self._faults.strike(FaultKind.CODE_201, client_id, name)
        if unheard is not None:
            return unacknowledged(), unheard.accept
        return None

    async def _after(self) -> None:
        for kind in (FaultKind.FILL_BEFORE_ANSWER, FaultKind.DELAY_AFTER):
            rule = self._faults.strike(kind, self._client_id, self._name)
            if rule is not None:
                await asyncio.sleep(rule.ms / 1000)

    def _drop(self, answer: Answer) -> Answer:
        """Hang up; the answer goes nowhere."""
        if self._request.transport is not None:
            self._request.transport.abort()
        return answer


def _understood(handler: Callable[[Face, bytes], Answer], face: Face, body: bytes) -> Answer:
    try:
        return handler(face, body)
    except BadBodyError as fault:
        return failure(fault.words)


def _response(answer: Answer) -> web.Response:
    return web.Response(
        body=answer.body,
        status=answer.status,
        headers=answer.headers or None,
        content_type=answer.content_type if answer.content_type != JSON else JSON,
    )
