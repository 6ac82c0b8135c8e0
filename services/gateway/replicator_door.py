"""The way to a replicator: whoever holds the leader's partition, else any; a dry run is at home anywhere."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
import grpc.aio

from paceline.api.v1 import replicator_pb2, replicator_pb2_grpc
from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId
from paceline.domain.partitioning import partition_of
from paceline.ports.clock import Clock
from paceline.runtime.grpc_client import ChannelPool
from paceline.runtime.grpc_status import RpcRefusedError, RpcStatus, status_of
from paceline.runtime.routes import Routes

ATTEMPTS = 6
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 0.8
_GONE = ("", "DRAINING")

Request = replicator_pb2.ReplicatorServicePreviewSubscriptionRequest
Piece = replicator_pb2.ReplicatorServicePreviewSubscriptionResponse


@dataclass(frozen=True, slots=True)
class ReplicatorDoor:
    channels: ChannelPool
    routes: Routes
    clock: Clock

    async def preview(self, leader: AccountId, request: Request) -> AsyncIterator[Piece]:
        """The pieces as they come, or the refusal as it was given. Until the first piece another replica is
        tried where one is gone; afterwards `Unavailable`: whoever asks again hears it from the start.
        """
        pause_s = _FIRST_PAUSE_S
        for attempt in range(ATTEMPTS):
            if attempt:
                self.routes.doubt()
                await self.clock.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            address = self._address(leader)
            if address is None:
                continue
            begun = False
            try:
                async for piece in self._pieces(address, request):
                    begun = True
                    yield piece
            except grpc.aio.AioRpcError as problem:
                _refuse(status_of(problem), again=not begun)
            else:
                return
        raise Unavailable("no replicator answers just now")

    def _address(self, leader: AccountId) -> str | None:
        owner = self.routes.address(partition_of(leader))
        return owner or min(self.routes.addresses(), default=None)

    async def _pieces(self, address: str, request: Request) -> AsyncIterator[Piece]:
        """Cancelled with whoever reads them."""
        channel = await self.channels.channel(address)
        call = replicator_pb2_grpc.ReplicatorServiceStub(channel).PreviewSubscription(request)
        try:
            async for piece in call:
                yield piece
        finally:
            call.cancel()


def _refuse(status: RpcStatus, *, again: bool) -> None:
    """Raises unless another replica may answer."""
    gone = status.code is grpc.StatusCode.UNAVAILABLE and status.reason in _GONE
    if gone and again:
        return
    if gone or not status.reason:
        raise Unavailable(f"the replicator did not answer to the end: {status.code.name}")
    raise RpcRefusedError(status)
