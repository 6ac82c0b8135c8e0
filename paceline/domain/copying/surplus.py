"""What is held above the target is sold: a cancel that lost, a fill that came after the leader had gone."""

from dataclasses import dataclass, replace
from decimal import Decimal

from paceline.domain.copy_order import Cause, CauseKind, CopyOrder, Intent
from paceline.domain.copying.build import LEG_SURPLUS, Origin, build, line, shape
from paceline.domain.copying.tags import decision_id_of
from paceline.domain.instrument import Instrument
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry
from paceline.domain.money import ZERO
from paceline.domain.order import Side
from paceline.domain.subscription import ExecutionStyle


@dataclass(frozen=True, slots=True)
class Correction:
    """Orders that no leader event asked for, with their lines; both unique on the identity they come from."""

    orders: tuple[CopyOrder, ...]
    lines: tuple[LedgerEntry, ...]


def sell_surplus(
    entry: CopyOrder,
    identity: str,
    ledger: Ledger,
    instrument: Instrument,
    *,
    reference: Decimal,
    allowance_bps: Decimal,
    now_ns: int,
    leaving: Decimal = ZERO,
) -> Correction | None:
    """The exit that brings `ledger` back to its target; None where nothing is held above it.

    `identity` is the fact that revealed the surplus (the follower's fill, or the leader event whose commit
    found more filled than its plan knew); `entry` is any copy order of that subscription and key; `leaving`
    are the rests of exits that are being cancelled, signed.
    """
    surplus = ledger.surplus(instrument.lot, leaving)
    if not surplus or entry.subscription_id is None:
        return None
    side = Side.SELL if surplus > 0 else Side.BUY
    origin = Origin(
        Cause(CauseKind.EVENT, identity),
        decision_id_of(identity, entry.subscription_id),
        entry.subscription_id,
        entry.account_id,
        entry.spec.key,
        reference,
        entry.leader_time_ns,
        entry.seen_ns,
        now_ns,
        entry.traceparent,
    )
    looks = shape(
        instrument,
        side,
        Intent.EXIT,
        LEG_SURPLUS,
        reference=reference,
        style=ExecutionStyle.PROTECTED_LIMIT,
        allowance_bps=allowance_bps,
    )
    planned = replace(line(origin, EntryKind.PLANNED, Intent.EXIT, -surplus), cause=f"{identity}:surplus")
    return Correction(build(origin, looks, abs(surplus)), (planned,))
