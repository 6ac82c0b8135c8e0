"""Standings in PostgreSQL: a turn, its alerts, its liquidation and its audit are one transaction."""

from collections.abc import Iterable, Mapping, Sequence

from paceline.adapters.postgres.alerts import lay_out
from paceline.adapters.postgres.audit import write_audit
from paceline.adapters.postgres.database import Database, Row, Transaction, columns
from paceline.adapters.postgres.fencing import stale_partitions
from paceline.adapters.postgres.liquidation_requests import want
from paceline.adapters.postgres.queries import sql
from paceline.domain.alert import Alert
from paceline.domain.ids import AccountId, Epoch, Partition
from paceline.domain.risk import RiskState, Thresholds
from paceline.ports.audit import AuditEntry
from paceline.ports.risk_states import Standing, Turn

SERVICE = "risk"

_OF = sql("risk_states_of")
_WRITE = sql("risk_states_write")


class PostgresRiskStates:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, Standing]:
        rows = await self._database.fetch(_OF, list(accounts))
        return {AccountId(row["account_id"]): _standing(row) for row in rows}

    async def write(self, epochs: Mapping[Partition, Epoch], turns: Sequence[Turn]) -> frozenset[AccountId]:
        async with self._database.transaction() as transaction:
            stale = await stale_partitions(transaction, SERVICE, epochs)
            mine = [each for each in turns if each.partition in epochs and each.partition not in stale]
            taken = await _take(transaction, mine)
            done = [each for each in mine if each.standing.account_id in taken]
            await want(transaction, [each.request for each in done if each.request is not None])
            await lay_out(transaction, [alert for each in done for alert in each.alerts])
            await write_audit(transaction, [_entry(each) for each in done])
        return taken

    async def tell(self, alerts: Sequence[Alert]) -> None:
        await lay_out(self._database, alerts)


async def _take(transaction: Transaction, turns: Sequence[Turn]) -> frozenset[AccountId]:
    rows = [
        (
            each.standing.account_id,
            each.partition,
            each.standing.state.value,
            each.standing.turn,
            dict(each.cause),
        )
        for each in turns
    ]
    written = await transaction.fetch(_WRITE, *columns(rows, 5)) if rows else ()
    return frozenset(AccountId(row["account_id"]) for row in written)


def _standing(row: Row) -> Standing:
    return Standing(
        AccountId(row["account_id"]),
        RiskState(row["state"]),
        row["turn"],
        Thresholds(row["warning_percent"], row["rearm_percent"], row["liquidation_percent"]),
        row["ended_ns"],
    )


def _entry(turn: Turn) -> AuditEntry:
    standing = turn.standing
    details = {"state": standing.state.value, **turn.cause}
    return AuditEntry(SERVICE, turn.action, "account", standing.account_id, f"turn {standing.turn}", details)
