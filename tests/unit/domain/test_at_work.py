"""What an account is at work with: its working orders, and what it holds."""

from paceline.domain.order import BrokerStatus
from paceline.domain.tracking import Tracker
from tests.unit.domain.given import KEY, LEADER, NOW, S, fill, report
from tests.unit.domain.test_tracking import position, tracker


def test_at_work_is_what_working_orders_are_about_and_what_is_held() -> None:
    session = tracker()
    assert session.at_work() == frozenset()
    session.observe(report(BrokerStatus.PENDING), NOW)
    assert session.at_work() == {KEY.instrument_id}
    session.observe(report(BrokerStatus.CANCELLED, at=NOW + S), NOW)
    assert session.at_work() == frozenset()
    session.observe(fill(5, order="2"), NOW)
    assert session.at_work() == {KEY.instrument_id}
    session.observe(fill(-5, order="3"), NOW)
    assert session.at_work() == frozenset()


def test_what_stood_at_the_first_connect_is_at_work_too() -> None:
    session = Tracker(LEADER)
    session.baseline([report(BrokerStatus.PENDING)], (), (), NOW)
    assert session.at_work() == {KEY.instrument_id}
    holding = Tracker(LEADER)
    holding.baseline((), (), [position(5)], NOW)
    assert holding.at_work() == {KEY.instrument_id}
