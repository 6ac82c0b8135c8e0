"""Entries fail at once while nobody is there to take them; one broker and egress never judges another."""

import pytest

from paceline.domain.account import Broker
from paceline.domain.breaker import BreakerPolicy
from paceline.domain.errors import (
    BrokerError,
    BrokerNeverSent,
    BrokerOutcomeUnknown,
    BrokerRejected,
)
from paceline.runtime.metric_names import BREAKER_OPEN
from paceline.runtime.metrics import Metrics
from services.executor.breakers import Breakers
from tests.fakes.clock import FakeClock

REFUSED = BrokerNeverSent("refused")
PROXY = "http://me:secret@10.0.0.1:3128"


class House:
    def __init__(self) -> None:
        self.clock, self.metrics = FakeClock(), Metrics()
        policy = BreakerPolicy(failures_max=3, open_ms=1_000)
        self.breakers = Breakers(Broker.FYERS, policy, self.clock, self.metrics)

    def ask(self, problem: BrokerError | None, egress: str = "", *, entering: bool = True) -> str:
        """What came of it, by its class."""
        try:
            with self.breakers.guarded(egress, entering=entering):
                if problem is not None:
                    raise problem
        except BrokerError as raised:
            return "away" if isinstance(raised, BrokerNeverSent) and raised.away else type(raised).__name__
        return "answered"

    def open(self, egress: str = "") -> float:
        return self.metrics.value(BREAKER_OPEN, broker="fyers", egress=egress)


def test_entries_fail_at_once_until_one_of_them_was_answered() -> None:
    house = House()
    assert [house.ask(REFUSED) for _ in range(4)] == ["BrokerNeverSent"] * 3 + ["away"]
    assert house.open() == 1
    house.clock.advance(1.0)
    assert house.ask(None) == "answered"
    assert (house.open(), house.ask(None)) == (0, "answered")


def test_an_exit_is_always_tried_and_its_answer_closes_it() -> None:
    house = House()
    for _ in range(5):
        assert house.ask(REFUSED, entering=False) == "BrokerNeverSent"
    assert house.ask(None) == "away"
    assert house.ask(BrokerRejected("no"), entering=False) == "BrokerRejected"
    assert house.ask(None) == "answered"


@pytest.mark.parametrize(
    ("problem", "opens"),
    [
        (REFUSED, True),
        (BrokerOutcomeUnknown("HTTP 502", server_broken=True), True),
        (BrokerOutcomeUnknown("no answer"), False),
        (BrokerRejected("no margin"), False),
    ],
)
def test_only_who_cannot_be_reached_is_left_alone(problem: BrokerError, *, opens: bool) -> None:
    house = House()
    for _ in range(3):
        house.ask(problem)
    assert (house.ask(None) == "away") is opens


def test_each_egress_has_its_own_and_a_proxys_password_is_not_shown() -> None:
    house = House()
    for _ in range(3):
        house.ask(REFUSED, PROXY)
    assert house.ask(None, PROXY) == "away"
    assert house.ask(None, "127.0.0.2") == "answered"
    assert house.open("http://10.0.0.1:3128") == 1
