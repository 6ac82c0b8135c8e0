"""The running stack as faults, loads and judges use it, and the record of what was done to it."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import grpc

from chaos.verdict import Break
from paceline.adapters.postgres.database import Database
from paceline.cli.demo.control import Control
from paceline.cli.demo.people import Registrar
from paceline.cli.processes import Process
from paceline.cli.stack import Stack


@dataclass(slots=True)
class Stage:
    stack: Stack
    control: Control
    channel: grpc.aio.Channel
    """To the gateway."""
    database: Database
    seed: int
    seconds: float
    log: Path
    registrar: Registrar
    clients: list[str] = field(default_factory=list)
    """Whom faults at the broker may hit, in a fixed order: filled by the load."""
    lied_to: list[str] = field(default_factory=list)
    """To whom the broker may lie about money: filled by the load."""
    tally: Counter[str] = field(default_factory=Counter)
    """Faults of our own making; the broker counts its own."""
    kills: int = 0
    away: set[str] = field(default_factory=set)
    """Replicas that do not run, or do not run on, because we wanted it so."""
    blows: list[dict[str, object]] = field(default_factory=list)

    def note(self, kind: str, **about: object) -> None:
        """Into the record: what was done, and when."""
        row: dict[str, object] = {"wall_ns": time.time_ns(), "kind": kind, **about}
        self.blows.append(row)
        with (self.log / "blows.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def keep(self, breaks: Sequence[Break]) -> None:
        """All of them beside the logs; the verdict shows the first."""
        rows = (json.dumps(asdict(each) | {"ill": each.ill.value}) for each in breaks)
        (self.log / "breaks.jsonl").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")

    def replicas(self, service: str) -> list[Process]:
        return self.stack.services.of(service)

    def check(self) -> None:
        """Raises a `StackError` when a process ended that we did not end."""
        for process in self.stack.services.running:
            if process.name not in self.away:
                process.check()
