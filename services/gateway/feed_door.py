"""The way to the feed that owns an account: found by the lease rows, tried again where they were wrong."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import grpc
import grpc.aio

from paceline.api.v1 import feed_pb2_grpc
from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId
from paceline.ports.clock import Clock
from paceline.runtime.grpc_client import ChannelPool
from paceline.runtime.grpc_status import RpcRefusedError, RpcStatus, status_of
from paceline.runtime.routes import Routes

T = TypeVar("T")

Ask = Callable[[feed_pb2_grpc.FeedServiceStub], Awaitable[T]]

ATTEMPTS = 6
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 0.8
_ASTRAY = "NOT_OWNER"
_GONE = ("", "DRAINING")
"""Reasons of `UNAVAILABLE` that leave open whether it was carried out."""


@dataclass(frozen=True, slots=True)
class FeedDoor:
    channels: ChannelPool
    routes: Routes
    clock: Clock

    async def ask(self, account_id: AccountId, ask: Ask[T], *, repeatable: bool = True) -> T:
        """The owner's answer, or his refusal as he gave it. `Unavailable` when none was found in a few tries.

        What is not `repeatable` is sent again only where it surely was not carried out.
        """
        pause_s = _FIRST_PAUSE_S
        for attempt in range(ATTEMPTS):
            if attempt:
                self.routes.doubt()
                await self.clock.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            address = self.routes.address_of(account_id)
            if address is None:
                continue
            channel = await self.channels.channel(address)
            try:
                return await ask(feed_pb2_grpc.FeedServiceStub(channel))
            except grpc.aio.AioRpcError as problem:
                _refuse_for_good(status_of(problem), repeatable=repeatable)
        raise Unavailable(f"no feed serves account {account_id!r} just now")


def _refuse_for_good(status: RpcStatus, *, repeatable: bool) -> None:
    """Raises the refusal unless the owner of just now may be another."""
    if status.reason == _ASTRAY:
        return
    if repeatable and status.code is grpc.StatusCode.UNAVAILABLE and status.reason in _GONE:
        return
    if not status.reason:
        raise Unavailable(f"the feed did not answer: {status.code.name}")
    raise RpcRefusedError(status)
