"""The life of a session: a table from state to state; what is not in it cannot happen."""

from collections.abc import Mapping

from paceline.domain.account import SessionState
from paceline.domain.errors import FailedPrecondition

_S = SessionState
_FALLEN = frozenset({_S.CONNECTING, _S.LOGIN_NEEDED, _S.SUSPENDED, _S.DISCONNECTED})
"""Where a connection that broke, or never came about, may lead."""

TRANSITIONS: Mapping[SessionState, frozenset[SessionState]] = {
    _S.DISCONNECTED: _FALLEN,
    _S.CONNECTING: _FALLEN | {_S.RECOVERING},
    _S.RECOVERING: _FALLEN | {_S.LIVE},
    _S.LIVE: _FALLEN | {_S.LIVE},
    _S.LOGIN_NEEDED: frozenset({_S.LOGIN_NEEDED, _S.CONNECTING, _S.DISCONNECTED}),
    _S.SUSPENDED: frozenset({_S.SUSPENDED, _S.LOGIN_NEEDED, _S.DISCONNECTED}),
}
"""A suspended session never connects by itself: somebody forgives it first."""

WAITS_FOR_A_PERSON = frozenset({_S.LOGIN_NEEDED, _S.SUSPENDED})
USABLE = frozenset({_S.RECOVERING, _S.LIVE})


class IllegalSessionState(FailedPrecondition):
    """A session was to go where its state does not lead."""

    def __init__(self, before: SessionState, after: SessionState) -> None:
        super().__init__(f"a session that is {before} cannot become {after}")


def moved(before: SessionState, after: SessionState) -> SessionState:
    """The state after; raises `IllegalSessionState` where the table has no way."""
    if after not in TRANSITIONS[before]:
        raise IllegalSessionState(before, after)
    return after
