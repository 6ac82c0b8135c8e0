"""A restart from a checkpoint and what came after it is a restart from the very beginning."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline.domain.errors import Forgotten, NotOwner, Unavailable
from paceline.domain.event import Event, EventKind, Fact
from paceline.domain.ids import Epoch, EventIdentity, Offset, Partition
from paceline.domain.order import Fill
from paceline.domain.position import PositionReport
from paceline.ports.position_facts import Checkpoint, Taken
from services.risk.checkpoints import Checkpointer
from services.risk.rebuilt import Rebuilt, rebuild
from tests.fakes.clock import FakeClock
from tests.unit.risk.given import NIFTY, NOW, SBIN, account, baseline, fill

HOME = Partition(7)
EPOCH = Epoch(3)
WHO = [account("F1").account_id, account("F2").account_id]

bodies = st.lists(
    st.one_of(
        st.builds(
            fill,
            st.sampled_from(WHO),
            # halves and sums beyond 64 bits cannot be counted, and their account is marked for good
            st.one_of(
                st.integers(-50, 50).filter(bool), st.sampled_from([Decimal("0.5"), Decimal(10) ** 16])
            ),
            st.decimals("0.05", "900", places=2),
            st.sampled_from([SBIN, NIFTY]),
        ),
        st.builds(baseline, st.sampled_from(WHO), st.integers(-9, 9), st.decimals("1", "9", places=6)),
    ),
    max_size=30,
)


class Stored:
    """A journal of position facts and one place for checkpoints; what is below the floor has gone."""

    def __init__(self, history: Sequence[Fill | PositionReport] = ()) -> None:
        self.events = [_event(number, body) for number, body in enumerate(history, 1)]
        self.checkpoint: Checkpoint | None = None
        self.floor = 0
        self.kept: list[Taken] = []
        self.failures: list[Exception] = []

    async def read(self, partition: Partition, after: Offset, up_to: Offset, limit: int) -> Sequence[Event]:
        if after < self.floor:
            raise Forgotten(f"kept from {self.floor + 1} on")
        return [each for each in self.events if after < each.offset <= up_to][: min(limit, 500)]

    async def checkpoints(self, partitions: Sequence[Partition]) -> Mapping[Partition, Checkpoint]:
        return dict.fromkeys(partitions, self.checkpoint) if self.checkpoint else {}

    async def keep(self, taken: Taken) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.kept.append(taken)
        self.checkpoint = taken.checkpoint


def _event(number: int, body: Fill | PositionReport) -> Event:
    kind = EventKind.FILL if isinstance(body, Fill) else EventKind.POSITION
    fact = Fact(EventIdentity(f"e{number}"), body.account_id, kind, body, NOW, NOW, recovered=False, raw=b"")
    return Event(HOME, Offset(number), number, NOW, fact)


def essence(rebuilt: Rebuilt) -> object:
    checkpoint = rebuilt.checkpoint()
    return (
        checkpoint.offset,
        sorted(checkpoint.positions),
        sorted(checkpoint.listed),
        sorted(each.account_id for each in checkpoint.uncountable),
    )


@settings(max_examples=150, deadline=None)
@given(bodies, st.lists(st.integers(0, 30), max_size=4))
async def test_checkpoint_and_tail_are_the_whole_history(
    history: Sequence[Fill | PositionReport], stops: Sequence[int]
) -> None:
    """Wherever the checkpoints are taken, and although everything behind each has gone."""
    end = Offset(len(history))
    whole = await rebuild(Stored(history), HOME, end)
    stored = Stored(history)
    for stop in sorted(min(stop, end) for stop in stops):
        checkpoint = (await rebuild(stored, HOME, Offset(stop))).checkpoint()
        await stored.keep(Taken(HOME, EPOCH, checkpoint))
        stored.floor = stop
        stored.events = [each for each in stored.events if each.offset > stop]
    assert essence(await rebuild(stored, HOME, end)) == essence(whole)


async def test_without_a_checkpoint_a_journal_that_begins_late_is_refused() -> None:
    stored = Stored([fill(WHO[0], 1, "100")])
    stored.floor = 1
    with pytest.raises(Forgotten, match="kept from 2 on"):
        await rebuild(stored, HOME, Offset(1))


class Held:
    def __init__(self) -> None:
        self.places: dict[Partition, Offset] = {HOME: Offset(2)}
        self.ours = True

    def done(self) -> Mapping[Partition, Offset]:
        return dict(self.places)

    def epoch(self, partition: Partition) -> Epoch:
        if not self.ours:
            raise NotOwner(f"partition {partition} is another's")
        return EPOCH


async def test_what_moved_is_kept_and_what_did_not_is_left() -> None:
    clock, held = FakeClock(), Held()
    stored = Stored([fill(WHO[0], 3, "100"), fill(WHO[0], 4, "110"), fill(WHO[0], -7, "120")])
    stored.failures = [Unavailable("away")]
    running = asyncio.create_task(Checkpointer(stored, held.done, held.epoch, clock, 60.0).run())

    async def minutes(count: int) -> None:
        for _ in range(count):
            await clock.settle()
            clock.advance(60.0)
            await clock.settle()

    await minutes(3)
    assert [(each.partition, each.epoch, each.checkpoint.offset) for each in stored.kept] == [
        (HOME, EPOCH, 2)
    ]
    assert [each.quantity for each in stored.kept[0].checkpoint.positions] == [7]
    held.places[HOME] = Offset(3)
    held.ours = False
    await minutes(2)
    assert len(stored.kept) == 1
    held.ours = True
    await minutes(2)
    assert stored.kept[-1].checkpoint.offset == 3
    assert stored.kept[-1].checkpoint.positions == ()
    running.cancel()
