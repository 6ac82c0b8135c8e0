"""What is done about a change to an order: judged by what is, for it says what shall be."""

from dataclasses import replace

import pytest

from paceline.domain.changing import Step, Todo, governing, reconciled, shows, todo
from paceline.domain.copy_order import (
    CommandKind,
    CommandStatus,
    CopyCommand,
    CopyOrder,
    CopyStatus,
    Intent,
    Lane,
    OrderSpec,
)
from paceline.domain.copying.build import Origin
from paceline.domain.copying.changes import cancelled, modified
from paceline.domain.copying.plan import plan
from paceline.domain.execution import Command, Grants, next_commands
from paceline.domain.order import BrokerStatus, OrderReport
from tests.unit.domain.given import copier, d, event, fill, leader, market, report
from tests.unit.domain.test_plan_on_fill import held

DONE, LOST, PLANNED = CommandStatus.DONE, CommandStatus.LOST, CommandStatus.PLANNED
S = CopyStatus


def an_order(status: CopyStatus = S.WORKING, filled: int = 0) -> CopyOrder:
    (decision,) = plan(event(fill(10)), leader(), [copier()], market()).decisions
    return replace(decision.orders[0], status=status, filled=d(filled))


def the_origin(order: CopyOrder) -> Origin:
    name = copier().subscription.subscription_id
    return Origin(
        order.cause, order.decision_id, name, order.account_id, order.spec.key, d(100), 1, 2, 3, "trace"
    )


ORIGIN = the_origin(an_order())
MODIFY = modified(ORIGIN, an_order(), replace(an_order().spec, quantity=d(6)))
CANCEL = cancelled(ORIGIN, an_order())
STEPS = [
    (
        "an unsent order is taken back",
        CANCEL,
        an_order(S.PLANNED),
        False,
        Todo(Step.WITHDRAW, CommandStatus.FOLDED),
    ),
    (
        "a modification folds into it",
        MODIFY,
        an_order(S.PLANNED),
        False,
        Todo(Step.FOLD, CommandStatus.FOLDED),
    ),
    ("one on its way is waited for", CANCEL, an_order(S.PLANNED), True, Todo(Step.WAIT)),
    ("one of unknown fate is too", MODIFY, an_order(S.UNKNOWN), False, Todo(Step.WAIT)),
    ("a working one is cancelled", CANCEL, an_order(), False, Todo(Step.SEND_CANCEL, DONE)),
    ("or modified", MODIFY, an_order(S.PARTIAL, 5), False, Todo(Step.SEND_MODIFY, DONE)),
    (
        "to less than is filled is cancelled",
        MODIFY,
        an_order(S.PARTIAL, 6),
        False,
        Todo(Step.SEND_CANCEL, DONE),
    ),
    ("a cancel that lost", CANCEL, an_order(S.FILLED, 10), False, Todo(Step.OVER, LOST)),
    ("a cancel whose order ended by itself", CANCEL, an_order(S.EXPIRED), False, Todo(Step.OVER, DONE)),
    ("a change of what was refused", MODIFY, an_order(S.REJECTED), False, Todo(Step.OVER, LOST)),
    ("what is over already", replace(CANCEL, status=DONE), an_order(), False, Todo(Step.OVER)),
    (
        "what stands as wanted",
        replace(MODIFY, spec=an_order().spec),
        an_order(),
        False,
        Todo(Step.OVER, DONE),
    ),
]


@pytest.mark.parametrize(
    ("rule", "command", "order", "in_flight", "expected"), STEPS, ids=[s[0] for s in STEPS]
)
def test_the_next_step(
    rule: str, command: CopyCommand, order: CopyOrder, in_flight: bool, expected: Todo
) -> None:
    assert todo(command, order, in_flight=in_flight) == expected, rule


SHOWN = [
    (CANCEL, report(BrokerStatus.CANCELLED, quantity=10), DONE),
    (CANCEL, report(BrokerStatus.PENDING, quantity=10), PLANNED),
    (CANCEL, report(BrokerStatus.TRADED, quantity=10), LOST),
    (CANCEL, report(BrokerStatus.EXPIRED, quantity=10), DONE),
    (MODIFY, report(BrokerStatus.PENDING, quantity=6, limit="101.00"), DONE),
    (MODIFY, report(BrokerStatus.PENDING, quantity=10, limit="101.00"), PLANNED),
    (MODIFY, report(BrokerStatus.CANCELLED, quantity=10, filled=6), DONE),
    (MODIFY, report(BrokerStatus.CANCELLED, quantity=10, filled=2), LOST),
    (MODIFY, report(BrokerStatus.REJECTED, quantity=10), LOST),
]


@pytest.mark.parametrize(("command", "shown", "status"), SHOWN)
def test_a_lost_answer_is_judged_by_what_the_broker_shows(
    command: CopyCommand, shown: OrderReport, status: CommandStatus
) -> None:
    assert reconciled(command, shown) is status


def test_an_order_shows_what_was_wanted() -> None:
    spec = OrderSpec(an_order().spec.key, an_order().spec.side, an_order().spec.type, d(10), d(100))
    assert shows(report(quantity=10), spec)
    assert not shows(report(quantity=10, limit=99), spec)


def test_of_several_the_latest_counts_and_nothing_after_a_cancellation() -> None:
    later = replace(MODIFY, planned_ns=9)
    assert governing([MODIFY, later]) == later
    assert governing([MODIFY, replace(MODIFY, planned_ns=1), later]) == later
    assert governing([MODIFY, CANCEL, later]) == CANCEL
    assert governing([replace(MODIFY, status=DONE)]) is None
    assert CANCEL.open


def test_a_change_waits_in_its_sequence_behind_what_came_before() -> None:
    order = an_order(S.PLANNED)
    place, cancel = Command(CommandKind.PLACE, order), Command(CommandKind.CANCEL, order, CANCEL)
    first = next_commands([place, cancel], Grants(10, 10), 0)
    assert (first.send, first.waiting) == ((place,), (cancel,))
    assert next_commands([cancel], Grants(10, 0), 0).send == (cancel,)
    assert (cancel.lane, cancel.decision_id) == (Lane.CANCEL, CANCEL.decision_id)


def test_a_change_of_an_exit_goes_with_the_exits() -> None:
    leaving = plan(event(fill(-5)), leader(10), [replace(copier(), ledger=held(10))], market())
    (order,) = leaving.decisions[0].orders
    assert order.intent is Intent.EXIT
    change = modified(ORIGIN, order, replace(order.spec, quantity=d(4)))
    assert (change.lane, Command(CommandKind.MODIFY, order, change).lane) == (Lane.EXIT, Lane.EXIT)
