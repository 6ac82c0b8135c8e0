"""An account with positions and orders, a liquidation of it, and the broker's own books as the judge."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import aiohttp
import grpc
import grpc.aio

from paceline.adapters.postgres.audit import PostgresAudit
from paceline.adapters.postgres.instruments import PostgresInstruments
from paceline.adapters.postgres.ledgers import append_lines, load_ledgers
from paceline.adapters.postgres.liquidations import PostgresLiquidations
from paceline.adapters.postgres.settlement import PostgresSettlement
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.api.v1 import executor_pb2, executor_pb2_grpc
from paceline.domain.account import Broker
from paceline.domain.copy_order import Intent
from paceline.domain.ids import AccountId, EventIdentity, InstrumentId, LiquidationId, SubscriptionId, Tag
from paceline.domain.instrument import InstrumentKey
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry
from paceline.domain.liquidation import LiquidationState
from paceline.domain.order import Fill
from paceline.domain.partitioning import partition_of
from paceline.ports.broker import Listing
from services.executor.settle import News, Settling
from simulator.orders import Order, Trade
from tests.contract.brokers.venue import Control
from tests.integration.executor.world import LEADER, PATIENCE_S, SHARE, World, a_world, until
from tests.unit.domain.given import KEY, d, fill, subscription

SECOND = replace(SHARE, instrument_id=InstrumentId("NSE:TCS-EQ"))


@dataclass
class Stage:
    world: World
    control: Control
    follower: AccountId
    name: SubscriptionId
    liquidations: PostgresLiquidations

    @property
    def client(self) -> str:
        return self.follower.partition(":")[2]

    async def trade(self, signed: int, symbol: str = SHARE.instrument_id, product: str = "INTRADAY") -> None:
        """By hand at the broker."""
        side = 1 if signed > 0 else -1
        await self.control.post(
            "/trades", client_id=self.client, symbol=symbol, side=side, qty=abs(signed), product=product
        )

    async def rest(self, signed: int, limit: float) -> str:
        """An order of a person's hand, far from the market."""
        answer = await self.control.post(
            "/orders",
            client_id=self.client,
            symbol=SHARE.instrument_id,
            side=1 if signed > 0 else -1,
            qty=abs(signed),
            product="INTRADAY",
            type="LIMIT",
            limit=limit,
        )
        return str(answer["order"]["id"])

    def net(self) -> dict[str, int]:
        """What is held by the simulator's own books."""
        positions = self.world.sim.face.clients[self.client].account.positions.values()
        return {each.instrument.symbol: each.net for each in positions if each.net}

    def ours(self) -> list[Order]:
        """Orders of liquidations, in the order they came."""
        return [each for each in self.world.books() if each.tag.startswith("PL")]

    def open(self) -> list[Order]:
        orders = self.world.sim.face.clients[self.client].account.orders.values()
        return [each for each in orders if each.is_working]

    def sold(self) -> dict[str, int]:
        """What liquidations traded, by symbol, signed."""
        sums: dict[str, int] = {}
        for each in self.ours():
            symbol = each.instrument.symbol
            sums[symbol] = sums.get(symbol, 0) + int(each.side) * each.filled
        return {symbol: signed for symbol, signed in sums.items() if signed}

    def request(self, name: str = "liq-1", **fields: object) -> executor_pb2.LiquidateRequest:
        scope = {} if "subscription_id" in fields else {"whole_account": True}
        return executor_pb2.LiquidateRequest(
            liquidation_id=name,
            account_id=self.follower,
            cause=executor_pb2.LIQUIDATION_CAUSE_MARGIN,
            reason="the margin level fell to 8 %",
            **{**scope, **fields},  # type: ignore[arg-type]  # fields of the message
        )

    async def liquidate(self, name: str = "liq-1", **fields: object) -> list[executor_pb2.LiquidationStep]:
        """Until it is done; its steps. A lease that was lost meanwhile is no end: it is asked for again."""
        async with asyncio.timeout(3 * PATIENCE_S):
            while True:
                address = await self.world.owner_of(partition_of(self.follower))
                async with grpc.aio.insecure_channel(address) as channel:
                    stub = executor_pb2_grpc.ExecutorServiceStub(channel)
                    try:
                        return [each.step async for each in stub.Liquidate(self.request(name, **fields))]
                    except grpc.aio.AioRpcError as error:
                        if error.code() is not grpc.StatusCode.UNAVAILABLE:
                            raise

    async def begin(self, name: str = "liq-1", **fields: object) -> None:
        """Only asked for: whoever asked goes away after the first step."""
        address = await self.world.owner_of(partition_of(self.follower))
        async with grpc.aio.insecure_channel(address) as channel:
            call = executor_pb2_grpc.ExecutorServiceStub(channel).Liquidate(self.request(name, **fields))
            async for _ in call:
                break
            call.cancel()
            with suppress(asyncio.CancelledError):
                await call.code()

    async def state(self, name: str = "liq-1") -> LiquidationState:
        return (await self.liquidations.get(LiquidationId(name))).state

    async def until_state(self, state: LiquidationState) -> None:
        """Many steps on a slow machine: with patience for all of them."""

        async def look() -> bool:
            return await self.state() is state

        await until(look, f"the liquidation is {state}", seconds=3 * PATIENCE_S)

    async def account_state(self) -> str:
        state = "SELECT state FROM accounts WHERE account_id = $1"
        return str(await self.world.database.value(state, self.follower))

    async def acts(self, beginning: str = "liquidation.") -> list[str]:
        page = await PostgresAudit(self.world.database).page(limit=500)
        return [each.action for each in reversed(page) if each.action.startswith(beginning)]

    async def holds(self, quantity: int, key: InstrumentKey = KEY) -> None:
        """By copies, as the ledger has it."""
        moves = (EntryKind.IDEAL, EntryKind.PLANNED, EntryKind.FILLED)
        lines = [LedgerEntry(self.name, key, kind, Intent.ENTRY, d(quantity), "before") for kind in moves]
        async with self.world.database.transaction() as transaction:
            await append_lines(transaction, lines)

    async def banded(self, lower: float, upper: float) -> None:
        """What may be traded today, as the morning's master tells it."""
        share = replace(SHARE, lower_band=d(str(lower)), upper_band=d(str(upper)))
        listing = Listing(share, "101000000003045")
        await PostgresInstruments(self.world.database).save(Broker.FYERS, [listing], datetime.now(UTC).date())

    async def tell_fills(self) -> None:
        """What the account's own session tells of orders of ours; once by trade."""
        account = self.world.sim.face.clients[self.client].account
        partition = partition_of(self.follower)
        rows = "SELECT epoch FROM leases WHERE service = 'executor' AND partition = $1"
        epoch = await self.world.database.value(rows, partition)
        news = [
            News(
                partition,
                self.follower,
                Tag(trade.order.tag),
                _fill(self.follower, trade),
                EventIdentity(f"t{trade.number}"),
            )
            for trade in account.trades
            if trade.order.tag
        ]
        settling = Settling(news, {SHARE.instrument_id: SHARE}, 0)
        settlement = PostgresSettlement(self.world.database)
        await settlement.settle({partition: epoch}, {}, [each.tag for each in news], settling)

    async def ledger(self) -> Ledger:
        return (await load_ledgers(self.world.database, [self.name], KEY))[self.name, KEY]


def _fill(account_id: AccountId, trade: Trade) -> Fill:
    return replace(
        fill(trade.qty * int(trade.order.side), trade=str(trade.number), order=trade.order.id),
        account_id=account_id,
        price=d(trade.price) / 100,
        tag=trade.order.tag,
    )


@asynccontextmanager
async def a_stage(postgres_url: str, redis_url: str) -> AsyncIterator[Stage]:
    async with a_world(postgres_url, redis_url, 1) as world, aiohttp.ClientSession() as http:
        (follower,) = world.followers
        name = SubscriptionId(f"s-{follower}")
        await world.account(LEADER)
        follows = replace(subscription(name=name, follower=follower), leader=LEADER)
        await PostgresSubscriptions(world.database).create(follows)
        listing = Listing(SECOND, "101000000011536")
        await PostgresInstruments(world.database).save(Broker.FYERS, [listing], datetime.now(UTC).date())
        control = Control(world.sim.urls.control_url, http)
        yield Stage(world, control, follower, name, PostgresLiquidations(world.database))
