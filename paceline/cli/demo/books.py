"""What is judged, fetched from both sides: the platform's public questions and the simulator's books."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

import grpc

from paceline.api.v1 import common_pb2, copy_order_pb2, query_pb2, query_pb2_grpc, subscription_pb2
from paceline.cli.demo.control import Control
from paceline.cli.demo.judge import Booked, Copied, Decided, Evidence, Frame
from paceline.cli.demo.people import People

_PAGE = 1_000
_DROPPED = (copy_order_pb2.COPY_STATUS_SKIPPED, copy_order_pb2.COPY_STATUS_FAILED)
_SIDES = {common_pb2.SIDE_BUY: 1, common_pb2.SIDE_SELL: -1}


class Books:
    def __init__(self, channel: grpc.aio.Channel, control: Control, people: People) -> None:
        self._query = query_pb2_grpc.QueryServiceStub(channel)
        self._control = control
        self._people = people

    async def evidence(self, events: int, seed: int) -> Evidence:
        followers = set(self._people.follower_clients)
        leader = self._people.leader_client
        orders = (await self._control.get("/orders"))["orders"]
        positions = (await self._control.get("/positions"))["positions"]
        frames = (await self._control.get("/frames"))["frames"].get(leader, [])
        return Evidence(
            followers=len(followers),
            events=events,
            seed=seed,
            decisions=await self._decisions(),
            copies=[copy for copy in await self._copies() if copy.client in followers],
            booked=[_booked(order) for order in orders if order["client_id"] in followers],
            open_positions=_not_flat(positions, leader, followers),
            frames=[
                Frame(each["order_id"], each["trade"], each["sent_at"]["mono_ns"])
                for each in frames
                if each["trade"]
            ],
            breaches=int((await self._control.get("/limits"))["breaches"]),
        )

    async def _decisions(self) -> list[Decided]:
        of_leader = copy_order_pb2.DecisionFilter(leader_id=self._people.leader_id)
        found: list[Decided] = []
        token = ""
        while True:
            page = await self._query.ListDecisions(
                query_pb2.ListDecisionsRequest(filter=of_leader, page_size=_PAGE, page_token=token)
            )
            found.extend(_decided(each) for each in page.decisions)
            token = page.next_page_token
            if not token:
                return found

    async def _copies(self) -> list[Copied]:
        found: list[Copied] = []
        token = ""
        while True:
            page = await self._query.ListCopyOrders(
                query_pb2.ListCopyOrdersRequest(page_size=_PAGE, page_token=token)
            )
            found.extend(_copied(each) for each in page.orders)
            token = page.next_page_token
            if not token:
                return found


def _decided(wire: copy_order_pb2.Decision) -> Decided:
    return Decided(
        event=wire.cause.event,
        subscription=wire.subscription_id,
        skipped=wire.outcome == copy_order_pb2.OUTCOME_SKIPPED,
        reason=subscription_pb2.SkipReason.Name(wire.reason).removeprefix("SKIP_REASON_"),
        tags=tuple(order.tag for order in wire.orders),
    )


def _copied(wire: copy_order_pb2.CopyOrder) -> Copied:
    unsent = not wire.broker_order_id
    return Copied(
        tag=wire.tag,
        event=wire.cause.event,
        client=wire.account_id.partition(":")[2],
        side=_SIDES[wire.spec.side],
        quantity=int(wire.spec.quantity.value),
        withdrawn=unsent and wire.status == copy_order_pb2.COPY_STATUS_CANCELLED,
        given_up=unsent and wire.status in _DROPPED,
    )


def _not_flat(positions: Sequence[Mapping[str, Any]], leader: str, followers: Set[str]) -> int:
    """Followers' positions in what the leader no longer holds."""
    held = {each["symbol"] for each in positions if each["client_id"] == leader and each["netQty"]}
    theirs = (each for each in positions if each["client_id"] in followers)
    return sum(bool(each["netQty"]) and each["symbol"] not in held for each in theirs)


def _booked(row: Mapping[str, Any]) -> Booked:
    return Booked(
        tag=row["tag"],
        client=row["client_id"],
        side=row["side"],
        quantity=row["qty"],
        rejected=bool(row["reject"]),
        received_ns=row["received_at"]["mono_ns"],
        accepted_ns=row["accepted_at"]["mono_ns"],
    )
