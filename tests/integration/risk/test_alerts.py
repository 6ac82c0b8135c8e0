"""Alerts reach a real mail server once, come back after it refused, and are given up in the end."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from paceline.adapters.clock import SystemClock
from paceline.adapters.notify.apprise import AppriseNotifier
from paceline.adapters.postgres.alerts import PostgresOutbox, PostgresTargets
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.postgres.risk_states import PostgresRiskStates
from paceline.adapters.postgres.sealed import PostgresSealedRows
from paceline.adapters.seal import KeyringSeal
from paceline.domain.alert import Alert, AlertKind
from paceline.domain.errors import NotFound
from paceline.domain.ids import AccountId
from paceline.domain.partitioning import partition_of
from paceline.domain.secret import Secret
from paceline.ports.alerts import Target
from paceline.ports.notifier import Untold
from paceline.ports.sealed import Holder
from paceline.runtime.alert_targets import seal_target, url_of
from paceline.runtime.metric_names import RISK_ALERTS
from paceline.runtime.metrics import Metrics
from paceline.runtime.reseal import rotate
from services.risk.telling import Patience, Teller, pause_s
from tests.integration.risk.mailbox import Mailbox, a_mailbox
from tests.integration.storage.makers import accounts_of

ME, OTHER = AccountId("fyers:XLEADER"), AccountId("fyers:XOTHER")
KEY = base64.b64encode(b"k" * 32).decode()
SEAL = KeyringSeal.from_text(KEY)
WARNING = Alert("w1", ME, AlertKind.WARNING, {"level": "49.00", "line": "50"})


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    database = await open_database(postgres_url, PoolOptions(min_size=1, max_size=4))
    await accounts_of(database, ME, OTHER)
    yield database
    await database.close()


@pytest.fixture
async def box() -> AsyncIterator[Mailbox]:
    async with a_mailbox() as box:
        yield box


class Stage:
    def __init__(self, database: Database, attempts_max: int = 3, seal: KeyringSeal = SEAL) -> None:
        self.database, self.metrics = database, Metrics()
        self.states, self.targets = PostgresRiskStates(database), PostgresTargets(database)
        self.notifier = AppriseNotifier(2, 60.0)
        self.teller = Teller(
            PostgresOutbox(database),
            self.notifier,
            seal,
            lambda: {partition_of(ME)},
            SystemClock(),
            self.metrics,
            Patience(4, 60.0, attempts_max),
        )

    async def target(self, name: str, url: str, account_id: AccountId = ME) -> Target:
        sealed = seal_target(SEAL, name, Secret(url))
        return await self.targets.create(Target(name, account_id, "the desk", sealed))

    async def again(self) -> int:
        """As if the pause were over."""
        await self.database.execute("UPDATE alert_deliveries SET due_at = now() WHERE state = 'DUE'")
        return await self.teller.turn()

    async def delivery(self) -> tuple[str, int]:
        row = await self.database.row("SELECT state, attempts FROM alert_deliveries")
        assert row is not None
        return row["state"], row["attempts"]


async def test_a_mail_arrives_once_with_its_words(database: Database, box: Mailbox) -> None:
    stage = Stage(database)
    await stage.target("t1", box.url)
    await stage.target("t2", box.url, OTHER)
    await stage.states.tell([WARNING])
    await stage.states.tell([WARNING])
    assert (await stage.teller.turn(), await stage.teller.turn()) == (1, 0)
    assert box.subjects == ["Margin warning: fyers:XLEADER"]
    body = box.mails[0].get_body(("plain",))
    assert body is not None
    assert "The margin level of fyers:XLEADER is 49.00 %" in body.get_content()
    assert await stage.delivery() == ("SENT", 1)
    assert stage.metrics.value(RISK_ALERTS, outcome="told") == 1


async def test_what_was_refused_is_told_later_and_at_last_given_up(database: Database, box: Mailbox) -> None:
    stage = Stage(database)
    await stage.target("t1", box.url)
    box.refusing = True
    await stage.states.tell([WARNING])
    assert (await stage.teller.turn(), await stage.teller.turn()) == (1, 0)
    assert await stage.delivery() == ("DUE", 1)
    box.refusing = False
    assert await stage.again() == 1
    assert (box.refused, len(box.mails)) == (1, 1)

    box.refusing = True
    await database.execute("DELETE FROM alerts")
    await stage.states.tell([replace(WARNING, alert_id="w2")])
    assert [await stage.again() for _ in range(4)] == [1, 1, 1, 0]
    assert await stage.delivery() == ("GIVEN_UP", 3)
    assert stage.metrics.value(RISK_ALERTS, outcome="given_up") == 1


async def test_who_claimed_and_died_is_followed_by_another(database: Database, box: Mailbox) -> None:
    stage = Stage(database)
    await stage.target("t1", box.url)
    await stage.states.tell([WARNING])
    outbox = PostgresOutbox(database)
    (claimed,) = await outbox.claim({partition_of(ME)}, 10, 60.0)
    assert await stage.teller.turn() == 0
    assert await stage.again() == 1
    assert (len(box.mails), claimed.attempts, await stage.delivery()) == (1, 1, ("SENT", 2))


async def test_no_secret_is_told_to_a_log(
    database: Database, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(database, attempts_max=1)
    await stage.target("t1", "json://user:s3cr3tword@127.0.0.1:1/hook")
    await stage.states.tell([WARNING])
    await stage.teller.turn()
    assert await stage.delivery() == ("GIVEN_UP", 1)
    problem = await database.value("SELECT problem FROM alert_deliveries")
    written = capfd.readouterr()
    assert "s3cr3tword" not in caplog.text + written.out + written.err + problem
    stored = await database.value("SELECT url FROM alert_targets")
    assert b"s3cr3tword" not in stored


async def test_a_target_that_does_not_open_is_given_up_at_once(database: Database, box: Mailbox) -> None:
    other = KeyringSeal.from_text(base64.b64encode(b"x" * 32).decode())
    stage = Stage(database, seal=other)
    await stage.target("t1", box.url)
    await stage.states.tell([WARNING])
    await stage.teller.turn()
    assert (await stage.delivery(), box.mails) == (("GIVEN_UP", 1), [])


async def test_a_target_is_sealed_again_under_a_new_key(database: Database) -> None:
    stage = Stage(database)
    await stage.target("t1", "json://hook.example")
    newer = KeyringSeal.from_text(f"new:{base64.b64encode(b'n' * 32).decode()},{KEY}")
    rotation = await rotate(PostgresSealedRows(database), newer, SystemClock(), batch_rows=10)
    assert rotation.resealed == {Holder.TARGET: 1}
    found = await stage.targets.get("t1")
    assert (newer.key_of(found.url), url_of(newer, found).reveal()) == ("new", "json://hook.example")


async def test_what_is_no_target_is_refused_by_name() -> None:
    notifier = AppriseNotifier(1, 60.0)
    for url, rule in (("nonsense", "notation"), ("", "notation"), ("dbus://", "machine")):
        problem = await notifier.problem_of(Secret(url))
        assert problem is not None
        assert rule in problem
        with pytest.raises(Untold):
            await notifier.tell(Secret(url), "t", "b")
    await notifier.aclose()


async def test_targets_are_listed_by_account_and_go_with_what_was_due(
    database: Database, box: Mailbox
) -> None:
    stage = Stage(database)
    for name in ("a", "b", "c"):
        await stage.target(name, box.url)
    assert [each.target_id for each in await stage.targets.page(ME, "a", 1)] == ["b"]
    await stage.states.tell([WARNING])
    for name in ("a", "b"):
        await stage.targets.delete(name)
    assert await stage.teller.turn() == 1
    assert (await stage.targets.get("c")).display_name == "the desk"
    with pytest.raises(NotFound):
        await stage.targets.delete("a")
    with pytest.raises(NotFound):
        await stage.targets.get("a")


def test_pauses_grow_and_are_bounded() -> None:
    assert [pause_s(n) for n in (1, 2, 3, 9, 10, 500)] == [2, 4, 8, 512, 600, 600]
