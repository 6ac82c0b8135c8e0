"""Tags and ids come from what the broker said, and are the same on every replica."""

from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.copy_order import Cause, CauseKind
from paceline.domain.copying.tags import (
    TAG_LENGTH,
    command_id_of,
    copy_order_id_of,
    decision_id_of,
    kind_of,
    tag_of,
)
from paceline.domain.ids import AccountId, SubscriptionId
from paceline.domain.partitioning import PARTITIONS, partition_of

CAUSES = st.builds(Cause, st.sampled_from(CauseKind), st.text(max_size=30))
SUBSCRIPTIONS = st.one_of(st.none(), st.text(max_size=10).map(SubscriptionId))
SMALL = st.integers(0, 3)


@given(CAUSES, SUBSCRIPTIONS, SMALL, SMALL, SMALL)
def test_a_tag_fits_every_broker_and_says_whose_it_is(
    cause: Cause, subscription: SubscriptionId | None, leg: int, slice_: int, step: int
) -> None:
    tag = tag_of(cause, subscription, leg=leg, slice_=slice_, step=step)
    assert len(tag) == TAG_LENGTH
    assert tag.isascii()
    assert tag.isalnum()
    assert kind_of(tag) is cause.kind
    assert tag == tag_of(cause, subscription, leg=leg, slice_=slice_, step=step)


def test_whatever_differs_makes_another_tag() -> None:
    cause = Cause(CauseKind.EVENT, "fill")
    one, two = SubscriptionId("1"), SubscriptionId("2")
    tags = {
        tag_of(cause, one, leg=0, slice_=0),
        tag_of(cause, two, leg=0, slice_=0),
        tag_of(cause, one, leg=1, slice_=0),
        tag_of(cause, one, leg=0, slice_=1),
        tag_of(cause, one, leg=0, slice_=0, step=1),
        tag_of(Cause(CauseKind.EVENT, "fill2"), one, leg=0, slice_=0),
        tag_of(Cause(CauseKind.MANUAL, "fill"), one, leg=0, slice_=0),
    }
    assert len(tags) == 7


def test_strangers_tags_are_not_ours() -> None:
    for tag in ("", "2:Untagged", "PC", "XX" + "A" * 18, "PC" + "-" * 18, "PC" + "A" * 19):
        assert kind_of(tag) is None


def test_ids_are_the_same_for_the_same_decision() -> None:
    first = decision_id_of("fill", SubscriptionId("1"))
    assert first == decision_id_of("fill", SubscriptionId("1"))
    assert first != decision_id_of("fill", SubscriptionId("2"))
    assert first != decision_id_of("fill", None)
    assert len(copy_order_id_of(first, 1, 2, 3)) == 32
    assert copy_order_id_of(first, 1, 2, 3) != copy_order_id_of(first, 1, 3, 2)


def test_names_are_for_ever() -> None:
    """A release that named anything else would order again what the one before it ordered."""
    told = Cause(CauseKind.EVENT, "fyers:X1:20261123:fill:t1")
    assert tag_of(told, SubscriptionId("s1"), leg=1, slice_=2, step=3) == "PC3EBYOJLSM4MSP3ZQOX"
    account = Cause(CauseKind.LIQUIDATION, "liq-1|NSE:SBIN-EQ")
    assert tag_of(account, None, leg=0, slice_=0) == "PL6263K2EI2SE2QYX6R2"
    assert decision_id_of(told.identity, None) == "b809001a06d2aa3db4b19ba1"
    decision = decision_id_of(told.identity, SubscriptionId("s1"))
    assert decision == "fd0aa5e5b7c7f0b439bcce1f"
    copied = copy_order_id_of(decision, 1, 2, 3)
    assert copied == "fd0aa5e5b7c7f0b439bcce1f10000203"
    assert command_id_of(decision, copied) == "96f715168c37732cb9e4a17fe6379a29"


def test_a_partition_is_for_ever() -> None:
    assert [partition_of(AccountId(name)) for name in ("fyers:XV20986", "fyers:F1")] == [222, 155]
    spread = {partition_of(AccountId(f"fyers:F{n}")) for n in range(5000)}
    assert spread == set(range(PARTITIONS))
