"""A session goes only where its table leads."""

import pytest

from paceline.domain.account import SessionState
from paceline.domain.session_states import TRANSITIONS, IllegalSessionState, moved

S = SessionState


def test_every_state_is_in_the_table_and_can_be_left_and_ended() -> None:
    assert set(TRANSITIONS) == set(S)
    for before, afters in TRANSITIONS.items():
        assert moved(before, S.DISCONNECTED) is S.DISCONNECTED
        assert afters - {before}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (S.SUSPENDED, S.CONNECTING),
        (S.SUSPENDED, S.LIVE),
        (S.LOGIN_NEEDED, S.LIVE),
        (S.LOGIN_NEEDED, S.SUSPENDED),
        (S.CONNECTING, S.LIVE),
        (S.DISCONNECTED, S.LIVE),
        (S.DISCONNECTED, S.RECOVERING),
        (S.LIVE, S.RECOVERING),
    ],
)
def test_what_is_not_in_the_table_cannot_happen(before: SessionState, after: SessionState) -> None:
    with pytest.raises(IllegalSessionState, match=f"a session that is {before} cannot become {after}"):
        moved(before, after)


def test_live_is_reached_through_the_books_alone() -> None:
    assert [before for before, afters in TRANSITIONS.items() if S.LIVE in afters - {before}] == [S.RECOVERING]
