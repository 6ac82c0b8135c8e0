"""The order of service: lanes between sequences, order within."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.copy_order import CommandKind, CopyOrder, Intent, Lane
from paceline.domain.copying.plan import plan
from paceline.domain.execution import Command, Grants, SequenceKey, next_commands
from paceline.domain.ids import DecisionId, InstrumentId, SubscriptionId, Tag
from paceline.domain.instrument import InstrumentKey
from tests.unit.domain.given import KEY, NOW, copier, event, fill, leader, market

ORDER = plan(event(fill(10)), leader(), [copier()], market()).decisions[0].orders[0]
PLENTY = Grants(calls=100, entries=100)


def order(key: str, number: int, lane: Lane = Lane.ENTRY, slice_: int = 0) -> CopyOrder:
    return replace(
        ORDER,
        spec=replace(ORDER.spec, key=InstrumentKey(InstrumentId(key), KEY.product)),
        decision_id=DecisionId(f"d{number}"),
        tag=Tag(f"{key}{number}{slice_}"),
        intent=Intent.ENTRY if lane is Lane.ENTRY else Intent.EXIT,
        lane=lane,
        slice=slice_,
    )


def place(key: str, number: int, lane: Lane = Lane.ENTRY, slice_: int = 0) -> Command:
    return Command(CommandKind.PLACE, order(key, number, lane, slice_))


def tags(commands: tuple[Command, ...]) -> list[str]:
    return [command.order.tag for command in commands]


def test_lanes_go_between_sequences() -> None:
    cancel = Command(CommandKind.CANCEL, order("C", 3))
    modify = Command(CommandKind.MODIFY, order("M", 4))
    queue = [place("E", 1), modify, cancel, place("X", 2, Lane.EXIT), place("L", 5, Lane.LIQUIDATION)]
    assert tags(next_commands(queue, PLENTY, NOW).send) == ["L50", "X20", "C30", "M40", "E10"]


def test_a_liquidation_queued_behind_200_entries_goes_first() -> None:
    queue = [*(place(f"E{n}", n) for n in range(200)), place("L", 999, Lane.LIQUIDATION)]
    assert tags(next_commands(queue, Grants(1, 1), NOW).send) == ["L9990"]


def test_an_exit_never_overtakes_its_own_entry() -> None:
    queue = [place("A", 1), place("A", 2, Lane.EXIT)]
    first = next_commands(queue, PLENTY, NOW)
    assert (tags(first.send), tags(first.waiting)) == (["A10"], ["A20"])
    busy = {queue[0].sequence}
    assert tags(next_commands(first.waiting, PLENTY, NOW, busy).send) == []
    assert tags(next_commands(first.waiting, PLENTY, NOW).send) == ["A20"]


def test_slices_of_one_leg_go_together() -> None:
    queue = [place("A", 1, slice_=n) for n in range(3)]
    assert tags(next_commands(queue, PLENTY, NOW).send) == ["A10", "A11", "A12"]


def test_a_sequence_is_as_urgent_as_its_most_urgent_command() -> None:
    queue = [place("B", 1), place("A", 2), place("A", 3, Lane.EXIT)]
    assert tags(next_commands(queue, Grants(1, 1), NOW).send) == ["A20"]


def test_entries_leave_room_for_exits() -> None:
    queue = [place("A", 1), place("B", 2), place("X", 3, Lane.EXIT)]
    sent = next_commands(queue, Grants(calls=3, entries=1), NOW)
    assert (tags(sent.send), tags(sent.waiting)) == (["X30", "A10"], ["B20"])


def test_an_entry_without_a_share_of_the_window_holds_up_nobody_else() -> None:
    queue = [place("A", 1), place("A", 2, Lane.EXIT), place("X", 3, Lane.EXIT)]
    sent = next_commands(queue, Grants(calls=3, entries=0), NOW)
    assert (tags(sent.send), tags(sent.waiting)) == (["X30"], ["A10", "A20"])


@pytest.mark.parametrize(
    ("grants", "sent"),
    [
        (Grants(calls=0, entries=9), []),
        (Grants(calls=2, entries=9), ["A10", "B20"]),
        (Grants(calls=3, entries=9), ["A10", "B20", "C30"]),
        (Grants(calls=9, entries=2), ["A10", "B20"]),
    ],
)
def test_every_call_that_is_granted_is_used_and_none_beyond(grants: Grants, sent: list[str]) -> None:
    queue = [place("A", 1), place("B", 2), place("C", 3)]
    passed = next_commands(queue, grants, NOW)
    assert tags(passed.send) == sent
    assert tags(passed.waiting) == tags(tuple(queue))[len(sent) :]


def test_the_legs_of_a_flip_go_one_after_the_other() -> None:
    leaves = Command(CommandKind.PLACE, replace(order("A", 1, Lane.EXIT), leg=1))
    enters = Command(CommandKind.PLACE, replace(order("A", 1, slice_=1), leg=0))
    sent = next_commands([leaves, enters], PLENTY, NOW)
    assert (sent.send, sent.waiting) == ((leaves,), (enters,))


def test_a_cancel_and_the_order_behind_it_are_two_steps() -> None:
    taken_back = Command(CommandKind.CANCEL, order("A", 1))
    anew = place("A", 1, slice_=1)
    assert next_commands([taken_back, anew], PLENTY, NOW).send == (taken_back,)


def test_two_subscriptions_of_one_instrument_do_not_wait_for_each_other() -> None:
    other = Command(CommandKind.PLACE, replace(order("A", 2), subscription_id=SubscriptionId("s2")))
    queue = [place("A", 1), other]
    assert next_commands(queue, PLENTY, NOW).send == tuple(queue)
    assert next_commands(queue, PLENTY, NOW, {queue[0].sequence}).send == (other,)


def test_an_aged_entry_is_dropped_and_an_exit_never_ages() -> None:
    old = replace(place("A", 1).order, expires_ns=NOW - 1)
    queue = [Command(CommandKind.PLACE, old), place("X", 2, Lane.EXIT)]
    passed = next_commands(queue, PLENTY, NOW)
    assert (tags(passed.aged), tags(passed.send)) == (["A10"], ["X20"])
    assert not Command(CommandKind.PLACE, replace(old, intent=Intent.EXIT)).aged(NOW)
    assert not Command(CommandKind.PLACE, replace(old, expires_ns=0)).aged(NOW)
    assert not Command(CommandKind.PLACE, replace(old, expires_ns=NOW)).aged(NOW)


def test_the_cancel_of_a_liquidation_stays_in_the_first_lane() -> None:
    assert Command(CommandKind.CANCEL, order("L", 1, Lane.LIQUIDATION)).lane is Lane.LIQUIDATION
    assert Command(CommandKind.MODIFY, order("X", 1, Lane.EXIT)).lane is Lane.EXIT


COMMANDS = st.lists(
    st.builds(
        place,
        st.sampled_from("AB"),
        st.integers(1, 4),
        st.sampled_from([Lane.ENTRY, Lane.EXIT]),
        st.integers(0, 2),
    ),
    max_size=20,
)


@given(COMMANDS, st.integers(0, 5), st.integers(0, 5), st.sampled_from([(), ("A",)]))
def test_sequence_is_kept(queue: list[Command], calls: int, entries: int, busy: tuple[str, ...]) -> None:
    """Nothing is lost, limits hold, and within a sequence only its first decision moves."""
    held = {c.sequence for c in queue if c.sequence.key.instrument_id in busy}
    passed = next_commands(queue, Grants(calls, entries), NOW, held)
    assert sorted(tags(passed.send + passed.waiting)) == sorted(tags(tuple(queue)))
    assert len(passed.send) <= calls
    assert sum(command.enters for command in passed.send) <= entries
    heads: dict[SequenceKey, Command] = {}
    for command in queue:
        heads.setdefault(command.sequence, command)
    for command in passed.send:
        assert command.sequence not in held
        assert command.order.decision_id == heads[command.sequence].order.decision_id
