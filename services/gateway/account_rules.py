"""What accounts, apps and groups must look like."""

import re
from decimal import Decimal
from ipaddress import ip_address
from urllib.parse import urlsplit

from paceline.domain.account import Account
from paceline.domain.errors import Problems
from paceline.ports.accounts import AccountGroup, BrokerApp

_CLIENT = re.compile(r"[A-Za-z0-9._@+-]{1,64}")
_NAME = re.compile(r"[A-Za-z0-9._:@+-]{1,128}")
NAME_RULE = "must be 1 to 128 of letters, digits and . _ : @ + -"
_WEB = ("http", "https")


def check_account(account: Account) -> None:
    """`Invalid` with everything about it that can never work."""
    problems = Problems()
    problems.require(
        _CLIENT.fullmatch(account.client_id) is not None,
        "account.client_id",
        "must be 1 to 64 of letters, digits and . _ @ + -",
    )
    problems.require(bool(account.segments), "account.segments", "must name at least one segment")
    problems.require(
        not account.egress or _is_egress(account.egress),
        "account.egress",
        "must be a source address or the URL of an http proxy",
    )
    problems.raise_any()


def check_app(app: BrokerApp) -> None:
    problems = Problems()
    problems.require(_NAME.fullmatch(app.app_id) is not None, "broker_app.broker_app_id", NAME_RULE)
    problems.require(
        not app.redirect_url or _is_url(app.redirect_url),
        "broker_app.redirect_uri",
        "must be a URL of http or https",
    )
    problems.raise_any()


def check_group(group: AccountGroup) -> None:
    problems = Problems()
    problems.require(_NAME.fullmatch(group.group_id) is not None, "account_group.account_group_id", NAME_RULE)
    for field in ("min_lots", "max_lots", "lot_step"):
        value: Decimal | None = getattr(group, field)
        problems.require(value is None or value > 0, f"account_group.{field}", "must be positive")
    if group.min_lots is not None and group.max_lots is not None:
        problems.require(
            group.min_lots <= group.max_lots, "account_group.max_lots", "must not be below min_lots"
        )
    problems.raise_any()


def _is_egress(text: str) -> bool:
    if "://" in text:
        return _is_url(text)
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in _WEB and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
