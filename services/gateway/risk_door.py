"""The way to risk: of rows any replica answers, of a portfolio whoever holds it, of all of them everyone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import grpc
import grpc.aio

from paceline.api.v1 import risk_pb2_grpc
from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId, Partition
from paceline.domain.partitioning import PARTITIONS, partition_of
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
        async for attempt in self._attempts():
            addresses = sorted(self.routes.addresses())
            if not addresses:
                continue
            try:
                return await ask(await self.stub(addresses[attempt % len(addresses)]))
            except grpc.aio.AioRpcError as problem:
                _refuse_for_good(status_of(problem), _GONE, repeatable=repeatable)
        raise Unavailable("no risk answers just now")

    async def ask_owner(
        self, account_id: AccountId, ask: Callable[[risk_pb2_grpc.RiskServiceStub], Awaitable[T]]
    ) -> T:
        """Whoever holds the account; where it is on its way to another, a few times."""
        async for _ in self._attempts():
            address = self.routes.address(partition_of(account_id))
            if address is None:
                continue
            try:
                return await ask(await self.stub(address))
            except grpc.aio.AioRpcError as problem:
                _refuse_for_good(status_of(problem), None)
        raise Unavailable(f"nobody who holds {account_id} answers just now")

    async def ask_all(self, ask: Callable[[risk_pb2_grpc.RiskServiceStub], Awaitable[T]]) -> Sequence[T]:
        """Everyone who holds anything, once all is held: what one does not tell would be missing."""
        async for _ in self._attempts():
            if not self._held():
                continue
            stubs = [await self.stub(each) for each in sorted(self.routes.addresses())]
            answers = await asyncio.gather(*(ask(each) for each in stubs), return_exceptions=True)
            failed = [each for each in answers if isinstance(each, BaseException)]
            for problem in failed:
                if not isinstance(problem, grpc.aio.AioRpcError):
                    raise problem
                _refuse_for_good(status_of(problem), None)
            if not failed:
                return [each for each in answers if not isinstance(each, BaseException)]
        raise Unavailable("not everyone who holds portfolios answers just now")

    async def everyone(self) -> frozenset[str]:
        """Where everyone is who holds anything, once all is held."""
        async for _ in self._attempts():
            if self._held():
                return self.routes.addresses()
        raise Unavailable("not all portfolios are held just now")

    def _held(self) -> bool:
        return all(self.routes.address(Partition(each)) is not None for each in range(PARTITIONS))

    async def _attempts(self) -> AsyncIterator[int]:
        """A few, further and further apart."""
        pause_s = _FIRST_PAUSE_S
        for attempt in range(ATTEMPTS):
            if attempt:
                self.routes.doubt()
                await self.clock.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            yield attempt

    async def stub(self, address: str) -> risk_pb2_grpc.RiskServiceStub:
        return risk_pb2_grpc.RiskServiceStub(await self.channels.channel(address))


def _refuse_for_good(status: RpcStatus, gone: tuple[str, ...] | None, *, repeatable: bool = True) -> None:
    """Raises the refusal unless somebody may answer a moment later; `gone` None is whatever the reason is."""
    if repeatable and status.code is grpc.StatusCode.UNAVAILABLE and (gone is None or status.reason in gone):
        return
    if not status.reason:
        raise Unavailable(f"risk did not answer: {status.code.name}")
    raise RpcRefusedError(status)
