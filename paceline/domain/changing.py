"""What to do about a change to a copy order: it says what shall be, so it is judged by what is."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from paceline.domain.copy_order import (
    CommandKind,
    CommandStatus,
    CopyCommand,
    CopyOrder,
    CopyStatus,
    OrderSpec,
)
from paceline.domain.order import BrokerStatus, OrderReport
from paceline.domain.order_states import TERMINAL


class Step(StrEnum):
    """What an executor does next about one command."""

    WAIT = "WAIT"
    """The order is on its way, or its fate is not known: what becomes of it decides."""
    WITHDRAW = "WITHDRAW"
    """Take the row back: the order was never sent."""
    FOLD = "FOLD"
    """Change the row: the order was never sent."""
    SEND_CANCEL = "SEND_CANCEL"
    SEND_MODIFY = "SEND_MODIFY"
    OVER = "OVER"
    """Nothing is left to do; `status` says how it ended."""


@dataclass(frozen=True, slots=True)
class Todo:
    step: Step
    status: CommandStatus | None = None
    """What the command's row shall say, once the step is done or at once where nothing is left to do."""


def todo(command: CopyCommand, order: CopyOrder, *, in_flight: bool) -> Todo:  # noqa: PLR0911  # one line a case
    """The next step. `in_flight`: a request to place the order may have left and is not answered."""
    if not command.open:
        return Todo(Step.OVER)
    if order.status in TERMINAL:
        return Todo(Step.OVER, ended(command, order.status))
    if order.status is CopyStatus.UNKNOWN or (order.status is CopyStatus.PLANNED and in_flight):
        return Todo(Step.WAIT)
    if order.status is CopyStatus.PLANNED:
        step = Step.WITHDRAW if command.spec is None else Step.FOLD
        return Todo(step, CommandStatus.FOLDED)
    if command.spec is None or command.spec.quantity <= order.filled:
        return Todo(Step.SEND_CANCEL, CommandStatus.DONE)
    if command.spec == order.spec:
        return Todo(Step.OVER, CommandStatus.DONE)
    return Todo(Step.SEND_MODIFY, CommandStatus.DONE)


def ended(command: CopyCommand, status: CopyStatus) -> CommandStatus:
    """How a command ends with its order: a cancellation wants no more than that nothing works."""
    if command.kind is CommandKind.CANCEL and status is not CopyStatus.FILLED:
        return CommandStatus.DONE
    return CommandStatus.LOST


def reconciled(command: CopyCommand, report: OrderReport) -> CommandStatus:
    """What a lost answer was, by what the broker shows: PLANNED is to be sent again, which does no harm."""
    if report.status is BrokerStatus.CANCELLED and _to_be_cancelled(command, report.filled):
        return CommandStatus.DONE
    if report.status.terminal:
        return ended(command, _ended_as(report.status))
    if command.spec is not None and shows(report, command.spec):
        return CommandStatus.DONE
    return CommandStatus.PLANNED


def shows(report: OrderReport, spec: OrderSpec) -> bool:
    """Whether the order stands at the broker as wanted."""
    return (report.type, report.quantity, report.limit_price, report.trigger_price) == (
        spec.type,
        spec.quantity,
        spec.limit_price,
        spec.trigger_price,
    )


def governing(commands: Sequence[CopyCommand]) -> CopyCommand | None:
    """Of the open commands of one order, in the order decided: the last, and nothing after a cancellation."""
    standing = [command for command in commands if command.open]
    cancelling = [command for command in standing if command.kind is CommandKind.CANCEL]
    return cancelling[0] if cancelling else (standing[-1] if standing else None)


def _to_be_cancelled(command: CopyCommand, filled: Decimal) -> bool:
    return command.spec is None or command.spec.quantity <= filled


def _ended_as(status: BrokerStatus) -> CopyStatus:
    return CopyStatus.FILLED if status is BrokerStatus.TRADED else CopyStatus(status.value)
