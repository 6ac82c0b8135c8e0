"""What kill switches and tripped guards do to what is about to be sent: entries of copies do not leave."""

from collections.abc import Callable

from paceline.domain.copy_order import CommandKind, Intent
from paceline.domain.execution import Command
from paceline.runtime.kill_watch import KillWatch
from services.executor.freezes import Hold

KILL_SWITCH = "KILL_SWITCH"
GUARD_TRIPPED = "GUARD_TRIPPED"

Refusal = Callable[[Command], str | Hold | None]


def stopping(kills: KillWatch, others: Refusal) -> Refusal:
    """`others`, and then the switches: asked in the same synchronous step in which a request leaves."""

    def refusal(command: Command) -> str | Hold | None:
        refused = others(command)
        if refused is not None or command.kind is CommandKind.CANCEL:
            return refused
        order = command.order
        if order.intent is not Intent.ENTRY:
            return None
        if kills.copy(order.subscription_id, order.account_id):
            return KILL_SWITCH if command.kind is CommandKind.PLACE else Hold.HELD
        if kills.tripped(order.subscription_id, order.account_id):
            return GUARD_TRIPPED if command.kind is CommandKind.PLACE else Hold.HELD
        return None

    return refusal
