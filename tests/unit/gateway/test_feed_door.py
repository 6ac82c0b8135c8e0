"""How long a feed is looked for, and what is passed on."""

from typing import Any

import grpc
import pytest

from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId
from paceline.runtime.grpc_client import ChannelPool
from paceline.runtime.grpc_client_calls import ClientCalls
from paceline.runtime.grpc_status import RpcRefusedError, RpcStatus
from paceline.runtime.metrics import Metrics
from paceline.runtime.routes import Routes
from paceline.runtime.telemetry import start_telemetry
from services.gateway import feed_door
from services.gateway.feed_door import FeedDoor
from tests.fakes.clock import FakeClock
from tests.fakes.leases import FakeLeases

X1 = AccountId("fyers:X1")


async def nobody_asks(_stub: Any) -> None:
    raise AssertionError("there is nobody to ask")


async def test_without_an_owner_the_door_gives_up_after_a_few_tries() -> None:
    clock = FakeClock(auto_jump=True)
    routes = Routes(FakeLeases(clock), clock)
    calls = ClientCalls(
        metrics=Metrics(), telemetry=start_telemetry(service="gateway", replica_id="1"), deadline_s=1
    )
    door = FeedDoor(ChannelPool(calls), routes, clock)
    with pytest.raises(Unavailable, match="no feed serves"):
        await door.ask(X1, nobody_asks)
    assert 1 < clock.monotonic_ns() / 1e9 < 5


LOST = RpcStatus(grpc.StatusCode.UNAVAILABLE, "connection refused")
DRAINING = RpcStatus(grpc.StatusCode.UNAVAILABLE, "going down", "DRAINING")
NOT_OWNER = RpcStatus(grpc.StatusCode.UNAVAILABLE, "not held here", "NOT_OWNER")
STORE = RpcStatus(grpc.StatusCode.UNAVAILABLE, "no database", "STORE_UNAVAILABLE")
SLOW = RpcStatus(grpc.StatusCode.DEADLINE_EXCEEDED, "too late")
LOGIN = RpcStatus(grpc.StatusCode.FAILED_PRECONDITION, "log in", "LOGIN_NEEDED")


@pytest.mark.parametrize(
    ("status", "repeatable", "raised"),
    [
        (NOT_OWNER, True, None),
        (NOT_OWNER, False, None),
        (LOST, True, None),
        (LOST, False, Unavailable),
        (DRAINING, True, None),
        (DRAINING, False, RpcRefusedError),
        (STORE, True, RpcRefusedError),
        (SLOW, True, Unavailable),
        (LOGIN, True, RpcRefusedError),
    ],
)
def test_only_what_another_owner_may_answer_is_tried_again(
    status: RpcStatus, repeatable: bool, raised: type[Exception] | None
) -> None:
    if raised is None:
        feed_door._refuse_for_good(status, repeatable=repeatable)
        return
    with pytest.raises(raised):
        feed_door._refuse_for_good(status, repeatable=repeatable)
