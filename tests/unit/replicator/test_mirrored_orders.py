"""Orders of a leader, told to those who mirror them: who is asked, on what, and what it costs."""

from dataclasses import replace

import pytest

from paceline.domain.copy_order import CommandKind
from paceline.domain.copying.decision import Outcome, SkipReason
from paceline.domain.errors import Unavailable
from paceline.domain.ids import BrokerOrderId, Offset, SubscriptionId
from paceline.domain.ledger import Ledger
from paceline.domain.order import BrokerStatus, OrderReport, Side, Validity
from tests.unit.domain.given import KEY, NOW, d, fill, report
from tests.unit.replicator.given import HOME
from tests.unit.replicator.test_replicate import a_world

S0 = SubscriptionId("s0")
DAY_NS = 86_400_000_000_000


def says(status: BrokerStatus = BrokerStatus.PENDING, **said: object) -> OrderReport:
    return replace(report(status, order="7", quantity=100), **said)  # type: ignore[arg-type]


async def test_an_accepted_order_is_placed_once_for_each_mirror_and_for_nobody_else() -> None:
    world = await a_world(followers=4, mirrors=3)
    await world.tell(says(BrokerStatus.IN_TRANSIT), says())
    assert {order.subscription_id for order in world.dispatched.orders} == {"s0", "s1", "s2"}
    assert {order.leader_order_id for order in world.dispatched.orders} == {"7"}
    assert world.plans.offsets == {HOME: 2}


async def test_his_fill_moves_the_ideal_of_mirrors_and_is_traded_by_the_others() -> None:
    world = await a_world(followers=2, mirrors=1)
    await world.tell(says(), fill(40, trade="t1", order="7"))
    asked = [(order.subscription_id, int(order.spec.quantity)) for order in world.dispatched.orders]
    assert asked == [("s0", 100), ("s1", 40)]
    assert (world.plans.ledgers[S0, KEY].ideal, world.plans.ledgers[S0, KEY].buy_pledged) == (d(40), d(60))


async def test_a_changed_price_and_a_cancellation_become_changes_to_the_copy() -> None:
    world = await a_world(followers=1, mirrors=1)
    await world.tell(says())
    await world.tell(says(limit_price=d(98)), first=2)
    await world.tell(says(BrokerStatus.CANCELLED, limit_price=d(98)), first=3)
    assert [each.kind for each in world.dispatched.commands] == [CommandKind.MODIFY, CommandKind.CANCEL]
    assert len(world.dispatched.orders) == 1
    assert world.plans.ledgers[S0, KEY].buy_pledged == 0


@pytest.mark.parametrize(
    "told",
    [
        pytest.param([says(BrokerStatus.IN_TRANSIT)], id="not accepted yet"),
        pytest.param([says(BrokerStatus.REJECTED)], id="never accepted"),
        pytest.param([says(BrokerStatus.IN_TRANSIT), says(BrokerStatus.CANCELLED)], id="gone before that"),
    ],
)
async def test_what_no_copy_follows_is_passed_over(told: list[OrderReport]) -> None:
    world = await a_world(followers=1, mirrors=1)
    await world.tell(*told)
    await world.replicator.settle([HOME])
    assert world.plans.log == [f"pass {len(told)}"]


async def test_an_order_costs_those_who_copy_fills_nothing() -> None:
    world = await a_world(followers=2)
    await world.tell(says(), fill(40, trade="t1", order="7"), says(filled=d(40)))
    assert world.leader_orders.reads == 0
    assert [each for each in world.plans.log if each.startswith("commit")] == ["commit 2", "commit 0 done"]


async def test_his_orders_are_read_once_and_folded_from_then_on() -> None:
    world = await a_world(followers=1, mirrors=1)
    await world.tell(says(), fill(40, trade="t1", order="7"), says(filled=d(40)))
    assert world.leader_orders.reads == 1
    await world.tell(says(BrokerStatus.TRADED, filled=d(100)), first=4)
    assert world.plans.ledgers[S0, KEY].buy_pledged == d(60), "sixty have been told by no trade yet"
    await world.tell(fill(60, trade="t2", order="7"), first=5)
    assert (world.plans.ledgers[S0, KEY].ideal, world.plans.ledgers[S0, KEY].buy_pledged) == (d(100), d(0))


async def test_the_next_owner_reads_them_as_they_were_before_what_he_begins_with() -> None:
    world = await a_world(followers=1, mirrors=1)
    await world.tell(says(), fill(40, trade="t1", order="7"))
    world.replicator.forget([HOME])
    world.plans.offsets[HOME] = Offset(1)
    del world.plans.decided[next(name for name, each in world.plans.decided.items() if not each.orders)]
    world.plans.ledgers[S0, KEY] = Ledger(entry_planned=d(100), buy_pledged=d(100))
    await world.tell(fill(40, trade="t1", order="7"), first=2)
    assert world.leader_orders.asked[-1][2] == 2
    assert (world.plans.ledgers[S0, KEY].ideal, world.plans.ledgers[S0, KEY].buy_pledged) == (d(40), d(60))


async def test_a_crash_before_the_offset_moves_replays_to_nothing_new() -> None:
    world = await a_world(followers=3, chunk=2, mirrors=3)
    world.plans.fail_at = 3
    with pytest.raises(Unavailable):
        await world.tell(says())
    await world.tell(says())
    assert len(world.plans.decided) == 3
    assert len(world.dispatched.orders) == 3
    assert world.plans.offsets == {HOME: 1}


async def test_orders_beside_keep_what_they_pledged() -> None:
    """Each is sized on its own; a fill of one leaves the other's part as it was."""
    world = await a_world(followers=1, mirrors=1)
    other = replace(says(), order_id=BrokerOrderId("8"), quantity=d(30))
    await world.tell(says(), other, fill(100, trade="t1", order="7"))
    ledger = world.plans.ledgers[S0, KEY]
    assert (ledger.ideal, ledger.buy_pledged) == (d(100), d(30))


async def test_an_order_that_is_told_too_late_is_skipped_by_name() -> None:
    world = await a_world(followers=1, mirrors=1)
    await world.tell(says(broker_time_ns=NOW - 60_000_000_000))
    (decision,) = world.plans.decided.values()
    assert (decision.outcome, decision.reason) == (Outcome.SKIPPED, SkipReason.EVENT_TOO_OLD)


@pytest.mark.parametrize(("validity", "pledged"), [(Validity.DAY, 0), (Validity.GTC, -50)])
async def test_an_order_of_yesterday_works_no_more_unless_it_was_to_stand(
    validity: Validity, pledged: int
) -> None:
    """Of its end nobody told: whoever reads the journal today does not take it for working."""
    world = await a_world(followers=1, mirrors=1)
    world.plans.ledgers[S0, KEY] = Ledger(ideal=d(50), entry_planned=d(50), entry_filled=d(50))
    world.plans.positions = {}
    yesterday = says(side=Side.SELL, validity=validity, broker_time_ns=NOW - DAY_NS)
    held = fill(50, trade="t0", order="1")
    await world.tell(yesterday, held)
    world.replicator.forget([HOME])
    world.plans.ledgers[S0, KEY] = Ledger(ideal=d(50), entry_planned=d(50), entry_filled=d(50))
    today = replace(says(), order_id=BrokerOrderId("9"), quantity=d(10))
    await world.tell(today, first=3)
    ledger = world.plans.ledgers[S0, KEY]
    assert (ledger.sell_pledged, ledger.buy_pledged) == (d(pledged), d(10))
