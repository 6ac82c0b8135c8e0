"""How accounts are gone through: spread, in the lowest lane, and silent where nothing can be read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest

from paceline.domain.copy_order import CopyOrder
from paceline.domain.day_end import BookRead
from paceline.domain.drift import DriftKind, LookOutcome, Share, Standing
from paceline.domain.errors import BrokerNeverSent, BrokerRateLimited, Unavailable
from paceline.domain.ids import AccountId, Epoch, InstrumentId, SubscriptionId
from paceline.domain.instrument import Instrument, InstrumentKey
from paceline.domain.ledger import Ledger
from paceline.domain.subscription import DriftPolicy
from paceline.ports.broker import Book, Call, Limits, LimitScope, Window
from paceline.ports.buckets import Take, Taken
from paceline.ports.drift_looks import AskedLook
from paceline.ports.drifts import Drift, Finding
from paceline.runtime.meter import Meter
from paceline.runtime.metrics import Metrics
from paceline.runtime.partitions import Partitions
from services.executor.drift import DriftWatch, Pace, PositionBooks
from tests.fakes.clock import FakeClock
from tests.fakes.leases import FakeLeases
from tests.unit.domain.given import FOLLOWER, KEY, SBIN, SHARE, d

EVERY_S, SETTLE_MS = 60, 2_000
HOLDS_TEN = Standing(
    (Share(SubscriptionId("s1"), Ledger(ideal=d(10), entry_planned=d(10), entry_filled=d(10))),), d(10)
)


@dataclass
class Shelf:
    """What stands, and what was written."""

    names: list[AccountId] = field(default_factory=lambda: [FOLLOWER])
    stands: Standing = HOLDS_TEN
    written: list[Finding] = field(default_factory=list)

    async def accounts(self, _partitions: Iterable[int]) -> Sequence[AccountId]:
        return self.names

    async def standings(
        self, _partition: int, _account: AccountId, _quiet_ms: int
    ) -> Mapping[InstrumentKey, Standing]:
        return {KEY: self.stands}

    async def newest(self, _account: AccountId, _keys: object) -> Mapping[Any, CopyOrder]:
        return {}

    async def write(
        self, _partition: int, _epoch: Epoch, _account: AccountId, findings: Sequence[Finding], _quiet_ms: int
    ) -> Sequence[CopyOrder]:
        self.written += findings
        return ()

    async def standing(self, _partitions: object) -> int:
        return 0

    async def page(self, **_which: object) -> Sequence[Drift]:
        return ()


@dataclass
class Asked:
    """Looks that people wait for, and what they were told."""

    open: list[AskedLook] = field(default_factory=list)
    told: dict[str, LookOutcome] = field(default_factory=dict)

    async def ask(self, asked: AskedLook) -> None:
        self.open.append(asked)

    async def outcome(self, request_id: str) -> LookOutcome | None:
        return self.told.get(request_id)

    async def asked(self, _partitions: Iterable[int]) -> Sequence[AskedLook]:
        return [each for each in self.open if each.request_id not in self.told]

    async def answer(self, _partition: int, _epoch: Epoch, request_id: str, outcome: LookOutcome) -> None:
        self.told[request_id] = outcome


@dataclass
class Broker:
    """A position book that may fail, and may change from one reading to the next."""

    clock: FakeClock
    nets: list[int | Exception] = field(default_factory=list)
    asked: list[AccountId] = field(default_factory=list)

    async def __call__(self, account_id: AccountId) -> BookRead:
        self.asked.append(account_id)
        net = self.nets.pop(0) if len(self.nets) > 1 else self.nets[0]
        if isinstance(net, Exception):
            raise net
        return BookRead(self.clock.now_ns(), True, {KEY: d(net)})


class AllLots:
    async def of(self, ids: Iterable[InstrumentId]) -> Mapping[InstrumentId, Instrument]:
        return {SBIN: SHARE} if SBIN in set(ids) else {}


class Room:
    def __init__(self, *nets: int | Exception) -> None:
        self.clock = FakeClock(auto_jump=True)
        self.shelf, self.asked = Shelf(), Asked()
        self.broker = Broker(self.clock, list(nets))
        self.partitions = Partitions(FakeLeases(self.clock), self.clock, owner="me", address="me:1")
        lots: Any = AllLots()
        prices: Any = None
        self.watch = DriftWatch(
            self.shelf,
            self.asked,
            self.broker,
            lots,
            prices,
            self.partitions,
            lambda _orders: None,
            self.clock,
            Random(7),
            Metrics(),
            Pace(EVERY_S * 1_000, SETTLE_MS, 0),
        )

    async def look(self) -> str:
        await self.partitions.turn()
        return await self.watch.look(FOLLOWER)


async def test_two_readings_that_agree_are_a_drift_and_one_that_agrees_is_enough() -> None:
    room = Room(4)
    assert await room.look() == "differed"
    (finding,) = room.shelf.written
    assert finding.difference is not None
    assert (finding.difference.kind, len(room.broker.asked)) == (DriftKind.MISSING, 2)
    assert "copies hold 10" in finding.evidence
    agreed = Room(10)
    assert (await agreed.look(), len(agreed.broker.asked), agreed.shelf.written) == ("agreed", 1, [])


@pytest.mark.parametrize(
    ("nets", "outcome"),
    [
        ((BrokerNeverSent("refused"),), "unread"),
        ((4, Unavailable("away")), "unread"),
        ((4, 5), "put_off"),
        ((4, BrokerRateLimited("slower", retry_after_ms=1)), "unread"),
    ],
)
async def test_what_cannot_be_read_twice_says_nothing(
    nets: tuple[int | Exception, ...], outcome: str
) -> None:
    room = Room(*nets)
    assert (await room.look(), room.shelf.written) == (outcome, [])


async def test_an_account_in_which_all_is_in_motion_costs_no_call() -> None:
    room = Room(4)
    room.shelf.stands = Standing(HOLDS_TEN.shares, d(10), "an order has not ended")
    assert (await room.look(), room.broker.asked) == ("put_off", [])


async def test_accounts_are_spread_over_the_interval_and_each_comes_once_in_it() -> None:
    room = Room(10)
    room.shelf.names = [AccountId(f"fyers:F{number}") for number in range(40)]
    busiest = 0
    for _ in range(EVERY_S):
        await room.partitions.turn()
        before = len(room.broker.asked)
        await room.watch.round()
        busiest = max(busiest, len(room.broker.asked) - before)
        room.clock.advance(1)
    await room.partitions.turn()
    await room.watch.round()
    assert set(room.broker.asked) == set(room.shelf.names)
    assert busiest <= 6
    assert len(room.broker.asked) <= 2 * len(room.shelf.names)


@dataclass
class Buckets:
    granted: bool
    takes: list[Take] = field(default_factory=list)
    penalized: list[AccountId] = field(default_factory=list)

    async def take(self, takes: Sequence[Take]) -> Sequence[Taken]:
        self.takes += takes
        return [Taken(self.granted)] * len(takes)

    async def penalize(self, account_id: AccountId, _until_ns: int) -> None:
        self.penalized.append(account_id)


class FyersLike:
    def __init__(self) -> None:
        window = Window("second", 10, 1_000, LimitScope.ACCOUNT, frozenset(Call))
        self.limits = Limits((window,), dict.fromkeys(Call, 1), basket=10)
        self.calls = 0
        self.refuses = False

    async def positions(self, _credentials: object) -> Book[Any]:
        self.calls += 1
        if self.refuses:
            raise BrokerRateLimited("slower", retry_after_ms=50)
        return Book((), (), 1)


class AnyLogin:
    def of(self, account_id: AccountId) -> AccountId:
        return account_id


async def test_a_book_is_asked_for_in_the_share_of_entries_and_never_waited_for() -> None:
    broker: Any = FyersLike()
    login: Any = AnyLogin()
    full, clock = Buckets(granted=False), FakeClock()
    with pytest.raises(Unavailable, match="something else"):
        await PositionBooks(broker, login, Meter(full, clock), clock)(FOLLOWER)  # type: ignore[arg-type]
    assert (broker.calls, [take.entry for take in full.takes]) == (0, [True])
    free = Buckets(granted=True)
    books = PositionBooks(broker, login, Meter(free, clock), clock)  # type: ignore[arg-type]
    assert (await books(FOLLOWER)).whole
    broker.refuses = True
    with pytest.raises(BrokerRateLimited):
        await books(FOLLOWER)
    assert free.penalized == [FOLLOWER]


@pytest.mark.parametrize(
    ("policy", "heals"),
    [
        pytest.param(None, False, id="as the subscription says"),
        pytest.param(DriftPolicy.HEAL, True, id="healed this once"),
    ],
)
async def test_who_is_asked_for_is_looked_at_at_once_and_told_of(
    policy: DriftPolicy | None, heals: bool
) -> None:
    room = Room(4)
    room.shelf.stands = replace(HOLDS_TEN, journal=d(4))
    await room.asked.ask(AskedLook("r1", FOLLOWER, policy))
    await room.partitions.turn()
    await room.watch.round()
    assert room.asked.told == {"r1": LookOutcome.DIFFERED}
    (finding,) = room.shelf.written
    assert bool(finding.healing.adjustments) is heals
    assert finding.standing == room.shelf.stands, "what it stands on is as the tables say"


async def test_what_cannot_be_compared_is_told_too_and_nobody_is_asked_twice() -> None:
    room = Room(Unavailable("away"))
    await room.asked.ask(AskedLook("r1", FOLLOWER))
    await room.partitions.turn()
    await room.watch.round()
    reads = len(room.broker.asked)
    await room.watch.round()
    assert (room.asked.told, len(room.broker.asked)) == ({"r1": LookOutcome.UNREAD}, reads)
