"""Changes wait, fold, go, or are looked up by what their order is; the latest counts."""

from dataclasses import replace

from paceline.domain.copy_order import CommandKind, CommandStatus, CopyCommand, CopyOrder, CopyStatus
from paceline.domain.errors import BrokerNeverSent, BrokerOutcomeUnknown, BrokerRejected
from paceline.domain.ids import BrokerOrderId
from paceline.domain.order import BrokerStatus, OrderReport
from paceline.runtime.metric_names import CHANGES
from tests.unit.domain.given import d, report
from tests.unit.executor.given import FOLLOWER, HOME, a_change, held, order
from tests.unit.executor.whole import World, an_executor


def working(event: str = "e1") -> CopyOrder:
    return replace(order(event, status=CopyStatus.WORKING), broker_order_id=BrokerOrderId("b1"))


def standing(
    one: CopyOrder, status: BrokerStatus = BrokerStatus.PENDING, *, quantity: int = 10, filled: int = 0
) -> OrderReport:
    return report(
        status, order="b1", account=FOLLOWER, tag=one.tag, quantity=quantity, filled=filled, limit=101
    )


async def given(world: World, one: CopyOrder, *changes: CopyCommand) -> None:
    """A partition that is held, an order that works, and changes whose rows stand."""
    world.rows.put(one)
    await world.gain()
    world.rows.commands.put(*changes)


def becomes(world: World, one: CopyOrder, status: CopyStatus) -> None:
    """As the journal tells it."""
    row = world.rows.rows[one.tag]
    world.rows.rows[one.tag] = replace(row, order=replace(row.order, status=status))
    world.fates.observed(world.rows.rows[one.tag].order)


async def test_a_cancellation_is_done_when_the_order_ends_and_no_book_is_read() -> None:
    async with an_executor() as world:
        one = working()
        gone = a_change(one)
        await given(world, one, gone)
        assert await world.changes.bring([gone, gone]) == (1, 1, [])
        assert await world.changes.bring([gone]) == (0, 1, [])
        await world.clock.sleep(0.2)
        assert world.broker.kinds == [CommandKind.CANCEL]
        assert world.rows.commands.status(gone) is CommandStatus.PLANNED
        becomes(world, one, CopyStatus.CANCELLED)
        await world.clock.sleep(0.1)
        assert world.rows.commands.status(gone) is CommandStatus.DONE
        assert world.rows.commands.rows[gone.command_id].sent_ns > 0
        assert world.metrics.value(CHANGES, command="CANCEL", outcome="DONE") == 1
        assert await world.changes.bring([gone]) == (0, 1, [])


async def test_a_cancellation_that_is_taken_without_effect_is_not_sent_for_ever() -> None:
    async with an_executor() as world:
        one = working()
        gone = a_change(one)
        await given(world, one, gone)
        world.broker.reports = [standing(one)]
        await world.changes.bring([gone])
        await world.clock.sleep(60)
        row = world.rows.commands.rows[gone.command_id]
        assert (row.command.status, row.error_code) == (CommandStatus.REJECTED, "INEFFECTIVE")
        assert world.broker.kinds == [CommandKind.CANCEL] * 3
        assert row.taken == 3


async def test_what_a_former_owner_was_told_of_a_cancellation_counts() -> None:
    async with an_executor() as world:
        one = working()
        gone = a_change(one)
        await given(world, one)
        world.rows.commands.put(gone, taken=2)
        world.broker.reports = [standing(one)]
        await world.changes.bring([gone])
        await world.clock.sleep(60)
        row = world.rows.commands.rows[gone.command_id]
        assert (row.command.status, row.error_code) == (CommandStatus.REJECTED, "INEFFECTIVE")
        assert world.broker.kinds == [CommandKind.CANCEL]


async def test_a_fill_told_while_the_cancellation_is_in_the_air_makes_it_lost() -> None:
    async with an_executor() as world:
        one = working()
        gone = a_change(one)
        await given(world, one, gone)
        world.broker.says[one.tag] = [BrokerRejected("it is complete", code="-52")]
        world.broker.takes_s = 0.5
        await world.changes.bring([gone])
        await world.clock.sleep(0.1)
        becomes(world, one, CopyStatus.FILLED)
        await world.clock.sleep(0.6)
        row = world.rows.commands.rows[gone.command_id]
        assert (row.command.status, row.error_code) == (CommandStatus.LOST, "-52")
        assert len(world.broker.sent) == 1


async def test_a_modification_moves_the_row_with_its_answer() -> None:
    async with an_executor() as world:
        one = working()
        cut = a_change(one, quantity=4)
        await given(world, one, cut)
        await world.changes.bring([cut])
        await world.clock.sleep(0.2)
        assert world.rows.commands.status(cut) is CommandStatus.DONE
        assert world.rows.rows[one.tag].order.spec.quantity == d(4)


async def test_what_waits_for_the_answer_to_its_placing_goes_afterwards() -> None:
    async with an_executor() as world:
        await world.gain()
        one = order("e1")
        gone = a_change(one)
        world.rows.put(one)
        world.rows.commands.put(gone)
        world.broker.takes_s = 0.5
        world.floor.take_in([one])
        await world.clock.sleep(0.1)
        await world.changes.bring([gone])
        await world.clock.sleep(0.2)
        assert world.broker.kinds == [CommandKind.PLACE]
        await world.clock.sleep(1)
        assert world.broker.kinds == [CommandKind.PLACE, CommandKind.CANCEL]


async def test_an_order_that_nobody_brought_yet_is_taken_back_and_never_sent() -> None:
    async with an_executor() as world:
        await world.gain()
        await world.clock.sleep(2)
        one = order("e1", planned_ns=world.clock.now_ns())
        gone = a_change(one)
        world.rows.put(one)
        world.rows.commands.put(gone)
        await world.changes.bring([gone])
        assert world.floor.hint([one]) == (0, 1, [])
        await world.clock.sleep(2)
        assert world.broker.sent == []
        assert world.rows.commands.status(gone) is CommandStatus.FOLDED
        assert world.rows.status(one) is CopyStatus.CANCELLED


async def test_a_change_folds_into_an_order_that_is_surely_absent_before_it_is_sent_again() -> None:
    async with an_executor() as world:
        world.broker.reports = []
        one = order("e1")
        cut = a_change(one, quantity=3)
        world.rows.put(one, written_ns=1)
        world.rows.commands.put(cut, written_ns=2)
        await world.gain()
        await world.clock.sleep(12)
        assert world.rows.commands.status(cut) is CommandStatus.FOLDED
        assert world.broker.kinds == [CommandKind.PLACE]
        assert world.rows.rows[one.tag].order.spec.quantity == d(3)
        assert world.rows.status(one) is CopyStatus.WORKING


async def test_what_a_former_owner_may_have_sent_is_looked_up_before_anything_is_sent() -> None:
    async with an_executor() as world:
        one = working()
        done, gone = a_change(one, quantity=4, planned_ns=1), a_change(order("e2"), planned_ns=1)
        other = replace(order("e2", status=CopyStatus.WORKING), broker_order_id=BrokerOrderId("b2"))
        world.rows.put(one, other)
        world.rows.commands.put(done, gone, written_ns=1)
        world.broker.reports = [standing(one, quantity=4), replace(standing(other), order_id="b2")]  # type: ignore[arg-type]
        await world.gain()
        await world.clock.sleep(4)
        assert world.rows.commands.status(done) is CommandStatus.DONE
        assert world.broker.sent == []
        await world.clock.sleep(6)
        assert world.broker.kinds == [CommandKind.CANCEL]
        assert world.rows.rows[one.tag].order.spec.quantity == d(4)


async def test_the_latest_counts_and_the_older_never_leaves() -> None:
    async with an_executor() as world:
        one = working()
        older, newer = a_change(one, quantity=8, planned_ns=1), a_change(one, quantity=4, planned_ns=2)
        await given(world, one, older)
        world.broker.says[one.tag] = [BrokerNeverSent("refused")] * 3
        await world.changes.bring([older])
        await world.clock.sleep(1)
        assert len(world.broker.sent) == 3
        world.rows.commands.put(newer)
        await world.changes.bring([newer])
        await world.clock.sleep(6)
        assert len(world.broker.sent) == 4
        assert world.rows.commands.status(older) is CommandStatus.SUPERSEDED
        assert world.rows.commands.status(newer) is CommandStatus.DONE
        assert world.rows.rows[one.tag].order.spec.quantity == d(4)


async def test_a_newer_modification_waits_for_the_fate_of_an_older_one_and_a_cancellation_does_not() -> None:
    async with an_executor() as world:
        one = working()
        lost, newer = a_change(one, quantity=8, planned_ns=1), a_change(one, quantity=4, planned_ns=2)
        await given(world, one, lost)
        world.broker.reports = [standing(one)]
        world.broker.says[one.tag] = [BrokerOutcomeUnknown("reset")]
        await world.changes.bring([lost])
        await world.clock.sleep(0.5)
        assert world.rows.commands.status(lost) is CommandStatus.UNKNOWN
        world.rows.commands.put(newer)
        await world.changes.bring([newer])
        await world.clock.sleep(2)
        assert len(world.broker.sent) == 1
        gone = a_change(one, planned_ns=3)
        world.rows.commands.put(gone)
        await world.changes.bring([gone])
        await world.clock.sleep(0.5)
        assert world.broker.kinds == [CommandKind.MODIFY, CommandKind.CANCEL]
        assert world.rows.commands.status(newer) is CommandStatus.SUPERSEDED
        becomes(world, one, CopyStatus.CANCELLED)
        await world.clock.sleep(0.5)
        assert world.rows.commands.status(gone) is CommandStatus.DONE
        assert world.rows.commands.status(lost) is CommandStatus.LOST


async def test_a_lost_modification_that_surely_did_not_happen_is_sent_again() -> None:
    async with an_executor() as world:
        one = working()
        cut = a_change(one, quantity=4)
        await given(world, one, cut)
        world.broker.reports = [standing(one)]
        world.broker.says[one.tag] = [BrokerOutcomeUnknown("reset")]
        await world.changes.bring([cut])
        await world.clock.sleep(5)
        assert len(world.broker.sent) == 1
        await world.clock.sleep(5)
        assert len(world.broker.sent) == 2
        row = world.rows.commands.rows[cut.command_id]
        assert (row.command.status, row.attempts) == (CommandStatus.DONE, 2)


async def test_a_refusal_is_for_good_once_the_order_surely_stands_as_it_was() -> None:
    async with an_executor() as world:
        one = working()
        cut = a_change(one, quantity=4)
        await given(world, one, cut)
        world.broker.reports = [standing(one)]
        world.broker.says[one.tag] = [BrokerRejected("no such price", code="-99")]
        await world.changes.bring([cut])
        await world.clock.sleep(10)
        row = world.rows.commands.rows[cut.command_id]
        assert (row.command.status, row.error_text) == (CommandStatus.REJECTED, "no such price")
        assert len(world.broker.sent) == 1
        assert world.rows.rows[one.tag].order.spec.quantity == d(10)


async def test_an_outdated_change_is_not_made_although_the_cancellation_after_it_was_refused() -> None:
    async with an_executor() as world:
        one = working()
        lost, gone = a_change(one, quantity=8, planned_ns=1), a_change(one, planned_ns=2)
        await given(world, one, lost)
        world.broker.reports = [standing(one)]
        world.broker.says[one.tag] = [BrokerOutcomeUnknown("reset"), BrokerRejected("not now")]
        await world.changes.bring([lost])
        await world.clock.sleep(0.5)
        world.rows.commands.put(gone)
        await world.changes.bring([gone])
        await world.clock.sleep(20)
        assert world.broker.kinds == [CommandKind.MODIFY, CommandKind.CANCEL]
        assert world.rows.commands.status(gone) is CommandStatus.REJECTED
        assert world.rows.commands.status(lost) is CommandStatus.SUPERSEDED
        assert not world.changes.claims(one.copy_order_id)


async def test_what_was_outdated_before_its_order_was_ever_sent_changes_nothing_later() -> None:
    async with an_executor() as world:
        world.broker.reports = []
        one = order("e1")
        older, newer = a_change(one, quantity=8, planned_ns=1), a_change(one, quantity=3, planned_ns=2)
        world.rows.put(one, written_ns=1)
        world.rows.commands.put(replace(older, status=CommandStatus.UNKNOWN), newer, written_ns=2)
        await world.gain()
        await world.clock.sleep(20)
        assert world.broker.kinds == [CommandKind.PLACE]
        assert world.rows.commands.status(older) is CommandStatus.SUPERSEDED
        assert world.rows.rows[one.tag].order.spec.quantity == d(3)


async def test_cut_below_what_is_filled_is_cancelled() -> None:
    async with an_executor() as world:
        one = replace(working(), filled=d(5), status=CopyStatus.PARTIAL)
        cut = a_change(one, quantity=5)
        await given(world, one, cut)
        world.broker.reports = [standing(one, BrokerStatus.CANCELLED, filled=5)]
        await world.changes.bring([cut])
        await world.clock.sleep(10)
        assert world.broker.kinds == [CommandKind.CANCEL]
        assert world.rows.commands.status(cut) is CommandStatus.DONE


async def test_a_cut_that_is_refused_because_more_was_filled_becomes_a_cancellation() -> None:
    """The row does not know of the fill yet; the broker's book does."""
    async with an_executor() as world:
        one = working()
        cut = a_change(one, quantity=4)
        await given(world, one, cut)
        world.broker.reports = [standing(one, filled=5)]
        world.broker.says[one.tag] = [BrokerRejected("more than that is traded", code="-50")]
        await world.changes.bring([cut])
        while CommandKind.CANCEL not in world.broker.kinds:
            await world.clock.sleep(0.1)
        world.broker.reports = [standing(one, BrokerStatus.CANCELLED, filled=5)]
        await world.clock.sleep(10)
        assert world.rows.commands.status(cut) is CommandStatus.DONE
        assert world.broker.kinds == [CommandKind.MODIFY, CommandKind.CANCEL]


async def test_what_cannot_be_read_is_read_again_and_what_left_is_forgotten() -> None:
    async with an_executor() as world:
        one = working()
        gone = a_change(one)
        await given(world, one, gone)
        await world.clock.sleep(1)
        world.rows.failures = 1
        await world.clock.sleep(2)
        assert world.broker.kinds == [CommandKind.CANCEL]
        assert world.changes.claims(one.copy_order_id)
        world.changes.leave([HOME])
        assert not world.changes.claims(one.copy_order_id)
        world.floor.leave([HOME])
        assert await world.changes.bring([gone]) == (0, 0, [gone.command_id])


async def test_a_row_that_moved_on_while_it_was_folded_is_judged_again() -> None:
    """The socket of an order that nobody here sent: a former owner's, after all."""
    async with an_executor() as world:
        await world.gain()
        one = order("e1")
        cut = a_change(one, quantity=4)
        world.rows.put(one)
        world.rows.commands.put(cut)
        reads = world.rows.by_ids

        async def read_before_it_moved(ids: object) -> object:
            rows = await reads(ids)  # type: ignore[arg-type]
            row = world.rows.rows[one.tag]
            moved = replace(row.order, status=CopyStatus.FILLED)
            world.rows.rows[one.tag] = replace(row, order=moved)
            world.rows.by_ids = reads  # type: ignore[method-assign]
            return rows

        world.rows.by_ids = read_before_it_moved  # type: ignore[method-assign,assignment]
        await world.changes.bring([cut])
        await world.clock.sleep(2)
        assert world.rows.commands.status(cut) is CommandStatus.LOST
        assert world.broker.sent == []
        assert held(world.partitions).partition == HOME
