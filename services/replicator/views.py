"""What a plan is made on, gathered from memory and stores."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from paceline.domain.account import AccountType
from paceline.domain.calendar import Calendar
from paceline.domain.copying.decision import SizingInputs
from paceline.domain.copying.view import Copier, Equity, LeaderState, Market
from paceline.domain.ids import AccountId, BrokerOrderId, InstrumentId, SubscriptionId
from paceline.domain.instrument import Instrument
from paceline.domain.ledger import Ledger
from paceline.domain.money import ZERO
from paceline.domain.order import Fill
from paceline.domain.subscription import SizingMode, Subscription
from paceline.ports.clock import Clock
from paceline.ports.instruments import Instruments
from paceline.ports.plans import LedgerKey, Plans
from paceline.ports.portfolios import Portfolio, Portfolios
from paceline.ports.prices import Prices
from services.replicator.directory import Directory

_NS_PER_MS = 1_000_000
_PRICE_FRESH_NS = 5_000_000_000
_FROZEN_KEPT = 4_096
_MASTER_LIVES_S = 600.0


class Views:
    """Reads in batches; instruments and frozen sizings are remembered."""

    def __init__(
        self,
        directory: Directory,
        plans: Plans,
        instruments: Instruments,
        portfolios: Portfolios,
        prices: Prices,
        calendar: Calendar,
        clock: Clock,
        equity_age_max_ms: int,
    ) -> None:
        self._directory = directory
        self._plans = plans
        self._instruments = instruments
        self._portfolios = portfolios
        self._prices = prices
        self._calendar = calendar
        self._clock = clock
        self._equity_age_max_ms = equity_age_max_ms
        self._known: dict[InstrumentId, Instrument] = {}
        self._frozen: dict[tuple[AccountId, BrokerOrderId], Mapping[SubscriptionId, SizingInputs]] = {}

    async def market(self, fill: Fill) -> Market:
        """The instrument of a fill and its newest price, where that is fresh."""
        instrument_id = fill.key.instrument_id
        if instrument_id not in self._known:
            self._known.update(await self._instruments.get_many([instrument_id]))
        now_ns = self._clock.now_ns()
        prices = await self._prices.get([instrument_id])
        fresh = {
            each: price.last
            for each, price in prices.items()
            if now_ns - price.received_ns <= _PRICE_FRESH_NS
        }
        return Market(self._known, now_ns, fresh)

    async def forget_daily(self) -> None:
        """Lots and bands change over night; until cancelled."""
        while True:
            await self._clock.sleep(_MASTER_LIVES_S)
            self._known = {}

    async def leader(self, state: LeaderState, subscriptions: Sequence[Subscription]) -> LeaderState:
        """With his equity, where someone is sized by it."""
        if not _by_equity(subscriptions):
            return state
        equity = (await self._equities([state.account_id])).get(state.account_id)
        return LeaderState(state.account_id, state.positions, equity)

    async def copiers(
        self, subscriptions: Sequence[Subscription], fill: Fill
    ) -> tuple[list[Copier], Mapping[LedgerKey, Ledger]]:
        """In the order given, with the ledgers that the decisions will stand on."""
        ledgers = await self._plans.ledgers_for([each.subscription_id for each in subscriptions], fill.key)
        return await self.with_ledgers(subscriptions, fill, ledgers)

    async def with_ledgers(
        self, subscriptions: Sequence[Subscription], fill: Fill, ledgers: Mapping[LedgerKey, Ledger]
    ) -> tuple[list[Copier], Mapping[LedgerKey, Ledger]]:
        frozen = await self._frozen_for(fill, subscriptions)
        others = await self._plans.others_held([each.subscription_id for each in subscriptions], fill.key)
        equities: Mapping[AccountId, Equity] = {}
        if _by_equity(subscriptions):
            equities = await self._equities([each.follower for each in subscriptions])
        is_open = self._calendar.is_open(fill.exchange, fill.segment, self._clock.now_ns())
        seen = {
            (each.subscription_id, fill.key): ledgers.get((each.subscription_id, fill.key), Ledger())
            for each in subscriptions
        }
        copiers = [
            self._copier(
                each,
                seen[each.subscription_id, fill.key],
                frozen.get(each.subscription_id),
                equities.get(each.follower),
                others.get(each.subscription_id, ZERO),
                is_open=is_open,
            )
            for each in subscriptions
        ]
        return copiers, seen

    def _copier(
        self,
        subscription: Subscription,
        ledger: Ledger,
        frozen: SizingInputs | None,
        equity: Equity | None,
        others_held: Decimal,
        *,
        is_open: bool,
    ) -> Copier:
        follower = subscription.follower
        account = self._directory.account(follower)
        return Copier(
            subscription=subscription,
            ledger=ledger,
            frozen=frozen,
            equity=equity,
            segments=account.segments if account else None,
            others_held=others_held,
            session_usable=self._directory.session_usable(follower),
            market_open=is_open,
            account_frozen=self._directory.frozen(follower),
        )

    async def _frozen_for(
        self, fill: Fill, subscriptions: Sequence[Subscription]
    ) -> Mapping[SubscriptionId, SizingInputs]:
        """Sizings of this leader order; remembered once every subscription has one."""
        order = (fill.account_id, fill.order_id)
        remembered = self._frozen.get(order)
        if remembered is not None and all(each.subscription_id in remembered for each in subscriptions):
            return remembered
        rows = await self._plans.frozen_sizings(fill.account_id, [fill.order_id])
        sizings = {subscription_id: sizing for (_, subscription_id), sizing in rows.items()}
        while len(self._frozen) >= _FROZEN_KEPT:
            del self._frozen[next(iter(self._frozen))]
        self._frozen[order] = sizings
        return sizings

    async def _equities(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, Equity]:
        types: dict[AccountId, AccountType] = {}
        for account_id in accounts:
            row = self._directory.account(account_id)
            if row is not None:
                types[account_id] = row.type
        now_ns = self._clock.now_ns()
        found = {each: self._equity(row, now_ns) for each, row in (await self._portfolios.get(types)).items()}
        return {each: equity for each, equity in found.items() if equity is not None}

    def _equity(self, portfolio: Portfolio, now_ns: int) -> Equity | None:
        age_ms = max(0, now_ns - portfolio.computed_ns) // _NS_PER_MS
        if portfolio.stale or age_ms > self._equity_age_max_ms or portfolio.equity <= Decimal(0):
            return None
        return Equity(portfolio.equity, age_ms)


def _by_equity(subscriptions: Sequence[Subscription]) -> bool:
    return any(each.sizing.mode is SizingMode.EQUITY_RATIO for each in subscriptions)
