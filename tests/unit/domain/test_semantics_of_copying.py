"""Section 3 of docs/semantics.md, rule by rule.

A row is a rule: its words, the follower's settings, the steps of a day, and what the last event of it leads
to, with the ideal afterwards unless it is zero. The leader trades at 100, and the allowance is one per cent.
"""

import re
from importlib import import_module
from pathlib import Path

import pytest

from paceline.domain.instrument import Exchange, InstrumentKey, Product, Segment
from paceline.domain.order import BrokerStatus, OrderType, Side
from paceline.domain.subscription import (
    Caps,
    ExecutionStyle,
    ShortfallPolicy,
    Sizing,
    SizingMode,
    Subscription,
    SubscriptionState,
)
from tests.unit.domain.day_in_words import (
    Step,
    also_copies,
    copy_ends,
    copy_fills,
    equities,
    fills,
    filtered,
    following,
    holds,
    places,
    says,
    sized,
    taken,
    while_all,
    while_he,
    while_it,
)
from tests.unit.domain.given import NOW, SBIN, S, d
from tests.unit.domain.mirror_day import Day, mirroring

Rule = tuple[str, Subscription, list[Step], str]

CANCELLED, TRADED, REJECTED = BrokerStatus.CANCELLED, BrokerStatus.TRADED, BrokerStatus.REJECTED
COPY, LIQUIDATION = "PC" + "A" * 18, "PL" + "A" * 18
DERIVATIVES = frozenset({Segment.EQUITY_DERIVATIVES})
DELIVERY = InstrumentKey(SBIN, Product.CNC)
FAR, TENTH = {SBIN: d(150)}, d("0.1")
FRACTIONS = [fills(d("0.5")), taken, copy_fills(d("0.5")), fills(d("-0.3"))]
PLAIN, MIRRORED = following(), mirroring()
AT_MARKET = following(style=ExecutionStyle.MARKET)
FORWARDS = following(forward_copies=True)
CHASING = mirroring(shortfall=ShortfallPolicy.CHASE)
BY_EQUITY = Sizing(SizingMode.EQUITY_RATIO, d(1))
HOLD_TEN, OPPOSED = holds(10, "10"), while_he(others_held=d(-1))
ORDER_ENDED_SHORT: list[Step] = [places(), taken, fills(100), says(TRADED, filled=d(100))]

RULES: dict[str, list[Rule]] = {
    "Modes": [
        (
            "ON_FILL: a fill is copied at a protected limit",
            following("0.5"),
            [fills(100)],
            "entry 50 @ 101, ideal 50",
        ),
        (
            "the limit is rounded to the tick",
            PLAIN,
            [while_it(tick=d(2)), fills(1)],
            "entry 1 @ 100, ideal 1",
        ),
        (
            "or at market",
            AT_MARKET,
            [while_it(exchange=Exchange.CRYPTO), fills(9)],
            "entry 9 @ market, ideal 9",
        ),
        ("MARKET is a protected limit by our own hand", AT_MARKET, [fills(9)], "entry 9 @ 101, ideal 9"),
        ("ON_FILL: orders lead to nothing", PLAIN, [places()], "nothing"),
        (
            "ON_ORDER: an accepted order is copied as an order of the same kind",
            MIRRORED,
            [places(type=OrderType.STOP_LIMIT, limit_price=d("101.5"), trigger_price=d(101))],
            "entry 50 @ 101.5 once 101",
        ),
        ("in transit is not yet accepted", MIRRORED, [places(status=BrokerStatus.IN_TRANSIT)], "nothing"),
        (
            "accepted it is once it is pending",
            MIRRORED,
            [places(status=BrokerStatus.IN_TRANSIT), says()],
            "entry 50 @ 100",
        ),
        (
            "first seen TRADED counts as accepted",
            MIRRORED,
            [places(status=TRADED, filled=d(100))],
            "entry 50 @ 100",
        ),
        ("rejected is never copied", MIRRORED, [places(status=REJECTED)], "nothing"),
        (
            "modifications are mirrored",
            MIRRORED,
            [places(), taken, says(limit_price=d(98))],
            "change to 50 @ 98",
        ),
        ("cancellations are mirrored", MIRRORED, [places(), taken, says(CANCELLED)], "cancel"),
        ("expiries too", MIRRORED, [places(), taken, says(BrokerStatus.EXPIRED)], "cancel"),
        (
            "what is held beyond lots(ratio x his fill) is flattened at the end",
            MIRRORED,
            [places(), taken, copy_fills(50), fills(40), says(CANCELLED, filled=d(40))],
            "exit -30 @ 99, ideal 20",
        ),
        ("a shortfall is forgone: the copy goes", MIRRORED, ORDER_ENDED_SHORT, "cancel, ideal 50"),
        (
            "a shortfall is forgone: the ideal without it",
            MIRRORED,
            [*ORDER_ENDED_SHORT, copy_ends(CANCELLED)],
            "cancel",
        ),
        (
            "or chased within the allowance",
            CHASING,
            [places(), taken, copy_fills(10), fills(60), says(CANCELLED, filled=d(60))],
            "change to 30 @ 101, ideal 30",
        ),
        (
            "leader flat: working entry copies are cancelled",
            CHASING,
            [*ORDER_ENDED_SHORT, places(100, Side.SELL, "out"), fills(-100, "out")],
            "cancel",
        ),
    ],
    "Eligibility": [
        ("approved", following(state=SubscriptionState.PENDING), [fills(9)], "NOT_APPROVED"),
        ("not paused", following(state=SubscriptionState.PAUSED), [fills(9)], "NOT_APPROVED"),
        ("auto-copy on", following(auto_copy=False), [fills(9)], "AUTO_COPY_OFF"),
        ("session usable", PLAIN, [while_he(session_usable=False), fills(9)], "SESSION_UNUSABLE"),
        ("no kill switch", PLAIN, [while_he(killed=True), fills(9)], "KILL_SWITCH"),
        ("no guard tripped", PLAIN, [while_he(guard_tripped=True), fills(9)], "GUARD_TRIPPED"),
        ("account not frozen", PLAIN, [while_he(account_frozen=True), fills(9)], "ACCOUNT_FROZEN"),
        ("segment accepted", PLAIN, [while_he(segments=DERIVATIVES), fills(9)], "SEGMENT_NOT_ACCEPTED"),
        ("and by the subscription", filtered(segments=DERIVATIVES), [fills(9)], "SEGMENT_NOT_ACCEPTED"),
        ("on the allow list", filtered(allowed=frozenset()), [fills(9)], "INSTRUMENT_NOT_ALLOWED"),
        ("not on the block list", filtered(blocked=frozenset({SBIN})), [fills(9)], "INSTRUMENT_BLOCKED"),
        (
            "not banned for new positions",
            PLAIN,
            [while_all(banned=frozenset({SBIN})), fills(9)],
            "BANNED_FOR_ENTRIES",
        ),
        ("no liquidation running", PLAIN, [while_he(liquidating=True), fills(9)], "LIQUIDATING"),
        ("market open", PLAIN, [while_he(market_open=False), fills(9)], "MARKET_CLOSED"),
        ("event not too old", PLAIN, [while_all(now_ns=NOW + 30 * S + 1), fills(9)], "EVENT_TOO_OLD"),
        ("just not too old", PLAIN, [while_all(now_ns=NOW + 30 * S), fills(9)], "entry 9 @ 101, ideal 9"),
        (
            "last price not too far above",
            PLAIN,
            [while_all(last_prices={SBIN: d("101.01")}), fills(9)],
            "PRICE_TOO_FAR",
        ),
        ("nor too far below", PLAIN, [while_all(last_prices={SBIN: d("98.99")}), fills(9)], "PRICE_TOO_FAR"),
        (
            "just not too far",
            PLAIN,
            [while_all(last_prices={SBIN: d(99)}), fills(9)],
            "entry 9 @ 101, ideal 9",
        ),
        ("a resting limit may be far", MIRRORED, [while_all(last_prices=FAR), places()], "entry 50 @ 100"),
        (
            "an exit is withheld by none of these",
            filtered(allowed=frozenset(), max_age_ms=0),
            [
                HOLD_TEN,
                while_he(account_frozen=True, segments=frozenset()),
                while_all(now_ns=NOW + S),
                fills(-10),
            ],
            "exit -10 @ 99",
        ),
        (
            "but held while the session is unusable",
            PLAIN,
            [HOLD_TEN, while_he(session_usable=False), fills(-10)],
            "exit -10 @ 99, SESSION_UNUSABLE",
        ),
        (
            "or the market closed",
            PLAIN,
            [HOLD_TEN, while_he(market_open=False), fills(-10)],
            "exit -10 @ 99, MARKET_CLOSED",
        ),
        (
            "a running liquidation absorbs exits",
            PLAIN,
            [HOLD_TEN, while_he(liquidating=True), fills(-10)],
            "LIQUIDATING",
        ),
    ],
    "Sizing": [
        ("FIXED_RATIO", following("0.4"), [fills(100)], "entry 40 @ 101, ideal 40"),
        (
            "EQUITY_RATIO: q x follower / leader x multiplier",
            sized("EQUITY_RATIO", "2"),
            [equities(400, 100), fills(100)],
            "entry 50 @ 101, ideal 50",
        ),
        (
            "FIXED_QUANTITY is per leader order, spread by filled / ordered",
            sized("FIXED_QUANTITY", "30"),
            [places(), fills(50)],
            "entry 15 @ 101, ideal 15",
        ),
        (
            "FIXED_NOTIONAL",
            sized("FIXED_NOTIONAL", "2500"),
            [places(), fills(100)],
            "entry 25 @ 101, ideal 25",
        ),
        (
            "RISK_PERCENT of follower equity at the distance of the leader's stop",
            sized("RISK_PERCENT", "2"),
            [
                equities(400, 2500),
                places(100, Side.SELL, "stop", type=OrderType.STOP, trigger_price=d(95), limit_price=d(0)),
                places(),
                fills(100),
            ],
            "entry 10 @ 101, ideal 10",
        ),
        (
            "the ratio is frozen at the first decision about a leader order",
            following(sizing=BY_EQUITY),
            [equities(100, 100), fills(10), equities(100, 900), fills(10)],
            "entry 10 @ 101, ideal 20",
        ),
        (
            "round-up-to-one-lot applies once per leader order",
            sized("FIXED_RATIO", "0.001", round_up_to_one_lot=True),
            [places(), fills(50), fills(50)],
            "BELOW_ONE_LOT, ideal 1",
        ),
        (
            "caps apply once per leader order: lots",
            following(caps=Caps(max_lots_per_order=d(3))),
            [places(), fills(50), fills(50)],
            "entry 2 @ 101, CAPPED_LOTS, ideal 3",
        ),
        (
            "money in one order",
            following(caps=Caps(max_notional_per_order=d(2_000))),
            [places(), fills(100)],
            "entry 20 @ 101, CAPPED_NOTIONAL, ideal 20",
        ),
        (
            "exposure",
            following(caps=Caps(max_exposure=d(6_000))),
            [while_he(exposure=d(1_000)), places(), fills(100)],
            "entry 50 @ 101, CAPPED_EXPOSURE, ideal 50",
        ),
        (
            "open positions",
            following(caps=Caps(max_open_positions=2)),
            [while_he(other_positions=2), places(), fills(100)],
            "CAPPED_POSITIONS",
        ),
        ("then reverse if asked", following(reverse=True), [fills(10)], "entry -10 @ 99, ideal -10"),
        ("lots toward zero", PLAIN, [while_it(lot=d(10)), fills(-19)], "entry -10 @ 99, ideal -19"),
        (
            "slices at the freeze quantity",
            PLAIN,
            [while_it(lot=d(20), freeze=d(101)), fills(250)],
            "entry 100 @ 101, entry 100 @ 101, entry 40 @ 101, ideal 250",
        ),
    ],
    "The ledger": [
        (
            "an eligible entry fill adds ratio x fill",
            following("0.1"),
            [fills(3)],
            "BELOW_ONE_LOT, ideal 0.3",
        ),
        ("whose residue is carried", following("0.1"), [fills(3)] * 4, "entry 1 @ 101, ideal 1.2"),
        (
            "an exit multiplies it by the fraction that the leader kept",
            following("0.5"),
            [holds(100, "50"), fills(-25)],
            "exit -13 @ 99, ideal 37.5",
        ),
        (
            "the target is zero when the leader's position is",
            following("0.37"),
            [holds(10, "3.7"), fills(-10)],
            "exit -3 @ 99",
        ),
        (
            "forgone quantity leaves it, so no later fill plans it again",
            PLAIN,
            [fills(10), taken, copy_ends(REJECTED), fills(5)],
            "entry 5 @ 101, ideal 5",
        ),
        (
            "a skipped entry never joins it",
            PLAIN,
            [while_he(account_frozen=True), fills(10), while_he(account_frozen=False), fills(5)],
            "entry 5 @ 101, ideal 5",
        ),
        ("entries are sized on planned - released", PLAIN, [fills(10), fills(5)], "entry 5 @ 101, ideal 15"),
        (
            "exits on filled - exits outstanding",
            PLAIN,
            [HOLD_TEN, fills(-5), fills(-2)],
            "exit -2 @ 99, ideal 3",
        ),
        (
            "a flip is an exit and then an entry",
            following("0.5"),
            [holds(10, "5"), fills(-30)],
            "exit -5 @ 99, entry -10 @ 99, ideal -10",
        ),
        ("of fractions too", PLAIN, [while_it(lot=TENTH), *FRACTIONS], "exit -0.3 @ 99, ideal 0.2"),
    ],
    "Order of commands": [
        ("an exit withdraws unsent entries", PLAIN, [fills(10), fills(-10)], "cancel"),
        ("shrinks working ones", PLAIN, [fills(10), taken, fills(-4)], "change to 6 @ 101, ideal 6"),
        (
            "the newest first",
            PLAIN,
            [fills(5), taken, fills(5), taken, fills(-6)],
            "cancel, change to 4 @ 101, ideal 4",
        ),
        (
            "but no copies of leader orders that are still working",
            mirroring("1"),
            [holds(40, "40"), places(order="in"), taken, places(20, Side.SELL, "out"), fills(-20, "out")],
            "nothing, ideal 20",
        ),
        ("a flip does too", PLAIN, [fills(9), taken, fills(-29)], "entry -20 @ 99, cancel, ideal -20"),
        (
            "sells at once what is filled above target",
            PLAIN,
            [fills(10), taken, copy_fills(6), fills(-7)],
            "exit -3 @ 99, cancel, ideal 3",
        ),
        (
            "modifications of an unsent order fold into it",
            mirroring("1"),
            [places(), says(quantity=d(40)), taken, says(limit_price=d(99))],
            "change to 40 @ 99",
        ),
        (
            "a modified quantity is re-sized with the frozen ratio",
            mirroring(sizing=BY_EQUITY),
            [equities(100, 50), places(), taken, equities(100, 500), says(quantity=d(60))],
            "change to 30 @ 100",
        ),
    ],
    "Netting": [
        ("an entry opposite to another copy is skipped", PLAIN, [OPPOSED, fills(9)], "OPPOSITE_HELD"),
        ("unless allowed", following(allow_opposite=True), [OPPOSED, fills(9)], "entry 9 @ 101, ideal 9"),
        (
            "never for delivery",
            following(allow_opposite=True),
            [OPPOSED, fills(9, key=DELIVERY)],
            "OPPOSITE_HELD",
        ),
    ],
    "Chains and circles": [
        ("a tagged copy does not go onward", PLAIN, [fills(9, tag=COPY)], "OWN_COPY"),
        ("but with forward_copies", FORWARDS, [fills(9, tag=COPY)], "entry 9 @ 101, ideal 9"),
        (
            "who does not sees his own trading alone",
            PLAIN,
            [HOLD_TEN, also_copies(90), fills(-5)],
            "exit -5 @ 99, ideal 5",
        ),
        (
            "who forwards sees all of it",
            FORWARDS,
            [holds(10, "100"), also_copies(90), fills(-5)],
            "exit -5 @ 99, ideal 95",
        ),
        (
            "liquidation orders are never copied",
            PLAIN,
            [HOLD_TEN, fills(-10, tag=LIQUIDATION)],
            "LIQUIDATING, ideal 10",
        ),
    ],
    "Silence": [
        ("of a silent leader entries wait", PLAIN, [while_he(close_only=True), fills(9)], "CLOSE_ONLY"),
        ("and exits go on", PLAIN, [HOLD_TEN, while_he(close_only=True), fills(-4)], "exit -4 @ 99, ideal 6"),
    ],
}

ELSEWHERE = {
    "Eligibility": ["domain.test_options_filter.STOPPED"],
    "Sizing": ["domain.test_sizing_rules.WHOLE", "domain.test_sizing_rules.CAPS"],
    "Order of commands": ["domain.test_execution.test_sequence_is_kept"],
    "Netting": ["domain.test_attribution.CASES"],
    "Fairness": ["domain.test_plan_on_fill.test_followers_are_served_in_an_order_that_rotates"],
    "At subscription": [
        "domain.test_opening.test_no_drift_from_the_first_moment",
        "domain.test_ending.test_flat_is_flat_and_never_the_other_side",
    ],
    "Silence": ["domain.test_silence.test_only_a_gap_longer_than_allowed_ever_closes"],
    "The transaction": ["domain.test_names.test_ids_are_the_same_for_the_same_decision"],
    "Laws": ["domain.test_laws.TestLaws", "domain.test_laws_on_order.TestLawsOnOrder"],
}
"""What needs more than one follower's day, or has a table of its own, by the paragraph that says the rule."""

CASES = [(paragraph, *rule) for paragraph, rules in RULES.items() for rule in rules]


@pytest.mark.parametrize(
    ("paragraph", "rule", "settings", "steps", "leads_to"),
    CASES,
    ids=[f"{case[0]}: {case[1]}" for case in CASES],
)
def test_the_rule(
    paragraph: str, rule: str, settings: Subscription, steps: list[Step], leads_to: str
) -> None:
    day = Day(settings)
    words = [said for step in steps if (said := step(day)) is not None]
    ideal = day.books.ledger.ideal
    assert words[-1] + (f", ideal {ideal.normalize():f}" if ideal else "") == leads_to, rule


def test_every_paragraph_of_the_section_has_its_cases() -> None:
    text = (Path(__file__).parents[3] / "docs" / "semantics.md").read_text(encoding="utf-8")
    section = text.split("\n## 3.")[1].split("\n## 4.")[0]
    paragraphs = set(re.findall(r"^\*\*([^*.]+)\.?\*\*", section, re.MULTILINE))
    assert paragraphs == RULES.keys() | ELSEWHERE.keys()


@pytest.mark.parametrize("name", [name for names in ELSEWHERE.values() for name in names])
def test_what_stands_elsewhere_stands_there(name: str) -> None:
    module, _, what = name.rpartition(".")
    assert getattr(import_module(f"tests.unit.{module}"), what)


def test_a_rule_is_named_once() -> None:
    names = [rule for rules in RULES.values() for rule, *_ in rules]
    assert len(names) == len(set(names))
