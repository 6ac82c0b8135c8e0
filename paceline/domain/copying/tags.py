"""One tag names one broker order, for ever and on every replica."""

from hashlib import blake2b

from paceline.domain.copy_order import Cause, CauseKind
from paceline.domain.ids import CommandId, CopyOrderId, DecisionId, SubscriptionId, Tag

TAG_LENGTH = 20
_PREFIX = {
    CauseKind.EVENT: "PC",
    CauseKind.SIGNAL: "PS",
    CauseKind.STRATEGY_LEG: "PT",
    CauseKind.LIQUIDATION: "PL",
    CauseKind.GUARD: "PG",
    CauseKind.MANUAL: "PM",
}
_KIND = {prefix: kind for kind, prefix in _PREFIX.items()}
_SEPARATOR = "\x1f"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PAIRS = tuple(first + second for first in _LETTERS for second in _LETTERS)
_SHIFTS = range(0, 5 * (TAG_LENGTH - 2), 10)


def tag_of(
    cause: Cause, subscription_id: SubscriptionId | None, *, leg: int, slice_: int, step: int = 0
) -> Tag:
    """Hashed from what the broker said and what was decided on it, never from numbers of our own."""
    content = _SEPARATOR.join((cause.identity, subscription_id or "", str(leg), str(slice_), str(step)))
    bits = int.from_bytes(blake2b(content.encode(), digest_size=12).digest(), "big")
    return Tag(_PREFIX[cause.kind] + "".join([_PAIRS[bits >> shift & 1023] for shift in _SHIFTS]))


def kind_of(tag: str) -> CauseKind | None:
    """Whose tag this is; None when it is not one of ours."""
    if len(tag) != TAG_LENGTH or not tag.isalnum():
        return None
    return _KIND.get(tag[:2])


def decision_id_of(identity: str, subscription_id: SubscriptionId | None) -> DecisionId:
    """The same event and subscription always make the same decision: a replay collides instead of adding."""
    content = _SEPARATOR.join((identity, subscription_id or ""))
    return DecisionId(blake2b(content.encode(), digest_size=12).hexdigest())


def copy_order_id_of(decision_id: DecisionId, leg: int, slice_: int, step: int) -> CopyOrderId:
    """32 hexadecimal digits, so that it also fits where a UUID is wanted."""
    return CopyOrderId(f"{decision_id}{leg:01x}{slice_:05x}{step:02x}")


def command_id_of(decision_id: DecisionId, copy_order_id: CopyOrderId) -> CommandId:
    """One decision changes an order once."""
    content = _SEPARATOR.join((decision_id, copy_order_id))
    return CommandId(blake2b(content.encode(), digest_size=16).hexdigest())
