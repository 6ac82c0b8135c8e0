"""The life of a copy order is a table, and the diagram in the documents is drawn from it."""

import runpy
from pathlib import Path

import pytest

from paceline.domain.copy_order import CopyStatus
from paceline.domain.order import BrokerStatus
from paceline.domain.order_states import (
    NEVER_SENT,
    TERMINAL,
    TRANSITIONS,
    IllegalTransition,
    Observation,
    advance,
    observation_of,
)

DOCS = Path(__file__).parents[3] / "docs"


def test_every_state_has_its_row() -> None:
    assert set(TRANSITIONS) == set(CopyStatus)


@pytest.mark.parametrize("status", CopyStatus)
@pytest.mark.parametrize("observation", Observation)
def test_the_table_is_the_whole_law(status: CopyStatus, observation: Observation) -> None:
    after = TRANSITIONS[status].get(observation)
    if after is not None:
        assert advance(status, observation) is after
        return
    with pytest.raises(IllegalTransition) as refused:
        advance(status, observation)
    assert (refused.value.status, refused.value.observation) == (status, observation)


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_an_end_is_left_only_by_a_fill_that_came_late(status: CopyStatus) -> None:
    assert set(TRANSITIONS[status].values()) <= {status, CopyStatus.FILLED}


def test_unknown_is_neither_failed_nor_sent_again_without_proof() -> None:
    row = TRANSITIONS[CopyStatus.UNKNOWN]
    assert Observation.GIVEN_UP not in row
    assert Observation.WITHDRAWN not in row
    assert [o for o, after in row.items() if after is CopyStatus.PLANNED] == [Observation.SURELY_ABSENT]


def test_only_a_planned_order_is_withdrawn_or_given_up() -> None:
    for observation, after in (
        (Observation.WITHDRAWN, CopyStatus.CANCELLED),
        (Observation.GIVEN_UP, CopyStatus.FAILED),
    ):
        leaving = {status for status, row in TRANSITIONS.items() if row.get(observation) is after}
        assert leaving - TERMINAL == {CopyStatus.PLANNED}


def test_what_never_reached_the_broker_knows_no_word_of_his() -> None:
    for status in NEVER_SENT:
        assert set(TRANSITIONS[status]) <= {Observation.GIVEN_UP}


@pytest.mark.parametrize(
    ("status", "partly", "observation"),
    [
        (BrokerStatus.IN_TRANSIT, False, None),
        (BrokerStatus.PENDING, False, Observation.ACCEPTED),
        (BrokerStatus.PENDING, True, Observation.PARTLY_FILLED),
        (BrokerStatus.TRADED, True, Observation.FILLED),
        (BrokerStatus.CANCELLED, True, Observation.CANCELLED),
        (BrokerStatus.REJECTED, False, Observation.REJECTED),
        (BrokerStatus.EXPIRED, False, Observation.EXPIRED),
    ],
)
def test_a_brokers_word_is_an_observation(
    status: BrokerStatus, partly: bool, observation: Observation | None
) -> None:
    assert observation_of(status, partly_filled=partly) is observation


def test_the_diagram_is_the_table() -> None:
    drawn = runpy.run_path(str(DOCS / "generate_order_states.py"))["draw"]()
    assert (DOCS / "order-states.svg").read_text() == drawn, "run python docs/generate_order_states.py"


def test_what_cannot_follow_is_said() -> None:
    with pytest.raises(IllegalTransition) as refused:
        advance(CopyStatus.REJECTED, Observation.WITHDRAWN)
    assert str(refused.value) == "WITHDRAWN cannot follow REJECTED"
    assert (refused.value.status, refused.value.observation) == (CopyStatus.REJECTED, Observation.WITHDRAWN)
