"""The leader's state is the fold of his events."""

from dataclasses import replace

from paceline.domain.copying.view import FLAT, LeaderPosition, LeaderState, fold_leader
from paceline.domain.event import Event, EventKind, Fact
from paceline.domain.ids import EventIdentity, Offset, Partition
from paceline.domain.instrument import Exchange, Segment
from paceline.domain.position import PositionReport
from tests.unit.domain.given import KEY, LEADER, NOW, d, event, fill, leader, report

COPY = "PC" + "A" * 18


def baseline(quantity: int) -> Event:
    position = PositionReport(LEADER, KEY, Exchange.NSE, Segment.CAPITAL_MARKET, d(quantity), d(100))
    fact = Fact(EventIdentity("b"), LEADER, EventKind.POSITION, position, NOW, NOW, True, b"")
    return Event(Partition(1), Offset(1), 1, NOW, fact)


def test_fills_move_the_position_and_orders_do_not() -> None:
    state = fold_leader(leader(), [event(fill(10)), event(report()), event(fill(-4))])
    assert state.position(KEY) == LeaderPosition(own=d(6))


def test_copies_are_kept_apart_from_own_trades() -> None:
    state = fold_leader(leader(), [event(fill(10)), event(fill(5, tag=COPY))])
    assert state.position(KEY) == LeaderPosition(own=d(10), copied=d(5))
    assert state.after(event(fill(-4))).position(KEY) == LeaderPosition(own=d(6), copied=d(5))
    assert state.after(event(fill(-4, tag=COPY))).position(KEY) == LeaderPosition(own=d(10), copied=d(1))
    assert state.position(KEY).seen_by(forward_copies=True) == 15
    assert state.position(KEY).seen_by(forward_copies=False) == 10


def test_a_baseline_says_what_was_held_before() -> None:
    assert leader().after(baseline(50)).position(KEY) == LeaderPosition(own=d(50))
    following = leader().after(event(fill(20, tag=COPY)))
    assert following.after(baseline(50)).position(KEY) == LeaderPosition(own=d(30), copied=d(20))


def test_a_baseline_of_nothing_is_nothing_held() -> None:
    assert leader().after(baseline(0)).positions == {}


def test_a_flat_leader_holds_no_key() -> None:
    state = fold_leader(leader(), [event(fill(10)), event(fill(-10))])
    assert state.positions == {}
    assert state.position(KEY) is FLAT


def test_folding_leaves_the_state_before_as_it_was() -> None:
    before = leader(10)
    before.after(event(fill(5)))
    assert before == LeaderState(LEADER, {KEY: LeaderPosition(d(10))})
    assert replace(before) == before
