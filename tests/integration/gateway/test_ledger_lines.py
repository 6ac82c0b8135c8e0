"""The lines of ledgers, and what decisions changed of orders placed before."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc

from paceline.adapters.postgres.plans import PostgresPlans
from paceline.adapters.wire.orders import key_to_wire
from paceline.api.v1 import common_pb2, copy_order_pb2, query_pb2
from paceline.domain.copying.build import Origin
from paceline.domain.copying.changes import cancelled
from paceline.domain.ids import InstrumentId
from paceline.ports.plans import Chunk
from tests.integration.gateway.house import House, fields_of, refusal_of
from tests.integration.storage.makers import HOME, NOON_NS, SBIN, a_decision, a_fill, an_event, own


async def lines(house: House, page_size: int = 0, **which: Any) -> list[query_pb2.LedgerEntry]:
    """Of every page."""
    found, token = list[query_pb2.LedgerEntry](), ""
    while True:
        asked = query_pb2.ListLedgerEntriesRequest(
            page_size=page_size, page_token=token, **{"subscription_id": "one", **which}
        )
        page = await house.queries.ListLedgerEntries(asked)
        found.extend(page.ledger_entries)
        token = page.next_page_token
        if not token:
            return found


async def test_lines_are_listed_in_the_order_of_writing_by_whatever_filter(house: House) -> None:
    epoch = await own(house.database, "replicator", [HOME])
    events = [an_event(a_fill(trade=f"T{offset}"), offset) for offset in (1, 2)]
    for event in events:
        both = (a_decision(event, "one"), a_decision(event, "two"))
        await PostgresPlans(house.database).commit_chunk(Chunk(HOME, epoch, event, both))
    written = await lines(house, page_size=1)
    causes = [each.cause for each in written]
    assert causes == [event.fact.identity for event in events for _ in range(2)]
    assert {each.subscription_id for each in written} == {"one"}
    assert sorted((each.kind, each.quantity.value) for each in written[:2]) == [
        (query_pb2.LEDGER_ENTRY_KIND_IDEAL, "10.25"),
        (query_pb2.LEDGER_ENTRY_KIND_PLANNED, "10"),
    ]
    assert written == await lines(house)
    assert [each.cause for each in await lines(house, kind=query_pb2.LEDGER_ENTRY_KIND_IDEAL)] == causes[::2]
    other = replace(SBIN, instrument_id=InstrumentId("NSE:OTHER-EQ"))
    assert await lines(house, key=key_to_wire(SBIN)) == written
    assert await lines(house, key=key_to_wire(other)) == []
    past, recent = common_pb2.TimeRange(), common_pb2.TimeRange()
    past.end_time.FromDatetime(datetime.now(UTC) - timedelta(hours=1))
    recent.start_time.FromDatetime(datetime.now(UTC) - timedelta(hours=1))
    assert await lines(house, created=past) == []
    assert await lines(house, created=recent) == written
    assert await lines(house, subscription_id="nobody") == []


async def test_of_lines_what_names_no_ledger_is_refused(house: House) -> None:
    for field, asked in (
        ("subscription_id", query_pb2.ListLedgerEntriesRequest()),
        (
            "key.product",
            query_pb2.ListLedgerEntriesRequest(
                subscription_id="one", key=common_pb2.InstrumentKey(instrument_id="NSE:SBIN-EQ")
            ),
        ),
        ("page_token", query_pb2.ListLedgerEntriesRequest(subscription_id="one", page_token="nonsense")),
    ):
        refused = await refusal_of(house.queries.ListLedgerEntries(asked))
        assert (refused.code, fields_of(refused)) == (grpc.StatusCode.INVALID_ARGUMENT, {field})


async def test_decisions_come_with_the_changes_they_wanted(house: House) -> None:
    epoch = await own(house.database, "replicator", [HOME])
    plans = PostgresPlans(house.database)
    entered, left = (an_event(a_fill(trade=f"T{offset}"), offset) for offset in (1, 2))
    entry = a_decision(entered, "one")
    await plans.commit_chunk(Chunk(HOME, epoch, entered, (entry,)))
    exit_ = a_decision(left, "one", slices=0)
    (order,) = entry.orders
    origin = Origin(
        cause=replace(order.cause, identity=left.fact.identity),
        decision_id=exit_.decision_id,
        subscription_id=exit_.subscription_id,
        follower=exit_.follower,
        key=SBIN,
        leader_price=order.leader_price,
        leader_time_ns=NOON_NS,
        seen_ns=NOON_NS,
        planned_ns=NOON_NS,
        traceparent="",
    )
    exit_ = replace(exit_, entries=(), commands=(cancelled(origin, order),))
    await plans.commit_chunk(Chunk(HOME, epoch, left, (exit_,)))
    answer = await house.queries.ListDecisions(query_pb2.ListDecisionsRequest())
    later, earlier = answer.decisions
    (command,) = later.commands
    assert (command.copy_order_id, command.kind, command.status) == (
        order.copy_order_id,
        copy_order_pb2.COMMAND_KIND_CANCEL,
        copy_order_pb2.COMMAND_STATUS_PLANNED,
    )
    assert not earlier.commands
