"""Drifts in PostgreSQL: fenced, written only where everything still stands as it was judged, and listed."""

from dataclasses import replace
from typing import Any

import pytest

from paceline.adapters.postgres.accounts import PostgresAccounts
from paceline.adapters.postgres.audit import PostgresAudit
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.drift_looks import PostgresDriftLooks
from paceline.adapters.postgres.drifts import PostgresDrifts
from paceline.adapters.postgres.ledgers import append_lines
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.api.v1 import replicator_pb2
from paceline.domain.copy_order import Intent
from paceline.domain.drift import Difference, DriftKind, LookOutcome
from paceline.domain.errors import Conflict, Invalid, NotFound, NotOwner
from paceline.domain.ids import AccountId, Epoch, SubscriptionId
from paceline.domain.ledger import EntryKind, LedgerEntry
from paceline.domain.partitioning import partition_of
from paceline.domain.subscription import AttributionPolicy, DriftPolicy
from paceline.ports.drift_looks import AskedLook
from paceline.ports.drifts import Finding
from services.replicator.compare import Comparisons
from services.replicator.servicer import ReplicatorServicer
from tests.fakes.clock import FakeClock
from tests.integration.storage.makers import SBIN, a_subscription, accounts_of, own
from tests.unit.domain.given import d

LEADER, FOLLOWER = "fyers:XLEADER", AccountId("fyers:XFOLLOWER")
HOME = partition_of(FOLLOWER)
NAME = SubscriptionId(f"{LEADER}>{FOLLOWER}")
LESS = Difference(DriftKind.MISSING, d(10), d(4), d(6))


@pytest.fixture
async def drifts(database: Database) -> PostgresDrifts:
    """A follower who holds ten."""
    await accounts_of(database, LEADER, FOLLOWER)
    follows = replace(
        a_subscription(LEADER, FOLLOWER), drift=DriftPolicy.HEAL, attribution=AttributionPolicy.OWN_FIRST
    )
    await PostgresSubscriptions(database).create(follows)
    await own(database, "executor", [HOME], Epoch(3))
    await moved(database, 10, "e1")
    return PostgresDrifts(database)


async def moved(database: Database, quantity: int, cause: str) -> None:
    async with database.transaction() as transaction:
        lines = [
            LedgerEntry(NAME, SBIN, kind, Intent.ENTRY, d(quantity), cause)
            for kind in (EntryKind.IDEAL, EntryKind.PLANNED, EntryKind.FILLED)
        ]
        await append_lines(transaction, lines)


async def found(drifts: PostgresDrifts, difference: Difference | None = LESS) -> Finding:
    standing = (await drifts.standings(HOME, FOLLOWER, 0))[SBIN]
    return Finding(SBIN, standing, difference, "two books", 7)


async def acts(database: Database) -> list[str]:
    return [each.action for each in reversed(await PostgresAudit(database).page())]


async def test_what_stands_is_told_with_its_policies_and_its_unrest(
    database: Database, drifts: PostgresDrifts
) -> None:
    assert list(await drifts.accounts([HOME])) == [FOLLOWER]
    standing = (await drifts.standings(HOME, FOLLOWER, 0))[SBIN]
    (share,) = standing.shares
    assert (share.policy, share.attribution) == (DriftPolicy.HEAL, AttributionPolicy.OWN_FIRST)
    assert (standing.copied, standing.unrest) == (d(10), "")
    assert (await drifts.standings(HOME, FOLLOWER, 60_000))[SBIN].unrest == "it moved a moment ago"
    await database.execute("UPDATE partition_heads SET last_offset = 5 WHERE partition = $1", HOME)
    assert "executor has still" in (await drifts.standings(HOME, FOLLOWER, 0))[SBIN].unrest


async def test_a_drift_begins_goes_on_and_ends_once(database: Database, drifts: PostgresDrifts) -> None:
    await drifts.write(HOME, Epoch(3), FOLLOWER, [await found(drifts)], 0)
    worse = replace(LESS, net=d(2), amount=d(8))
    await drifts.write(HOME, Epoch(3), FOLLOWER, [await found(drifts, worse)], 0)
    (stands,) = await drifts.page()
    assert (stands.difference, stands.evidence, stands.book_ns, stands.ended_at) == (
        worse,
        "two books",
        7,
        None,
    )
    assert (await drifts.standing([HOME]), await acts(database)) == (1, ["drift.began"])
    await drifts.write(HOME, Epoch(3), FOLLOWER, [await found(drifts, None)], 0)
    await drifts.write(HOME, Epoch(3), FOLLOWER, [await found(drifts, None)], 0)
    assert (await drifts.standing([HOME]), await acts(database)) == (0, ["drift.began", "drift.ended"])
    assert list(await drifts.page()) == []
    (ended,) = await drifts.page(ended=True)
    assert ended.ended_at is not None


async def test_what_moved_since_it_was_judged_is_left(database: Database, drifts: PostgresDrifts) -> None:
    finding = await found(drifts)
    await moved(database, 5, "e2")
    await drifts.write(HOME, Epoch(3), FOLLOWER, [finding], 0)
    assert (await drifts.standing([HOME]), await acts(database)) == (0, [])


async def test_whoever_lost_the_partition_writes_nothing(database: Database, drifts: PostgresDrifts) -> None:
    with pytest.raises(NotOwner):
        await drifts.write(HOME, Epoch(2), FOLLOWER, [await found(drifts)], 0)
    assert await drifts.standing([HOME]) == 0


async def test_the_door_lists_them_by_pages_and_by_whom_they_concern(
    database: Database, drifts: PostgresDrifts
) -> None:
    nobody: Any = None
    door = ReplicatorServicer(nobody, nobody, drifts, nobody)
    for number in range(3):
        await drifts.write(HOME, Epoch(3), FOLLOWER, [await found(drifts)], 0)
        if number < 2:
            await drifts.write(HOME, Epoch(3), FOLLOWER, [await found(drifts, None)], 0)

    async def ask(**which: Any) -> replicator_pb2.ListDriftsResponse:
        return await door.ListDrifts(replicator_pb2.ListDriftsRequest(**which), None)

    (standing,) = (await ask()).drifts
    assert (standing.account_id, standing.key.instrument_id) == (FOLLOWER, SBIN.instrument_id)
    assert (standing.ledger_quantity.value, standing.broker_quantity.value) == ("10", "4")
    assert (standing.evidence, standing.HasField("heal_time")) == ("MISSING: two books", False)
    first = await ask(subscription_id=NAME, include_healed=True, page_size=2)
    rest = await ask(subscription_id=NAME, include_healed=True, page_size=2, page_token=first.next_page_token)
    assert [each.HasField("heal_time") for each in [*first.drifts, *rest.drifts]] == [True, True, False]
    assert rest.next_page_token == ""
    assert len((await ask(subscription_id="another", include_healed=True)).drifts) == 0


async def test_a_look_is_asked_for_once_and_answered_once_by_who_holds_the_account(
    database: Database, drifts: PostgresDrifts
) -> None:
    looks = PostgresDriftLooks(database)
    asked = AskedLook("r1", FOLLOWER, DriftPolicy.HEAL)
    for _ in range(2):
        await looks.ask(asked)
    with pytest.raises(Conflict):
        await looks.ask(replace(asked, policy=None))
    assert (await looks.asked([HOME]), await looks.outcome("r1")) == ([asked], None)
    with pytest.raises(NotOwner):
        await looks.answer(HOME, Epoch(2), "r1", LookOutcome.AGREED)
    for outcome in (LookOutcome.DIFFERED, LookOutcome.AGREED):
        await looks.answer(HOME, Epoch(3), "r1", outcome)
    assert (await looks.asked([HOME]), await looks.outcome("r1")) == ([], LookOutcome.DIFFERED)
    await looks.ask(asked)
    assert await looks.asked([HOME]) == []


async def test_asking_through_the_door_shows_what_stands_or_says_why_it_does_not(
    database: Database, drifts: PostgresDrifts
) -> None:
    nobody: Any = None
    looks, clock = PostgresDriftLooks(database), FakeClock(auto_jump=True)
    door = ReplicatorServicer(
        nobody, nobody, drifts, Comparisons(looks, drifts, PostgresAccounts(database), clock)
    )
    await drifts.write(HOME, Epoch(3), FOLLOWER, [await found(drifts)], 0)

    async def ask(name: str, account: str = FOLLOWER, policy: int = 0) -> replicator_pb2.ReconcileResponse:
        return await door.Reconcile(
            replicator_pb2.ReconcileRequest(request_id=name, account_id=account, policy=policy),  # type: ignore[arg-type]
            None,
        )

    alone = await ask("r1")
    assert "no executor has looked yet" in alone.not_compared_because
    assert [each.account_id for each in alone.drifts] == [FOLLOWER]
    await looks.answer(HOME, Epoch(3), "r1", LookOutcome.DIFFERED)
    assert (await ask("r1")).not_compared_because == ""
    with pytest.raises(NotFound):
        await ask("r2", "fyers:XNOBODY")
    for name, account, policy, field in (
        ("", FOLLOWER, 0, "request_id"),
        ("r3", "", 0, "account_id"),
        ("r3", FOLLOWER, 77, "policy"),
    ):
        with pytest.raises(Invalid) as refused:
            await ask(name, account, policy)
        assert [each.field for each in refused.value.problems] == [field]
