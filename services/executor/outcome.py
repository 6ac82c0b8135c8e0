"""What became of one command, on its way to its row."""

from dataclasses import dataclass

from paceline.domain.copy_order import CopyOrder
from paceline.domain.copying.fold import GivenUp, Told, Withdrawn
from paceline.domain.errors import BrokerError
from paceline.domain.ids import Epoch, Partition
from paceline.domain.partitioning import partition_of


@dataclass(frozen=True, slots=True)
class Outcome:
    order: CopyOrder
    told: Told
    epoch: Epoch
    """Of the lease it was learned under: what is learned under a lease that was lost is not written."""
    attempts: int
    sent_ns: int = 0
    answered_ns: int = 0
    because: BrokerError | None = None
    """Why it was given up."""

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
