"""Which copy orders came in already, so that each comes in once however often it is brought."""

from collections import OrderedDict
from collections.abc import Iterable

from paceline.domain.copy_order import CopyOrder
from paceline.domain.ids import CopyOrderId, Partition
from paceline.domain.partitioning import partition_of

REMEMBERED_NS = 120_000_000_000
"""After the row says what became of it; a message that brings it later than that is not listened to."""


class Known:
    """Holds what is on its way, and for a while what was: its size is bounded by what a while brings."""

    def __init__(self) -> None:
        self._on_the_way: dict[CopyOrderId, Partition] = {}
        self._done: OrderedDict[CopyOrderId, tuple[Partition, int]] = OrderedDict()

    def __contains__(self, copy_order_id: CopyOrderId) -> bool:
        return copy_order_id in self._on_the_way or copy_order_id in self._done

    def __len__(self) -> int:
        return len(self._on_the_way) + len(self._done)

    def add(self, order: CopyOrder) -> None:
        self._done.pop(order.copy_order_id, None)
        self._on_the_way[order.copy_order_id] = partition_of(order.account_id)

    def written(self, order: CopyOrder, now_ns: int) -> None:
        """Its row says what became of it."""
        self._on_the_way.pop(order.copy_order_id, None)
        self._done[order.copy_order_id] = (partition_of(order.account_id), now_ns)
        self._done.move_to_end(order.copy_order_id)

    def forget(self, now_ns: int) -> None:
        """Those written long ago."""
        while self._done:
            copy_order_id, (_, written_ns) = next(iter(self._done.items()))
            if now_ns - written_ns < REMEMBERED_NS:
                return
            del self._done[copy_order_id]

    def leave(self, partitions: Iterable[Partition]) -> None:
        """The next owner finds out for himself."""
        gone = set(partitions)
        self._on_the_way = {each: at for each, at in self._on_the_way.items() if at not in gone}
        self._done = OrderedDict((each, kept) for each, kept in self._done.items() if kept[0] not in gone)
