"""What the journal says of one partition up to an offset: a fold that can be kept and gone on with."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from paceline.domain.event import Event
from paceline.domain.ids import AccountId, InstrumentId, Offset, Partition
from paceline.domain.instrument import InstrumentKey
from paceline.domain.order import Fill
from paceline.domain.position import PositionReport
from paceline.ports.position_facts import Checkpoint, Kept, Listed, PositionFacts, Uncountable
from services.risk.fold import FLAT, Position, fold
from services.risk.scale import UnrepresentableError

_PAGE = 500

PositionKey = tuple[AccountId, InstrumentKey]


@dataclass(slots=True)
class Rebuilt:
    """Kept and gone on with, it is what a fold from the very beginning is: the property test's words."""

    head: Offset
    positions: dict[PositionKey, Position] = field(default_factory=dict)
    listed: dict[InstrumentId, Listed] = field(default_factory=dict)
    uncountable: dict[AccountId, UnrepresentableError] = field(default_factory=dict)

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "Rebuilt":
        return cls(
            checkpoint.offset,
            {
                (each.account_id, InstrumentKey(each.instrument_id, each.product)): Position(
                    each.quantity, each.cost
                )
                for each in checkpoint.positions
            },
            {each.instrument_id: each for each in checkpoint.listed},
            {each.account_id: UnrepresentableError(each.problem) for each in checkpoint.uncountable},
        )

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(
            self.head,
            tuple(
                Kept(account_id, key.instrument_id, key.product, *position)
                for (account_id, key), position in self.positions.items()
                if position != FLAT
            ),
            tuple(self.listed.values()),
            tuple(Uncountable(each, str(problem)) for each, problem in self.uncountable.items()),
        )

    def take(self, events: Sequence[Event]) -> None:
        for event in events:
            body = event.fact.body
            if isinstance(body, Fill | PositionReport):
                self._fold(body)

    def _fold(self, body: Fill | PositionReport) -> None:
        name, instrument_id = (body.account_id, body.key), body.key.instrument_id
        self.listed.setdefault(instrument_id, Listed(instrument_id, body.exchange, body.segment))
        try:
            self.positions[name] = fold(self.positions.get(name, FLAT), body).position
        except UnrepresentableError as problem:
            self.uncountable[body.account_id] = problem


async def rebuild(facts: PositionFacts, partition: Partition, head: Offset) -> Rebuilt:
    """From the newest checkpoint on. Raises `Forgotten` where the journal no longer reaches back to it."""
    kept = (await facts.checkpoints([partition])).get(partition, Checkpoint())
    rebuilt, after = Rebuilt.of(kept), kept.offset
    while after < head:
        events = await facts.read(partition, after, head, _PAGE)
        rebuilt.take(events)
        after = events[-1].offset if len(events) == _PAGE else head
    rebuilt.head = max(head, kept.offset)
    return rebuilt
