"""The crash: a leader with borrowed money falls, is warned, and is flattened with all who follow him."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

import grpc

from paceline.api.v1 import account_pb2, account_pb2_grpc, common_pb2, executor_pb2, risk_pb2
from paceline.cli.demo.control import Control
from paceline.cli.demo.crash_books import CrashBooks, Watched
from paceline.cli.demo.crash_judge import CrashVerdict, judge_crash
from paceline.cli.demo.crash_script import (
    LEVELS,
    LIQUIDATED,
    OTHERS_WARNED,
    QUANTITY,
    WARNED,
    Cast,
    Stand,
    cast,
    price_at,
)
from paceline.cli.demo.day import Day, traded_today
from paceline.cli.demo.mail import Mail, Mailbox
from paceline.cli.demo.people import People, Registrar, together
from paceline.cli.demo.risks import Risks
from paceline.cli.demo.run import CHANNEL, HEARD_S, DemoError, DemoOptions
from paceline.cli.demo.script import PRODUCT, Step
from paceline.cli.demo.show import Screen
from paceline.cli.stack import Stack

T = TypeVar("T")

FOLLOWERS = 10
ENVIRONMENT = {"PACELINE_FUNDS_INTERVAL_MS": "2000"}
"""So few accounts can be asked often; the warning of a person should not wait for a minute."""
WARNING, BEGUN, ENDED = "Margin warning", "Liquidation begun", "Liquidation ended"
_OTHER_QUANTITY = 10
_PATIENCE_S = 120.0
_LOOK_S = 0.1
_BREATH_S = 1.0
_NEAR = Decimal("0.5")


async def run_crash(stack: Stack, screen: Screen, options: DemoOptions) -> CrashVerdict:
    """Enrols, lets it fall and judges, on a stack that runs."""

    def heard(mail: Mail) -> None:
        screen.say(f"mail to {mail.to}: {mail.subject}")

    async with AsyncExitStack() as exits:
        control = await exits.enter_async_context(Control(stack.control_url))
        gateway = await exits.enter_async_context(grpc.aio.insecure_channel(stack.gateway, CHANNEL))
        channels = [grpc.aio.insecure_channel(each.address, CHANNEL) for each in stack.services.of("risk")]
        risks = Risks(gateway, [await exits.enter_async_context(each) for each in channels])
        box = await exits.enter_async_context(Mailbox(heard).open())
        return await Crash(stack, screen, options, control, gateway, risks, box).play()


@dataclass(slots=True)
class Crash:
    stack: Stack
    screen: Screen
    options: DemoOptions
    control: Control
    gateway: grpc.aio.Channel
    risks: Risks
    box: Mailbox
    by_hand: set[str] = field(default_factory=set)
    tick: Decimal = Decimal("0.05")
    price: Decimal = Decimal(0)
    moving: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def play(self) -> CrashVerdict:
        script = await self._cast()
        people, bystander = await self._enrol(script)
        async with self._trading(script.symbol):
            await self._enter(script, people, bystander)
            stand = await self._stand(people)
            began = datetime.now(UTC)
            for number, level in enumerate(LEVELS):
                fallen_ns = time.monotonic_ns()
                await self._move(script.symbol, price_at(level, stand, self.tick))
                await self._answered(number, level, script, people)
            await self._flattened(people)
            await Day(self.gateway, self.control, people).settle(_PATIENCE_S)
            await asyncio.sleep(HEARD_S)
        books = CrashBooks(self.gateway, self.control, self.risks)
        self.screen.say("the audit trail")
        await books.tell(began, self.screen.line)
        crew = {people.leader_client, *people.follower_clients}
        expected = {WARNING: {people.leader_client, *_tight(script, people)}, BEGUN: crew, ENDED: crew}
        mails = {
            subject: [client for client in (*crew, bystander) for _ in range(self._mailed(subject, client))]
            for subject in expected
        }
        watched = Watched(script.symbol, self.options.seed, crew, self.by_hand, mails, expected, fallen_ns)
        return judge_crash(await books.evidence(watched))

    async def _cast(self) -> Cast:
        traded = await traded_today(self.control)
        names = ",".join(each.symbol for each in traded)
        quotes = (await self.control.get("/quotes", symbols=names))["quotes"]
        self.tick = max(Decimal(str(each["tick"])) for each in quotes)
        last = {each["symbol"]: Decimal(str(each["ltp"])) for each in quotes}
        return cast(self.options.seed, self.options.followers, traded, last, self.tick)

    async def _enrol(self, script: Cast) -> tuple[People, str]:
        """The people of the demo, and somebody whom all this does not concern."""
        registrar, everybody = Registrar(self.gateway, self.control), len(script.followers) + 2
        if await registrar.enrolled():
            raise DemoError("the named database holds accounts already; the demo wants an empty one")
        enrolling = self.screen.begin("accounts enrolled", everybody)
        people = await registrar.enrol(
            [each.habit for each in script.followers], lambda: self.screen.advance(enrolling)
        )
        (at_broker,) = await registrar.at_broker({"client_id": "XB00001"})
        bystander = str(at_broker["client_id"])
        app_id = await registrar.open_app()
        token = at_broker["access_token"]
        await registrar.open_account(bystander, app_id, common_pb2.ACCOUNT_TYPE_LIVE, token)
        self.screen.advance(enrolling)
        money = dict(zip(people.follower_clients, (each.cash for each in script.followers), strict=True))
        for client, cash in {people.leader_client: script.leader_cash, **money}.items():
            await self.control.patch(f"/accounts/{client}", {"cash": float(cash)})
        await together(self._target(client) for client in (*money, people.leader_client, bystander))
        live = self.screen.begin("sessions live", everybody)
        await registrar.wait_for_sessions(everybody, lambda count: self.screen.reach(live, count))
        await asyncio.sleep(HEARD_S)
        return people, bystander

    async def _target(self, client: str) -> None:
        """His alerts go to his mailbox here."""
        target = account_pb2.NotificationTarget(
            account_id=account_id(client), url=self.box.url(client), display_name="mail"
        )
        await account_pb2_grpc.AccountServiceStub(self.gateway).CreateNotificationTarget(
            account_pb2.CreateNotificationTargetRequest(
                request_id=f"demo-target-{client}", notification_target=target
            ),
            timeout=_PATIENCE_S,  # the first one waits until everything that Apprise can is loaded
        )

    @asynccontextmanager
    async def _trading(self, symbol: str) -> AsyncIterator[None]:
        """Meanwhile the market is told again and again: a price that nobody repeats grows old."""

        async def breathe() -> None:
            while True:
                await asyncio.sleep(_BREATH_S)
                if self.price:
                    await self._move(symbol, self.price)

        task = asyncio.create_task(breathe())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _move(self, symbol: str, price: Decimal) -> None:
        async with self.moving:
            await self.control.post("/prices", {"prices": {symbol: float(price)}})
            self.price = price

    async def _enter(self, script: Cast, people: People, bystander: str) -> None:
        """The leader buys and is copied; one follower and the bystander hold something of their own."""
        await self._move(script.symbol, script.price)
        await self._hand(people.follower_clients[0], script.other, _OTHER_QUANTITY)
        await self._hand(bystander, script.symbol, _OTHER_QUANTITY)
        day = Day(self.gateway, self.control, people)
        done = await day.trade(1, Step(script.symbol, 1, QUANTITY))
        self.screen.step(done)

    async def _hand(self, client: str, symbol: str, quantity: int) -> None:
        """Bought by a person at the broker."""
        wanted = {"client_id": client, "symbol": symbol, "side": 1, "qty": quantity, "product": PRODUCT}
        made = await self.control.post("/trades", wanted)
        self.by_hand.add(made["order"]["id"])

    async def _stand(self, people: People) -> Stand:
        """How the leader stands by funds that were read after he bought, once everybody is judged calm."""
        bought_s = time.time()
        crew = [account_id(each) for each in (people.leader_client, *people.follower_clients)]

        async def judged() -> risk_pb2.Portfolio | None:
            found = await self.risks.portfolios()
            calm = all(
                each in found
                and found[each].positions
                and found[each].state == risk_pb2.RISK_STATE_NORMAL
                and found[each].funds_time.ToNanoseconds() / 1e9 > bought_s
                and Decimal(found[each].used_margin.value or "0") > 0
                for each in crew
            )
            return found[crew[0]] if calm else None

        leader = await self._until(judged, "the accounts are not judged calm")
        equity, margin = Decimal(leader.equity.value), Decimal(leader.used_margin.value)
        self.screen.line(f"the leader stands at a margin level of {equity / margin * 100:.1f} %")
        return Stand(equity, margin, self.price, Decimal(QUANTITY))

    async def _answered(self, number: int, level: Decimal, script: Cast, people: People) -> None:
        """Until the platform has seen how far it fell, and told whom it concerns."""
        leader = account_id(people.leader_client)

        async def seen() -> str:
            if number == LIQUIDATED:
                wanted = [each for each in await self.risks.liquidations() if each.account_id == leader]
                return wanted[0].margin_level_percent.value if wanted else ""
            now = (await self.risks.portfolios())[leader].margin_level_percent.value
            return now if now and Decimal(now) <= level + _NEAR else ""

        at = await self._until(seen, f"the leader is not seen at a margin level of {level} %")
        self.screen.line(
            f"{script.symbol} falls to {self.price:,.2f}: the leader's margin level is {Decimal(at):.1f} %"
        )
        if number == WARNED:
            await self._until_mailed(WARNING, [people.leader_client])
        if number == OTHERS_WARNED:
            await self._until_mailed(WARNING, _tight(script, people))

    async def _flattened(self, people: People) -> None:
        """Until every liquidation is done and told. What is not by then is the verdict's to say."""
        crew = [people.leader_client, *people.follower_clients]
        flattening = self.screen.begin("accounts flat", len(crew))

        async def done() -> bool:
            found = await self.risks.liquidations()
            flat = sum(each.state == executor_pb2.LIQUIDATION_STATE_DONE for each in found)
            self.screen.reach(flattening, flat)
            return flat >= len(crew)

        try:
            await self._until(done, "the liquidations are not done")
            await self._until_mailed(ENDED, crew)
        except TimeoutError as problem:
            self.screen.line(str(problem))

    async def _until_mailed(self, subject: str, clients: Sequence[str]) -> None:
        async def arrived() -> bool:
            return all(self._mailed(subject, client) for client in clients)

        await self._until(arrived, f'no mail "{subject}" arrived for somebody')

    def _mailed(self, subject: str, client: str) -> int:
        return self.box.counted(subject)[self.box.address(client)]

    async def _until(self, look: Callable[[], Awaitable[T | None]], problem: str) -> T:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while not (found := await look()):
                    self.stack.check()
                    await asyncio.sleep(_LOOK_S)
                return found
        except TimeoutError:
            raise TimeoutError(f"{problem}, within {_PATIENCE_S:.0f} s") from None


def account_id(client: str) -> str:
    return f"fyers:{client}"


def _tight(script: Cast, people: People) -> list[str]:
    """Followers who have as little to spare as their leader."""
    both = zip(people.follower_clients, script.followers, strict=True)
    return [client for client, follower in both if follower.tight]
