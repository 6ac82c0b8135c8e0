"""Changes to copy orders, written ahead with the decisions that want them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from paceline.domain.copy_order import CommandStatus, CopyCommand
from paceline.domain.copying.changes import OpenRow
from paceline.domain.ids import CommandId, Epoch, Partition
from paceline.ports.plans import LedgerKey


@dataclass(frozen=True, slots=True)
class CommandRow:
    """A command with what only the row knows."""

    command: CopyCommand
    written_ns: int
    """By the clock that stamps leases."""
    attempts: int
    error_code: str
    error_text: str
    sent_ns: int
    taken: int = 0
    """How often the broker took it, where it is a cancellation."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What an executor found out about one command."""

    command_id: CommandId
    partition: Partition
    status: CommandStatus
    attempts: int = 0
    error_code: str = ""
    error_text: str = ""
    sent_ns: int | None = None
    taken: int = 0


@dataclass(frozen=True, slots=True)
class CommandsRecorded:
    """Commands whose rows moved; those missing were over already, or fenced off."""

    moved: frozenset[CommandId]
    stale: frozenset[Partition]


class CopyCommands(Protocol):
    async def open_commands(
        self, partitions: Iterable[Partition], limit: int = 10_000
    ) -> Sequence[CommandRow]:
        """Those not carried out, in the order they were decided."""
        ...

    async def by_ids(self, ids: Iterable[CommandId]) -> Mapping[CommandId, CommandRow]: ...

    async def record(
        self, epochs: Mapping[Partition, Epoch], results: Sequence[CommandResult]
    ) -> CommandsRecorded:
        """One transaction; commands of partitions whose `executor` lease has another epoch are left alone."""
        ...

    async def open_rows(self, keys: Iterable[LedgerKey]) -> Mapping[LedgerKey, Sequence[OpenRow]]:
        """Orders that have not ended, oldest first, each with the newest change on its way to it."""
        ...
