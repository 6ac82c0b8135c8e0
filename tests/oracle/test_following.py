"""What a data-socket client is told, given what it subscribed to and how the market moved."""

from datetime import date

import pytest

from simulator.clock import Clock
from simulator.exchange import Exchange
from simulator.fyers import hsm
from simulator.fyers.following import Following
from simulator.fyers.topics import Topic, all_topics
from simulator.universe import default_universe

SBIN = "NSE:SBIN-EQ"
NIFTY = "NSE:NIFTY50-INDEX"
CHANNEL = 11


@pytest.fixture
def exchange() -> Exchange:
    return Exchange(default_universe(seed=1, today=date(2026, 9, 1)), Clock())


@pytest.fixture
def topics(exchange: Exchange) -> dict[str, Topic]:
    return all_topics(exchange.universe)


def kinds(following: Following, exchange: Exchange, symbol: str = SBIN) -> list[str]:
    return [record[:1].decode() for record in following.due(symbol, exchange.markets[symbol])]


def following_of(topics: dict[str, Topic], *names: str, channel: int = CHANNEL) -> Following:
    following = Following()
    following.subscribe([topics[name] for name in names], channel)
    return following


def test_topics_name_segment_and_token(topics: dict[str, Topic], exchange: Exchange) -> None:
    named = {name: topic.instrument.symbol for name, topic in topics.items()}
    assert named["sf|nse_cm|3045"] == named["dp|nse_cm|3045"] == SBIN
    assert named["if|nse_cm|Nifty 50"] == NIFTY
    assert all(len(name.split("|")) == 3 for name in named)
    assert {topic.instrument.symbol for topic in topics.values()} == {one.symbol for one in exchange.universe}


def test_a_snapshot_comes_first_then_only_changes(topics: dict[str, Topic], exchange: Exchange) -> None:
    following = following_of(topics, "sf|nse_cm|3045")
    assert kinds(following, exchange) == ["S"]
    assert kinds(following, exchange) == []
    exchange.move(SBIN, 81000)
    assert kinds(following, exchange) == ["U"]


def test_an_update_says_the_new_price_and_leaves_the_rest_unchanged(
    topics: dict[str, Topic], exchange: Exchange
) -> None:
    following = following_of(topics, "if|nse_cm|Nifty 50")
    market = exchange.markets[NIFTY]
    assert kinds(following, exchange, NIFTY) == ["S"]
    exchange.move(NIFTY, market.ltp + 500)
    (record,) = following.due(NIFTY, market)
    stamp = market.last_wall_ns // 1_000_000_000
    values = [market.ltp, hsm.UNCHANGED, stamp, market.high, hsm.UNCHANGED, hsm.UNCHANGED]
    assert record == hsm.update_record(1, values)


def test_lite_mode_tells_the_last_price_alone_and_no_depth(
    topics: dict[str, Topic], exchange: Exchange
) -> None:
    following = following_of(topics, "sf|nse_cm|3045", "dp|nse_cm|3045")
    following.set_mode(hsm.Mode.LITE, frozenset({CHANNEL}))
    assert kinds(following, exchange) == ["S", "S"]
    exchange.move(SBIN, 81000)
    assert list(following.due(SBIN, exchange.markets[SBIN])) == [hsm.lite_record(1, 81000)]


def test_back_in_full_mode_what_lite_left_out_is_told(topics: dict[str, Topic], exchange: Exchange) -> None:
    following = following_of(topics, "sf|nse_cm|3045")
    following.set_mode(hsm.Mode.LITE, frozenset({CHANNEL}))
    kinds(following, exchange)
    exchange.move(SBIN, 81000)
    kinds(following, exchange)
    following.set_mode(hsm.Mode.FULL, frozenset({CHANNEL}))
    assert kinds(following, exchange) == ["U"]


def test_a_paused_channel_is_silent_and_catches_up(topics: dict[str, Topic], exchange: Exchange) -> None:
    following = following_of(topics, "sf|nse_cm|3045")
    kinds(following, exchange)
    following.pause(frozenset({CHANNEL}))
    exchange.move(SBIN, 81000)
    assert kinds(following, exchange) == []
    following.resume(frozenset({CHANNEL}))
    assert kinds(following, exchange) == ["U"]


def test_a_topic_lives_until_its_last_channel_leaves(topics: dict[str, Topic], exchange: Exchange) -> None:
    following = following_of(topics, "sf|nse_cm|3045", channel=1)
    following.subscribe([topics["sf|nse_cm|3045"]], channel=2)
    following.unsubscribe(["sf|nse_cm|3045", "sf|nse_cm|unheard"], channel=1)
    assert following.follows(SBIN)
    following.unsubscribe(["sf|nse_cm|3045"], channel=2)
    assert not following.follows(SBIN)
    assert kinds(following, exchange) == []
