"""A journal in memory, for sessions whose tests need no PostgreSQL; kept honest by the same contract."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from paceline.domain.errors import NotOwner
from paceline.domain.event import Event, EventKind, Fact
from paceline.domain.ids import AccountId, Epoch, EventIdentity, Offset, Partition
from paceline.domain.position import PositionReport
from paceline.ports.clock import Clock
from paceline.ports.journal import Append, Appended, DeadLetter


class FakeJournal:
    """Its leases are set by `own`; whoever was never told has none."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._epochs: dict[Partition, Epoch] = {}
        self._identities: set[EventIdentity] = set()
        self._sequences: dict[AccountId, int] = {}
        self.events: dict[Partition, list[Event]] = {}
        self.letters: list[DeadLetter] = []
        self.pins: dict[AccountId, Epoch] = {}

    def own(self, partition: Partition, epoch: Epoch) -> None:
        self._epochs[partition] = epoch

    async def append(
        self, partition: Partition, epoch: Epoch, facts: Sequence[Fact], traceparents: Sequence[str] = ()
    ) -> Appended:
        (result,) = await self.append_many([Append(partition, epoch, facts, traceparents)])
        if isinstance(result, NotOwner):
            raise result
        return result

    async def append_many(self, batches: Sequence[Append]) -> Sequence[Appended | NotOwner]:
        return [self._append(batch) for batch in batches]

    def _append(self, batch: Append) -> Appended | NotOwner:
        if self._epochs.get(batch.partition) != batch.epoch:
            return NotOwner(f"partition {batch.partition} is not held under epoch {batch.epoch}")
        traces = batch.traceparents or [""] * len(batch.facts)
        accounts = {fact.account_id for fact in batch.facts}
        refused = frozenset(each for each in accounts if batch.pins.get(each) != self.pins.get(each))
        new = []
        for fact, trace in zip(batch.facts, traces, strict=True):
            if fact.identity not in self._identities and fact.account_id not in refused:
                new.append(self._number(batch.partition, fact, trace))
        known = {fact.identity for fact in batch.facts if fact.account_id not in refused}
        known -= {event.fact.identity for event in new}
        return Appended(batch.partition, tuple(new), frozenset(known), refused)

    def _number(self, partition: Partition, fact: Fact, trace: str) -> Event:
        self._identities.add(fact.identity)
        mine = self.events.setdefault(partition, [])
        sequence = self._sequences[fact.account_id] = self._sequences.get(fact.account_id, 0) + 1
        event = Event(partition, Offset(len(mine) + 1), sequence, self._clock.now_ns(), fact, trace)
        mine.append(event)
        return event

    async def read(self, partition: Partition, after: Offset, limit: int) -> Sequence[Event]:
        return self.events.get(partition, [])[after : after + limit]

    async def heads(self, partitions: Iterable[Partition]) -> Mapping[Partition, Offset]:
        return {partition: Offset(len(self.events.get(partition, ()))) for partition in partitions}

    async def restore(
        self, accounts: Iterable[AccountId], since_ns: int
    ) -> Mapping[AccountId, Sequence[Fact]]:
        wanted = set(accounts)
        events = [event for mine in self.events.values() for event in mine if event.journaled_ns >= since_ns]
        kept: dict[AccountId, dict[object, Fact]] = {}
        for event in events:
            if event.fact.account_id in wanted:
                facts = kept.setdefault(event.fact.account_id, {})
                facts.pop(_subject(event.fact), None)
                facts[_subject(event.fact)] = event.fact
        return {account: list(facts.values()) for account, facts in kept.items()}

    async def sequences(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, int]:
        return {account: self._sequences[account] for account in accounts if account in self._sequences}

    async def dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        self.letters.extend(letters)

    async def dead_letters(self, account_id: AccountId | None, limit: int) -> Sequence[DeadLetter]:
        mine = [each for each in reversed(self.letters) if account_id in (None, each.account_id)]
        return mine[:limit]

    async def lay_weeks(self, first_day: date, weeks: int) -> int:
        return 0


def _subject(fact: Fact) -> object:
    if fact.kind is EventKind.FILL:
        return fact.identity
    body = fact.body
    return (fact.kind, body.key if isinstance(body, PositionReport) else body.order_id)
