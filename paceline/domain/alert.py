"""What people are told, and in which words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from paceline.domain.ids import AccountId


class AlertKind(StrEnum):
    WARNING = "WARNING"
    NOT_JUDGED = "NOT_JUDGED"
    LIQUIDATION_BEGUN = "LIQUIDATION_BEGUN"
    LIQUIDATION_ENDED = "LIQUIDATION_ENDED"
    GUARD_TRIPPED = "GUARD_TRIPPED"
    LOGIN_NEEDED = "LOGIN_NEEDED"


@dataclass(frozen=True, slots=True)
class Alert:
    """`alert_id` is derived from the cause: the same thing is told once."""

    alert_id: str
    account_id: AccountId
    kind: AlertKind
    facts: Mapping[str, str] = field(default_factory=dict)


class Words(NamedTuple):
    title: str
    body: str


_TEMPLATES: Mapping[AlertKind, Words] = {
    AlertKind.WARNING: Words(
        "Margin warning: {account}",
        "The margin level of {account} is {level} %, at or below its warning line of {line} %.\n"
        "Equity {equity}, margin used {margin}.",
    ),
    AlertKind.NOT_JUDGED: Words(
        "Not judged: {account}",
        "By what is known, the margin level of {account} is {level} %, at or below its line of {line} %.\n"
        "Nothing is done: {reason}.",
    ),
    AlertKind.LIQUIDATION_BEGUN: Words(
        "Liquidation begun: {account}",
        "Everything that {account} holds is being closed: {reason}.\nLiquidation {liquidation}.",
    ),
    AlertKind.LIQUIDATION_ENDED: Words(
        "Liquidation ended: {account}", "{account} is flat. Liquidation {liquidation}."
    ),
    AlertKind.GUARD_TRIPPED: Words(
        "Guard tripped: {account}",
        "{guard} of {account}: seen {observed}, allowed {line}. {reason}.",
    ),
    AlertKind.LOGIN_NEEDED: Words(
        "Login needed: {account}",
        "The broker wants a person to log in for {account}. Until then exits wait and nothing is copied.\n"
        "{reason}",
    ),
}


class _Facts(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "not known"


def words(alert: Alert) -> Words:
    """Facts are put in as they are: braces in them mean nothing."""
    facts = _Facts(alert.facts, account=alert.account_id)
    template = _TEMPLATES[alert.kind]
    return Words(*(each.format_map(facts) for each in template))
