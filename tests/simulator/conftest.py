"""A broker in the test's own process, and a pure exchange without one."""

from collections.abc import AsyncIterator
from datetime import date

import aiohttp
import pytest

import simulator
from simulator.account import Account
from simulator.clock import Clock, moment
from simulator.exchange import Exchange
from simulator.limits import Quota
from simulator.universe import default_universe
from tests.simulator.kit import Broker, Recorder

UNIVERSE_DATE = date(2026, 11, 2)
MONDAY_NOON = moment("2026-11-02T12:00:00")


@pytest.fixture
def exchange() -> Exchange:
    clock = Clock()
    clock.set(MONDAY_NOON, frozen=True)
    return Exchange(default_universe(1, UNIVERSE_DATE), clock)


@pytest.fixture
def recorder(exchange: Exchange) -> Recorder:
    made = Recorder()
    exchange.listen(made)
    return made


@pytest.fixture
def account(exchange: Exchange) -> Account:
    return exchange.open_account("XA00001")


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    """A running broker without limits, and a session to talk to it."""
    settings = simulator.Settings(
        seed=1, quota=Quota(0, 0, 0), universe_date=UNIVERSE_DATE, tick_interval_ms=5
    )
    async with simulator.serve(settings) as served, aiohttp.ClientSession() as session:
        yield Broker(served, session)
