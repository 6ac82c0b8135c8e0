"""Alerts in PostgreSQL: targets, and the outbox of what is still to be told to them."""

from collections.abc import Iterable, Sequence

from paceline.adapters.postgres.database import Database, Row, Transaction, columns
from paceline.adapters.postgres.queries import sql
from paceline.domain.alert import Alert, AlertKind
from paceline.domain.errors import NotFound
from paceline.domain.ids import AccountId, Partition
from paceline.ports.alerts import Delivery, Outcome, Target
from paceline.ports.seal import Sealed

_LAY_OUT = sql("alerts_lay_out")
_CLAIM = sql("alert_deliveries_claim")
_SETTLE = sql("alert_deliveries_settle")
_CREATE = sql("alert_target_create")
_GET = sql("alert_target_get")
_PAGE = sql("alert_target_page")
_DELETE = sql("alert_target_delete")


async def lay_out(into: Database | Transaction, alerts: Sequence[Alert]) -> None:
    """With what they tell of, where that is a transaction."""
    rows = [(each.alert_id, each.account_id, each.kind.value, dict(each.facts)) for each in alerts]
    if rows:
        await into.execute(_LAY_OUT, *columns(rows, 4))


class PostgresOutbox:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, partitions: Iterable[Partition], limit: int, hold_s: float) -> Sequence[Delivery]:
        rows = await self._database.fetch(_CLAIM, sorted(partitions), limit, hold_s)
        return [_delivery(row) for row in rows]

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        rows = [
            (
                each.delivery.alert.alert_id,
                each.delivery.target.target_id,
                each.delivery.attempts,
                _state(each),
                each.again_s or 0.0,
                each.problem,
            )
            for each in outcomes
        ]
        await self._database.execute(_SETTLE, *columns(rows, 6))


class PostgresTargets:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, target: Target) -> Target:
        row = await self._database.row(
            _CREATE, target.target_id, target.account_id, target.display_name, target.url
        )
        assert row is not None  # noqa: S101 - an insert returns its row or raises
        return _target(row)

    async def get(self, target_id: str) -> Target:
        row = await self._database.row(_GET, target_id)
        if row is None:
            raise NotFound("notification target", target_id)
        return _target(row)

    async def page(self, account_id: AccountId, after: str, limit: int) -> Sequence[Target]:
        return [_target(row) for row in await self._database.fetch(_PAGE, account_id, after, limit)]

    async def delete(self, target_id: str) -> None:
        if await self._database.row(_DELETE, target_id) is None:
            raise NotFound("notification target", target_id)


def _state(outcome: Outcome) -> str:
    if outcome.again_s is not None:
        return "DUE"
    return "GIVEN_UP" if outcome.problem else "SENT"


def _delivery(row: Row) -> Delivery:
    account_id = AccountId(row["account_id"])
    alert = Alert(row["alert_id"], account_id, AlertKind(row["kind"]), row["facts"])
    target = Target(row["target_id"], account_id, row["display_name"], Sealed(row["url"]))
    return Delivery(alert, target, row["attempts"])


def _target(row: Row) -> Target:
    return Target(
        row["target_id"],
        AccountId(row["account_id"]),
        row["display_name"],
        Sealed(row["url"]),
        row["created_at"],
    )
