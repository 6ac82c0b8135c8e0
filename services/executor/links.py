"""Who hears of what, named before it is built: the parts of an executor speak to each other in a circle."""

from paceline.domain.copy_order import CopyStatus
from paceline.domain.ids import CopyOrderId
from paceline.domain.order import OrderReport
from services.executor.changes import Changes
from services.executor.outcome import Answer, Outcome
from services.executor.takeover import Sought
from services.executor.tenure import Fates


class Links:
    """`fates` and `changes` are set once they are built, before anything runs."""

    fates: Fates
    changes: Changes

    def written(self, outcome: Outcome, status: CopyStatus) -> None:
        self.fates.written(outcome, status)

    def answered(self, answer: Answer) -> None:
        self.changes.answered(answer)

    def claimed(self, copy_order_id: CopyOrderId) -> bool:
        return self.changes.claims(copy_order_id)

    def shown(self, sought: Sought, report: OrderReport | None, *, settled: bool) -> bool:
        return self.changes.shown(sought, report, settled=settled)
