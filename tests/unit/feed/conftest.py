"""A house with one leader in it, who is logged in."""

import pytest

from tests.unit.domain.given import LEADER
from tests.unit.feed.house import House, an_account


@pytest.fixture
async def house() -> House:
    made = House(an_account())
    await made.hold()
    await made.log_in(LEADER)
    return made
