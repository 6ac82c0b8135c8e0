"""Kill switches in PostgreSQL: one writer at a time, so that versions are read in their order."""

from collections.abc import Sequence

from paceline.adapters.postgres.alerts import lay_out
from paceline.adapters.postgres.audit import write_audit
from paceline.adapters.postgres.database import Database, Row, Transaction
from paceline.adapters.postgres.liquidation_requests import begun
from paceline.adapters.postgres.queries import sql
from paceline.domain.errors import Conflict, NotFound
from paceline.domain.ids import AccountId, SubscriptionId
from paceline.domain.kill_switch import Engaged, Guarded, KillScope, KillSwitch, Target, raised
from paceline.domain.liquidation import LiquidationLevel
from paceline.ports.audit import AuditEntry
from paceline.ports.kill_switches import Asked, Reading

_LOCK = sql("kill_switch_lock")
_GET = sql("kill_switch_get")
_PAGE = sql("kill_switch_page")
_WRITE = sql("kill_switch_write")
_KNOWN = sql("kill_switch_account")
_WANT = sql("kill_switch_requests")
_READ = sql("kill_switch_read")
_VERSION = sql("kill_switch_version")
_GUARDED = sql("guards_standing")
_ACKNOWLEDGE = sql("kill_switch_acknowledge")


class PostgresKillSwitches:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, target: Target) -> KillSwitch:
        return _found(await self._database.row(_GET, target.scope.value, target.scope_id), target)

    async def page(self, *, released: bool, after: str, limit: int) -> Sequence[tuple[str, KillSwitch]]:
        rows = await self._database.fetch(_PAGE, after, released, limit)
        return [(row["name"], _switch(row)) for row in rows]

    async def engage(self, target: Target, level: LiquidationLevel, asked: Asked) -> KillSwitch:
        async with self._database.transaction() as transaction:
            await transaction.execute(_LOCK)
            await _account_of(transaction, target)
            row = await transaction.row(_GET, target.scope.value, target.scope_id)
            if not raised(None if row is None else _level(row), level):
                return _found(row, target)
            version = await self._write(transaction, target, level, asked, "kill_switch.engage")
            if level is not LiquidationLevel.STOP_ENTRIES:
                wanted = await transaction.fetch(
                    _WANT, target.scope.value, target.scope_id, version, level.value, asked.reason
                )
                if level is LiquidationLevel.FLATTEN:
                    await lay_out(transaction, [begun(each) for each in wanted])
            return _found(await transaction.row(_GET, target.scope.value, target.scope_id), target)

    async def release(self, target: Target, version: int, asked: Asked) -> KillSwitch:
        async with self._database.transaction() as transaction:
            await transaction.execute(_LOCK)
            row = await transaction.row(_GET, target.scope.value, target.scope_id)
            standing = _found(row, target)
            if standing.level is None:
                return standing
            if version not in (0, standing.version):
                raise Conflict(f"the kill switch is no longer at version {version}")
            await self._write(transaction, target, None, asked, "kill_switch.release")
            return _found(await transaction.row(_GET, target.scope.value, target.scope_id), target)

    async def read(self) -> Reading:
        """The version first: what is read after it is at least as new."""
        version = await self._database.value(_VERSION)
        engaged = [
            Engaged(_target(row), frozenset(map(SubscriptionId, row["subscriptions"])))
            for row in await self._database.fetch(_READ)
        ]
        return Reading(engaged, version, [_guarded(row) for row in await self._database.fetch(_GUARDED)])

    async def acknowledge(self, service: str, replica: str, version: int) -> None:
        await self._database.execute(_ACKNOWLEDGE, service, replica, version)

    async def _write(
        self,
        transaction: Transaction,
        target: Target,
        level: LiquidationLevel | None,
        asked: Asked,
        action: str,
    ) -> int:
        version: int = await transaction.value(
            _WRITE,
            target.scope.value,
            target.scope_id,
            None if level is None else level.value,
            asked.reason,
            asked.actor,
        )
        subject = target.scope_id or target.scope.value
        details = {
            "scope": target.scope.value,
            "level": "" if level is None else level.value,
            "version": version,
            "request_id": asked.request_id,
        }
        entry = AuditEntry(asked.actor, action, "kill_switch", subject, asked.reason, details)
        await write_audit(transaction, [entry])
        return version


async def _account_of(transaction: Transaction, target: Target) -> None:
    if target.scope is KillScope.EVERYTHING:
        return
    if await transaction.row(_KNOWN, target.scope_id) is None:
        raise NotFound("account", target.scope_id)


def _found(row: Row | None, target: Target) -> KillSwitch:
    if row is None:
        raise NotFound("kill switch", target.scope_id or target.scope.value)
    return _switch(row)


def _switch(row: Row) -> KillSwitch:
    return KillSwitch(
        _target(row),
        _level(row),
        row["reason"],
        row["actor"],
        row["version"],
        row["changed_at"],
        row["acknowledged"],
    )


def _target(row: Row) -> Target:
    return Target(KillScope(row["scope"]), row["scope_id"])


def _guarded(row: Row) -> Guarded:
    name = row["subscription_id"]
    return Guarded(AccountId(row["account_id"]), SubscriptionId(name) if name else None)


def _level(row: Row) -> LiquidationLevel | None:
    return None if row["level"] is None else LiquidationLevel(row["level"])
