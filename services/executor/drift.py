"""Ledgers against position books, account by account all day: differences are shown, and healed where asked.

A second reading is made only where the first shows a difference, or one stands: two that agree prove it.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Protocol

import structlog

from paceline.domain.copy_order import CopyOrder
from paceline.domain.day_end import BookRead, net_of
from paceline.domain.drift import (
    Difference,
    DriftKind,
    Healing,
    Look,
    LookOutcome,
    Standing,
    cause_of,
    converted,
    doubtful,
    evidence_of,
    judge,
    lowered,
    sold,
    under,
)
from paceline.domain.errors import BrokerAuthFailed, BrokerError, BrokerRateLimited, NotOwner, Unavailable
from paceline.domain.ids import AccountId, InstrumentId
from paceline.domain.instrument import Instrument, InstrumentKey
from paceline.domain.partitioning import partition_of
from paceline.domain.subscription import DriftPolicy
from paceline.ports.broker import Broker, Call
from paceline.ports.buckets import Take
from paceline.ports.clock import Clock
from paceline.ports.drift_looks import AskedLook, DriftLooks
from paceline.ports.drifts import Drifts, Finding
from paceline.ports.prices import Price, Prices
from paceline.runtime.log import RepeatGate
from paceline.runtime.meter import Meter, Ticket
from paceline.runtime.metric_names import DRIFT_LOOKS, DRIFTS, DRIFTS_HEALED
from paceline.runtime.metrics import Metrics
from paceline.runtime.partitions import Partitions
from services.executor.logins import Logins
from services.executor.lots import Lots

_log = structlog.get_logger(__name__)

_LOOK_S = 1.0
_AT_ONCE = 4
_LISTED_TIMES = 10
"""In one interval: the list is a look at all ledgers."""
_JITTER = 0.2
"""Rounds come earlier by up to this share of the interval."""
_PRICE_FRESH_NS = 5_000_000_000
_NS_PER_MS = 1_000_000


class ReadPositions(Protocol):
    async def __call__(self, account_id: AccountId) -> BookRead:
        """Raises a `BrokerError`, or `Unavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class PositionBooks:
    """Read from the share of the windows that entries have, never waiting: whatever trades goes first."""

    broker: Broker
    logins: Logins
    meter: Meter
    clock: Clock

    async def __call__(self, account_id: AccountId) -> BookRead:
        credentials = self.logins.of(account_id)
        limits = self.broker.limits
        cost = limits.cost[Call.READ]
        (taken,) = await self.meter.take([Take(account_id, limits.windows, Call.READ, True, cost)])
        if not isinstance(taken, Ticket):
            raise Unavailable(f"the limits of {account_id} are needed for something else")
        asked_ns = self.clock.now_ns()
        try:
            book = await self.broker.positions(credentials)
        except BrokerAuthFailed as refusal:
            self.logins.refused(credentials, str(refusal))
            raise
        except BrokerRateLimited as problem:
            until_ns = self.clock.now_ns() + problem.retry_after_ms * _NS_PER_MS
            await self.meter.penalize(account_id, until_ns)
            raise
        finally:
            self.meter.land(taken)
        net = net_of((report.key, report.quantity) for report in book.reports)
        return BookRead(asked_ns, not book.malformed, net)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often an account is looked at, how far two readings are apart that prove anything, and how long
    nothing must have moved before the first.
    """

    every_ms: int
    settle_ms: int
    quiet_ms: int


class DriftWatch:
    """Accounts of held partitions, spread over the interval."""

    def __init__(
        self,
        drifts: Drifts,
        looks: DriftLooks,
        read: ReadPositions,
        lots: Lots,
        prices: Prices,
        partitions: Partitions,
        take_in: Callable[[Iterable[CopyOrder]], object],
        clock: Clock,
        random: Random,
        metrics: Metrics,
        pace: Pace,
    ) -> None:
        self._drifts = drifts
        self._asked = looks
        self._read = read
        self._lots = lots
        self._prices = prices
        self._partitions = partitions
        self._take_in = take_in
        self._clock = clock
        self._random = random
        self._standing = metrics.gauge(DRIFTS)
        self._looks = metrics.counter(DRIFT_LOOKS)
        self._healed = metrics.counter(DRIFTS_HEALED)
        self._pace = pace
        self._due_ns: dict[AccountId, int] = {}
        self._list_ns = 0
        self._gate = RepeatGate(clock)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(_LOOK_S)
            try:
                await self.round()
            except Unavailable as problem:
                if self._gate.held_back("round") is not None:
                    _log.warning("drift.unreachable", problem=str(problem))

    async def round(self) -> None:
        """Everyone who was asked for, then everyone who is due."""
        every_ns = self._pace.every_ms * _NS_PER_MS
        await self._look_as_asked()
        await self._list(every_ns)
        now_ns = self._clock.monotonic_ns()
        due = [each for each, at_ns in self._due_ns.items() if at_ns <= now_ns and self._is_ours(each)]
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(account_id: AccountId) -> None:
            async with places:
                outcome = await self.look(account_id)
            self._looks.labels(outcome).inc()
            wait_ns = round(every_ns * (1 - _JITTER * self._random.random()))
            self._due_ns[account_id] = self._clock.monotonic_ns() + wait_ns

        await asyncio.gather(*(one(each) for each in due))

    async def _look_as_asked(self) -> None:
        held = self._partitions.held()
        for asked in await self._asked.asked(held) if held else ():
            if self._is_ours(asked.account_id):
                await self._answer(asked)

    async def _answer(self, asked: AskedLook) -> None:
        """Who holds the account by then answers, where it has moved."""
        outcome = await self.look(asked.account_id, asked.policy)
        self._looks.labels(outcome).inc()
        if outcome is LookOutcome.MOVED:
            return
        partition = partition_of(asked.account_id)
        with suppress(NotOwner):
            epoch = self._partitions.lease(partition).epoch
            await self._asked.answer(partition, epoch, asked.request_id, outcome)

    async def _list(self, every_ns: int) -> None:
        """Who is to be looked at, asked for a few times in an interval."""
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._list_ns:
            return
        held = self._partitions.held()
        accounts = await self._drifts.accounts(held) if held else ()
        self._due_ns = {
            each: self._due_ns.get(each, now_ns + round(every_ns * self._random.random()))
            for each in accounts
        }
        self._standing.set(await self._drifts.standing(held) if held else 0)
        self._list_ns = now_ns + every_ns // _LISTED_TIMES

    def _is_ours(self, account_id: AccountId) -> bool:
        return self._partitions.usable(partition_of(account_id))

    async def look(self, account_id: AccountId, policy: DriftPolicy | None = None) -> LookOutcome:
        """Without two whole readings nothing is said. `policy` goes before what subscriptions say."""
        try:
            return await self._compare(account_id, policy)
        except NotOwner:
            return LookOutcome.MOVED
        except (BrokerError, Unavailable) as problem:
            if self._gate.held_back(account_id) is not None:
                _log.info("drift.unread", account=account_id, problem=str(problem))
            return LookOutcome.UNREAD

    async def _compare(self, account_id: AccountId, policy: DriftPolicy | None) -> LookOutcome:
        first = await self._look_once(account_id)
        if first is None:
            return LookOutcome.PUT_OFF
        instruments = await self._instruments(first.standings)
        lots = {
            key: instruments[key.instrument_id].lot
            for key in first.standings
            if key.instrument_id in instruments
        }
        stands = await self._drifts.page(account_id=account_id, limit=1)
        if not first.book.whole:
            return LookOutcome.UNREAD
        if not (stands or doubtful(first, lots)):
            return LookOutcome.AGREED
        await self._clock.sleep(self._pace.settle_ms / 1_000)
        second = await self._look_once(account_id)
        if second is None:
            return LookOutcome.PUT_OFF
        judged = judge(first, second, lots, self._pace.settle_ms * _NS_PER_MS)
        if not judged:
            return LookOutcome.PUT_OFF
        await self._write(account_id, first, second, judged, instruments, policy)
        return LookOutcome.DIFFERED if any(judged.values()) else LookOutcome.AGREED

    async def _look_once(self, account_id: AccountId) -> Look | None:
        """None while every key is in motion: its orders need the limits more."""
        partition = partition_of(account_id)
        standings = await self._drifts.standings(partition, account_id, self._pace.quiet_ms)
        if all(each.moves for each in standings.values()):
            return None
        return Look(await self._read(account_id), standings)

    async def _instruments(self, keys: Iterable[InstrumentKey]) -> Mapping[InstrumentId, Instrument]:
        return await self._lots.of(key.instrument_id for key in keys)

    async def _write(
        self,
        account_id: AccountId,
        first: Look,
        second: Look,
        judged: Mapping[InstrumentKey, Difference | None],
        instruments: Mapping[InstrumentId, Instrument],
        policy: DriftPolicy | None,
    ) -> None:
        partition = partition_of(account_id)
        epoch = self._partitions.lease(partition).epoch
        findings: list[Finding] = []
        for key, found in judged.items():
            standing = second.standings[key]
            if found is None:
                findings.append(Finding(key, standing, None))
                continue
            evidence = evidence_of(first.book, second.book, found)
            instrument = instruments[key.instrument_id]
            healing = await self._healing(
                account_id, key, under(standing, policy), found, second.book, instrument, evidence
            )
            findings.append(Finding(key, standing, found, evidence, second.book.taken_ns, healing))
        new = await self._drifts.write(partition, epoch, account_id, findings, self._pace.quiet_ms)
        self._tell(account_id, findings)
        if new:
            self._take_in(new)

    async def _healing(
        self,
        account_id: AccountId,
        key: InstrumentKey,
        standing: Standing,
        found: Difference,
        book: BookRead,
        instrument: Instrument,
        evidence: str,
    ) -> Healing:
        cause = cause_of(account_id, key, book)
        if found.kind is DriftKind.MISSING and not converted(key, found, book.net):
            return lowered(key, standing, found, instrument.lot, cause, evidence)
        price = await self._fresh(key.instrument_id) if found.kind is DriftKind.SURPLUS else None
        if price is None:
            return Healing()
        shares = [(each.subscription_id, key) for each in standing.shares]
        newest = await self._drifts.newest(account_id, shares)
        orders = {name: order for (name, _), order in newest.items()}
        return sold(standing, found, instrument, orders, cause, price.last, self._clock.now_ns())

    async def _fresh(self, instrument_id: InstrumentId) -> Price | None:
        """Without one nothing is sold: the market is closed, or nobody knows at what price."""
        price = (await self._prices.get([instrument_id])).get(instrument_id)
        if price is None or price.stale or self._clock.now_ns() - price.received_ns > _PRICE_FRESH_NS:
            return None
        return price

    def _tell(self, account_id: AccountId, findings: Sequence[Finding]) -> None:
        for each in findings:
            if each.difference is None:
                continue
            if each.healing != Healing():
                self._healed.labels(each.difference.kind.value).inc()
            if self._gate.held_back((account_id, each.key)) is not None:
                _log.warning(
                    "drift.found",
                    account=account_id,
                    instrument=each.key.instrument_id,
                    kind=each.difference.kind.value,
                    evidence=each.evidence,
                    heals=each.healing != Healing(),
                )
