"""What happens in a leader's account is journaled once, whatever the broker's frames go through."""

import asyncio
import json
import signal
from decimal import Decimal

import pytest

from paceline.api.v1 import feed_pb2
from paceline.domain.event import EventKind
from paceline.domain.partitioning import partition_of
from paceline.domain.position import PositionReport
from paceline.runtime.metric_names import BACKSTOP_REPAIRS
from simulator.limits import Quota
from tests.integration.feed.world import IDEA, SBIN, World, kinds, until

SETTLE_S = 0.3
BACKSTOP_S = 1


async def test_every_part_of_an_order_is_one_event(stage: World) -> None:
    leader = await stage.account("XL1")
    async with stage.feed():
        await stage.until_state(leader, "LIVE")
        await stage.trade(leader, 37, parts=37)
        await stage.until_agreed(leader)
        events = await stage.events(leader)
    fills = [event.fact for event in events if event.fact.kind is EventKind.FILL]
    assert len(fills) == 37
    assert len({fact.identity for fact in fills}) == 37
    assert all(fact.raw and not fact.recovered for fact in fills)


async def test_a_first_connect_copies_nothing_old_and_tells_what_is_held(stage: World) -> None:
    leader = await stage.account("XL1")
    await stage.trade(leader, 10)
    await stage.trade(leader, -4)
    async with stage.feed():
        await stage.until_state(leader, "LIVE")

        async def told() -> bool:
            return bool(await stage.events(leader))

        await until(told, "the baseline is journaled")
        (held,) = await stage.events(leader)
        assert isinstance(held.fact.body, PositionReport)
        assert (held.fact.kind, held.fact.body.quantity) == (EventKind.POSITION, Decimal(6))
        await stage.trade(leader, 2)

        async def grew() -> bool:
            return kinds(await stage.events(leader))[EventKind.FILL] == 1

        await until(grew, "the new trade is journaled")


@pytest.mark.parametrize("fault", ["frame_duplicate", "frame_reorder", "trade_frame_lose"])
async def test_spoilt_frames_end_as_exactly_the_brokers_trades(stage: World, fault: str) -> None:
    leader = await stage.account("XL1")
    async with stage.feed():
        await stage.until_state(leader, "LIVE")
        await stage.control.fault(fault, probability=0.6)
        for number in range(1, 9):
            await stage.trade(leader, number, parts=min(number, 3), symbol=SBIN if number % 2 else IDEA)
        await stage.until_agreed(leader)
        hits = (await stage.control.get("/faults"))["hits"]
        assert hits[fault] > 0
        await asyncio.sleep(SETTLE_S)
        assert await stage.agrees(leader)


async def test_what_happened_while_the_socket_was_down_comes_marked_and_once(stage: World) -> None:
    leader = await stage.account("XL1")
    async with stage.feed():
        await stage.until_state(leader, "LIVE")
        await stage.trade(leader, 3)
        await stage.until_agreed(leader)
        await stage.control.fault("frame_lose", next=1_000)
        await stage.trade(leader, 5, parts=2)
        await stage.control.delete("/faults")
        assert not await stage.agrees(leader)
        await stage.control.post("/sockets/cut")
        await stage.until_agreed(leader)
        fills = [each.fact for each in await stage.events(leader) if each.fact.kind is EventKind.FILL]
        assert [fact.recovered for fact in fills] == [False, True, True]
        assert all(fact.raw for fact in fills)
        await stage.until_state(leader, "LIVE")


@pytest.mark.parametrize(
    ("fault", "probability"), [("frame_lose", 0.02), ("frame_lose", 0.5), ("trade_frame_lose", 0.5)]
)
async def test_a_stream_that_loses_frames_while_it_looks_healthy_is_repaired_and_once(
    stage: World, fault: str, probability: float
) -> None:
    leader = await stage.account("XL1")
    async with stage.feed(backstop_interval_s=str(BACKSTOP_S)):
        await stage.until_state(leader, "LIVE")
        await stage.control.fault(fault, probability=probability)
        for number in range(10):
            await stage.trade(leader, 10, parts=10, symbol=SBIN if number % 2 else IDEA)
        await stage.until_agreed(leader)
        assert (await stage.control.get("/faults"))["hits"][fault] > 0
        await asyncio.sleep(BACKSTOP_S)
        assert await stage.agrees(leader)
        fills = [each.fact for each in await stage.events(leader) if each.fact.kind is EventKind.FILL]
        assert any(fact.recovered for fact in fills)
        assert all(fact.raw for fact in fills)
        assert stage.sim.face.clients["XL1"].sockets_opened == 1


async def test_one_fill_frame_in_fifty_is_found_once_and_within_the_accounts_limits(
    stage: World,
) -> None:
    leader = await stage.account("XL1")
    client = stage.sim.face.clients["XL1"]
    client.limits.quota = Quota()
    async with stage.feed(backstop_interval_s="2", pong_timeout_ms="40000"):
        await stage.until_state(leader, "LIVE")
        await stage.control.fault("trade_frame_lose", probability=1 / 50)
        for number in range(6):
            await stage.trade(leader, 50, parts=50, symbol=SBIN if number % 2 else IDEA)
        await stage.until_agreed(leader)
        lost = (await stage.control.get("/faults"))["hits"]["trade_frame_lose"]
        fills = [each.fact for each in await stage.events(leader) if each.fact.kind is EventKind.FILL]
        found = [fact for fact in fills if fact.recovered]
        assert len(found) >= lost > 0
        await asyncio.sleep(BACKSTOP_S)
        assert await stage.agrees(leader)
        assert client.sockets_opened == 1
        assert not any(client.limits.breaches.values())


async def test_a_fill_of_which_no_frame_came_is_found_in_the_books(stage: World) -> None:
    """Not even the order's own frames: only the slow reading can know."""
    leader = await stage.account("XL1")
    async with stage.feed(backstop_interval_s=str(BACKSTOP_S)) as runtime:
        await stage.until_state(leader, "LIVE")
        await stage.control.fault("frame_lose", next=1_000)
        await stage.trade(leader, 5, parts=2)
        await stage.until_agreed(leader)
        await asyncio.sleep(BACKSTOP_S)
        assert await stage.agrees(leader)
        fills = [each.fact for each in await stage.events(leader) if each.fact.kind is EventKind.FILL]
        assert [(fact.recovered, bool(fact.raw)) for fact in fills] == [(True, True)] * 2
        assert runtime.metrics.value(BACKSTOP_REPAIRS, broker="fyers", kind="FILL") == 2
        assert stage.sim.face.clients["XL1"].sockets_opened == 1
        async with stage.stub(leader) as stub:
            shown = await stub.GetSession(feed_pb2.FeedServiceGetSessionRequest(account_id=leader))
        assert shown.session.last_books_time.ToNanoseconds() > 0


async def test_a_socket_that_answers_nothing_is_dialled_again(stage: World) -> None:
    leader = await stage.account("XL1")
    async with stage.feed(pong_timeout_ms="300"):
        await stage.until_state(leader, "LIVE")
        await stage.control.fault("ws_freeze")
        await stage.control.post("/sockets/cut")
        await stage.trade(leader, 2)
        await asyncio.sleep(SETTLE_S)
        await stage.control.delete("/faults")
        await stage.until_agreed(leader)


async def test_bad_frames_are_kept_aside_and_the_session_goes_on(stage: World) -> None:
    leader = await stage.account("XL1")
    async with stage.feed():
        await stage.until_state(leader, "LIVE")
        (socket,) = stage.sim.sockets.connected("XL1")
        trade = {"id_fill": "9", "id": "1", "qty_traded": 1, "price_traded": 5, "client_id": "XL1"}
        trade |= {"tran_side": 1, "symbol": SBIN, "product_type": "CNC", "exchange": 10, "segment": 10}
        bad = [
            "}{",
            '{"s":"ok"}',
            '{"s":"ok","trades":{"id":"1"}}',
            json.dumps({"s": "ok", "trades": trade | {"client_id": "XOTHER"}}),
            json.dumps({"s": "ok", "trades": trade | {"id_fill": "\x00\ud800"}}),
        ]
        for text in bad:
            await socket.response.send_str(text)
        await stage.trade(leader, 4)

        async def kept() -> bool:
            count = await stage.database.value("SELECT count(*) FROM dead_letters")
            return bool(count == len(bad))

        await until(kept, "every bad frame is kept")
        await stage.until_agreed(leader)
        assert (await stage.state(leader))[0] == "LIVE"
        reasons = await stage.database.fetch("SELECT reason FROM dead_letters")
        assert {"UNPARSEABLE", "UNKNOWN_CLIENT", "MISSING_FIELD"} <= {row["reason"] for row in reasons}


async def test_a_killed_feed_is_replaced_and_nothing_is_lost_or_doubled(stage: World) -> None:
    leaders = [await stage.account(f"XL{number}") for number in range(4)]
    replicas = {name: await stage.process(name) for name in ("one", "two")}
    for leader in leaders:
        await stage.until_state(leader, "LIVE")

    async def shared() -> bool:
        count = await stage.database.value(
            "SELECT count(DISTINCT owner) FROM leases WHERE service = 'feed' GROUP BY service"
        )
        return bool(count == 2)

    await until(shared, "both hold their part")
    owner = await stage.database.value(
        "SELECT owner FROM leases WHERE service = 'feed' AND partition = $1", partition_of(leaders[0])
    )
    for number in range(1, 6):
        for leader in leaders:
            await stage.trade(leader, number, parts=2 if number > 1 else 1)
        if number == 3:
            replicas[owner].send_signal(signal.SIGKILL)
    await stage.until_agreed(*leaders)
    await asyncio.sleep(SETTLE_S)
    for leader in leaders:
        assert await stage.agrees(leader)


async def test_consumers_read_old_and_new_from_any_place(stage: World) -> None:
    leader = await stage.account("XL1")
    async with stage.feed():
        await stage.until_state(leader, "LIVE")
        await stage.trade(leader, 3, parts=3)
        await stage.until_agreed(leader)
        journaled = await stage.events(leader)
        middle = journaled[2].offset
        cursor = feed_pb2.PartitionCursor(partition=partition_of(leader), offset=middle)
        async with stage.stub(leader) as stub:
            request = feed_pb2.StreamEventsRequest(consumer="test", cursors=[cursor])
            call = stub.StreamEvents(request)
            offsets: list[int] = []
            while len(offsets) < len(journaled) - 3:
                offsets += [event.offset for event in (await call.read()).events]
            await stage.trade(leader, 1)
            await stage.until_agreed(leader)
            whole = await stage.events(leader)
            while len(offsets) < len(whole) - 3:
                offsets += [event.offset for event in (await call.read()).events]
            call.cancel()
    assert offsets == [event.offset for event in whole if event.offset > middle]
