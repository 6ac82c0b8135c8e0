"""What keeps entries out: liquidations of the follower, lists of banned instruments."""

from dataclasses import replace
from datetime import date, timedelta

from paceline.domain.copying.barriers import BANNED_MAX, BanList, Underway, barriers_of, problems_of
from paceline.domain.ids import AccountId, InstrumentId, SubscriptionId
from paceline.domain.instrument import Instrument, InstrumentKind
from tests.unit.domain.given import FOLLOWER, KEY, SBIN, SHARE, subscription

DAY = date(2026, 11, 23)
ONE = timedelta(days=1)
MINE = subscription()
OTHERS = replace(MINE, subscription_id=SubscriptionId("other"))
ELSEWHERE = replace(KEY, instrument_id=InstrumentId("NSE:OTHER-EQ"))
EXCHANGE = BanList("exchange", DAY, DAY, frozenset({"SAIL"}))
BROKER = BanList("broker", DAY, None, instruments=frozenset({SBIN}))


def contract(kind: InstrumentKind, underlying: str = "SAIL") -> Instrument:
    return replace(
        SHARE, instrument_id=InstrumentId(f"NSE:{underlying}26NOV"), kind=kind, underlying=underlying
    )


def test_a_liquidation_of_the_account_stops_all_its_entries_and_absorbs_exits_once_it_flattens() -> None:
    wanted = barriers_of([Underway(FOLLOWER)], (), DAY)
    runs = barriers_of([Underway(FOLLOWER), Underway(FOLLOWER, flattens=True)], (), DAY)
    for each in (MINE, OTHERS):
        assert wanted.stops_entries(each, KEY)
        assert not wanted.absorbs_exits(each, KEY)
        assert runs.stops_entries(each, KEY)
        assert runs.absorbs_exits(each, KEY)
    assert not runs.stops_entries(replace(MINE, follower=AccountId("fyers:OTHER")), KEY)


def test_a_liquidation_of_one_subscription_concerns_no_other() -> None:
    barriers = barriers_of([Underway(FOLLOWER, MINE.subscription_id, flattens=True)], (), DAY)
    assert barriers.absorbs_exits(MINE, KEY)
    assert barriers.absorbs_exits(MINE, ELSEWHERE)
    assert not barriers.stops_entries(OTHERS, KEY)
    assert not barriers.absorbs_exits(OTHERS, KEY)


def test_a_liquidation_of_one_key_concerns_no_other_key() -> None:
    barriers = barriers_of([Underway(FOLLOWER, MINE.subscription_id, KEY, flattens=True)], (), DAY)
    assert barriers.absorbs_exits(MINE, KEY)
    assert not barriers.stops_entries(MINE, ELSEWHERE)


def test_an_underlying_bans_its_futures_and_options_and_not_its_share() -> None:
    barriers = barriers_of((), [EXCHANGE], DAY)
    for kind in (InstrumentKind.FUTURE, InstrumentKind.CALL, InstrumentKind.PUT):
        assert barriers.banned(contract(kind))
        assert not barriers.banned(contract(kind, "SBIN"))
    assert not barriers.banned(contract(InstrumentKind.EQUITY))


def test_an_instrument_is_banned_by_its_name() -> None:
    barriers = barriers_of((), [BROKER], DAY)
    assert barriers.banned(SHARE)
    assert not barriers.banned(replace(SHARE, instrument_id=ELSEWHERE.instrument_id))


def test_a_list_counts_from_its_first_day_to_its_last() -> None:
    for day, counts in ((DAY - ONE, False), (DAY, True), (DAY + ONE, False)):
        assert barriers_of((), [EXCHANGE], day).banned(contract(InstrumentKind.CALL)) is counts
    for day, counts in ((DAY - ONE, False), (DAY, True), (DAY + 30 * ONE, True)):
        assert barriers_of((), [BROKER], day).banned(SHARE) is counts


def test_of_each_source_the_newest_list_counts_even_where_it_bans_nothing() -> None:
    free = BanList("broker", DAY + ONE, DAY + ONE)
    for lists in ([BROKER, free, EXCHANGE], [free, EXCHANGE, BROKER]):
        assert barriers_of((), lists, DAY).banned(SHARE)
        assert not barriers_of((), lists, DAY + ONE).banned(SHARE)
        assert not barriers_of((), lists, DAY + 2 * ONE).banned(SHARE)
        assert barriers_of((), lists, DAY).banned(contract(InstrumentKind.PUT))


def test_what_no_list_can_say_is_told_by_field() -> None:
    assert problems_of(EXCHANGE) == ()
    assert problems_of(BanList("broker", DAY)) == ()
    many = frozenset(InstrumentId(f"I{number}") for number in range(BANNED_MAX + 1))
    wrong = BanList(" ", DAY, DAY - ONE, frozenset({""}), many)
    assert [each.field for each in problems_of(wrong)] == [
        "source",
        "end_date",
        "underlyings",
        "instrument_ids",
    ]


def test_what_no_list_can_say_is_told_by_field_and_rule() -> None:
    wrong = BanList(" ", DAY, DAY - ONE, frozenset({""}), frozenset({InstrumentId(" ")}))
    assert [(each.field, each.rule) for each in problems_of(wrong)] == [
        ("source", "must be set"),
        ("end_date", "must not be before the start"),
        ("underlyings", "must not hold an empty name"),
        ("instrument_ids", "must not hold an empty name"),
    ]
    names = [f"N{number}" for number in range(BANNED_MAX + 1)]
    assert problems_of(BanList("exchange", DAY, DAY, frozenset(names[:-1]))) == ()
    (much,) = problems_of(BanList("exchange", DAY, DAY, frozenset(names)))
    assert (much.field, much.rule) == ("underlyings", "must not be more than 5000")
