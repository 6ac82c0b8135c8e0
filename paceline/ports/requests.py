"""A request asked twice is answered once."""

from collections.abc import Collection
from typing import Protocol


class Requests(Protocol):
    async def begin(
        self, method: str, request_id: str, fingerprint: bytes, others: Collection[bytes] = ()
    ) -> bytes | None:
        """None: it is yours to carry out, then `finish`. Bytes: the answer it got before.

        The first fingerprint is kept; the same request may have been kept under one of the `others`.
        `Conflict` when the same id was used for something else; `Unavailable` while another carries it out
        (a claim without an answer is taken over after half a minute: what is carried out must be idempotent).
        """
        ...

    async def finish(self, method: str, request_id: str, response: bytes) -> None: ...

    async def abandon(self, method: str, request_id: str) -> None:
        """It failed and changed nothing: the same id may be tried again at once."""
        ...

    async def forget_before(self, age_hours: int) -> int:
        """Drop answers older than that; says how many."""
        ...
