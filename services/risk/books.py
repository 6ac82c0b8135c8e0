"""Keeps on the board who belongs to the partitions held, as the journal has them.

A partition is rebuilt from its last checkpoint, its baselines and fills up to a head that was read first, and
followed from that head on. Offsets are committed in order and without holes: nothing lies between the two,
and nothing in both.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from paceline.domain.account import Account, AccountState
from paceline.domain.errors import Forgotten, Unavailable
from paceline.domain.event import Event
from paceline.domain.ids import AccountId, InstrumentId, Offset, Partition
from paceline.domain.order import Fill
from paceline.domain.partitioning import partition_of
from paceline.domain.position import PositionReport
from paceline.ports.accounts import Accounts
from paceline.ports.clock import Clock
from paceline.ports.instruments import Instruments
from paceline.ports.journal import Journal
from paceline.ports.position_facts import PositionFacts
from paceline.runtime.follow import Batch
from services.risk.board import Board
from services.risk.fold import FLAT
from services.risk.rebuilt import Rebuilt, rebuild
from services.risk.scale import UnrepresentableError

_log = structlog.get_logger(__name__)

_AT_ONCE = 32
_LOOK_S = 0.05
_AGAIN_S = 0.5
_RELIST_S = 5.0


class Books:
    """`want` and `drop` follow the leases; `handle` is what the journal's follower calls."""

    def __init__(
        self,
        board: Board,
        journal: Journal,
        facts: PositionFacts,
        accounts: Accounts,
        instruments: Instruments,
        clock: Clock,
        *,
        on_ready: Callable[[Mapping[Partition, Offset]], None],
        on_member: Callable[[AccountId], None],
        on_doubt: Callable[[AccountId], None],
    ) -> None:
        """`on_ready` begins to follow; `on_member` hears who came, `on_doubt` whose funds to read again."""
        self._board = board
        self._journal = journal
        self._facts = facts
        self._accounts = accounts
        self._instruments = instruments
        self._clock = clock
        self._on_ready = on_ready
        self._on_member = on_member
        self._on_doubt = on_doubt
        self._claims: dict[Partition, object] = {}
        self._done: dict[Partition, Offset] = {}
        self._missed: set[AccountId] = set()
        """Heard of while their partition was being loaded."""

    def want(self, partitions: Iterable[Partition]) -> None:
        """Load these soon; leases are renewed meanwhile."""
        for partition in partitions:
            self._claims[partition] = object()

    def drop(self, partitions: Iterable[Partition]) -> None:
        """Nothing of these may be on its way from the follower any more."""
        leaving = list(partitions)
        for partition in leaving:
            self._claims.pop(partition, None)
            self._done.pop(partition, None)
        self._missed = {each for each in self._missed if partition_of(each) in self._claims}
        self._board.drop(leaving)

    def ready(self, partition: Partition) -> bool:
        return partition in self._done

    def done(self) -> Mapping[Partition, Offset]:
        """How far each partition is that is on the board."""
        return dict(self._done)

    async def run(self) -> None:
        """Load what is wanted until cancelled; a database that is away is asked again."""
        while True:
            waiting = [each for each in self._claims if each not in self._done][:_AT_ONCE]
            if not waiting:
                await self._clock.sleep(_LOOK_S)
                continue
            try:
                await self.load(waiting)
            except Unavailable as problem:
                _log.warning("books.unreachable", problem=str(problem))
                await self._clock.sleep(_AGAIN_S)

    async def load(self, partitions: Sequence[Partition]) -> None:
        """Heads first: whoever has an event up to them has a row by then; what comes later is followed."""
        claims = {partition: self._claims.get(partition) for partition in partitions}
        heads = await self._journal.heads(partitions)
        members: dict[Partition, list[Account]] = {partition: [] for partition in partitions}
        for account in await self._accounts.in_partitions(partitions):
            members[partition_of(account.account_id)].append(account)
        ready: dict[Partition, Offset] = {}
        try:
            for partition in partitions:
                rebuilt = await self._rebuilt(partition, heads.get(partition, Offset(0)), members[partition])
                await self._know(rebuilt.listed)
                if self._claims.get(partition) is claims[partition] is not None:
                    self._done[partition] = ready[partition] = rebuilt.head
                    self._seat(members[partition], rebuilt)
        finally:  # in one go: each call of it is a stream of its own
            if ready := {each: head for each, head in ready.items() if self.ready(each)}:
                self._on_ready(ready)
        missed = {each for each in self._missed if self.ready(partition_of(each))}
        await self._admit(missed)
        self._missed -= missed

    async def handle(self, batch: Batch) -> None:
        """Each event once, whatever breaks in between: those done with are passed over."""
        news = [
            (partition, event)
            for partition, events in batch.items()
            if partition in self._done
            for event in events
            if event.offset > self._done[partition]
        ]
        bodies = [event.fact.body for _, event in news]
        moving = [body for body in bodies if isinstance(body, Fill | PositionReport)]
        await self._admit({body.account_id for body in moving} - self._board.seats.keys())
        await self._know({body.key.instrument_id: body for body in moving})
        for partition, event in news:
            self._take(event)
            self._done[partition] = event.offset

    async def hear(self, names: frozenset[str]) -> None:
        """Rows of these accounts changed, or those of their sessions."""
        heard = {AccountId(name) for name in names}
        loading = self._claims.keys() - self._done.keys()
        self._missed |= {each for each in heard if partition_of(each) in loading}
        await self._admit(each for each in heard if self.ready(partition_of(each)))

    async def reread(self) -> None:
        """Everything may have changed unheard."""
        accounts = await self._accounts.in_partitions(list(self._done))
        self._enter(accounts)

    async def _rebuilt(self, partition: Partition, head: Offset, members: Sequence[Account]) -> Rebuilt:
        """Where neither journal nor checkpoint reaches back far enough, nobody's positions are known."""
        try:
            return await rebuild(self._facts, partition, head)
        except Forgotten as problem:
            _log.error("books.positions_lost", partition=partition, problem=str(problem))
            lost = UnrepresentableError(str(problem))
            return Rebuilt(head, uncountable={each.account_id: lost for each in members})

    def _seat(self, members: Sequence[Account], rebuilt: Rebuilt) -> None:
        self._enter(members)
        for listed in rebuilt.listed.values():
            self._board.listed(*listed)
        for (account_id, key), position in rebuilt.positions.items():
            seat = self._board.seats.get(account_id)
            if seat is None:
                continue
            try:
                self._board.set_position(seat, key, position)
            except UnrepresentableError as problem:
                rebuilt.uncountable[account_id] = problem
        for account_id in rebuilt.uncountable.keys() & self._board.seats.keys():
            self._board.break_off(self._board.seats[account_id], rebuilt.uncountable[account_id])

    def _take(self, event: Event) -> None:
        body = event.fact.body
        if not isinstance(body, Fill | PositionReport) or body.account_id not in self._board.seats:
            return
        seat = self._board.seats[body.account_id]
        before = self._board.position(seat, body.key)
        doubtful = self._board.fold(body)
        if isinstance(body, PositionReport) and self._board.position(seat, body.key) != before:
            self._board.doubt(seat, event.journaled_ns)
            doubtful = True
            if before != FLAT:
                _log.error("risk.contradicted", account=body.account_id, key=str(body.key))
        if doubtful:
            self._on_doubt(body.account_id)

    async def _admit(self, account_ids: Iterable[AccountId]) -> None:
        wanted = set(account_ids)
        if wanted:
            self._enter((await self._accounts.get_many(wanted)).values())

    def _enter(self, accounts: Iterable[Account]) -> None:
        """Those of partitions that are loaded: without its positions nobody may be judged."""
        for account in accounts:
            if not self.ready(partition_of(account.account_id)):
                continue
            if account.state is AccountState.CLOSED:
                self._board.remove(account.account_id)
            else:
                self._board.admit(account)
                self._on_member(account.account_id)

    async def _know(self, listed: Mapping[InstrumentId, object]) -> None:
        """What one unit of price is worth in them; what no master knows counts once."""
        unknown = self._board.unknown(listed)
        if not unknown:
            return
        found = await self._instruments.get_many(unknown)
        for instrument_id in self._board.unknown(unknown):
            instrument = found.get(instrument_id)
            if instrument is None:
                _log.error("risk.unlisted", instrument=instrument_id)
            self._board.know(instrument_id, instrument.multiplier if instrument else None)

    async def relist(self) -> None:
        """Until cancelled: whatever no master knew is looked up again."""
        while True:
            await self._clock.sleep(_RELIST_S)
            unlisted = self._board.unlisted()
            if not unlisted:
                continue
            try:
                for instrument_id, instrument in (await self._instruments.get_many(unlisted)).items():
                    self._board.know(instrument_id, instrument.multiplier)
            except Unavailable as problem:
                _log.warning("books.unreachable", problem=str(problem))
