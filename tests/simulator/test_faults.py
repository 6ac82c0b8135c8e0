"""Every fault: what it does, to whom, how often, and that each hit is counted."""

import asyncio
import time

import aiohttp
import pytest

from simulator.clients import Client
from simulator.faults import ACTS, FaultKind, Faults
from simulator.orders import Status
from tests.simulator.kit import SBIN, Broker, Row, body, until


@pytest.fixture
def client(broker: Broker) -> Client:
    return broker.client()


@pytest.fixture
def key(broker: Broker, client: Client) -> str:
    return broker.authorization(client)


async def fault(broker: Broker, kind: str, **options: object) -> Row:
    rule = await broker.control("POST", "/faults", kind=kind, **options)
    assert "error" not in rule, rule
    return rule


async def hits(broker: Broker, kind: str) -> int:
    return int((await broker.control("GET", "/faults"))["hits"].get(kind, 0))


async def place(broker: Broker, key: str, **changes: object) -> tuple[int, Row]:
    return await broker.call(key, "POST", "/orders/sync", body(**changes))  # type: ignore[arg-type]


def statuses(client: Client) -> list[Status]:
    return [one.status for one in client.account.orders.values()]


@pytest.mark.parametrize(("kind", "accepted"), [("drop_after_accept", 1), ("drop_before_accept", 0)])
async def test_the_connection_drops_without_an_answer(
    broker: Broker, client: Client, key: str, kind: str, accepted: int
) -> None:
    await fault(broker, kind, next=1)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await place(broker, key)
    assert len(client.account.orders) == accepted
    assert (await place(broker, key))[0] == 200
    assert await hits(broker, kind) == 1


@pytest.mark.parametrize(
    ("kind", "options", "status", "accepted"),
    [
        ("code_201", {}, 200, 1),
        ("code_201", {"accept": False}, 200, 0),
        ("rate_429", {}, 429, 0),
        ("server_5xx", {}, 502, 0),
        ("server_5xx", {"status": 503, "accept": True}, 503, 1),
    ],
)
async def test_another_answer_than_the_true_one(
    broker: Broker, client: Client, key: str, kind: str, options: Row, status: int, accepted: int
) -> None:
    await fault(broker, kind, next=1, **options)
    headers = {"Authorization": key}
    url = f"{broker.served.urls.api_url}/orders/sync"
    async with broker.session.post(url, json=body(), headers=headers) as response:
        assert response.status == status
        text = await response.text()
    assert {"code_201": '"code":201', "rate_429": '"code":-429', "server_5xx": "<html>"}[kind] in text
    assert len(client.account.orders) == accepted
    assert await hits(broker, kind) == 1


async def test_a_delay_before_or_after_acceptance(broker: Broker, client: Client, key: str) -> None:
    await fault(broker, "delay_before", ms=30, next=1)
    began = time.monotonic()
    waiting = asyncio.create_task(place(broker, key))
    await until(lambda: broker.served.face.faults.hits[FaultKind.DELAY_BEFORE] == 1)
    assert client.account.orders == {}
    await waiting
    assert time.monotonic() - began >= 0.03

    await fault(broker, "delay_after", ms=30, next=1)
    waiting = asyncio.create_task(place(broker, key))
    await until(lambda: len(client.account.orders) == 2)
    assert not waiting.done()
    assert (await waiting)[0] == 200


async def test_a_request_lands_after_its_caller_left(broker: Broker, client: Client, key: str) -> None:
    await fault(broker, "late_landing", ms=5_000, next=1)
    async with aiohttp.ClientSession() as impatient:
        url = f"{broker.served.urls.api_url}/orders/sync"
        with pytest.raises(TimeoutError):
            await impatient.post(
                url, json=body(), headers={"Authorization": key}, timeout=aiohttp.ClientTimeout(total=0.05)
            )
        assert client.account.orders == {}
    await until(lambda: statuses(client) == [Status.TRADED])
    assert await hits(broker, "late_landing") == 1


async def test_a_request_that_waits_lands_in_the_end(broker: Broker, client: Client, key: str) -> None:
    await fault(broker, "late_landing", ms=10, next=1)
    assert (await place(broker, key))[0] == 200
    assert statuses(client) == [Status.TRADED]


async def test_a_fill_is_told_before_the_answer(broker: Broker, key: str) -> None:
    socket = await broker.socket(key)
    await fault(broker, "fill_before_answer", ms=200)
    waiting = asyncio.create_task(place(broker, key))
    await socket.hear_frames(5)
    assert not waiting.done()
    assert (await waiting)[0] == 200


async def test_market_orders_are_rejected(broker: Broker, client: Client, key: str) -> None:
    await fault(broker, "market_rejected")
    status, answer = await place(broker, key)
    assert (status, answer["code"]) == (400, -99)
    assert "Market orders are not allowed" in answer["message"]
    assert (await place(broker, key, type=1, limitPrice=790))[0] == 200
    assert statuses(client) == [Status.REJECTED, Status.PENDING]
    assert await hits(broker, "market_rejected") == 1


async def test_market_orders_become_protected_limits(broker: Broker, client: Client, key: str) -> None:
    await fault(broker, "market_converted", percent=0.5)
    ltp = broker.exchange.markets[SBIN].ltp
    await place(broker, key)
    assert (await place(broker, key, symbol="NSE:NOBODY-EQ"))[1]["code"] == -300
    (order,) = client.account.orders.values()
    assert (int(order.type), order.status) == (1, Status.TRADED)
    assert ltp < order.limit <= ltp * 1.006


async def test_the_books_lag_behind(broker: Broker, key: str) -> None:
    rule = await fault(broker, "books_lag", ms=60_000)
    assert (await broker.call(key, "GET", "/orders"))[1]["orderBook"] == []
    assert await hits(broker, "books_lag") == 0
    await place(broker, key)

    assert (await broker.call(key, "GET", "/orders"))[1]["orderBook"] == []
    assert (await broker.call(key, "GET", "/tradebook"))[1]["tradeBook"] == []
    assert await hits(broker, "books_lag") == 2

    await broker.control("DELETE", f"/faults/{rule['id']}")
    assert len((await broker.call(key, "GET", "/orders"))[1]["orderBook"]) == 1
    assert len((await broker.call(key, "GET", "/tradebook"))[1]["tradeBook"]) == 1


async def test_connections_are_reset_at_the_door(broker: Broker, key: str) -> None:
    await fault(broker, "refuse", next=1)
    async with aiohttp.ClientSession() as session:
        url = f"{broker.served.urls.api_url}/profile"
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.post(url, headers={"Authorization": key})
        async with session.get(url, headers={"Authorization": key}) as response:
            assert response.status == 200
    assert await hits(broker, "refuse") == 1


async def test_the_port_is_closed_and_opened_again(broker: Broker, key: str) -> None:
    assert (await broker.call(key, "GET", "/profile"))[0] == 200
    assert (await broker.control("POST", "/listener", open=False)) == {"open": False}
    async with aiohttp.ClientSession() as session:
        url = f"{broker.served.urls.api_url}/profile"
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(url, headers={"Authorization": key})
    assert (await broker.control("POST", "/listener", open=True)) == {"open": True}
    assert (await broker.control("POST", "/listener", open=False, ms=1)) == {"open": True}
    assert (await broker.call(key, "GET", "/profile"))[0] == 200
    assert await hits(broker, "listener_closed") == 2


async def test_handshakes_are_forbidden_or_slow(broker: Broker, key: str) -> None:
    await fault(broker, "ws_403", next=1)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await broker.socket(key)
    assert refused.value.status == 403

    await fault(broker, "ws_slow_handshake", ms=50, next=1)
    began = time.monotonic()
    await broker.socket(key)
    assert time.monotonic() - began >= 0.05
    assert (await hits(broker, "ws_403"), await hits(broker, "ws_slow_handshake")) == (1, 1)


async def test_a_frozen_socket_says_nothing_until_it_thaws(broker: Broker, key: str) -> None:
    socket = await broker.socket(key)
    await fault(broker, "ws_freeze")
    await socket.say("ping")
    await place(broker, key)
    assert await socket.is_silent()

    await broker.control("DELETE", "/faults", kind="ws_freeze")
    await socket.say("ping")
    assert await socket.hear() == "pong"
    assert await hits(broker, "ws_freeze") == 1


async def test_one_freeze_holds_one_socket_for_as_long_as_it_is_switched_on(broker: Broker, key: str) -> None:
    frozen = await broker.socket(key)
    await fault(broker, "ws_freeze", next=1)
    await frozen.say("ping")
    await frozen.say("ping")
    assert await frozen.is_silent()
    later = await broker.socket(key)
    await later.say("ping")
    assert await later.hear() == "pong"


async def test_sockets_are_cut(broker: Broker, key: str) -> None:
    socket = await broker.socket(key)
    await fault(broker, "ws_cut", next=1)
    await place(broker, key)
    await until(lambda: not broker.served.sockets.all_connected())
    await socket.connection.close()

    first, second = (
        await broker.socket(key),
        await broker.socket(broker.authorization(broker.client("XP00002"))),
    )
    assert await broker.control("POST", "/sockets/cut", client_id="XP00001") == {"cut": 1}
    await until(lambda: list(broker.served.sockets.all_connected()) == ["XP00002"])
    assert await broker.control("POST", "/sockets/cut") == {"cut": 1}
    assert await hits(broker, "ws_cut") == 3
    for one in (first, second):
        await one.connection.close()


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("frame_lose", []),
        ("trade_frame_lose", [4, 6, 2, "positions"]),
        ("frame_duplicate", [4, 4, 6, 6, "trades", "trades", 2, 2, "positions", "positions"]),
        ("frame_reorder", ["positions", 2, "trades", 6, 4]),
    ],
)
async def test_frames_are_lost_doubled_and_turned_round(
    broker: Broker, key: str, kind: str, told: list[object]
) -> None:
    socket = await broker.socket(key)
    await fault(broker, kind)
    await place(broker, key)
    frames = await socket.hear_frames(len(told))
    assert [one["orders"]["org_ord_status"] if "orders" in one else next(iter(one)) for one in frames] == told
    assert await socket.is_silent(0.02)
    assert await hits(broker, kind) >= 1


async def test_a_fault_is_for_some_accounts_some_calls_and_a_number_of_times(broker: Broker) -> None:
    mine, other = (broker.authorization(broker.client(f"XP0000{n}")) for n in (1, 2))
    rule = await fault(broker, "rate_429", accounts=["XP00001"], calls=["funds"], next=2)
    assert (await broker.call(other, "GET", "/funds"))[0] == 200
    assert (await broker.call(mine, "GET", "/profile"))[0] == 200
    assert [(await broker.call(mine, "GET", "/funds"))[0] for _ in range(3)] == [429, 429, 200]
    listed = (await broker.control("GET", "/faults"))["rules"]
    assert [(one["id"], one["hits"], one["next"]) for one in listed] == [(rule["id"], 2, 0)]


async def test_a_fault_can_be_for_every_call(broker: Broker, key: str) -> None:
    await fault(broker, "server_5xx", calls=["*"], probability=1)
    async with broker.session.get(
        f"{broker.served.urls.api_url}/holdings", headers={"Authorization": key}
    ) as response:
        assert response.status == 502
    assert (await broker.control("DELETE", "/faults")) == {"removed": 1}


def test_chance_is_seeded() -> None:
    def throw(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.add(FaultKind.RATE_429, probability=0.5)
        return [faults.strike(FaultKind.RATE_429, "X", "place") is not None for _ in range(50)]

    assert throw(3) == throw(3) != throw(4)
    assert 10 < sum(throw(3)) < 40


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"kind": "nothing"}, "kind must be one of"),
        ({"kind": "rate_429", "probability": 2}, "probability"),
        ({"kind": "server_5xx", "status": 200}, "status"),
        ({"kind": "rate_429", "accounts": ["NOBODY"]}, "NOBODY"),
        ({"kind": "rate_429", "accounts": 5}, "accounts"),
        *[({"kind": one.value}, "an act with a path of its own") for one in sorted(ACTS, key=str)],
    ],
)
async def test_a_fault_that_cannot_be_is_refused(broker: Broker, wish: Row, said: str) -> None:
    assert said in (await broker.control("POST", "/faults", **wish))["error"]
    assert "unknown" in (await broker.control("DELETE", "/faults/99"))["error"]


async def test_no_two_answers_about_money_in_a_row_are_lies(broker: Broker, client: Client, key: str) -> None:
    await fault(broker, "funds_lie", percent=1)
    told = [(await broker.call(key, "GET", "/funds"))[1]["fund_limit"] for _ in range(4)]
    shown = [next(row["equityAmount"] for row in rows if row["id"] == 1) for rows in told]
    truth = client.account.cash / 100
    assert shown == [truth / 100, truth, truth / 100, truth]
    assert await hits(broker, "funds_lie") == 2


async def test_a_lie_about_money_stands_alone_for_its_time(broker: Broker, client: Client, key: str) -> None:
    await fault(broker, "funds_lie", percent=1, ms=60_000)
    for _ in range(4):
        await broker.call(key, "GET", "/funds")
    assert await hits(broker, "funds_lie") == 1
