"""Questions: what happened, newest first, page by page, by whatever filter."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, cast

import grpc
import pytest

from paceline.adapters.postgres.copy_orders import PostgresCopyOrders
from paceline.adapters.postgres.instruments import PostgresInstruments
from paceline.adapters.postgres.journal import PostgresJournal
from paceline.adapters.postgres.plans import PostgresPlans
from paceline.adapters.postgres.trades import PostgresTrades
from paceline.adapters.wire.times import timestamp_of_ns
from paceline.api.v1 import common_pb2, copy_order_pb2, event_pb2, query_pb2, subscription_pb2
from paceline.domain.account import Broker
from paceline.domain.copy_order import CopyStatus
from paceline.domain.copying.decision import Decision
from paceline.domain.ids import AccountId, EventIdentity, InstrumentId, Offset
from paceline.domain.instrument import Exchange, Instrument, InstrumentKind, Segment
from paceline.domain.order import Side
from paceline.domain.partitioning import partition_of
from paceline.domain.trade import Trade
from paceline.ports.broker import Listing, MalformedKind
from paceline.ports.copy_orders import SendResult
from paceline.ports.journal import DeadLetter
from paceline.ports.plans import Chunk
from paceline.ports.trades import Stand
from tests.integration.gateway.house import House, fields_of, refusal_of
from tests.integration.storage.makers import (
    HOME,
    LEADER,
    NOON_NS,
    SBIN,
    a_decision,
    a_fill,
    a_skip,
    an_event,
    an_order,
    own,
)

FOLLOWER = AccountId("fyers:F1")
HOUR_NS = 3_600_000_000_000


@pytest.fixture
async def decided(house: House) -> list[Decision]:
    """Three events of the leader: two followed in two slices by one subscription, the last skipped by two."""
    epoch = await own(house.database, "replicator", [HOME])
    plans, made = PostgresPlans(house.database), []
    for offset in (1, 2):
        event = an_event(a_fill(trade=f"T{offset}"), offset)
        decision = a_decision(event, "one", FOLLOWER, slices=2)
        await plans.commit_chunk(Chunk(HOME, epoch, event, (decision,)))
        made.append(decision)
    event = an_event(a_fill(trade="T3"), 3)
    skips = (a_skip(event, "one"), a_skip(event, "two"))
    await plans.commit_chunk(Chunk(HOME, epoch, event, skips))
    return [*made, *skips]


async def decisions(house: House, **which: Any) -> list[copy_order_pb2.Decision]:
    asked = query_pb2.ListDecisionsRequest(filter=copy_order_pb2.DecisionFilter(**which))
    return list((await house.queries.ListDecisions(asked)).decisions)


async def orders(house: House, **which: Any) -> list[copy_order_pb2.CopyOrder]:
    asked = query_pb2.ListCopyOrdersRequest(filter=copy_order_pb2.CopyOrderFilter(**which))
    return list((await house.queries.ListCopyOrders(asked)).orders)


async def test_decisions_come_with_their_orders_and_reasons(house: House, decided: list[Decision]) -> None:
    found = {each.decision_id: each for each in await decisions(house)}
    assert found.keys() == {each.decision_id for each in decided}
    planned, skipped = found[decided[0].decision_id], found[decided[2].decision_id]
    assert planned.cause.event == decided[0].orders[0].cause.identity
    assert [order.tag for order in planned.orders] == [order.tag for order in decided[0].orders]
    assert (planned.sizing.ratio.value, planned.quantity.value) == ("0.5", "20")
    assert (skipped.outcome, skipped.reason) == (
        copy_order_pb2.OUTCOME_SKIPPED,
        subscription_pb2.SKIP_REASON_MARKET_CLOSED,
    )
    assert skipped.detail == "The market is closed."
    assert abs(skipped.create_time.ToDatetime(UTC) - datetime.now(UTC)).total_seconds() < 60


async def test_decisions_are_filtered(house: House, decided: list[Decision]) -> None:
    first, second, skip, other = (each.decision_id for each in decided)

    async def found(**which: Any) -> set[str]:
        return {each.decision_id for each in await decisions(house, **which)}

    assert await found(subscription_id="one") == {first, second, skip}
    assert await found(subscription_id="two") == {other}
    assert await found(follower_id=FOLLOWER) == {first, second}
    assert await found(outcome=copy_order_pb2.OUTCOME_SKIPPED) == {skip, other}
    assert await found(reason=subscription_pb2.SKIP_REASON_MARKET_CLOSED) == {skip, other}
    assert await found(reason=subscription_pb2.SKIP_REASON_CAPPED_LOTS) == set()
    assert await found(event_identity=decided[0].orders[0].cause.identity) == {first}
    assert await found(leader_id=LEADER) == set()
    past = common_pb2.TimeRange()
    past.end_time.seconds = 1
    assert await found(created=past) == set()


async def test_decisions_of_a_leader_are_those_of_his_subscriptions(house: House) -> None:
    leader = await house.an_account("XLEADER")
    name = await house.a_subscription(leader)
    epoch = await own(house.database, "replicator", [HOME])
    event = an_event(a_fill(trade="TL"))
    await PostgresPlans(house.database).commit_chunk(Chunk(HOME, epoch, event, (a_skip(event, name),)))
    assert [each.subscription_id for each in await decisions(house, leader_id=leader)] == [name]


async def test_pages_of_decisions_hold_each_once_newest_first(house: House, decided: list[Decision]) -> None:
    seen, token = [], ""
    while True:
        asked = query_pb2.ListDecisionsRequest(page_size=1, page_token=token)
        page = await house.queries.ListDecisions(asked)
        seen += [each.decision_id for each in page.decisions]
        token = page.next_page_token
        if not token:
            break
    assert len(seen) == 4
    assert set(seen[:2]) == {each.decision_id for each in decided[2:]}
    assert seen[2:] == [decided[1].decision_id, decided[0].decision_id]


async def test_copy_orders_are_filtered(house: House, decided: list[Decision]) -> None:
    assert len(await orders(house)) == 4
    one = decided[0].orders[0]
    assert [each.copy_order_id for each in await orders(house, tag=one.tag)] == [one.copy_order_id]
    assert len(await orders(house, decision_id=one.decision_id)) == 2
    assert len(await orders(house, account_id=FOLLOWER, instrument_id=SBIN.instrument_id)) == 4
    assert len(await orders(house, statuses=[copy_order_pb2.COPY_STATUS_PLANNED])) == 4
    assert await orders(house, statuses=[copy_order_pb2.COPY_STATUS_FILLED]) == []
    assert await orders(house, subscription_id="two") == []
    planned = common_pb2.TimeRange()
    planned.start_time.FromNanoseconds(NOON_NS + HOUR_NS)
    assert await orders(house, planned=planned) == []


async def test_pages_of_copy_orders_hold_each_once(house: House, decided: list[Decision]) -> None:
    first = await house.queries.ListCopyOrders(query_pb2.ListCopyOrdersRequest(page_size=3))
    rest = await house.queries.ListCopyOrders(
        query_pb2.ListCopyOrdersRequest(page_size=3, page_token=first.next_page_token)
    )
    assert (len(first.orders), len(rest.orders), rest.next_page_token) == (3, 1, "")
    tags = {each.tag for each in (*first.orders, *rest.orders)}
    assert tags == {order.tag for decision in decided for order in decision.orders}


async def test_one_copy_order_comes_with_its_failure_and_its_times(
    house: House, decided: list[Decision]
) -> None:
    order = decided[0].orders[0]
    there = partition_of(order.account_id)
    epoch = await own(house.database, "executor", [there])
    refused = SendResult(
        order.tag,
        there,
        CopyStatus.REJECTED,
        attempts=1,
        error_code="-99",
        error_text="margin",
        sent_ns=NOON_NS + 5,
    )
    await PostgresCopyOrders(house.database).record_results({there: epoch}, [refused])
    for target in ({"copy_order_id": order.copy_order_id}, {"tag": order.tag}):
        got = await house.queries.GetCopyOrder(query_pb2.GetCopyOrderRequest(**target))
        assert (got.order.tag, got.order.status) == (order.tag, copy_order_pb2.COPY_STATUS_REJECTED)
        assert got.failure == copy_order_pb2.Failure(
            failure_class=copy_order_pb2.FAILURE_CLASS_TERMINAL, broker_code="-99", message="margin"
        )
        assert (got.latency.leader_ns, got.latency.planned_ns, got.latency.sent_ns) == (
            NOON_NS,
            NOON_NS + 2,
            NOON_NS + 5,
        )
    nobody = house.queries.GetCopyOrder(query_pb2.GetCopyOrderRequest(tag="nobody"))
    assert (await refusal_of(nobody)).code is grpc.StatusCode.NOT_FOUND
    unnamed = house.queries.GetCopyOrder(query_pb2.GetCopyOrderRequest())
    assert fields_of(await refusal_of(unnamed)) == {"target"}


async def test_events_of_an_account_are_filtered(house: House) -> None:
    epoch = await own(house.database, "feed", [HOME])
    facts = [a_fill(trade="E1"), an_order(revision=1), an_order(revision=2), a_fill(trade="E2", order="O2")]
    await PostgresJournal(house.database).append(HOME, epoch, facts)

    async def found(**which: Any) -> list[str]:
        wire = query_pb2.EventFilter(**{"account_id": LEADER, **which})
        answer = await house.queries.ListEvents(query_pb2.ListEventsRequest(filter=wire))
        return [each.identity for each in answer.events]

    newest_first = [fact.identity for fact in reversed(facts)]
    assert await found() == newest_first
    assert await found(kind=event_pb2.EVENT_KIND_FILL) == [newest_first[0], newest_first[3]]
    assert await found(order_id="O2") == newest_first[:1]
    assert await found(instrument_id=SBIN.instrument_id) == newest_first
    assert await found(instrument_id="NSE:OTHER-EQ") == []
    assert await found(recovered=True) == []
    future = common_pb2.TimeRange()
    future.start_time.seconds = 200_000_000_000
    assert await found(journaled=future) == []
    assert await found(account_id="fyers:nobody") == []


async def test_raw_frames_are_shown_when_asked_for(house: House) -> None:
    epoch = await own(house.database, "feed", [HOME])
    fact = a_fill(trade="E1")
    await PostgresJournal(house.database).append(HOME, epoch, [fact, a_fill(trade="E2")])
    which = query_pb2.EventFilter(account_id=LEADER)
    plain = await house.queries.ListEvents(query_pb2.ListEventsRequest(filter=which, page_size=1))
    assert plain.events[0].raw == b""
    asked = query_pb2.ListEventsRequest(filter=which, page_size=1, include_raw=True)
    whole = await house.queries.ListEvents(asked)
    asked.page_token = whole.next_page_token
    (older,) = (await house.queries.ListEvents(asked)).events
    assert (older.identity, older.raw) == (fact.identity, fact.raw)
    unnamed = house.queries.ListEvents(query_pb2.ListEventsRequest())
    assert fields_of(await refusal_of(unnamed)) == {"filter.account_id"}


async def test_dead_letters_are_shown_with_their_frames(house: House) -> None:
    kinds = (MalformedKind.UNPARSEABLE, MalformedKind.UNKNOWN_CLIENT, MalformedKind.MISSING_FIELD)
    letters = [
        DeadLetter(Broker.FYERS, None, "order_socket", kind, "why", f"{kind}".encode(), NOON_NS + number)
        for number, kind in enumerate(kinds)
    ]
    await PostgresJournal(house.database).dead_letter(letters)
    first = await house.queries.ListDeadLetters(query_pb2.ListDeadLettersRequest(page_size=2))
    assert [each.raw for each in first.dead_letters] == [b"MISSING_FIELD", b"UNKNOWN_CLIENT"]
    rest = await house.queries.ListDeadLetters(
        query_pb2.ListDeadLettersRequest(page_size=2, page_token=first.next_page_token)
    )
    assert [each.raw for each in rest.dead_letters] == [b"UNPARSEABLE"]
    kind = query_pb2.DEAD_LETTER_KIND_UNKNOWN_CLIENT
    (one,) = (await house.queries.ListDeadLetters(query_pb2.ListDeadLettersRequest(kind=kind))).dead_letters
    assert (one.kind, one.receive_time.ToNanoseconds()) == (kind, NOON_NS + 1)


def an_instrument(name: str, segment: Segment = Segment.CAPITAL_MARKET) -> Instrument:
    return Instrument(
        InstrumentId(name), Exchange.NSE, segment, InstrumentKind.EQUITY, Decimal(5), Decimal("0.05")
    )


async def test_ledgers_tell_target_and_position(house: House, decided: list[Decision]) -> None:
    await PostgresInstruments(house.database).save(
        Broker.FYERS, [Listing(an_instrument(SBIN.instrument_id), "101")], date(2026, 1, 1)
    )
    answer = await house.queries.ListLedgers(query_pb2.ListLedgersRequest(subscription_id="one"))
    (ledger,) = answer.ledgers
    assert (ledger.ideal.value, ledger.target.value, ledger.held.value) == ("20.50", "20", "0")
    assert ledger.entry_planned.value == "40"
    nobody = query_pb2.ListLedgersRequest(follower_id="fyers:nobody")
    assert not (await house.queries.ListLedgers(nobody)).ledgers


async def test_flat_ledgers_are_left_out_unless_asked_for(house: House) -> None:
    await house.database.execute(
        "INSERT INTO ledgers (subscription_id, instrument_id, product, ideal, entry_planned, entry_released,"
        " entry_filled, exit_planned, exit_released, exit_filled, adjusted)"
        " SELECT s, 'I', 'CNC', q, 0, 0, q, 0, 0, 0, 0"
        " FROM unnest(ARRAY['a', 'b', 'c', 'd'], ARRAY[0, 1, 0, 2]::numeric[]) AS l(s, q)"
    )

    async def found(**which: Any) -> list[str]:
        answer = await house.queries.ListLedgers(query_pb2.ListLedgersRequest(**which))
        return [each.subscription_id for each in answer.ledgers]

    assert await found() == ["b", "d"]
    assert await found(include_flat=True) == ["a", "b", "c", "d"]
    page = await house.queries.ListLedgers(query_pb2.ListLedgersRequest(page_size=1))
    assert await found(page_size=1, page_token=page.next_page_token) == ["d"]


async def test_instruments_are_found_by_any_of_their_names(house: House) -> None:
    listings = [
        Listing(an_instrument("NSE:SBIN-EQ"), "10100000003045"),
        Listing(an_instrument("NSE:SBICARD-EQ"), "10100000017971"),
        Listing(an_instrument("NSE:NIFTY26JANFUT", Segment.EQUITY_DERIVATIVES), "77"),
    ]
    await PostgresInstruments(house.database).save(Broker.FYERS, listings, date(2026, 1, 1))
    native = common_pb2.BrokerInstrumentId(broker=common_pb2.BROKER_FYERS, id="10100000003045")
    targets: list[dict[str, Any]] = [
        {"instrument_id": "NSE:SBIN-EQ"},
        {"symbol": "nse:sbin-eq "},
        {"broker_instrument_id": native},
    ]
    for target in targets:
        got = await house.queries.GetInstrument(query_pb2.GetInstrumentRequest(**target))
        assert (got.instrument.instrument_id, got.instrument.lot.value) == ("NSE:SBIN-EQ", "5")
    for absent in (
        query_pb2.GetInstrumentRequest(symbol="NSE:SBIN"),
        query_pb2.GetInstrumentRequest(instrument_id="nse:sbin-eq"),
    ):
        call = house.queries.GetInstrument(absent)
        assert (await refusal_of(call)).code is grpc.StatusCode.NOT_FOUND

    async def found(**which: Any) -> list[str]:
        wire = query_pb2.InstrumentFilter(**which)
        answer = await house.queries.ListInstruments(query_pb2.ListInstrumentsRequest(filter=wire))
        return [each.instrument_id for each in answer.instruments]

    assert await found(prefix="nse:sbi") == ["NSE:SBICARD-EQ", "NSE:SBIN-EQ"]
    assert await found(segment=common_pb2.SEGMENT_EQUITY_DERIVATIVES) == ["NSE:NIFTY26JANFUT"]
    assert await found(exchange=common_pb2.EXCHANGE_BSE) == []


async def test_marks_of_others_and_other_orders_are_refused(house: House, decided: list[Decision]) -> None:
    first = await house.queries.ListDecisions(query_pb2.ListDecisionsRequest(page_size=1))
    for token in ("nonsense", first.next_page_token[:-4] + "AAAA"):
        asked = query_pb2.ListDecisionsRequest(page_token=token)
        assert fields_of(await refusal_of(house.queries.ListDecisions(asked))) == {"page_token"}
    rising = query_pb2.ListDecisionsRequest(order_by="create_time")
    assert fields_of(await refusal_of(house.queries.ListDecisions(rising))) == {"order_by"}
    negative = query_pb2.ListDecisionsRequest(page_size=-1)
    assert fields_of(await refusal_of(house.queries.ListDecisions(negative))) == {"page_size"}


async def test_trades_are_listed_the_last_entered_first_by_whatever_filter(house: House) -> None:
    first = Trade(
        trade_id=EventIdentity("first"),
        account_id=LEADER,
        key=SBIN,
        side=Side.BUY,
        opened_ns=NOON_NS,
        entry_order_id="1",
        quantity=Decimal(10),
        entry_value=Decimal(1005),
        exited=Decimal(10),
        exit_value=Decimal(1100),
        exit_order_id="2",
        closed_ns=NOON_NS + HOUR_NS,
    )
    second = replace(
        first,
        trade_id=EventIdentity("second"),
        opened_ns=NOON_NS + 2 * HOUR_NS,
        exited=Decimal(4),
        exit_value=Decimal(440),
        closed_ns=0,
    )
    other = replace(second, trade_id=EventIdentity("other"), account_id=FOLLOWER)
    epoch = await own(house.database, "feed", [HOME])
    await PostgresTrades(house.database).advance(
        HOME, epoch, Offset(1), [Stand(each, Decimal(1)) for each in (first, second, other)]
    )

    async def trades(**which: Any) -> list[query_pb2.Trade]:
        found, token = list[query_pb2.Trade](), ""
        while True:
            asked = query_pb2.ListTradesRequest(page_size=2, page_token=token, **which)
            answer = await house.queries.ListTrades(asked)
            found.extend(answer.trades)
            token = answer.next_page_token
            if not token:
                return found

    assert [each.trade_id for each in await trades()] == ["second", "other", "first"]
    standing, closed = await trades(account_id=LEADER)
    assert (closed.entry_price.value, closed.exit_price.value) == ("100.5", "110")
    assert (closed.profit.amount.value, closed.profit.currency) == ("95", "INR")
    assert (closed.entry_order_id, closed.exit_order_id, closed.side) == ("1", "2", common_pb2.SIDE_BUY)
    assert closed.exit_time.ToNanoseconds() - closed.entry_time.ToNanoseconds() == HOUR_NS
    assert (closed.state, standing.state) == (query_pb2.TRADE_STATE_CLOSED, query_pb2.TRADE_STATE_OPEN)
    assert standing.quantity.value == "10"
    assert not standing.HasField("exit_price")
    assert not standing.HasField("profit")
    assert not standing.HasField("exit_time")
    assert standing.exit_order_id == ""
    assert [each.trade_id for each in await trades(state=query_pb2.TRADE_STATE_CLOSED)] == ["first"]
    entered = common_pb2.TimeRange(start_time=timestamp_of_ns(NOON_NS + HOUR_NS))
    assert {each.trade_id for each in await trades(entered=entered)} == {"second", "other"}
    assert await trades(subscription_id="none") == []


async def test_of_trades_a_wrong_state_and_a_strange_token_are_refused(house: House) -> None:
    for field, asked in (
        ("state", query_pb2.ListTradesRequest(state=cast(Any, 9))),
        ("page_token", query_pb2.ListTradesRequest(page_token="nonsense")),
    ):
        assert fields_of(await refusal_of(house.queries.ListTrades(asked))) == {field}


async def test_what_is_not_built_yet_says_so(house: House) -> None:
    call = house.queries.ListMarketDays(query_pb2.ListMarketDaysRequest())
    assert (await refusal_of(call)).code is grpc.StatusCode.UNIMPLEMENTED
