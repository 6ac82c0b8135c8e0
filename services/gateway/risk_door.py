"""The way to risk, for what is a row: any replica answers, and where one is gone another is tried."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import grpc
import grpc.aio

from paceline.api.v1 import risk_pb2_grpc
from paceline.domain.errors import Unavailable
from paceline.ports.clock import Clock
from paceline.runtime.grpc_client import ChannelPool
from paceline.runtime.grpc_status import RpcRefusedError, RpcStatus, status_of
from paceline.runtime.routes import Routes

T = TypeVar("T")

ATTEMPTS = 6
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 0.8
_GONE = ("", "DRAINING")


@dataclass(frozen=True, slots=True)
class RiskDoor:
    channels: ChannelPool
    routes: Routes
    clock: Clock

    async def ask(
        self, ask: Callable[[risk_pb2_grpc.RiskServiceStub], Awaitable[T]], *, repeatable: bool = True
    ) -> T:
        """The answer, or the refusal as it was given. `Unavailable` when nobody answered in a few tries.

        What is not `repeatable` is sent once: whoever was asked may have carried it out.
        """
        pause_s = _FIRST_PAUSE_S
        for attempt in range(ATTEMPTS):
            if attempt:
                self.routes.doubt()
                await self.clock.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            addresses = sorted(self.routes.addresses())
            if not addresses:
                continue
            channel = await self.channels.channel(addresses[attempt % len(addresses)])
            try:
                return await ask(risk_pb2_grpc.RiskServiceStub(channel))
            except grpc.aio.AioRpcError as problem:
                _refuse_for_good(status_of(problem), repeatable=repeatable)
        raise Unavailable("no risk answers just now")


def _refuse_for_good(status: RpcStatus, *, repeatable: bool) -> None:
    """Raises the refusal unless another replica may answer."""
    if repeatable and status.code is grpc.StatusCode.UNAVAILABLE and status.reason in _GONE:
        return
    if not status.reason:
        raise Unavailable(f"risk did not answer: {status.code.name}")
    raise RpcRefusedError(status)
