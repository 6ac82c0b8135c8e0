"""The cards that every broker's adapter must pass: orders, books and money.

Sockets and logins have theirs in `test_broker_socket_cards.py`, where the numbers run on. The simulator's own
books are the judge.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from paceline.domain.copy_order import OrderSpec
from paceline.domain.errors import (
    BrokerAuthFailed,
    BrokerError,
    BrokerNeverSent,
    BrokerOutcomeUnknown,
    BrokerRateLimited,
    BrokerRejected,
)
from paceline.domain.ids import BrokerOrderId, InstrumentId, Tag
from paceline.domain.instrument import Exchange, InstrumentKey, Product, Segment
from paceline.domain.order import BrokerStatus, OrderType, Side
from paceline.ports.broker import Call, Credentials, LimitScope, MarketPhase, OrderChange
from tests.contract.brokers.venue import Row, Venue

SBIN = InstrumentId("NSE:SBIN-EQ")
IDEA = InstrumentId("NSE:IDEA-EQ")


def spec(
    *,
    side: Side = Side.BUY,
    kind: OrderType = OrderType.MARKET,
    quantity: int = 10,
    limit: str = "0",
    trigger: str = "0",
    instrument: InstrumentId = SBIN,
) -> OrderSpec:
    key = InstrumentKey(instrument, Product.INTRADAY)
    return OrderSpec(key, side, kind, Decimal(quantity), Decimal(limit), Decimal(trigger))


RESTING = spec(kind=OrderType.LIMIT, limit="700.05")


async def test_card_01_an_order_stands_once_under_its_tag_as_it_was_asked(
    venue: Venue, credentials: Credentials
) -> None:
    order_id = await venue.broker.place(credentials, RESTING, Tag("card01"))
    (judged,) = await venue.control.orders("card01")
    assert (judged["id"], judged["client_id"]) == (order_id, credentials.client_id)
    (report,) = (await venue.broker.order_book(credentials, tag=Tag("card01"))).reports
    assert report.account_id == credentials.account_id
    assert (report.order_id, report.tag) == (order_id, "card01")
    assert (report.key, report.side, report.type) == (RESTING.key, Side.BUY, OrderType.LIMIT)
    assert (report.quantity, report.filled, report.limit_price) == (
        Decimal(10),
        Decimal(0),
        Decimal("700.05"),
    )
    assert (report.exchange, report.segment) == (Exchange.NSE, Segment.CAPITAL_MARKET)
    assert report.status is BrokerStatus.PENDING


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (spec(), BrokerStatus.TRADED),
        (spec(kind=OrderType.LIMIT, limit="700.05"), BrokerStatus.PENDING),
        (spec(kind=OrderType.STOP, trigger="860.15"), BrokerStatus.PENDING),
        (spec(kind=OrderType.STOP_LIMIT, limit="861.35", trigger="860.15"), BrokerStatus.PENDING),
        (spec(side=Side.SELL, kind=OrderType.STOP, trigger="760.95"), BrokerStatus.PENDING),
    ],
    ids=["market", "limit", "stop", "stop-limit", "sell-stop"],
)
async def test_card_02_every_type_carries_its_prices_to_the_tick(
    venue: Venue, credentials: Credentials, asked: OrderSpec, status: BrokerStatus
) -> None:
    order_id = await venue.broker.place(credentials, asked, Tag("card02"))
    (report,) = (await venue.broker.order_book(credentials, order_id=order_id)).reports
    assert (report.type, report.side, report.status) == (asked.type, asked.side, status)
    assert (report.limit_price, report.trigger_price) == (asked.limit_price, asked.trigger_price)


async def test_card_03_a_modification_changes_what_it_names_and_nothing_else(
    venue: Venue, credentials: Credentials
) -> None:
    order_id = await venue.broker.place(credentials, RESTING, Tag("card03"))
    await venue.broker.modify(credentials, order_id, OrderChange(quantity=Decimal(7)))
    (after,) = (await venue.broker.order_book(credentials, order_id=order_id)).reports
    assert (after.quantity, after.limit_price, after.type) == (Decimal(7), Decimal("700.05"), OrderType.LIMIT)
    await venue.broker.modify(credentials, order_id, OrderChange(limit_price=Decimal("700.10")))
    (after,) = (await venue.broker.order_book(credentials, order_id=order_id)).reports
    assert (after.quantity, after.limit_price) == (Decimal(7), Decimal("700.1"))


async def test_card_04_a_cancel_ends_an_order_and_a_second_one_is_rejected_in_words(
    venue: Venue, credentials: Credentials
) -> None:
    order_id = await venue.broker.place(credentials, RESTING, Tag("card04"))
    await venue.broker.cancel(credentials, order_id)
    (after,) = (await venue.broker.order_book(credentials, order_id=order_id)).reports
    assert after.status is BrokerStatus.CANCELLED
    with pytest.raises(BrokerRejected) as refused:
        await venue.broker.cancel(credentials, order_id)
    assert refused.value.words


@pytest.mark.parametrize(
    "asked",
    [
        spec(quantity=90_000, kind=OrderType.LIMIT, limit="812.00"),
        spec(instrument=InstrumentId("NSE:NOSUCH-EQ")),
        spec(kind=OrderType.LIMIT, limit="700.03"),
    ],
    ids=["margin", "symbol", "tick"],
)
async def test_card_05_what_will_not_get_better_is_rejected_with_the_brokers_words_and_code(
    venue: Venue, asked: OrderSpec
) -> None:
    poor = await venue.account(cash=1_000)
    with pytest.raises(BrokerRejected) as refused:
        await venue.broker.place(poor, asked, Tag("card05"))
    assert refused.value.words
    assert refused.value.code
    assert not refused.value.retryable


async def test_card_06_a_rate_refusal_names_the_time_to_wait(venue: Venue, credentials: Credentials) -> None:
    await venue.control.fault("rate_429", next=1)
    with pytest.raises(BrokerRateLimited) as refused:
        await venue.broker.place(credentials, RESTING, Tag("card06"))
    assert refused.value.retry_after_ms > 0
    assert await venue.control.orders("card06") == []


@pytest.mark.parametrize(
    "verb",
    [
        "place",
        "modify",
        "cancel",
        "basket",
        "orders",
        "trades",
        "positions",
        "holdings",
        "funds",
        "profile",
        "market",
        "quotes",
    ],
)
async def test_card_07_every_call_says_when_the_token_is_expired(
    venue: Venue, credentials: Credentials, verb: str
) -> None:
    order_id = await venue.broker.place(credentials, RESTING, Tag("card07"))
    await venue.control.post("/tokens/expire", client_ids=[credentials.client_id])
    with pytest.raises(BrokerAuthFailed) as refused:
        await call(venue, verb, credentials, order_id)
    assert refused.value.code == venue.token_code


async def test_card_08_a_refused_connection_is_never_sent(venue: Venue, credentials: Credentials) -> None:
    await venue.control.post("/listener", open=False)
    with pytest.raises(BrokerNeverSent):
        await venue.broker.place(credentials, RESTING, Tag("card08"))
    await venue.control.post("/listener", open=True)
    assert await venue.control.orders("card08") == []


@pytest.mark.parametrize(
    ("kind", "options", "stands"),
    [
        ("drop_after_accept", {}, True),
        ("drop_before_accept", {}, False),
        ("code_201", {}, True),
        ("code_201", {"accept": False}, False),
        ("server_5xx", {"status": 502, "accept": True}, True),
        ("server_5xx", {"status": 503}, False),
    ],
)
async def test_card_09_an_answer_that_was_lost_is_unknown_and_the_tag_tells_the_truth(
    venue: Venue, credentials: Credentials, kind: str, options: Row, stands: bool
) -> None:
    await venue.control.fault(kind, next=1, **options)
    with pytest.raises(BrokerOutcomeUnknown):
        await venue.broker.place(credentials, RESTING, Tag("card09"))
    book = await venue.broker.order_book(credentials, tag=Tag("card09"))
    assert len(book.reports) == len(await venue.control.orders("card09")) == int(stands)
    assert not book.malformed


async def test_card_10_an_answer_that_is_late_is_unknown_though_the_request_lands(
    venue: Venue, credentials: Credentials
) -> None:
    hasty = venue.ports(read_timeout_ms=100).broker
    await venue.control.fault("late_landing", next=1, ms=5_000)
    with pytest.raises(BrokerOutcomeUnknown):
        await hasty.place(credentials, RESTING, Tag("card10"))
    async with asyncio.timeout(5):
        while not (await venue.broker.order_book(credentials, tag=Tag("card10"))).reports:
            await asyncio.sleep(0.11)


@pytest.mark.parametrize("verb", ["place", "modify", "cancel"])
async def test_card_11_nothing_is_ever_sent_a_second_time_behind_our_back(
    venue: Venue, credentials: Credentials, verb: str
) -> None:
    paths = {"place": venue.place_path, "modify": venue.modify_path, "cancel": venue.cancel_path}
    order_id = await venue.broker.place(credentials, RESTING, Tag("card11"))
    before = await venue.control.requests(paths[verb])
    await venue.control.fault("drop_after_accept", next=1)
    with pytest.raises(BrokerOutcomeUnknown):
        await call(venue, verb, credentials, order_id)
    assert await venue.control.requests(paths[verb]) == before + 1


async def test_card_12_a_basket_is_answered_order_by_order(venue: Venue, credentials: Credentials) -> None:
    wrong = spec(instrument=InstrumentId("NSE:NOSUCH-EQ"))
    size = venue.broker.limits.basket
    orders = [(wrong if number == 3 else RESTING, Tag(f"card12x{number}")) for number in range(size)]
    outcomes = await venue.broker.place_basket(credentials, orders)
    assert isinstance(outcomes[3], BrokerRejected)
    for (_, tag), outcome in zip(orders, outcomes, strict=True):
        judged = [row["id"] for row in await venue.control.orders(tag)]
        assert judged == ([] if isinstance(outcome, BrokerError) else [outcome])
    with pytest.raises(BrokerRejected):
        await venue.broker.place_basket(credentials, [*orders, (RESTING, Tag("card12over"))])


async def test_card_13_an_order_filled_in_parts_is_as_many_trades_and_adds_up(
    venue: Venue, credentials: Credentials
) -> None:
    made = await venue.control.post(
        "/trades", client_id=credentials.client_id, symbol=SBIN, side=1, qty=37, parts=37, price=812.45
    )
    fills = (await venue.broker.trade_book(credentials)).reports
    assert len({fill.trade_id for fill in fills}) == len(made["trades"]) == 37
    assert sum(fill.quantity for fill in fills) == 37
    assert {fill.price for fill in fills} == {Decimal("812.45")}
    assert {(fill.order_id, fill.tag) for fill in fills} == {(made["order"]["id"], "")}


async def test_card_14_trades_are_found_by_tag(venue: Venue, credentials: Credentials) -> None:
    order_id = await venue.broker.place(credentials, spec(), Tag("card14"))
    await venue.broker.place(credentials, spec(), Tag("another"))
    fills = (await venue.broker.trade_book(credentials, tag=Tag("card14"))).reports
    assert {(fill.order_id, fill.tag) for fill in fills} == {(order_id, "card14")}
    assert sum(fill.quantity for fill in fills) == 10


@pytest.mark.parametrize("side", list(Side))
async def test_card_15_positions_are_signed(venue: Venue, credentials: Credentials, side: Side) -> None:
    await venue.broker.place(credentials, spec(side=side), Tag("card15"))
    (position,) = (await venue.broker.positions(credentials)).reports
    assert position.quantity == 10 * side
    assert position.key == InstrumentKey(SBIN, Product.INTRADAY)
    assert position.average_price > 0


async def test_card_48_what_was_delivered_stands_among_the_holdings(venue: Venue) -> None:
    owner = await venue.account(holdings=[{"symbol": SBIN, "qty": 5, "cost": 700}])
    (held,) = (await venue.broker.holdings(owner)).reports
    assert (held.account_id, held.instrument_id, held.quantity) == (owner.account_id, SBIN, Decimal(5))


async def test_card_16_funds_tell_cash_and_what_is_bound(venue: Venue) -> None:
    rich = await venue.account(cash=500_000)
    before = await venue.broker.funds(rich)
    assert before.cash == before.available == 500_000
    assert before.used_margin == 0
    await venue.broker.place(rich, spec(quantity=100), Tag("card16"))
    after = await venue.broker.funds(rich)
    assert after.used_margin > 0
    assert after.cash == 500_000
    assert after.available == after.cash + after.realised + after.collateral - after.used_margin


async def test_card_17_the_profile_names_the_client(venue: Venue, credentials: Credentials) -> None:
    assert (await venue.broker.profile(credentials)).client_id == credentials.client_id


async def test_card_18_the_market_tells_its_phase(venue: Venue, credentials: Credentials) -> None:
    await venue.control.post("/hours", venue="NSE", segment="CAPITAL", open=False)
    phases = {
        (each.exchange, each.segment): each.phase
        for each in await venue.broker.market_status(credentials)
        if each.market == "NORMAL"
    }
    assert phases[Exchange.NSE, Segment.CAPITAL_MARKET] is MarketPhase.CLOSED
    assert phases[Exchange.MCX, Segment.COMMODITY_DERIVATIVES] is MarketPhase.OPEN


async def test_card_19_quotes_are_right_to_the_tick_and_leave_out_the_unknown(
    venue: Venue, credentials: Credentials
) -> None:
    await venue.control.post("/prices", prices={SBIN: 815.05, IDEA: 8.2})
    wanted = [SBIN, InstrumentId("NSE:NOSUCH-EQ"), IDEA]
    quotes = {each.instrument_id: each for each in await venue.broker.quotes(credentials, wanted)}
    assert {name: quote.last for name, quote in quotes.items()} == {
        SBIN: Decimal("815.05"),
        IDEA: Decimal("8.2"),
    }
    assert quotes[SBIN].bid <= quotes[SBIN].last <= quotes[SBIN].ask


async def test_card_20_requests_leave_by_the_accounts_own_address(
    venue: Venue, credentials: Credentials
) -> None:
    await venue.broker.place(replace(credentials, egress="127.0.0.9"), RESTING, Tag("card20"))
    seen = (await venue.control.get("/stats"))["accounts"][credentials.client_id]["addresses"]
    assert set(seen) == {"127.0.0.9"}


async def test_card_21_warm_connections_serve_a_burst_without_a_new_handshake(venue: Venue) -> None:
    accounts = [await venue.account() for _ in range(30)]
    assert await venue.broker.warm({"": 30}) == 30
    await venue.control.post("/listener", open=False)
    placed = await asyncio.gather(
        *(venue.broker.place(each, RESTING, Tag(f"card21x{number}")) for number, each in enumerate(accounts))
    )
    assert len(set(placed)) == 30


async def test_card_22_the_brokers_limits_are_told_as_data(venue: Venue) -> None:
    limits = venue.broker.limits
    assert limits.basket >= 1
    assert set(limits.cost) == set(Call)
    for window in limits.windows:
        assert window.calls > 0
        assert window.period_ms > 0
        assert window.scope in LimitScope
        assert Call.PLACE in window.counts


async def test_card_23_no_secret_is_in_what_is_printed_or_raised(
    venue: Venue, credentials: Credentials
) -> None:
    token = credentials.token.reveal()
    await venue.control.post("/tokens/expire", client_ids=[credentials.client_id])
    with pytest.raises(BrokerAuthFailed) as refused:
        await venue.broker.place(credentials, RESTING, Tag("card23"))
    await venue.control.post("/listener", open=False)
    with pytest.raises(BrokerError) as unsent:
        await venue.ports().broker.place(credentials, RESTING, Tag("card23"))
    shown = [credentials, refused.value, unsent.value, unsent.value.__cause__]
    assert all(token not in repr(each) and token not in str(each) for each in shown)


async def call(venue: Venue, verb: str, credentials: Credentials, order_id: BrokerOrderId) -> object:
    broker = venue.broker
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "place": lambda: broker.place(credentials, RESTING, Tag("called")),
        "basket": lambda: broker.place_basket(credentials, [(RESTING, Tag("called"))]),
        "modify": lambda: broker.modify(credentials, order_id, OrderChange(quantity=Decimal(5))),
        "cancel": lambda: broker.cancel(credentials, order_id),
        "orders": lambda: broker.order_book(credentials),
        "trades": lambda: broker.trade_book(credentials),
        "positions": lambda: broker.positions(credentials),
        "holdings": lambda: broker.holdings(credentials),
        "funds": lambda: broker.funds(credentials),
        "profile": lambda: broker.profile(credentials),
        "market": lambda: broker.market_status(credentials),
        "quotes": lambda: broker.quotes(credentials, [SBIN]),
    }
    return await calls[verb]()
