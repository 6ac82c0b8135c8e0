"""Tells people, wherever they read."""

from typing import Protocol

from paceline.domain.secret import Secret


class Untold(Exception):  # noqa: N818 - a word of its own
    """It did not arrive; the words hold nothing of the target."""


class Notifier(Protocol):
    async def problem_of(self, url: Secret) -> str | None:
        """Why nothing can be told there, whoever tries (`must …`); None where it can."""
        ...

    async def tell(self, url: Secret, title: str, body: str) -> None:
        """Raises `Untold`. Never holds up the loop, however long it takes."""
        ...
