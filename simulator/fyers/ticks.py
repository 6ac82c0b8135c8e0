"""The numbers of a tick: what a market looks like in the data socket's field order, prices in paise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.clock import SECOND_NS
from simulator.fyers import hsm
from simulator.fyers.topics import Feed
from simulator.orders import Side

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.fyers.topics import Topic
    from simulator.market import Market

PAISE_PRECISION = 2
LARGEST = 2**31 - 1


def name_of(topic: Topic, topic_id: int) -> hsm.TopicName:
    _, exchange, token = topic.name.split("|")
    return hsm.TopicName(
        topic_id=topic_id,
        topic=topic.name,
        exchange=exchange,
        token=token,
        symbol=topic.instrument.symbol.split(":")[1],
        precision=PAISE_PRECISION,
    )


def values_of(topic: Topic, market: Market) -> list[int]:
    """Every field of the topic's feed, as an integer that fits the wire."""
    return [min(value, LARGEST) for value in _READERS[topic.feed](market)]


def _seconds(market: Market) -> int:
    return market.last_wall_ns // SECOND_NS or hsm.UNCHANGED


def _symbol(market: Market) -> list[int]:
    bids, asks = market.depth(Side.BUY), market.depth(Side.SELL)
    best_bid, best_ask = _level(bids, 0), _level(asks, 0)
    values = {
        "ltp": market.ltp,
        "vol_traded_today": market.volume,
        "last_traded_time": _seconds(market),
        "exch_feed_time": _seconds(market),
        "bid_size": best_bid[1],
        "ask_size": best_ask[1],
        "bid_price": best_bid[0],
        "ask_price": best_ask[0],
        "last_traded_qty": market.last_qty,
        "tot_buy_qty": sum(qty for _, qty, _ in bids),
        "tot_sell_qty": sum(qty for _, qty, _ in asks),
        "avg_trade_price": market.average_price,
        "OI": 0,
        "low_price": market.low,
        "high_price": market.high,
        "Yhigh": market.high,
        "Ylow": market.low,
        "lower_ckt": market.instrument.lower_band,
        "upper_ckt": market.instrument.upper_band,
        "open_price": market.open,
        "prev_close_price": market.previous_close,
    }
    return [values[field] for field in hsm.SYMBOL_FIELDS]


def _index(market: Market) -> list[int]:
    values = {
        "ltp": market.ltp,
        "prev_close_price": market.previous_close,
        "exch_feed_time": _seconds(market),
        "high_price": market.high,
        "low_price": market.low,
        "open_price": market.open,
    }
    return [values[field] for field in hsm.INDEX_FIELDS]


def _depth(market: Market) -> list[int]:
    sides = (market.depth(Side.BUY), market.depth(Side.SELL))
    return [
        _level(side, level)[part] for part in range(3) for side in sides for level in range(hsm.DEPTH_LEVELS)
    ]


def _level(side: list[tuple[int, int, int]], level: int) -> tuple[int, int, int]:
    return side[level] if level < len(side) else (0, 0, 0)


_READERS: dict[Feed, Callable[[Market], list[int]]] = {
    Feed.SYMBOL: _symbol,
    Feed.INDEX: _index,
    Feed.DEPTH: _depth,
}
