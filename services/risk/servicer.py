"""The gRPC edge of risk: decode, call, encode."""

from bisect import bisect_right
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from paceline.adapters.wire.enums import ACCOUNT_TYPE
from paceline.adapters.wire.fields import only, required, within
from paceline.adapters.wire.pages import next_page_token, page_of
from paceline.api.v1 import risk_pb2
from paceline.domain.errors import Invalid, NotFound, NotOwner, Unavailable
from paceline.domain.ids import AccountId
from paceline.domain.partitioning import partition_of
from paceline.ports.guards import Guards
from paceline.ports.kill_switches import KillSwitches
from paceline.ports.liquidation_requests import LiquidationRequests
from paceline.ports.liquidations import Liquidations
from paceline.ports.risk_limits import RiskLimitsStore
from paceline.runtime.partitions import Partitions
from services.risk.board import Board, Seat
from services.risk.books import Books
from services.risk.servicer_guards import GuardMethods
from services.risk.servicer_kills import KillMethods
from services.risk.servicer_limits import LimitMethods
from services.risk.servicer_liquidations import LiquidationMethods
from services.risk.watch import Wanted, Watches
from services.risk.wire import equity_message, portfolio_message

_EQUITIES_MAX = 10_000
_FILTERS = frozenset({"account_ids", "account_type"})


def filter_of(wire: risk_pb2.PortfolioFilter) -> Wanted:
    """Refuses what is not heeded yet."""
    only(wire, _FILTERS)
    ids = frozenset(AccountId(each) for each in wire.account_ids)
    type_ = ACCOUNT_TYPE.read(wire.account_type, "account_type") if wire.account_type else None
    return lambda seat: (
        (not ids or seat.account.account_id in ids) and (type_ is None or seat.account.type is type_)
    )


@dataclass(frozen=True, slots=True)
class Rows:
    """What any replica answers; `wanted` hears that a liquidation was written."""

    liquidations: Liquidations
    requests: LiquidationRequests
    kills: KillSwitches
    limits: RiskLimitsStore
    guards: Guards
    wanted: Callable[[], None]


class RiskServicer(LiquidationMethods, KillMethods, LimitMethods, GuardMethods):
    def __init__(
        self, board: Board, books: Books, watches: Watches, partitions: Partitions, rows: Rows
    ) -> None:
        LiquidationMethods.__init__(self, rows.liquidations, rows.requests, rows.wanted)
        KillMethods.__init__(self, rows.kills)
        LimitMethods.__init__(self, rows.limits)
        GuardMethods.__init__(self, rows.guards)
        self._board = board
        self._books = books
        self._watches = watches
        self._partitions = partitions
        self._sorted: tuple[int, list[AccountId]] = (-1, [])

    async def GetPortfolio(
        self, request: risk_pb2.GetPortfolioRequest, context: Any
    ) -> risk_pb2.GetPortfolioResponse:
        account_id = AccountId(required(request.account_id, "account_id"))
        seat = self._seat(account_id)
        if seat is None:
            raise NotFound("account", account_id)
        return risk_pb2.GetPortfolioResponse(portfolio=self._encode(seat, with_positions=True))

    async def ListPortfolios(
        self, request: risk_pb2.ListPortfoliosRequest, context: Any
    ) -> risk_pb2.ListPortfoliosResponse:
        if request.order_by not in {"", "account_id"}:
            raise Invalid("order_by", "must be account_id")
        wanted, page = within("filter", filter_of, request.filter), page_of(request)
        names = self._names()
        found: list[Seat] = []
        for name in names[bisect_right(names, page.after) :]:
            if wanted(self._board.seats[name]):
                found.append(self._board.seats[name])
            if len(found) > page.size:
                break
        chosen = found[: page.size]
        more = len(found) > page.size
        return risk_pb2.ListPortfoliosResponse(
            portfolios=[self._encode(seat, with_positions=request.include_positions) for seat in chosen],
            next_page_token=next_page_token(request, chosen[-1].account.account_id) if more else "",
        )

    async def WatchPortfolios(
        self, request: risk_pb2.WatchPortfoliosRequest, context: Any
    ) -> AsyncIterator[risk_pb2.WatchPortfoliosResponse]:
        wanted = within("filter", filter_of, request.filter)
        if request.interval_ms < 0:
            raise Invalid("interval_ms", "must not be negative")
        with_positions = request.include_positions
        stream = self._watches.stream(
            request, wanted, lambda seat: self._encode(seat, with_positions=with_positions)
        )
        async for response in stream:
            yield response

    async def GetCopyEquities(
        self, request: risk_pb2.GetCopyEquitiesRequest, context: Any
    ) -> risk_pb2.GetCopyEquitiesResponse:
        if len(request.account_ids) > _EQUITIES_MAX:
            raise Invalid("account_ids", f"must not be more than {_EQUITIES_MAX}")
        return risk_pb2.GetCopyEquitiesResponse(
            equities=[
                equity_message(self._board, each, self._seat(AccountId(each))) for each in request.account_ids
            ]
        )

    def _encode(self, seat: Seat, *, with_positions: bool) -> risk_pb2.Portfolio:
        return portfolio_message(self._board, seat, with_positions=with_positions)

    def _seat(self, account_id: AccountId) -> Seat | None:
        """None when nobody of that name is in a partition of ours."""
        partition = partition_of(account_id)
        if not self._partitions.usable(partition):
            raise NotOwner(f"partition {partition} of {account_id} is not held here")
        if not self._books.ready(partition):
            raise Unavailable(f"partition {partition} of {account_id} is still being read")
        return self._board.seats.get(account_id)

    def _names(self) -> list[AccountId]:
        if self._sorted[0] != self._board.members:
            self._sorted = (self._board.members, sorted(self._board.seats))
        return self._sorted[1]
