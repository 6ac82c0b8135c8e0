"""The rules of the gateway's own: what things look like, and which way subscriptions go."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from paceline.domain.account import Account, AccountState, AccountType, Broker
from paceline.domain.errors import Invalid
from paceline.domain.ids import AccountId, BrokerAppId, SubscriptionId
from paceline.domain.instrument import Segment
from paceline.domain.subscription import (
    Caps,
    CopyMode,
    Filters,
    Sizing,
    SizingMode,
    Subscription,
    SubscriptionState,
)
from paceline.ports.accounts import AccountGroup, BrokerApp, GroupId
from services.gateway.account_rules import check_account, check_app, check_group
from services.gateway.subscriptions import MAX_AGE_MAX_MS, Move, check_settings

ACCOUNT = Account(
    account_id=AccountId("fyers:X1"),
    broker=Broker.FYERS,
    client_id="X1",
    type=AccountType.LIVE,
    state=AccountState.ACTIVE,
    segments=frozenset({Segment.CAPITAL_MARKET}),
)
SUBSCRIPTION = Subscription(
    subscription_id=SubscriptionId("s"),
    leader=AccountId("fyers:L"),
    follower=AccountId("fyers:F"),
    state=SubscriptionState.PENDING,
    auto_copy=True,
    mode=CopyMode.ON_FILL,
    sizing=Sizing(SizingMode.FIXED_RATIO, Decimal("0.5")),
)


def broken(check: Callable[[], None]) -> set[str]:
    with pytest.raises(Invalid) as caught:
        check()
    return {problem.field for problem in caught.value.problems}


@pytest.mark.parametrize(
    "egress", ["", "10.0.0.7", "2001:db8::1", "http://user:word@proxy:3128", "https://p"]
)
def test_an_egress_is_an_address_or_a_proxy(egress: str) -> None:
    check_account(replace(ACCOUNT, egress=egress))


@pytest.mark.parametrize(
    "egress", ["10.0.0", "10.0.0.1/24", "socks5://p", "http://", "http://p:0", "http://[", "p"]
)
def test_anything_else_is_no_egress(egress: str) -> None:
    assert broken(lambda: check_account(replace(ACCOUNT, egress=egress))) == {"account.egress"}


def test_a_name_cannot_break_a_key() -> None:
    for client_id in ("", "a b", "a}b", "a/b", "ä", "x" * 65):
        assert broken(lambda name=client_id: check_account(replace(ACCOUNT, client_id=name))) == {  # type: ignore[misc]
            "account.client_id"
        }


def test_apps_and_groups_have_names_and_bounds() -> None:
    app = BrokerApp(BrokerAppId("a b"), Broker.FYERS, "K-100", redirect_url="nowhere")
    assert broken(lambda: check_app(app)) == {"broker_app.broker_app_id", "broker_app.redirect_uri"}
    group = AccountGroup(GroupId(""), min_lots=Decimal(3), max_lots=Decimal(2), lot_step=Decimal(0))
    assert broken(lambda: check_group(group)) == {
        "account_group.account_group_id",
        "account_group.max_lots",
        "account_group.lot_step",
    }


def test_settings_are_refused_by_their_names_on_the_wire() -> None:
    wrong = replace(
        SUBSCRIPTION,
        follower=SUBSCRIPTION.leader,
        filters=Filters(max_age_ms=0),
        caps=Caps(max_lots_per_order=Decimal("0.9"), max_open_positions=0),
    )
    assert broken(lambda: check_settings(wrong)) == {
        "subscription.follower_id",
        "subscription.filters.max_age",
        "subscription.caps.max_lots_per_order",
        "subscription.caps.max_open_positions",
    }
    aged = replace(SUBSCRIPTION, filters=Filters(max_age_ms=MAX_AGE_MAX_MS + 1))
    assert broken(lambda: check_settings(aged)) == {"subscription.filters.max_age"}


def test_orders_are_mirrored_as_they_are_or_not_at_all() -> None:
    mirrors = replace(SUBSCRIPTION, mode=CopyMode.ON_ORDER)
    check_settings(mirrors)
    assert broken(lambda: check_settings(replace(mirrors, reverse=True))) == {"subscription.reverse"}


def test_subscriptions_go_one_way() -> None:
    ways = {(before, move.value.after) for move in Move for before in move.value.before}
    assert ways == {
        (SubscriptionState.PENDING, SubscriptionState.APPROVED),
        (SubscriptionState.APPROVED, SubscriptionState.PAUSED),
        (SubscriptionState.PAUSED, SubscriptionState.APPROVED),
    }
