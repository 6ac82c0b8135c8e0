"""Protected limits that rest follow the price: looked at all day, each step written ahead as a change."""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import structlog

from paceline.domain.copy_order import Cause, CauseKind, CopyCommand, CopyOrder, CopyStatus, Intent
from paceline.domain.copying.build import Origin
from paceline.domain.copying.changes import cancelled, modified
from paceline.domain.copying.chase import (
    Chase,
    Chased,
    ChasePolicy,
    ChaseReason,
    GiveUp,
    LastPrice,
    Modify,
    Replace,
    Wait,
    as_limit,
    chase,
    replacement,
)
from paceline.domain.copying.protect import protected_limit
from paceline.domain.copying.tags import decision_id_of
from paceline.domain.errors import NotOwner, Unavailable
from paceline.domain.ids import InstrumentId, Partition
from paceline.domain.instrument import Instrument
from paceline.domain.ledger import Ledger
from paceline.domain.partitioning import partition_of
from paceline.ports.broker import Call, Limits, LimitScope
from paceline.ports.chases import Chases, ChaseStep, RestingRow
from paceline.ports.clock import Clock
from paceline.ports.prices import Price, Prices
from paceline.runtime.log import RepeatGate
from paceline.runtime.metric_names import CHASE_STEPS, CHASE_WAITING
from paceline.runtime.metrics import Metrics
from paceline.runtime.partitions import Partitions
from services.executor.lots import Lots
from services.executor.settings import Settings

_log = structlog.get_logger(__name__)

_LOOK_S = 0.5
_ROWS_MAX = 2_000
_NS_PER_MS = 1_000_000
_ALARMING = frozenset({ChaseReason.PRICE_STALE, ChaseReason.CIRCUIT_LOCKED, ChaseReason.OUT_OF_REACH})

Bring = Callable[[Sequence[CopyCommand]], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Market:
    """What one round knows of prices."""

    instruments: Mapping[InstrumentId, Instrument]
    prices: Mapping[InstrumentId, Price]


class Chaser:
    """Accounts of held partitions. `bring` and `take_in` carry out what was written; so does the sweep."""

    def __init__(
        self,
        chases: Chases,
        lots: Lots,
        prices: Prices,
        partitions: Partitions,
        bring: Bring,
        take_in: Callable[[Iterable[CopyOrder]], object],
        clock: Clock,
        metrics: Metrics,
        policy: ChasePolicy,
    ) -> None:
        self._chases = chases
        self._lots = lots
        self._prices = prices
        self._partitions = partitions
        self._bring = bring
        self._take_in = take_in
        self._clock = clock
        self._steps = metrics.counter(CHASE_STEPS)
        self._waiting = metrics.gauge(CHASE_WAITING)
        self._policy = policy
        self._gate = RepeatGate(clock)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(_LOOK_S)
            try:
                await self.round()
            except Unavailable as problem:
                if self._gate.held_back("round") is not None:
                    _log.warning("chase.unreachable", problem=str(problem))

    async def round(self) -> None:
        """Everything that rested long enough."""
        held = self._partitions.held()
        rows = await self._resting(held) if held else ()
        names = {each.order.spec.key.instrument_id for each in rows}
        market = Market(await self._lots.of(names), await self._prices.get(names) if names else {})
        steps: defaultdict[Partition, list[ChaseStep]] = defaultdict(list)
        waiting: Counter[tuple[ChaseReason, Intent]] = Counter()
        for row in rows:
            following = self._next(row, market)
            if isinstance(following, Wait):
                waiting[following.reason, row.order.intent] += 1
                self._alarm(row.order, following.reason)
            elif following is not None:
                last = market.prices.get(row.order.spec.key.instrument_id)
                step = step_of(row, following, self._clock.now_ns(), last)
                steps[partition_of(row.order.account_id)].append(step)
        for reason in ChaseReason:
            for intent in Intent:
                self._waiting.labels(reason.value, intent.value).set(waiting[reason, intent])
        for partition, mine in steps.items():
            await self._take(partition, mine)
        await self._replace(held)

    async def _resting(self, held: Collection[Partition]) -> Sequence[RestingRow]:
        stops = await self._chases.stops(held)
        prices = await self._prices.get(stops) if stops else {}
        lasts = {name: price.last for name, price in prices.items() if self._fresh(price)}
        return await self._chases.resting(held, self._clock.now_ns(), self._policy, _ROWS_MAX, lasts)

    def _next(self, row: RestingRow, market: Market) -> Chase | None:
        """None where nothing is known of the instrument: `settle` alarms about it already."""
        name = row.order.spec.key.instrument_id
        instrument, price = market.instruments.get(name), market.prices.get(name)
        if instrument is None:
            return None
        chased = Chased(
            row.order,
            instrument,
            row.began_ns,
            row.touched_ns,
            row.steps,
            row.modifications,
            row.allowance_bps,
            row.protection,
        )
        last = LastPrice(price.last, price.received_ns, price.stale) if price else None
        return chase(chased, last, self._clock.now_ns(), self._policy)

    def _alarm(self, order: CopyOrder, reason: ChaseReason) -> None:
        """An exit that cannot follow is somebody's affair."""
        if order.intent is not Intent.EXIT or reason not in _ALARMING:
            return
        if self._gate.held_back((order.tag, reason)) is not None:
            _log.error("chase.waits", account=order.account_id, tag=order.tag, reason=reason.value)

    async def _take(self, partition: Partition, steps: Sequence[ChaseStep]) -> None:
        try:
            epoch = self._partitions.lease(partition).epoch
            new = await self._chases.write(partition, epoch, steps)
        except NotOwner:
            return
        written = {each.command_id for each in new}
        for each in steps:
            if each.command.command_id in written:
                self._steps.labels(each.row.order.intent.value, each.ends_as or "MOVED").inc()
        if new:
            await self._bring(new)

    async def _replace(self, held: Collection[Partition]) -> None:
        """What was cancelled for it, or refused, comes again as soon as a fresh price is known."""
        ended = await self._ended(held) if held else ()
        names = {each.spec.key.instrument_id for each in ended}
        instruments = await self._lots.of(names)
        prices = await self._prices.get(names) if names else {}
        for order in ended:
            name, partition = order.spec.key.instrument_id, partition_of(order.account_id)
            price, instrument = prices.get(name), instruments.get(name)
            if instrument is None or price is None or not self._fresh(price):
                self._alarm(order, ChaseReason.PRICE_STALE)
                continue
            limit = protected_limit(instrument, order.spec.side, price.last, self._policy.exit_step_bps)
            again = partial(replacement, instrument=instrument, price=limit, now_ns=self._clock.now_ns())
            used_up = order.status is CopyStatus.REJECTED and order.step >= self._policy.retries_max
            try:
                epoch = self._partitions.lease(partition).epoch
                new = await self._chases.replace(partition, epoch, order, _nothing if used_up else again)
            except NotOwner:
                continue
            self._take_in(new)
            self._tell(order, new, used_up=used_up)

    async def _ended(self, held: Collection[Partition]) -> Sequence[CopyOrder]:
        replaceable = await self._chases.replaceable(held)
        refused = await self._chases.refused(held, self._clock.now_ns(), self._policy, _ROWS_MAX)
        return [*replaceable, *refused]

    def _tell(self, order: CopyOrder, new: Sequence[CopyOrder], *, used_up: bool) -> None:
        """A refusal is somebody's affair from the first on."""
        if order.status is not CopyStatus.REJECTED or not (new or used_up):
            return
        reason = ChaseReason.STEPS_USED_UP if used_up else ChaseReason.REFUSED
        self._steps.labels(order.intent.value, reason.value).inc()
        _log.error("chase.refused", account=order.account_id, tag=order.tag, reason=reason.value)

    def _fresh(self, price: Price) -> bool:
        age_ns = self._clock.now_ns() - price.received_ns
        return not price.stale and age_ns <= self._policy.price_age_max_ms * _NS_PER_MS


def chase_policy(settings: Settings, limits: Limits) -> ChasePolicy:
    """As set; the broker says how often one order may be modified."""
    by_order = (each for each in limits.windows if each.scope is LimitScope.ORDER)
    counts = [each.calls for each in by_order if Call.MODIFY in each.counts]
    return ChasePolicy(
        settings.chase_rest_ms,
        settings.chase_rest_longest_ms,
        settings.chase_price_age_max_ms,
        settings.chase_entry_steps_max,
        settings.chase_entry_max_ms,
        Decimal(settings.chase_exit_step_bps),
        Decimal(settings.chase_exit_reach_bps),
        min(counts, default=None),
        settings.exit_retry_first_ms,
        settings.exit_retry_longest_ms,
        settings.exit_retries_max,
    )


def step_of(
    row: RestingRow, following: Modify | Replace | GiveUp, now_ns: int, price: Price | None
) -> ChaseStep:
    """The command that carries out what was decided."""
    order, origin = row.order, _origin(row, now_ns)
    last = price.last if price else None
    if isinstance(following, GiveUp):
        return ChaseStep(row, cancelled(origin, order), now_ns, last, following.reason.value)
    if isinstance(following, Replace):
        reason = ChaseReason.REPLACED.value
        return ChaseStep(row, cancelled(origin, order), now_ns, last, reason, replacing=True)
    spec = as_limit(order.spec, following.price)
    return ChaseStep(row, modified(origin, order, spec), now_ns, last)


def _nothing(_order: CopyOrder, _ledger: Ledger) -> None:
    """Comes again."""


def _origin(row: RestingRow, now_ns: int) -> Origin:
    """Each step of each order has its own identity, so that it is written once."""
    order = row.order
    assert order.subscription_id is not None  # noqa: S101  # only copies are listed
    identity = f"chase:{order.tag}:{row.steps + 1}"
    return Origin(
        cause=Cause(CauseKind.EVENT, identity),
        decision_id=decision_id_of(identity, order.subscription_id),
        subscription_id=order.subscription_id,
        follower=order.account_id,
        key=order.spec.key,
        leader_price=order.leader_price,
        leader_time_ns=order.leader_time_ns,
        seen_ns=order.seen_ns,
        planned_ns=now_ns,
        traceparent=order.traceparent,
    )
