"""A session that flaps is told of once a minute, with what was held back; who needs a person at once."""

from collections import Counter

import pytest
from structlog.testing import capture_logs

from paceline.domain.account import SessionState
from paceline.domain.errors import BrokerAuthFailed, Unavailable
from services.feed.roster import Roster
from tests.unit.domain.given import LEADER
from tests.unit.feed.house import HOME, House, at_work

MINUTES = 10


@pytest.mark.parametrize("comes_to_life", [True, False])
async def test_ten_minutes_of_flapping_are_a_line_a_minute(house: House, comes_to_life: bool) -> None:
    roster = Roster(house.accounts, house.sessions, house.shared)  # type: ignore[arg-type]
    flaps = 0
    with capture_logs() as lines:
        async with at_work(house.journaler.run(), roster.run()):
            roster.hear(LEADER)
            for _ in range(MINUTES * 12):
                if house.broker.connections and not comes_to_life:
                    house.broker.book_failures = [Unavailable("the books too")] * 3
                await house.pass_(5)
                if house.broker.connections:
                    house.broker.connections[-1].cut()
                    flaps += 1
            await roster.lose([HOME])
    said = [line for line in lines if line["event"].startswith("session.") and line["log_level"] == "info"]
    assert 2 <= len(said) <= MINUTES
    assert flaps > 50
    assert sum(line["held_back"] for line in said) > 5 * MINUTES
    assert {line["account"] for line in said} == {LEADER}


async def test_that_a_person_is_needed_is_said_at_once(house: House) -> None:
    roster = Roster(house.accounts, house.sessions, house.shared)  # type: ignore[arg-type]
    with capture_logs() as lines:
        async with at_work(house.journaler.run(), roster.run()):
            roster.hear(LEADER)
            await house.pass_(2)
            house.broker.connections[-1].cut(BrokerAuthFailed("-8: your token has expired"))
            await house.pass_(2)
            await roster.lose([HOME])
    said = Counter(
        (line["log_level"], line.get("state")) for line in lines if line["event"] == "session.state"
    )
    assert said["info", SessionState.LIVE] == 1
    assert said["warning", SessionState.LOGIN_NEEDED] == 1
