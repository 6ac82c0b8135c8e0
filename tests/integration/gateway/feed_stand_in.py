"""A feed that only answers for sessions, and refuses as often as a test wants it to."""

from collections.abc import Callable
from typing import Any

from paceline.api.v1 import feed_pb2, feed_pb2_grpc, session_pb2

LOGIN_URL = "https://broker.example.com/login"
STATE = "sealed-state"


class FeedStandIn(feed_pb2_grpc.FeedServiceServicer):
    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.refusals: list[Exception] = []
        """Raised first, one a call."""
        self.before_refusing: Callable[[], None] = lambda: None

    async def GetSession(  # noqa: N802 - the interface's name
        self, request: feed_pb2.FeedServiceGetSessionRequest, context: Any
    ) -> feed_pb2.FeedServiceGetSessionResponse:
        return feed_pb2.FeedServiceGetSessionResponse(session=self._session(request))

    async def ConnectSession(  # noqa: N802
        self, request: feed_pb2.FeedServiceConnectSessionRequest, context: Any
    ) -> feed_pb2.FeedServiceConnectSessionResponse:
        return feed_pb2.FeedServiceConnectSessionResponse(session=self._session(request))

    async def DisconnectSession(  # noqa: N802
        self, request: feed_pb2.FeedServiceDisconnectSessionRequest, context: Any
    ) -> feed_pb2.FeedServiceDisconnectSessionResponse:
        return feed_pb2.FeedServiceDisconnectSessionResponse(session=self._session(request))

    async def StartLogin(  # noqa: N802
        self, request: feed_pb2.FeedServiceStartLoginRequest, context: Any
    ) -> feed_pb2.FeedServiceStartLoginResponse:
        self._session(request)
        return feed_pb2.FeedServiceStartLoginResponse(login_url=LOGIN_URL, state=STATE)

    async def CompleteLogin(  # noqa: N802
        self, request: feed_pb2.FeedServiceCompleteLoginRequest, context: Any
    ) -> feed_pb2.FeedServiceCompleteLoginResponse:
        return feed_pb2.FeedServiceCompleteLoginResponse(session=self._session(request))

    def _session(self, request: Any) -> session_pb2.Session:
        self.asked.append(request)
        if self.refusals:
            self.before_refusing()
            raise self.refusals.pop(0)
        session = session_pb2.Session(
            session_id=request.account_id,
            account_ids=[request.account_id],
            state=session_pb2.SESSION_STATE_LIVE,
        )
        session.sealed_state.sealed = b"only for services"
        return session
