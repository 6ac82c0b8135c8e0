"""A request asked twice is answered once; what was done is written down."""

import pytest

from paceline.adapters.postgres.audit import PostgresAudit
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.requests import PostgresRequests
from paceline.domain.errors import Conflict, Unavailable
from paceline.ports.audit import AuditEntry

METHOD = "CreateAccount"


@pytest.fixture
def requests(database: Database) -> PostgresRequests:
    return PostgresRequests(database)


async def test_the_first_answer_is_given_again(requests: PostgresRequests) -> None:
    assert await requests.begin(METHOD, "r1", b"same") is None
    await requests.finish(METHOD, "r1", b"answer")
    assert await requests.begin(METHOD, "r1", b"same") == b"answer"
    assert await requests.begin("PauseSubscription", "r1", b"same") is None


async def test_an_id_used_for_something_else_is_refused(requests: PostgresRequests) -> None:
    await requests.begin(METHOD, "r1", b"one")
    with pytest.raises(Conflict):
        await requests.begin(METHOD, "r1", b"other")


async def test_while_one_carries_it_out_the_other_waits(
    requests: PostgresRequests, database: Database
) -> None:
    await requests.begin(METHOD, "r1", b"same")
    with pytest.raises(Unavailable):
        await requests.begin(METHOD, "r1", b"same")
    await database.execute("UPDATE requests SET created_at = now() - interval '31 seconds'")
    assert await requests.begin(METHOD, "r1", b"same") is None


async def test_what_failed_may_be_tried_again_at_once(requests: PostgresRequests) -> None:
    await requests.begin(METHOD, "r1", b"same")
    await requests.abandon(METHOD, "r1")
    assert await requests.begin(METHOD, "r1", b"corrected") is None


async def test_old_answers_are_forgotten(requests: PostgresRequests, database: Database) -> None:
    await requests.begin(METHOD, "r1", b"same")
    assert await requests.forget_before(24) == 0
    await database.execute("UPDATE requests SET created_at = now() - interval '25 hours'")
    assert await requests.forget_before(24) == 1


async def test_the_audit_trail_is_read_newest_first_and_never_rewritten(database: Database) -> None:
    audit = PostgresAudit(database)
    lines = [
        AuditEntry("ops", "freeze", "account", account, cause="margin", details={"level": "9.8"})
        for account in ("fyers:A", "fyers:B", "fyers:A")
    ]
    await audit.write(lines)
    newest = await audit.page(limit=2)
    assert [each.subject for each in newest] == ["fyers:A", "fyers:B"]
    assert newest[0].details == {"level": "9.8"}
    (oldest,) = await audit.page(before=newest[-1].audit_id)
    of_a = await audit.page(subject_kind="account", subject="fyers:A")
    assert [each.audit_id for each in of_a] == [newest[0].audit_id, oldest.audit_id]
    with pytest.raises(Conflict, match="append-only"):
        await database.execute("DELETE FROM audit")
