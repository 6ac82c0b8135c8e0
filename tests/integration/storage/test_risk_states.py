"""A line is crossed once for all replicas: fenced, with its alerts, its liquidation and its audit."""

from dataclasses import replace
from decimal import Decimal

import pytest

from paceline.adapters.postgres.audit import PostgresAudit
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.liquidation_requests import PostgresLiquidationRequests
from paceline.adapters.postgres.liquidations import PostgresLiquidations
from paceline.adapters.postgres.risk_states import PostgresRiskStates
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.domain.alert import Alert, AlertKind
from paceline.domain.ids import AccountId, Epoch, LiquidationId, Partition
from paceline.domain.liquidation import Liquidation, LiquidationCause, LiquidationLevel
from paceline.domain.partitioning import partition_of
from paceline.domain.risk import RiskState, Thresholds
from paceline.ports.liquidation_requests import Request
from paceline.ports.risk_states import Standing, Turn
from tests.integration.storage.makers import a_subscription, accounts_of, own

ME, OTHER = AccountId("fyers:XLEADER"), AccountId("fyers:XFOLLOWER")
HOME = partition_of(ME)
ALL = [Partition(n) for n in range(256)]
CAUSE = {"equity": "800.0000", "prices": {"NSE:SBIN-EQ": "608.0000"}}


@pytest.fixture
async def states(database: Database) -> PostgresRiskStates:
    await accounts_of(database, ME, OTHER)
    await own(database, "risk", [HOME], Epoch(3))
    return PostgresRiskStates(database)


def turn(state: RiskState = RiskState.LIQUIDATING, number: int = 1) -> Turn:
    alert = Alert(f"WARNING:{ME}:{number}", ME, AlertKind.WARNING, {"level": "5.00"})
    request = wanted(f"margin:{ME}:{number}") if state is RiskState.LIQUIDATING else None
    return Turn(Standing(ME, state, number), HOME, "risk.test", CAUSE, (alert,), request)


def wanted(name: str, account_id: AccountId = ME) -> Request:
    cause = LiquidationCause.MARGIN
    return Request(LiquidationId(name), account_id, cause, "turn 1", "the margin level is 5 %", CAUSE)


async def counted(database: Database, table: str) -> int:
    count: int = await database.value(f"SELECT count(*) FROM {table}")  # noqa: S608 - names of this test
    return count


async def test_who_was_never_judged_is_calm_with_lines_of_his_own(
    database: Database, states: PostgresRiskStates
) -> None:
    await database.execute(
        "INSERT INTO risk_limits (account_id, warning_percent, rearm_percent, liquidation_percent)"
        " VALUES ($1, 80, 90, 20)",
        OTHER,
    )
    found = await states.of([ME, OTHER, AccountId("fyers:XNOBODY")])
    own_lines = Thresholds(Decimal(80), Decimal(90), Decimal(20))
    assert found == {ME: Standing(ME), OTHER: Standing(OTHER, thresholds=own_lines)}


async def test_a_turn_is_taken_once_with_all_that_follows(
    database: Database, states: PostgresRiskStates
) -> None:
    await database.execute("INSERT INTO alert_targets (target_id, account_id, url) VALUES ('t', $1, '')", ME)
    assert await states.write({HOME: Epoch(3)}, [turn()]) == {ME}
    assert await states.write({HOME: Epoch(3)}, [turn()]) == frozenset()
    assert (await states.of([ME]))[ME] == Standing(ME, RiskState.LIQUIDATING, 1)
    counts = [
        await counted(database, table) for table in ("liquidation_requests", "alerts", "alert_deliveries")
    ]
    assert counts == [1, 2, 2]
    (entry,) = await PostgresAudit(database).page()
    assert (entry.subject, entry.cause) == (ME, "turn 1")
    assert entry.details == {"state": "LIQUIDATING", **CAUSE}


async def test_a_stale_epoch_takes_nothing(database: Database, states: PostgresRiskStates) -> None:
    assert await states.write({HOME: Epoch(2)}, [turn()]) == frozenset()
    assert await states.write({}, [turn()]) == frozenset()
    assert await counted(database, "alerts") == 0
    assert (await states.of([ME]))[ME] == Standing(ME)


async def test_a_liquidation_that_ended_is_told_until_a_conclusion_is_drawn(
    database: Database, states: PostgresRiskStates
) -> None:
    await states.write({HOME: Epoch(3)}, [turn()])
    await database.execute("UPDATE liquidation_requests SET ended_at = now()")
    ended = (await states.of([ME]))[ME]
    assert ended.ended_ns > 0
    assert await states.write({HOME: Epoch(3)}, [turn(RiskState.CALM, 2)]) == {ME}
    assert (await states.of([ME]))[ME] == replace(ended, state=RiskState.CALM, turn=2, ended_ns=0)
    assert await states.write({HOME: Epoch(3)}, [turn(number=3)]) == {ME}
    assert (await states.of([ME]))[ME].ended_ns == 0


async def test_a_liquidation_cascades_wherever_the_account_leads(
    database: Database, states: PostgresRiskStates
) -> None:
    onward, aside = AccountId("fyers:XONWARD"), AccountId("fyers:XASIDE")
    await accounts_of(database, onward, aside)
    subscriptions = PostgresSubscriptions(database)
    follows = [(ME, OTHER, False), (OTHER, onward, True), (OTHER, aside, False)]
    names = []
    for leader, follower, forward in follows:
        made = replace(a_subscription(leader, follower), forward_copies=forward)
        await subscriptions.create(made)
        names.append(made.subscription_id)
    await states.write({HOME: Epoch(3)}, [turn()])
    requests = PostgresLiquidationRequests(database)
    found = await requests.unacknowledged(ALL, 10)
    root = f"margin:{ME}:1"
    assert {(each.account_id, each.subscription_id, each.cause.value, each.cause_id) for each in found} == {
        (ME, None, "MARGIN", "turn 1"),
        (OTHER, names[0], "CASCADE", root),
        (onward, names[1], "CASCADE", root),
    }
    assert next(each for each in found if each.subscription_id is None) == wanted(root)
    assert [each.evidence for each in found] == [CAUSE] * 3
    await database.execute(
        "UPDATE liquidation_requests SET requested_at = now() - interval '1 s' WHERE subscription_id <> ''"
    )
    assert [each.subscription_id for each in await requests.unacknowledged(ALL, 1)] == [None]
    rows = await database.fetch("SELECT account_id FROM alerts WHERE kind = 'LIQUIDATION_BEGUN'")
    assert {row["account_id"] for row in rows} == {ME, OTHER, onward}
    await requests.acknowledge([each.liquidation_id for each in found])
    assert list(await requests.unacknowledged(ALL, 10)) == []


async def test_what_the_executor_has_done_is_known_in_the_same_transaction(
    database: Database, states: PostgresRiskStates
) -> None:
    await states.write({HOME: Epoch(3)}, [turn()])
    await own(database, "executor", [HOME], Epoch(5))
    liquidations = PostgresLiquidations(database)
    request = wanted(f"margin:{ME}:1")
    asked = Liquidation(
        request.liquidation_id, ME, LiquidationLevel.FLATTEN, LiquidationCause.MARGIN, reason=request.reason
    )
    (stored,) = await liquidations.create({HOME: Epoch(5)}, [asked])
    assert isinstance(stored, Liquidation)
    assert (await states.of([ME]))[ME].ended_ns == 0
    assert await liquidations.finish(HOME, Epoch(5), stored) == ""
    assert (await states.of([ME]))[ME].ended_ns > 0
    assert list(await PostgresLiquidationRequests(database).unacknowledged(ALL, 10)) == []
    kinds = await database.fetch("SELECT kind FROM alerts WHERE kind LIKE 'LIQUIDATION_%' ORDER BY kind")
    assert [row["kind"] for row in kinds] == ["LIQUIDATION_BEGUN", "LIQUIDATION_ENDED"]


async def test_the_same_thing_is_told_once(database: Database, states: PostgresRiskStates) -> None:
    alert = Alert(f"NOT_JUDGED:{ME}:7", ME, AlertKind.NOT_JUDGED, {"reason": "old"})
    await states.tell([alert])
    await states.tell([alert, replace(alert, account_id=AccountId("fyers:XNOBODY"), alert_id="n")])
    assert await counted(database, "alerts") == 1


async def test_a_session_that_needs_a_person_is_told_with_its_reason(
    database: Database, states: PostgresRiskStates
) -> None:
    for state in ("LIVE", "LOGIN_NEEDED", "LOGIN_NEEDED", "CONNECTING", "LOGIN_NEEDED"):
        await database.execute(
            "UPDATE sessions SET state = $2, reason = 'no token' WHERE session_id = $1", ME, state
        )
    rows = await database.fetch("SELECT account_id, kind, facts FROM alerts")
    assert [(row["account_id"], row["kind"], row["facts"]) for row in rows] == [
        (ME, "LOGIN_NEEDED", {"reason": "no token"})
    ]
