"""Guards as rows: tripped once whoever looks, armed again once, heeded by whoever sends."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from paceline.adapters.clock import SystemClock
from paceline.adapters.postgres.audit import PostgresAudit
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.guards import PostgresGuards
from paceline.adapters.postgres.kill_switches import PostgresKillSwitches
from paceline.adapters.postgres.liquidation_requests import PostgresLiquidationRequests
from paceline.adapters.postgres.liquidations import PostgresLiquidations
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.postgres.retention import PostgresRetention
from paceline.adapters.postgres.risk_limits import PostgresRiskLimits
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.api.v1 import common_pb2, risk_pb2, subscription_pb2
from paceline.domain.copy_order import CommandKind, Intent
from paceline.domain.errors import Invalid, NotFound
from paceline.domain.execution import Command
from paceline.domain.guards import AccountGuards, Adjustment, GuardKind, Marks, RearmPolicy, Trip
from paceline.domain.ids import AccountId, Epoch, Partition, SubscriptionId
from paceline.domain.liquidation import LiquidationLevel
from paceline.domain.partitioning import partition_of
from paceline.domain.subscription import SubscriptionGuards
from paceline.ports.guards import Guarded, Rearming, Subject, Tripping
from paceline.runtime.kill_watch import KillWatch
from services.executor.stops import GUARD_TRIPPED, stopping
from services.risk.servicer_guards import GuardMethods
from services.risk.servicer_limits import LimitMethods
from services.risk.servicer_liquidations import LiquidationMethods
from services.risk.tripping import tripping
from tests.integration.risk.test_kill_switches import Caller
from tests.integration.storage.makers import a_subscription, accounts_of
from tests.unit.domain.given import d
from tests.unit.executor.given import order

LEADER, ME = AccountId("fyers:XLEADER"), AccountId("fyers:XONE")
HOME = partition_of(ME)
MONDAY = date(2026, 11, 23)
ALL = [Partition(n) for n in range(256)]
EPOCHS = {HOME: Epoch(1)}
LOSS = AccountGuards(
    max_daily_loss=d(1_000), currency="INR", level=LiquidationLevel.FLATTEN, rearm=RearmPolicy.BY_PERSON
)
STOP = SubscriptionGuards(stop_loss=d(500), trailing=True, currency="INR")
MARKS = Marks(MONDAY, d(5), d(-7), d(-2), d(3), d(9), 0, {"k": Adjustment(d(-1), d("2.5"))})


class Stage:
    def __init__(self, database: Database, name: SubscriptionId) -> None:
        self.database, self.name = database, name
        self.guards = PostgresGuards(database)
        self.door = GuardMethods(self.guards)
        self.requests = PostgresLiquidationRequests(database)
        self.account, self.copies = Subject(ME), Subject(ME, name)

    def guarded(self, subject: Subject, marks: Marks = MARKS) -> Guarded:
        guards = LOSS if subject.subscription_id is None else STOP
        return Guarded(subject, HOME, guards, RearmPolicy.BY_PERSON, marks)

    async def trip(
        self,
        subject: Subject,
        kind: GuardKind,
        level: LiquidationLevel = LiquidationLevel.FLATTEN,
        marks: Marks = MARKS,
        epoch: int = 1,
    ) -> bool:
        """Whether it was new."""
        seen = Trip(kind, d(1_000), d("1234.5"))
        made: Tripping = tripping(self.guarded(subject, marks), marks, seen, level, {"equity": "5"})
        return bool(await self.guards.trip({HOME: Epoch(epoch)}, [made]))

    async def limits(self, **fields: Any) -> risk_pb2.RiskLimits:
        asked = risk_pb2.UpdateRiskLimitsRequest(
            limits=risk_pb2.RiskLimits(account_id=ME, **fields), update_mask=FieldMask(paths=list(fields))
        )
        door = LimitMethods(PostgresRiskLimits(self.database))
        return (await door.UpdateRiskLimits(asked, Caller())).limits

    async def wanted(self) -> list[tuple[str, str | None, str]]:
        found = await self.requests.unacknowledged(ALL, 100)
        return [(each.liquidation_id, each.subscription_id, each.level.value) for each in found]

    async def rearm(self, name: str) -> risk_pb2.GuardTrip:
        asked = risk_pb2.RearmGuardRequest(guard_trip_id=name, reason="seen to")
        return (await self.door.RearmGuard(asked, Caller())).guard_trip

    async def listed(self, **asked: Any) -> list[str]:
        answer = await self.door.ListGuardTrips(risk_pb2.ListGuardTripsRequest(**asked), Caller())
        return [each.guard_trip_id for each in answer.guard_trips]

    async def known(self) -> Guarded:
        (found,) = await self.guards.of_accounts([ME])
        return found


@pytest.fixture
async def stage(postgres_url: str) -> AsyncIterator[Stage]:
    database = await open_database(postgres_url, PoolOptions(min_size=1, max_size=3))
    await accounts_of(database, LEADER, ME)
    made = replace(a_subscription(LEADER, ME), guards=STOP)
    await PostgresSubscriptions(database).create(made)
    await database.execute(
        "INSERT INTO leases (service, partition, owner, epoch) VALUES ('risk', $1, 'r1', 1)"
        " ON CONFLICT (service, partition) DO UPDATE SET owner = 'r1', epoch = 1",
        HOME,
    )
    yield Stage(database, made.subscription_id)
    await database.close()


def money(amount: str, currency: str = "INR") -> common_pb2.Money:
    return common_pb2.Money(amount=common_pb2.Decimal(value=amount), currency=currency)


async def test_guards_are_set_told_and_taken_away(stage: Stage) -> None:
    level, again = subscription_pb2.KILL_LEVEL_FLATTEN, risk_pb2.REARM_POLICY_NEXT_TRADING_DAY
    made = await stage.limits(max_daily_loss=money("1000"), guard_level=level, rearm_policy=again)
    assert (made.max_daily_loss.amount.value, made.guard_level, made.rearm_policy) == ("1000", level, again)
    known = await stage.known()
    assert known.guards == replace(LOSS, rearm=RearmPolicy.NEXT_TRADING_DAY)
    assert known.partition == HOME
    more = await stage.limits(max_open_positions=3)
    assert (more.max_daily_loss.amount.value, more.max_open_positions, more.version) == ("1000", 3, 2)
    (of_copies,) = await stage.guards.of_subscriptions([HOME])
    assert (of_copies.subject, of_copies.guards) == (stage.copies, STOP)
    assert of_copies.rearm is RearmPolicy.NEXT_TRADING_DAY
    cleared = risk_pb2.UpdateRiskLimitsRequest(
        limits=risk_pb2.RiskLimits(account_id=ME),
        update_mask=FieldMask(paths=["max_daily_loss", "max_open_positions"]),
    )
    await LimitMethods(PostgresRiskLimits(stage.database)).UpdateRiskLimits(cleared, Caller())
    assert list(await stage.guards.of_accounts([ME])) == []


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"max_daily_loss": money("1000")}, ["limits.guard_level"]),
        ({"max_daily_loss": money("-1"), "guard_level": 1}, ["limits.max_daily_loss"]),
        ({"max_daily_loss": money("1", ""), "guard_level": 1}, ["limits.max_daily_loss"]),
        ({"max_daily_loss": money(""), "guard_level": 1}, ["limits.max_daily_loss.amount"]),
        (
            {"max_daily_loss": money("1"), "max_exposure": money("1", "USDT"), "guard_level": 1},
            ["limits.max_exposure.currency"],
        ),
        (
            {"max_drawdown_percent": common_pb2.Decimal(value="101"), "guard_level": 1},
            ["limits.max_drawdown_percent"],
        ),
        ({"max_open_positions": 0, "guard_level": 1}, ["limits.max_open_positions"]),
        ({"guard_level": 77}, ["limits.guard_level"]),
    ],
)
async def test_guards_that_make_no_sense_are_refused_by_field(
    stage: Stage, fields: dict[str, Any], refused: list[str]
) -> None:
    with pytest.raises(Invalid) as problem:
        await stage.limits(**fields)
    assert [each.field for each in problem.value.problems] == refused
    assert list(await stage.guards.of_accounts([ME])) == []


async def test_one_trip_of_an_arming_is_written_once_with_all_that_follows(stage: Stage) -> None:
    await stage.limits(max_daily_loss=money("1000"), guard_level=subscription_pb2.KILL_LEVEL_FLATTEN)
    assert await stage.trip(stage.account, GuardKind.DAILY_LOSS)
    assert not await stage.trip(stage.account, GuardKind.DAILY_LOSS)
    assert not await stage.trip(stage.account, GuardKind.DRAWDOWN, epoch=7)
    name = f"DAILY_LOSS:{ME}:0"
    assert await stage.wanted() == [(f"guard:{name}", None, "FLATTEN")]
    known = await stage.known()
    assert (known.marks, known.tripped) == (MARKS, {GuardKind.DAILY_LOSS: MONDAY})
    (entry,) = [each for each in await PostgresAudit(stage.database).page() if each.action == "guard.tripped"]
    assert (entry.cause, entry.details["observed"], entry.details["equity"]) == (name, "1234.5", "5")
    told = await stage.database.fetch("SELECT kind, facts FROM alerts WHERE kind = 'GUARD_TRIPPED'")
    assert [(row["kind"], row["facts"]["observed"]) for row in told] == [("GUARD_TRIPPED", "1234.5")]
    (trip,) = (await stage.door.ListGuardTrips(risk_pb2.ListGuardTripsRequest(), Caller())).guard_trips
    assert (trip.kind, trip.observed.value, trip.HasField("rearm_time")) == (1, "1234.5", False)


async def test_a_person_arms_again_and_the_next_trip_has_another_name(stage: Stage) -> None:
    await stage.limits(max_daily_loss=money("1000"), guard_level=subscription_pb2.KILL_LEVEL_STOP_ENTRIES)
    await stage.trip(stage.account, GuardKind.DAILY_LOSS, LiquidationLevel.STOP_ENTRIES)
    name = f"DAILY_LOSS:{ME}:0"
    assert (await stage.rearm(name)).HasField("rearm_time")
    assert (await stage.rearm(name)).HasField("rearm_time")
    known = await stage.known()
    assert (known.marks, known.tripped) == (replace(MARKS, arming=1, opened=None), {})
    assert not await stage.trip(stage.account, GuardKind.DAILY_LOSS), "of an arming that is over"
    await stage.guards.keep(EPOCHS, [stage.guarded(stage.account)])
    assert (await stage.known()).marks == known.marks
    assert await stage.trip(stage.account, GuardKind.DAILY_LOSS, marks=replace(MARKS, arming=1))
    assert await stage.listed() == [f"DAILY_LOSS:{ME}:1"]
    assert await stage.listed(include_rearmed=True) == [f"DAILY_LOSS:{ME}:1", name]
    assert await stage.listed(account_id=ME, kind=risk_pb2.GUARD_KIND_EXPOSURE) == []
    acts = [each.action for each in await PostgresAudit(stage.database).page()]
    assert acts.count("guard.rearmed") == 1
    with pytest.raises(NotFound):
        await stage.rearm("nobody")


async def test_the_next_day_arms_again_and_old_days_are_forgotten(stage: Stage) -> None:
    await stage.limits(max_daily_loss=money("1000"), guard_level=subscription_pb2.KILL_LEVEL_STOP_ENTRIES)
    await stage.trip(stage.account, GuardKind.DAILY_LOSS, LiquidationLevel.STOP_ENTRIES)
    tuesday = replace(MARKS, day=MONDAY + timedelta(days=1))
    await stage.guards.keep(EPOCHS, [stage.guarded(stage.account, tuesday)])
    await stage.guards.rearm_due(EPOCHS, [Rearming(stage.account, HOME, GuardKind.DAILY_LOSS)])
    await stage.guards.rearm_due(EPOCHS, [Rearming(stage.account, HOME, GuardKind.DAILY_LOSS)])
    known = await stage.known()
    assert (known.marks, known.tripped) == (replace(tuesday, arming=1), {})
    await PostgresRetention(stage.database).forget_guard_days(MONDAY + timedelta(days=30))
    days = await stage.database.fetch("SELECT trading_day FROM guard_days")
    assert [row["trading_day"] for row in days] == [tuesday.day]


async def test_what_tripped_keeps_its_own_entries_out_and_lets_exits_go(stage: Stage) -> None:
    executor = KillWatch(PostgresKillSwitches(stage.database), "executor", "e1", SystemClock())
    await executor.look()
    refusal = stopping(executor, lambda _command: None)
    entry = replace(order("e"), account_id=ME, subscription_id=stage.name)
    assert refusal(Command(CommandKind.PLACE, entry)) is None
    await stage.trip(stage.copies, GuardKind.STOP_LOSS)
    await executor.look()
    assert refusal(Command(CommandKind.PLACE, entry)) == GUARD_TRIPPED
    assert refusal(Command(CommandKind.PLACE, replace(entry, intent=Intent.EXIT))) is None
    assert refusal(Command(CommandKind.CANCEL, entry)) is None
    other = replace(entry, subscription_id=SubscriptionId("another"))
    assert refusal(Command(CommandKind.PLACE, other)) is None
    await stage.trip(stage.account, GuardKind.EXPOSURE, LiquidationLevel.CANCEL_WORKING)
    await executor.look()
    assert refusal(Command(CommandKind.PLACE, other)) == GUARD_TRIPPED
    assert await stage.wanted() == [
        (f"guard:STOP_LOSS:{stage.name}:0", stage.name, "FLATTEN"),
        (f"guard:EXPOSURE:{ME}:0/{stage.name}", stage.name, "CANCEL_WORKING"),
    ]
    for name in await stage.listed():
        await stage.rearm(name)
    await executor.look()
    assert refusal(Command(CommandKind.PLACE, entry)) is None


async def test_a_person_liquidates_once(stage: Stage) -> None:
    woken: list[int] = []
    door = LiquidationMethods(PostgresLiquidations(stage.database), stage.requests, lambda: woken.append(1))

    async def ask(account_id: str, request_id: str, reason: str = "out of here") -> risk_pb2.Liquidation:
        asked = risk_pb2.CreateLiquidationRequest(account_id=account_id, request_id=request_id, reason=reason)
        return (await door.CreateLiquidation(asked, Caller())).liquidation

    first = await ask(LEADER, "one")
    assert (await ask(LEADER, "one")).liquidation_id == first.liquidation_id == f"manual:{LEADER}:one"
    assert (await ask(LEADER, "two")).liquidation_id == first.liquidation_id, "it runs still"
    copies = (f"{first.liquidation_id}/{stage.name}", stage.name, "FLATTEN")
    assert sorted(await stage.wanted()) == [(first.liquidation_id, None, "FLATTEN"), copies]
    acts = [each.action for each in await PostgresAudit(stage.database).page()]
    assert (acts.count("liquidation.create"), len(woken)) == (1, 3)
    with pytest.raises(NotFound, match="XNOBODY"):
        await ask("fyers:XNOBODY", "r")
    with pytest.raises(Invalid, match="reason"):
        await ask(LEADER, "r", reason="")
