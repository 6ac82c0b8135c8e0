"""Rows of the books that REST reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.clock import SECOND_NS, Stamps
from simulator.fyers.frames import average, fyers_id, message_of, order_tag, trade_number
from simulator.orders import Product

if TYPE_CHECKING:
    from simulator.account import Account, Holding, Position
    from simulator.exchange import Exchange
    from simulator.market import Market
    from simulator.orders import Order, Trade

_stamps = Stamps()

Row = dict[str, Any]


def percent(part: int, whole: int) -> float:
    return round(part * 100 / whole, 2) if whole else 0.0


def order_row(order: Order, market: Market) -> Row:
    instrument = order.instrument
    remaining = order.remaining if order.is_working else 0
    return {
        "clientId": order.account.client_id,
        "exchange": int(instrument.venue),
        "fyToken": instrument.fy_token,
        "id": order.id,
        "id_fyers": fyers_id(order.number),
        "exchOrdId": order.exchange_id,
        "instrument": instrument.type_code,
        "offlineOrder": order.offline,
        "source": order.source.value,
        "status": int(order.status),
        "type": int(order.type),
        "pan": "",
        "limitPrice": order.limit / 100,
        "productType": order.product.value,
        "qty": order.qty,
        "disclosedQty": order.disclosed,
        "discloseQty": order.disclosed,
        "dqQtyRem": min(order.disclosed, remaining),
        "remainingQuantity": remaining,
        "filledQty": order.filled,
        "segment": int(instrument.segment),
        "symbol": instrument.symbol,
        "description": instrument.description,
        "ex_sym": instrument.name,
        "orderDateTime": _stamps.text(order.updated_wall_ns),
        "side": int(order.side),
        "orderValidity": order.validity.value,
        "stopPrice": order.stop / 100,
        "tradedPrice": order.average / 100,
        "message": message_of(order),
        "ch": market.change / 100,
        "chp": percent(market.change, market.previous_close),
        "lp": market.ltp / 100,
        "orderNumStatus": f"{order.id}:{order.status:d}",
        "slNo": order.number,
        "orderTag": order_tag(order),
        "takeProfit": order.take_profit / 100,
        "stopLoss": order.stop_loss / 100,
    }


def trade_row(trade: Trade) -> Row:
    order = trade.order
    instrument = order.instrument
    return {
        "clientId": order.account.client_id,
        "exchange": int(instrument.venue),
        "fyToken": instrument.fy_token,
        "orderNumber": order.id,
        "exchangeOrderNo": order.exchange_id,
        "tradeNumber": trade_number(trade),
        "tradePrice": trade.price / 100,
        "segment": int(instrument.segment),
        "productType": order.product.value,
        "tradedQty": trade.qty,
        "symbol": instrument.symbol,
        "row": trade.wall_ns // SECOND_NS,
        "orderDateTime": _stamps.text(trade.wall_ns),
        "tradeValue": trade.value / 100,
        "side": int(order.side),
        "orderType": int(order.type),
        "orderTag": order_tag(order),
    }


def position_row(position: Position, market: Market, number: int) -> Row:
    instrument, net = position.instrument, position.net
    unrealised = position.unrealised(market.ltp)
    return {
        "symbol": instrument.symbol,
        "id": position.id,
        "fyToken": instrument.fy_token,
        "exchange": int(instrument.venue),
        "segment": int(instrument.segment),
        "productType": position.product.value,
        "side": (net > 0) - (net < 0),
        "qty": abs(net),
        "netQty": net,
        "netAvg": average(position.open_value, abs(net)),
        "avgPrice": average(position.open_value, abs(net)),
        "buyQty": position.buy_qty,
        "buyAvg": average(position.buy_value, position.buy_qty),
        "buyVal": position.buy_value / 100,
        "sellQty": position.sell_qty,
        "sellAvg": average(position.sell_value, position.sell_qty),
        "sellVal": position.sell_value / 100,
        "dayBuyQty": position.buy_qty - position.carried_buy,
        "daySellQty": position.sell_qty - position.carried_sell,
        "cfBuyQty": position.carried_buy,
        "cfSellQty": position.carried_sell,
        "realized_profit": position.realised / 100,
        "unrealized_profit": unrealised / 100,
        "pl": (position.realised + unrealised) / 100,
        "ltp": market.ltp / 100,
        "crossCurrency": "N",
        "rbiRefRate": 1,
        "qtyMulti_com": instrument.multiplier,
        "slNo": number,
    }


def positions_body(account: Account, exchange: Exchange) -> Row:
    """`netPositions` and `overall`."""
    shown = [one for one in account.positions.values() if not one.is_idle()]
    rows = [position_row(one, exchange.markets[one.instrument.symbol], n) for n, one in enumerate(shown)]
    realised = sum(one.realised for one in shown)
    unrealised = sum(one.unrealised(exchange.markets[one.instrument.symbol].ltp) for one in shown)
    overall = {
        "count_total": len(shown),
        "count_open": sum(1 for one in shown if one.net),
        "pl_realized": realised / 100,
        "pl_unrealized": unrealised / 100,
        "pl_total": (realised + unrealised) / 100,
    }
    return {"netPositions": rows, "overall": overall}


def holding_row(holding: Holding, market: Market, number: int, sold: int) -> Row:
    instrument = holding.instrument
    return {
        "holdingType": "HLD",
        "id": number,
        "symbol": instrument.symbol,
        "fyToken": instrument.fy_token,
        "isin": instrument.isin,
        "exchange": int(instrument.venue),
        "segment": int(instrument.segment),
        "quantity": holding.qty,
        "remainingQuantity": holding.qty - sold,
        "qty_t1": 0,
        "costPrice": holding.cost / 100,
        "ltp": market.ltp / 100,
        "marketVal": holding.qty * market.ltp / 100,
        "pl": holding.qty * (market.ltp - holding.cost) / 100,
        "collateralQuantity": 0,
        "remainingPledgeQuantity": -1,
    }


def holdings_body(account: Account, exchange: Exchange) -> Row:
    """`holdings` and `overall`."""
    rows = [
        holding_row(one, exchange.markets[symbol], number, _sold(account, symbol))
        for number, (symbol, one) in enumerate(account.holdings.items(), 1)
    ]
    invested = sum(one.qty * one.cost for one in account.holdings.values())
    worth = sum(one.qty * exchange.markets[symbol].ltp for symbol, one in account.holdings.items())
    overall = {
        "count_total": len(rows),
        "total_investment": invested / 100,
        "total_current_value": worth / 100,
        "total_pl": (worth - invested) / 100,
        "pnl_perc": percent(worth - invested, invested),
    }
    return {"holdings": rows, "overall": overall}


def _sold(account: Account, symbol: str) -> int:
    position = account.positions.get((symbol, Product.CNC))
    return max(0, -position.net) if position else 0


FUND_TITLES = (
    (1, "Total Balance"),
    (2, "Utilized Amount"),
    (3, "Clear Balance"),
    (4, "Realized Profit and Loss"),
    (5, "Collaterals"),
    (6, "Fund Transfer"),
    (7, "Receivables"),
    (8, "Adhoc Limit"),
    (9, "Limit at start of the day"),
    (10, "Available Balance"),
)


def funds_rows(account: Account, percent: float = 100) -> list[Row]:
    """One ledger serves capital and commodity markets, and is shown as the capital one.

    `percent` of the money is shown: 100 is the truth.
    """
    cash = round(account.cash * percent / 100)
    amounts = {
        1: cash + account.realised,
        2: account.used,
        3: cash + account.realised - account.used,
        4: account.realised,
        9: account.opening_cash,
        10: cash + account.realised - account.used,
    }
    return [
        {"id": number, "title": title, "equityAmount": amounts.get(number, 0) / 100, "commodityAmount": 0}
        for number, title in FUND_TITLES
    ]
