"""One simulated broker, one SDK process, and the way of our own adapter to it, for each module of tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from paceline.adapters.brokers.fyers.egress import Egresses
from paceline.adapters.brokers.fyers.settings import FyersSettings
from paceline.domain.ids import AccountId
from paceline.domain.secret import Secret
from paceline.ports.broker import Credentials
from simulator.account import Holding
from simulator.limits import Quota
from simulator.server import serve
from simulator.settings import Settings
from tests.oracle.sdk import Sdk
from tests.oracle.stage import Stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CLIENT = "XP0001"
UNLIMITED = Quota(per_second=0, per_minute=0, per_day=0)
CASH = 5_000_000_00


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with serve(Settings(seed=7, quota=UNLIMITED)) as simulator:
        held = Holding(simulator.exchange.markets["NSE:PNB-EQ"].instrument, qty=100, cost=110_00)
        client = simulator.face.add_client(CLIENT, cash=CASH, holdings=[held])
        yield Stage(simulator, client)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sdk(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sdk]:
    """The vendor's SDK, logged in; its logs go where the tests' temporary files go."""
    logs = tmp_path_factory.mktemp("sdk")
    driver = await Sdk.start(http=stage.http, app_id=stage.app_id, token=stage.token(), log_path=logs)
    yield driver
    await driver.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def settings(stage: Stage) -> FyersSettings:
    urls = stage.simulator.urls
    return FyersSettings(
        api_url=urls.api_url,
        data_url=urls.data_url,
        auth_url=urls.auth_url,
        order_socket_url=urls.order_socket_url,
        data_socket_url=urls.data_socket_url,
        symbols_url=urls.symbols_url,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def egresses(settings: FyersSettings) -> AsyncIterator[Egresses]:
    opened = Egresses(settings)
    yield opened
    await opened.aclose()


@pytest.fixture(scope="module")
def credentials(stage: Stage) -> Credentials:
    account = AccountId(f"fyers:{stage.client_id}")
    return Credentials(account, stage.client_id, stage.app_id, Secret(stage.token()))
