"""What caps are reckoned from: all that a subscription holds, and what an account's groups ask of lots."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from paceline.domain.copying.view import LotRule
from paceline.domain.ids import AccountId, InstrumentId, SubscriptionId
from paceline.domain.instrument import Instrument, InstrumentKey
from paceline.domain.ledger import Ledger
from paceline.domain.money import ONE, ZERO
from paceline.domain.subscription import Subscription
from paceline.ports.accounts import AccountGroup, AccountGroups
from paceline.ports.clock import Clock
from paceline.ports.instruments import Instruments
from paceline.ports.plans import LedgerKey, Plans
from paceline.ports.prices import Prices

_RULES_LIVE_NS = 5_000_000_000


@dataclass(frozen=True, slots=True)
class Book:
    exposure: Decimal | None
    """Money in everything held and on its way; None where a price is not known."""
    others: int
    """In how many other keys."""


class Books:
    """Of those subscriptions alone that cap their exposure or their positions."""

    def __init__(self, plans: Plans, instruments: Instruments, prices: Prices) -> None:
        self._plans = plans
        self._instruments = instruments
        self._prices = prices

    async def of(
        self, subscriptions: Sequence[Subscription], keys: Mapping[SubscriptionId, InstrumentKey]
    ) -> Mapping[SubscriptionId, Book]:
        """`keys` are what the event trades, which are no other positions."""
        capped = [each.subscription_id for each in subscriptions if _capped(each)]
        if not capped:
            return {}
        held = {
            key: at_stake(ledger)
            for key, ledger in (await self._plans.ledgers_for(capped)).items()
            if at_stake(ledger)
        }
        names = {key.instrument_id for _, key in held}
        instruments = await self._instruments.get_many(names) if names else {}
        prices = (
            {each: price.last for each, price in (await self._prices.get(names)).items()} if names else {}
        )
        return {each: _book(each, keys[each], held, instruments, prices) for each in capped}


def at_stake(ledger: Ledger) -> Decimal:
    """The most that this key may come to: what is held, and with every entry filled; unsigned."""
    return max(abs(ledger.held), abs(ledger.held + ledger.entries_working))


def _book(
    name: SubscriptionId,
    traded: InstrumentKey,
    held: Mapping[LedgerKey, Decimal],
    instruments: Mapping[InstrumentId, Instrument],
    prices: Mapping[InstrumentId, Decimal],
) -> Book:
    mine = {key: quantity for (owner, key), quantity in held.items() if owner == name}
    others = sum(key != traded for key in mine)
    if any(key.instrument_id not in prices or key.instrument_id not in instruments for key in mine):
        return Book(None, others)
    worth = (
        quantity * prices[key.instrument_id] * instruments[key.instrument_id].multiplier
        for key, quantity in mine.items()
    )
    return Book(sum(worth, ZERO), others)


def _capped(subscription: Subscription) -> bool:
    caps = subscription.caps
    return caps.max_exposure is not None or caps.max_open_positions is not None


class LotRules:
    """The strictest of all groups of an account; read again after a few seconds."""

    def __init__(self, groups: AccountGroups, clock: Clock) -> None:
        self._groups = groups
        self._clock = clock
        self._known: dict[AccountId, tuple[int, LotRule]] = {}

    async def rules_of(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, LotRule]:
        wanted, now_ns = set(accounts), self._clock.monotonic_ns()
        old = [each for each in wanted if not self._fresh(each, now_ns)]
        if old:
            found = await self._groups.of_accounts(old)
            self._known |= {each: (now_ns, strictest(found.get(each, ()))) for each in old}
        return {each: self._known[each][1] for each in wanted}

    def _fresh(self, account_id: AccountId, now_ns: int) -> bool:
        known = self._known.get(account_id)
        return known is not None and now_ns - known[0] < _RULES_LIVE_NS


def strictest(groups: Iterable[AccountGroup]) -> LotRule:
    """The largest least and step, the smallest most."""
    least, step, most = ZERO, ONE, None
    for group in groups:
        least = max(least, group.min_lots or ZERO)
        step = max(step, group.lot_step or ONE)
        if group.max_lots is not None:
            most = group.max_lots if most is None else min(most, group.max_lots)
    return LotRule(least, most, step)
