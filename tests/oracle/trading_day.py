"""A seeded list of what a trader does in a day, done through the SDK and through our adapter in turns."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from paceline.domain.copy_order import OrderSpec
from paceline.domain.errors import BrokerRejected
from paceline.domain.ids import BrokerOrderId, InstrumentId, Tag
from paceline.domain.instrument import InstrumentKey, Product
from paceline.domain.order import OrderType, Side, Validity
from paceline.ports.broker import OrderChange
from simulator.instruments import Segment, Venue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from paceline.ports.broker import Broker, Credentials
    from simulator.orders import Order
    from tests.oracle.sdk import Sdk
    from tests.oracle.stage import Stage

SYMBOLS = ("NSE:SBIN-EQ", "NSE:TCS-EQ", "NSE:IDEA-EQ", "BSE:RELIANCE-A")
TYPE_CODES = {OrderType.LIMIT: 1, OrderType.MARKET: 2, OrderType.STOP: 3, OrderType.STOP_LIMIT: 4}
FAR = 60


@dataclass(frozen=True, slots=True)
class Hands:
    """Both ways to the broker, for one account."""

    sdk: Sdk
    ours: Broker
    credentials: Credentials
    stage: Stage


class TradingDay:
    """Every kind of thing happens at least once; the seed says in which order and with which numbers."""

    def __init__(self, hands: Hands, seed: int) -> None:
        self._hands = hands
        self._stage = hands.stage
        self._random = random.Random(seed)
        self._seed = seed
        self._placed = 0

    async def happen(self, rounds: int = 3) -> None:
        kinds: list[Callable[[], Awaitable[None]]] = [
            self._market,
            self._limit_that_trades,
            self._limit_that_is_cancelled,
            self._limit_that_is_changed,
            self._limit_filled_in_parts,
            self._part_filled_then_cancelled,
            self._stop_that_triggers,
            self._stop_limit_that_triggers,
            self._rejected_for_margin,
            self._limit_of_which_a_part_is_shown,
            self._fill_or_kill,
            self._stop_that_is_changed,
            self._order_for_the_next_session,
            self._commodity_future,
            self._option_carried_over_night,
            self._cover_order,
            self._market_moves,
        ]
        order = kinds * rounds
        self._random.shuffle(order)
        for act in order:
            await act()

    async def _market(self) -> None:
        await self._place(self._spec(OrderType.MARKET))

    async def _limit_that_trades(self) -> None:
        spec = self._spec(OrderType.LIMIT)
        await self._place(self._at(spec, limit=5 * spec.side))

    async def _limit_that_is_cancelled(self) -> None:
        await self._cancel(await self._resting())

    async def _limit_that_is_changed(self) -> None:
        order_id = await self._resting()
        order = self._stage.order(order_id)
        price = self._price(order.instrument.symbol, -self._random.randint(FAR, 2 * FAR) * order.side)
        await self._change(order_id, quantity=order.qty + self._random.randint(1, 9), limit=price)

    async def _limit_filled_in_parts(self) -> None:
        order = self._stage.order(await self._resting(at_least=5))
        self._fill(order, order.qty, self._random.randint(2, 5))

    async def _part_filled_then_cancelled(self) -> None:
        order = self._stage.order(await self._resting(at_least=5))
        self._fill(order, order.qty // 2, 1)
        await self._cancel(BrokerOrderId(order.id))

    def _fill(self, order: Order, quantity: int, parts: int) -> None:
        """By hand at its own limit, after which the market trades where it was."""
        self._stage.exchange.fill(order, quantity, parts=parts)
        self._stage.exchange.move(order.instrument.symbol, self._stage.market(order.instrument.symbol).price)

    async def _stop_that_triggers(self) -> None:
        spec = self._spec(OrderType.STOP)
        await self._place(self._at(spec, stop=3 * spec.side))
        self._stage.move(str(spec.key.instrument_id), 4 * spec.side)

    async def _stop_limit_that_triggers(self) -> None:
        spec = self._spec(OrderType.STOP_LIMIT)
        await self._place(self._at(spec, stop=3 * spec.side, limit=9 * spec.side))
        self._stage.move(str(spec.key.instrument_id), 4 * spec.side)

    async def _rejected_for_margin(self) -> None:
        await self._place(self._spec(OrderType.MARKET, quantity=99_000, product=Product.CNC, side=Side.BUY))

    async def _limit_of_which_a_part_is_shown(self) -> None:
        spec = self._spec(OrderType.LIMIT, quantity=40)
        await self._place(replace(self._at(spec, limit=-FAR * spec.side), disclosed=Decimal(20)))

    async def _fill_or_kill(self) -> None:
        spec = self._spec(OrderType.LIMIT)
        await self._place(replace(self._at(spec, limit=-FAR * spec.side), validity=Validity.IOC))

    async def _stop_that_is_changed(self) -> None:
        spec = self._spec(OrderType.STOP_LIMIT)
        order_id = await self._place(self._at(spec, stop=FAR * spec.side, limit=(FAR + 5) * spec.side))
        assert order_id is not None
        symbol, side = str(spec.key.instrument_id), int(spec.side)
        prices = {
            "stop": self._price(symbol, 2 * FAR * side),
            "limit": self._price(symbol, (2 * FAR + 5) * side),
        }
        await self._change(order_id, quantity=int(spec.quantity), kind=OrderType.STOP_LIMIT, **prices)

    async def _order_for_the_next_session(self) -> None:
        """Placed while the market is shut, released when it opens."""
        hours, shut = self._stage.exchange.hours, (Venue.NSE, Segment.CAPITAL)
        hours.shut.add(shut)
        spec = self._spec(OrderType.LIMIT, symbol=SYMBOLS[0])
        await self._place(replace(self._at(spec, limit=-FAR * spec.side), offline=True))
        hours.shut.discard(shut)
        self._stage.exchange.release_after_market()

    async def _commodity_future(self) -> None:
        await self._derivative(next(name for name in self._stage.exchange.markets if name.startswith("MCX:")))

    async def _option_carried_over_night(self) -> None:
        await self._derivative(self._stage.options()[0].symbol)

    async def _derivative(self, symbol: str) -> None:
        lot = self._stage.market(symbol).instrument.lot
        kind = self._random.choice((OrderType.MARKET, OrderType.LIMIT))
        spec = self._spec(kind, quantity=lot, product=Product.MARGIN, symbol=symbol)
        await self._place(self._at(spec, limit=5 * spec.side) if kind is OrderType.LIMIT else spec)

    async def _cover_order(self) -> None:
        """It carries no tag, so only the SDK places one; both hear of it."""
        spec = self._spec(OrderType.MARKET, product=Product.COVER, side=Side.BUY)
        body = sdk_body(spec, Tag("")) | {"productType": "CO", "stopLoss": 5}
        del body["orderTag"]
        await self._hands.sdk.call("place_order", body)

    async def _market_moves(self) -> None:
        self._stage.move(self._random.choice(SYMBOLS), self._random.randint(-9, 9))

    async def _resting(self, at_least: int = 1) -> BrokerOrderId:
        spec = self._spec(OrderType.LIMIT, quantity=self._random.randint(at_least, 40))
        order_id = await self._place(self._at(spec, limit=-FAR * spec.side))
        assert order_id is not None
        return order_id

    def _spec(
        self,
        kind: OrderType,
        *,
        quantity: int | None = None,
        product: Product = Product.INTRADAY,
        side: Side | None = None,
        symbol: str = "",
    ) -> OrderSpec:
        return OrderSpec(
            key=InstrumentKey(InstrumentId(symbol or self._random.choice(SYMBOLS)), product),
            side=side or self._random.choice((Side.BUY, Side.SELL)),
            type=kind,
            quantity=Decimal(quantity or self._random.randint(1, 40)),
        )

    def _at(self, spec: OrderSpec, *, limit: int = 0, stop: int = 0) -> OrderSpec:
        """The same with prices so many ticks from the last one; 0 is none."""
        symbol = str(spec.key.instrument_id)
        return OrderSpec(
            key=spec.key,
            side=spec.side,
            type=spec.type,
            quantity=spec.quantity,
            limit_price=self._price(symbol, limit) if limit else Decimal(0),
            trigger_price=self._price(symbol, stop) if stop else Decimal(0),
        )

    def _price(self, symbol: str, ticks: int) -> Decimal:
        return Decimal(str(self._stage.above(symbol, ticks)))

    def _next_is_ours(self) -> bool:
        self._placed += 1
        return self._placed % 2 == 0

    async def _place(self, spec: OrderSpec) -> BrokerOrderId | None:
        tag = Tag(f"day{self._seed}n{self._placed}")
        if not self._next_is_ours():
            answer = await self._hands.sdk.call("place_order", sdk_body(spec, tag))
            return BrokerOrderId(answer["id"]) if answer["s"] == "ok" else None
        try:
            return await self._hands.ours.place(self._hands.credentials, spec, tag)
        except BrokerRejected:
            return None

    async def _cancel(self, order_id: BrokerOrderId) -> None:
        if self._next_is_ours():
            await self._hands.ours.cancel(self._hands.credentials, order_id)
        else:
            assert (await self._hands.sdk.call("cancel_order", {"id": order_id}))["code"] == 1103

    async def _change(
        self,
        order_id: BrokerOrderId,
        *,
        quantity: int,
        limit: Decimal,
        stop: Decimal = Decimal(0),
        kind: OrderType = OrderType.LIMIT,
    ) -> None:
        if self._next_is_ours():
            change = OrderChange(
                type=kind, quantity=Decimal(quantity), limit_price=limit, trigger_price=stop or None
            )
            await self._hands.ours.modify(self._hands.credentials, order_id, change)
        else:
            body = {
                "id": order_id,
                "type": TYPE_CODES[kind],
                "qty": quantity,
                "limitPrice": float(limit),
                "stopPrice": float(stop),
            }
            assert (await self._hands.sdk.call("modify_order", body))["code"] == 1102


def sdk_body(spec: OrderSpec, tag: Tag) -> dict[str, Any]:
    return {
        "symbol": spec.key.instrument_id,
        "qty": int(spec.quantity),
        "type": TYPE_CODES[spec.type],
        "side": int(spec.side),
        "productType": spec.key.product.value,
        "limitPrice": float(spec.limit_price),
        "stopPrice": float(spec.trigger_price),
        "validity": spec.validity.value,
        "disclosedQty": int(spec.disclosed),
        "offlineOrder": spec.offline,
        "orderTag": tag,
        "isSliceOrder": False,
    }
