"""Trades in PostgreSQL, moved in the transaction that moves their place in the journal."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from paceline.adapters.postgres.copy_rows import key_columns, key_of
from paceline.adapters.postgres.database import Database, Row, Transaction, columns
from paceline.adapters.postgres.fencing import require_owner
from paceline.adapters.postgres.offsets import move_offsets, offsets_of
from paceline.adapters.postgres.queries import sql
from paceline.domain.ids import AccountId, Epoch, EventIdentity, Offset, Partition
from paceline.domain.order import Side
from paceline.domain.trade import Trade
from paceline.ports.trades import Stand, TradeKey

CONSUMER = "trades"
_WIDTH = 18
_PRICE = Decimal("1e-8")

_OPEN = sql("trade_open")
_SAVE = sql("trade_save")


class PostgresTrades:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def places(self, partitions: Iterable[Partition]) -> Mapping[Partition, Offset]:
        return await offsets_of(self._database, CONSUMER, partitions)

    async def open(self, accounts: Iterable[AccountId]) -> Mapping[TradeKey, Trade]:
        return await open_trades(self._database, accounts)

    async def advance(
        self, partition: Partition, epoch: Epoch, offset: Offset, stands: Sequence[Stand]
    ) -> None:
        async with self._database.transaction() as transaction:
            await require_owner(transaction, "feed", partition, epoch)
            await save_trades(transaction, stands)
            await move_offsets(transaction, CONSUMER, {partition: offset})


async def open_trades(source: Database | Transaction, accounts: Iterable[AccountId]) -> dict[TradeKey, Trade]:
    rows = await source.fetch(_OPEN, list(accounts))
    return {(AccountId(row["account_id"]), key_of(row)): _trade(row) for row in rows}


async def save_trades(transaction: Transaction, stands: Sequence[Stand]) -> None:
    if stands:
        await transaction.execute(_SAVE, *columns([_row(*stand) for stand in stands], _WIDTH))


def _row(trade: Trade, multiplier: Decimal) -> tuple[object, ...]:
    return (
        trade.trade_id,
        trade.account_id,
        *key_columns(trade.key),
        int(trade.side),
        trade.quantity,
        trade.entry_order_id,
        _price(trade.entry_value, trade.quantity),
        trade.exit_order_id or None,
        _price(trade.exit_value, trade.exited) if trade.exited else None,
        trade.profit(multiplier),
        trade.exited,
        trade.entry_value,
        trade.exit_value,
        trade.because,
        trade.tag,
        trade.opened_ns,
        trade.closed_ns or None,
    )


def _price(value: Decimal, quantity: Decimal) -> Decimal:
    return (value / quantity).quantize(_PRICE)


def _trade(row: Row) -> Trade:
    return Trade(
        trade_id=EventIdentity(row["trade_id"]),
        account_id=AccountId(row["account_id"]),
        key=key_of(row),
        side=Side(row["side"]),
        opened_ns=row["opened_ns"],
        entry_order_id=row["entry_order_id"],
        quantity=row["quantity"],
        entry_value=row["entry_value"],
        exited=row["exited"],
        exit_value=row["exit_value"],
        exit_order_id=row["exit_order_id"] or "",
    )
