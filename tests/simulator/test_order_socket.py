"""The order socket: handshake, ping, subscription, and frames in raw field names."""

import json

import aiohttp
import pytest

import simulator
from simulator.market import Liquidity
from tests.simulator.fields import RAW_ORDER, RAW_POSITION, RAW_TRADE
from tests.simulator.kit import NIFTY, SBIN, SUBSCRIBE, Broker, Row, body, until


def kinds(frames: list[Row]) -> list[str]:
    return [next(iter(frame)) for frame in frames]


async def place(broker: Broker, key: str, **changes: object) -> str:
    _, answer = await broker.call(key, "POST", "/orders/sync", body(**changes))  # type: ignore[arg-type]
    return str(answer["id"])


async def test_a_market_order_is_told_step_by_step(broker: Broker) -> None:
    key = broker.authorization(broker.client())
    socket = await broker.socket(key)

    order_id = await place(broker, key, orderTag="cp1")
    frames = await socket.hear_frames(5)

    assert kinds(frames) == ["orders", "orders", "trades", "orders", "positions"]
    assert [one["orders"]["org_ord_status"] for one in frames if "orders" in one] == [4, 6, 2]
    assert all(one["s"] == "ok" for one in frames)
    assert set(frames[0]["orders"]) >= RAW_ORDER
    assert set(frames[2]["trades"]) >= RAW_TRADE
    assert set(frames[4]["positions"]) >= RAW_POSITION
    trade = frames[2]["trades"]
    assert (trade["id"], trade["ordertag"], trade["tran_side"]) == (order_id, "1:cp1", 1)
    assert trade["id_fill"].startswith(f"{order_id}-")
    assert "client_id" not in frames[4]["positions"]


async def test_the_socket_and_the_books_agree(broker: Broker) -> None:
    broker.exchange.set_liquidity(Liquidity(max_fill_lots=1), [NIFTY])
    key = broker.authorization(broker.client(cash=10**12))
    socket = await broker.socket(key)
    await place(broker, key, symbol=NIFTY, qty=195, productType="MARGIN")

    frames = await socket.hear_frames(2 + 3 * 3)

    _, book = await broker.call(key, "GET", "/tradebook")
    told = [one["trades"] for one in frames if "trades" in one]
    assert [one["id_fill"] for one in told] == [one["tradeNumber"] for one in book["tradeBook"]]
    assert [one["qty_traded"] for one in told] == [65, 65, 65]
    _, orders = await broker.call(key, "GET", "/orders")
    last = [one["orders"] for one in frames if "orders" in one][-1]
    (row,) = orders["orderBook"]
    assert (last["qty_filled"], last["price_traded"]) == (row["filledQty"], row["tradedPrice"])


async def test_a_rejection_is_told_with_its_words(broker: Broker) -> None:
    key = broker.authorization(broker.client(cash=100))
    socket = await broker.socket(key)
    await place(broker, key)
    first, second = await socket.hear_frames(2)
    assert (first["orders"]["org_ord_status"], second["orders"]["org_ord_status"]) == (4, 5)
    assert second["orders"]["oms_msg"].startswith("RED:Margin Shortfall")


async def test_changes_and_cancellations_are_told(broker: Broker) -> None:
    key = broker.authorization(broker.client())
    socket = await broker.socket(key)
    order_id = await place(broker, key, type=1, limitPrice=790)
    await socket.hear_frames(2)
    await broker.call(key, "PATCH", "/orders/sync", {"id": order_id, "type": 1, "limitPrice": 789})
    await broker.call(key, "DELETE", "/orders/sync", {"id": order_id})
    changed, cancelled = await socket.hear_frames(2)
    assert (changed["orders"]["report_type"], changed["orders"]["price_limit"]) == ("Replaced", 789.0)
    assert (cancelled["orders"]["org_ord_status"], cancelled["orders"]["qty_remaining"]) == (1, 0)


async def test_only_what_was_subscribed_is_told(broker: Broker) -> None:
    key = broker.authorization(broker.client())
    socket = await broker.socket(key, subscribe=False)
    await place(broker, key)
    await socket.say({"T": "SUB_ORD", "SLIST": ["trades", "login"], "SUB_T": 1})
    assert (await socket.hear()) == {"code": 1605, "message": "Successfully subscribed", "s": "ok"}

    await place(broker, key)
    await place(broker, key)
    assert kinds(await socket.hear_frames(2)) == ["trades", "trades"]

    await socket.say({"T": "SUB_ORD", "SLIST": ["trades", ["login"]], "SUB_T": -1})
    assert (await socket.hear())["s"] == "ok"
    await place(broker, key)
    assert await socket.is_silent()


async def test_nobody_hears_of_others(broker: Broker) -> None:
    mine, other = (broker.authorization(broker.client(f"XP0000{n}")) for n in (1, 2))
    socket = await broker.socket(mine)
    await place(broker, other)
    assert await socket.is_silent()


async def test_every_socket_of_a_client_hears(broker: Broker) -> None:
    key = broker.authorization(broker.client())
    first, second = await broker.socket(key), await broker.socket(key)
    await place(broker, key)
    assert await first.hear_frames(5) == await second.hear_frames(5)
    stats = await broker.control("GET", "/stats")
    assert stats["accounts"]["XP00001"]["sockets"] == stats["sockets"] == 2


async def test_a_ping_is_answered_in_text(broker: Broker) -> None:
    socket = await broker.socket(broker.authorization(broker.client()))
    await socket.say("ping")
    assert await socket.hear() == "pong"
    await socket.connection.ping(b"beat")
    await socket.say("ping")
    assert await socket.hear() == "pong"


@pytest.mark.parametrize("nonsense", ["{", "[]", '{"SLIST": 5, "SUB_T": 1}', '{"T": "SUB_ORD"}'])
async def test_nonsense_is_answered_and_ends_nothing(broker: Broker, nonsense: str) -> None:
    socket = await broker.socket(broker.authorization(broker.client()))
    await socket.say(nonsense)
    assert (await socket.hear())["s"] == "error"
    await socket.say("ping")
    assert await socket.hear() == "pong"


@pytest.mark.parametrize("key", ["", "SIM0000001-100:made.up.token"])
async def test_a_bad_token_is_forbidden(broker: Broker, key: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await broker.socket(key)
    assert refused.value.status == 403


async def test_a_closed_socket_is_forgotten(broker: Broker) -> None:
    socket = await broker.socket(broker.authorization(broker.client()))
    await socket.connection.close()
    await until(lambda: not broker.served.sockets.all_connected())


async def test_long_frames_and_binary_frames(broker: Broker) -> None:
    from simulator.fyers.order_socket import framed

    assert framed("x" * 125, binary=False)[:2] == bytes([0x81, 125])
    assert framed("x" * 126, binary=True)[:4] == bytes([0x82, 126, 0, 126])
    assert framed("x" * 70_000, binary=False)[:2] == bytes([0x81, 127])

    broker.served.settings.binary_frames = True
    key = broker.authorization(broker.client())
    socket = await broker.socket(key, subscribe=False)
    await socket.say(SUBSCRIBE)
    message = await socket.connection.receive()
    assert message.type is aiohttp.WSMsgType.BINARY
    assert json.loads(message.data)["code"] == 1605


async def test_a_reader_too_slow_is_cut() -> None:
    settings = simulator.Settings(slow_reader_limit_bytes=-1)
    async with simulator.serve(settings) as served, aiohttp.ClientSession() as session:
        broker = Broker(served, session)
        key = broker.authorization(broker.client())
        socket = await broker.socket(key)
        await place(broker, key)
        await until(lambda: not served.sockets.all_connected())
        await socket.connection.close()


async def test_frames_of_a_watched_client_are_stamped(broker: Broker) -> None:
    answer = await broker.control("POST", "/accounts", client_id="XL00001", watch=True)
    key = answer["accounts"][0]["authorization"]
    socket = await broker.socket(key)
    order = (await broker.control("POST", "/orders", client_id="XL00001", symbol=SBIN, side=1, qty=5))[
        "order"
    ]
    await socket.hear_frames(5)

    frames = (await broker.control("GET", "/frames", client_id="XL00001"))["frames"]["XL00001"]
    assert [(one["kind"], one["status"]) for one in frames] == [
        ("orders", 4), ("orders", 6), ("trades", 2), ("orders", 2), ("positions", 0),
    ]  # fmt: skip
    truth = (await broker.control("GET", "/orders", client_id="XL00001"))["orders"][0]
    assert truth["id"] == order["id"]
    received, accepted = truth["received_at"]["mono_ns"], truth["accepted_at"]["mono_ns"]
    assert 0 < received <= accepted <= truth["first_frame_at"]["mono_ns"] == frames[0]["sent_at"]["mono_ns"]
    trade = (await broker.control("GET", "/trades", client_id="XL00001", order_id=order["id"]))["trades"][0]
    assert trade["first_frame_at"]["mono_ns"] == frames[2]["sent_at"]["mono_ns"]
    assert trade["number"] == frames[2]["trade"]
