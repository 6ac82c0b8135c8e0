"""Wanted liquidations in PostgreSQL, with what they lead to."""

from collections.abc import Iterable, Sequence

from paceline.adapters.postgres.alerts import lay_out
from paceline.adapters.postgres.audit import write_audit
from paceline.adapters.postgres.database import Database, Row, Transaction, columns
from paceline.adapters.postgres.queries import sql
from paceline.domain.alert import Alert, AlertKind
from paceline.domain.errors import NotFound
from paceline.domain.ids import AccountId, LiquidationId, Partition, SubscriptionId
from paceline.domain.liquidation import LiquidationCause, LiquidationLevel
from paceline.ports.audit import AuditEntry
from paceline.ports.liquidation_requests import Request

_INSERT = sql("liquidation_requests_insert")
_CASCADE = sql("liquidation_requests_cascade")
_OPEN = sql("liquidation_requests_open")
_ACKNOWLEDGE = sql("liquidation_requests_acknowledge")
_STANDING = sql("liquidation_requests_standing")


class PostgresLiquidationRequests:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def unacknowledged(self, partitions: Iterable[Partition], limit: int) -> Sequence[Request]:
        return [_request(row) for row in await self._database.fetch(_OPEN, sorted(partitions), limit)]

    async def create(self, request: Request, actor: str, request_id: str) -> Request:
        async with self._database.transaction() as transaction:
            details = {"liquidation": request.liquidation_id, "request_id": request_id}
            new = await want(transaction, [request])
            row = await transaction.row(_STANDING, request.account_id, request.liquidation_id)
            if row is None:
                raise NotFound("account", request.account_id)
            if new:
                entry = AuditEntry(
                    actor, "liquidation.create", "account", request.account_id, request.reason, details
                )
                await write_audit(transaction, [entry])
        return _request(row)

    async def acknowledge(self, liquidation_ids: Iterable[LiquidationId]) -> None:
        await self._database.execute(_ACKNOWLEDGE, list(liquidation_ids))


async def want(transaction: Transaction, requests: Sequence[Request]) -> frozenset[LiquidationId]:
    """These, and the copies of everyone who follows: whoever follows is told so here. Which were new."""
    rows = [
        (
            each.liquidation_id,
            each.account_id,
            each.subscription_id,
            each.cause.value,
            each.cause_id,
            each.reason,
            dict(each.evidence),
        )
        for each in requests
    ]
    if not rows:
        return frozenset()
    new = await transaction.fetch(_INSERT, *columns(rows, 7))
    whole = [row["liquidation_id"] for row in new if row["subscription_id"] is None]
    followers = await transaction.fetch(_CASCADE, whole) if whole else ()
    await lay_out(transaction, [begun(row) for row in [*new, *followers]])
    return frozenset(LiquidationId(row["liquidation_id"]) for row in new)


def begun(row: Row) -> Alert:
    """Of one that was just written."""
    name, account_id = row["liquidation_id"], AccountId(row["account_id"])
    facts = {"liquidation": name, "reason": row["reason"]}
    return Alert(f"LIQUIDATION_BEGUN:{name}", account_id, AlertKind.LIQUIDATION_BEGUN, facts)


def _request(row: Row) -> Request:
    subscription = row["subscription_id"]
    return Request(
        LiquidationId(row["liquidation_id"]),
        AccountId(row["account_id"]),
        LiquidationCause(row["cause"]),
        row["cause_id"],
        row["reason"],
        row["evidence"],
        None if subscription is None else SubscriptionId(subscription),
        LiquidationLevel(row["level"]),
    )
