"""The life of a copy order: a table from state and observation to state.

The diagram in the documents is drawn from this table.
"""

from collections.abc import Mapping
from enum import StrEnum

from paceline.domain.copy_order import CopyStatus
from paceline.domain.errors import FailedPrecondition
from paceline.domain.order import BrokerStatus


class Observation(StrEnum):
    """What is learned about a copy order, from an answer, a socket, a book, or our own hand."""

    ACCEPTED = "ACCEPTED"
    PARTLY_FILLED = "PARTLY_FILLED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    ANSWER_LOST = "ANSWER_LOST"
    """The request left, its answer never came."""
    SURELY_ABSENT = "SURELY_ABSENT"
    """Two settled book reads without the tag: it may be sent again under the same step."""
    WITHDRAWN = "WITHDRAWN"
    """Taken back before it was sent."""
    GIVEN_UP = "GIVEN_UP"
    """Never sent and never to be: too old, retries used up, no login."""


class IllegalTransition(FailedPrecondition):
    """A copy order was told something that its state rules out: a person should look."""

    def __init__(self, status: CopyStatus, observation: Observation) -> None:
        super().__init__(f"{observation} cannot follow {status}")
        self.status = status
        self.observation = observation


_S = CopyStatus
_O = Observation

_AT_BROKER = {
    _O.FILLED: _S.FILLED,
    _O.CANCELLED: _S.CANCELLED,
    _O.EXPIRED: _S.EXPIRED,
    _O.REJECTED: _S.REJECTED,
}


def _ended(state: CopyStatus) -> dict[Observation, CopyStatus]:
    """A late acknowledgement or a lost answer changes nothing; a late fill is the truth and is kept."""
    late = {_O.ACCEPTED: state, _O.ANSWER_LOST: state, _O.PARTLY_FILLED: state, _O.FILLED: _S.FILLED}
    return late | {_O(state.value): state}


TRANSITIONS: Mapping[CopyStatus, Mapping[Observation, CopyStatus]] = {
    _S.PLANNED: _AT_BROKER
    | {
        _O.ACCEPTED: _S.WORKING,
        _O.PARTLY_FILLED: _S.PARTIAL,
        _O.ANSWER_LOST: _S.UNKNOWN,
        _O.SURELY_ABSENT: _S.PLANNED,
        _O.WITHDRAWN: _S.CANCELLED,
        _O.GIVEN_UP: _S.FAILED,
    },
    _S.UNKNOWN: _AT_BROKER
    | {
        _O.ACCEPTED: _S.WORKING,
        _O.PARTLY_FILLED: _S.PARTIAL,
        _O.ANSWER_LOST: _S.UNKNOWN,
        _O.SURELY_ABSENT: _S.PLANNED,
    },
    _S.WORKING: _AT_BROKER
    | {_O.ACCEPTED: _S.WORKING, _O.PARTLY_FILLED: _S.PARTIAL, _O.ANSWER_LOST: _S.WORKING},
    _S.PARTIAL: _AT_BROKER
    | {_O.ACCEPTED: _S.PARTIAL, _O.PARTLY_FILLED: _S.PARTIAL, _O.ANSWER_LOST: _S.PARTIAL},
    _S.FILLED: _ended(_S.FILLED),
    _S.CANCELLED: _ended(_S.CANCELLED),
    _S.EXPIRED: _ended(_S.EXPIRED),
    _S.REJECTED: _ended(_S.REJECTED),
    _S.SKIPPED: {},
    _S.FAILED: {_O.GIVEN_UP: _S.FAILED},
}

TERMINAL = frozenset({_S.FILLED, _S.CANCELLED, _S.EXPIRED, _S.REJECTED, _S.SKIPPED, _S.FAILED})
NEVER_SENT = frozenset({_S.SKIPPED, _S.FAILED})


def advance(status: CopyStatus, observation: Observation) -> CopyStatus:
    """The state after an observation; raises IllegalTransition where the table has none."""
    after = TRANSITIONS[status].get(observation)
    if after is None:
        raise IllegalTransition(status, observation)
    return after


def observation_of(status: BrokerStatus, *, partly_filled: bool) -> Observation | None:
    """What a broker's word means for a copy order; None while it is still on its way."""
    if status is BrokerStatus.IN_TRANSIT:
        return None
    if status is BrokerStatus.PENDING:
        return Observation.PARTLY_FILLED if partly_filled else Observation.ACCEPTED
    return _SAID[status]


_SAID = {
    BrokerStatus.TRADED: Observation.FILLED,
    BrokerStatus.CANCELLED: Observation.CANCELLED,
    BrokerStatus.REJECTED: Observation.REJECTED,
    BrokerStatus.EXPIRED: Observation.EXPIRED,
}
