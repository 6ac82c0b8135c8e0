"""What happened, read from PostgreSQL page by page."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from paceline.adapters.postgres.copy_commands import commands_of_decisions
from paceline.adapters.postgres.copy_rows import copy_row_of, key_columns, key_of, order_of
from paceline.adapters.postgres.database import Database, Row
from paceline.adapters.postgres.decisions import decision_of
from paceline.adapters.postgres.facts import event_of
from paceline.adapters.postgres.instruments import instrument_of
from paceline.adapters.postgres.journal import dead_letter_of
from paceline.adapters.postgres.ledgers import ledger_of
from paceline.adapters.postgres.queries import sql
from paceline.domain.account import Broker
from paceline.domain.copy_order import Cause, CauseKind, Intent
from paceline.domain.copying.decision import SkipReason
from paceline.domain.copying.tags import kind_of
from paceline.domain.copying.view import FLAT, LeaderPosition
from paceline.domain.errors import NotFound
from paceline.domain.event import Event
from paceline.domain.ids import (
    AccountId,
    DecisionId,
    EventIdentity,
    InstrumentId,
    Offset,
    Partition,
    SubscriptionId,
)
from paceline.domain.instrument import Instrument, InstrumentKey
from paceline.domain.ledger import EntryKind, LedgerEntry
from paceline.domain.money import ZERO
from paceline.domain.order import Side
from paceline.domain.partitioning import partition_of
from paceline.ports.audit import AuditEntry
from paceline.ports.copy_orders import CopyRow
from paceline.ports.history import (
    AuditFilter,
    DeadLetterFilter,
    DeadLetterView,
    DecisionFilter,
    DecisionMark,
    DecisionView,
    EventFilter,
    InstrumentFilter,
    LedgerFilter,
    LedgerLineView,
    LedgerMark,
    LedgerView,
    LineFilter,
    LineMark,
    Nanoseconds,
    Opening,
    OrderFilter,
    OrderMark,
    PlanFilter,
    PlanView,
    TradeFilter,
    TradeMark,
    TradeState,
    TradeView,
)

_EVENTS = sql("history_events")
_STRETCH = sql("history_stretch")
_COUNT = sql("history_count")
_FOLDED = sql("history_folded")
_TRADED_SINCE = sql("history_traded_since")
_HELD_BEFORE = sql("history_held_before")
_REACH = sql("history_reach")
_PLANS = sql("history_plans")
_PLAN = sql("history_plan")
_DEAD_LETTERS = sql("history_dead_letters")
_DECISIONS = sql("history_decisions")
_ORDERS_OF = sql("copy_order_by_decisions")
_COPY_ORDERS = sql("history_copy_orders")
_LEDGERS = sql("history_ledgers")
_LINES = sql("history_ledger_lines")
_TRADES = sql("history_trades")
_AUDIT = sql("history_audit")
_INSTRUMENTS = sql("history_instruments")
_NATIVE = sql("instrument_of_native")


class PostgresHistory:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def events(
        self, which: EventFilter, before: Offset | None, limit: int, *, with_raw: bool
    ) -> Sequence[Event]:
        rows = await self._database.fetch(
            _EVENTS,
            which.account_id,
            before,
            which.kind,
            which.instrument_id,
            which.order_id,
            which.recovered,
            which.journaled.start,
            with_raw,
            which.journaled.end,
            limit,
        )
        return [event_of(row) for row in rows]

    async def stretch(
        self, account_id: AccountId, journaled: Nanoseconds, after: Offset, limit: int
    ) -> Sequence[Event]:
        rows = await self._database.fetch(_STRETCH, account_id, after, journaled.start, journaled.end, limit)
        return [event_of(row) for row in rows]

    async def count(self, account_id: AccountId, journaled: Nanoseconds, most: int) -> int:
        return int(await self._database.value(_COUNT, account_id, journaled.start, journaled.end, most) or 0)

    async def opening(self, account_id: AccountId, at_ns: int) -> Opening:
        """What is folded now, less what was traded since; where a position was told since, folded from the
        beginning instead.
        """
        partition = partition_of(account_id)
        folded = await self._database.fetch(_FOLDED, account_id, partition)
        done = folded[0]["event_offset"]
        positions = {
            key_of(row): LeaderPosition(row["own"], row["copied"]) for row in folded if row["product"]
        }
        traded = await self._database.fetch(_TRADED_SINCE, account_id, done, at_ns)
        for row in traded:
            key = key_of(row)
            positions[key] = _after(positions.get(key, FLAT), row["tag"], -row["traded"])
        told = {key_of(row) for row in traded if row["told"]}
        positions |= await self._held_before(account_id, at_ns, told) if told else {}
        (reach,) = await self._database.fetch(_REACH, account_id, done, at_ns, partition)
        return Opening(
            {key: position for key, position in positions.items() if position != FLAT},
            folded=not reach["unfolded"],
            kept_since_ns=reach["kept_since_ns"],
        )

    async def _held_before(
        self, account_id: AccountId, at_ns: int, keys: Collection[InstrumentKey]
    ) -> Mapping[InstrumentKey, LeaderPosition]:
        rows = await self._database.fetch(
            _HELD_BEFORE,
            account_id,
            at_ns,
            [each.instrument_id for each in keys],
            [each.product.value for each in keys],
        )
        held, stands = dict.fromkeys(keys, FLAT), dict[InstrumentKey, Decimal]()
        for row in rows:
            key, stood = key_of(row), row["stood"]
            position = _after(held[key], row["tag"], row["later"])
            if kind_of(row["tag"]) is CauseKind.EVENT:
                earlier = row["earlier"]
                position = LeaderPosition(position.own - earlier, position.copied + earlier)
            held[key] = position
            if stood is not None:
                stands[key] = stood
        return {
            key: LeaderPosition(position.own + stands.get(key, ZERO), position.copied)
            for key, position in held.items()
        }

    async def plans(
        self, which: PlanFilter, before: tuple[datetime, EventIdentity] | None, limit: int
    ) -> Sequence[PlanView]:
        created = which.created
        rows = await self._database.fetch(
            _PLANS, which.leader, *(before or (None, None)), created.start, created.end, limit
        )
        return [_plan_view(row) for row in rows]

    async def plan(self, event: EventIdentity) -> PlanView:
        rows = await self._database.fetch(_PLAN, event)
        if not rows:
            raise NotFound("plan", event)
        return _plan_view(rows[0])

    async def dead_letters(
        self, which: DeadLetterFilter, before: int | None, limit: int
    ) -> Sequence[DeadLetterView]:
        received = which.received
        rows = await self._database.fetch(
            _DEAD_LETTERS, before, which.account_id, which.kind, received.start, received.end, limit
        )
        return [DeadLetterView(row["dead_letter_id"], dead_letter_of(row)) for row in rows]

    async def decisions(
        self, which: DecisionFilter, before: DecisionMark | None, limit: int
    ) -> Sequence[DecisionView]:
        rows = await self._database.fetch(
            _DECISIONS,
            *(before or (None, None)),
            which.subscription_id,
            which.leader,
            which.follower,
            which.outcome,
            which.reason,
            which.event,
            which.created.start,
            which.created.end,
            limit,
        )
        names = [DecisionId(row["decision_id"]) for row in rows]
        found = await self._database.fetch(_ORDERS_OF, names)
        commands = await commands_of_decisions(self._database, names)
        orders = {
            decision: [order_of(row) for row in mine]
            for decision, mine in groupby(found, key=lambda row: row["decision_id"])
        }
        return [
            DecisionView(
                decision_of(
                    row, orders.get(row["decision_id"], ()), commands.get(DecisionId(row["decision_id"]), ())
                ),
                Cause(CauseKind.EVENT, row["event_identity"]),
                row["decided_at"],
            )
            for row in rows
        ]

    async def copy_orders(
        self, which: OrderFilter, before: OrderMark | None, limit: int
    ) -> Sequence[CopyRow]:
        rows = await self._database.fetch(
            _COPY_ORDERS,
            *(before or (None, None)),
            which.account_id,
            which.subscription_id,
            which.decision_id,
            sorted(which.statuses),
            which.instrument_id,
            which.tag,
            which.planned.start,
            which.planned.end,
            limit,
        )
        return [copy_row_of(row) for row in rows]

    async def ledgers(
        self, which: LedgerFilter, after: LedgerMark | None, limit: int
    ) -> Sequence[LedgerView]:
        rows = await self._database.fetch(
            _LEDGERS,
            *(after or (None, None, None)),
            which.subscription_id,
            which.follower,
            which.instrument_id,
            which.include_flat,
            limit,
        )
        return [_ledger_view(row) for row in rows]

    async def ledger_lines(
        self, which: LineFilter, after: LineMark | None, limit: int
    ) -> Sequence[LedgerLineView]:
        rows = await self._database.fetch(
            _LINES,
            which.subscription_id,
            *(after or (None, None)),
            *(key_columns(which.key) if which.key else (None, None)),
            which.kind,
            which.written.start,
            which.written.end,
            limit,
        )
        return [_line_view(row) for row in rows]

    async def trades(self, which: TradeFilter, before: TradeMark | None, limit: int) -> Sequence[TradeView]:
        rows = await self._database.fetch(
            _TRADES,
            *(before or (None, None)),
            which.account_id,
            which.subscription_id,
            which.state,
            which.entered.start,
            which.entered.end,
            limit,
        )
        return [_trade_view(row) for row in rows]

    async def audit(self, which: AuditFilter, before: int | None, limit: int) -> Sequence[AuditEntry]:
        created = which.created
        rows = await self._database.fetch(
            _AUDIT, before, which.actor, which.subject, created.start, created.end, limit
        )
        return [_audit_entry(row) for row in rows]

    async def instruments(
        self, which: InstrumentFilter, after: InstrumentId | None, limit: int
    ) -> Sequence[Instrument]:
        rows = await self._database.fetch(
            _INSTRUMENTS,
            after,
            which.prefix,
            which.exchange,
            which.segment,
            which.kind,
            which.underlying,
            limit,
        )
        return [instrument_of(row) for row in rows]

    async def instrument_of(self, broker: Broker, native_id: str) -> InstrumentId:
        found = await self._database.value(_NATIVE, broker, native_id)
        if found is None:
            raise NotFound(f"{broker} instrument", native_id)
        return InstrumentId(found)


def _after(position: LeaderPosition, tag: str, traded: Decimal) -> LeaderPosition:
    if kind_of(tag) is CauseKind.EVENT:
        return LeaderPosition(position.own, position.copied + traded)
    return LeaderPosition(position.own + traded, position.copied)


def _plan_view(row: Row) -> PlanView:
    return PlanView(
        EventIdentity(row["event_identity"]),
        AccountId(row["leader"]),
        Partition(row["partition"]),
        Offset(row["event_offset"]),
        row["started_at"],
        row["complete"],
        row["planned"],
        row["skipped"],
        {SkipReason(reason): count for reason, count in row["skips"].items()},
    )


def _ledger_view(row: Row) -> LedgerView:
    return LedgerView(SubscriptionId(row["subscription_id"]), key_of(row), ledger_of(row), row["lot"])


def _line_view(row: Row) -> LedgerLineView:
    entry = LedgerEntry(
        SubscriptionId(row["subscription_id"]),
        key_of(row),
        EntryKind(row["kind"]),
        Intent(row["intent"]),
        row["quantity"],
        row["cause"],
        row["reason"],
    )
    return LedgerLineView(entry, row["recorded_at"], row["line"])


def _trade_view(row: Row) -> TradeView:
    state = TradeState(row["status"])
    closed = state is TradeState.CLOSED
    return TradeView(
        trade_id=EventIdentity(row["trade_id"]),
        account_id=AccountId(row["account_id"]),
        subscription_id=SubscriptionId(row["subscription_id"]) if row["subscription_id"] else None,
        key=key_of(row),
        side=Side(row["side"]),
        quantity=row["quantity"],
        state=state,
        entry_order_id=row["entry_order_id"],
        entry_price=row["entry_price"],
        entered_at=row["opened_at"],
        exit_order_id=(row["exit_order_id"] or "") if closed else "",
        exit_price=row["exit_price"] if closed else None,
        exited_at=row["closed_at"],
        profit=row["profit"],
        currency=row["currency"],
    )


def _audit_entry(row: Row) -> AuditEntry:
    return AuditEntry(
        actor=row["actor"],
        action=row["action"],
        subject_kind=row["subject_kind"],
        subject=row["subject"],
        cause=row["cause"],
        details=row["details"],
        audit_id=row["audit_id"],
        at=row["at"],
    )
