"""A replica pinned to an account beside replicas that share the rest: one session each, one journal."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import grpc
import grpc.aio
import pytest

from paceline.adapters.clock import SystemClock
from paceline.adapters.postgres.leases import PostgresLeases
from paceline.adapters.postgres.pins import PostgresPins
from paceline.api.v1 import feed_pb2, feed_pb2_grpc, session_pb2
from paceline.domain.ids import AccountId
from paceline.domain.partitioning import partition_of
from paceline.runtime.grpc_status import status_of
from paceline.runtime.routes import Routes
from tests.integration.feed.world import World, client_of, until


@dataclass(slots=True)
class Reader:
    """Follows one partition from its beginning, wherever it is shown, and notices any hole."""

    stage: World
    account: AccountId
    offsets: list[int] = field(default_factory=list)
    seen_ns: dict[int, int] = field(default_factory=dict)

    async def run(self) -> None:
        while True:
            with suppress(grpc.aio.AioRpcError):
                await self._follow()
            await asyncio.sleep(0.05)

    async def _follow(self) -> None:
        async with self.stage.stub(self.account) as stub:
            after = self.offsets[-1] if self.offsets else 0
            cursor = feed_pb2.PartitionCursor(partition=partition_of(self.account), offset=after)
            async for response in stub.StreamEvents(
                feed_pb2.StreamEventsRequest(consumer="test", cursors=[cursor])
            ):
                for event in response.events:
                    self.offsets.append(event.offset)
                    self.seen_ns[event.offset] = time.time_ns()


@asynccontextmanager
async def reading(stage: World, account: AccountId) -> AsyncIterator[Reader]:
    """Gap-free to the end of the journal, or the test fails."""
    reader = Reader(stage, account)
    task = asyncio.create_task(reader.run())
    try:
        yield reader

        async def complete() -> bool:
            return len(reader.offsets) >= len(await everything(stage, account))

        await until(complete, "the reader has read all")
        assert reader.offsets == await everything(stage, account)
    finally:
        task.cancel()
        await asyncio.wait({task})


async def everything(stage: World, account: AccountId) -> list[int]:
    rows = await stage.database.fetch(
        "SELECT event_offset FROM events WHERE partition = $1 ORDER BY event_offset", partition_of(account)
    )
    return [row["event_offset"] for row in rows]


async def holder(stage: World, account: AccountId) -> str:
    """The replica that holds the account's pin; empty while none does."""
    return await stage.database.value("SELECT owner FROM session_pins WHERE account_id = $1", account) or ""


async def until_held(stage: World, account: AccountId, name: str) -> None:
    async def look() -> bool:
        return await holder(stage, account) == name

    await until(look, f"{account} is pinned to {name or 'nobody'}")


async def until_one_socket(stage: World, *accounts: AccountId) -> None:
    async def look() -> bool:
        return all(len(stage.sim.sockets.connected(client_of(each))) == 1 for each in accounts)

    await until(look, "each account has one socket")


async def until_listed(stub: feed_pb2_grpc.FeedServiceStub, account: AccountId) -> None:
    """It runs that session, and has let go of every other."""

    async def look() -> bool:
        listed = await stub.ListSessions(feed_pb2.FeedServiceListSessionsRequest())
        return [each.session_id for each in listed.sessions] == [account]

    await until(look, f"{account} is listed alone")


async def neighbours(stage: World) -> tuple[AccountId, AccountId]:
    """Two accounts in one partition."""
    home = partition_of(AccountId("fyers:XL0"))
    other = next(n for n in range(1, 10_000) if partition_of(AccountId(f"fyers:XL{n}")) == home)
    return await stage.account("XL0"), await stage.account(f"XL{other}")


async def test_a_pinned_session_and_a_shared_one_are_one_line_to_a_reader_who_waits_for_neither(
    stage: World,
) -> None:
    pinned, shared = await neighbours(stage)
    async with stage.feed("sharing"), stage.feed("pod", pinned_accounts=pinned):
        await until_held(stage, pinned, "pod")
        await stage.until_state(pinned, "LIVE")
        await stage.until_state(shared, "LIVE")
        async with reading(stage, shared) as reader:
            for number in range(1, 16):
                await asyncio.gather(
                    stage.trade(pinned, number, parts=min(number, 4)), stage.trade(shared, number, parts=1)
                )
            await stage.until_agreed(pinned, shared)
            for _ in range(5):
                await stage.trade(pinned, 1)
                await stage.until_agreed(pinned)
        await until_one_socket(stage, pinned, shared)
        quiet = (await stage.events(pinned))[-5:]
        behind_ms = min((reader.seen_ns[each.offset] - each.journaled_ns) / 1e6 for each in quiet)
        assert behind_ms < 500, "a notice brings them, not the next event or a beat"


async def test_a_killed_pod_is_stood_in_for_and_gets_its_session_back_and_nothing_is_lost_or_doubled(
    stage: World,
) -> None:
    pinned, shared = await neighbours(stage)
    async with stage.feed("one"), stage.feed("two"):
        pod = await stage.process("pod", pinned_accounts=pinned)
        await until_held(stage, pinned, "pod")
        await stage.until_state(shared, "LIVE")
        async with reading(stage, pinned):
            await stage.trade(pinned, 3, parts=3)
            await stage.until_agreed(pinned)
            pod.send_signal(signal.SIGKILL)
            await pod.wait()
            for number in range(1, 6):
                await stage.trade(pinned, number, parts=number)
                await stage.trade(shared, number)
            await stage.until_agreed(pinned, shared)
            await until_held(stage, pinned, "")
            await stage.until_state(pinned, "LIVE")
            trading = asyncio.create_task(_trade_on(stage, pinned))
            async with stage.feed("again", pinned_accounts=pinned):
                await until_held(stage, pinned, "again")
                trading.cancel()
                await asyncio.wait({trading})
                await stage.trade(pinned, 2, parts=2)
                await stage.until_agreed(pinned, shared)
                await until_one_socket(stage, pinned, shared)
                await stage.until_state(pinned, "LIVE")
            await stage.until_agreed(pinned)
        assert await stage.agrees(pinned)


async def _trade_on(stage: World, account: AccountId) -> None:
    while True:
        await stage.trade(account, 1)
        await asyncio.sleep(0.05)


async def test_a_pod_that_was_frozen_beyond_its_lease_finds_its_pen_taken_away(stage: World) -> None:
    """Its socket lived on and it has much to tell when it wakes: all of it was told by who stood in."""
    pinned, _ = await neighbours(stage)
    async with stage.feed("sharing"):
        pod = await stage.process("pod", pinned_accounts=pinned)
        await until_held(stage, pinned, "pod")
        await stage.until_state(pinned, "LIVE")
        async with reading(stage, pinned):
            await stage.trade(pinned, 2, parts=2)
            await stage.until_agreed(pinned)
            pod.send_signal(signal.SIGSTOP)
            for number in range(1, 6):
                await stage.trade(pinned, number, parts=number)
            await until_held(stage, pinned, "")
            await stage.until_agreed(pinned)
            epoch = await stage.database.value("SELECT epoch FROM session_pins")
            pod.send_signal(signal.SIGCONT)

            async def taken_again() -> bool:
                return bool(await stage.database.value("SELECT epoch > $1 FROM session_pins", epoch))

            await until(taken_again, "it holds its account again, under a new epoch")
            await stage.trade(pinned, 7, parts=7)
            await stage.until_agreed(pinned)
            await until_one_socket(stage, pinned)
        assert await stage.agrees(pinned)


async def test_a_pod_that_leaves_hands_over_at_once(stage: World) -> None:
    pinned, _ = await neighbours(stage)
    async with stage.feed("sharing", lease_ttl_ms="60000"):
        async with stage.feed("pod", pinned_accounts=pinned, lease_ttl_ms="60000"):
            await until_held(stage, pinned, "pod")
            await stage.until_state(pinned, "LIVE")
            await stage.trade(pinned, 2)
            await stage.until_agreed(pinned)
        await stage.trade(pinned, 3, parts=3)
        await stage.until_agreed(pinned)
        assert await holder(stage, pinned) == ""


async def test_pods_alone_run_their_sessions_and_say_that_nobody_shows_them(stage: World) -> None:
    pinned = await stage.account("XL0")
    async with stage.feed("pod", waits=False, pinned_accounts=pinned) as pod:
        await stage.until_state(pinned, "LIVE")
        await stage.trade(pinned, 5, parts=5)
        await stage.until_agreed(pinned)
        assert f"a sharing feed that shows {pinned} to readers" in pod.readiness.waiting_for()
        async with stage.feed("sharing"), reading(stage, pinned):

            async def ready() -> bool:
                return pod.readiness.ready

            await until(ready, "the pod is ready")
            await stage.trade(pinned, 1)


async def test_who_asks_of_a_pinned_session_is_sent_to_its_pod(stage: World) -> None:
    pinned, shared = await neighbours(stage)
    async with stage.feed("sharing"), stage.feed("pod", pinned_accounts=pinned):
        await until_held(stage, pinned, "pod")
        await stage.until_state(pinned, "LIVE")
        await stage.until_state(shared, "LIVE")
        routes = Routes(
            PostgresLeases(stage.database, "feed", ttl_ms=0),
            SystemClock(),
            pins=PostgresPins(stage.database, ttl_ms=0),
        )
        await routes.refresh()
        address, elsewhere = routes.address_of(pinned), routes.address_of(shared)
        assert address
        assert elsewhere
        assert address != elsewhere
        part = feed_pb2.FeedServiceDisconnectSessionRequest(account_id=pinned)
        join = feed_pb2.FeedServiceConnectSessionRequest(account_id=pinned)
        async with grpc.aio.insecure_channel(elsewhere) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await feed_pb2_grpc.FeedServiceStub(channel).DisconnectSession(part)
            assert status_of(caught.value).reason == "NOT_OWNER"
            await until_listed(feed_pb2_grpc.FeedServiceStub(channel), shared)
        async with grpc.aio.insecure_channel(address) as channel:
            stub = feed_pb2_grpc.FeedServiceStub(channel)
            parted = (await stub.DisconnectSession(part)).session
            assert parted.state == session_pb2.SESSION_STATE_DISCONNECTED
            assert parted.owner_address == address
            assert not stage.sim.sockets.connected(client_of(pinned))
            await stub.ConnectSession(join)
            await until_listed(stub, pinned)
        await stage.until_state(pinned, "LIVE")
