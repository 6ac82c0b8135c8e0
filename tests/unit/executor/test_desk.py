"""One account's commands: slices together, sequences in order, exits never starved by entries."""

from paceline.domain.copy_order import CommandKind, CopyOrder, Intent, Lane
from paceline.domain.execution import Command
from services.executor.desk import Desk, Tries
from tests.unit.executor.given import FOLLOWER, S, an_exit, order

NOW = 1_000 * S


def a_desk(*orders: CopyOrder) -> Desk:
    desk = Desk(FOLLOWER, burst=10)
    for each in orders:
        desk.add(Command(CommandKind.PLACE, each), Tries(0))
    return desk


def going(desk: Desk, now_ns: int = NOW) -> list[CopyOrder]:
    return [command.order for command in desk.next(now_ns).send]


def leave(desk: Desk, each: CopyOrder) -> Command:
    command = next(waiting for waiting in desk.queue if waiting.order is each)
    assert desk.leaves(command)
    return command


def test_slices_of_one_decision_go_together() -> None:
    first, second = order("e1", slice_=0), order("e1", slice_=1)
    assert going(a_desk(first, second)) == [first, second]


def test_an_exit_never_overtakes_its_own_entry_on_the_way() -> None:
    entry = order("e1", planned_ns=1)
    desk = a_desk(entry)
    command = leave(desk, entry)
    leaving = an_exit("e2", planned_ns=2)
    desk.add(Command(CommandKind.PLACE, leaving), Tries(0))
    assert going(desk) == []
    desk.landed(command)
    assert going(desk) == [leaving]


def test_a_retried_entry_keeps_its_place_before_its_exit() -> None:
    entry, leaving = order("e1", planned_ns=1), an_exit("e2", planned_ns=2)
    desk = a_desk(entry)
    command = leave(desk, entry)
    desk.add(Command(CommandKind.PLACE, leaving), Tries(0))
    desk.again(command, NOW + S)
    assert going(desk) == []
    assert going(desk, NOW + S) == [entry]


def test_nothing_goes_while_one_of_them_waits_for_a_login_and_the_aged_are_dropped_all_the_same() -> None:
    old = order("e1", expires_ns=NOW - 1)
    desk = a_desk(an_exit("e2"), old)
    desk.login_waits = 1
    following = desk.next(NOW)
    assert ([each.order for each in following.aged], following.send) == ([old], ())


def test_a_liquidation_queued_behind_200_entries_goes_first() -> None:
    entries = [order(f"e{n}", key=f"NSE:K{n}-EQ") for n in range(200)]
    last = order("l", intent=Intent.EXIT, lane=Lane.LIQUIDATION, key="NSE:L-EQ")
    assert going(a_desk(*entries, last))[0] is last


def test_no_more_is_asked_for_than_can_be_granted_at_once() -> None:
    desk = a_desk(*(order(f"e{n}", key=f"NSE:K{n}-EQ") for n in range(50)))
    assert len(going(desk)) == 10


def test_entries_that_used_up_their_share_do_not_hold_exits() -> None:
    entry, leaving = order("e1"), an_exit("e2", key="NSE:PNB-EQ")
    desk = a_desk(entry, leaving)
    desk.block_entries(NOW + 60 * S)
    assert going(desk) == [leaving]


def test_a_full_window_holds_everything_until_it_has_room() -> None:
    desk = a_desk(an_exit("e1"))
    desk.block(NOW + S)
    assert going(desk) == []
    assert desk.quiet_until_ns == NOW + S // 2
    assert going(desk, NOW + S) != []


def test_one_resting_sequence_does_not_hold_the_others() -> None:
    resting, other = order("e1"), order("e2", key="NSE:PNB-EQ")
    desk = a_desk(resting, other)
    desk.again(leave(desk, resting), NOW + 5 * S)
    assert going(desk) == [other]
    desk.wake()
    assert set(going(desk)) == {resting, other}


def test_the_aged_are_dropped_even_while_nothing_may_go() -> None:
    old = order("e1", expires_ns=NOW - 1)
    desk = a_desk(old)
    desk.block(NOW + S)
    assert [command.order for command in desk.next(NOW).aged] == [old]
    assert desk.gone(Command(CommandKind.PLACE, old)).sent == 0
    assert desk.idle


def test_what_waits_here_no_more_cannot_leave() -> None:
    entry = order("e1", planned_ns=1)
    desk = a_desk(entry)
    command = desk.queue[0]
    desk.take_back(entry.copy_order_id)
    assert not desk.leaves(command)
    assert desk.flying == 0
