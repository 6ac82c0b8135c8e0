"""Rows of the board as others read them: Decimals again."""

from collections.abc import Iterator
from decimal import Decimal

from paceline.adapters.wire.packed_portfolios import LEVEL_QUANTUM
from paceline.domain.instrument import InstrumentKey
from paceline.domain.money import EXACT
from paceline.domain.position import PositionReport
from paceline.domain.risk import margin_level
from paceline.ports.portfolios import Portfolio
from services.risk.board import Board, Seat
from services.risk.fold import Position
from services.risk.scale import DIGITS, decimal_of

AVERAGE_QUANTUM = Decimal(1).scaleb(-DIGITS)


def known(board: Board, seat: Seat) -> bool:
    """Whether its money had been told when the last pass was made: without it there is no equity."""
    return bool(board.accounts.seen_funds_ns[seat.row])


def portfolio_of(board: Board, seat: Seat) -> Portfolio:
    """As of the last pass; all zeros and stale while the broker's funds were never read."""
    accounts, row = board.accounts, seat.row
    told = known(board, seat)
    cash, collateral = (
        decimal_of(int(accounts.seen_cash[row])),
        decimal_of(int(accounts.seen_collateral[row])),
    )
    realised = decimal_of(int(accounts.seen_realised[row]))
    unrealised = decimal_of(int(accounts.unrealised[row]))
    equity = cash + realised + unrealised + collateral if told else Decimal(0)
    used_margin = decimal_of(int(accounts.seen_margin[row]))
    level = margin_level(equity, used_margin)
    return Portfolio(
        account_id=seat.account.account_id,
        type=seat.account.type,
        cash=cash,
        realised=realised,
        unrealised=unrealised,
        equity=equity,
        used_margin=used_margin,
        margin_level=level.quantize(LEVEL_QUANTUM) if level.is_finite() else None,
        currency=seat.currency,
        computed_ns=board.assessed_ns,
        stale=bool(accounts.stale[row]) or not told,
    )


def oldest_price_ns(board: Board, seat: Seat) -> int | None:
    """None without positions; 0 where one was never priced."""
    times = [int(board.instruments.price_ns[place]) for _, _, place in board.positions(seat)]
    return min(times, default=None)


def as_of_ns(board: Board, seat: Seat) -> int:
    """The last pass; of a stale one the moment of the oldest thing it was reckoned with."""
    if not board.accounts.stale[seat.row]:
        return board.assessed_ns
    price_ns = oldest_price_ns(board, seat)
    times = [board.assessed_ns, int(board.accounts.seen_funds_ns[seat.row])]
    return min(times if price_ns is None else [*times, price_ns])


def reports_of(board: Board, seat: Seat) -> Iterator[tuple[PositionReport, int]]:
    """Its positions, with the place of each one's instrument."""
    for key, position, place in board.positions(seat):
        yield report_of(board, seat, key, position), place


def report_of(board: Board, seat: Seat, key: InstrumentKey, position: Position) -> PositionReport:
    exchange, segment = board.names.markets[key.instrument_id]
    return PositionReport(
        account_id=seat.account.account_id,
        key=key,
        exchange=exchange,
        segment=segment,
        quantity=Decimal(position.quantity),
        average_price=_average(position),
    )


def _average(position: Position) -> Decimal:
    exact = EXACT.divide(decimal_of(position.cost), Decimal(position.quantity))
    return EXACT.quantize(exact, AVERAGE_QUANTUM)
