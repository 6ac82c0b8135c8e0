"""Tokens ahead of their end and of the opening; the roll before it; the bells of the exchanges."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from paceline.adapters.calendar.india import india
from paceline.domain.account import SessionState
from paceline.domain.calendar import IST, Phase
from paceline.domain.errors import BrokerLoginNeeded, BrokerNeverSent, BrokerOutcomeUnknown, Unavailable
from paceline.domain.instrument import Exchange, Segment
from paceline.domain.login import Ahead
from paceline.domain.secret import Secret
from paceline.ports.broker import Tokens
from paceline.ports.presence import ExchangePhase
from paceline.ports.sessions import SessionId
from paceline.runtime.metric_names import LOGINS, SESSIONS_NOT_READY, TOKEN_EXPIRES_SECONDS
from services.feed.bells import Bells
from services.feed.mornings import Mornings, MorningTimes
from services.feed.roster import Roster
from tests.unit.domain.given import LEADER
from tests.unit.feed.house import HOME, House, at_work

MIN = 60_000_000_000
S = 1_000_000_000
TIMES = MorningTimes(Ahead(30 * MIN, 60 * MIN, 0), 20 * MIN, 5)
NAME = SessionId(LEADER)


def at(house: House, hour: int, minute: int, *, day: int = 2) -> None:
    """On the clock of the exchange; the second of January 2026 is a Friday."""
    wanted = datetime(2026, 1, day, hour, minute, tzinfo=IST)
    house.clock.step_wall(wanted.timestamp() - house.clock.now_ns() / S)


def another(house: House, lives_s: int = 86_400) -> Tokens:
    return Tokens(Secret("renewed"), Secret("r"), house.clock.now_ns() + lives_s * S, "LEADER")


async def lives_until(house: House, hour: int, *, refresh: str = "r", day: int = 2) -> None:
    ends = datetime(2026, 1, day, hour, tzinfo=IST).timestamp()
    left_s = round(ends - house.clock.now_ns() / S)
    await house.log_in(LEADER, "evening", left_s, Secret(refresh))


@pytest.fixture
async def roster(house: House) -> AsyncIterator[Roster]:
    made = Roster(house.accounts, house.sessions, house.shared)  # type: ignore[arg-type]
    async with at_work(house.journaler.run(), made.run()):
        yield made
        await made.lose([HOME])


async def living(house: House, roster: Roster) -> Mornings:
    roster.hear(LEADER)
    await house.pass_(1)
    assert house.sessions.rows[LEADER].state is SessionState.LIVE
    return Mornings(roster, house.shared, india(), TIMES)


async def test_a_token_that_ends_in_the_day_is_renewed_before_the_opening(
    house: House, roster: Roster
) -> None:
    at(house, 7, 0)
    await lives_until(house, 12)
    mornings = await living(house, roster)
    house.broker.refreshes = [another(house)]
    async with at_work(mornings.run()):
        await house.pass_(60)
        assert house.broker.refreshed == 0
        at(house, 8, 15)
        await house.pass_(10)
        assert house.broker.refreshed == 1
        roster.hear(LEADER)
        await house.pass_(2)
        assert house.credentials.get(LEADER).token == Secret("renewed")
        assert (len(house.broker.connections), house.broker.connections[0].closed) == (2, True)
        at(house, 9, 0)
        await house.pass_(10)
        assert house.broker.refreshed == 1
        assert house.metrics.value(LOGINS, broker="fyers", outcome="renewed") == 1


async def test_a_broker_who_wants_the_person_is_asked_once_and_the_session_lives_on(
    house: House, roster: Roster
) -> None:
    at(house, 7, 0)
    await lives_until(house, 12)
    mornings = await living(house, roster)
    house.broker.refreshes = [BrokerLoginNeeded("refresh tokens are no longer supported")]
    with capture_logs() as lines:
        async with at_work(mornings.run()):
            at(house, 8, 15)
            await house.pass_(120)
            assert (house.broker.refreshed, house.announced) == (1, [LEADER])
            assert house.sessions.rows[LEADER].state is SessionState.LIVE
            assert [line["event"] for line in lines].count("login.person_needed") == 1
            at(house, 12, 0)
            await house.pass_(40)
            row = house.sessions.rows[LEADER]
            assert row.state is SessionState.LOGIN_NEEDED
            assert "no longer supported" in row.reason


async def test_two_failures_end_the_attempts_and_not_the_session(house: House, roster: Roster) -> None:
    at(house, 7, 0)
    await lives_until(house, 12)
    mornings = await living(house, roster)
    house.broker.refreshes = [BrokerOutcomeUnknown("HTTP 502"), BrokerOutcomeUnknown("HTTP 502")]
    async with at_work(mornings.run()):
        at(house, 8, 15)
        await house.pass_(300)
        assert house.broker.refreshed == 2
        assert house.sessions.rows[LEADER].state is SessionState.LIVE
        at(house, 12, 0)
        await house.pass_(40)
        assert house.sessions.rows[LEADER].state is SessionState.SUSPENDED


async def test_a_broker_that_cannot_be_reached_judged_nothing(house: House, roster: Roster) -> None:
    at(house, 7, 0)
    await lives_until(house, 12)
    mornings = await living(house, roster)
    house.broker.refreshes = [*(BrokerNeverSent("refused") for _ in range(4)), another(house)]
    async with at_work(mornings.run()):
        at(house, 8, 15)
        await house.pass_(120)
        assert house.broker.refreshed == 5
        assert house.sessions.failed_logins.get(NAME, 0) == 0


async def test_who_waits_is_reminded_and_called_before_the_opening(house: House, roster: Roster) -> None:
    at(house, 7, 0)
    house.sessions.sealed.clear()
    roster.hear(LEADER)
    await house.pass_(1)
    mornings = Mornings(roster, house.shared, india(), TIMES)
    house.announced.clear()
    with capture_logs() as lines:
        async with at_work(mornings.run()):
            at(house, 8, 20)
            await house.pass_(30)
            assert house.announced == [LEADER]
            assert house.metrics.value(SESSIONS_NOT_READY, broker="fyers") == 1
            at(house, 8, 56)
            await house.pass_(30)
    (reminder,) = [line for line in lines if line["event"] == "login.reminder"]
    assert 50 * 60 < reminder["opens_in_s"] <= 55 * 60
    (roll,) = [line for line in lines if line["event"] == "sessions.not_ready"]
    assert (roll["count"], roll["of"], roll["accounts"]) == (1, 1, [LEADER])


async def test_how_long_the_first_token_lives_is_measured(house: House, roster: Roster) -> None:
    at(house, 7, 0)
    await lives_until(house, 12, day=3)
    mornings = await living(house, roster)
    await mornings.look()
    assert house.metrics.value(TOKEN_EXPIRES_SECONDS, broker="fyers") == pytest.approx(29 * 3600, abs=2)
    assert house.metrics.value(SESSIONS_NOT_READY, broker="fyers") == 0


class Board:
    def __init__(self) -> None:
        self.told: dict[tuple[Exchange, Segment], ExchangePhase] = {}
        self.away = False

    async def put_phases(self, phases: Sequence[ExchangePhase], ttl_ms: int) -> None:
        if self.away:
            raise Unavailable("no Redis")
        assert ttl_ms > 30_000
        self.told = {(each.exchange, each.segment): each for each in phases}


async def test_an_opening_is_said_once_and_kept_for_others(house: House) -> None:
    at(house, 9, 14)
    board = Board()
    bells = Bells(india(), board, house.clock)  # type: ignore[arg-type]
    with capture_logs() as lines:
        await bells.look()
        board.away = True
        at(house, 9, 15)
        with pytest.raises(Unavailable):
            await bells.look()
        board.away = False
        await bells.look()
        await bells.look()
    market = Exchange.NSE, Segment.CAPITAL_MARKET
    said = [line for line in lines if (line.get("exchange"), line.get("segment")) == market]
    assert [(line["phase"], line["event"]) for line in said] == [(Phase.NORMAL, "exchange.phase")]
    opened = datetime.fromtimestamp(board.told[market].since_ns / S, UTC).astimezone(IST)
    assert (board.told[market].phase, opened.hour, opened.minute) == (Phase.NORMAL, 9, 15)
