"""Dry runs let everything else go on: by pages, a few milliseconds at a time, no further than asked."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from paceline.domain.calendar import always_open
from paceline.domain.copying.preview import Step
from paceline.domain.copying.view import Equity
from paceline.domain.errors import Forgotten, Invalid
from paceline.domain.event import Event
from paceline.domain.ids import AccountId, Offset
from paceline.domain.subscription import SizingMode
from paceline.ports.history import Nanoseconds, Opening
from services.replicator.holdings import LotRules
from services.replicator.preview import Limits, Previews, Told, Wanted
from tests.unit.domain.given import LEADER, NOW, S, d, event, fill, subscription
from tests.unit.replicator.given import FakeGroups, FakeMarket, FakePeople, PortfolioShelf

_MS = 1_000_000


@dataclass
class SlowClock:
    """Every look costs a millisecond; who yields is counted."""

    at_ns: int = NOW + 60 * S
    looks: int = 0
    yields: list[int] = field(default_factory=list)

    def now_ns(self) -> int:
        return self.at_ns

    def monotonic_ns(self) -> int:
        self.looks += 1
        return self.looks * _MS

    def boottime_ns(self) -> int:
        return self.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        assert seconds == 0
        self.yields.append(self.looks)
        await asyncio.sleep(0)


@dataclass
class Shelf:
    """A journal in memory."""

    events: Sequence[Event]
    kept_since_ns: int | None = None
    pages: int = 0

    async def stretch(
        self, account_id: AccountId, journaled: Nanoseconds, after: Offset, limit: int
    ) -> Sequence[Event]:
        assert account_id == LEADER
        self.pages += 1
        return [each for each in self.events if each.offset > after][:limit]

    async def count(self, account_id: AccountId, journaled: Nanoseconds, most: int) -> int:
        return min(len(self.events), most)

    async def opening(self, account_id: AccountId, at_ns: int) -> Opening:
        return Opening({}, folded=True, kept_since_ns=self.kept_since_ns)


def a_day(count: int) -> list[Event]:
    return [
        event(fill(1 if number % 2 else -1, trade=f"t{number}", order=f"o{number}"), offset=number)
        for number in range(1, count + 1)
    ]


def previews(shelf: Shelf, clock: SlowClock, limits: Limits = Limits(31, 1_000, 1)) -> Previews:  # noqa: B008
    market = FakeMarket()
    return Previews(
        cast(Any, shelf),
        cast(Any, market),
        cast(Any, FakePeople()),
        LotRules(cast(Any, FakeGroups()), clock),
        cast(Any, PortfolioShelf(market)),
        always_open(),
        clock,
        limits,
    )


def wanted(**changes: Any) -> Wanted:
    return replace(Wanted(subscription(), follower_named=False, start_ns=NOW - S), **changes)


async def all_of(run: AsyncIterator[Step | Told]) -> tuple[list[Step], Told]:
    *steps, last = [each async for each in run]
    assert isinstance(last, Told)
    return cast(list[Step], steps), last


async def test_the_loop_gets_its_turn_every_few_milliseconds() -> None:
    clock = SlowClock()
    steps, told = await all_of(previews(Shelf(a_day(250)), clock).run(wanted()))
    assert (len(steps), told.summary.events) == (250, 250)
    gaps = [after - before for before, after in zip(clock.yields, clock.yields[1:], strict=False)]
    assert len(gaps) > 30
    assert max(gaps) < 20


async def test_who_reads_no_further_has_nothing_more_read_for_him() -> None:
    shelf = Shelf(a_day(900))
    run = previews(shelf, SlowClock()).run(wanted())
    await anext(run)
    assert shelf.pages == 1
    await cast(Any, run).aclose()
    assert shelf.pages == 1


async def test_a_slow_reader_leaves_room_for_others() -> None:
    shelf = Shelf(a_day(900))
    both = previews(shelf, SlowClock())
    slow = both.run(wanted())
    await anext(slow)
    _, told = await asyncio.wait_for(all_of(both.run(wanted())), 20)
    assert told.summary.events == 900
    await cast(Any, slow).aclose()


async def test_a_range_that_is_too_long_or_too_full_or_gone_is_refused_before_the_first_piece() -> None:
    full = previews(Shelf(a_day(1_001)), SlowClock())
    with pytest.raises(Invalid, match="holds more than 1,000 events"):
        await anext(full.run(wanted()))
    early = NOW - 32 * 86_400 * S
    with pytest.raises(Invalid, match="must not be longer than 31 days"):
        await anext(full.run(wanted(start_ns=early)))
    gone = previews(Shelf(a_day(1), kept_since_ns=NOW), SlowClock())
    with pytest.raises(Forgotten, match="no longer kept"):
        await anext(gone.run(wanted()))


async def test_equities_that_are_given_are_used_and_said() -> None:
    by_equity = wanted(
        subscription=subscription(mode=SizingMode.EQUITY_RATIO),
        leader_equity=Equity(d(1_000), 0),
        follower_equity=Equity(d(3_000), 0),
    )
    (first, *_), told = await all_of(previews(Shelf(a_day(2)), SlowClock()).run(by_equity))
    assert first.decision.quantity == 3
    assert any("as given" in each and "leader 1000 and follower 3000" in each for each in told.assumptions)
    unknown, told = await all_of(
        previews(Shelf(a_day(2)), SlowClock()).run(replace(by_equity, follower_equity=None))
    )
    assert unknown[0].decision.reason is not None
    assert any("as they are known now" in each and "follower unknown" in each for each in told.assumptions)
