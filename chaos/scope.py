"""A scope: which services, which faults, which load, and how hard a run of it must be to count."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chaos.faults.fault import Fault
from chaos.stage import Stage
from chaos.verdict import Findings

HITS_IN_TEN_MINUTES = 20


class Load(Protocol):
    """What trades while faults strike, and who judges it. Used in this order."""

    @property
    def unit(self) -> str:
        """What `Findings.load` counts, in the plural."""

    async def prepare(self, stage: Stage) -> None:
        """Everybody is enrolled and live when it returns."""

    async def trade(self) -> None:
        """All that the seed says, however long that takes."""

    async def findings(self) -> Findings:
        """As things stand now; asked again and again until all is well or time is up."""

    def shortfalls(self) -> Sequence[str]:
        """Why the run proves nothing, as far as only the load can tell."""

    async def close(self) -> None:
        """Whatever happened."""


@dataclass(frozen=True, slots=True)
class Scope:
    name: str
    services: Mapping[str, int]
    """With their replicas."""
    environment: Mapping[str, str]
    faults: tuple[Fault, ...]
    load: Callable[[], Load]
    load_a_minute: int
    """Less than this proves nothing."""

    def shortfalls(self, minutes: float, load: int, unit: str, hits: Mapping[str, int]) -> list[str]:
        """Why a run proves nothing: too little traded, or a kind of fault that hit too seldom."""
        found = []
        if load < self.load_a_minute * minutes:
            found.append(f"{load} {unit} in {minutes:g} minutes; {self.load_a_minute} a minute are the least")
        least = HITS_IN_TEN_MINUTES * minutes / 10
        kinds = sorted({fault.kind for fault in self.faults})
        seldom = [f"{kind} hit {hits.get(kind, 0)} times" for kind in kinds if hits.get(kind, 0) < least]
        return [*found, *(f"{each}; {least:g} are the least" for each in seldom)]
