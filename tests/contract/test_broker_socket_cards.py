"""The cards that every broker's adapter must pass: sockets, prices, logins and the instrument master."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from paceline.domain.errors import BrokerAuthFailed, BrokerError, BrokerLoginNeeded, Unavailable
from paceline.domain.ids import InstrumentId, Tag
from paceline.domain.instrument import Exchange, InstrumentKind, Segment
from paceline.domain.order import BrokerStatus, Fill, OrderReport
from paceline.domain.position import PositionReport
from paceline.domain.secret import Secret
from paceline.ports.broker import (
    Credentials,
    Malformed,
    Observed,
    OrderConnection,
    Tick,
    TickConnection,
)
from tests.contract.brokers.fyers import fyers_venue
from tests.contract.brokers.venue import Venue
from tests.contract.test_broker_cards import RESTING, SBIN, spec

PATIENCE_S = 30
NIFTY = InstrumentId("NSE:NIFTY50-INDEX")
Report = OrderReport | Fill | PositionReport


async def heard(connection: OrderConnection, enough: Callable[[list[Report]], bool]) -> list[Report]:
    """What the socket tells until there is enough; malformed frames fail the card."""
    reports: list[Report] = []
    async with asyncio.timeout(PATIENCE_S):
        async for observed in connection:
            assert isinstance(observed, Observed), observed
            reports += observed.reports
            if enough(reports):
                return reports
    raise AssertionError("the socket ended")


def fills(reports: list[Report]) -> list[Fill]:
    return [each for each in reports if isinstance(each, Fill)]


def orders(reports: list[Report]) -> list[OrderReport]:
    return [each for each in reports if isinstance(each, OrderReport)]


async def trade_by_hand(venue: Venue, credentials: Credentials, quantity: int = 1, parts: int = 1) -> None:
    await venue.control.post(
        "/trades",
        client_id=credentials.client_id,
        symbol=SBIN,
        side=1,
        qty=quantity,
        parts=parts,
        price=812.45,
    )


async def test_card_24_a_socket_is_subscribed_when_it_is_given_out(
    venue: Venue, credentials: Credentials
) -> None:
    async with await venue.own.streams.connect(credentials) as connection:
        await trade_by_hand(venue, credentials)
        reports = await heard(connection, lambda told: bool(fills(told)))
    assert {each.account_id for each in reports} == {credentials.account_id}


async def test_card_25_a_fill_is_the_same_fact_on_the_socket_and_in_the_book(
    venue: Venue, credentials: Credentials
) -> None:
    """Else one trade would be two events: once heard, once recovered."""
    async with await venue.own.streams.connect(credentials) as connection:
        await venue.broker.place(credentials, spec(), Tag("card25"))
        await trade_by_hand(venue, credentials, quantity=37, parts=37)
        told = fills(await heard(connection, lambda told: sum(each.quantity for each in fills(told)) == 47))
    book = (await venue.broker.trade_book(credentials)).reports
    assert set(told) == set(book)
    assert len(told) == len(book)


async def test_card_26_an_order_ends_on_the_socket_as_the_book_shows_it(
    venue: Venue, credentials: Credentials
) -> None:
    async with await venue.own.streams.connect(credentials) as connection:
        order_id = await venue.broker.place(credentials, RESTING, Tag("card26"))
        await venue.broker.cancel(credentials, order_id)
        reports = await heard(
            connection, lambda told: any(each.status is BrokerStatus.CANCELLED for each in orders(told))
        )
    (book,) = (await venue.broker.order_book(credentials)).reports
    last = orders(reports)[-1]
    same = (
        "order_id",
        "tag",
        "key",
        "side",
        "type",
        "status",
        "quantity",
        "filled",
        "limit_price",
        "validity",
    )
    assert {name: getattr(last, name) for name in same} == {name: getattr(book, name) for name in same}


async def test_card_27_every_status_an_order_goes_through_is_told_in_order(
    venue: Venue, credentials: Credentials
) -> None:
    async with await venue.own.streams.connect(credentials) as connection:
        await venue.broker.place(credentials, spec(), Tag("card27"))
        reports = await heard(
            connection, lambda told: any(each.status is BrokerStatus.TRADED for each in orders(told))
        )
    filled = [each.filled for each in orders(reports)]
    assert all(before <= after for before, after in pairwise(filled))
    assert orders(reports)[-1].filled == 10


async def test_card_28_each_socket_hears_its_own_account_only(venue: Venue) -> None:
    several = [await venue.account() for _ in range(5)]
    async with contextlib.AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(await venue.own.streams.connect(each)) for each in several]
        for credentials in several:
            await trade_by_hand(venue, credentials)
        for credentials, socket in zip(several, sockets, strict=True):
            reports = await heard(socket, lambda told: bool(fills(told)))
            assert {each.account_id for each in reports} == {credentials.account_id}


async def test_card_29_frames_come_as_text_or_as_bytes() -> None:
    async with fyers_venue(binary_frames=True) as venue:
        credentials = await venue.account()
        async with await venue.own.streams.connect(credentials) as connection:
            await trade_by_hand(venue, credentials)
            assert fills(await heard(connection, lambda told: bool(fills(told))))


async def test_card_30_a_frame_of_a_stranger_is_malformed_and_stops_nothing(
    venue: Venue, credentials: Credentials
) -> None:
    stranger = replace(credentials, client_id="XZ99999")
    async with await venue.own.streams.connect(stranger) as connection:
        await trade_by_hand(venue, credentials, quantity=2, parts=2)
        strange: list[Malformed] = []
        async with asyncio.timeout(PATIENCE_S):
            async for observed in connection:
                if isinstance(observed, Malformed):
                    strange.append(observed)
                if len(strange) >= 4:
                    break
    assert all(each.raw and "XC" in each.reason for each in strange)


async def test_card_31_a_refused_token_is_an_auth_failure(venue: Venue, credentials: Credentials) -> None:
    await venue.control.post("/tokens/expire", client_ids=[credentials.client_id])
    with pytest.raises(BrokerAuthFailed):
        await venue.own.streams.connect(credentials)


async def test_card_32_a_slow_handshake_is_waited_for(venue: Venue, credentials: Credentials) -> None:
    """Longer than the two seconds after which the vendor's client subscribes into nowhere: here in small."""
    await venue.control.fault("ws_slow_handshake", ms=300, next=1)
    async with await venue.own.streams.connect(credentials) as connection:
        await trade_by_hand(venue, credentials)
        assert await heard(connection, lambda told: bool(fills(told)))


async def test_card_33_a_handshake_that_takes_too_long_is_given_up(
    venue: Venue, credentials: Credentials
) -> None:
    await venue.control.fault("ws_slow_handshake", ms=30_000)
    with pytest.raises(Unavailable):
        await venue.ports(handshake_timeout_ms=100).streams.connect(credentials)


async def test_card_34_a_frozen_socket_is_dead_after_the_pong_deadline(
    venue: Venue, credentials: Credentials
) -> None:
    ports = venue.ports(ping_interval_ms=50, pong_timeout_ms=300, close_timeout_ms=100)
    async with await ports.streams.connect(credentials) as connection:
        await venue.control.fault("ws_freeze")
        with pytest.raises(Unavailable, match="pong"):
            await heard(connection, lambda told: False)


async def test_card_35_a_cut_socket_says_so(venue: Venue, credentials: Credentials) -> None:
    async with await venue.own.streams.connect(credentials) as connection:
        await venue.control.post("/sockets/cut", client_ids=[credentials.client_id])
        with pytest.raises(Unavailable):
            await heard(connection, lambda told: False)


async def test_card_36_a_socket_that_we_close_ends_in_silence(venue: Venue, credentials: Credentials) -> None:
    connection = await venue.own.streams.connect(credentials)
    reading = asyncio.create_task(anext(aiter(connection), None))
    await asyncio.sleep(0)
    await connection.aclose()
    async with asyncio.timeout(PATIENCE_S):
        assert await reading is None


async def test_card_37_a_quiet_socket_lives_and_shows_that_it_does(
    venue: Venue, credentials: Credentials
) -> None:
    ports = venue.ports(ping_interval_ms=20)
    async with await ports.streams.connect(credentials) as connection:
        reading = asyncio.create_task(heard(connection, lambda told: bool(fills(told))))
        first = connection.last_frame_ns
        async with asyncio.timeout(PATIENCE_S):
            while connection.last_frame_ns == first:
                await asyncio.sleep(0.01)
        await trade_by_hand(venue, credentials)
        assert await reading


async def test_card_38_a_person_logs_in_by_a_link_and_the_code_becomes_tokens(
    venue: Venue, credentials: Credentials
) -> None:
    logins, app = venue.own.logins, await venue.app(credentials)
    link = logins.login_link(app, "state-1")
    asked = parse_qs(urlsplit(link).query)
    assert (asked["client_id"], asked["state"]) == ([app.app_id], ["state-1"])
    code = await venue.control.post(f"/accounts/{credentials.client_id}/auth-code")
    tokens = await logins.exchange_code(app, Secret(code["auth_code"]))
    assert tokens.expires_at_ns > datetime.now(UTC).timestamp() * 1_000_000_000
    assert tokens.client_id in ("", credentials.client_id)
    fresh = Credentials(credentials.account_id, credentials.client_id, app.app_id, tokens.access)
    assert (await venue.broker.profile(fresh)).client_id == credentials.client_id


async def test_card_39_a_wrong_code_is_refused_in_words(venue: Venue, credentials: Credentials) -> None:
    with pytest.raises(BrokerError) as refused:
        await venue.own.logins.exchange_code(await venue.app(credentials), Secret("nonsense"))
    assert refused.value.words
    assert not refused.value.retryable


async def test_card_40_a_refresh_brings_a_new_token_or_asks_for_the_person(
    venue: Venue, credentials: Credentials
) -> None:
    logins, app = venue.own.logins, await venue.app(credentials)
    code = await venue.control.post(f"/accounts/{credentials.client_id}/auth-code")
    tokens = await logins.exchange_code(app, Secret(code["auth_code"]))
    renewed = await logins.refresh(app, tokens.refresh, Secret("1234"))
    fresh = Credentials(credentials.account_id, credentials.client_id, app.app_id, renewed.access)
    assert (await venue.broker.profile(fresh)).client_id == credentials.client_id
    with pytest.raises(BrokerLoginNeeded):
        await logins.refresh(app, Secret("nonsense"), Secret("1234"))


async def test_card_41_the_master_lists_what_can_be_traded_with_lot_tick_and_freeze(venue: Venue) -> None:
    master = await venue.own.master.load()
    listed = {each.instrument.instrument_id: each for each in master.listings}
    share = listed[SBIN].instrument
    assert (share.exchange, share.segment, share.kind) == (
        Exchange.NSE,
        Segment.CAPITAL_MARKET,
        InstrumentKind.EQUITY,
    )
    assert share.lot == 1
    assert share.tick == Decimal("0.05")
    assert listed[SBIN].native_id
    options = [each.instrument for each in master.listings if each.instrument.kind is InstrumentKind.CALL]
    assert options
    assert all(each.strike and each.expiry and each.lot > 1 and each.freeze for each in options)
    assert {each.instrument.kind for each in master.listings} >= {InstrumentKind.FUTURE, InstrumentKind.PUT}
    assert not any(read.skipped for read in master.files.values())


async def test_card_42_a_master_that_is_not_there_is_unavailable(venue: Venue) -> None:
    await venue.control.post("/listener", open=False)
    with pytest.raises(Unavailable):
        await venue.own.master.load()


async def ticks(
    connection: TickConnection, enough: Callable[[dict[InstrumentId, Tick]], bool]
) -> dict[InstrumentId, Tick]:
    last: dict[InstrumentId, Tick] = {}
    async with asyncio.timeout(PATIENCE_S):
        async for some in connection:
            last |= {tick.instrument_id: tick for tick in some}
            if enough(last):
                return last
    raise AssertionError("the socket ended")


@pytest.fixture
async def prices(venue: Venue, credentials: Credentials) -> AsyncIterator[TickConnection]:
    async with await venue.own.ticks.connect(credentials) as connection:
        yield connection


async def test_card_43_a_price_is_told_at_once_and_when_it_moves_right_to_the_tick(
    venue: Venue, prices: TickConnection
) -> None:
    await venue.control.post("/prices", prices={SBIN: 815.05})
    assert await prices.subscribe([SBIN]) == frozenset()
    first = await ticks(prices, lambda last: SBIN in last)
    assert first[SBIN].price == Decimal("815.05")
    await venue.control.post("/prices", prices={SBIN: 816.45})
    await ticks(prices, lambda last: SBIN in last and last[SBIN].price == Decimal("816.45"))


async def test_card_44_what_the_broker_does_not_know_is_named_and_the_rest_is_told(
    prices: TickConnection,
) -> None:
    nobody = InstrumentId("NSE:NOSUCH-EQ")
    assert await prices.subscribe([nobody, SBIN, NIFTY]) == {nobody}
    last = await ticks(prices, lambda last: {SBIN, NIFTY} <= last.keys())
    assert all(tick.price > 0 and tick.received_ns > 0 for tick in last.values())


async def test_card_45_what_is_no_longer_wanted_is_no_longer_told(
    venue: Venue, prices: TickConnection
) -> None:
    idea = InstrumentId("NSE:IDEA-EQ")
    await prices.subscribe([SBIN, idea])
    await ticks(prices, lambda last: {SBIN, idea} <= last.keys())
    await prices.unsubscribe([SBIN])
    await venue.control.post("/prices", prices={SBIN: 815.05})
    await venue.control.post("/prices", prices={idea: 8.55})
    last = await ticks(prices, lambda last: idea in last and last[idea].price == Decimal("8.55"))
    assert SBIN not in last


async def test_card_46_a_price_socket_needs_a_token(venue: Venue, credentials: Credentials) -> None:
    with pytest.raises(BrokerAuthFailed):
        await venue.own.ticks.connect(replace(credentials, token=Secret("nonsense")))


async def test_card_47_the_link_works_in_a_browser(venue: Venue) -> None:
    credentials = await venue.account(instant_approve=True)
    app = await venue.app(credentials)
    link = venue.own.logins.login_link(app, "a b&c=d")
    async with aiohttp.ClientSession() as browser, browser.get(link, allow_redirects=False) as page:
        assert page.status < 400
