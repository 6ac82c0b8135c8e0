"""What is judged of a leader who trades by orders: the broker's books and the platform's public answers.

Changes and lines of ledgers have no public answer yet: whether a decision wrote any is asked of the database.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from chaos.copy.laws import Asked, Booked, Copy, Decided, Evidence, Follower, Traded
from chaos.stage import Stage
from paceline.api.v1 import common_pb2, copy_order_pb2, query_pb2, query_pb2_grpc, subscription_pb2

_PAGE = 1_000
_WRITTEN = """SELECT subscription_id, cause FROM ledger_entries
UNION SELECT subscription_id, cause_identity FROM copy_commands"""
_CANCELLED, _TRANSIT, _PENDING = 1, 4, 6
_NEVER_SENT = (
    copy_order_pb2.COPY_STATUS_CANCELLED,
    copy_order_pb2.COPY_STATUS_SKIPPED,
    copy_order_pb2.COPY_STATUS_FAILED,
)
_SIDES = {common_pb2.SIDE_BUY: 1, common_pb2.SIDE_SELL: -1}


class OrdersBooks:
    def __init__(
        self,
        stage: Stage,
        leader: str,
        leader_id: str,
        followers: Sequence[Follower],
        sides: Mapping[str, int],
    ) -> None:
        self._query = query_pb2_grpc.QueryServiceStub(stage.channel)
        self._control = stage.control
        self._database = stage.database
        self._leader = leader
        self._leader_id = leader_id
        self._followers = followers
        self._sides = sides

    async def evidence(self, most: Mapping[str, int]) -> Evidence:
        followers = {each.client for each in self._followers}
        orders = (await self._control.get("/orders"))["orders"]
        trades = (await self._control.get("/trades"))["trades"]
        return Evidence(
            leader=self._leader,
            sides=self._sides,
            followers=self._followers,
            asked=[_asked(row, most) for row in orders if row["client_id"] == self._leader],
            booked=[booked_of(row) for row in orders if row["client_id"] in followers],
            trades=[traded_of(row) for row in trades if row["client_id"] in {self._leader, *followers}],
            copies=[copy for copy in await self._copies() if copy.client in followers],
            decisions=await self._decisions(),
        )

    async def _copies(self) -> list[Copy]:
        found: list[Copy] = []
        token = ""
        while True:
            page = await self._query.ListCopyOrders(
                query_pb2.ListCopyOrdersRequest(page_size=_PAGE, page_token=token)
            )
            found.extend(_copy(each) for each in page.orders)
            if not (token := page.next_page_token):
                return found

    async def _decisions(self) -> list[Decided]:
        of_leader = copy_order_pb2.DecisionFilter(leader_id=self._leader_id)
        found: list[copy_order_pb2.Decision] = []
        token = ""
        while True:
            page = await self._query.ListDecisions(
                query_pb2.ListDecisionsRequest(filter=of_leader, page_size=_PAGE, page_token=token)
            )
            found.extend(page.decisions)
            if not (token := page.next_page_token):
                break
        rows = await self._database.fetch(_WRITTEN)
        written = {(row["subscription_id"], row["cause"]) for row in rows}
        return [_decided(each, written) for each in found]


def _client(account_id: str) -> str:
    return account_id.partition(":")[2]


def _asked(row: Mapping[str, Any], most: Mapping[str, int]) -> Asked:
    quantity, filled = int(row["qty"]), int(row["filled"])
    return Asked(
        row["id"],
        row["symbol"],
        row["side"],
        most=max(quantity, most.get(row["id"], 0)),
        filled=filled,
        whole=filled == quantity,
        at_ns=row["received_at"]["wall_ns"],
    )


def booked_of(row: Mapping[str, Any]) -> Booked:
    return Booked(
        tag=row["tag"],
        client=row["client_id"],
        symbol=row["symbol"],
        side=row["side"],
        quantity=row["qty"],
        filled=row["filled"],
        working=row["status"] in (_TRANSIT, _PENDING),
        cancelled=row["status"] == _CANCELLED,
        rejected=row["reject"],
        modifications=row["modifications"],
        at_ns=row["received_at"]["wall_ns"],
    )


def traded_of(row: Mapping[str, Any]) -> Traded:
    return Traded(
        client=row["client_id"],
        order_id=row["order_id"],
        trade=row["number"].removeprefix(f"{row['order_id']}-"),
        symbol=row["symbol"],
        side=row["side"],
        quantity=row["qty"],
        at_ns=row["at"]["wall_ns"],
    )


def _copy(wire: copy_order_pb2.CopyOrder) -> Copy:
    return Copy(
        tag=wire.tag,
        event=wire.cause.event,
        client=_client(wire.account_id),
        symbol=wire.spec.key.instrument_id,
        side=_SIDES[wire.spec.side],
        filled=int(wire.filled.value or 0),
        unsent=not wire.broker_order_id and wire.status in _NEVER_SENT,
    )


def _decided(wire: copy_order_pb2.Decision, written: Collection[tuple[str, str]]) -> Decided:
    return Decided(
        event=wire.cause.event,
        client=_client(wire.follower_id),
        skipped=wire.outcome == copy_order_pb2.OUTCOME_SKIPPED,
        reason=subscription_pb2.SkipReason.Name(wire.reason).removeprefix("SKIP_REASON_"),
        acts=bool(wire.orders) or (wire.subscription_id, wire.cause.event) in written,
    )
