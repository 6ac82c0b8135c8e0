"""What became of one command, on its way to its row."""

from dataclasses import dataclass

from paceline.domain.copy_order import CopyOrder
from paceline.domain.copying.fold import GivenUp, Placed, Resized, Told, Withdrawn
from paceline.domain.errors import BrokerError
from paceline.domain.execution import Command
from paceline.domain.ids import Epoch, Partition
from paceline.domain.partitioning import partition_of
from paceline.ports.copy_commands import CommandResult


@dataclass(frozen=True, slots=True)
class CancelTaken:
    """The broker took a cancellation: whether the order ends by it, or was filled first, its state tells."""


Said = Placed | Resized | CancelTaken
"""A broker's yes to one request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request for a change came to."""

    command: Command
    told: Said | BrokerError
    attempts: int
    sent_ns: int


@dataclass(frozen=True, slots=True)
class Outcome:
    order: CopyOrder
    told: Told | None
    """None where only `change` is to be written."""
    epoch: Epoch
    """Of the lease it was learned under: what is learned under a lease that was lost is not written."""
    attempts: int
    sent_ns: int = 0
    answered_ns: int = 0
    because: BrokerError | None = None
    """Why it was given up."""
    change: CommandResult | None = None
    """What is written of a change to the order, in the same transaction."""
    carried_out: bool = True
    """Whether the row was in the state that the change was judged by."""

    @property
    def partition(self) -> Partition:
        return partition_of(self.order.account_id)

    @property
    def code(self) -> str:
        match self.told:
            case BrokerError():
                return self.told.code
            case GivenUp() | Withdrawn():
                return self.told.reason
        return ""

    @property
    def words(self) -> str:
        problem = self.told if isinstance(self.told, BrokerError) else self.because
        return problem.words if problem else ""
