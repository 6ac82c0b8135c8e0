"""Signs of life: told every second, quietly, and only of what is new."""

from collections.abc import Sequence

from paceline.domain.account import SessionState
from paceline.domain.errors import BrokerRejected, Unavailable
from paceline.domain.ids import AccountId, Offset
from paceline.domain.instrument import Exchange, Segment
from paceline.ports.broker import MarketPhase, MarketStatus
from paceline.ports.presence import SessionPresence
from paceline.ports.sessions import SessionId
from paceline.runtime.metric_names import STREAM_CONSUMERS, STREAM_LAG
from services.feed.roster import Roster
from services.feed.vitals import MarketWatch, Vitals
from tests.unit.domain.given import LEADER, fill
from tests.unit.feed.house import HOME, House, at_work

OPEN = MarketStatus(Exchange.NSE, Segment.CAPITAL_MARKET, "NORMAL", MarketPhase.OPEN)


class FakePresence:
    def __init__(self) -> None:
        self.told: list[Sequence[SessionPresence]] = []
        self.renewed: list[AccountId] = []
        self.forgotten: set[AccountId] = set()
        self.markets: list[MarketStatus] = []
        self.away = False

    async def put_sessions(
        self, sessions: Sequence[SessionPresence], ttl_ms: int, unchanged: Sequence[AccountId] = ()
    ) -> Sequence[AccountId]:
        if self.away:
            raise Unavailable("no Redis")
        assert ttl_ms > 2_000
        self.told.append(sessions)
        self.renewed += unchanged
        return [each for each in unchanged if each in self.forgotten]

    async def put_market(self, statuses: Sequence[MarketStatus], ttl_ms: int) -> None:
        assert ttl_ms > 60_000
        self.markets += statuses


def a_roster(house: House) -> Roster:
    return Roster(house.accounts, house.sessions, house.shared)  # type: ignore[arg-type]


async def test_presence_and_last_frames_are_told_in_batches(house: House) -> None:
    roster, presence = a_roster(house), FakePresence()
    vitals = Vitals(
        roster,
        house.hub,
        presence,  # type: ignore[arg-type]
        house.sessions,  # type: ignore[arg-type]
        house.credentials,
        house.clock,
        house.metrics,
    )
    house.hub.open({HOME: Offset(0)}, 10)
    async with at_work(house.journaler.run(), roster.run(), vitals.run()):
        await house.pass_(2)
        assert presence.told == []
        roster.hear(LEADER)
        await house.pass_(2)
        (shown,) = [word for words in presence.told for word in words][-1:]
        assert (shown.account_id, shown.state) == (LEADER, SessionState.LIVE)
        presence.away = True
        house.broker.connections[0].say(fill(1, at=house.clock.now_ns()))
        await house.pass_(2)
        assert house.sessions.frames == {}
        presence.away = False
        await house.pass_(2)
        assert set(house.sessions.frames) == {SessionId(LEADER)}
        house.sessions.frames.clear()
        await house.pass_(2)
        assert house.sessions.frames == {}
        assert house.metrics.value(STREAM_CONSUMERS, stream="events") == 1
        assert house.metrics.value(STREAM_LAG, stream="events") == 1
        await roster.lose([HOME])


async def test_what_did_not_change_is_only_renewed_and_told_again_where_it_was_lost(house: House) -> None:
    roster, presence = a_roster(house), FakePresence()
    vitals = Vitals(
        roster,
        house.hub,
        presence,  # type: ignore[arg-type]
        house.sessions,  # type: ignore[arg-type]
        house.credentials,
        house.clock,
        house.metrics,
    )
    async with at_work(house.journaler.run(), roster.run()):
        roster.hear(LEADER)
        await house.pass_(2)
        await vitals.tell()
        presence.told.clear()
        await vitals.tell()
        assert (presence.told, presence.renewed) == ([], [])
        house.clock.advance(2)
        presence.forgotten = {LEADER}
        await vitals.tell()
        assert (presence.told, presence.renewed) == ([[]], [LEADER])
        await vitals.tell()
        assert [word.account_id for word in presence.told[-1]] == [LEADER]
        await roster.lose([HOME])


async def test_the_market_is_asked_for_as_whoever_is_live(house: House) -> None:
    roster, presence = a_roster(house), FakePresence()
    failures: list[Exception] = [BrokerRejected("not now")]

    async def status(_credentials: object) -> tuple[MarketStatus, ...]:
        if failures:
            raise failures.pop()
        return (OPEN,)

    house.broker.market_status = status  # type: ignore[method-assign]
    watch = MarketWatch(roster, house.shared, presence)  # type: ignore[arg-type]
    assert not await watch.tell()
    async with at_work(house.journaler.run(), roster.run(), watch.run()):
        roster.hear(LEADER)
        await house.pass_(10)
        assert presence.markets == [OPEN]
        await house.pass_(60)
        assert presence.markets == [OPEN, OPEN]
        await roster.lose([HOME])
