"""What a plan is made on, gathered from memory and stores."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from paceline.domain.account import AccountType
from paceline.domain.calendar import Calendar, trading_day
from paceline.domain.copying.barriers import Barriers
from paceline.domain.copying.decision import SizingInputs
from paceline.domain.copying.mapping import followers_key
from paceline.domain.copying.options import OPTIONS, underlying_of
from paceline.domain.copying.sizing import needs_leader_order
from paceline.domain.copying.view import (
    NO_LOT_RULE,
    Copier,
    Equity,
    LeaderOrder,
    LeaderState,
    LotRule,
    Market,
)
from paceline.domain.ids import AccountId, BrokerOrderId, InstrumentId, SubscriptionId
from paceline.domain.instrument import Instrument, InstrumentKey, Segment
from paceline.domain.ledger import Ledger
from paceline.domain.money import ZERO
from paceline.domain.order import Fill, OrderReport
from paceline.domain.subscription import CopyMode, SizingMode, Subscription
from paceline.ports.accounts import AccountGroups
from paceline.ports.clock import Clock
from paceline.ports.copy_commands import CopyCommands
from paceline.ports.instruments import Instruments
from paceline.ports.leader_orders import LeaderOrders
from paceline.ports.plans import LedgerKey, Plans
from paceline.ports.portfolios import Portfolio, Portfolios
from paceline.ports.prices import Prices
from services.replicator.directory import Directory
from services.replicator.holdings import Books, LotRules
from services.replicator.order_books import ORDERS_LIVE
from services.replicator.silence import Silence

_NS_PER_MS = 1_000_000
_PRICE_FRESH_NS = 5_000_000_000
_FROZEN_KEPT = 4_096
_MASTER_LIVES_S = 600.0
_BY_EQUITY = frozenset({SizingMode.EQUITY_RATIO, SizingMode.RISK_PERCENT})

Traded = Fill | OrderReport
"""What a leader's event that is copied is about."""


class Views:
    """Reads in batches; instruments and frozen sizings are remembered."""

    def __init__(
        self,
        directory: Directory,
        plans: Plans,
        copy_commands: CopyCommands,
        leader_orders: LeaderOrders,
        groups: AccountGroups,
        instruments: Instruments,
        portfolios: Portfolios,
        prices: Prices,
        calendar: Calendar,
        clock: Clock,
        equity_age_max_ms: int,
        silence: Silence,
        killed: Callable[[Subscription], bool] = lambda _subscription: False,
        barriers: Callable[[], Barriers] = Barriers,
        guard_tripped: Callable[[Subscription], bool] = lambda _subscription: False,
    ) -> None:
        self._directory = directory
        self._plans = plans
        self._copy_commands = copy_commands
        self._leader_orders = leader_orders
        self._groups = LotRules(groups, clock)
        self._books = Books(plans, instruments, prices)
        self._instruments = instruments
        self._portfolios = portfolios
        self._prices = prices
        self._calendar = calendar
        self._clock = clock
        self._equity_age_max_ms = equity_age_max_ms
        self._silence = silence
        self._killed = killed
        self._guard_tripped = guard_tripped
        self._barriers = barriers
        self._known: dict[InstrumentId, Instrument] = {}
        self._frozen: dict[tuple[AccountId, BrokerOrderId], dict[SubscriptionId, SizingInputs]] = {}

    async def market(self, body: Traded, subscriptions: Sequence[Subscription]) -> Market:
        """The instruments that are traded for an event, and their newest prices."""
        keys = {key for key in (followers_key(each, body.key) for each in subscriptions) if key}
        traded = {body.key.instrument_id} | {key.instrument_id for key in keys}
        await self._know(traded)
        options = [
            self._known[each]
            for each in traded
            if each in self._known and self._known[each].kind in OPTIONS and _by_moneyness(subscriptions)
        ]
        now_ns = self._clock.now_ns()
        prices = await self._prices.get(traded | {underlying_of(each) for each in options})
        fresh = {
            each: price.last
            for each, price in prices.items()
            if now_ns - price.received_ns <= _PRICE_FRESH_NS
        }
        older = {each: price.last for each, price in prices.items() if each not in fresh}
        barriers = self._barriers()
        banned = frozenset(
            each for each in traded if each in self._known and barriers.banned(self._known[each])
        )
        return Market(self._known, now_ns, fresh, older, banned)

    async def forget_daily(self) -> None:
        """Lots and bands change over night; until cancelled."""
        while True:
            await self._clock.sleep(_MASTER_LIVES_S)
            self._known = {}

    async def leader(self, state: LeaderState, subscriptions: Sequence[Subscription]) -> LeaderState:
        """With his equity, where someone is sized by it: one for everyone whom an event concerns."""
        if all(each.sizing.mode is not SizingMode.EQUITY_RATIO for each in subscriptions):
            return state
        return replace(state, equity=(await self._equities([state.account_id])).get(state.account_id))

    async def leader_orders(
        self, state: LeaderState, body: Traded, subscriptions: Sequence[Subscription]
    ) -> LeaderState:
        """With his orders, where someone of these is sized by them."""
        rules = await self._groups.rules_of(each.follower for each in subscriptions)
        if not any(_of_whole_orders(each, rules.get(each.follower, NO_LOT_RULE)) for each in subscriptions):
            return state
        frozen = await self._frozen_for(body, subscriptions)
        if all(each.subscription_id in frozen for each in subscriptions):
            return state
        since = trading_day(body.exchange, body.broker_time_ns) - ORDERS_LIVE
        orders = await self._leader_orders.newest(body.account_id, body.key, since)
        return replace(state, orders={each.order_id: LeaderOrder(each, each.filled) for each in orders})

    async def copiers(
        self, subscriptions: Sequence[Subscription], body: Traded, beside: Collection[BrokerOrderId] = ()
    ) -> tuple[list[Copier], Mapping[LedgerKey, Ledger]]:
        """In the order given, with the ledgers that the decisions will stand on.

        `beside` are the leader's other orders in the key, which mirrors have sizings of.
        """
        ledgers: dict[LedgerKey, Ledger] = {}
        for key, names in _by_key(subscriptions, body.key).items():
            ledgers.update(await self._plans.ledgers_for(names, key))
        return await self.with_ledgers(subscriptions, body, ledgers, beside)

    async def with_ledgers(
        self,
        subscriptions: Sequence[Subscription],
        body: Traded,
        ledgers: Mapping[LedgerKey, Ledger],
        beside: Collection[BrokerOrderId] = (),
    ) -> tuple[list[Copier], Mapping[LedgerKey, Ledger]]:
        keys = {each.subscription_id: followers_key(each, body.key) or body.key for each in subscriptions}
        seen = {(name, key): ledgers.get((name, key), Ledger()) for name, key in keys.items()}
        frozen = await self._frozen_for(body, subscriptions)
        frozen_of = await self._frozen_beside(body, subscriptions, beside)
        others: dict[SubscriptionId, Decimal] = {}
        for key, names in _by_key(subscriptions, body.key).items():
            others.update(await self._plans.others_held(names, key))
        equities = await self._equities(
            each.follower for each in subscriptions if each.sizing.mode in _BY_EQUITY
        )
        rules = await self._groups.rules_of(each.follower for each in subscriptions)
        books = await self._books.of(subscriptions, keys)
        by_name = {each.subscription_id: each for each in subscriptions}
        barriers = self._barriers()
        rows = await self._copy_commands.open_rows(
            key for key, ledger in seen.items() if _may_withdraw(by_name[key[0]], ledger, body)
        )
        copiers = [
            Copier(
                subscription=each,
                ledger=seen[each.subscription_id, keys[each.subscription_id]],
                frozen=frozen.get(each.subscription_id),
                equity=equities.get(each.follower),
                others_held=others.get(each.subscription_id, ZERO),
                exposure=books[each.subscription_id].exposure if each.subscription_id in books else None,
                other_positions=books[each.subscription_id].others if each.subscription_id in books else 0,
                lot_rule=rules.get(each.follower, NO_LOT_RULE),
                frozen_of=frozen_of.get(each.subscription_id, {}),
                open_rows=tuple(rows.get((each.subscription_id, keys[each.subscription_id]), ())),
                segments=self._segments(each.follower),
                session_usable=self._directory.session_usable(each.follower),
                market_open=self._is_open(keys[each.subscription_id], body),
                account_frozen=self._directory.frozen(each.follower),
                killed=self._killed(each),
                guard_tripped=self._guard_tripped(each),
                close_only=self._silence.close_only(each, body.broker_time_ns),
                liquidating=barriers.absorbs_exits(each, keys[each.subscription_id]),
                liquidation_wanted=barriers.stops_entries(each, keys[each.subscription_id]),
            )
            for each in subscriptions
        ]
        return copiers, seen

    def _segments(self, account_id: AccountId) -> frozenset[Segment] | None:
        account = self._directory.account(account_id)
        return account.segments if account else None

    def _is_open(self, key: InstrumentKey, body: Traded) -> bool:
        """Of the market in which the follower trades."""
        instrument = self._known.get(key.instrument_id)
        now_ns = self._clock.now_ns()
        if instrument is None:
            return self._calendar.is_open(body.exchange, body.segment, now_ns)
        return self._calendar.trades(instrument, now_ns)

    async def _know(self, instruments: Iterable[InstrumentId]) -> None:
        unknown = set(instruments) - self._known.keys()
        if unknown:
            self._known.update(await self._instruments.get_many(unknown))

    async def _frozen_for(
        self, body: Traded, subscriptions: Sequence[Subscription]
    ) -> Mapping[SubscriptionId, SizingInputs]:
        """Sizings of this leader order; one that stands never changes, and is read once."""
        order = (body.account_id, body.order_id)
        if order not in self._frozen:
            while len(self._frozen) >= _FROZEN_KEPT:
                del self._frozen[next(iter(self._frozen))]
            self._frozen[order] = {}
        known = self._frozen[order]
        missing = [each.subscription_id for each in subscriptions if each.subscription_id not in known]
        if missing:
            known.update(await self._plans.frozen_sizings(*order, missing))
        return known

    async def _frozen_beside(
        self, body: Traded, subscriptions: Sequence[Subscription], orders: Collection[BrokerOrderId]
    ) -> Mapping[SubscriptionId, Mapping[BrokerOrderId, SizingInputs]]:
        mirrors = [each.subscription_id for each in subscriptions if each.mode is CopyMode.ON_ORDER]
        if not mirrors or not orders:
            return {}
        return await self._plans.sizings_of_orders(body.account_id, orders, mirrors)

    async def _equities(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, Equity]:
        types: dict[AccountId, AccountType] = {}
        for account_id in accounts:
            row = self._directory.account(account_id)
            if row is not None:
                types[account_id] = row.type
        now_ns = self._clock.now_ns()
        if not types:
            return {}
        return {each: self._equity(row, now_ns) for each, row in (await self._portfolios.get(types)).items()}

    def _equity(self, portfolio: Portfolio, now_ns: int) -> Equity:
        age_ms = max(0, now_ns - portfolio.computed_ns) // _NS_PER_MS
        return Equity(portfolio.equity, age_ms, portfolio.stale or age_ms > self._equity_age_max_ms)


def _by_key(
    subscriptions: Iterable[Subscription], key: InstrumentKey
) -> Mapping[InstrumentKey, Sequence[SubscriptionId]]:
    """Most follow under the leader's own names, and are read in one go."""
    found: dict[InstrumentKey, list[SubscriptionId]] = {}
    for each in subscriptions:
        found.setdefault(followers_key(each, key) or key, []).append(each.subscription_id)
    return found


def _may_withdraw(subscription: Subscription, ledger: Ledger, body: Traded) -> bool:
    """Entries are on their way, and the leader trades against what is wanted; or nothing is wanted, and they
    are being taken back.

    A mirror may change whatever is open, and of both sides together the ledger tells the difference alone.
    """
    if subscription.mode is CopyMode.ON_ORDER:
        return ledger != Ledger()
    side = -int(body.side) if subscription.reverse else int(body.side)
    return bool(ledger.entries_working) and ledger.ideal * side <= 0


def _by_moneyness(subscriptions: Iterable[Subscription]) -> bool:
    filters = (each.filters.options for each in subscriptions)
    return any(options is not None and options.max_moneyness_bps is not None for options in filters)


def _of_whole_orders(subscription: Subscription, rule: LotRule) -> bool:
    return needs_leader_order(Copier(subscription, lot_rule=rule))
