"""Ordered adjustments and corporate actions in PostgreSQL: each is carried out in one transaction, once."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from paceline.adapters.postgres.audit import write_audit
from paceline.adapters.postgres.copy_rows import key_columns, key_of
from paceline.adapters.postgres.database import Database, Row
from paceline.adapters.postgres.fencing import stale_partitions
from paceline.adapters.postgres.ledgers import append_lines
from paceline.adapters.postgres.plans import CONSUMER, moved_since
from paceline.adapters.postgres.queries import sql
from paceline.domain.copying.ordered import (
    ActionKind,
    CorporateAction,
    Ordered,
    OrderedKind,
    OrderedState,
    Verdict,
)
from paceline.domain.errors import AlreadyExists, FailedPrecondition, NotFound
from paceline.domain.ids import Epoch, InstrumentId, Partition, SubscriptionId
from paceline.domain.ledger import Ledger
from paceline.domain.money import ZERO
from paceline.ports.audit import AuditEntry
from paceline.ports.lives import Tenancy
from paceline.ports.ordered import ActionMark, ActionView, OrderedFilter, OrderedMark, OrderedView
from paceline.ports.plans import LedgerKey

_POSITION = sql("ledger_position")
_ORDER = sql("ordered_insert")
_PAGE = sql("ordered_page")
_WAITING = sql("ordered_waiting")
_WAIT = sql("ordered_wait")
_FINISH = sql("ordered_finish")
_ANNOUNCE = sql("action_insert")
_TAKE_BACK = sql("action_delete")
_ACTION = sql("action_lock")
_ACTIONS = sql("action_page")
_DUE = sql("action_due")
_MARK = sql("action_mark")
_RESCALE = sql("action_states_rescale")
_RENAME = sql("action_states_rename")
_SPREAD = sql("action_spread")


class PostgresOrdered:
    """Both `Orders` and `Adjusting`."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def order(self, ordered: Ordered, leader_partition: Partition) -> OrderedView:
        key = key_columns(ordered.key)
        held = await self._database.value(_POSITION, ordered.subscription_id, *key) or ZERO
        if held != ordered.held:
            raise FailedPrecondition(f"the ledger holds {held.normalize():f}, not {ordered.held:f}")
        (row,) = await self._database.fetch(
            _ORDER,
            ordered.adjustment_id,
            leader_partition,
            ordered.subscription_id,
            *key,
            ordered.held,
            ordered.position,
            ordered.reason,
        )
        return _ordered_view(row)

    async def page(
        self, which: OrderedFilter, before: OrderedMark | None, limit: int
    ) -> Sequence[OrderedView]:
        rows = await self._database.fetch(
            _PAGE, *(before or (None, None)), which.subscription_id, which.state, which.kind, limit
        )
        return [_ordered_view(row) for row in rows]

    async def announce(self, action: CorporateAction) -> ActionView:
        rows = await self._database.fetch(
            _ANNOUNCE,
            action.action_id,
            action.instrument_id,
            action.kind.value,
            action.ex_date,
            action.new,
            action.old,
            action.new_instrument_id,
            action.reason,
        )
        if not rows:
            raise AlreadyExists("corporate action", f"of {action.instrument_id} on {action.ex_date}")
        return _action_view(rows[0])

    async def take_back(self, action_id: str) -> None:
        row = await self._database.row(_ACTION, action_id)
        if row is None:
            raise NotFound("corporate action", action_id)
        if row["begun"]:
            raise FailedPrecondition(f"corporate action {action_id} has begun to be carried out")
        await self._database.execute(_TAKE_BACK, action_id)

    async def actions(
        self, instrument_id: InstrumentId | None, before: ActionMark | None, limit: int
    ) -> Sequence[ActionView]:
        rows = await self._database.fetch(_ACTIONS, *(before or (None, None)), instrument_id, limit)
        return [_action_view(row) for row in rows]

    async def due(
        self, day: date, partitions: Iterable[Partition]
    ) -> Sequence[tuple[CorporateAction, Sequence[Partition]]]:
        rows = await self._database.fetch(_DUE, day, sorted(partitions))
        return [(_action(row), [Partition(each) for each in row["partitions"]]) for row in rows]

    async def begin(self, epochs: Mapping[Partition, Epoch], action: CorporateAction) -> int:
        async with self._database.transaction() as transaction:
            stale = await stale_partitions(transaction, CONSUMER, epochs)
            marked = await transaction.fetch(_MARK, action.action_id, sorted(epochs.keys() - stale))
            new = [row["partition"] for row in marked]
            if action.new_instrument_id is None:
                moved = await transaction.fetch(_RESCALE, new, action.instrument_id, action.new, action.old)
            else:
                moved = await transaction.fetch(_RENAME, new, action.instrument_id, action.new_instrument_id)
            ordered = await transaction.fetch(_SPREAD, new, action.action_id)
            if moved or ordered:
                await write_audit(transaction, [_begun(action, len(moved), len(ordered))])
        return len(ordered)

    async def waiting(self, partitions: Iterable[Partition]) -> Sequence[tuple[Partition, Ordered]]:
        rows = await self._database.fetch(_WAITING, sorted(partitions))
        return [(Partition(row["partition"]), _ordered(row)) for row in rows]

    async def wait(self, ordered: Ordered, words: str) -> None:
        await self._database.execute(_WAIT, ordered.adjustment_id, words)

    async def finish(
        self, tenancy: Tenancy, ordered: Ordered, verdict: Verdict, seen: Mapping[LedgerKey, Ledger]
    ) -> bool:
        async with self._database.transaction() as transaction:
            if await moved_since(transaction, *tenancy, seen):
                return False
            if not await transaction.fetch(
                _FINISH, ordered.adjustment_id, verdict.state.value, verdict.words
            ):
                return False
            await append_lines(transaction, verdict.lines)
            await write_audit(transaction, [_finished(ordered, verdict)])
        return True


def _begun(action: CorporateAction, leaders: int, ledgers: int) -> AuditEntry:
    details: dict[str, object] = {
        "instrument_id": action.instrument_id,
        "ex_date": action.ex_date.isoformat(),
        "kind": action.kind.value,
        "leaders": leaders,
        "ledgers": ledgers,
    }
    return AuditEntry(
        CONSUMER, "corporate_action.begun", "corporate_action", action.action_id, action.reason, details
    )


def _finished(ordered: Ordered, verdict: Verdict) -> AuditEntry:
    details: dict[str, object] = {
        "adjustment": ordered.adjustment_id,
        "kind": ordered.kind.value,
        "instrument_id": ordered.key.instrument_id,
        "product": ordered.key.product.value,
        "held": str(ordered.held),
        "position": str(ordered.position),
    }
    if ordered.new_instrument_id is not None:
        details["new_instrument_id"] = ordered.new_instrument_id
    if verdict.words:
        details["detail"] = verdict.words
    done = "adjusted" if verdict.state is OrderedState.DONE else "adjustment_refused"
    return AuditEntry(
        CONSUMER, f"ledger.{done}", "subscription", ordered.subscription_id, ordered.reason, details
    )


def _ordered(row: Row) -> Ordered:
    return Ordered(
        adjustment_id=row["adjustment_id"],
        subscription_id=SubscriptionId(row["subscription_id"]),
        key=key_of(row),
        kind=OrderedKind(row["kind"]),
        held=row["held"],
        position=row["position"],
        reason=row["reason"],
        new=row["ratio_new"],
        old=row["ratio_old"],
        new_instrument_id=row["new_instrument_id"],
        action_id=row["action_id"],
    )


def _ordered_view(row: Row) -> OrderedView:
    state = OrderedState(row["state"])
    return OrderedView(_ordered(row), state, row["detail"], row["created_at"], row["finished_at"])


def _action(row: Row) -> CorporateAction:
    return CorporateAction(
        row["action_id"],
        InstrumentId(row["instrument_id"]),
        ActionKind(row["kind"]),
        row["ex_date"],
        row["ratio_new"],
        row["ratio_old"],
        row["new_instrument_id"],
        row["reason"],
    )


def _action_view(row: Row) -> ActionView:
    return ActionView(_action(row), row["created_at"], row["begun"])
