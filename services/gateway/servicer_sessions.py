"""The gRPC edge of sessions: what the feed does goes to the feed that owns the account."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from paceline.adapters.wire.answers import session_to_wire
from paceline.adapters.wire.enums import ACCOUNT_TYPE, BROKER, SESSION_STATE
from paceline.adapters.wire.fields import within
from paceline.api.v1 import feed_pb2, session_pb2, session_pb2_grpc
from paceline.domain.errors import Invalid, NotFound
from paceline.domain.ids import AccountId
from paceline.ports.accounts import GroupId
from paceline.ports.sessions import Session
from paceline.ports.views import SessionFilter, Views
from paceline.runtime.paging import only_order, paged
from paceline.runtime.sound import require_sound, sound_name
from services.gateway.feed_door import Ask, FeedDoor
from services.gateway.once import Deed, Done, Once

A = TypeVar("A", bound=Message)
F = TypeVar("F")


class SessionServicer(session_pb2_grpc.SessionServiceServicer):
    def __init__(self, once: Once, views: Views, door: FeedDoor) -> None:
        self._once = once
        self._views = views
        self._door = door

    async def GetSession(
        self, request: session_pb2.GetSessionRequest, context: Any
    ) -> session_pb2.GetSessionResponse:
        account_id = await self._account_of(request)
        asked = feed_pb2.FeedServiceGetSessionRequest(account_id=account_id)
        answer = await self._door.ask(
            account_id, lambda feed: feed.GetSession(asked, timeout=context.time_remaining())
        )
        return session_pb2.GetSessionResponse(session=_public(answer.session))

    async def ListSessions(
        self, request: session_pb2.ListSessionsRequest, context: Any
    ) -> session_pb2.ListSessionsResponse:
        only_order(request.order_by, "session_id")
        which = within("filter", _filter_of, request.filter)

        async def fetch(after: str, limit: int) -> Sequence[Session]:
            return await self._views.sessions(which, after, limit)

        sessions, token = await paged(request, fetch, lambda session: session.session_id)
        return session_pb2.ListSessionsResponse(
            sessions=[session_to_wire(session) for session in sessions], next_page_token=token
        )

    async def ConnectSession(
        self, request: session_pb2.ConnectSessionRequest, context: Any
    ) -> session_pb2.ConnectSessionResponse:
        asked = feed_pb2.FeedServiceConnectSessionRequest(
            request_id=request.request_id, account_id=request.account_id
        )

        def encode(
            answer: feed_pb2.FeedServiceConnectSessionResponse,
        ) -> session_pb2.ConnectSessionResponse:
            return session_pb2.ConnectSessionResponse(session=_public(answer.session))

        return await self._forward(
            request,
            context,
            session_pb2.ConnectSessionResponse,
            "connect",
            lambda feed: feed.ConnectSession(asked, timeout=context.time_remaining()),
            encode,
        )

    async def DisconnectSession(
        self, request: session_pb2.DisconnectSessionRequest, context: Any
    ) -> session_pb2.DisconnectSessionResponse:
        asked = feed_pb2.FeedServiceDisconnectSessionRequest(
            request_id=request.request_id, account_id=request.account_id, reason=request.reason
        )

        def encode(
            answer: feed_pb2.FeedServiceDisconnectSessionResponse,
        ) -> session_pb2.DisconnectSessionResponse:
            return session_pb2.DisconnectSessionResponse(session=_public(answer.session))

        return await self._forward(
            request,
            context,
            session_pb2.DisconnectSessionResponse,
            "disconnect",
            lambda feed: feed.DisconnectSession(asked, timeout=context.time_remaining()),
            encode,
            cause=request.reason,
        )

    async def StartLogin(
        self, request: session_pb2.StartLoginRequest, context: Any
    ) -> session_pb2.StartLoginResponse:
        asked = feed_pb2.FeedServiceStartLoginRequest(
            request_id=request.request_id, account_id=request.account_id
        )

        def encode(answer: feed_pb2.FeedServiceStartLoginResponse) -> session_pb2.StartLoginResponse:
            return session_pb2.StartLoginResponse(
                login_url=answer.login_url, state=answer.state, expire_time=answer.expire_time
            )

        return await self._forward(
            request,
            context,
            session_pb2.StartLoginResponse,
            "start_login",
            lambda feed: feed.StartLogin(asked, timeout=context.time_remaining()),
            encode,
        )

    async def CompleteLogin(
        self, request: session_pb2.CompleteLoginRequest, context: Any
    ) -> session_pb2.CompleteLoginResponse:
        asked = feed_pb2.FeedServiceCompleteLoginRequest(
            request_id=request.request_id,
            account_id=request.account_id,
            state=request.state,
            credential=request.credential,
        )

        def encode(
            answer: feed_pb2.FeedServiceCompleteLoginResponse,
        ) -> session_pb2.CompleteLoginResponse:
            return session_pb2.CompleteLoginResponse(session=_public(answer.session))

        return await self._forward(
            request,
            context,
            session_pb2.CompleteLoginResponse,
            "complete_login",
            lambda feed: feed.CompleteLogin(asked, timeout=context.time_remaining()),
            encode,
            repeatable=False,
        )

    async def _forward(
        self,
        request: Any,
        context: Any,
        kind: type[A],
        action: str,
        ask: Ask[F],
        encode: Callable[[F], A],
        *,
        cause: str = "",
        repeatable: bool = True,
    ) -> A:
        account_id = AccountId(sound_name(request.account_id, "account_id"))
        deed = Deed(f"session.{action}", "account", account_id, cause)

        async def work() -> Done[A]:
            await self._views.account(account_id)
            return Done(encode(await self._door.ask(account_id, ask, repeatable=repeatable)), deed)

        return await self._once.forward(request, context, kind, work)

    async def _account_of(self, request: session_pb2.GetSessionRequest) -> AccountId:
        require_sound(request)
        match request.WhichOneof("target"):
            case "account_id":
                return AccountId(sound_name(request.account_id, "account_id"))
            case "session_id":
                session = await self._views.session(sound_name(request.session_id, "session_id"))
                if not session.accounts:
                    raise NotFound("account of session", session.session_id)
                return session.accounts[0]
            case _:
                raise Invalid("target", "must be one of session_id, account_id")


def _public(session: session_pb2.Session) -> session_pb2.Session:
    """Without what only services may see."""
    shown = session_pb2.Session()
    shown.CopyFrom(session)
    shown.ClearField("sealed_state")
    return shown


def _filter_of(wire: session_pb2.SessionFilter) -> SessionFilter:
    return SessionFilter(
        broker=BROKER.read(wire.broker, "broker") if wire.broker else None,
        states=SESSION_STATE.read_some(wire.states, "states"),
        type=ACCOUNT_TYPE.read(wire.account_type, "account_type") if wire.account_type else None,
        accounts=frozenset(AccountId(each) for each in wire.account_ids),
        group=GroupId(wire.account_group_id) if wire.account_group_id else None,
    )
