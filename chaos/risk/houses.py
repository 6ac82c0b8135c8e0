"""One house: its people, and how a round of it goes."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import grpc

from chaos.risk.books import RiskBooks, account_of
from chaos.risk.laws import LIQUIDATION_LINE, WARNING_LINE, Book, Crossing, Stand, Vain
from chaos.risk.market import Market
from chaos.risk.rounds import RATIOS, RICH, Kind, Round, side
from chaos.stage import Stage
from paceline.api.v1 import account_pb2, account_pb2_grpc
from paceline.cli.demo.people import People
from paceline.cli.demo.script import PRODUCT
from paceline.domain.errors import Unavailable

PATIENCE_S = 90.0
"""Faults last for a few seconds each, and kills are ten apart: what takes longer does not come any more."""
_ENTRY_S = 30.0
"""Entries may be given up by name; exits may not."""
_LOOK_S = 0.25
_CALM = Decimal(60)
"""Who did not come to hold enough of what falls would be below the first line before it falls."""
_PLENTY = Decimal(50_000_000)
_OWN = 7
"""What one who follows and one who does not hold in the symbol by their own hand."""
_ASIDE = 5
"""What two who follow hold of something else."""
_REST_AT = Decimal("-0.1")


@dataclass(slots=True)
class House:
    number: int
    symbol: str
    aside: str
    people: People
    bystander: str
    stage: Stage
    books: RiskBooks
    market: Market
    crossings: list[Crossing] = field(default_factory=list)
    stands: list[Stand] = field(default_factory=list)
    vain: list[Vain] = field(default_factory=list)
    cash: dict[str, Decimal] = field(default_factory=dict)
    own: dict[str, int] = field(default_factory=dict)
    """What who holds in the symbol by his own hand."""

    @property
    def leader(self) -> str:
        return self.people.leader_client

    @property
    def followers(self) -> tuple[str, ...]:
        return self.people.follower_clients

    @property
    def crew(self) -> tuple[str, ...]:
        return self.leader, *self.followers, self.bystander

    @property
    def side(self) -> int:
        return side(self.number)

    async def play(self, one: Round) -> bool:
        """From nothing copied to nothing copied. False once something never came: what is done then is
        nobody's to judge.
        """
        self.stage.note("round", house=self.number, of=one.kind.value, plunges=one.plunges)
        await self._furnish()
        await self._trade(self.leader, self.symbol, self.side, one.quantity)
        await self._entered(one.quantity)
        await asyncio.sleep(one.pauses_s[0])
        for _ in range(2 if one.kind is Kind.NOBODY else 1):
            await self._cross(one)
            if self.vain:
                return False
        await self._money(dict.fromkeys(self.crew, _PLENTY))
        if one.kind is not Kind.LEADER:
            await self._leave(one.quantity)
        await self._let_go_on()
        return not self.vain

    # -- the parts of a round

    async def _furnish(self) -> None:
        """Everybody has plenty, and his own again."""
        await self._money(dict.fromkeys(self.crew, _PLENTY))
        books = await self._books()
        self.own = dict.fromkeys(self.crew, 0)
        for client in (self.followers[1], self.bystander):
            self.own[client] = self.side * _OWN
            if not books[client].nets.get(self.symbol):
                await self._trade(client, self.symbol, self.side, _OWN)
        for client in self.followers[:2]:
            if not books[client].nets.get(self.aside):
                await self._trade(client, self.aside, 1, _ASIDE)
        for client in (self.leader, *self.followers[1:3]):
            if not books[client].working:
                await self._rest(client)

    async def _entered(self, quantity: int) -> None:
        """As far as it goes: what was given up has its name."""
        due = self._due(quantity)

        async def copied() -> bool:
            books = await self._books()
            return all(books[each].nets.get(self.symbol, 0) == due[each] for each in self.followers)

        await self._within(_ENTRY_S, copied)
        await self._until(self._nothing_open, "the end of every copy")

    async def _cross(self, one: Round) -> None:
        """The price goes against everyone, step by step; who must be warned, or flat, is waited for."""
        against = [self.market.away(self.symbol, -self.side * depth) for depth in one.depths]
        prices = [self.market.prices | {self.symbol: price} for price in against]
        await self._cushion(one, prices[-1])
        await asyncio.sleep(one.pauses_s[1])
        before, began_ns = await self._books(), time.time_ns()
        falling = {each for each in self.crew if before[each].level(prices[-1]) <= LIQUIDATION_LINE}
        drawn_in = frozenset(self.followers) if self.leader in falling else frozenset[str]()
        for step, price in enumerate(prices):
            await self.market.move({self.symbol: price[self.symbol]})
            deepest = step == len(prices) - 1
            low = {each for each in self.crew if before[each].level(price) <= WARNING_LINE}
            await self._all_warned(low - drawn_in if deepest and falling else low, began_ns)
            if not deepest:
                await asyncio.sleep(one.pauses_s[2])
        await self._until(lambda: self._flat(falling - drawn_in, drawn_in), "flat books")
        await self._until(self._none_running, "the end of every liquidation")
        after, ended_ns = await self._books(), time.time_ns()
        self.crossings.append(
            Crossing(
                house=self.number,
                symbol=self.symbol,
                leader=self.leader,
                followers=self.followers,
                others=(self.bystander,),
                own=dict(self.own),
                before=before,
                after=after,
                prices=prices,
                began_ns=began_ns,
                ended_ns=ended_ns,
            )
        )
        await self.market.move({self.symbol: self.market.base[self.symbol]})
        if not falling:
            await self._until(self._all_calm, "calm after a dip")

    async def _leave(self, quantity: int) -> None:
        """The leader adds and leaves; who was liquidated meanwhile stays out."""
        fallen = {each for each in self.followers if self.crossings[-1].falls(each)}
        more = quantity // 2
        await self._trade(self.leader, self.symbol, self.side, more)
        await self._entered_beside(quantity + more, fallen)
        await self._trade(self.leader, self.symbol, -self.side, quantity + more)
        staying = [each for each in self.followers if each not in fallen]

        async def left() -> bool:
            books = await self._books()
            return all(books[each].nets.get(self.symbol, 0) == self.own[each] for each in staying)

        await self._until(left, "the exits of copies")
        await self._until(self._nothing_open, "the end of every copy")
        await self._stand(dict.fromkeys(fallen, 0) | {each: self.own[each] for each in staying})

    async def _entered_beside(self, quantity: int, fallen: Collection[str]) -> None:
        due = self._due(quantity)

        async def copied() -> bool:
            books = await self._books()
            others = [each for each in self.followers if each not in fallen]
            return all(books[each].nets.get(self.symbol, 0) == due[each] for each in others)

        await self._within(_ENTRY_S, copied)
        await self._until(self._nothing_open, "the end of every copy")
        await self._stand(dict.fromkeys(fallen, 0))

    async def _let_go_on(self) -> None:
        """A person unfreezes whoever was liquidated."""
        accounts = account_pb2_grpc.AccountServiceStub(self.stage.channel)

        async def thawed() -> bool:
            for client in await self.books.frozen(self.crew):
                request_id = f"chaos-unfreeze-{client}-{len(self.crossings)}"
                await accounts.UnfreezeAccount(
                    account_pb2.UnfreezeAccountRequest(
                        request_id=request_id, account_id=account_of(client), reason="it is flat"
                    )
                )
            return not await self.books.frozen(self.crew)

        await self._until(thawed, "an account that can be unfrozen")
        await self._until(self._all_calm, "calm after a liquidation")

    # -- what is done at the broker

    async def _cushion(self, one: Round, deepest: Mapping[str, Decimal]) -> None:
        """Money such that everyone comes to his level at the deepest price, and stands well above now."""
        levels = dict(zip(self.crew, (*one.levels, RICH), strict=True))
        money = {}
        for client, book in (await self._books()).items():
            if not book.used:
                continue
            fall = (book.equity(self.market.prices) - book.equity(deepest)) / book.used * 100
            level = levels[client] if levels[client] + fall >= _CALM else RICH
            money[client] = self.cash[client] + book.used * level / 100 - book.equity(deepest)
        await self._money(money)

    async def _money(self, cash: Mapping[str, Decimal]) -> None:
        for client, amount in cash.items():
            await self.stage.control.patch(f"/accounts/{client}", {"cash": round(float(amount), 2)})
        self.cash |= cash

    async def _trade(self, client: str, symbol: str, side_: int, quantity: int) -> None:
        body = {"client_id": client, "symbol": symbol, "side": side_, "qty": quantity, "product": PRODUCT}
        await self.stage.control.post("/trades", body)

    async def _rest(self, client: str) -> None:
        """An order that nobody will take."""
        limit = float(self.market.away(self.aside, _REST_AT))
        body = {"client_id": client, "symbol": self.aside, "side": 1, "qty": _ASIDE, "product": PRODUCT}
        await self.stage.control.post("/orders", body | {"type": "LIMIT", "limit": limit})

    # -- what is looked at

    def _due(self, quantity: int) -> dict[str, int]:
        """What a follower holds of so much of the leader's, beside his own."""
        both = zip(self.followers, RATIOS, strict=True)
        return {each: self.own[each] + self.side * int(quantity * ratio) for each, ratio in both}

    async def _books(self) -> dict[str, Book]:
        return await self.books.books(self.crew)

    async def _stand(self, due: Mapping[str, int]) -> None:
        books = await self._books()
        held = {each: books[each].nets.get(self.symbol, 0) for each in due}
        self.stands.append(Stand(self.symbol, held, due, time.time_ns()))

    async def _flat(self, whole: Iterable[str], copies: Iterable[str]) -> bool:
        books = await self._books()
        return not any(books[each].nets or books[each].working for each in whole) and all(
            books[each].nets.get(self.symbol, 0) in (0, self.own[each]) for each in copies
        )

    async def _all_warned(self, clients: Collection[str], since_ns: int) -> None:
        async def warned() -> bool:
            return not set(clients) - await self.books.warned(clients, since_ns)

        await self._until(warned, "warnings")

    async def _none_running(self) -> bool:
        return not await self.books.running(self.crew)

    async def _nothing_open(self) -> bool:
        return not await self.books.open_rows(self.crew)

    async def _all_calm(self) -> bool:
        return not await self.books.not_calm(self.crew)

    async def _until(self, look: Callable[[], Awaitable[bool]], words: str) -> None:
        if not await self._within(PATIENCE_S, look):
            self.vain.append(Vain(self.number, words, time.time_ns()))
            self.stage.note("in_vain", house=self.number, waited=words)

    async def _within(self, seconds: float, look: Callable[[], Awaitable[bool]]) -> bool:
        """Whether it came; what cannot be asked now is asked again."""
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            try:
                if await look():
                    return True
            except (Unavailable, grpc.RpcError):
                pass
            await asyncio.sleep(_LOOK_S)
        return False
