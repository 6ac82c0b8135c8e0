"""Guards in PostgreSQL: a trip, what it leads to, its alert and its audit are one transaction."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from paceline.adapters.postgres.alerts import lay_out
from paceline.adapters.postgres.audit import write_audit
from paceline.adapters.postgres.codec import from_json, to_json
from paceline.adapters.postgres.copy_rows import key_of
from paceline.adapters.postgres.database import Database, Row, Transaction, columns
from paceline.adapters.postgres.fencing import stale_partitions
from paceline.adapters.postgres.liquidation_requests import want
from paceline.adapters.postgres.queries import sql
from paceline.domain.errors import NotFound
from paceline.domain.guards import (
    AccountGuards,
    Adjustment,
    Copied,
    GuardKind,
    Marks,
    RearmPolicy,
    rearmed,
)
from paceline.domain.ids import AccountId, Epoch, Partition, SubscriptionId
from paceline.domain.liquidation import LiquidationLevel
from paceline.domain.money import ZERO
from paceline.domain.subscription import SubscriptionGuards
from paceline.ports.audit import AuditEntry
from paceline.ports.guards import Guarded, GuardTrip, Lines, Rearming, Subject, Tripping

SERVICE = "risk"
_MARKS = 10
_TRIP = 10

_OF_ACCOUNTS = sql("guards_of_accounts")
_OF_SUBSCRIPTIONS = sql("guards_of_subscriptions")
_COPIES = sql("guard_copies")
_KEEP = sql("guard_days_keep")
_LOCK = sql("guard_days_lock")
_INSERT = sql("guard_trips_insert")
_CANCEL = sql("guard_cancels")
_STANDING = sql("guard_trip_lock_standing")
_HOLD = sql("guard_trip_lock")
_REARM = sql("guard_trip_rearm")
_PAGE = sql("guard_trip_page")


class PostgresGuards:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_accounts(self, accounts: Iterable[AccountId]) -> Sequence[Guarded]:
        rows = await self._database.fetch(_OF_ACCOUNTS, list(accounts))
        found = [(row, from_json(AccountGuards, row["guards"])) for row in rows]
        return [_guarded(row, guards, guards.rearm) for row, guards in found if guards.watches]

    async def of_subscriptions(self, partitions: Iterable[Partition]) -> Sequence[Guarded]:
        rows = await self._database.fetch(_OF_SUBSCRIPTIONS, sorted(partitions))
        return [
            _guarded(row, from_json(SubscriptionGuards, row["guards"]), RearmPolicy(row["rearm"]))
            for row in rows
        ]

    async def copies(self, followers: Iterable[AccountId]) -> Sequence[Lines]:
        rows = await self._database.fetch(_COPIES, list(followers))
        return [_lines(row) for row in rows]

    async def keep(self, epochs: Mapping[Partition, Epoch], guarded: Sequence[Guarded]) -> None:
        async with self._database.transaction() as transaction:
            stale = await stale_partitions(transaction, SERVICE, epochs)
            mine = [each for each in guarded if each.partition in epochs and each.partition not in stale]
            await _keep(transaction, [(each.subject, each.marks) for each in mine if each.marks is not None])

    async def trip(self, epochs: Mapping[Partition, Epoch], trips: Sequence[Tripping]) -> frozenset[str]:
        async with self._database.transaction() as transaction:
            stale = await stale_partitions(transaction, SERVICE, epochs)
            mine = [each for each in trips if each.partition in epochs and each.partition not in stale]
            await _keep(transaction, list({each.subject: each.marks for each in mine}.items()))
            rows = await transaction.fetch(_INSERT, *columns([_trip_row(each) for each in mine], _TRIP))
            new = frozenset(row["guard_trip_id"] for row in rows)
            done = [each for each in mine if each.guard_trip_id in new]
            await want(transaction, [each.request for each in done if each.request is not None])
            for each in done:
                await _cancel(transaction, each)
            await lay_out(transaction, [each.alert for each in done])
            await write_audit(transaction, [_tripped(each) for each in done])
        return new

    async def rearm_due(self, epochs: Mapping[Partition, Epoch], due: Sequence[Rearming]) -> None:
        async with self._database.transaction() as transaction:
            stale = await stale_partitions(transaction, SERVICE, epochs)
            for each in due:
                if each.partition not in epochs or each.partition in stale:
                    continue
                subject = each.subject
                row = await transaction.row(
                    _STANDING, subject.account_id, subject.subscription_id or "", each.kind.value
                )
                if row is not None:
                    await _rearm(transaction, row, SERVICE, "a new trading day", by_person=False)

    async def rearm(self, guard_trip_id: str, actor: str, reason: str, request_id: str) -> GuardTrip:
        async with self._database.transaction() as transaction:
            row = await transaction.row(_HOLD, guard_trip_id)
            if row is None:
                raise NotFound("guard trip", guard_trip_id)
            if row["rearmed_at"] is not None:
                return _trip(row)
            return await _rearm(transaction, row, actor, reason, by_person=True, request_id=request_id)

    async def page(
        self, account_id: AccountId | None, kind: GuardKind | None, *, rearmed: bool, after: str, limit: int
    ) -> Sequence[GuardTrip]:
        wanted = (account_id, None if kind is None else kind.value, rearmed, after, limit)
        return [_trip(row) for row in await self._database.fetch(_PAGE, *wanted)]


async def _keep(transaction: Transaction, marked: Iterable[tuple[Subject, Marks]]) -> None:
    rows = [
        (
            subject.account_id,
            subject.subscription_id or "",
            marks.day,
            marks.arming,
            marks.kept,
            marks.realised,
            marks.profit,
            marks.opened,
            marks.peak,
            {key: to_json(each) for key, each in marks.adjusted.items()},
        )
        for subject, marks in marked
    ]
    if rows:
        rows.sort(key=lambda row: (row[0], row[1]))
        await transaction.execute(_KEEP, *columns(rows, _MARKS))


async def _cancel(transaction: Transaction, tripping: Tripping) -> None:
    """Entries of copies that still work; whatever protects a position stays."""
    if tripping.level is LiquidationLevel.CANCEL_WORKING:
        subject = tripping.subject
        reason = f"guard: {tripping.kind.value}"
        await transaction.execute(
            _CANCEL, tripping.guard_trip_id, subject.account_id, subject.subscription_id, reason
        )


async def _rearm(
    transaction: Transaction, row: Row, actor: str, reason: str, *, by_person: bool, request_id: str = ""
) -> GuardTrip:
    subject, kind = _subject(row), GuardKind(row["kind"])
    marks = await transaction.row(_LOCK, subject.account_id, subject.subscription_id or "")
    if marks is not None:
        await _keep(transaction, [(subject, rearmed(_marks(marks), kind, by_person=by_person))])
    after = await transaction.row(_REARM, row["guard_trip_id"])
    details = {"kind": kind.value, "reason": reason, "request_id": request_id}
    entry = AuditEntry(
        actor, "guard.rearmed", _subject_kind(subject), subject.name, row["guard_trip_id"], details
    )
    await write_audit(transaction, [entry])
    return _trip(row if after is None else after)


def _trip_row(each: Tripping) -> tuple[object, ...]:
    return (
        each.guard_trip_id,
        each.subject.account_id,
        each.subject.subscription_id,
        each.kind.value,
        each.level.value,
        each.threshold,
        each.observed,
        dict(each.evidence),
        each.marks.day,
        each.marks.arming,
    )


def _tripped(each: Tripping) -> AuditEntry:
    details = {
        "kind": each.kind.value,
        "level": each.level.value,
        "threshold": str(each.threshold),
        "observed": str(each.observed),
        **each.evidence,
    }
    subject = each.subject
    return AuditEntry(
        SERVICE, "guard.tripped", _subject_kind(subject), subject.name, each.guard_trip_id, details
    )


def _subject_kind(subject: Subject) -> str:
    return "subscription" if subject.subscription_id else "account"


def _subject(row: Row) -> Subject:
    name = row["subscription_id"]
    return Subject(AccountId(row["account_id"]), SubscriptionId(name) if name else None)


def _guarded(row: Row, guards: AccountGuards | SubscriptionGuards, rearm: RearmPolicy) -> Guarded:
    marks = None if row["trading_day"] is None else _marks(row)
    tripped = {GuardKind(kind): date.fromisoformat(day) for kind, day in (row["tripped"] or {}).items()}
    return Guarded(_subject(row), Partition(row["partition"]), guards, rearm, marks, tripped)


def _marks(row: Row) -> Marks:
    return Marks(
        row["trading_day"],
        row["kept"],
        row["realised"],
        row["profit"],
        row["opened"],
        row["peak"],
        row["arming"],
        {key: from_json(Adjustment, each) for key, each in row["adjusted"].items()},
    )


def _lines(row: Row) -> Lines:
    key = key_of(row)
    copied = Copied(
        json.dumps([key.instrument_id, key.product.value]),
        row["quantity"] or ZERO,
        row["value"] or ZERO,
        row["adjusted"] or ZERO,
    )
    return Lines(SubscriptionId(row["subscription_id"]), key, copied)


def _trip(row: Row) -> GuardTrip:
    subject = _subject(row)
    return GuardTrip(
        row["guard_trip_id"],
        GuardKind(row["kind"]),
        subject.account_id,
        subject.subscription_id,
        row["threshold"],
        row["observed"],
        row["trading_day"],
        row["tripped_at"],
        row["rearmed_at"],
    )
