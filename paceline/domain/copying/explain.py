"""One sentence for people for every reason that a plan may name."""

from collections.abc import Mapping

from paceline.domain.copying.decision import SkipReason

_R = SkipReason

SENTENCES: Mapping[SkipReason, str] = {
    _R.NOT_APPROVED: "The subscription is not approved, or is paused",
    _R.AUTO_COPY_OFF: "Automatic copying is switched off",
    _R.SESSION_UNUSABLE: "The follower's session at his broker cannot be used now",
    _R.ACCOUNT_FROZEN: "The follower's account is frozen",
    _R.SEGMENT_NOT_ACCEPTED: "The follower does not trade in this segment",
    _R.INSTRUMENT_NOT_ALLOWED: "The instrument is not on the subscription's list",
    _R.INSTRUMENT_BLOCKED: "The subscription blocks the instrument",
    _R.INSTRUMENT_UNKNOWN: "The instrument is not known at the follower's broker",
    _R.PRODUCT_NOT_COPYABLE: "Brokers store no tag beside orders of this product, so they are not copied",
    _R.MAPPED_ELSEWHERE: "Another of the leader's instruments or products is copied under this name",
    _R.OPTIONS_FILTER: "The option is outside of what the subscription accepts",
    _R.BANNED_FOR_ENTRIES: "The exchange allows no new positions in it",
    _R.MARKET_CLOSED: "The market is closed",
    _R.CIRCUIT_LOCKED: "The price is at the end of its band, where nobody takes the other side",
    _R.EVENT_TOO_OLD: "The leader's trade is older than the subscription acts on",
    _R.PRICE_TOO_FAR: "The market has moved further from the leader's price than the allowance",
    _R.EQUITY_UNKNOWN: "The equity that the size is reckoned from is not known, or too old",
    _R.PRICE_UNKNOWN: "The price that the size or the limit is reckoned from is not known",
    _R.LEADER_ORDER_UNKNOWN: "The whole of the leader's order is not known, which the size is for",
    _R.NO_STOP: "The leader has no working stop that the risk could be reckoned from",
    _R.BELOW_ONE_LOT: "It comes to less than one lot more than is held or on its way",
    _R.BELOW_MINIMUM: "It comes to less than the account's group asks for",
    _R.LOT_STEP: "It comes to less than one step of the account's group",
    _R.CAPPED_LOTS: "The cap on lots in one order",
    _R.CAPPED_NOTIONAL: "The cap on money in one order",
    _R.CAPPED_EXPOSURE: "The cap on money in all copied positions",
    _R.CAPPED_POSITIONS: "The cap on the number of copied positions",
    _R.OPPOSITE_HELD: "It opposes what is copied already in the same instrument",
    _R.NOTHING_HELD: "Nothing of it is held, so there is nothing to leave",
    _R.OWN_COPY: "It is itself a copy, and the subscription does not hand copies on",
    _R.KILL_SWITCH: "A kill switch stops entries",
    _R.GUARD_TRIPPED: "A guard tripped and is not armed again",
    _R.CLOSE_ONLY: "The leader has been silent for too long: exits only",
    _R.LIQUIDATING: "A liquidation is running and takes care of it",
    _R.COPY_ENDED: "The copy had ended when the leader's order went on",
    _R.LEADER_ORDER_ENDED: "The leader's order ended before its copy was filled",
}


def explain(reason: SkipReason, detail: str = "") -> str:
    """The sentence, with what is known of this case."""
    sentence = SENTENCES[reason]
    return f"{sentence}: {detail}." if detail else f"{sentence}."
