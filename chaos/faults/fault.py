"""One kind of fault: how it begins, and what ends it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from chaos.stage import Stage

End: TypeAlias = Callable[[], Awaitable[object]]
Begin: TypeAlias = Callable[[Stage, Random, float], Awaitable[End]]
"""Strikes; gets how long it will last. The answer undoes it, and is called whatever happens between."""

CERTAIN = 20
"""Blows in ten minutes of what hits every time."""
LIKELY = 27
"""Of what hits when somebody comes by."""


@dataclass(frozen=True, slots=True)
class Fault:
    kind: str
    lane: str
    lasts_s: tuple[float, float]
    begin: Begin
    often: int = LIKELY


async def nothing_to_end() -> None:
    """It was over as it began."""
