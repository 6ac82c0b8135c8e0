"""Steps of a chase as rows: each written once, on orders that stand as judged; what takes another's place is
bounded by what is held too much.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from paceline.adapters.postgres.audit import PostgresAudit
from paceline.adapters.postgres.chases import PostgresChases
from paceline.adapters.postgres.copy_orders import PostgresCopyOrders
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.plans import PostgresPlans
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.domain.copy_order import CommandKind, CopyCommand, CopyOrder, CopyStatus
from paceline.domain.copying.chase import ChasePolicy, Modify
from paceline.domain.copying.plan import plan_chunk
from paceline.domain.errors import NotOwner
from paceline.domain.event import Event
from paceline.domain.ids import Epoch, InstrumentId
from paceline.domain.order import OrderType
from paceline.domain.partitioning import partition_of
from paceline.ports.chases import ChaseStep, RestingRow
from paceline.ports.plans import Chunk
from paceline.ports.prices import Price
from paceline.runtime.metric_names import CHASE_STEPS, CHASE_WAITING
from paceline.runtime.metrics import Metrics
from services.executor.chase import Chaser, step_of
from services.executor.lots import Lots
from tests.fakes.clock import FakeClock
from tests.integration.storage.makers import own
from tests.unit.domain.given import FOLLOWER, LEADER, copier, d, event, fill, leader, market
from tests.unit.executor.given import FakeInstruments, holding

HOME = partition_of(FOLLOWER)
POLICY = ChasePolicy(modifications_max=0)
AN_EXIT = """
UPDATE copy_orders SET status = 'WORKING', side = -1, intent = 'EXIT', limit_price = 99, planned_ns = 1
"""


@dataclass
class Told:
    """Prices as they are set, and whoever carries out what is written."""

    price: Price | None = None
    commands: list[CopyCommand] = field(default_factory=list)
    orders: list[CopyOrder] = field(default_factory=list)

    async def get(self, instruments: Iterable[InstrumentId]) -> Mapping[InstrumentId, Price]:
        return {each: self.price for each in instruments if self.price}

    async def put(self, prices: Mapping[InstrumentId, Price]) -> None:
        raise AssertionError("nothing here tells prices")

    async def bring(self, commands: Sequence[CopyCommand]) -> None:
        self.commands += commands


@dataclass
class House:
    database: Database
    chases: PostgresChases
    chaser: Chaser
    told: Told
    metrics: Metrics
    order: CopyOrder
    now_ns: int

    async def execute(self, query: str, *values: object) -> None:
        await self.database.execute(query, *values)

    async def resting(self) -> Sequence[RestingRow]:
        return await self.chases.resting([HOME], self.now_ns, POLICY, 10)

    async def step(self) -> ChaseStep:
        (row,) = await self.resting()
        return step_of(row, Modify(d(95)), row.touched_ns, self.told.price)

    async def ends(self, *, filled: int, planned: int) -> None:
        """The cancellation took effect; so much of it was filled, and of exits planned altogether."""
        await self.execute("UPDATE copy_commands SET status = 'DONE'")
        await self.execute("UPDATE copy_orders SET status = 'CANCELLED', filled = $1", d(filled))
        moved = "UPDATE ledgers SET exit_released = $1, exit_filled = $2, exit_planned = $3"
        await self.execute(moved, d(filled - 10), d(-filled), d(planned))


@pytest.fixture
async def house(postgres_url: str) -> AsyncIterator[House]:
    """An exit of ten that rests, of ten that are held and not wanted any more."""
    database = await open_database(postgres_url, PoolOptions(min_size=1, max_size=4))
    happened: Event = replace(event(fill(10)), partition=partition_of(LEADER))
    decisions = plan_chunk(happened, leader(), [copier()], market()).decisions
    epoch = await own(database, "replicator", [happened.partition])
    await PostgresPlans(database).commit_chunk(Chunk(happened.partition, epoch, happened, decisions))
    await database.execute(AN_EXIT)
    await database.execute("UPDATE ledgers SET ideal = 0, entry_filled = 10, exit_planned = -10")
    clock, metrics, told = FakeClock(), Metrics(), Told()
    partitions = await holding(clock)
    await own(database, "executor", [HOME], epoch=partitions.lease(HOME).epoch)
    told.price = Price(d(95), clock.now_ns(), clock.now_ns() + 3_600_000_000_000, "test")
    chases, lots = PostgresChases(database), Lots(FakeInstruments(), clock)  # type: ignore[arg-type]
    chaser = Chaser(chases, lots, told, partitions, told.bring, told.orders.extend, clock, metrics, POLICY)
    yield House(database, chases, chaser, told, metrics, decisions[0].orders[0], clock.now_ns())
    await database.close()


@pytest.mark.parametrize(("planned", "again"), [(-10, 6), (-14, 2), (-16, 0)])
async def test_an_exit_that_its_broker_changes_no_more_is_replaced_once(
    house: House, planned: int, again: int
) -> None:
    for _ in range(2):
        await house.chaser.round()
    (gone,) = house.told.commands
    assert (gone.kind, gone.copy_order_id) == (CommandKind.CANCEL, house.order.copy_order_id)
    assert house.metrics.value(CHASE_STEPS, intent="EXIT", outcome="CHASE_REPLACED") == 1
    assert house.told.orders == []
    await house.ends(filled=4, planned=planned)
    for _ in range(2):
        await house.chaser.round()
    assert [(int(each.spec.quantity), each.step) for each in house.told.orders] == [(again, 1)][: bool(again)]
    if again:
        (placed,) = house.told.orders
        row = (await PostgresCopyOrders(house.database).by_tags([placed.tag]))[placed.tag].order
        assert (row.status, row.spec.limit_price, row.ends_as) == (CopyStatus.PLANNED, d("94.05"), "")
        assert placed.tag != house.order.tag
    total = await house.database.value("SELECT exit_planned FROM ledgers")
    assert total == planned - again
    acts = await PostgresAudit(house.database).page()
    assert [each.action for each in acts][-1] == "chase.given_up"
    assert [each.action for each in acts[:-1]] == ["chase.replaced"] * bool(again)


async def refused(house: House, *, planned: int, ago_ms: int, step: int = 0) -> None:
    """By its broker, so long ago; so much of exits is planned beside it."""
    at_ns = house.now_ns - ago_ms * 1_000_000
    told = "UPDATE copy_orders SET status = 'REJECTED', sent_ns = $1, step = $2"
    await house.execute(told, at_ns, step)
    await house.execute("UPDATE ledgers SET exit_released = -10, exit_planned = $1", d(planned))


@pytest.mark.parametrize(("planned", "again"), [(-10, 10), (-13, 7), (-20, 0)])
async def test_an_exit_that_was_refused_comes_again_once(house: House, planned: int, again: int) -> None:
    await refused(house, planned=planned, ago_ms=POLICY.retry_first_ms)
    for _ in range(2):
        await house.chaser.round()
    assert [(int(each.spec.quantity), each.step) for each in house.told.orders] == [(again, 1)][: bool(again)]
    assert await house.database.value("SELECT exit_planned FROM ledgers") == planned - again
    acts = [each.action for each in await PostgresAudit(house.database).page()]
    assert acts == ["chase.retried"] * bool(again)
    assert house.metrics.value(CHASE_STEPS, intent="EXIT", outcome="CHASE_REFUSED") == bool(again)


async def test_each_refusal_is_waited_for_longer_and_the_last_is_a_persons_affair(house: House) -> None:
    await refused(house, planned=-10, ago_ms=2 * POLICY.retry_first_ms - 1, step=1)
    await house.chaser.round()
    assert house.told.orders == []
    assert not await house.database.value("SELECT retried FROM copy_orders")
    await refused(house, planned=-10, ago_ms=POLICY.retry_longest_ms, step=POLICY.retries_max)
    for _ in range(2):
        await house.chaser.round()
    assert house.told.orders == []
    assert house.metrics.value(CHASE_STEPS, intent="EXIT", outcome="CHASE_STEPS_USED_UP") == 1


@pytest.mark.parametrize(
    "unlike",
    [
        pytest.param("UPDATE copy_orders SET intent = 'ENTRY'", id="an entry is refused for good"),
        pytest.param("UPDATE copy_orders SET cause_kind = 'LIQUIDATION'", id="that has its own tries"),
        pytest.param("UPDATE copy_orders SET subscription_id = NULL", id="no copy"),
    ],
)
async def test_only_exits_of_copies_come_again(house: House, unlike: str) -> None:
    await refused(house, planned=-10, ago_ms=POLICY.retry_longest_ms)
    await house.execute(unlike)
    await house.chaser.round()
    assert house.told.orders == []


async def test_a_stop_that_the_price_went_through_becomes_a_limit_that_follows(house: House) -> None:
    assert house.told.price is not None
    await house.execute("UPDATE copy_orders SET order_type = 'STOP_LIMIT', trigger_price = 100")
    house.chaser._policy = ChasePolicy()
    house.told.price = replace(house.told.price, last=d("99.50"))
    await house.chaser.round()
    assert house.told.commands == []
    house.told.price = replace(house.told.price, last=d(95))
    for _ in range(2):
        await house.chaser.round()
    (moved,) = house.told.commands
    assert moved.spec is not None
    assert (moved.kind, moved.spec.type) == (CommandKind.MODIFY, OrderType.LIMIT)
    assert (moved.spec.limit_price, moved.spec.trigger_price) == (d("94.05"), d(0))


async def test_without_a_fresh_price_nothing_moves_and_why_is_told(house: House) -> None:
    assert house.told.price is not None
    house.told.price = replace(house.told.price, stale=True)
    await house.chaser.round()
    assert house.told.commands == []
    assert house.metrics.value(CHASE_WAITING, reason="CHASE_PRICE_STALE", intent="EXIT") == 1
    assert await house.database.value("SELECT count(*) FROM chases") == 0


@pytest.mark.parametrize(
    "meanwhile",
    [
        pytest.param("UPDATE copy_orders SET version = version + 1", id="moved since it was judged"),
        pytest.param(
            "INSERT INTO chases VALUES ((SELECT copy_order_id FROM copy_orders), 0, 1, 1, 1)", id="taken"
        ),
    ],
)
async def test_what_is_no_more_as_it_was_judged_is_left(house: House, meanwhile: str) -> None:
    step = await house.step()
    await house.execute(meanwhile)
    assert await house.chases.write(HOME, Epoch(1), [step]) == []
    assert await house.database.value("SELECT count(*) FROM copy_commands") == 0


async def test_an_order_that_is_being_changed_is_left_and_a_stale_lease_writes_nothing(house: House) -> None:
    step = await house.step()
    with pytest.raises(NotOwner):
        await house.chases.write(HOME, Epoch(9), [step])
    assert await house.chases.write(HOME, Epoch(1), [step]) == [step.command]
    assert await house.chases.write(HOME, Epoch(1), [step]) == []
    assert await house.resting() == []


async def test_only_what_rested_long_enough_is_looked_at(house: House) -> None:
    touched_ns = house.now_ns - POLICY.rest_ms * 1_000_000
    await house.execute("UPDATE copy_orders SET filled_ns = $1", touched_ns + 1)
    assert await house.resting() == []
    await house.execute("UPDATE copy_orders SET filled_ns = $1", touched_ns)
    (row,) = await house.resting()
    assert (row.touched_ns, row.steps, row.began_ns) == (touched_ns, 0, 1)
    await house.execute("INSERT INTO chases SELECT copy_order_id, 0, 1, 1, 0 FROM copy_orders")
    assert await house.resting() == [], "twice as long after the first step"
    await house.execute("UPDATE copy_orders SET intent = 'ENTRY'")
    assert len(await house.resting()) == 1, "its time is over all the same"
