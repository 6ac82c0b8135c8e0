"""How the logins of accounts stand, and whose turn it is to log in: known to all replicas of all services."""

from typing import Protocol

from paceline.domain.login import Standing
from paceline.ports.seal import Sealed
from paceline.ports.sessions import SessionId, Tokens


class LoginBook(Protocol):
    """Everything but `link` wakes the listeners of `paceline_sessions`."""

    async def standing(self, session_id: SessionId) -> Standing:
        """Raises `NotFound`."""
        ...

    async def refuse(self, session_id: SessionId, token_version: int, words: str) -> None:
        """The broker did not take this token. One that never lived counts as a failed login, once."""
        ...

    async def claim(
        self, session_id: SessionId, token_version: int, claim: str, lives_ms: int
    ) -> Sealed | None:
        """The turn, with what the broker gave for it, as long as this is the newest token and nobody else has
        the turn, may not try yet, or is waited for; None when it is not ours.
        """
        ...

    async def renewed(self, session_id: SessionId, claim: str, tokens: Tokens) -> bool:
        """Ends the turn with a token; False when the turn was over already, and nothing is written."""
        ...

    async def failed(
        self, session_id: SessionId, claim: str, words: str, *, refused: bool, retry_after_ms: int
    ) -> None:
        """Ends the turn without one; `refused`: the same again is not tried."""
        ...

    async def release(self, session_id: SessionId, claim: str, words: str, retry_after_ms: int) -> None:
        """Ends the turn: the broker never judged it."""
        ...

    async def pardon(self, session_id: SessionId) -> None:
        """A person is at it: what failed is forgotten."""
        ...

    async def link(self, session_id: SessionId, url: str) -> None:
        """Where a person logs in; stands until the session needs nobody any more."""
        ...
