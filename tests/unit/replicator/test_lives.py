"""Subscriptions begin once and end for themselves, whatever fails around them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from paceline.domain.calendar import Calendar, always_open
from paceline.domain.copying.decision import Decision
from paceline.domain.errors import Unavailable
from paceline.domain.event import Event
from paceline.domain.ids import SubscriptionId
from paceline.domain.instrument import InstrumentKey
from paceline.domain.ledger import Ledger
from paceline.domain.subscription import EndPolicy, Subscription, SubscriptionState, TakeOverPolicy
from paceline.ports.lives import Ending, Steps, Tenancy
from paceline.ports.plans import Chunk
from paceline.ports.prices import Price
from paceline.runtime.metrics import Metrics
from paceline.runtime.telemetry import start_telemetry
from services.replicator.directory import Directory
from services.replicator.lives import Beginnings, Stores
from services.replicator.order_books import OrderBooks
from services.replicator.replicate import Replicator
from services.replicator.silence import Silence
from services.replicator.views import Views
from tests.fakes.clock import FakeClock
from tests.unit.domain.given import KEY, LEADER, NOW, SBIN, S, d, fill
from tests.unit.executor.given import holding
from tests.unit.replicator.given import (
    HOME,
    FakeCommands,
    FakeGroups,
    FakeLeaderOrders,
    FakeMarket,
    FakeNews,
    FakePeople,
    FakePlans,
    FakeSubscriptions,
    PortfolioShelf,
    PriceShelf,
    Signs,
    an_event,
)
from tests.unit.replicator.test_replicate import Kept, a_subscription

NAME = SubscriptionId("s0")


@dataclass
class FakeLives:
    """One transaction is one call, like the plans'."""

    plans: FakePlans
    subscriptions: FakeSubscriptions
    spoils: SubscriptionId | None = None
    waits: dict[SubscriptionId, str] = field(default_factory=dict)

    async def open(
        self, tenancy: Tenancy, subscription: Subscription, chunks: Sequence[Chunk]
    ) -> Sequence[Decision] | None:
        self.plans._begin(tenancy.epoch)
        if not self._is_newest(subscription):
            return None
        made = [(each.event.fact.identity, decision) for each in chunks for decision in each.decisions]
        for identity, decision in made:
            assert (identity, decision.subscription_id) not in self.plans.decided
            self.plans._insert(identity, decision)
        self._write(replace(subscription, opened=True))
        self.plans._end()
        return [decision for _, decision in made]

    async def steps(self, subscription_id: SubscriptionId) -> Mapping[InstrumentKey, Steps]:
        return {}

    async def wait(self, subscription_id: SubscriptionId, waits_for: str) -> None:
        self.waits[subscription_id] = waits_for

    async def end(self, tenancy: Tenancy, ending: Ending) -> bool:
        if ending.subscription.subscription_id == self.spoils:
            raise ValueError("a row that nobody can read")
        self._write(replace(ending.subscription, state=SubscriptionState.ENDED))
        return True

    def _is_newest(self, subscription: Subscription) -> bool:
        return self.subscriptions.rows[subscription.subscription_id][1].version == subscription.version

    def _write(self, subscription: Subscription) -> None:
        self.subscriptions.put(replace(subscription, version=subscription.version + 1))


class House:
    """Stores that stay, and a replicator that may be born anew."""

    def __init__(self, *subscriptions: Subscription) -> None:
        self.clock = FakeClock(start_ns=NOW)
        self.plans, self.people, self.market = FakePlans(), FakePeople(), FakeMarket()
        self.subscriptions, self.journal = FakeSubscriptions(), list[Event]()
        self.subscriptions.put(*subscriptions)
        self.lives = FakeLives(self.plans, self.subscriptions)
        self.market.prices[SBIN] = Price(d(100), NOW, NOW, "test")
        self.calendar = always_open()

    async def born(self) -> None:
        news = FakeNews(self.subscriptions, self.people)
        self.directory = Directory(
            news,
            self.subscriptions,  # type: ignore[arg-type]
            self.people,  # type: ignore[arg-type]
            self.people,  # type: ignore[arg-type]
            self.clock,
        )
        await self.directory.gain([HOME])
        leader_orders, commands = FakeLeaderOrders(), FakeCommands()
        views = Views(
            self.directory,
            self.plans,  # type: ignore[arg-type]
            commands,  # type: ignore[arg-type]
            leader_orders,
            FakeGroups(),  # type: ignore[arg-type]
            self.market,  # type: ignore[arg-type]
            PortfolioShelf(self.market),  # type: ignore[arg-type]
            PriceShelf(self.market),  # type: ignore[arg-type]
            self.calendar,
            self.clock,
            60_000,
            Silence(Signs(), dict, self.clock, Metrics(), 30_000),  # type: ignore[arg-type]
        )
        partitions = await holding(self.clock)
        replicator = Replicator(
            self.directory,
            views,
            OrderBooks(leader_orders),
            self.plans,  # type: ignore[arg-type]
            self.plans,  # type: ignore[arg-type]
            Kept(),  # type: ignore[arg-type]
            partitions,
            self.clock,
            Metrics(),
            start_telemetry(service="replicator", replica_id="a"),
            chunk_followers=2,
            chunks_at_once=2,
        )
        stores = Stores(
            self.lives,
            self.subscriptions,  # type: ignore[arg-type]
            self.plans,  # type: ignore[arg-type]
            commands,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]  # nobody asks what the leader paid
            self.market,  # type: ignore[arg-type]
            PriceShelf(self.market),  # type: ignore[arg-type]
            self.calendar,
        )
        self.beginnings = Beginnings(
            stores,
            self.directory,
            views,
            replicator,
            Kept(),  # type: ignore[arg-type]
            partitions,
            self.clock,
        )

    def settle(self, **settings: object) -> None:
        row = self.subscriptions.rows[NAME][1]
        self.subscriptions.put(replace(row, version=row.version + 1, **settings))  # type: ignore[arg-type]

    async def read(self) -> None:
        """What is journaled and not planned, as a follower of the journal does."""
        new = [each for each in self.journal if each.offset > self.plans.offsets.get(HOME, 0)]
        if new:
            await self.beginnings.handle({HOME: new})

    async def look(self) -> None:
        """As if nobody had been looked at just before."""
        await self.directory.confirm()
        for each in self.beginnings._looks.values():
            each.due_ns = 0
        await self.beginnings.look()


async def a_house(*subscriptions: Subscription) -> House:
    house = House(*subscriptions)
    await house.born()
    return house


@pytest.mark.parametrize("seed", range(12))
async def test_no_fill_is_copied_twice_or_falls_between_whatever_fails(seed: int) -> None:
    """Once it is opened, what is wanted is what the leader holds."""
    random = Random(seed)
    begins = replace(a_subscription(0), state=SubscriptionState.PENDING, take_over=TakeOverPolicy.NOW)
    house = await a_house(begins)
    approval, held = random.randrange(12), 0
    for number in range(16):
        if number == approval:
            house.settle(state=SubscriptionState.APPROVED)
        quantity = random.choice([-7, -3, 2, 5, 10])
        held += quantity
        house.journal.append(an_event(fill(quantity, trade=f"t{number}", order=f"o{number}"), number + 1))
        fails = random.choice(["", "", "fail_at", "lose_answer_at"])
        if fails:
            setattr(house.plans, fails, house.plans.writes + random.randrange(1, 4))
        if random.random() < 0.2:
            await house.born()
        for work in random.sample([house.read, house.look], k=random.randrange(3)):
            with suppress(Unavailable):
                await work()
    house.plans.fail_at = house.plans.lose_answer_at = 0
    await house.born()
    await house.look()
    await house.read()
    assert house.subscriptions.rows[NAME][1].opened
    assert house.plans.ledgers.get((NAME, KEY), Ledger()).ideal == held
    assert house.plans.positions[LEADER][KEY].own == held


async def test_without_a_price_it_waits_and_then_begins_without() -> None:
    house = await a_house(replace(a_subscription(0), take_over=TakeOverPolicy.NOW))
    house.market.prices = {}
    house.journal.append(an_event(fill(10, trade="t1"), 1))
    await house.read()
    await house.look()
    assert not house.subscriptions.rows[NAME][1].opened
    house.beginnings._looks[NAME].began_ns -= 31 * S
    await house.look()
    assert house.subscriptions.rows[NAME][1].opened
    (decision,) = house.plans.decided.values()
    assert (decision.reason, decision.orders) == ("PRICE_UNKNOWN", ())


async def test_while_a_market_is_closed_it_waits_and_takes_all_of_it_over_at_the_opening() -> None:
    house = House(replace(a_subscription(0), take_over=TakeOverPolicy.NOW))
    house.calendar = Calendar({})
    await house.born()
    house.journal.append(an_event(fill(10, trade="t1"), 1))
    await house.read()
    await house.look()
    assert house.lives.waits == {NAME: f"MARKET_CLOSED {SBIN}"}
    house.beginnings._looks[NAME].began_ns -= 31 * S
    house.journal.append(an_event(fill(5, trade="t2"), 2))
    await house.read()
    await house.look()
    assert not house.subscriptions.rows[NAME][1].opened
    assert not house.plans.decided
    house.calendar = always_open()
    await house.born()
    await house.look()
    assert house.subscriptions.rows[NAME][1].opened
    (decision,) = house.plans.decided.values()
    assert [each.spec.quantity for each in decision.orders] == [15]


async def test_one_that_cannot_end_does_not_hold_up_the_others() -> None:
    ending = [
        replace(a_subscription(n), state=SubscriptionState.ENDING, ending=EndPolicy.LEAVE) for n in (0, 1)
    ]
    house = await a_house(*ending)
    house.lives.spoils = NAME
    await house.look()
    states = {name: row.state for name, (_, row) in house.subscriptions.rows.items()}
    assert states == {NAME: SubscriptionState.ENDING, SubscriptionId("s1"): SubscriptionState.ENDED}
