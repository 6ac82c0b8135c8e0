"""The leader and his followers: made at the broker, then at Paceline through its public door."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc

from paceline.api.v1 import (
    account_pb2,
    account_pb2_grpc,
    common_pb2,
    session_pb2,
    session_pb2_grpc,
    subscription_pb2,
    subscription_pb2_grpc,
)
from paceline.cli.demo.control import Control
from paceline.cli.demo.script import Habit

T = TypeVar("T")

_CASH = 50_000_000
_SECRET = "demo-secret"  # noqa: S105 - of the simulated broker
_APP = "DEMO-100"
_REDIRECT = "http://127.0.0.1/back"
_AT_ONCE = 24
_LIVE_S = 60.0
_LIVE_EACH_S = 0.1
_PAGE = 1_000
_SEGMENTS = (common_pb2.SEGMENT_CAPITAL_MARKET, common_pb2.SEGMENT_EQUITY_DERIVATIVES)


@dataclass(frozen=True, slots=True)
class People:
    leader_client: str
    leader_id: str
    follower_clients: tuple[str, ...]


class Registrar:
    """Makes accounts, logs them in, and subscribes followers; many calls at a time."""

    def __init__(self, channel: grpc.aio.Channel, control: Control) -> None:
        self._accounts = account_pb2_grpc.AccountServiceStub(channel)
        self._sessions = session_pb2_grpc.SessionServiceStub(channel)
        self._subscriptions = subscription_pb2_grpc.SubscriptionServiceStub(channel)
        self._control = control

    async def enrol(self, habits: Sequence[Habit], done: Callable[[], None], *, crowd: str = "") -> People:
        """`done` is called for every account that is set up; several crowds have names that differ."""
        (leader,) = await self.at_broker({"count": 1, "prefix": f"XL{crowd}", "watch": True})
        followers = await self.at_broker({"count": len(habits), "prefix": f"XF{crowd}"})
        app_id = await self.open_app()
        leader_id = await self.open_leader(leader["client_id"], app_id)
        done()

        async def enrol_one(number: int) -> None:
            await self._follower(followers[number], habits[number], app_id, leader_id)
            done()

        await together(enrol_one(number) for number in range(len(habits)))
        clients = tuple(follower["client_id"] for follower in followers)
        return People(leader["client_id"], leader_id, clients)

    async def enrolled(self) -> int:
        """Whether anyone was here before: how many accounts the first page shows."""
        page = await self._accounts.ListAccounts(account_pb2.ListAccountsRequest(page_size=1))
        return len(page.accounts)

    async def wait_until_live(self, people: People, reached: Callable[[int], None]) -> None:
        """Returns when every session is live; raises TimeoutError naming those that are not."""
        await self.wait_for_sessions(len(people.follower_clients) + 1, reached)

    async def wait_for_sessions(self, wanted: int, reached: Callable[[int], None]) -> None:
        """The same for so many accounts, whoever they are."""
        waiting: list[str] = []
        try:
            async with asyncio.timeout(_LIVE_S + wanted * _LIVE_EACH_S):
                while True:
                    sessions = await self.list_sessions()
                    waiting = [
                        f"{each.session_id}: {session_pb2.SessionState.Name(each.state)} {each.detail}"
                        for each in sessions
                        if each.state != session_pb2.SESSION_STATE_LIVE
                    ]
                    reached(len(sessions) - len(waiting))
                    if len(sessions) >= wanted and not waiting:
                        return
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise TimeoutError(f"{len(waiting)} sessions are not live, first {waiting[:3]}") from None

    async def list_sessions(self) -> list[session_pb2.Session]:
        """Every session there is."""
        found: list[session_pb2.Session] = []
        token = ""
        while True:
            page = await self._sessions.ListSessions(
                session_pb2.ListSessionsRequest(page_size=_PAGE, page_token=token)
            )
            found.extend(page.sessions)
            token = page.next_page_token
            if not token:
                return found

    async def at_broker(self, body: dict[str, object]) -> list[dict[str, Any]]:
        """Clients of the simulated broker, of the one app."""
        shared = {"app_id": _APP, "secret": _SECRET, "redirect_uri": _REDIRECT, "cash": _CASH}
        made: list[dict[str, Any]] = (await self._control.post("/accounts", shared | body))["accounts"]
        return made

    async def open_app(self) -> str:
        """The broker's app through which all of them log in; its name at Paceline."""
        app = account_pb2.BrokerApp(
            broker=common_pb2.BROKER_FYERS, app_id=_APP, app_secret=_SECRET, redirect_uri=_REDIRECT
        )
        made = await self._accounts.CreateBrokerApp(
            account_pb2.CreateBrokerAppRequest(request_id="demo-app", broker_app=app)
        )
        return made.broker_app.broker_app_id

    async def open_leader(self, client_id: str, app_id: str) -> str:
        account_id = await self.open_account(client_id, app_id, common_pb2.ACCOUNT_TYPE_STRATEGY_PROVIDER, "")
        await self.log_in(client_id, account_id)
        return account_id

    async def log_in(self, client_id: str, account_id: str) -> None:
        """As people do: the broker's page, a code, tokens."""
        link = await self._sessions.StartLogin(session_pb2.StartLoginRequest(account_id=account_id))
        code = (await self._control.post(f"/accounts/{client_id}/auth-code", {}))["auth_code"]
        await self._sessions.CompleteLogin(
            session_pb2.CompleteLoginRequest(
                account_id=account_id,
                state=link.state,
                credential=session_pb2.LoginCredential(auth_code=code),
            )
        )

    async def _follower(self, at_broker: dict[str, Any], habit: Habit, app_id: str, leader_id: str) -> None:
        account_id = await self.open_account(
            at_broker["client_id"], app_id, common_pb2.ACCOUNT_TYPE_COPY_FOLLOWER, at_broker["access_token"]
        )
        await self.follow(leader_id, account_id, habit)

    async def follow(self, leader_id: str, account_id: str, habit: Habit) -> None:
        """A subscription that is approved."""
        made = await self._subscriptions.CreateSubscription(
            subscription_pb2.CreateSubscriptionRequest(
                request_id=f"demo-subscription-{leader_id}-{account_id}",
                subscription=_subscription(leader_id, account_id, habit),
            )
        )
        subscription_id = made.subscription.subscription_id
        await self._subscriptions.ApproveSubscription(
            subscription_pb2.ApproveSubscriptionRequest(subscription_id=subscription_id)
        )
        if habit.paused:
            await self._subscriptions.PauseSubscription(
                subscription_pb2.PauseSubscriptionRequest(subscription_id=subscription_id)
            )

    async def open_account(
        self, client_id: str, app_id: str, type_: common_pb2.AccountType.ValueType, access_token: str
    ) -> str:
        """An account at Paceline, logged in where there is a token; its name."""
        account = account_pb2.Account(
            broker=common_pb2.BROKER_FYERS,
            client_id=client_id,
            type=type_,
            segments=_SEGMENTS,
            broker_app_id=app_id,
        )
        credentials = account_pb2.Credentials(access_token=access_token) if access_token else None
        made = await self._accounts.CreateAccount(
            account_pb2.CreateAccountRequest(
                request_id=f"demo-{client_id}", account=account, credentials=credentials
            )
        )
        return made.account.account_id


def _subscription(leader_id: str, follower_id: str, habit: Habit) -> subscription_pb2.Subscription:
    return subscription_pb2.Subscription(
        leader_id=leader_id,
        follower_id=follower_id,
        auto_copy=habit.auto_copy,
        mode=subscription_pb2.COPY_MODE_ON_FILL,
        sizing=subscription_pb2.Sizing(
            mode=subscription_pb2.SIZING_MODE_FIXED_RATIO, value=common_pb2.Decimal(value=str(habit.ratio))
        ),
        filters=subscription_pb2.Filters(
            blocked_instrument_ids=[habit.blocked] if habit.blocked else [],
        ),
        style=subscription_pb2.EXECUTION_STYLE_PROTECTED_LIMIT,
    )


async def together(work: Iterable[Awaitable[T]]) -> list[T]:
    """A few at a time, all of them."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(each: Awaitable[T]) -> T:
        async with room:
            return await each

    return list(await asyncio.gather(*(one(each) for each in work)))
