"""Lines of accounts in PostgreSQL; risk hears of every change by the account's own channel."""

from collections.abc import Callable
from dataclasses import replace

from paceline.adapters.postgres.audit import write_audit
from paceline.adapters.postgres.codec import from_json, to_json
from paceline.adapters.postgres.database import Database, Row
from paceline.adapters.postgres.queries import sql
from paceline.domain.errors import Conflict, NotFound
from paceline.domain.guards import AccountGuards
from paceline.domain.ids import AccountId
from paceline.domain.risk import Thresholds
from paceline.ports.audit import AuditEntry
from paceline.ports.risk_limits import RiskLimits

_GET = sql("risk_limits_get")
_HOLD = sql("hold_account")
_WRITE = sql("risk_limits_write")


class PostgresRiskLimits:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, account_id: AccountId) -> RiskLimits:
        return _limits(account_id, await self._database.row(_GET, account_id))

    async def update(
        self,
        account_id: AccountId,
        version: int,
        edit: Callable[[RiskLimits], RiskLimits],
        actor: str,
        request_id: str,
    ) -> RiskLimits:
        async with self._database.transaction() as transaction:
            await transaction.row(_HOLD, account_id)
            current = _limits(account_id, await transaction.row(_GET, account_id))
            if version not in (0, current.version):
                raise Conflict(f"the limits of {account_id} are no longer at version {version}")
            wanted = edit(current)
            if wanted == current:
                return current
            lines = wanted.thresholds
            numbers = (lines.warning, lines.rearm, lines.liquidation)
            guards = to_json(wanted.guards)
            made: int = await transaction.value(_WRITE, account_id, *numbers, guards)
            names = ("warning_percent", "rearm_percent", "liquidation_percent")
            details = {name: str(number) for name, number in zip(names, numbers, strict=True)}
            details |= {name: value for name, value in guards.items() if value not in (None, "")}
            details["request_id"] = request_id
            entry = AuditEntry(actor, "risk_limits.update", "account", account_id, details=details)
            await write_audit(transaction, [entry])
            return replace(wanted, version=made)


def _limits(account_id: AccountId, row: Row | None) -> RiskLimits:
    if row is None:
        raise NotFound("account", account_id)
    lines = Thresholds(row["warning_percent"], row["rearm_percent"], row["liquidation_percent"])
    return RiskLimits(account_id, lines, from_json(AccountGuards, row["guards"]), row["version"])
