"""Portfolios, their positions and equities as messages."""

from paceline.adapters.wire.answers import portfolio_to_wire
from paceline.adapters.wire.decimals import text_of
from paceline.adapters.wire.orders import position_to_wire
from paceline.adapters.wire.times import timestamp_of_ns
from paceline.api.v1 import order_pb2, risk_pb2
from paceline.domain.position import PositionReport
from paceline.domain.risk import RiskState
from services.risk.board import Board, Seat
from services.risk.portfolios import as_of_ns, known, oldest_price_ns, portfolio_of, reports_of
from services.risk.scale import decimal_of

_STATES = {
    RiskState.CALM: risk_pb2.RISK_STATE_NORMAL,
    RiskState.WARNED: risk_pb2.RISK_STATE_WARNED,
    RiskState.LIQUIDATING: risk_pb2.RISK_STATE_LIQUIDATING,
}


def portfolio_message(board: Board, seat: Seat, *, with_positions: bool) -> risk_pb2.Portfolio:
    """Without funds there is no equity to tell, and nobody judged: both are said."""
    wire = portfolio_to_wire(portfolio_of(board, seat))
    row, accounts = seat.row, board.accounts
    wire.collateral.value = text_of(decimal_of(int(accounts.seen_collateral[row])))
    wire.state = risk_pb2.RISK_STATE_NOT_JUDGED if wire.stale else _STATES[seat.state]
    if known(board, seat):
        wire.funds_time.CopyFrom(timestamp_of_ns(int(accounts.seen_funds_ns[row])))
    else:
        for field in ("equity", "cash", "collateral", "used_margin"):
            wire.ClearField(field)
    oldest_ns = oldest_price_ns(board, seat)
    if oldest_ns:
        wire.oldest_price_time.CopyFrom(timestamp_of_ns(oldest_ns))
    if with_positions:
        for report, place in reports_of(board, seat):
            _position(board, seat, report, place, wire.positions.add())
    return wire


def equity_message(board: Board, account_id: str, seat: Seat | None) -> risk_pb2.CopyEquity:
    wire = risk_pb2.CopyEquity(account_id=account_id)
    if seat is not None and known(board, seat):
        portfolio = portfolio_of(board, seat)
        wire.equity.amount.value = text_of(portfolio.equity)
        wire.equity.currency = portfolio.currency
        wire.as_of_ns = as_of_ns(board, seat)
    return wire


def _position(board: Board, seat: Seat, report: PositionReport, place: int, wire: order_pb2.Position) -> None:
    position_to_wire(report, wire.report)
    instruments = board.instruments
    if not instruments.weight[place]:
        return
    price, multiplier = int(instruments.price[place]), int(instruments.multiplier[place])
    held = board.position(seat, report.key)
    wire.unrealised.amount.value = text_of(decimal_of((price * held.quantity - held.cost) * multiplier))
    wire.unrealised.currency = seat.currency
    wire.last_price.value = text_of(decimal_of(price))
    wire.price_time.CopyFrom(timestamp_of_ns(int(instruments.price_ns[place])))
