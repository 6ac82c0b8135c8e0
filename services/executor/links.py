"""Who hears of what, named before it is built: the parts of an executor speak to each other in a circle."""

from paceline.domain.copy_order import CopyStatus
from paceline.domain.ids import AccountId, CopyOrderId
from paceline.domain.order import OrderReport
from services.executor.changes import Changes
from services.executor.liquidate import Liquidator
from services.executor.outcome import Answer, Outcome
from services.executor.takeover import Sought
from services.executor.tenure import Fates
from services.executor.timing import Timing


class Links:
    """Each is set once it is built, before anything runs."""

    fates: Fates
    changes: Changes
    liquidator: Liquidator
    timing: Timing

    def written(self, outcome: Outcome, status: CopyStatus) -> None:
        self.timing.accepted(outcome)
        self.fates.written(outcome, status)

    def answered(self, answer: Answer) -> None:
        self.changes.answered(answer)

    def claimed(self, copy_order_id: CopyOrderId) -> bool:
        return self.changes.claims(copy_order_id)

    def stir(self, account_id: AccountId) -> None:
        self.liquidator.stir(account_id)

    def shown(self, sought: Sought, report: OrderReport | None, *, settled: bool) -> bool:
        return self.changes.shown(sought, report, settled=settled)
