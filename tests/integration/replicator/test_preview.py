"""Dry runs and plans through a real gateway and a real replicator, beside what was really planned."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import grpc
import grpc.aio

from paceline.adapters.postgres.history import PostgresHistory
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.adapters.redis.connection import connect_redis
from paceline.adapters.wire.subscriptions import subscription_to_wire
from paceline.api.v1 import common_pb2, copy_order_pb2, replicator_pb2, replicator_pb2_grpc, subscription_pb2
from paceline.domain.copy_order import Cause, CauseKind, CopyStatus, Intent
from paceline.domain.copying.tags import tag_of
from paceline.domain.copying.view import LeaderState
from paceline.domain.event import Event, EventKind, Fact
from paceline.domain.facts import fill_identity
from paceline.domain.ids import AccountId, Epoch, EventIdentity, SubscriptionId
from paceline.domain.instrument import Exchange, Segment
from paceline.domain.order import Fill
from paceline.domain.partitioning import partition_of
from paceline.domain.position import PositionReport
from paceline.domain.subscription import CopyMode, SubscriptionState
from paceline.runtime.lifecycle import Runtime
from paceline.runtime.metric_names import GRPC_SERVER_OPEN
from services.replicator.settings import Settings
from tests.integration.executor.world import LEADER, until
from tests.integration.gateway.house import House, a_house, fields_of, refusal_of
from tests.integration.replicator.test_from_event_to_order import Copying, a_replicator, copying
from tests.unit.domain.given import KEY, fill, subscription

Decisions = list[subscription_pb2.PreviewDecision]
LONE = AccountId("fyers:XLONE")
"""A leader whom nobody follows."""
_METHOD = "paceline.api.v1.ReplicatorService/PreviewSubscription"
_WRITTEN = ("decisions", "copy_orders", "ledgers", "ledger_entries", "leader_order_sizings", "plans", "audit")


@dataclass
class Tried:
    """A gateway before the replicator of a small world."""

    one: Copying
    house: House
    replicator: Runtime[Settings]
    plans: replicator_pb2_grpc.ReplicatorServiceStub
    began_ns: int

    async def dry(
        self, request: subscription_pb2.PreviewSubscriptionRequest
    ) -> tuple[Decisions, subscription_pb2.PreviewSummary]:
        *decisions, last = [each async for each in self.house.subscriptions.PreviewSubscription(request)]
        assert last.HasField("summary")
        return [each.decision for each in decisions], last.summary

    def request(self, **settings: Any) -> subscription_pb2.PreviewSubscriptionRequest:
        wanted = replace(subscription(name="tried"), **{"leader": LEADER, **settings})
        wire = subscription_to_wire(wanted)
        wire.follower_id = self.one.world.followers[0]
        request = subscription_pb2.PreviewSubscriptionRequest(subscription=wire)
        request.range.start_time.FromNanoseconds(self.began_ns)
        return request

    async def refused(self, request: subscription_pb2.PreviewSubscriptionRequest) -> set[str]:
        return fields_of(await refusal_of(self.house.subscriptions.PreviewSubscription(request).read()))

    async def written(self) -> dict[str, int]:
        database = self.one.world.database
        return {table: await database.value(f"SELECT count(*) FROM {table}") for table in _WRITTEN}  # noqa: S608

    async def until_read(self, last: Event) -> None:
        async def look() -> bool:
            query = (
                "SELECT event_offset FROM consumer_offsets WHERE consumer = 'replicator' AND partition = $1"
            )
            return (await self.one.world.database.value(query, last.partition) or 0) >= last.offset

        await until(look, f"the replicator has read up to {last.offset}")

    async def many(self, count: int) -> Event:
        """So many trades of one by whom nobody copies, bought and sold in turn; the last of them."""
        facts = []
        for number in range(count):
            signed = 1 if number % 2 == 0 else -1
            body = replace(
                fill(signed, trade=f"M{number}", order=f"MO{number}", account=LONE),
                price=Decimal(800),
                broker_time_ns=time.time_ns(),
            )
            identity = fill_identity(body)
            facts.append(Fact(identity, LONE, EventKind.FILL, body, body.broker_time_ns, 1, False, b"{}"))
        appended = await self.one.feed.journal.append(partition_of(LONE), Epoch(1), facts)
        return appended.events[-1]


@asynccontextmanager
async def tried(postgres_url: str, redis_url: str, **settings: str) -> AsyncIterator[Tried]:
    began_ns = time.time_ns() - 60_000_000_000
    async with (
        copying(postgres_url, redis_url, 1) as one,
        a_replicator(one.world, **settings) as replicator,
    ):
        await one.world.account(LONE)
        redis = await connect_redis(redis_url)
        async with a_house(one.world.database, redis) as house:

            async def owned() -> bool:
                await house.replicators.refresh()
                return len(house.replicators.addresses()) == 1

            await until(owned, "the replicator is found")
            (address,) = house.replicators.addresses()
            async with grpc.aio.insecure_channel(address) as channel:
                plans = replicator_pb2_grpc.ReplicatorServiceStub(channel)
                yield Tried(one, house, replicator, plans, began_ns)
        await redis.aclose()


async def test_a_dry_run_says_what_was_really_planned_and_writes_nothing(
    postgres_url: str, redis_url: str
) -> None:
    async with tried(postgres_url, redis_url) as it, it.one.world.executor():
        await it.one.world.until_owned(for_hints=True)
        bought = await it.one.trade(10)
        (entry,) = await it.one.until_orders(1, Intent.ENTRY)
        await it.one.world.until_all([entry], CopyStatus.WORKING)
        await it.one.fills(entry, 10, "f1")
        await it.one.world.until_all([entry], CopyStatus.FILLED)
        sold = await it.one.trade(-4)
        (exit_,) = await it.one.until_orders(1, Intent.EXIT)
        await it.until_read(sold)
        before = await it.written()

        request = it.request()
        request.assumptions.cost_per_order.value = "20"
        decisions, summary = await it.dry(request)

        assert await it.written() == before
        asked = replicator_pb2.ReplicatorServiceListDecisionsRequest(
            filter=copy_order_pb2.DecisionFilter(leader_id=LEADER)
        )
        real = (await it.plans.ListDecisions(asked)).decisions
        assert [each.cause.event for each in reversed(real)] == [bought.fact.identity, sold.fact.identity]
        assert [(each.event_identity, each.quantity, each.intent, each.reason) for each in decisions] == [
            (each.cause.event, each.quantity, each.intent, each.reason) for each in reversed(real)
        ]
        assert [each.held.value for each in decisions] == ["10", "6"]
        assert (summary.events, summary.orders, summary.skips) == (2, 2, 0)
        assert [(each.amount.value, each.currency) for each in summary.costs] == [("40", "INR")]
        (position,) = summary.positions
        assert (position.key.instrument_id, position.quantity.value) == ("NSE:SBIN-EQ", "6")
        assert (entry.spec.quantity, exit_.spec.quantity) == (Decimal(10), Decimal(4))


async def test_plans_are_listed_by_pages_with_their_skips(postgres_url: str, redis_url: str) -> None:
    async with tried(postgres_url, redis_url) as it:
        first = await it.one.trade(10)
        await it.one.until_orders(1)
        last = await it.one.trade(-10)
        await it.until_read(last)
        asked = replicator_pb2.ListPlansRequest(
            filter=replicator_pb2.PlanFilter(leader_id=LEADER), page_size=1
        )
        page = await it.plans.ListPlans(asked)
        assert [each.event_identity for each in page.plans] == [last.fact.identity]
        asked.page_token = page.next_page_token
        page = await it.plans.ListPlans(asked)
        (plan,) = page.plans
        assert (plan.event_identity, plan.complete, plan.decision_count) == (first.fact.identity, True, 1)
        assert not page.next_page_token
        named = replicator_pb2.GetPlanRequest(event_identity=first.fact.identity)
        assert (await it.plans.GetPlan(named)).plan == plan

        missing = it.plans.GetPlan(replicator_pb2.GetPlanRequest(event_identity="nobody"))
        assert (await refusal_of(missing)).code is grpc.StatusCode.NOT_FOUND
        assert fields_of(await refusal_of(it.plans.ListPlans(replicator_pb2.ListPlansRequest()))) == {
            "filter.leader_id"
        }


async def test_decisions_come_with_the_sentence_for_their_reason(postgres_url: str, redis_url: str) -> None:
    async with tried(postgres_url, redis_url) as it:
        event = await it.one.trade(-10)
        await it.one.until_orders(1)
        subscriptions = PostgresSubscriptions(it.one.world.database)
        (standing,) = (await subscriptions.load([partition_of(LEADER)])).subscriptions
        await subscriptions.update(replace(standing, state=SubscriptionState.PAUSED))
        skipped = await it.one.trade(-5)
        await it.until_read(skipped)
        assert event.offset < skipped.offset
        asked = replicator_pb2.ReplicatorServiceListDecisionsRequest(
            filter=copy_order_pb2.DecisionFilter(
                leader_id=LEADER, reason=subscription_pb2.SKIP_REASON_NOT_APPROVED
            )
        )
        (decision,) = (await it.plans.ListDecisions(asked)).decisions
        assert decision.detail == "The subscription is not approved, or is paused."
        named = replicator_pb2.GetPlanRequest(event_identity=skipped.fact.identity)
        plan = (await it.plans.GetPlan(named)).plan
        assert [(each.reason, each.count) for each in plan.skips_by_reason] == [
            (subscription_pb2.SKIP_REASON_NOT_APPROVED, 1)
        ]


async def test_a_range_begins_with_what_the_leader_held_and_is_read_by_pages(
    postgres_url: str, redis_url: str
) -> None:
    async with tried(postgres_url, redis_url) as it:
        held = await it.one.trade(10, leader=LONE)
        await it.until_read(held)
        sold = await it.one.trade(-10, leader=LONE)
        await it.until_read(await it.many(230))
        request = it.request(leader=LONE)
        request.range.start_time.FromNanoseconds(sold.journaled_ns)
        first, *others = (decisions := (await it.dry(request))[0])
        assert len(decisions) == 231
        assert first.reason == subscription_pb2.SKIP_REASON_NOTHING_HELD
        assert first.detail == "Nothing of it is held, so there is nothing to leave."
        assert {each.quantity.value for each in others} == {"1"}
        assert [each.intent for each in others[:2]] == [common_pb2.INTENT_ENTRY, common_pb2.INTENT_EXIT]


async def test_what_cannot_be_tried_is_refused_by_field(postgres_url: str, redis_url: str) -> None:
    async with tried(postgres_url, redis_url, preview_events_max="2", preview_days_max="1") as it:
        request = it.request()
        request.range.ClearField("start_time")
        assert await it.refused(request) == {"range.start_time"}
        request.range.start_time.FromNanoseconds(time.time_ns() + 10**15)
        assert await it.refused(request) == {"range.start_time"}
        request.range.start_time.FromNanoseconds(it.began_ns - 2 * 86_400 * 10**9)
        assert await it.refused(request) == {"range"}
        request = it.request(leader=AccountId("fyers:NOBODY"))
        assert await it.refused(request) == {"subscription.leader_id"}
        request = it.request()
        request.subscription.follower_id = "fyers:NOBODY"
        assert await it.refused(request) == {"subscription.follower_id"}
        request = it.request()
        request.subscription.sizing.value.value = "0"
        assert await it.refused(request) == {"subscription.sizing.value"}
        request = it.request()
        request.assumptions.cost_bps.value = "-1"
        request.assumptions.leader_equity.value = "0"
        assert await it.refused(request) <= {"assumptions.cost_bps", "assumptions.leader_equity"}
        mirrored = it.request(mode=CopyMode.ON_ORDER)
        call = it.house.subscriptions.PreviewSubscription(mirrored).read()
        assert (await refusal_of(call)).code is grpc.StatusCode.FAILED_PRECONDITION
        assert (await it.dry(it.request()))[1].events == 0
        await it.until_read(await it.many(3))
        assert await it.refused(it.request(leader=LONE)) == {"range"}


async def test_a_caller_who_leaves_is_planned_for_no_further(postgres_url: str, redis_url: str) -> None:
    async with tried(postgres_url, redis_url) as it:
        await it.until_read(await it.many(150))
        request = it.request(leader=LONE)
        request.subscription.ClearField("follower_id")
        call = it.house.subscriptions.PreviewSubscription(request)
        async for piece in call:
            assert piece.HasField("decision")
            break
        call.cancel()

        def left() -> bool:
            return it.replicator.metrics.value(GRPC_SERVER_OPEN, method=_METHOD) == 0

        await until(left, "nobody is planned for any more")
        assert (await it.dry(request))[1].events == 150


async def test_a_leader_who_is_behind_is_told_so(postgres_url: str, redis_url: str) -> None:
    async with tried(postgres_url, redis_url) as it:
        last = await it.one.trade(10)
        await it.until_read(last)
        await it.one.world.database.execute("UPDATE consumer_offsets SET event_offset = 0")
        request = it.request()
        request.range.start_time.FromNanoseconds(last.journaled_ns + 1)
        status = await refusal_of(it.house.subscriptions.PreviewSubscription(request).read())
        assert status.code is grpc.StatusCode.FAILED_PRECONDITION
        assert "has not read the journal" in status.message


async def test_what_a_leader_held_is_what_the_journal_folds_to_whatever_it_is_made_of(
    postgres_url: str, redis_url: str
) -> None:
    """Trades of his own and copies, a baseline, and a position told in between: at every moment the same."""
    async with tried(postgres_url, redis_url) as it:
        tag = tag_of(Cause(CauseKind.EVENT, "some"), SubscriptionId("s"), leg=0, slice_=0)
        trades = [
            replace(fill(quantity, trade=f"T{number}", order=f"TO{number}", account=LONE), tag=mark)
            for number, (quantity, mark) in enumerate([(10, ""), (6, tag), (-4, ""), (-2, tag), (3, "")])
        ]
        bodies: list[Fill | PositionReport] = [stands(5), *trades[:3], stands(20), *trades[3:]]
        facts = [
            Fact(EventIdentity(f"lone-{n}"), LONE, kind_of(body), body, n + 1, 1, False, b"{}")
            for n, body in enumerate(bodies)
        ]
        events = [(await it.one.feed.tell([each]))[0] for each in facts]
        await it.until_read(events[-1])
        history, state = PostgresHistory(it.one.world.database), LeaderState(LONE)
        for happened in events:
            opening = await history.opening(LONE, happened.journaled_ns)
            assert (opening.positions, opening.folded) == (state.positions, True)
            state = state.after(happened)
        assert (await history.opening(LONE, time.time_ns())).positions == state.positions


def stands(quantity: int) -> PositionReport:
    return PositionReport(LONE, KEY, Exchange.NSE, Segment.CAPITAL_MARKET, Decimal(quantity), Decimal(100))


def kind_of(body: Fill | PositionReport) -> EventKind:
    return EventKind.FILL if isinstance(body, Fill) else EventKind.POSITION
