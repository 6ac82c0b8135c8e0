"""A lease that runs out for a moment and is renewed costs a session nothing that it said or was told."""

from paceline.domain.account import SessionState
from services.feed.roster import Roster
from tests.unit.domain.given import LEADER
from tests.unit.feed.house import HOME, House, at_work

TTL_S = 6.0


async def test_a_state_of_a_lapse_is_written_once_the_lease_is_renewed(house: House) -> None:
    roster = Roster(house.accounts, house.sessions, house.shared)  # type: ignore[arg-type]
    async with at_work(house.journaler.run()):
        await roster.gain([house.partitions.lease(HOME)])
        await house.clock.settle()
        house.clock.advance(TTL_S + 1)
        await roster.tend()
        session = roster.get(LEADER)
        assert session is not None
        assert session.state is SessionState.LIVE
        assert house.sessions.rows[LEADER].state is not SessionState.LIVE
        await house.partitions.turn()
        await roster.tend()
        assert house.sessions.rows[LEADER].state is SessionState.LIVE
        await roster.lose([HOME])


async def test_a_login_during_a_lapse_is_heard_once_the_lease_is_renewed(house: House) -> None:
    roster = Roster(house.accounts, house.sessions, house.shared)  # type: ignore[arg-type]
    house.sessions.sealed.clear()
    await house.credentials.reload([LEADER])
    async with at_work(house.journaler.run()):
        await roster.gain([house.partitions.lease(HOME)])
        await house.clock.settle()
        session = roster.get(LEADER)
        assert session is not None
        before: SessionState = session.state
        assert before is SessionState.LOGIN_NEEDED
        await house.log_in(LEADER)
        house.clock.advance(TTL_S + 1)
        roster.hear(LEADER)
        await roster.tend()
        await house.partitions.turn()
        await roster.tend()
        await house.pass_(0.25)
        assert session.state is SessionState.LIVE
        await roster.lose([HOME])
