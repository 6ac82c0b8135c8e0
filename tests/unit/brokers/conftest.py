"""Credentials and adapters that point at a stand-in."""

import contextlib
from collections.abc import AsyncIterator, Callable
from decimal import Decimal

import pytest

from paceline.adapters.brokers.fyers import Egresses, Fyers, FyersSettings
from paceline.domain.copy_order import OrderSpec
from paceline.domain.ids import AccountId, InstrumentId
from paceline.domain.instrument import InstrumentKey, Product
from paceline.domain.order import OrderType, Side
from paceline.domain.secret import Secret
from paceline.ports.broker import Credentials
from tests.fakes.clock import FakeClock

Opened = Callable[..., contextlib.AbstractAsyncContextManager[Fyers]]


@pytest.fixture
def credentials() -> Credentials:
    return Credentials(AccountId("fyers:XP0001"), "XP0001", "APP-100", Secret("secret-token"))


@pytest.fixture
def spec() -> OrderSpec:
    key = InstrumentKey(InstrumentId("NSE:SBIN-EQ"), Product.INTRADAY)
    return OrderSpec(key, Side.BUY, OrderType.MARKET, Decimal(1))


@pytest.fixture
def opened() -> Opened:
    @contextlib.asynccontextmanager
    async def open_at(url: str, **timeouts: int) -> AsyncIterator[Fyers]:
        settings = FyersSettings(api_url=url, data_url=f"{url}/data", auth_url=url, **timeouts)  # type: ignore[arg-type]
        broker = Fyers(settings, Egresses(settings), FakeClock())
        try:
            yield broker
        finally:
            await broker.aclose()

    return open_at
