"""The way to a replicator: another is tried until one begins to answer, and none after that."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import pytest

from paceline.api.v1 import replicator_pb2, replicator_pb2_grpc, subscription_pb2
from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId, Partition
from services.gateway.replicator_door import ATTEMPTS, Piece, ReplicatorDoor, Request

LEADER = AccountId("fyers:LEADER")


class Answering(replicator_pb2_grpc.ReplicatorServiceServicer):
    """So many pieces, then the end or a refusal that nobody explains."""

    def __init__(self, pieces: int, *, breaks: bool = False) -> None:
        self.pieces = pieces
        self.breaks = breaks
        self.asked = 0

    async def PreviewSubscription(  # noqa: N802 - the interface's name
        self, request: Request, context: Any
    ) -> AsyncIterator[Piece]:
        self.asked += 1
        for _ in range(self.pieces):
            yield Piece(decision=subscription_pb2.PreviewDecision())
        if self.breaks:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")


@dataclass
class Signposts:
    """One address after the other; the last for good."""

    named: list[str | None]
    doubts: int = 0

    def address(self, partition: Partition) -> str | None:
        return self.named[0]

    def addresses(self) -> frozenset[str]:
        return frozenset()

    def doubt(self) -> None:
        self.doubts += 1
        if len(self.named) > 1:
            self.named.pop(0)


class Instant:
    async def sleep(self, seconds: float) -> None:
        assert seconds > 0


@dataclass
class Pool:
    channels: dict[str, grpc.aio.Channel]

    async def channel(self, address: str) -> grpc.aio.Channel:
        return self.channels[address]


async def asked_of(
    servicers: Sequence[Answering], route: Sequence[int | None], into: list[Piece]
) -> Signposts:
    """`route` are numbers of servicers in the order in which the lease rows name them."""
    async with AsyncExitStack() as stack:
        channels: dict[str, grpc.aio.Channel] = {}
        for number, servicer in enumerate(servicers):
            server = grpc.aio.server()
            replicator_pb2_grpc.add_ReplicatorServiceServicer_to_server(servicer, server)
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            stack.push_async_callback(server.stop, None)
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
            channels[str(number)] = await stack.enter_async_context(channel)
        posts = Signposts([None if each is None else str(each) for each in route])
        made: Any = ReplicatorDoor
        door: ReplicatorDoor = made(Pool(channels), posts, Instant())
        async for piece in door.preview(LEADER, replicator_pb2.ReplicatorServicePreviewSubscriptionRequest()):
            into.append(piece)  # noqa: PERF401 - what came before a failure counts
        return posts


async def test_a_replica_that_is_gone_before_its_first_piece_is_replaced() -> None:
    gone, there, pieces = Answering(0, breaks=True), Answering(3), list[Piece]()
    posts = await asked_of([gone, there], [None, 0, 1], pieces)
    assert (gone.asked, there.asked, len(pieces), posts.doubts) == (1, 1, 3, 2)


async def test_after_the_first_piece_nobody_else_goes_on_in_the_middle() -> None:
    gone, there, pieces = Answering(2, breaks=True), Answering(3), list[Piece]()
    with pytest.raises(Unavailable, match="did not answer to the end"):
        await asked_of([gone, there], [0, 1], pieces)
    assert (gone.asked, there.asked, len(pieces)) == (1, 0, 2)


async def test_where_nobody_serves_it_is_said_after_a_few_tries() -> None:
    away = Answering(0, breaks=True)
    with pytest.raises(Unavailable, match="no replicator answers"):
        await asked_of([away], [0], [])
    assert away.asked == ATTEMPTS
