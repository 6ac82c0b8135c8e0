"""Kill switches: written by people, read by whoever plans and sends."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from paceline.domain.kill_switch import Engaged, Guarded, KillSwitch, Target
from paceline.domain.liquidation import LiquidationLevel


@dataclass(frozen=True, slots=True)
class Asked:
    """By whom and why; `request_id` is empty where somebody does not mind that it is done twice."""

    actor: str
    reason: str
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """All that is engaged, the newest version of all switches, and whom guards stop that tripped."""

    engaged: Sequence[Engaged]
    version: int
    guarded: Sequence[Guarded] = ()


class KillSwitches(Protocol):
    async def get(self, target: Target) -> KillSwitch:
        """Raises `NotFound` where nobody ever engaged it."""
        ...

    async def page(self, *, released: bool, after: str, limit: int) -> Sequence[tuple[str, KillSwitch]]:
        """In the order of their names, with these."""
        ...

    async def engage(self, target: Target, level: LiquidationLevel, asked: Asked) -> KillSwitch:
        """With its audit, and the liquidations of all copies it concerns where the level wants them. Raises
        `NotFound` for an account that is none, `FailedPrecondition` where it is engaged further.
        """
        ...

    async def release(self, target: Target, version: int, asked: Asked) -> KillSwitch:
        """`version` 0 is any. Raises `NotFound` and `Conflict`."""
        ...

    async def read(self) -> Reading: ...

    async def acknowledge(self, service: str, replica: str, version: int) -> None:
        """This replica acts by it."""
        ...
