"""Where the time of a copy went is counted part by part, and only where both moments are known."""

from dataclasses import replace

import pytest

from paceline.domain.account import AccountType
from paceline.domain.copying.fold import Placed
from paceline.domain.errors import BrokerOutcomeUnknown
from paceline.domain.ids import BrokerOrderId, Epoch
from paceline.runtime.metric_names import COPY_SECONDS
from paceline.runtime.metrics import Metrics
from services.executor.outcome import Outcome
from services.executor.timing import Timing
from tests.unit.executor.given import order

MS = 1_000_000
BEGAN = 1_000 * MS
ONE = replace(order("e1"), leader_time_ns=BEGAN, seen_ns=BEGAN + MS, planned_ns=BEGAN + 3 * MS)
TAKEN = Outcome(ONE, Placed(BrokerOrderId("b1")), Epoch(1), 1, BEGAN + 7 * MS, BEGAN + 20 * MS)


def seconds(outcome: Outcome) -> dict[str, float]:
    metrics = Metrics()
    Timing(metrics, lambda _account: AccountType.COPY_FOLLOWER).accepted(outcome)
    prefix = f'{COPY_SECONDS.name}_sum{{account_type="copy_follower",part="'
    lines = metrics.exposition().decode().splitlines()
    found = (line.removeprefix(prefix).split('"} ') for line in lines if line.startswith(prefix))
    return {part: float(value) for part, value in found}


def test_every_part_of_an_accepted_copy() -> None:
    expected = {
        "leader_to_seen": 0.001,
        "seen_to_planned": 0.002,
        "planned_to_sent": 0.004,
        "sent_to_accepted": 0.013,
        "leader_to_accepted": 0.020,
    }
    assert seconds(TAKEN) == pytest.approx(expected)


def test_a_brokers_clock_that_is_ahead_makes_no_time_negative() -> None:
    ahead = replace(TAKEN, order=replace(ONE, leader_time_ns=BEGAN + 900 * MS))
    assert (seconds(ahead)["leader_to_seen"], seconds(ahead)["leader_to_accepted"]) == (0, 0)


def test_what_is_not_known_is_not_counted() -> None:
    assert seconds(replace(TAKEN, told=BrokerOutcomeUnknown("lost"))) == {}
    nobody = replace(TAKEN, order=replace(ONE, leader_time_ns=0))
    assert seconds(nobody).keys() == {"seen_to_planned", "planned_to_sent", "sent_to_accepted"}
