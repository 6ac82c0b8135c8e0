"""Fyers behind the broker port: orders, books, money."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from multidict import CIMultiDict
from yarl import URL

from paceline.adapters.brokers.fyers import codec, money, placing, requests
from paceline.adapters.brokers.fyers.answers import Answer, JsonObject
from paceline.adapters.brokers.fyers.egress import Egresses
from paceline.adapters.brokers.fyers.errors import understood
from paceline.adapters.brokers.fyers.fields import UnreadableRowError
from paceline.adapters.brokers.fyers.limits import FYERS_LIMITS
from paceline.adapters.brokers.fyers.rest import send
from paceline.adapters.brokers.fyers.rows import Owner
from paceline.adapters.brokers.fyers.settings import FyersSettings
from paceline.domain.copy_order import OrderSpec
from paceline.domain.errors import BrokerError, BrokerOutcomeUnknown, BrokerRejected
from paceline.domain.ids import AccountId, BrokerOrderId, InstrumentId, Tag
from paceline.domain.order import Fill, OrderReport
from paceline.domain.position import Funds, HoldingReport, PositionReport
from paceline.domain.secret import Secret
from paceline.ports.broker import Book, Credentials, Limits, MarketStatus, OrderChange, Profile, Quote
from paceline.ports.clock import Clock

T = TypeVar("T")
_QUOTES_A_CALL: Final = 50
_GET: Final = "GET"


class Fyers:
    """Orders and books of any number of accounts; `egresses` is shared with the sockets."""

    def __init__(self, settings: FyersSettings, egresses: Egresses, clock: Clock) -> None:
        self._egresses = egresses
        self._clock = clock
        self._retry_after_ms = settings.retry_after_ms
        self._api = URL(settings.api_url)
        self._orders = URL(f"{settings.api_url}/orders/sync")
        self._baskets = URL(f"{settings.api_url}/multi-order/sync")
        self._data = URL(settings.data_url)
        self._headers: dict[AccountId, tuple[Secret, CIMultiDict[str]]] = {}

    @property
    def limits(self) -> Limits:
        return FYERS_LIMITS

    async def place(self, credentials: Credentials, spec: OrderSpec, tag: Tag) -> BrokerOrderId:
        answer = await self._send(credentials, "POST", self._orders, requests.place_body(spec, tag))
        return placing.placed(answer, retry_after_ms=self._retry_after_ms)

    async def place_basket(
        self, credentials: Credentials, orders: Sequence[tuple[OrderSpec, Tag]]
    ) -> tuple[BrokerOrderId | BrokerError, ...]:
        if not 0 < len(orders) <= FYERS_LIMITS.basket:
            raise BrokerRejected(f"a basket holds 1 to {FYERS_LIMITS.basket} orders, not {len(orders)}")
        answer = await self._send(credentials, "POST", self._baskets, requests.basket_body(orders))
        return placing.basket(answer, len(orders), retry_after_ms=self._retry_after_ms)

    async def modify(self, credentials: Credentials, order_id: BrokerOrderId, change: OrderChange) -> None:
        await self._ask(credentials, "PATCH", self._orders, requests.modify_body(order_id, change))

    async def cancel(self, credentials: Credentials, order_id: BrokerOrderId) -> None:
        await self._ask(credentials, "DELETE", self._orders, requests.cancel_body(order_id))

    async def order_book(
        self, credentials: Credentials, *, order_id: BrokerOrderId | None = None, tag: Tag | None = None
    ) -> Book[OrderReport]:
        by_id: dict[str, str] = {"id": order_id} if order_id else {}
        url = (self._api / "orders").with_query(by_id | _tag_query(tag))
        listed = await self._list(credentials, url, "orderBook")
        return codec.order_book(listed, _owner(credentials), self._clock.now_ns())

    async def trade_book(self, credentials: Credentials, *, tag: Tag | None = None) -> Book[Fill]:
        url = (self._api / "tradebook").with_query(_tag_query(tag))
        listed = await self._list(credentials, url, "tradeBook")
        return codec.trade_book(listed, _owner(credentials), self._clock.now_ns())

    async def positions(self, credentials: Credentials) -> Book[PositionReport]:
        listed = await self._list(credentials, self._api / "positions", "netPositions")
        return codec.position_book(listed, _owner(credentials), self._clock.now_ns())

    async def holdings(self, credentials: Credentials) -> Book[HoldingReport]:
        listed = await self._list(credentials, self._api / "holdings", "holdings")
        return codec.holdings(listed, _owner(credentials), self._clock.now_ns())

    async def funds(self, credentials: Credentials) -> Funds:
        document = await self._ask(credentials, _GET, self._api / "funds")
        return _readable(lambda: money.funds(document, credentials.account_id))

    async def profile(self, credentials: Credentials) -> Profile:
        document = await self._ask(credentials, _GET, self._api / "profile")
        return _readable(lambda: money.profile(document))

    async def market_status(self, credentials: Credentials) -> tuple[MarketStatus, ...]:
        document = await self._ask(credentials, _GET, self._data / "marketStatus")
        return _readable(lambda: money.market_status(document))

    async def quotes(
        self, credentials: Credentials, instruments: Sequence[InstrumentId]
    ) -> tuple[Quote, ...]:
        """One call for each 50 instruments."""
        found: list[Quote] = []
        for start in range(0, len(instruments), _QUOTES_A_CALL):
            found += await self._some_quotes(credentials, instruments[start : start + _QUOTES_A_CALL])
        return tuple(found)

    async def warm(self, connections: Mapping[str, int]) -> int:
        counts = await asyncio.gather(
            *(self._egresses.warm(self._orders, egress, count) for egress, count in connections.items())
        )
        return sum(counts)

    async def aclose(self) -> None:
        self._headers.clear()
        await self._egresses.aclose()

    async def _some_quotes(
        self, credentials: Credentials, instruments: Sequence[InstrumentId]
    ) -> tuple[Quote, ...]:
        url = (self._data / "quotes").with_query(symbols=",".join(instruments))
        document = await self._ask(credentials, _GET, url)
        return _readable(lambda: money.quotes(document, self._clock.now_ns()))

    async def _list(self, credentials: Credentials, url: URL, name: str) -> list[object]:
        """A book that is not there is not an empty book."""
        listed = (await self._ask(credentials, _GET, url)).get(name)
        if not isinstance(listed, list):
            raise BrokerOutcomeUnknown(f"the answer holds no {name}")
        return listed

    async def _ask(
        self, credentials: Credentials, method: str, url: URL, body: bytes | None = None
    ) -> JsonObject:
        answer = await self._send(credentials, method, url, body)
        return understood(answer, retry_after_ms=self._retry_after_ms)

    async def _send(
        self, credentials: Credentials, method: str, url: URL, body: bytes | None = None
    ) -> Answer:
        headers = self._headers_of(credentials)
        return await send(self._egresses, method, url, headers, body=body, egress=credentials.egress)

    def _headers_of(self, credentials: Credentials) -> CIMultiDict[str]:
        cached = self._headers.get(credentials.account_id)
        if cached is not None and cached[0] is credentials.token:
            return cached[1]
        headers = CIMultiDict(
            {
                "Authorization": f"{credentials.app_id}:{credentials.token.reveal()}",
                "Content-Type": "application/json",
                "version": "3",
            }
        )
        self._headers[credentials.account_id] = (credentials.token, headers)
        return headers


def _owner(credentials: Credentials) -> Owner:
    return Owner(credentials.account_id, credentials.client_id)


def _tag_query(tag: Tag | None) -> dict[str, str]:
    return {"order_tag": f"1:{tag}"} if tag else {}


def _readable(decode: Callable[[], T]) -> T:
    """An answer that says yes and cannot be read tells nothing."""
    try:
        return decode()
    except UnreadableRowError as error:
        raise BrokerOutcomeUnknown(str(error)) from error
