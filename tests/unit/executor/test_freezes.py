"""What frozen accounts may not send: asked in memory, by the newest version that was read."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from paceline.domain.copy_order import Cause, CauseKind, CommandKind, CopyOrder, Intent, Lane
from paceline.domain.execution import Command
from paceline.domain.ids import AccountId, LiquidationId, Partition, SubscriptionId
from paceline.domain.liquidation import Liquidation, LiquidationCause, LiquidationLevel
from paceline.domain.partitioning import partition_of
from paceline.ports.liquidations import Freeze
from services.executor.freezes import FROZEN, LIQUIDATING, Freezes, Hold
from tests.unit.executor.given import order

_L = LiquidationLevel
ENTRY = order("e")
EXIT = order("x", intent=Intent.EXIT, lane=Lane.EXIT)
ACCOUNT = ENTRY.account_id
MINE = replace(EXIT, cause=Cause(CauseKind.LIQUIDATION, "liq|NSE:SBIN-EQ:INTRADAY:0"), lane=Lane.LIQUIDATION)
FOREIGN = replace(MINE, cause=Cause(CauseKind.LIQUIDATION, "liq-2|NSE:SBIN-EQ:INTRADAY:0"))


class Rows:
    """Freezes as a database has them."""

    def __init__(self) -> None:
        self.standing: list[Freeze] = []
        self.acknowledged: list[int] = []

    async def freezes(
        self, partitions: Iterable[Partition] = (), accounts: Iterable[AccountId] = ()
    ) -> Sequence[Freeze]:
        wanted, of = set(partitions), set(accounts)
        return [
            each for each in self.standing if each.account_id in of or partition_of(each.account_id) in wanted
        ]

    async def acknowledge(self, freezes: Sequence[Freeze], by: str) -> None:
        assert by == "me"
        self.acknowledged += [each.version for each in freezes]


def freeze(level: LiquidationLevel, version: int = 1) -> Freeze:
    return Freeze(ACCOUNT, level, "liq", "why", version)


async def a_frozen(level: LiquidationLevel) -> tuple[Freezes, Rows]:
    rows = Rows()
    rows.standing = [freeze(level)]
    freezes = Freezes(rows, "me")  # type: ignore[arg-type]  # as much as this needs
    await freezes.gain([partition_of(ACCOUNT)])
    return freezes, rows


def place(one: CopyOrder) -> Command:
    return Command(CommandKind.PLACE, one)


async def test_an_account_that_is_flattened_sends_nothing_but_its_liquidation() -> None:
    freezes, rows = await a_frozen(_L.FLATTEN)
    assert rows.acknowledged == [1]
    assert freezes.refusal(place(ENTRY)) == FROZEN
    assert freezes.refusal(place(EXIT)) == LIQUIDATING
    assert freezes.refusal(place(FOREIGN)) == LIQUIDATING
    assert freezes.refusal(place(MINE)) is None
    assert freezes.refusal(Command(CommandKind.CANCEL, ENTRY)) is None
    assert freezes.refusal(Command(CommandKind.MODIFY, EXIT)) is Hold.HELD


async def test_short_of_flattening_only_what_enters_stays() -> None:
    for level in (_L.STOP_ENTRIES, _L.CANCEL_WORKING):
        freezes, _ = await a_frozen(level)
        assert freezes.refusal(place(ENTRY)) == FROZEN
        assert freezes.refusal(Command(CommandKind.MODIFY, ENTRY)) is Hold.HELD
        assert freezes.refusal(place(EXIT)) is None


async def test_versions_never_go_back_and_a_release_is_heard() -> None:
    freezes, rows = await a_frozen(_L.FLATTEN)
    rows.standing = [freeze(_L.STOP_ENTRIES, version=3)]
    await freezes.reload([ACCOUNT])
    rows.standing = [freeze(_L.FLATTEN, version=2)]
    await freezes.reload([ACCOUNT])
    known = freezes.of(ACCOUNT)
    assert (known.version if known else 0, rows.acknowledged) == (3, [1, 3])
    rows.standing = []
    await freezes.reload([ACCOUNT])
    assert freezes.refusal(place(ENTRY)) is None


async def test_copies_that_are_flattened_are_not_entered_again() -> None:
    freezes = Freezes(Rows(), "me")  # type: ignore[arg-type]
    subscription = ENTRY.subscription_id
    assert subscription is not None
    copies = Liquidation(
        LiquidationId("c"), ACCOUNT, _L.FLATTEN, LiquidationCause.CASCADE, subscription_id=subscription
    )
    freezes.begin(copies)
    assert freezes.refusal(place(ENTRY)) == LIQUIDATING
    assert freezes.refusal(place(EXIT)) is None
    assert freezes.refusal(place(replace(ENTRY, subscription_id=SubscriptionId("another")))) is None
    freezes.end(LiquidationId("c"))
    assert freezes.refusal(place(ENTRY)) is None


async def test_what_is_lost_is_forgotten() -> None:
    freezes, _ = await a_frozen(_L.FLATTEN)
    freezes.lose([partition_of(ACCOUNT)])
    assert freezes.of(ACCOUNT) is None
