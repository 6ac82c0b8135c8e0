"""A leader who trades by orders: sockets, feed, replicator and executor, and nothing told by hand."""

from dataclasses import dataclass, replace

from paceline.adapters.postgres.plans import PostgresPlans
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.domain.ids import SubscriptionId
from paceline.domain.subscription import CopyMode
from simulator.exchange import Exchange
from simulator.orders import Order, OrderChange, OrderRequest, OrderType, Product, Side, Status
from tests.integration.executor.world import FAST, World, until
from tests.integration.feed.world import SBIN, client_of, world
from tests.integration.replicator.test_from_event_to_order import a_replicator
from tests.unit.domain.given import KEY, subscription

NAME = SubscriptionId("s000")


@dataclass
class Venue:
    exchange: Exchange
    leader: str
    follower: str

    @property
    def last(self) -> int:
        return self.exchange.markets[SBIN].ltp

    def places(self, quantity: int, kind: OrderType, side: Side, limit: int, stop: int = 0) -> Order:
        """The leader, at the broker's own screen."""
        request = OrderRequest(SBIN, quantity, kind, side, Product.INTRADAY, limit, stop)
        order = self.exchange.place(self.exchange.accounts[self.leader], request)
        assert isinstance(order, Order)
        return order

    async def copy(self, kind: OrderType, side: Side) -> Order:
        """The follower's first order of this kind, once it works."""

        def found() -> list[Order]:
            return [each for each in self._copies() if (each.type, each.side) == (kind, side)]

        await until(lambda: [each for each in found() if each.status is Status.PENDING], f"{kind} is copied")
        return found()[0]

    @property
    def position(self) -> int:
        return sum(each.filled * each.side for each in self._copies())

    def _copies(self) -> list[Order]:
        return [each for each in self.exchange.orders.values() if each.account.client_id == self.follower]


async def test_orders_are_mirrored_from_the_leaders_socket_to_the_followers_book(
    postgres_url: str, redis_url: str
) -> None:
    async with world(postgres_url, redis_url) as stage:
        leader, follower = await stage.account("XLEADER"), await stage.account("XF00000")
        mirrors = replace(subscription(name=NAME, follower=follower), leader=leader, mode=CopyMode.ON_ORDER)
        await PostgresSubscriptions(stage.database).create_many([mirrors])
        others = World(stage.sim, stage.database, stage.environ | FAST, [follower], stage.stack)
        venue = Venue(stage.sim.exchange, client_of(leader), client_of(follower))
        async with stage.feed(), others.executor(), a_replicator(others):
            for each in (leader, follower):
                await stage.until_state(each, "LIVE")
            await others.until_owned()
            await _a_day(venue)
            plans = PostgresPlans(stage.database)

            async def settled() -> bool:
                return (await plans.ledgers_for([NAME], KEY))[NAME, KEY].idle

            await until(settled, "nothing is held, wanted or on its way")


async def _a_day(venue: Venue) -> None:
    low = venue.last - 1_000
    his = venue.places(10, OrderType.LIMIT, Side.BUY, low)
    copy = await venue.copy(OrderType.LIMIT, Side.BUY)
    assert (copy.qty, copy.limit) == (10, low)

    assert venue.exchange.modify(his, OrderChange(limit=low - 100, qty=16)) is None
    await until(lambda: (copy.qty, copy.limit) == (16, low - 100), "the copy is changed with it")
    venue.exchange.fill(his, 6)
    venue.exchange.fill(copy, 9)
    assert venue.exchange.cancel(his) is None
    await until(lambda: copy.status is Status.CANCELLED, "the copy goes with it")
    await until(lambda: venue.position == 6, "what it filled ahead of him is sold")

    stop = venue.last - 1_500
    his = venue.places(6, OrderType.STOP_LIMIT, Side.SELL, stop - 500, stop)
    copy = await venue.copy(OrderType.STOP_LIMIT, Side.SELL)
    assert (copy.qty, copy.limit, copy.stop) == (6, stop - 500, stop)
    assert venue.exchange.modify(his, OrderChange(limit=stop - 600, stop=stop - 100)) is None
    await until(lambda: (copy.limit, copy.stop) == (stop - 600, stop - 100), "the trigger moves with his")
    venue.exchange.move(SBIN, stop - 100)
    await until(lambda: (his.remaining, copy.remaining) == (0, 0), "both are out")
    assert venue.position == 0
