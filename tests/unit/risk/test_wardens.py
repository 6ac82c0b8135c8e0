"""Guards as risk keeps them: tripped once by prices and positions alone, whoever looks and whatever dies."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline.domain.calendar import always_open, trading_day
from paceline.domain.errors import Unavailable
from paceline.domain.guards import (
    AccountGuards,
    Copied,
    Figures,
    GuardKind,
    Marks,
    RearmPolicy,
    account_trips,
    copies_seen,
    copy_trips,
    rearmed,
    seen,
)
from paceline.domain.ids import AccountId, Epoch, Partition, SubscriptionId
from paceline.domain.instrument import Exchange
from paceline.domain.liquidation import LiquidationLevel
from paceline.domain.subscription import SubscriptionGuards
from paceline.ports.guards import Guarded, GuardTrip, Lines, Rearming, Subject, Tripping
from paceline.runtime.metric_names import GUARD_TRIPS, LIQUIDATIONS
from paceline.runtime.metrics import Metrics
from services.risk.copy_guards import CopyWarden
from services.risk.guards import Warden
from services.risk.passes import Passes
from services.risk.scale import price_units
from services.risk.tripping import Register, TradingHours
from tests.fakes.clock import FakeClock
from tests.unit.domain.given import d
from tests.unit.risk.given import NIFTY, NOW, SBIN, account, board, fill, funds

ME = AccountId("fyers:F1")
NAME = SubscriptionId("sub-1")
HOME = Partition(3)
LOSS = AccountGuards(max_daily_loss=d(1_000), currency="INR", level=LiquidationLevel.FLATTEN)
STOP = SubscriptionGuards(stop_loss=d(500), trailing=True, currency="INR")


@dataclass
class Rows:
    """As the database keeps them."""

    of: dict[Subject, Guarded] = field(default_factory=dict)
    trips: list[Tripping] = field(default_factory=list)
    lines: list[Lines] = field(default_factory=list)
    away: bool = False

    async def of_accounts(self, accounts: Iterable[AccountId]) -> Sequence[Guarded]:
        self._here()
        found = (self.of.get(Subject(each)) for each in accounts)
        return [each for each in found if each is not None]

    async def of_subscriptions(self, partitions: Iterable[Partition]) -> Sequence[Guarded]:
        self._here()
        return [each for each in self.of.values() if each.subject.subscription_id is not None]

    async def copies(self, followers: Iterable[AccountId]) -> Sequence[Lines]:
        return self.lines

    async def keep(self, epochs: Mapping[Partition, Epoch], guarded: Sequence[Guarded]) -> None:
        self._here()
        for each in guarded:
            before = self.of[each.subject].marks
            if before is None or (each.marks is not None and each.marks.arming >= before.arming):
                self.of[each.subject] = replace(self.of[each.subject], marks=each.marks)

    async def trip(self, epochs: Mapping[Partition, Epoch], trips: Sequence[Tripping]) -> frozenset[str]:
        self._here()
        known = {each.guard_trip_id for each in self.trips}
        new = [each for each in trips if each.guard_trip_id not in known and each.partition in epochs]
        for each in new:
            standing = {**self.of[each.subject].tripped, each.kind: each.marks.day}
            self.of[each.subject] = replace(self.of[each.subject], marks=each.marks, tripped=standing)
        self.trips += new
        return frozenset(each.guard_trip_id for each in new)

    async def rearm_due(self, epochs: Mapping[Partition, Epoch], due: Sequence[Rearming]) -> None:
        for each in due:
            self.arm(each.subject, each.kind, by_person=False)

    async def rearm(self, guard_trip_id: str, actor: str, reason: str, request_id: str) -> GuardTrip:
        raise NotImplementedError

    async def page(
        self, account_id: AccountId | None, kind: GuardKind | None, *, rearmed: bool, after: str, limit: int
    ) -> Sequence[GuardTrip]:
        raise NotImplementedError

    def arm(self, subject: Subject, kind: GuardKind, *, by_person: bool) -> None:
        row = self.of[subject]
        assert row.marks is not None
        standing = {each: day for each, day in row.tripped.items() if each is not kind}
        marks = rearmed(row.marks, kind, by_person=by_person)
        self.of[subject] = replace(row, marks=marks, tripped=standing)

    def kinds(self) -> list[GuardKind]:
        return [each.kind for each in self.trips]

    def _here(self) -> None:
        if self.away:
            raise Unavailable("the database is away")


class Stage:
    """One account: 100,000 of cash, 100 SBIN bought at 800."""

    def __init__(
        self,
        guards: AccountGuards | SubscriptionGuards,
        rearm: RearmPolicy = RearmPolicy.BY_PERSON,
        rows: Rows | None = None,
    ) -> None:
        self.clock, self.metrics, self.rows = FakeClock(start_ns=NOW), Metrics(), rows or Rows()
        self.board = board("F1")
        self.board.fold(fill(ME, 100, "800"))
        self.subject = Subject(ME, NAME if isinstance(guards, SubscriptionGuards) else None)
        if rows is None:
            self.rows.of[self.subject] = Guarded(self.subject, HOME, guards, rearm)
            self.rows.lines.append(Lines(NAME, SBIN, Copied('["NSE:SBIN-EQ", "INTRADAY"]', d(10), d(8_000))))
        self.woken = 0
        self.hurried: list[AccountId] = []
        passes = Passes(self.board, self.clock, self.metrics, 200)
        hours = TradingHours(always_open(), self.clock)
        register = Register(self.rows, lambda _partition: Epoch(1), self.metrics, self._wake)
        self.warden = Warden(
            self.board, passes, self.rows, register, hours, self.clock, hurry=self.hurried.append
        )
        self.copies = CopyWarden(
            self.board, passes, self.rows, register, hours, self.clock, 60_000, lambda: [HOME]
        )
        self.funds()
        self.funds()
        self.warden.hear(ME)

    def _wake(self) -> None:
        self.woken += 1

    def funds(self, realised: int = 0) -> None:
        now_ns = self.clock.now_ns()
        self.board.set_funds(funds(ME, 100_000, 16_000, realised), now_ns, now_ns)

    async def at(self, price: str | int, *, seconds: float = 1.0) -> list[GuardKind]:
        """What has tripped once this price was looked at, a moment later."""
        self.clock.advance(seconds)
        if seconds > 60:
            self.funds()
        units = price_units(int(Decimal(price) * 100), 2)
        self.board.set_price(SBIN.instrument_id, units, self.clock.now_ns())
        return await self.look()

    async def look(self) -> list[GuardKind]:
        self.board.assess(self.clock.now_ns())
        await self.warden.look()
        await self.copies.look()
        return self.rows.kinds()


async def test_a_daily_loss_trips_once_and_wakes_whoever_asks_executors() -> None:
    stage = Stage(LOSS)
    assert await stage.at(800) == []
    assert await stage.at("790.01") == []
    assert await stage.at(790) == [GuardKind.DAILY_LOSS]
    assert await stage.at(700) == [GuardKind.DAILY_LOSS]
    (trip,) = stage.rows.trips
    assert (trip.threshold, trip.observed, trip.guard_trip_id) == (d(1_000), d(1_000), f"DAILY_LOSS:{ME}:0")
    assert trip.request is not None
    assert trip.request.evidence["prices"] == {"NSE:SBIN-EQ": "790.0000"}
    assert (stage.woken, trip.alert.facts["observed"]) == (1, "1000")
    assert stage.metrics.value(GUARD_TRIPS, kind="daily_loss") == 1
    assert stage.metrics.value(LIQUIDATIONS, cause="guard") == 1


async def test_whoever_takes_over_knows_the_marks_and_trips_no_second_time() -> None:
    first = Stage(replace(LOSS, max_drawdown_percent=d(2)))
    await first.at(800)
    await first.at(830)
    for _ in range(3):
        await first.at(825)
    second = Stage(LOSS, rows=first.rows)
    assert await second.at(812) == []
    assert await second.at(808) == [GuardKind.DRAWDOWN]
    third = Stage(LOSS, rows=first.rows)
    assert await third.at(800) == [GuardKind.DRAWDOWN]
    assert await third.at("789.9") == [GuardKind.DRAWDOWN, GuardKind.DAILY_LOSS]


async def test_old_prices_one_reading_and_a_database_that_is_away_trip_nothing() -> None:
    stage = Stage(LOSS)
    await stage.at(800)
    stage.funds(realised=-5_000)
    assert await stage.look() == []
    assert stage.hurried == [ME]
    stage.funds()
    stage.funds()
    stage.clock.advance(61)
    stage.funds()
    assert await stage.look() == []
    stage.rows.away = True
    try:
        await stage.at(700)
    except Unavailable:
        stage.rows.away = False
    assert await stage.look() == [GuardKind.DAILY_LOSS]


async def test_a_lie_about_profit_raises_no_peak_while_the_truth_waits_for_its_pass() -> None:
    stage = Stage(LOSS)
    await stage.at(800)
    stage.clock.advance(1)
    stage.funds(realised=50_000)
    assert await stage.look() == []
    stage.clock.advance(1)
    stage.funds()
    await stage.warden.look()
    assert await stage.look() == []
    assert await stage.at(799) == []


async def test_caps_trip_beyond_what_is_allowed() -> None:
    caps = AccountGuards(
        max_exposure=d(81_000), max_open_positions=1, currency="INR", level=LiquidationLevel.STOP_ENTRIES
    )
    stage = Stage(caps)
    assert await stage.at(810) == []
    assert await stage.at("810.01") == [GuardKind.EXPOSURE]
    other = replace(SBIN, product=SBIN.product.__class__.CNC)
    stage.board.fold(fill(ME, 1, "800", other))
    assert await stage.look() == [GuardKind.EXPOSURE, GuardKind.OPEN_POSITIONS]
    assert [each.request for each in stage.rows.trips] == [None, None]
    assert stage.woken == 0


async def test_a_price_that_is_missing_hides_a_result_but_nothing_that_is_too_much_without_it() -> None:
    stage = Stage(replace(LOSS, max_exposure=d(81_000), max_open_positions=1))
    assert await stage.at(800) == []
    stage.board.fold(fill(ME, 10, "24000", NIFTY))
    many, much = GuardKind.OPEN_POSITIONS, GuardKind.EXPOSURE
    assert await stage.at(810) == [many]
    assert await stage.at("810.01") == [many, much]
    assert stage.rows.trips[-1].observed == d("81_001")
    assert await stage.at(700) == [many, much]
    stage.board.set_price(NIFTY.instrument_id, price_units(24_000, 0), stage.clock.now_ns())
    assert await stage.look() == [many, much, GuardKind.DAILY_LOSS]


async def test_what_its_broker_contradicts_is_not_counted_as_held() -> None:
    stage = Stage(AccountGuards(max_open_positions=1, level=LiquidationLevel.FLATTEN))
    assert await stage.at(800) == []
    stage.board.fold(fill(ME, 10, "24000", NIFTY))
    stage.clock.advance(1)
    stage.board.doubt(stage.board.seats[ME], stage.clock.now_ns())
    assert await stage.at(800) == []
    stage.funds()
    assert await stage.look() == [GuardKind.OPEN_POSITIONS]


@pytest.mark.parametrize("guards", [LOSS, STOP])
async def test_amounts_in_another_currency_say_nothing(guards: AccountGuards | SubscriptionGuards) -> None:
    stage = Stage(replace(guards, currency="USDT"))
    await stage.at(800)
    assert await stage.at(700) == []


async def test_a_person_or_the_next_day_arms_again() -> None:
    stage = Stage(LOSS)
    await stage.at(800)
    await stage.at(785)
    stage.rows.arm(stage.subject, GuardKind.DAILY_LOSS, by_person=True)
    stage.warden.hear(ME)
    assert len(await stage.at(785)) == 1
    assert len(await stage.at("775.01")) == 1
    assert len(await stage.at(775)) == 2
    again = replace(LOSS, rearm=RearmPolicy.NEXT_TRADING_DAY)
    daily = Stage(again, RearmPolicy.NEXT_TRADING_DAY)
    await daily.at(800)
    await daily.at(785)
    await daily.at(785, seconds=86_400)
    await daily.at(785)
    row = daily.rows.of[daily.subject]
    assert (row.tripped, row.marks and row.marks.arming) == ({}, 1)
    assert row.marks is not None
    assert row.marks.day == trading_day(Exchange.NSE, NOW) + timedelta(days=1)
    assert len(await daily.at("775.01")) == 1
    assert len(await daily.at(775)) == 2


async def test_a_stop_that_trails_flattens_the_copies_of_its_subscription_alone() -> None:
    stage = Stage(STOP)
    assert await stage.at(800) == []
    assert await stage.at(880) == []
    assert await stage.at("830.01") == []
    assert await stage.at(830) == [GuardKind.STOP_LOSS]
    assert await stage.at(700) == [GuardKind.STOP_LOSS]
    (trip,) = stage.rows.trips
    assert (trip.observed, trip.marks.peak) == (d(500), d(800))
    assert trip.request is not None
    assert (trip.request.subscription_id, trip.request.account_id) == (NAME, ME)
    assert trip.alert.facts["guard"] == "The stop-loss of subscription sub-1"
    again = Stage(STOP, rows=stage.rows)
    assert await again.at(600) == [GuardKind.STOP_LOSS]
    stage.rows.arm(stage.subject, GuardKind.STOP_LOSS, by_person=True)
    assert len(await stage.at(650)) == 1
    assert len(await stage.at(650)) == 1
    assert len(await stage.at(600)) == 2


async def test_copies_without_a_fresh_price_are_not_judged() -> None:
    stage = Stage(STOP)
    await stage.at(800)
    stage.board.distrust(SBIN.instrument_id)
    stage.rows.lines = [
        replace(stage.rows.lines[0], copied=replace(stage.rows.lines[0].copied, value=d(9_000)))
    ]
    stage.clock.advance(20)
    assert await stage.look() == []
    assert await stage.at(800) == [GuardKind.STOP_LOSS]


paths = st.lists(st.integers(700, 900), min_size=1, max_size=12)


@settings(max_examples=60)
@given(paths, st.booleans())
async def test_a_sieve_lets_nobody_through_whom_the_rules_would_trip(path: list[int], trailing: bool) -> None:
    guards = replace(LOSS, max_drawdown_percent=d(3))
    copies = replace(STOP, trailing=trailing, take_profit=d(600))
    stage, other = Stage(guards), Stage(copies)
    tripped: set[GuardKind] = set()
    subscription: set[GuardKind] = set()
    marks: Marks | None = None
    of_copies: Marks | None = None
    for price in path:
        profit = d((price - 800) * 100)
        day = trading_day(Exchange.NSE, stage.clock.now_ns())
        figures = Figures(day, d(0), d(0), profit, d(100_000) + profit)
        marks = seen(marks, figures)
        tripped |= {trip.kind for trip in account_trips(guards, marks, figures, tripped)}
        assert set(await stage.at(price)) == tripped
        result = d((price - 800) * 10)
        of_copies = copies_seen(of_copies, day, result)
        subscription |= {trip.kind for trip in copy_trips(copies, of_copies, result, subscription)}
        assert set(await other.at(price)) == subscription


async def test_what_another_replica_saw_meanwhile_counts() -> None:
    stage = Stage(replace(LOSS, max_drawdown_percent=d(3), max_daily_loss=None))
    await stage.at(800)
    stage.board.remove(ME)
    row = stage.rows.of[stage.subject]
    assert row.marks is not None
    stage.rows.of[stage.subject] = replace(row, marks=replace(row.marks, peak=d(5_000)))
    stage.board.admit(account("F1"))
    stage.board.fold(fill(ME, 100, "800"))
    stage.funds()
    stage.funds()
    stage.warden.hear(ME)
    assert await stage.at("819") == []
    assert await stage.at("818") == [GuardKind.DRAWDOWN]


async def test_what_passes_saw_is_not_lost_when_something_is_heard() -> None:
    stage = Stage(replace(LOSS, max_drawdown_percent=d(3), max_daily_loss=None))
    await stage.at(800)
    await stage.at(850)
    stage.warden.hear(ME)
    assert await stage.at("820") == []
    assert await stage.at("818") == [GuardKind.DRAWDOWN]


async def test_a_gap_over_night_is_a_loss_of_the_new_day_at_its_first_look() -> None:
    stage = Stage(LOSS)
    await stage.at(800)
    await stage.at(830)
    await stage.at(830)
    stage.clock.advance(86_400)
    stage.funds(realised=-100)
    stage.funds(realised=-100)
    assert await stage.at("821.01") == []
    assert await stage.at("821") == [GuardKind.DAILY_LOSS]
