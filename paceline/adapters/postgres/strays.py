"""Who copies in the keys in which followers trade themselves, and what they hold beside it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from paceline.adapters.postgres.copy_orders import CONSUMER
from paceline.adapters.postgres.copy_rows import key_columns, key_of
from paceline.adapters.postgres.database import Transaction, columns
from paceline.adapters.postgres.queries import sql
from paceline.domain.copying.adjustments import Adjustment
from paceline.domain.ids import AccountId, BrokerOrderId, Offset, Partition, SubscriptionId
from paceline.domain.ledger import Ledger
from paceline.domain.money import ZERO
from paceline.domain.partitioning import partition_of
from paceline.domain.subscription import AttributionPolicy
from paceline.ports.audit import AuditEntry
from paceline.ports.plans import LedgerKey
from paceline.ports.settlement import Copies, Stray, StrayKey

_SHARES = sql("stray_shares")
_PLACED = sql("stray_orders")
_NET = sql("stray_net")

Policies = Mapping[StrayKey, Mapping[SubscriptionId, AttributionPolicy]]


async def policies_of(transaction: Transaction, strays: Sequence[Stray]) -> Policies:
    """Of the subscriptions that hold something, or have it on its way; read before anything is locked."""
    keys = sorted({(each.account_id, *key_columns(each.key)) for each in strays})
    found: defaultdict[StrayKey, dict[SubscriptionId, AttributionPolicy]] = defaultdict(dict)
    for row in await transaction.fetch(_SHARES, *columns(keys, 3)) if keys else ():
        mine = found[AccountId(row["follower"]), key_of(row)]
        mine[SubscriptionId(row["subscription_id"])] = AttributionPolicy(row["attribution"])
    return found


async def copies_of(
    transaction: Transaction,
    policies: Policies,
    strays: Sequence[Stray],
    ledgers: Mapping[LedgerKey, Ledger],
    done: Mapping[Partition, Offset],
) -> Mapping[StrayKey, Copies]:
    """The ledgers are locked, so that what the account holds beside them is told by the journal."""
    if not policies:
        return {}
    concerned = [each for each in strays if (each.account_id, each.key) in policies]
    placed = await _placed(transaction, concerned)
    found = {}
    for (account_id, key), mine in policies.items():
        own = ZERO
        if AttributionPolicy.OWN_FIRST in mine.values():
            offset = done.get(partition_of(account_id), 0)
            net = await transaction.value(_NET, account_id, *key_columns(key), offset) or ZERO
            own = net - sum((ledgers.get((name, key), Ledger()).position for name in mine), ZERO)
        found[account_id, key] = Copies(mine, own, placed.get(account_id, frozenset()))
    return found


async def _placed(
    transaction: Transaction, strays: Iterable[Stray]
) -> Mapping[AccountId, frozenset[BrokerOrderId]]:
    rows = sorted({(each.account_id, each.order_id) for each in strays})
    found: defaultdict[AccountId, set[BrokerOrderId]] = defaultdict(set)
    for row in await transaction.fetch(_PLACED, *columns(rows, 2)) if rows else ():
        found[AccountId(row["account_id"])].add(BrokerOrderId(row["broker_order_id"]))
    return {account: frozenset(orders) for account, orders in found.items()}


def audit_of(adjusted: Iterable[tuple[AccountId, Adjustment]]) -> list[AuditEntry]:
    return [_entry(account_id, each) for account_id, each in adjusted]


def _entry(account_id: AccountId, adjustment: Adjustment) -> AuditEntry:
    line = adjustment.lines[0]
    details: dict[str, object] = {
        "subscription_id": line.subscription_id,
        "instrument_id": line.key.instrument_id,
        "product": line.key.product.value,
        "position": f"{_plain(adjustment.before)} to {_plain(adjustment.after)}",
        "evidence": adjustment.evidence,
    }
    action = f"ledger.{adjustment.kind.value.lower()}"
    return AuditEntry(CONSUMER, action, "account", account_id, line.cause, details)


def _plain(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}"
