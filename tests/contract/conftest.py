"""Every broker that must pass the cards."""

from collections.abc import AsyncIterator

import pytest

from paceline.ports.broker import Credentials
from tests.contract.brokers.fyers import fyers_venue
from tests.contract.brokers.venue import Venue

VENUES = {"fyers": fyers_venue}


@pytest.fixture(params=sorted(VENUES))
async def venue(request: pytest.FixtureRequest) -> AsyncIterator[Venue]:
    async with VENUES[request.param]() as opened:
        yield opened


@pytest.fixture
async def credentials(venue: Venue) -> Credentials:
    return await venue.account()
