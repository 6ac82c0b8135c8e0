"""A kill switch stops entries wherever they are planned and sent, and cancels or flattens copies once."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from paceline.adapters.clock import SystemClock
from paceline.adapters.postgres.audit import PostgresAudit
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.kill_switches import PostgresKillSwitches
from paceline.adapters.postgres.liquidation_requests import PostgresLiquidationRequests
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.api.v1 import risk_pb2, subscription_pb2
from paceline.domain.copy_order import CommandKind, CopyOrder, Intent
from paceline.domain.errors import Conflict, FailedPrecondition, Invalid, NotFound
from paceline.domain.execution import Command
from paceline.domain.ids import AccountId, Partition, SubscriptionId
from paceline.runtime.kill_watch import KillWatch
from services.executor.freezes import Hold
from services.executor.stops import KILL_SWITCH, stopping
from services.risk.servicer_kills import KillMethods
from tests.integration.storage.makers import a_subscription, accounts_of
from tests.unit.executor.given import order

LEADER, OTHER = AccountId("fyers:XLEADER"), AccountId("fyers:XOTHER")
ONE, TWO = AccountId("fyers:XONE"), AccountId("fyers:XTWO")
STOP, CANCEL, FLATTEN = (
    subscription_pb2.KILL_LEVEL_STOP_ENTRIES,
    subscription_pb2.KILL_LEVEL_CANCEL_WORKING,
    subscription_pb2.KILL_LEVEL_FLATTEN,
)
ALL = [Partition(n) for n in range(256)]


@dataclass
class Caller:
    metadata: list[tuple[str, str]] = field(default_factory=lambda: [("x-paceline-actor", "alice")])

    def invocation_metadata(self) -> list[tuple[str, str]]:
        return self.metadata


class Stage:
    def __init__(self, database: Database, names: list[SubscriptionId]) -> None:
        self.database, self.names = database, names
        self.switches = PostgresKillSwitches(database)
        self.door = KillMethods(self.switches)
        self.executor = KillWatch(self.switches, "executor", "e1", SystemClock())
        self.replicator = KillWatch(self.switches, "replicator", "r1", SystemClock())

    async def engage(self, level: subscription_pb2.KillLevel.ValueType, **scope: Any) -> risk_pb2.KillSwitch:
        asked = risk_pb2.EngageKillSwitchRequest(
            scope=risk_pb2.KillSwitchScope(**scope), level=level, reason="a wild morning"
        )
        switch = (await self.door.EngageKillSwitch(asked, Caller())).kill_switch
        await self.look()
        return switch

    async def release(self, version: int = 0, **scope: Any) -> risk_pb2.KillSwitch:
        asked = risk_pb2.ReleaseKillSwitchRequest(
            scope=risk_pb2.KillSwitchScope(**scope), version=version, reason="calm again"
        )
        switch = (await self.door.ReleaseKillSwitch(asked, Caller([]))).kill_switch
        await self.look()
        return switch

    async def look(self) -> None:
        await self.executor.look()
        await self.replicator.look()

    async def requests(self) -> list[tuple[str | None, str, str]]:
        found = await PostgresLiquidationRequests(self.database).unacknowledged(ALL, 100)
        return [(each.subscription_id, each.level.value, each.cause.value) for each in found]

    def stopped(self) -> list[bool]:
        """Entries of the three: as planned, and as sent."""
        planned = [
            self.replicator.entry(each, follower)
            for each, follower in ((LEADER, ONE), (LEADER, TWO), (OTHER, ONE))
        ]
        followers = (ONE, TWO, ONE)
        sent = [self.executor.copy(name, each) for name, each in zip(self.names, followers, strict=True)]
        assert planned == sent
        return planned


@pytest.fixture
async def stage(postgres_url: str) -> AsyncIterator[Stage]:
    database = await open_database(postgres_url, PoolOptions(min_size=1, max_size=3))
    await accounts_of(database, LEADER, OTHER, ONE, TWO)
    made = [a_subscription(*pair) for pair in ((LEADER, ONE), (LEADER, TWO), (OTHER, ONE))]
    for each in made:
        await PostgresSubscriptions(database).create(each)
    yield Stage(database, [each.subscription_id for each in made])
    await database.close()


async def test_each_scope_stops_its_own_and_releasing_lets_go_on(stage: Stage) -> None:
    await stage.look()
    assert stage.stopped() == [False, False, False]
    await stage.engage(STOP, leader_id=LEADER)
    assert stage.stopped() == [True, True, False]
    await stage.engage(STOP, follower_id=ONE)
    assert stage.stopped() == [True, True, True]
    await stage.release(leader_id=LEADER)
    assert stage.stopped() == [True, False, True]
    await stage.release(follower_id=ONE)
    await stage.engage(STOP, everything=True)
    assert stage.stopped() == [True, True, True]
    released = await stage.release(everything=True)
    assert stage.stopped() == [False, False, False]
    assert (released.level, released.actor, released.reason) == (0, "anonymous", "calm again")
    assert await stage.requests() == []
    acts = [each.action for each in reversed(await PostgresAudit(stage.database).page())]
    assert (acts.count("kill_switch.engage"), acts.count("kill_switch.release")) == (3, 3)


async def test_a_level_is_raised_once_and_never_lowered(stage: Stage) -> None:
    first = await stage.engage(STOP, leader_id=LEADER)
    assert (first.actor, first.level) == ("alice", STOP)
    assert (await stage.engage(STOP, leader_id=LEADER)).version == first.version
    raised = await stage.engage(CANCEL, leader_id=LEADER)
    again = await stage.engage(CANCEL, leader_id=LEADER)
    assert raised.version == again.version > first.version
    cancels = [(name, "CANCEL_WORKING", "KILL_SWITCH") for name in sorted(stage.names[:2])]
    assert sorted(await stage.requests()) == cancels
    await stage.engage(FLATTEN, leader_id=LEADER)
    assert len(await stage.requests()) == 4
    with pytest.raises(FailedPrecondition, match="release it first"):
        await stage.engage(STOP, leader_id=LEADER)
    begun = await stage.database.fetch("SELECT account_id FROM alerts WHERE kind = 'LIQUIDATION_BEGUN'")
    assert {row["account_id"] for row in begun} == {ONE, TWO}
    with pytest.raises(Conflict):
        await stage.release(version=first.version, leader_id=LEADER)


async def test_acknowledged_is_what_every_executor_that_lives_has_read(stage: Stage) -> None:
    for name in ("e1", "e2"):
        await stage.database.execute("INSERT INTO replicas (service, owner) VALUES ('executor', $1)", name)
    await stage.engage(STOP, everything=True)
    asked = risk_pb2.GetKillSwitchRequest(scope=risk_pb2.KillSwitchScope(everything=True))
    assert not (await stage.door.GetKillSwitch(asked, Caller())).kill_switch.acknowledged
    await KillWatch(stage.switches, "executor", "e2", SystemClock()).look()
    assert (await stage.door.GetKillSwitch(asked, Caller())).kill_switch.acknowledged


async def test_pages_tell_the_released_only_where_asked(stage: Stage) -> None:
    await stage.engage(STOP, everything=True)
    await stage.engage(STOP, leader_id=LEADER)
    await stage.release(leader_id=LEADER)
    listed = await stage.door.ListKillSwitches(risk_pb2.ListKillSwitchesRequest(), Caller())
    assert [each.scope.everything for each in listed.kill_switches] == [True]
    asked = risk_pb2.ListKillSwitchesRequest(include_released=True, page_size=1)
    first = await stage.door.ListKillSwitches(asked, Caller())
    asked.page_token = first.next_page_token
    second = await stage.door.ListKillSwitches(asked, Caller())
    found = [*first.kill_switches, *second.kill_switches]
    assert [each.scope.WhichOneof("scope") for each in found] == ["everything", "leader_id"]


async def test_what_makes_no_sense_is_refused_by_field(stage: Stage) -> None:
    with pytest.raises(Invalid, match="scope"):
        await stage.engage(STOP)
    with pytest.raises(Invalid, match="scope"):
        await stage.engage(STOP, everything=False)
    with pytest.raises(Invalid, match="level"):
        await stage.engage(subscription_pb2.KILL_LEVEL_UNSPECIFIED, everything=True)
    with pytest.raises(NotFound, match="XNOBODY"):
        await stage.engage(STOP, leader_id="fyers:XNOBODY")
    with pytest.raises(NotFound):
        await stage.release(everything=True)
    with pytest.raises(Invalid, match="version"):
        await stage.release(version=-1, everything=True)


async def test_entries_of_copies_do_not_leave_and_all_else_does(stage: Stage) -> None:
    refusal = stopping(stage.executor, lambda _command: None)

    def asks(one: CopyOrder, kind: CommandKind = CommandKind.PLACE) -> str | Hold | None:
        return refusal(Command(kind, one))

    entry, exit_ = order("e"), order("x", intent=Intent.EXIT)
    assert entry.subscription_id is not None
    assert asks(entry) is None
    await stage.engage(STOP, everything=True)
    assert asks(entry) == KILL_SWITCH
    assert asks(entry, CommandKind.MODIFY) is Hold.HELD
    assert [asks(entry, CommandKind.CANCEL), asks(exit_)] == [None, None]
    assert stopping(stage.executor, lambda _command: "FROZEN")(Command(CommandKind.PLACE, exit_)) == "FROZEN"
