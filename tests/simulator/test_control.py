"""The control door: accounts, orders by hand, the market, the truth, and its refusals."""

import aiohttp
import pytest

import simulator
from simulator.control import accounts, acts, faults, market, orders, reading
from simulator.faults import FaultKind
from tests.simulator.kit import IDEA, NIFTY, SBIN, Broker, Row, body


async def test_accounts_are_made_one_some_or_many_with_tokens(broker: Broker) -> None:
    one = await broker.control(
        "POST", "/accounts", client_id="XP00001", cash=5000, app_id="APP-100", secret="s"
    )
    some = await broker.control(
        "POST", "/accounts", accounts=[{"client_id": "XP00002"}, {"client_id": "XP00003", "cash": 1}], cash=7
    )
    many = await broker.control("POST", "/accounts", count=20, prefix="XF", start=5, token=False)

    assert one["accounts"][0]["authorization"].startswith("APP-100:")
    assert (await broker.call(one["accounts"][0]["authorization"], "GET", "/profile"))[0] == 200
    cash = {key: value.account.cash for key, value in broker.served.face.clients.items()}
    assert (cash["XP00001"], cash["XP00002"], cash["XP00003"]) == (500_000, 700, 100)
    assert [row["client_id"] for row in many["accounts"]][::19] == ["XF00005", "XF00024"]
    assert many["accounts"][0]["access_token"] == ""
    assert some["accounts"][0]["app_id"] == some["accounts"][1]["app_id"] == "SIM0000001-100"
    assert len((await broker.control("GET", "/accounts"))["accounts"]) == 23


async def test_an_account_can_be_changed_and_given_another_token(broker: Broker) -> None:
    await broker.control(
        "POST", "/accounts", client_id="XP00001", holdings=[{"symbol": SBIN, "qty": 5, "cost": 700}]
    )
    answer = await broker.control(
        "PATCH", "/accounts/XP00001", cash=10, instant_approve=True, pin="9", ddpi=False
    )
    assert (answer["instant_approve"], answer["pin"]) == (True, "9")
    token = await broker.control("POST", "/accounts/XP00001/token", ttl_s=60)
    _, profile = await broker.call(token["authorization"], "GET", "/profile")
    assert profile["data"]["ddpi_enabled"] is False
    _, funds = await broker.call(token["authorization"], "GET", "/funds")
    assert funds["fund_limit"][9]["equityAmount"] == 10.0
    books = await broker.control("GET", "/books", client_id="XP00001")
    assert books["books"]["XP00001"]["holdings"][0]["quantity"] == 5


@pytest.mark.parametrize(
    ("method", "path", "send", "said"),
    [
        ("POST", "/accounts", {}, "client_id"),
        ("POST", "/accounts", {"client_id": "has space"}, "alphanumeric"),
        ("POST", "/accounts", {"count": 0}, "count"),
        ("POST", "/accounts", {"accounts": [1]}, "accounts"),
        ("POST", "/accounts/NOBODY/token", {}, "NOBODY"),
        ("POST", "/orders", {"client_id": "NOBODY", "symbol": SBIN, "side": 1, "qty": 1}, "NOBODY"),
        ("POST", "/orders", {"client_id": "XP00001", "symbol": "NSE:X", "side": 1, "qty": 1}, "NSE:X"),
        ("POST", "/orders", {"client_id": "XP00001", "symbol": SBIN, "side": 0, "qty": 1}, "side"),
        ("POST", "/orders", {"client_id": "XP00001", "symbol": NIFTY, "side": 1, "qty": 1}, "lot size"),
        ("DELETE", "/orders/1", {}, "order 1 is unknown"),
        ("POST", "/prices", {}, "prices"),
        ("POST", "/prices", {"prices": {SBIN: 800.01}}, "tick"),
        ("POST", "/prices", {"prices": {"NSE:X": 1}}, "NSE:X"),
        ("POST", "/lock", {"symbol": SBIN, "lock": "sideways"}, "lock"),
        ("POST", "/liquidity", {"symbols": 5}, "symbols"),
        ("POST", "/tokens/check", {}, "authorization"),
    ],
)
async def test_refusals_say_why(broker: Broker, method: str, path: str, send: Row, said: str) -> None:
    broker.client()
    assert said in (await broker.control(method, path, **send))["error"]


async def test_a_body_must_be_an_object(broker: Broker) -> None:
    url = f"{broker.served.urls.control_url}/accounts"
    for raw in ("[1]", "{"):
        async with broker.session.post(url, data=raw) as response:
            assert response.status == 400


async def test_a_leader_trades_by_hand(broker: Broker) -> None:
    client = broker.client(cash=10**13)
    answer = await broker.control(
        "POST", "/trades", client_id=client.id, symbol=NIFTY, side=1, qty=1755, parts=27, price=26_000
    )
    assert [one["qty"] for one in answer["trades"]] == [65] * 27
    assert {one["price"] for one in answer["trades"]} == {26_000.0}
    assert (answer["order"]["tag"], answer["order"]["source"], answer["order"]["status"]) == ("", "W", 2)
    assert client.limits.total == 0
    assert (await broker.control("GET", "/faults"))["hits"] == {"by_hand": 1}
    positions = (await broker.control("GET", "/positions", client_ids=[client.id]))["positions"]
    assert [(one["client_id"], one["netQty"]) for one in positions] == [(client.id, 1755)]


async def test_a_leaders_order_is_held_changed_filled_in_part_and_cancelled(broker: Broker) -> None:
    client = broker.client()
    wish = {"client_id": client.id, "symbol": SBIN, "side": "SELL", "qty": 100, "type": "LIMIT", "limit": 800}
    order = (await broker.control("POST", "/orders", **wish, hold=True))["order"]
    assert (order["status"], order["side"], order["type"]) == (6, -1, 1)
    path = f"/orders/{order['id']}"
    changed = (await broker.control("PATCH", path, limit=801, qty=80, type=1))["order"]
    assert (changed["limit"], changed["qty"], changed["modifications"]) == (801.0, 80, 1)
    filled = await broker.control("POST", f"{path}/fill", qty=30, parts=7)
    assert [one["qty"] for one in filled["trades"]] == [5, 5, 4, 4, 4, 4, 4]
    assert filled["order"]["remaining"] == 50
    assert "cannot be filled" in (await broker.control("POST", f"{path}/fill", qty=51))["error"]
    assert (await broker.control("DELETE", path))["order"]["status"] == 1
    assert "Not a pending order" in (await broker.control("DELETE", path))["error"]


async def test_what_the_broker_would_reject_is_refused_for_a_trade_by_hand(broker: Broker) -> None:
    client = broker.client(cash=1)
    wish = {"client_id": client.id, "symbol": SBIN, "side": 1, "qty": 100}
    assert "Margin" in (await broker.control("POST", "/trades", **wish))["error"]
    assert (await broker.control("POST", "/orders", **wish))["order"]["reject"] == "margin"


async def test_prices_liquidity_locks_and_walks(broker: Broker) -> None:
    answer = await broker.control("POST", "/prices", prices={SBIN: 815.0, IDEA: 8.5})
    assert [one["ltp"] for one in answer["quotes"]] == [815.0, 8.5]
    told = await broker.control(
        "POST", "/liquidity", symbols=[SBIN], lots_per_level=3, refill="hand", spread_ticks=2
    )
    assert told == {"lots_per_level": 3, "spread_ticks": 2, "max_fill_lots": 0}
    (quote,) = (await broker.control("GET", "/quotes", symbols=SBIN))["quotes"]
    assert (quote["bid"], quote["ask"], quote["lot"], quote["tick"]) == (814.9, 815.1, 1, 0.05)
    assert (await broker.control("POST", "/refill", symbols=[SBIN]))["symbols"] == [SBIN]
    await broker.control("POST", "/liquidity", max_fill_lots=1)
    assert broker.exchange.markets[IDEA].liquidity.max_fill_lots == 1

    locked = await broker.control("POST", "/lock", symbol=SBIN, lock="lower")
    assert (locked["bid"], locked["ltp"]) == (0.0, locked["lower_band"])
    assert (await broker.control("POST", "/lock", symbol=SBIN, lock="none"))["bid"] > 0

    walked = await broker.control("POST", "/walk", symbols=[SBIN], seed=3, steps=5)
    assert walked == {"steps": 5, "running": False}


async def test_a_walk_goes_on_until_it_is_stopped(broker: Broker) -> None:
    from tests.simulator.kit import until

    assert (await broker.control("POST", "/walk", symbols=[SBIN], run=True))["running"]
    walk = broker.served.walk
    assert walk is not None
    await until(lambda: walk.steps > 2)
    assert (await broker.control("DELETE", "/walk"))["steps"] > 2
    assert broker.served.walk is None
    assert (await broker.control("DELETE", "/walk"))["steps"] == 0


async def test_hours_clock_and_days(broker: Broker) -> None:
    client = broker.client()
    key = broker.authorization(client)
    told = await broker.control("POST", "/clock", at="2026-11-02T15:20:00", frozen=True, skew_ms=5_000)
    assert (told["at"], told["skew_ms"]) == ("2026-11-02T15:20:00+05:30", 5000.0)
    await broker.call(key, "POST", "/orders/sync", body(type=1, limitPrice=790))
    (order,) = (await broker.call(key, "GET", "/orders"))[1]["orderBook"]
    assert order["orderDateTime"] == "02-Nov-2026 15:20:05"
    truth = (await broker.control("GET", "/orders"))["orders"][0]
    assert truth["received_at"]["wall_ns"] == truth["accepted_at"]["wall_ns"] == told["wall_ns"]

    phases = (await broker.control("POST", "/hours", real=True))["phases"]
    assert (phases["NSE:CAPITAL"], phases["MCX:COMMODITY"]) == ("OPEN", "OPEN")
    await broker.control("POST", "/clock", advance_s=3600)
    assert [one["status"] for one in (await broker.control("GET", "/orders"))["orders"]] == [1]
    phases = (await broker.control("POST", "/hours", venue="MCX", segment="COMMODITY", open=False))["phases"]
    assert phases["MCX:COMMODITY"] == "CLOSED"
    phases = (await broker.control("POST", "/hours", venue="MCX", segment="COMMODITY", open=True))["phases"]
    assert phases["MCX:COMMODITY"] == "OPEN"
    client.limits.blocked = True
    await broker.control("POST", "/clock", advance_s=24 * 3600)
    assert not client.limits.blocked
    await broker.control("POST", "/clock", release=True, skew_ms=0)


async def test_a_day_is_squared_off_closed_and_begun_by_hand(broker: Broker) -> None:
    client = broker.client()
    key = broker.authorization(client)
    await broker.call(key, "POST", "/orders/sync", body())
    await broker.call(key, "POST", "/orders/sync", body(productType="CNC", type=1, limitPrice=790))
    assert await broker.control("POST", "/day/square-off", client_ids=[client.id]) == {"closed": 1}
    assert await broker.control("POST", "/day/close") == {"expired": 1}
    client.limits.blocked = True
    assert "date" in await broker.control("POST", "/day/begin")
    assert (client.limits.blocked, client.account.orders) == (False, {})


async def test_counts_of_everything(broker: Broker) -> None:
    client = broker.client()
    key = broker.authorization(client)
    await broker.call(key, "POST", "/multi-order/sync", [body(), body()])
    stats = await broker.control("GET", "/stats")
    assert stats["paths"] == {"POST /api/v3/multi-order/sync": 1}
    assert stats["accounts"][client.id]["addresses"] == {"127.0.0.1": 1}
    assert stats["orders"] == 2
    assert stats["process"]["cpu_ns"] > 0
    assert (await broker.control("GET", "/stats", only="totals"))["accounts"] == {}
    limits = (await broker.control("GET", "/limits"))["limits"][0]
    assert (limits["calls"], limits["orders"], limits["order_peak"]["second"]) == (1, 2, 2)

    await broker.control("POST", "/limits", client_id=client.id, per_minute=5)
    assert client.limits.quota.per_minute == 5
    assert (await broker.control("POST", "/limits", per_second=9))["per_second"] == 9
    assert broker.served.settings.quota.per_second == 9

    assert await broker.control("POST", "/reset", books=True, faults=True) == {"reset": True}
    stats = await broker.control("GET", "/stats")
    assert (stats["paths"], stats["orders"], stats["accounts"][client.id]["addresses"]) == ({}, 0, {})
    assert client.account.available == client.account.opening_cash


async def test_source_addresses_are_seen(broker: Broker) -> None:
    key = broker.authorization(broker.client())
    connector = aiohttp.TCPConnector(local_addr=("127.0.0.9", 0))
    async with aiohttp.ClientSession(connector=connector) as session:
        url = f"{broker.served.urls.api_url}/profile"
        async with session.get(url, headers={"Authorization": key}) as response:
            assert response.status == 200
    stats = await broker.control("GET", "/stats")
    assert stats["accounts"]["XP00001"]["addresses"] == {"127.0.0.9": 1}


async def test_a_reset_of_the_books_takes_working_orders_out_of_the_market(broker: Broker) -> None:
    client = broker.client()
    await broker.control(
        "POST", "/orders", client_id=client.id, symbol=SBIN, side=1, qty=5, type=1, limit=790
    )
    await broker.control("POST", "/reset", books=True, counters=False)
    assert len(broker.exchange.markets[SBIN].bids) == 0
    assert (await broker.control("GET", "/orders", tag="x", symbol=SBIN))["orders"] == []


async def test_watching_and_health(broker: Broker) -> None:
    broker.client()
    assert (await broker.control("POST", "/watch"))["watched"] == ["XP00001"]
    assert (await broker.control("GET", "/health"))["status"] == "ok"
    assert (await broker.control("GET", "/urls"))["api_url"] == broker.served.urls.api_url


def test_the_readme_names_every_path_of_the_control_door() -> None:
    from pathlib import Path

    readme = (Path(simulator.__file__).parent / "README.md").read_text()
    for module in (accounts, acts, faults, market, orders, reading):
        for _, path, _ in module.ROUTES:
            assert path.split("/{")[0] in readme, path
    for kind in FaultKind:
        assert f"`{kind.value}`" in readme, kind
