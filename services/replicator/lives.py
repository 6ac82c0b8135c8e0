"""How subscriptions begin and end: positions are taken over; copies are sold, left or handed over.

Nothing of a leader is planned while one of his followers begins or ends: it takes the lock of his partition.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

import structlog

from paceline.domain.calendar import Calendar
from paceline.domain.copying.decision import Decision
from paceline.domain.copying.ending import Copied, Step, Waits, closing_lines, ending_event, wind_down
from paceline.domain.copying.mapping import followers_key
from paceline.domain.copying.opening import Holding, beside, opening_event, take_over
from paceline.domain.copying.view import LeaderState
from paceline.domain.errors import NotFound, NotOwner, Unavailable
from paceline.domain.event import Event
from paceline.domain.ids import Partition, SubscriptionId
from paceline.domain.instrument import Instrument, InstrumentKey
from paceline.domain.ledger import Ledger
from paceline.domain.order import Fill
from paceline.domain.partitioning import partition_of
from paceline.domain.subscription import LIVING, EndPolicy, Subscription, SubscriptionState, TakeOverPolicy
from paceline.ports.clock import Clock
from paceline.ports.copy_commands import CopyCommands
from paceline.ports.instruments import Instruments
from paceline.ports.lives import Ending, Lives, Steps, Tenancy
from paceline.ports.plans import Chunk, LedgerKey, Plans
from paceline.ports.prices import Prices
from paceline.ports.subscriptions import Subscriptions
from paceline.ports.trades import Trades
from paceline.runtime.follow import Batch
from paceline.runtime.log import RepeatGate
from paceline.runtime.partitions import Partitions
from services.replicator.directory import Directory
from services.replicator.dispatch import Dispatcher
from services.replicator.replicate import Replicator
from services.replicator.views import Views

_log = structlog.get_logger(__name__)

_LOOK_S = 0.25
_LOOK_LONGEST_S = 5.0
_WAIT_LONGEST_S = 30.0
"""Where a market must open or somebody log in: many may wait for it, and for long."""
_NS = 1_000_000_000
_PRICE_FRESH_NS = 5 * _NS
_PRICE_WITHIN_NS = 30 * _NS
"""So long a price is waited for: one may come, and trades are folded a moment after they are journaled."""


_SHUT = frozenset({Waits.MARKET_CLOSED, Waits.SESSION_UNUSABLE})


@dataclass(frozen=True, slots=True)
class Stores:
    lives: Lives
    subscriptions: Subscriptions
    plans: Plans
    copy_commands: CopyCommands
    trades: Trades
    instruments: Instruments
    prices: Prices
    calendar: Calendar


@dataclass(slots=True)
class _Look:
    """When a subscription is looked at again, and since when it is."""

    began_ns: int
    due_ns: int = 0
    pause_s: float = _LOOK_S
    longest_s: float = _LOOK_LONGEST_S


class Beginnings:
    """`handle` stands before the planner of events; `run` looks after whoever begins or ends."""

    def __init__(
        self,
        stores: Stores,
        directory: Directory,
        views: Views,
        replicator: Replicator,
        dispatcher: Dispatcher,
        partitions: Partitions,
        clock: Clock,
    ) -> None:
        self._stores = stores
        self._directory = directory
        self._views = views
        self._replicator = replicator
        self._dispatcher = dispatcher
        self._partitions = partitions
        self._clock = clock
        self._locks: dict[Partition, asyncio.Lock] = {}
        self._looks: dict[SubscriptionId, _Look] = {}
        self._gate = RepeatGate(clock)

    async def handle(self, batch: Batch) -> None:
        async with self.still(batch):
            await self._replicator.handle(batch)

    @asynccontextmanager
    async def still(self, partitions: Iterable[Partition]) -> AsyncIterator[None]:
        """Meanwhile nobody else plans anything of these."""
        async with AsyncExitStack() as stack:
            for partition in sorted(partitions):
                await stack.enter_async_context(self._lock(partition))
            yield

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(_LOOK_S)
            await self.look()

    async def look(self) -> None:
        """At everyone who is due."""
        changing, now_ns = self._directory.changing(), self._clock.monotonic_ns()
        names = {each.subscription_id for each in changing}
        self._looks = {name: self._looks.get(name) or _Look(now_ns) for name in names}
        for each in changing:
            if self._looks[each.subscription_id].due_ns <= self._clock.monotonic_ns():
                await self._look(each)

    async def _look(self, subscription: Subscription) -> None:
        look = self._looks[subscription.subscription_id]
        try:
            moved = await self._under_lock(subscription, look)
        except (NotOwner, Unavailable) as problem:
            moved = False
            if self._gate.held_back(subscription.subscription_id) is not None:
                _log.info("lives.put_off", subscription=subscription.subscription_id, problem=str(problem))
        except Exception:  # noqa: BLE001 - one that cannot begin or end must not stop the others
            moved = False
            _log.error("lives.fault", subscription=subscription.subscription_id, exc_info=True)
        look.pause_s = _LOOK_S if moved else min(look.pause_s * 2, look.longest_s)
        look.due_ns = self._clock.monotonic_ns() + round(look.pause_s * _NS)

    async def _under_lock(self, known: Subscription, look: _Look) -> bool:
        """Whether something was done."""
        partition = partition_of(known.leader)
        async with self._lock(partition):
            tenancy = Tenancy(partition, self._partitions.lease(partition).epoch)
            await self._directory.confirm()
            subscription = self._directory.living(known.subscription_id)
            if subscription is None:
                return False
            if subscription.state is SubscriptionState.ENDING:
                return await self._end(tenancy, subscription, look)
            begins = subscription.opens and subscription.state is SubscriptionState.APPROVED
            return begins and await self._open(tenancy, subscription, look)

    def _lock(self, partition: Partition) -> asyncio.Lock:
        return self._locks.setdefault(partition, asyncio.Lock())

    async def _open(self, tenancy: Tenancy, subscription: Subscription, look: _Look) -> bool:
        """On what the leader holds after all that was planned so far; whatever comes later is copied."""
        await self._replicator.settle([tenancy.partition])
        leader = subscription.leader
        state = (await self._stores.plans.leader_states([leader]))[leader]
        if await self._shut(subscription, state, look):
            return False
        holdings = await self._holdings(subscription, state, look)
        if holdings is None:
            return False
        chunks = await self._chunks(tenancy, subscription, state, holdings)
        made = await self._stores.lives.open(tenancy, subscription, chunks)
        if made is None:
            return False
        self._directory.hear()
        self._dispatch(made)
        _log.info(
            "subscription.opened",
            subscription=subscription.subscription_id,
            held=len(holdings),
            taken=sum(1 for each in made if each.orders),
        )
        return True

    async def _shut(self, subscription: Subscription, state: LeaderState, look: _Look) -> bool:
        """Whether a market of what is taken over is closed: then it begins at its opening, with all of it."""
        held = {followers_key(subscription, key) for key in _held(subscription, state)}
        names = sorted({key.instrument_id for key in held if key is not None})
        now_ns, calendar = self._clock.now_ns(), self._stores.calendar
        instruments = await self._stores.instruments.get_many(names)
        closed = [each for each in instruments.values() if not calendar.trades(each, now_ns)]
        look.longest_s = _LOOK_LONGEST_S
        if not closed:
            return False
        opens = [
            calendar.of(each.exchange, each.segment, calendar.class_of(each)).next_open(now_ns)
            for each in closed
        ]
        soon_s = min(((each - now_ns) / _NS for each in opens if each is not None), default=_WAIT_LONGEST_S)
        look.longest_s = min(max(soon_s, _LOOK_S), _WAIT_LONGEST_S)
        look.began_ns = self._clock.monotonic_ns()
        waits = f"{Waits.MARKET_CLOSED} {min(each.instrument_id for each in closed)}"
        await self._stores.lives.wait(subscription.subscription_id, waits)
        return True

    async def _holdings(
        self, subscription: Subscription, state: LeaderState, look: _Look
    ) -> Sequence[Holding] | None:
        """None while a price is waited for."""
        held = _held(subscription, state)
        keys = sorted(held, key=str)
        at_his_price = subscription.take_over is TakeOverPolicy.AT_LEADER_PRICE
        prices = await (self._paid(state, keys) if at_his_price else self._fresh(keys))
        patient = self._clock.monotonic_ns() - look.began_ns < _PRICE_WITHIN_NS
        if patient and not all(key in prices for key in keys):
            return None
        return [Holding(key, held[key], prices.get(key)) for key in keys]

    async def _paid(
        self, state: LeaderState, keys: Sequence[InstrumentKey]
    ) -> Mapping[InstrumentKey, Decimal]:
        """The leader's average prices, where all that he holds is folded into his trades."""
        trades = await self._stores.trades.open([state.account_id])
        found = {}
        for key in keys:
            trade, position = trades.get((state.account_id, key)), state.position(key)
            if trade is not None and trade.held == position.own + position.copied:
                found[key] = trade.entry_value / trade.quantity
        return found

    async def _fresh(self, keys: Sequence[InstrumentKey]) -> Mapping[InstrumentKey, Decimal]:
        prices, now_ns = (
            await self._stores.prices.get({key.instrument_id for key in keys}),
            self._clock.now_ns(),
        )
        return {
            key: price.last
            for key in keys
            if (price := prices.get(key.instrument_id)) and now_ns - price.received_ns <= _PRICE_FRESH_NS
        }

    async def _chunks(
        self,
        tenancy: Tenancy,
        subscription: Subscription,
        state: LeaderState,
        holdings: Sequence[Holding],
    ) -> Sequence[Chunk]:
        chunks: list[Chunk] = []
        leader = await self._views.leader(state, [subscription])
        for holding in holdings:
            event = await self._event(tenancy, subscription, holding)
            body = event.fact.body
            assert isinstance(body, Fill)  # noqa: S101  # made by `opening_event`
            market = await self._views.market(body, [subscription])
            with_orders = await self._views.leader_orders(leader, body, [subscription])
            (copier,), seen = await self._views.copiers([subscription], body)
            earlier = [decision for chunk in chunks for decision in chunk.decisions]
            decision = take_over(event, beside(copier, earlier, market), with_orders, market)
            chunks.append(Chunk(tenancy.partition, tenancy.epoch, event, (decision,), seen=seen))
        return chunks

    async def _event(self, tenancy: Tenancy, subscription: Subscription, holding: Holding) -> Event:
        name, now_ns = holding.key.instrument_id, self._clock.now_ns()
        instrument = (await self._stores.instruments.get_many([name])).get(name)
        return opening_event(subscription, holding, instrument, tenancy.partition, now_ns)

    async def _end(self, tenancy: Tenancy, subscription: Subscription, look: _Look) -> bool:
        name = subscription.subscription_id
        copied = await self._copied(subscription)
        now_ns = self._clock.now_ns()
        steps = {each.key: wind_down(subscription, each, now_ns) for each in copied}
        moved = False
        for each in copied:
            moved = await self._step(tenancy, subscription, each, steps[each.key]) or moved
        waits = [f"{step.waits} {key.instrument_id}" for key, step in steps.items() if step.waits]
        if waits:
            shut = all(step.waits in _SHUT for step in steps.values() if step.waits)
            look.longest_s = _WAIT_LONGEST_S if shut else _LOOK_LONGEST_S
            await self._stores.lives.wait(name, waits[0])
            if self._gate.held_back((name, waits[0])) is not None:
                _log.warning("subscription.ending", subscription=name, waits_for=waits)
            return moved
        ended = await self._close(tenancy, subscription, copied)
        if ended:
            self._directory.hear()
            _log.info("subscription.ended", subscription=name)
        return ended

    async def _copied(self, subscription: Subscription) -> Sequence[Copied]:
        """Ledgers first: what is read after them and has moved since is found out when it is written."""
        stores, name = self._stores, subscription.subscription_id
        ledgers = await stores.plans.ledgers_for([name])
        rows = await stores.copy_commands.open_rows(ledgers)
        steps = await stores.lives.steps(name)
        named = {key.instrument_id for _, key in ledgers}
        instruments = await stores.instruments.get_many(named)
        prices = await stores.prices.get(named)
        usable = self._directory.session_usable(subscription.follower)
        found = []
        for (_, key), ledger in sorted(ledgers.items(), key=str):
            instrument, price = instruments.get(key.instrument_id), prices.get(key.instrument_id)
            taken = steps.get(key, Steps(0, 0))
            found.append(
                Copied(
                    key,
                    ledger,
                    tuple(rows.get((name, key), ())),
                    taken.taken,
                    taken.last_ns,
                    instrument,
                    price.last if price else None,
                    session_usable=usable,
                    market_open=self._is_open(instrument),
                )
            )
        return found

    def _is_open(self, instrument: Instrument | None) -> bool:
        return instrument is not None and self._stores.calendar.trades(instrument, self._clock.now_ns())

    async def _step(self, tenancy: Tenancy, subscription: Subscription, copied: Copied, step: Step) -> bool:
        """Written ahead like any plan, on the ledger that it was decided on."""
        if step.decision is None:
            return False
        event = ending_event(subscription, copied, tenancy.partition, self._clock.now_ns())
        seen = {(subscription.subscription_id, copied.key): copied.ledger}
        chunk = Chunk(tenancy.partition, tenancy.epoch, event, (step.decision,), seen=seen)
        committed = await self._stores.plans.commit_chunk(chunk)
        self._dispatch(committed.inserted)
        return bool(committed.inserted)

    async def _close(self, tenancy: Tenancy, subscription: Subscription, copied: Sequence[Copied]) -> bool:
        handed = await self._successor_lives(subscription)
        lines = tuple(line for each in copied for line in closing_lines(subscription, each, handed=handed))
        seen: dict[LedgerKey, Ledger] = {
            (subscription.subscription_id, each.key): each.ledger for each in copied
        }
        ending = Ending(subscription, lines, seen, handed)
        return await self._stores.lives.end(tenancy, ending)

    async def _successor_lives(self, subscription: Subscription) -> bool:
        """Where nobody is left to take them over, copies are the follower's own."""
        if subscription.ending is not EndPolicy.HAND_OVER or subscription.successor is None:
            return False
        try:
            successor = await self._stores.subscriptions.get(subscription.successor)
        except NotFound:
            return False
        return successor.state in LIVING

    def _dispatch(self, decisions: Sequence[Decision]) -> None:
        self._replicator.count(decisions)
        orders = [order for each in decisions for order in each.orders]
        self._dispatcher.dispatch(orders, "", [command for each in decisions for command in each.commands])


def _held(subscription: Subscription, state: LeaderState) -> Mapping[InstrumentKey, Decimal]:
    """What the leader holds as this subscription sees him."""
    forward = subscription.forward_copies
    seen = {key: each.seen_by(forward_copies=forward) for key, each in state.positions.items()}
    return {key: quantity for key, quantity in seen.items() if quantity}
