"""What is done to a stack while it trades: replicas killed in turn and started again."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from paceline.cli.processes import Process
from paceline.cli.stack import Stack

AWAY_S = 0.5


@dataclass(slots=True)
class Kills:
    """One replica after another, drawn from a seed; each is killed -9 and started again soon after."""

    stack: Stack
    seed: int
    victims: Sequence[str]
    apart_s: float
    killed: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Until every victim had its turn. Processes are spawned from this thread: the main one."""
        random = Random(f"kills {self.seed}")
        for service in self.victims:
            process = random.choice(self.stack.services.of(service))
            self.kill(process)
            await asyncio.sleep(AWAY_S)
            self.stack.services.start_again(process)
            await asyncio.sleep(self.apart_s - AWAY_S)

    def kill(self, process: Process) -> None:
        self.stack.services.kill(process)
        self.killed.append(process.name)
