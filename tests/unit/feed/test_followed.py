"""What leaders and their followers work with is priced without being asked for, and no longer than that."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId, InstrumentId
from paceline.runtime.metric_names import PRICES_LEFT_OUT
from services.feed.followed import Followed
from tests.unit.domain.given import FOLLOWER, LEADER
from tests.unit.feed.house import House, at_work
from tests.unit.feed.test_prices import IDEA, LIMIT, SBIN, Market, watching

TCS, ITC = InstrumentId("NSE:TCS-EQ"), InstrumentId("NSE:ITC-EQ")


@dataclass
class FakeParties:
    copied: frozenset[AccountId]
    away: bool = False

    async def parties(self, accounts: Iterable[AccountId]) -> frozenset[AccountId]:
        if self.away:
            raise Unavailable("no subscriptions today")
        return self.copied & set(accounts)


@dataclass
class FakeSession:
    account_id: AccountId
    at_work: frozenset[InstrumentId]


class Copying(Market):
    """A leader, and somebody whom nobody copies."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self.leader = FakeSession(LEADER, frozenset({SBIN}))
        self.other = FakeSession(FOLLOWER, frozenset({IDEA}))
        self.parties = FakeParties(frozenset({LEADER}))
        sessions = cast(Any, [self.leader, self.other])
        self.followed = Followed(lambda: sessions, self.board, cast(Any, self.parties), house.clock)


@pytest.fixture
async def copying(house: House) -> Copying:
    return Copying(house)


async def test_what_is_copied_is_subscribed_while_it_is_worked_with_and_a_little_longer(
    copying: Copying,
) -> None:
    async with at_work(copying.source.run(), copying.followed.run()):
        await copying.pass_(1)
        assert copying.socket.watched == {SBIN}
        copying.leader.at_work = frozenset({TCS})
        await copying.pass_(1)
        assert copying.socket.watched == {SBIN, TCS}
        await copying.pass_(61)
        assert copying.socket.watched == {TCS}
        copying.leader.at_work = frozenset()
        await copying.pass_(61)
        assert (copying.board.wanted(), copying.socket.closed) == (frozenset(), 1)


async def test_a_subscription_is_noticed_and_an_absent_store_changes_nothing(copying: Copying) -> None:
    async with at_work(copying.followed.run()) as (task,):
        await copying.pass_(1)
        copying.parties.copied = frozenset({FOLLOWER})
        await copying.pass_(6)
        assert copying.board.wanted() == {SBIN, IDEA}
        copying.parties.away = True
        await copying.pass_(70)
        assert copying.board.wanted() == {IDEA}
        assert not task.done()


async def test_what_does_not_fit_is_said_once_in_a_while_and_consumers_come_first(copying: Copying) -> None:
    copying.leader.at_work = frozenset({SBIN, IDEA})
    with capture_logs() as logs:
        async with at_work(copying.source.run(), copying.followed.run()):
            await copying.pass_(1)
            assert copying.socket.watched == {SBIN, IDEA}
            one = watching(copying, TCS, ITC)
            await copying.pass_(1)
            assert len(copying.socket.watched) == LIMIT
            assert copying.socket.watched > {TCS, ITC}
            (left_out,) = {SBIN, IDEA} - copying.socket.watched
            copying.board.change(one, [left_out], ())
            await copying.pass_(1)
            assert copying.socket.watched == {TCS, ITC, left_out}
            assert copying.metrics.value(PRICES_LEFT_OUT) == 1
            copying.board.close(one)
            await copying.pass_(1)
            assert copying.socket.watched == {SBIN, IDEA}
            assert copying.metrics.value(PRICES_LEFT_OUT) == 0
    (said,) = [each for each in logs if each["event"] == "prices.left_out"]
    assert (said["of"], said["some"], said["fits"]) == (1, [left_out], LIMIT)
