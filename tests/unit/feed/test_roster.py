"""Sessions follow partitions and accounts; their states are written under the lease or not at all."""

from collections.abc import AsyncIterator

import pytest

from paceline.domain.account import AccountState, Broker, SessionState
from paceline.domain.errors import BrokerAuthFailed, NotFound, NotOwner, Unavailable
from paceline.domain.ids import Epoch
from paceline.runtime.metric_names import SESSIONS
from services.feed.roster import Roster
from tests.unit.domain.given import FOLLOWER, LEADER
from tests.unit.feed.house import HOME, House, an_account, at_work


@pytest.fixture
async def roster(house: House) -> AsyncIterator[Roster]:
    made = Roster(house.accounts, house.sessions, house.shared)  # type: ignore[arg-type]
    house.journaler.on_lost(made.drop)
    async with at_work(house.journaler.run()):
        yield made
        await made.lose(house.partitions.held())


async def round_(house: House, roster: Roster) -> None:
    await roster.tend()
    await house.pass_(0.25)
    await roster.tend()


def state(house: House) -> SessionState:
    return house.sessions.rows[LEADER].state


async def gained(house: House, roster: Roster) -> None:
    await roster.gain([house.partitions.lease(HOME)])
    await round_(house, roster)


async def test_a_gained_partition_brings_its_accounts_to_life(house: House, roster: Roster) -> None:
    await gained(house, roster)
    assert state(house) is SessionState.LIVE
    assert house.sessions.states[-1].connected_since is not None
    assert {change.epoch for change in house.sessions.states} == {1}
    assert house.metrics.value(SESSIONS, broker="fyers", state="LIVE") == 1


async def test_gaining_again_starts_nothing_twice(house: House, roster: Roster) -> None:
    await gained(house, roster)
    await gained(house, roster)
    assert len(house.broker.connections) == 1


async def test_notices_of_its_own_writes_are_no_news(house: House, roster: Roster) -> None:
    await gained(house, roster)
    house.accounts.away = True
    for _ in house.sessions.states:
        roster.hear_session(LEADER)
    await roster.tend()
    roster.hear_session(LEADER)
    with pytest.raises(Unavailable):
        await roster.tend()
    house.accounts.away = False


async def test_a_write_that_failed_explains_no_notice(house: House, roster: Roster) -> None:
    await roster.gain([house.partitions.lease(HOME)])
    await house.clock.settle()
    house.sessions.away = True
    with pytest.raises(Unavailable):
        await roster.tend()
    house.sessions.away, house.accounts.away = False, True
    roster.hear_session(LEADER)
    with pytest.raises(Unavailable):
        await roster.tend()
    house.accounts.away = False


async def test_a_lost_partition_closes_its_sockets(house: House, roster: Roster) -> None:
    await gained(house, roster)
    await roster.lose([HOME])
    assert roster.all() == []
    assert house.broker.connections[0].closed


async def test_an_account_is_added_changed_and_closed_as_it_is_heard_of(house: House, roster: Roster) -> None:
    house.know(an_account(FOLLOWER))
    await house.log_in(FOLLOWER)
    roster.hear(FOLLOWER)
    await round_(house, roster)
    assert len(house.broker.connections) == 1
    house.accounts.rows[FOLLOWER] = an_account(FOLLOWER, egress="10.0.0.1")
    roster.hear(FOLLOWER)
    await round_(house, roster)
    assert len(house.broker.connections) == 2
    assert house.broker.connections[0].closed
    house.accounts.rows[FOLLOWER] = an_account(FOLLOWER, state=AccountState.CLOSED)
    roster.hear(FOLLOWER)
    await round_(house, roster)
    row = house.sessions.rows[FOLLOWER]
    assert (row.state, row.reason) == (SessionState.DISCONNECTED, "the account is closed")


async def test_an_account_of_a_broker_without_a_door_is_left_alone(house: House, roster: Roster) -> None:
    house.accounts.rows[LEADER] = an_account(broker=Broker.PAPER)
    await gained(house, roster)
    assert roster.all() == []


async def test_disconnected_by_request_it_stays_so_until_someone_connects(
    house: House, roster: Roster
) -> None:
    await gained(house, roster)
    await roster.part(LEADER)
    assert house.broker.connections[0].closed
    roster.hear(LEADER)
    await round_(house, roster)
    assert (house.sessions.rows[LEADER].reason, roster.get(LEADER)) == ("by request", None)
    await roster.join(LEADER)
    await round_(house, roster)
    assert state(house) is SessionState.LIVE
    await roster.join(LEADER)
    assert len(house.broker.connections) == 2


async def test_connecting_ends_a_pause(house: House, roster: Roster) -> None:
    house.broker.dial_failures = [Unavailable("no")] * 4
    await gained(house, roster)
    for _ in range(4):
        await roster.join(LEADER)
        await house.clock.settle()
    await roster.tend()
    assert state(house) is SessionState.LIVE


async def test_only_another_token_than_the_refused_one_wakes(house: House, roster: Roster) -> None:
    house.broker.client_of_token["good"] = "XOTHER"
    await gained(house, roster)
    session = roster.get(LEADER)
    assert session is not None
    roster.hear(LEADER)
    await round_(house, roster)
    assert session.state is SessionState.LOGIN_NEEDED
    await house.log_in(LEADER, "spoilt", lives_s=-1)
    roster.hear(LEADER)
    await round_(house, roster)
    assert session.state is SessionState.LOGIN_NEEDED
    await house.log_in(LEADER, "better")
    roster.hear(LEADER)
    await round_(house, roster)
    assert roster.get(LEADER) is session
    assert state(house) is SessionState.LIVE


@pytest.mark.parametrize("by_connecting", [True, False])
async def test_a_suspended_session_takes_a_token_only_when_a_person_is_at_it(
    house: House, roster: Roster, by_connecting: bool
) -> None:
    house.broker.dial_failures = [BrokerAuthFailed("403") for _ in range(2)]
    await gained(house, roster)
    await house.log_in(LEADER, "bad")
    roster.hear(LEADER)
    await round_(house, roster)
    assert state(house) is SessionState.SUSPENDED
    await house.log_in(LEADER, "better")
    roster.hear(LEADER)
    await round_(house, roster)
    assert state(house) is SessionState.SUSPENDED
    if by_connecting:
        await roster.join(LEADER)
    else:
        await roster.pardon(LEADER)
    await round_(house, roster)
    assert state(house) is SessionState.LIVE


async def test_states_are_fenced_by_the_epoch(house: House, roster: Roster) -> None:
    house.sessions.epoch = Epoch(2)
    await gained(house, roster)
    assert state(house) is SessionState.DISCONNECTED
    with pytest.raises(NotOwner):
        await roster.part(LEADER)


async def test_what_no_store_took_is_written_when_it_is_back(house: House, roster: Roster) -> None:
    house.sessions.away = True
    await roster.gain([house.partitions.lease(HOME)])
    await house.pass_(0.25)
    with pytest.raises(Unavailable):
        await roster.tend()
    house.sessions.away = False
    await roster.tend()
    assert state(house) is SessionState.LIVE


async def test_what_was_heard_while_a_store_was_away_is_done_later(house: House, roster: Roster) -> None:
    house.accounts.away = True
    roster.hear(LEADER)
    async with at_work(roster.run()):
        await house.pass_(0.5)
        assert roster.all() == []
        house.accounts.away = False
        await house.pass_(2)
        assert len(roster.all()) == 1


async def test_a_fault_of_ours_shows_and_is_tried_again_after_a_while(house: House, roster: Roster) -> None:
    house.broker.dial_failures = [ValueError("planted")]
    await gained(house, roster)
    await roster.tend()
    assert house.sessions.rows[LEADER].reason == "fault: ValueError"
    await house.pass_(6)
    await round_(house, roster)
    assert state(house) is SessionState.LIVE


async def test_facts_that_could_not_be_written_begin_the_session_anew(house: House, roster: Roster) -> None:
    await gained(house, roster)
    before = roster.get(LEADER)
    roster.drop(LEADER)
    assert roster.get(LEADER) is None
    await round_(house, roster)
    assert roster.get(LEADER) not in {None, before}
    assert house.broker.connections[0].closed


async def test_everything_is_looked_at_again_after_a_silence_of_the_notices(
    house: House, roster: Roster
) -> None:
    await roster.reread()
    await round_(house, roster)
    assert state(house) is SessionState.LIVE


async def test_an_account_that_is_leaving_is_not_started(house: House, roster: Roster) -> None:
    house.clock.suspend(60)
    roster.hear(LEADER)
    await roster.tend()
    assert roster.all() == []


async def test_a_session_that_nobody_knows_cannot_be_joined(house: House, roster: Roster) -> None:
    del house.sessions.rows[LEADER]
    with pytest.raises(NotFound):
        await roster.join(LEADER)
