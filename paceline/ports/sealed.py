"""Everything that is stored sealed, to be sealed again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from paceline.ports.seal import Sealed


class Holder(StrEnum):
    """Whose secret it is."""

    ACCOUNT = "account"
    APP = "app"
    SESSION = "session"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class SealedRow:
    """What one of them holds, by part; a holder with one secret calls its part the empty text."""

    holder: Holder
    name: str
    parts: Mapping[str, Sealed]


@dataclass(frozen=True, slots=True)
class Resealed:
    """The same secrets, under another key."""

    row: SealedRow
    parts: Mapping[str, Sealed]


class SealedRows(Protocol):
    async def page(self, holder: Holder, *, after: str, limit: int) -> Sequence[SealedRow]:
        """By name; those that hold nothing are left out."""
        ...

    async def replace(self, holder: Holder, changes: Sequence[Resealed]) -> frozenset[str]:
        """Names of those replaced: none whose row holds anything else than it did, none that somebody is
        writing just now. Waits for nobody.
        """
        ...
