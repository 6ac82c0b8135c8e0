"""What came in is known while it is on its way, and a while longer; not for ever."""

from services.executor.known import REMEMBERED_NS, Known
from tests.unit.executor.given import FOLLOWER, HOME, order


def test_it_is_known_until_a_while_after_its_row_was_written() -> None:
    known, one = Known(), order("e1")
    known.add(one)
    known.forget(10 * REMEMBERED_NS)
    assert one.copy_order_id in known
    known.written(one, 10)
    known.forget(10 + REMEMBERED_NS - 1)
    assert one.copy_order_id in known
    known.forget(10 + REMEMBERED_NS)
    assert one.copy_order_id not in known
    assert len(known) == 0


def test_what_comes_again_is_on_its_way_again() -> None:
    known, one = Known(), order("e1")
    known.add(one)
    known.written(one, 10)
    known.add(one)
    known.forget(10 + REMEMBERED_NS)
    assert one.copy_order_id in known


def test_partitions_that_leave_take_their_orders_along() -> None:
    known, waiting, done = Known(), order("e1"), order("e2")
    assert waiting.account_id == FOLLOWER
    known.add(waiting)
    known.add(done)
    known.written(done, 10)
    known.leave([HOME])
    assert len(known) == 0
