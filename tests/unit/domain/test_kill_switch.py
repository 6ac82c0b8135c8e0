"""What a kill switch stops, and that engaging never lowers it."""

import pytest

from paceline.domain.errors import FailedPrecondition
from paceline.domain.ids import AccountId, SubscriptionId
from paceline.domain.kill_switch import Engaged, Guarded, KillScope, Stops, Target, raised
from paceline.domain.liquidation import LiquidationLevel
from tests.unit.domain.given import FOLLOWER, LEADER

STOP, CANCEL, FLATTEN = LiquidationLevel
MINE, OTHERS = SubscriptionId("s1"), SubscriptionId("s2")
STRANGER = AccountId("fyers:STRANGER")
EVERYTHING = Engaged(Target(KillScope.EVERYTHING))
AFTER_LEADER = Engaged(Target(KillScope.LEADER, LEADER), frozenset({MINE}))
OF_FOLLOWER = Engaged(Target(KillScope.FOLLOWER, FOLLOWER))


@pytest.mark.parametrize(
    ("standing", "wanted", "raises"),
    [
        (None, STOP, True),
        (STOP, CANCEL, True),
        (STOP, FLATTEN, True),
        (CANCEL, FLATTEN, True),
        (STOP, STOP, False),
        (FLATTEN, FLATTEN, False),
    ],
)
def test_a_level_is_raised_once(
    standing: LiquidationLevel | None, wanted: LiquidationLevel, raises: bool
) -> None:
    assert raised(standing, wanted) is raises


@pytest.mark.parametrize(("standing", "wanted"), [(FLATTEN, CANCEL), (FLATTEN, STOP), (CANCEL, STOP)])
def test_a_level_is_never_lowered_by_engaging(standing: LiquidationLevel, wanted: LiquidationLevel) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        raised(standing, wanted)
    assert str(refused.value) == f"it is engaged at {standing}, which is further: release it first"


@pytest.mark.parametrize(
    ("engaged", "leader", "follower", "stopped"),
    [
        ([], LEADER, FOLLOWER, False),
        ([EVERYTHING], STRANGER, STRANGER, True),
        ([AFTER_LEADER], LEADER, STRANGER, True),
        ([AFTER_LEADER], STRANGER, FOLLOWER, False),
        ([AFTER_LEADER], STRANGER, LEADER, False),
        ([OF_FOLLOWER], STRANGER, FOLLOWER, True),
        ([OF_FOLLOWER], LEADER, STRANGER, False),
        ([AFTER_LEADER, OF_FOLLOWER], LEADER, STRANGER, True),
    ],
)
def test_an_entry_is_stopped_by_its_leader_its_follower_or_all(
    engaged: list[Engaged], leader: AccountId, follower: AccountId, stopped: bool
) -> None:
    assert Stops.of(engaged).entry(leader, follower) is stopped


@pytest.mark.parametrize(
    ("engaged", "copies", "follower", "stopped"),
    [
        ([], MINE, FOLLOWER, False),
        ([EVERYTHING], OTHERS, STRANGER, True),
        ([EVERYTHING], None, FOLLOWER, False),
        ([AFTER_LEADER], MINE, STRANGER, True),
        ([AFTER_LEADER], OTHERS, FOLLOWER, False),
        ([OF_FOLLOWER], OTHERS, FOLLOWER, True),
        ([OF_FOLLOWER], MINE, STRANGER, False),
        ([OF_FOLLOWER], None, FOLLOWER, False),
    ],
)
def test_a_planned_entry_is_stopped_too_and_what_is_no_copy_is_not(
    engaged: list[Engaged], copies: SubscriptionId | None, follower: AccountId, stopped: bool
) -> None:
    assert Stops.of(engaged).copy(copies, follower) is stopped


@pytest.mark.parametrize(
    ("guarded", "copies", "follower", "tripped"),
    [
        ([], MINE, FOLLOWER, False),
        ([Guarded(FOLLOWER)], MINE, FOLLOWER, True),
        ([Guarded(FOLLOWER)], OTHERS, FOLLOWER, True),
        ([Guarded(FOLLOWER)], None, FOLLOWER, False),
        ([Guarded(FOLLOWER)], MINE, STRANGER, False),
        ([Guarded(FOLLOWER, MINE)], MINE, FOLLOWER, True),
        ([Guarded(FOLLOWER, MINE)], OTHERS, FOLLOWER, False),
        ([Guarded(FOLLOWER, MINE)], None, FOLLOWER, False),
    ],
)
def test_a_guard_keeps_out_the_copies_of_its_account_or_its_subscription(
    guarded: list[Guarded], copies: SubscriptionId | None, follower: AccountId, tripped: bool
) -> None:
    assert Stops.of([], guarded).tripped(copies, follower) is tripped
