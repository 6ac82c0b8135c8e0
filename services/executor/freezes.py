"""What accounts may not send, in memory: asked in the same synchronous step in which a request leaves."""

import asyncio
from collections.abc import Iterable
from enum import Enum, auto

import structlog

from paceline.domain.copy_order import CauseKind, CommandKind, Intent
from paceline.domain.execution import Command
from paceline.domain.ids import AccountId, LiquidationId, Partition, SubscriptionId
from paceline.domain.instrument import InstrumentKey
from paceline.domain.liquidation import Liquidation, LiquidationLevel, covers, prefix_of
from paceline.domain.partitioning import partition_of
from paceline.ports.liquidations import Freeze, Liquidations

_log = structlog.get_logger(__name__)

FROZEN = "FROZEN"
LIQUIDATING = "LIQUIDATING"
"""A liquidation takes care of what an exit would have closed."""


class Hold(Enum):
    """It may not leave now, and is not given up for that."""

    HELD = auto()


class Freezes:
    """Versioned rows as they were read; `reload` acknowledges them once they are here."""

    def __init__(self, liquidations: Liquidations, owner: str) -> None:
        self._liquidations = liquidations
        self._owner = owner
        self._standing: dict[AccountId, Freeze] = {}
        self._copies: dict[LiquidationId, Liquidation] = {}
        self._reading = asyncio.Lock()
        """What is read last is newest only where readings do not overlap."""

    async def gain(self, partitions: Iterable[Partition]) -> None:
        """Before anything of these partitions is sent. Raises `Unavailable`."""
        async with self._reading:
            await self._keep(await self._liquidations.freezes(partitions=partitions))

    async def reload(self, accounts: Iterable[AccountId]) -> None:
        """Whatever changed of them. Raises `Unavailable`."""
        wanted = list(accounts)
        async with self._reading:
            standing = await self._liquidations.freezes(accounts=wanted)
            for gone in set(wanted) - {each.account_id for each in standing}:
                if self._standing.pop(gone, None):
                    _log.info("freezes.released", account=gone)
            await self._keep(standing)

    def lose(self, partitions: Iterable[Partition]) -> None:
        """They are someone else's."""
        gone = set(partitions)
        self._standing = {
            each: freeze for each, freeze in self._standing.items() if partition_of(each) not in gone
        }
        self._copies = {
            name: each for name, each in self._copies.items() if partition_of(each.account_id) not in gone
        }

    def of(self, account_id: AccountId) -> Freeze | None:
        return self._standing.get(account_id)

    def begin(self, liquidation: Liquidation) -> None:
        """Copies of a subscription that is being flattened are not entered again."""
        if not liquidation.whole:
            self._copies[liquidation.liquidation_id] = liquidation

    def end(self, liquidation_id: LiquidationId) -> None:
        self._copies.pop(liquidation_id, None)

    def refusal(self, command: Command) -> str | Hold | None:
        """Why it may not leave: by a name that gives it up, or held; None where it may."""
        if command.kind is CommandKind.CANCEL:
            return None
        order = command.order
        freeze = self._standing.get(order.account_id)
        if freeze is None:
            return self._copies_refusal(command, order.subscription_id, order.spec.key)
        if _belongs(command, freeze.cause):
            return None
        if freeze.level is LiquidationLevel.FLATTEN:
            return _refused(command, FROZEN if order.intent is Intent.ENTRY else LIQUIDATING)
        return _refused(command, FROZEN) if order.intent is Intent.ENTRY else None

    def _copies_refusal(
        self, command: Command, subscription_id: SubscriptionId | None, key: InstrumentKey
    ) -> str | Hold | None:
        if command.order.intent is not Intent.ENTRY or subscription_id is None:
            return None
        ending = any(covers(each, subscription_id, key) for each in self._copies.values())
        return _refused(command, LIQUIDATING) if ending else None

    async def _keep(self, standing: Iterable[Freeze]) -> None:
        """A version that is older than what is known was read before."""
        news = [
            each
            for each in standing
            if (known := self._standing.get(each.account_id)) is None or known.version < each.version
        ]
        for freeze in news:
            self._standing[freeze.account_id] = freeze
            _log.warning(
                "freezes.frozen", account=freeze.account_id, level=freeze.level, reason=freeze.reason
            )
        await self._liquidations.acknowledge(news, self._owner)


def _refused(command: Command, reason: str) -> str | Hold:
    return reason if command.kind is CommandKind.PLACE else Hold.HELD


def _belongs(command: Command, cause: str) -> bool:
    made = command.order.cause
    return made.kind is CauseKind.LIQUIDATION and made.identity.startswith(prefix_of(cause))
