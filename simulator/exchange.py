"""The exchange and its broker: synchronous, without I/O, with time passed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator import checks
from simulator.account import Account, Holding
from simulator.clock import Clock, ist
from simulator.events import QuoteFeed
from simulator.hours import Hours
from simulator.market import Liquidity, Lock, Market
from simulator.matching import Matcher
from simulator.orders import (
    Order,
    OrderChange,
    OrderRequest,
    OrderType,
    Received,
    Reject,
    RejectReason,
    Source,
    Status,
    Trade,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simulator.events import Sink
    from simulator.instruments import Instrument, Universe

DEFAULT_CASH = 1_000_000_000
FIRST_EXCHANGE_ID = 1_100_000_000_000_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that never became an order."""

    reject: Reject


class Exchange:
    """Accounts, markets, and every order there ever was."""

    def __init__(
        self,
        universe: Universe,
        clock: Clock,
        *,
        liquidity: Liquidity | None = None,
        hours: Hours | None = None,
    ) -> None:
        self.universe = universe
        self.clock = clock
        self.hours = hours or Hours()
        self.liquidity = liquidity or Liquidity()
        self.quotes = QuoteFeed()
        self.matcher = Matcher(clock, self.quotes)
        self.markets = {one.symbol: Market(one, self.liquidity) for one in universe}
        self.accounts: dict[str, Account] = {}
        self.orders: dict[str, Order] = {}
        self._after_market: list[Order] = []
        self._numbers = 0
        self._id_prefix = ""
        self._id_prefix_until = 0

    def listen(self, sink: Sink) -> None:
        self.matcher.sink = sink

    def subscribe_quotes(self, callback: Callable[[Market], None]) -> Callable[[], None]:
        """Call back in the step in which a price moves; the answer ends the subscription."""
        return self.quotes.subscribe(callback)

    def instrument_by_token(self, fy_token: str) -> Instrument | None:
        return self.universe.by_token(fy_token)

    def open_account(
        self, client_id: str, *, cash: int = DEFAULT_CASH, name: str = "", holdings: Iterable[Holding] = ()
    ) -> Account:
        """A new client; the id must be free."""
        if client_id in self.accounts:
            raise ValueError(f"client_id {client_id} exists")
        account = Account(client_id, cash, cash, name or client_id)
        account.holdings = {one.instrument.symbol: one for one in holdings}
        self.accounts[client_id] = account
        return account

    def place(
        self,
        account: Account,
        request: OrderRequest,
        *,
        source: Source = Source.API,
        received: Received | None = None,
        reject: Reject | None = None,
    ) -> Order | Refusal:
        """A new order, working, ended or rejected; or a refusal at the door. `reject` forces a rejection."""
        market = self.markets.get(request.symbol)
        if market is None:
            return Refusal(Reject(RejectReason.BAD_SYMBOL, "symbol"))
        fault = checks.refusal(request, market.instrument, account.client_id)
        if fault is not None:
            return Refusal(fault)
        order = self._new_order(account, request, market.instrument, source, received)
        fault = reject or self._closed(order) or checks.rejection(order, market)
        needed = 0 if fault else checks.margin_needed(order, market)
        if needed > max(account.available, 0):
            fault = Reject(RejectReason.MARGIN, required=needed, available=account.available)
        if fault is not None:
            return self._rejected(order, fault)
        self._accept(order, needed)
        if self._is_shut(order):
            self._after_market.append(order)
        else:
            self.matcher.enter(order, market)
        return order

    def release_after_market(self) -> int:
        """Orders placed while their market was shut enter it once it is open; gives how many did."""
        waiting, self._after_market = self._after_market, []
        entered = 0
        for order in waiting:
            if not order.is_working:
                continue
            if self._is_shut(order):
                self._after_market.append(order)
                continue
            self.matcher.enter(order, self.markets[order.instrument.symbol])
            entered += 1
        return entered

    def _new_order(
        self,
        account: Account,
        request: OrderRequest,
        instrument: Instrument,
        source: Source,
        received: Received | None,
    ) -> Order:
        self._numbers += 1
        now = self.matcher.now()
        order = Order(
            number=self._numbers,
            id=self._next_id(now),
            account=account,
            position=account.position(instrument, request.product),
            instrument=instrument,
            qty=request.qty,
            type=request.type,
            side=request.side,
            product=request.product,
            limit=request.limit if request.type.has_limit else 0,
            stop=request.stop if request.type.is_stop else 0,
            validity=request.validity,
            disclosed=request.disclosed,
            offline=request.offline,
            tag=request.tag,
            source=source,
            received=received or Received(self.clock.mono_ns(), self.clock.wall_ns()),
            held=request.held,
            take_profit=request.take_profit,
            stop_loss=request.stop_loss,
            updated_wall_ns=now,
        )
        account.orders[order.id] = order
        self.orders[order.id] = order
        self.matcher.sink.order(order)
        return order

    def _next_id(self, now: int) -> str:
        if now >= self._id_prefix_until or not self._id_prefix:
            at = ist(now)
            self._id_prefix = at.strftime("%y%m%d")
            midnight = at.replace(hour=23, minute=59, second=59, microsecond=0)
            self._id_prefix_until = round(midnight.timestamp()) * 1_000_000_000
        return f"{self._id_prefix}{self._numbers:08d}"

    def _closed(self, order: Order) -> Reject | None:
        return Reject(RejectReason.MARKET_CLOSED) if self._is_shut(order) and not order.offline else None

    def _is_shut(self, order: Order) -> bool:
        return not self.hours.is_open(order.instrument, self.clock.wall_ns())

    def _rejected(self, order: Order, fault: Reject) -> Order:
        order.reject = fault
        order.status = Status.REJECTED
        order.accepted_mono_ns = 0
        order.updated_wall_ns = self.matcher.now()
        self.matcher.sink.order(order)
        return order

    def _accept(self, order: Order, blocked: int) -> None:
        order.status = Status.PENDING
        order.exchange_id = str(FIRST_EXCHANGE_ID + order.number)
        order.accepted_mono_ns = self.clock.mono_ns()
        order.accepted_wall_ns = self.clock.wall_ns()
        self.matcher.claim(order, blocked)
        self.matcher.sink.order(order)

    def find(self, account: Account, order_id: str) -> Order | None:
        return account.orders.get(order_id)

    def modify(self, order: Order, change: OrderChange) -> Reject | None:
        """Change a working order; price-time priority is lost, as on the real book. None when it was done."""
        if not order.is_working:
            return Reject(RejectReason.ORDER_IS_FINAL)
        market = self.markets[order.instrument.symbol]
        wanted = _wanted(order, change)
        fault = self._change_fault(order, wanted, market)
        if fault is not None:
            return fault
        self.matcher.withdraw(order, market)
        self.matcher.release(order)
        before = (order.type, order.limit, order.stop, order.qty, order.disclosed)
        order.type, order.limit, order.stop, order.qty, order.disclosed = wanted
        needed = checks.margin_needed(order, market)
        if needed > max(order.account.available, 0):
            order.type, order.limit, order.stop, order.qty, order.disclosed = before
            self.matcher.claim(order, checks.margin_needed(order, market))
            self.matcher.enter(order, market)
            return Reject(RejectReason.MARGIN, required=needed, available=order.account.available)
        self._changed(order, needed, market)
        return None

    def _changed(self, order: Order, needed: int, market: Market) -> None:
        order.modifications += 1
        order.updated_wall_ns = self.matcher.now()
        self.matcher.claim(order, needed)
        self.matcher.sink.order(order)
        if order not in self._after_market:
            self.matcher.enter(order, market)

    def _change_fault(
        self, order: Order, wanted: tuple[OrderType, int, int, int, int], market: Market
    ) -> Reject | None:
        order_type, limit, stop, qty, disclosed = wanted
        if qty <= order.filled:
            return Reject(RejectReason.BELOW_FILLED, "qty")
        fault = (
            self._closed(order)
            or checks.prices_fault(order.instrument, order_type, limit, stop, order.side)
            or checks.quantity_fault(order.instrument, qty, disclosed)
            or checks.freeze_fault(order.instrument, qty)
            or checks.band_fault(order.instrument, order_type, limit, stop)
        )
        if (
            fault is None
            and order_type.is_stop
            and not order.triggered
            and (stop - market.ltp) * order.side < 0
        ):
            return Reject(RejectReason.TRIGGER_PASSED, "stopPrice", required=stop, available=market.ltp)
        return fault

    def cancel(self, order: Order) -> Reject | None:
        """End a working order. None when it was done."""
        if not order.is_working:
            return Reject(RejectReason.ORDER_IS_FINAL)
        self.matcher.finish(order, self.markets[order.instrument.symbol], Status.CANCELLED)
        return None

    def expire(self, order: Order) -> None:
        self.matcher.finish(order, self.markets[order.instrument.symbol], Status.EXPIRED)

    def fill(self, order: Order, qty: int, *, parts: int = 1, price: int = 0) -> list[Trade]:
        """Fill exactly `qty` of a working order in `parts` trades, by hand; lots are never split."""
        lot = order.instrument.lot
        if not order.is_working or qty <= 0 or qty > order.remaining:
            raise ValueError(f"qty {qty} cannot be filled: {order.remaining} of order {order.id} is working")
        if qty % lot or parts < 1 or parts > qty // lot:
            raise ValueError(f"parts {parts} of {qty} do not come out in lots of {lot}")
        market = self.markets[order.instrument.symbol]
        at = price or order.limit or market.ltp
        self.matcher.withdraw(order, market)
        each, over = divmod(qty // lot, parts)
        trades = [self.matcher.fill(order, (each + (n < over)) * lot, at) for n in range(parts)]
        market.traded(at, qty, order.updated_wall_ns)
        if order.remaining and not order.held:
            self.matcher.enter(order, market)
        return trades

    def move(self, symbol: str, price: int) -> None:
        """The market of a symbol trades at this price; beyond a band it locks at the band."""
        market = self.markets[symbol]
        bounded = min(max(price, market.instrument.lower_band), market.instrument.upper_band)
        self.matcher.move(market, bounded)

    def lock(self, symbol: str, lock: Lock) -> None:
        """Lock a symbol at its circuit, or free it."""
        market = self.markets[symbol]
        market.lock = lock
        market.refill()
        bands = {Lock.UPPER: market.instrument.upper_band, Lock.LOWER: market.instrument.lower_band}
        self.matcher.move(market, bands.get(lock, market.price))

    def set_liquidity(self, liquidity: Liquidity, symbols: Iterable[str] = ()) -> None:
        """Of some symbols, or of all and of every default."""
        chosen = list(symbols)
        if not chosen:
            self.liquidity = liquidity
        for symbol in chosen or self.markets:
            market = self.markets[symbol]
            market.liquidity = liquidity
            market.refill()
            self.matcher.sweep(market)


def _wanted(order: Order, change: OrderChange) -> tuple[OrderType, int, int, int, int]:
    order_type = order.type if change.type is None else change.type
    limit = order.limit if change.limit is None else change.limit
    stop = order.stop if change.stop is None else change.stop
    return (
        order_type,
        limit if order_type.has_limit else 0,
        stop if order_type.is_stop else 0,
        order.qty if change.qty is None else change.qty,
        order.disclosed if change.disclosed is None else change.disclosed,
    )
