"""The broker's desk: larger acts that the exchange's own steps make up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.instruments import Segment
from simulator.margin import held_margin, opening_margin
from simulator.orders import Order, OrderRequest, OrderType, Product, Reject, RejectReason, Side, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.account import Account, Position
    from simulator.exchange import Exchange
    from simulator.instruments import Instrument


def protected_limit(exchange: Exchange, symbol: str, side: Side, percent: float) -> int:
    """Where a market order stops when it is turned into a protected limit."""
    market = exchange.markets[symbol]
    instrument = market.instrument
    raw = market.ltp + side * round(market.ltp * percent / 100)
    steps = -(-raw // instrument.tick) if side is Side.BUY else raw // instrument.tick
    return min(max(steps * instrument.tick, instrument.lower_band), instrument.upper_band)


def flatten(
    exchange: Exchange,
    account: Account,
    *,
    only: Callable[[Product, Instrument], bool] | None = None,
    source: Source,
) -> list[Order]:
    """Close open positions at market, each with one order; gives the orders."""
    placed: list[Order] = []
    for position in account.open_positions():
        if only is not None and not only(position.product, position.instrument):
            continue
        side = Side.SELL if position.net > 0 else Side.BUY
        request = OrderRequest(
            position.instrument.symbol, abs(position.net), OrderType.MARKET, side, position.product
        )
        for piece in slices(exchange, request):
            outcome = exchange.place(account, piece, source=source)
            if isinstance(outcome, Order):
                placed.append(outcome)
    return placed


def convert(exchange: Exchange, position: Position, qty: int, target: Product) -> Reject | None:
    """Move an open quantity to another product at its average cost. None when it was done."""
    if target in {Product.CO, Product.BO, Product.MTF} or target is position.product:
        return Reject(RejectReason.PRODUCT_SEGMENT, "convertTo")
    capital = position.instrument.segment is Segment.CAPITAL
    if (target is Product.CNC) != capital and target is not Product.INTRADAY:
        return Reject(RejectReason.PRODUCT_SEGMENT, "convertTo")
    account = position.account
    side = Side.BUY if position.net > 0 else Side.SELL
    average = position.open_average
    other = account.position(position.instrument, target)
    if other.net * side < 0:
        return Reject(RejectReason.OPPOSITE_POSITION, "convertTo")
    bound = opening_margin(position.instrument, target, side, qty, average)
    freed = position.margin * qty // abs(position.net)
    if bound - freed > account.available:
        return Reject(RejectReason.MARGIN, required=bound - freed, available=account.available)
    for one, moved in ((position, -qty), (other, qty)):
        one.transfer(side, moved, average)
        account.used -= one.margin
        one.margin = held_margin(one.instrument, one.product, one.net, one.open_value)
        account.used += one.margin
        exchange.matcher.sink.position(one)
    return None


def slices(exchange: Exchange, request: OrderRequest) -> list[OrderRequest]:
    """The request in pieces that the freeze quantity allows."""
    market = exchange.markets.get(request.symbol)
    if market is None or not market.instrument.freeze or request.qty <= market.instrument.freeze:
        return [request]
    largest = market.instrument.freeze // market.instrument.lot * market.instrument.lot
    whole, rest = divmod(request.qty, largest)
    return [_with_qty(request, qty) for qty in [largest] * whole + ([rest] if rest else [])]


def _with_qty(request: OrderRequest, qty: int) -> OrderRequest:
    return OrderRequest(
        symbol=request.symbol,
        qty=qty,
        type=request.type,
        side=request.side,
        product=request.product,
        limit=request.limit,
        stop=request.stop,
        validity=request.validity,
        offline=request.offline,
        tag=request.tag,
        held=request.held,
    )
