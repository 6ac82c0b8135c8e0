"""Dry runs beside the hot path: the journal by pages, planned in slices that let everything else go on."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from paceline.domain.account import Account, AccountType
from paceline.domain.calendar import Calendar
from paceline.domain.copying.mapping import followers_key
from paceline.domain.copying.preview import (
    Assumed,
    Costs,
    Preview,
    Step,
    Summary,
    assumptions,
    equities_missing,
    require_previewable,
    without_bands,
)
from paceline.domain.copying.view import NO_LOT_RULE, Equity, LeaderState
from paceline.domain.errors import FailedPrecondition, Forgotten, Invalid
from paceline.domain.event import Event
from paceline.domain.ids import AccountId, InstrumentId, Offset
from paceline.domain.instrument import Instrument
from paceline.domain.subscription import Subscription
from paceline.ports.accounts import Accounts
from paceline.ports.clock import Clock
from paceline.ports.history import History, Nanoseconds
from paceline.ports.instruments import Instruments
from paceline.ports.portfolios import Portfolios
from services.replicator.holdings import LotRules

_PAGE_EVENTS = 100
_SLICE_NS = 2_000_000
"""So long at most between two looks at what else waits for the loop; one event more may come on top."""
_DAY_NS = 86_400_000_000_000


class Limits(NamedTuple):
    days_max: int
    events_max: int
    at_once: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller asks to try."""

    subscription: Subscription
    follower_named: bool
    """Else the follower is anyone: his account is not looked up."""
    start_ns: int
    end_ns: int | None = None
    leader_equity: Equity | None = None
    follower_equity: Equity | None = None
    costs: Costs = field(default_factory=Costs)


@dataclass(frozen=True, slots=True)
class Told:
    """All of it, and what it takes for granted."""

    summary: Summary
    assumptions: tuple[str, ...]


class Previews:
    def __init__(
        self,
        history: History,
        instruments: Instruments,
        accounts: Accounts,
        lot_rules: LotRules,
        portfolios: Portfolios,
        calendar: Calendar,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._history = history
        self._instruments = instruments
        self._accounts = accounts
        self._lot_rules = lot_rules
        self._portfolios = portfolios
        self._calendar = calendar
        self._clock = clock
        self._limits = limits
        self._room = asyncio.Semaphore(limits.at_once)

    async def run(self, wanted: Wanted) -> AsyncIterator[Step | Told]:
        """Each decision in the order of the journal, the summary last; nothing is written. Raises before the
        first piece whatever can be known by then.
        """
        require_previewable(wanted.subscription)
        journaled = self._range(wanted)
        preview = await self._opened(wanted, journaled)
        known: dict[InstrumentId, Instrument] = {}
        after = Offset(0)
        while True:
            async with self._room:
                events = await self._page(wanted, journaled, after)
                steps = await self._steps(preview, events, known)
            for step in steps:
                yield step
            if len(events) < _PAGE_EVENTS:
                break
            after = events[-1].offset
        yield Told(preview.summary, assumptions(wanted.subscription, preview.assumed))

    def _range(self, wanted: Wanted) -> Nanoseconds:
        """What is journaled while it runs is not in it."""
        now_ns = self._clock.now_ns()
        end_ns = now_ns if wanted.end_ns is None else min(wanted.end_ns, now_ns)
        if wanted.start_ns >= end_ns:
            raise Invalid("range.start_time", "must be before the end of the range, and not in the future")
        if end_ns - wanted.start_ns > self._limits.days_max * _DAY_NS:
            raise Invalid("range", f"must not be longer than {self._limits.days_max} days")
        return Nanoseconds(wanted.start_ns, end_ns)

    async def _opened(self, wanted: Wanted, journaled: Nanoseconds) -> Preview:
        subscription = wanted.subscription
        named = [subscription.leader, *([subscription.follower] if wanted.follower_named else [])]
        accounts = await self._accounts.get_many(named)
        for field_, name in zip(("leader_id", "follower_id"), named, strict=False):
            if name not in accounts:
                raise Invalid(f"subscription.{field_}", "names no account")
        leader = await self._leader(subscription.leader, journaled)
        assumed = await self._assumed(wanted, accounts.get(subscription.follower), accounts)
        return Preview(subscription, leader, assumed, self._calendar)

    async def _leader(self, leader: AccountId, journaled: Nanoseconds) -> LeaderState:
        most = self._limits.events_max
        if await self._history.count(leader, journaled, most + 1) > most:
            raise Invalid("range", f"holds more than {most:,} events of the leader: ask for a shorter one")
        assert journaled.start is not None  # noqa: S101  # a range has one
        opening = await self._history.opening(leader, journaled.start)
        if opening.kept_since_ns is not None and journaled.start < opening.kept_since_ns:
            raise Forgotten("the journal is no longer kept as far back as the range begins: begin later")
        if not opening.folded:
            raise FailedPrecondition("the replicator has not read the journal up to the range yet: try again")
        return LeaderState(leader, opening.positions)

    async def _assumed(
        self, wanted: Wanted, follower: Account | None, accounts: Mapping[AccountId, Account]
    ) -> Assumed:
        subscription = wanted.subscription
        rules = await self._lot_rules.rules_of([subscription.follower] if follower else [])
        missing = equities_missing(subscription, wanted.leader_equity, wanted.follower_equity)
        found = await self._equities(accounts[each] for each in missing if each in accounts)
        return Assumed(
            wanted.leader_equity or found.get(subscription.leader),
            wanted.follower_equity or found.get(subscription.follower),
            equities_given=not missing,
            segments=follower.segments if follower else None,
            lot_rule=rules.get(subscription.follower, NO_LOT_RULE),
            costs=wanted.costs,
        )

    async def _equities(self, accounts: Iterable[Account]) -> Mapping[AccountId, Equity]:
        """However old: a dry run is not about the freshness of today's figures."""
        types: dict[AccountId, AccountType] = {each.account_id: each.type for each in accounts}
        portfolios = await self._portfolios.get(types) if types else {}
        return {name: Equity(each.equity, 0) for name, each in portfolios.items()}

    async def _page(self, wanted: Wanted, journaled: Nanoseconds, after: Offset) -> Sequence[Event]:
        return await self._history.stretch(wanted.subscription.leader, journaled, after, _PAGE_EVENTS)

    async def _steps(
        self, preview: Preview, events: Sequence[Event], known: dict[InstrumentId, Instrument]
    ) -> list[Step]:
        await self._know(preview.subscription, events, known)
        steps: list[Step] = []
        began = self._clock.monotonic_ns()
        for event in events:
            step = preview.take(event, known)
            if step is not None:
                steps.append(step)
            if self._clock.monotonic_ns() - began > _SLICE_NS:
                await self._clock.sleep(0)
                began = self._clock.monotonic_ns()
        return steps

    async def _know(
        self, subscription: Subscription, events: Sequence[Event], known: dict[InstrumentId, Instrument]
    ) -> None:
        keys = {event.fact.body.key for event in events}
        mapped = {key for key in (followers_key(subscription, each) for each in keys) if key}
        unknown = {key.instrument_id for key in keys | mapped} - known.keys()
        if unknown:
            found = await self._instruments.get_many(unknown)
            known.update({name: without_bands(each) for name, each in found.items()})
