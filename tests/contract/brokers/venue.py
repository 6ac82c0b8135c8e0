"""What the cards need of a broker, and of the simulator that plays it."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from paceline.domain.ids import AccountId, BrokerAppId
from paceline.domain.secret import Secret
from paceline.ports.broker import (
    AppCredentials,
    Broker,
    Credentials,
    InstrumentMaster,
    Logins,
    OrderStreams,
    TickStreams,
)

Row = dict[str, Any]


class Control:
    """The simulator's own door; its books are the judge of every card."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def post(self, path: str, **body: object) -> Row:
        return await self._ask("POST", path, json=body)

    async def get(self, path: str, **query: str) -> Row:
        return await self._ask("GET", path, params=query)

    async def delete(self, path: str) -> Row:
        return await self._ask("DELETE", path)

    async def fault(self, kind: str, **options: object) -> Row:
        return await self.post("/faults", kind=kind, **options)

    async def orders(self, tag: str) -> list[Row]:
        """What the broker has under one tag, whatever it told anybody."""
        found: list[Row] = (await self.get("/orders", tag=tag))["orders"]
        return found

    async def requests(self, path: str) -> int:
        """How many requests of one method and path ever arrived."""
        counted: int = (await self.get("/stats", only="totals"))["paths"].get(path, 0)
        return counted

    async def _ask(self, method: str, path: str, **request: Any) -> Row:
        async with self._session.request(method, self._url + path, **request) as response:
            answer: Row = await response.json()
            assert response.status == 200, answer
            return answer


@dataclass(frozen=True, slots=True)
class Ports:
    """One broker's adapter behind every port it serves."""

    broker: Broker
    streams: OrderStreams
    ticks: TickStreams
    logins: Logins
    master: InstrumentMaster


@dataclass(slots=True)
class Venue:
    """A broker under test. `ports` builds its adapter anew, with time-outs named as its settings are."""

    name: str
    control: Control
    ports: Callable[..., Ports]
    place_path: str
    """Method and path of the request that places, as the simulator counts it."""
    modify_path: str
    cancel_path: str
    token_code: str
    """The broker's own code for an expired token."""
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _own: Ports | None = None

    @property
    def own(self) -> Ports:
        """The adapter as it comes."""
        if self._own is None:
            self._own = self.ports()
        return self._own

    @property
    def broker(self) -> Broker:
        return self.own.broker

    async def account(self, **options: object) -> Credentials:
        """A new account at the broker, logged in."""
        client_id = f"XC{next(self._numbers):05d}"
        answer = await self.control.post("/accounts", client_id=client_id, token=True, **options)
        (made,) = answer["accounts"]
        return Credentials(
            AccountId(f"{self.name}:{client_id}"), client_id, made["app_id"], Secret(made["access_token"])
        )

    async def app(self, credentials: Credentials) -> AppCredentials:
        """The app that an account logs in through."""
        accounts = (await self.control.get("/accounts"))["accounts"]
        made = next(row for row in accounts if row["client_id"] == credentials.client_id)
        return AppCredentials(
            BrokerAppId("app"), made["app_id"], Secret(made["secret"]), made["redirect_uri"]
        )
