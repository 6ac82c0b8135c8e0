"""The gRPC edge of the feed: decode, call, encode."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from paceline.adapters.wire.answers import session_to_wire
from paceline.adapters.wire.enums import SESSION_STATE
from paceline.adapters.wire.fields import required
from paceline.adapters.wire.pages import next_page_token, page_of
from paceline.adapters.wire.times import timestamp_of_ns
from paceline.api.v1 import feed_pb2, feed_pb2_grpc, session_pb2
from paceline.domain.errors import Invalid, NotFound, NotOwner
from paceline.domain.ids import AccountId
from paceline.domain.secret import Secret
from paceline.ports.sessions import Session, Sessions
from services.feed.login import LoginDesk
from services.feed.prices import PriceStreams
from services.feed.quoting import QuoteDesk
from services.feed.roster import Roster
from services.feed.streaming import EventStreams
from services.feed.tenure import Tenures


class FeedServicer(feed_pb2_grpc.FeedServiceServicer):
    def __init__(
        self,
        streams: EventStreams,
        prices: PriceStreams,
        quotes: QuoteDesk,
        roster: Roster,
        sessions: Sessions,
        desk: LoginDesk,
        tenures: Tenures,
        address: Callable[[], str],
    ) -> None:
        self._streams = streams
        self._prices = prices
        self._quotes = quotes
        self._roster = roster
        self._sessions = sessions
        self._desk = desk
        self._tenures = tenures
        self._address = address

    async def StreamEvents(
        self, request: feed_pb2.StreamEventsRequest, context: Any
    ) -> AsyncIterator[feed_pb2.StreamEventsResponse]:
        async for response in self._streams.stream(request):
            yield response

    async def StreamTicks(
        self, request_iterator: AsyncIterator[feed_pb2.StreamTicksRequest], context: Any
    ) -> AsyncIterator[feed_pb2.StreamTicksResponse]:
        async for response in self._prices.stream(request_iterator):
            yield response

    async def GetQuotes(self, request: feed_pb2.GetQuotesRequest, context: Any) -> feed_pb2.GetQuotesResponse:
        return await self._quotes.answer(request)

    async def GetSession(
        self, request: feed_pb2.FeedServiceGetSessionRequest, context: Any
    ) -> feed_pb2.FeedServiceGetSessionResponse:
        account_id = AccountId(required(request.account_id or request.session_id, "account_id"))
        return feed_pb2.FeedServiceGetSessionResponse(session=self._wire(await self._row(account_id)))

    async def ListSessions(
        self, request: feed_pb2.FeedServiceListSessionsRequest, context: Any
    ) -> feed_pb2.FeedServiceListSessionsResponse:
        states, page = SESSION_STATE.read_some(request.filter.states, "filter.states"), page_of(request)
        rows = await self._rows()
        chosen = sorted(
            (row for row in rows if (not states or row.state in states) and row.session_id > page.after),
            key=lambda row: row.session_id,
        )
        shown = chosen[: page.size]
        more = len(chosen) > page.size
        return feed_pb2.FeedServiceListSessionsResponse(
            sessions=[self._wire(row) for row in shown],
            next_page_token=next_page_token(request, shown[-1].session_id) if more else "",
        )

    async def ConnectSession(
        self, request: feed_pb2.FeedServiceConnectSessionRequest, context: Any
    ) -> feed_pb2.FeedServiceConnectSessionResponse:
        account_id = self._ours(request.account_id)
        await self._roster.join(account_id)
        return feed_pb2.FeedServiceConnectSessionResponse(session=self._wire(await self._row(account_id)))

    async def DisconnectSession(
        self, request: feed_pb2.FeedServiceDisconnectSessionRequest, context: Any
    ) -> feed_pb2.FeedServiceDisconnectSessionResponse:
        account_id = self._ours(request.account_id)
        await self._roster.part(account_id)
        return feed_pb2.FeedServiceDisconnectSessionResponse(session=self._wire(await self._row(account_id)))

    async def StartLogin(
        self, request: feed_pb2.FeedServiceStartLoginRequest, context: Any
    ) -> feed_pb2.FeedServiceStartLoginResponse:
        link = await self._desk.start(self._ours(request.account_id))
        return feed_pb2.FeedServiceStartLoginResponse(
            login_url=link.url, state=link.state, expire_time=timestamp_of_ns(link.expires_ns)
        )

    async def CompleteLogin(
        self, request: feed_pb2.FeedServiceCompleteLoginRequest, context: Any
    ) -> feed_pb2.FeedServiceCompleteLoginResponse:
        account_id = self._ours(request.account_id)
        match request.credential.WhichOneof("credential"):
            case "auth_code":
                code = Secret(required(request.credential.auth_code, "credential.auth_code"))
                row = await self._desk.complete_with_code(account_id, request.state, code)
            case "access_token":
                token = Secret(required(request.credential.access_token, "credential.access_token"))
                row = await self._desk.complete_with_token(account_id, token)
            case _:
                raise Invalid("credential", "must be an auth code or an access token")
        await self._roster.pardon(account_id)
        return feed_pb2.FeedServiceCompleteLoginResponse(session=self._wire(row))

    def _ours(self, account: str) -> AccountId:
        account_id = AccountId(required(account, "account_id"))
        if not self._tenures.usable(account_id):
            raise NotOwner(f"{account_id} is not held here")
        return account_id

    async def _rows(self) -> list[Session]:
        """Of the accounts whose sessions are held here."""
        shared = await self._sessions.in_partitions(self._tenures.partitions.held())
        elsewhere = self._tenures.pinned_elsewhere()
        pinned = await self._sessions.of_accounts(self._tenures.pinned_here())
        return [row for row in shared if not elsewhere.issuperset(row.accounts)] + list(pinned.values())

    async def _row(self, account_id: AccountId) -> Session:
        row = (await self._sessions.of_accounts([account_id])).get(account_id)
        if row is None:
            raise NotFound("session", account_id)
        return row

    def _wire(self, row: Session) -> session_pb2.Session:
        wire = session_to_wire(row)
        live = self._roster.get(row.accounts[0]) if row.accounts else None
        if live is not None and live.last_frame_ns:
            wire.last_frame_time.CopyFrom(timestamp_of_ns(live.last_frame_ns))
        if live is not None and live.last_books_ns:
            wire.last_books_time.CopyFrom(timestamp_of_ns(live.last_books_ns))
        wire.owner_address = self._address()
        return wire
