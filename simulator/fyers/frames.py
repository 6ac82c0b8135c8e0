"""Raw frames of the order socket, written as text once per event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.clock import SECOND_NS, Stamps
from simulator.fyers.words import words
from simulator.orders import Side, Status

if TYPE_CHECKING:
    from simulator.account import Position
    from simulator.instruments import Instrument
    from simulator.market import Market
    from simulator.orders import Order, Trade

RAW_STATUS = (0, 30, 90, 0, 20, 80, 6, 70)
"""The broker's inner status, by the public one."""
REPORTS = ("", "Canceled", "Fill", "", "New Ack", "Rejected", "New", "Expired")
_stamps = Stamps()


def order_tag(order: Order) -> str:
    return f"1:{order.tag}" if order.tag else "2:Untagged"


def fyers_id(number: int) -> str:
    """A stable id in the shape of a UUID."""
    return f"{number & 0xFFFFFFFF:08x}-5a1e-4c0d-8e00-{number & 0xFFFFFFFFFFFF:012x}"


def message_of(order: Order) -> str:
    if order.reject is None:
        return ""
    return words(order.reject, order.instrument, order.account.client_id).message


def trade_number(trade: Trade) -> str:
    return f"{trade.order.id}-{trade.number}"


def order_frame(order: Order) -> str:
    """The whole state of an order, as it is now."""
    status = order.status
    at = order.updated_wall_ns
    stamp = _stamps.text(at)
    second = at // SECOND_NS
    report = _report(order)
    average = order.average / 100 if order.filled else 0
    return (
        f'{{"orders":{{{order.wire or _constant_part(order)},"ord_type":{order.type:d},"qty":{order.qty},'
        f'"qty_remaining":{order.remaining if order.is_working else 0},"qty_filled":{order.filled},'
        f'"qty_disc":{order.disclosed},"price_limit":{order.limit / 100},"price_stop":{order.stop / 100},'
        f'"price_traded":{average},"id_exchange":"{order.exchange_id}","org_ord_status":{status:d},'
        f'"ord_status":{RAW_STATUS[status]},"report_type":"{report}","status_msg":"{report}",'
        f'"oms_msg":"{message_of(order) if order.reject else ""}","time_oms":"{stamp}",'
        f'"time_epoch_oms":{second},'
        f'"time_exch":"{stamp if order.exchange_id else "NA"}","update_time_epoch_oms":{second},'
        f'"update_time_exch":"{stamp}"}},"s":"ok"}}'
    )


def _report(order: Order) -> str:
    if order.status is Status.PENDING:
        if order.filled:
            return "Partial Fill"
        return "Replaced" if order.modifications else "New"
    return REPORTS[order.status]


def _constant_part(order: Order) -> str:
    instrument = order.instrument
    offline = "true" if order.offline else "false"
    order.wire = (
        f'"client_id":"{order.account.client_id}",{_instrument_part(instrument)},"id":"{order.id}",'
        f'"id_fyers":"{fyers_id(order.number)}","id_parent":"","instrument":{instrument.type_code},'
        f'"lot_size":{instrument.lot},"offline_flag":{offline},"oms_flag":"K:1",'
        f'"ord_source":"{order.source.value}","ordertag":"{order_tag(order)}","pan":"","precision":2,"price_multiplier":1,'
        f'"product_type":"{order.product.value}","qty_multiplier":{instrument.multiplier},'
        f'"symbol_desc":"{instrument.description}","symbol_exch":"{instrument.name}",'
        f'"take_profit":{order.take_profit / 100},"stop_loss":{order.stop_loss / 100},"leg_type":0,'
        f'"tick_size":{instrument.tick / 100},"tran_side":{order.side:d},"validity":"{order.validity.value}"'
    )
    return order.wire


def _instrument_part(instrument: Instrument) -> str:
    return (
        f'"exchange":{instrument.venue:d},"fy_token":"{instrument.fy_token}","segment":{instrument.segment:d},'
        f'"symbol":"{instrument.symbol}"'
    )


def trade_frame(trade: Trade) -> str:
    order = trade.order
    price = trade.price / 100
    return (
        f'{{"trades":{{"client_id":"{order.account.client_id}",{_instrument_part(order.instrument)},'
        f'"id":"{order.id}","id_fill":"{trade_number(trade)}","id_fyers":"{fyers_id(order.number)}",'
        f'"id_exchange":"{order.exchange_id}","ord_type":{order.type:d},"ordertag":"{order_tag(order)}",'
        f'"price_traded":{price},"product_type":"{order.product.value}","qty_traded":{trade.qty},'
        f'"traded_val":{trade.value / 100},"tran_side":{order.side:d},'
        f'"fill_time":"{_stamps.numeric(trade.wall_ns)}",'
        f'"time_epoch":{trade.wall_ns // SECOND_NS}}},"s":"ok"}}'
    )


def position_frame(position: Position, market: Market) -> str:
    """No client id: a position belongs to the account of its socket."""
    net = position.net
    side = 0 if not net else (Side.BUY if net > 0 else Side.SELL)
    unrealised = position.unrealised(market.ltp)
    instrument = position.instrument
    return (
        f'{{"positions":{{{_instrument_part(instrument)},"id":"{position.id}",'
        f'"buy_avg":{average(position.buy_value, position.buy_qty)},"buy_qty":{position.buy_qty},'
        f'"buy_val":{position.buy_value / 100},"sell_avg":{average(position.sell_value, position.sell_qty)},'
        f'"sell_qty":{position.sell_qty},"sell_val":{position.sell_value / 100},'
        f'"net_avg":{average(position.open_value, abs(net))},"net_qty":{net},"tran_side":{side:d},'
        f'"qty":{abs(net)},'
        f'"product_type":"{position.product.value}","pl_realized":{position.realised / 100},'
        f'"pl_unrealized":{unrealised / 100},"pl_total":{(position.realised + unrealised) / 100},'
        f'"rbirefrate":1,"cross_curr_flag":"N","qty_multiplier":{instrument.multiplier},'
        f'"day_buy_qty":{position.buy_qty - position.carried_buy},'
        f'"day_sell_qty":{position.sell_qty - position.carried_sell},"cf_buy_qty":{position.carried_buy},'
        f'"cf_sell_qty":{position.carried_sell},"take_profit":{position.take_profit / 100},'
        f'"stop_loss":{position.stop_loss / 100},"leg_type":{position.leg_type}}},"s":"ok"}}'
    )


def average(value: int, qty: int) -> float:
    """Rupees per unit, to four digits."""
    return round(value / qty / 100, 4) if qty else 0.0
