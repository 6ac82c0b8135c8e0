"""What operators tell of ledgers and instruments: once, in the audit, refused by field and rule."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import grpc
import pytest

from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.instruments import PostgresInstruments
from paceline.api.v1 import common_pb2, operations_pb2, operations_pb2_grpc
from paceline.domain.account import Broker
from paceline.domain.calendar import IST
from paceline.domain.instrument import Exchange, Instrument, InstrumentKind, Segment
from paceline.ports.broker import Listing
from tests.integration.gateway.house import House, fields_of, refusal_of
from tests.integration.storage.makers import SBIN

KEY = common_pb2.InstrumentKey(instrument_id=SBIN.instrument_id, product=common_pb2.PRODUCT_CNC)
LATER = (datetime.now(IST).date() + timedelta(days=3)).isoformat()
SPLIT = operations_pb2.CORPORATE_ACTION_KIND_SPLIT


@pytest.fixture
async def operations(house: House) -> operations_pb2_grpc.OperationsServiceStub:
    share = Instrument(
        SBIN.instrument_id,
        Exchange.NSE,
        Segment.CAPITAL_MARKET,
        InstrumentKind.EQUITY,
        Decimal(1),
        Decimal(1),
    )
    listings = [Listing(share, "101")]
    await PostgresInstruments(house.database).save(Broker.FYERS, listings, date(2026, 1, 1))
    return operations_pb2_grpc.OperationsServiceStub(house.channel)


async def a_ledger(database: Database, name: str, held: int) -> None:
    await database.execute(
        "INSERT INTO ledgers (subscription_id, instrument_id, product, ideal, entry_planned, entry_released,"
        " entry_filled, exit_planned, exit_released, exit_filled, adjusted)"
        " VALUES ($1, $2, 'CNC', $3, $3, 0, $3, 0, 0, 0, 0)",
        name,
        SBIN.instrument_id,
        held,
    )


def adjustment(name: str, held: str, position: str, **fields: Any) -> operations_pb2.AdjustLedgerRequest:
    return operations_pb2.AdjustLedgerRequest(
        **{
            "subscription_id": name,
            "key": KEY,
            "held": common_pb2.Decimal(value=held),
            "position": common_pb2.Decimal(value=position),
            "reason": "counted at the broker",
            **fields,
        }
    )


def action(**fields: Any) -> operations_pb2.CreateCorporateActionRequest:
    wire = {
        "instrument_id": SBIN.instrument_id,
        "kind": SPLIT,
        "ex_date": LATER,
        "ratio_new": 5,
        "ratio_old": 1,
        "reason": "notice 7",
        **fields,
    }
    return operations_pb2.CreateCorporateActionRequest(
        corporate_action=operations_pb2.CorporateAction(**wire)
    )


async def test_a_persons_word_is_written_down_once_with_who_and_why(
    house: House, operations: operations_pb2_grpc.OperationsServiceStub
) -> None:
    name = await house.a_subscription()
    await a_ledger(house.database, name, 10)
    asked = adjustment(name, "10", "7", request_id="r1")
    first = await operations.AdjustLedger(asked, metadata=(("x-paceline-actor", "asha"),))
    again = await operations.AdjustLedger(asked, metadata=(("x-paceline-actor", "asha"),))
    assert first == again
    wire = first.ledger_adjustment
    assert (wire.state, wire.held.value, wire.position.value) == (
        operations_pb2.LEDGER_ADJUSTMENT_STATE_WAITING,
        "10",
        "7",
    )
    listed = await operations.ListLedgerAdjustments(
        operations_pb2.ListLedgerAdjustmentsRequest(subscription_id=name)
    )
    assert list(listed.ledger_adjustments) == [wire]
    done = operations_pb2.ListLedgerAdjustmentsRequest(state=operations_pb2.LEDGER_ADJUSTMENT_STATE_DONE)
    assert not (await operations.ListLedgerAdjustments(done)).ledger_adjustments
    entry = (await house.audit(name))[-1]
    assert (entry.actor, entry.action) == ("asha", "ledger.adjust")
    assert "counted at the broker" in entry.detail


async def test_a_word_that_cannot_be_is_refused_by_field_and_rule(
    house: House, operations: operations_pb2_grpc.OperationsServiceStub
) -> None:
    name = await house.a_subscription()
    await a_ledger(house.database, name, 10)
    for field, asked in (
        ("subscription_id", adjustment("", "10", "7")),
        ("position", adjustment(name, "10", "7.5")),
        ("held", adjustment(name, "ten", "7")),
        ("reason", adjustment(name, "10", "7", reason="")),
        ("key.product", adjustment(name, "10", "7", key=common_pb2.InstrumentKey(instrument_id="I"))),
        (
            "key.instrument_id",
            adjustment(
                name,
                "10",
                "7",
                key=common_pb2.InstrumentKey(instrument_id="NSE:NONE-EQ", product=common_pb2.PRODUCT_CNC),
            ),
        ),
    ):
        assert fields_of(await refusal_of(operations.AdjustLedger(asked))) == {field}
    moved = await refusal_of(operations.AdjustLedger(adjustment(name, "9", "7")))
    assert moved.code is grpc.StatusCode.FAILED_PRECONDITION
    assert "the ledger holds 10, not 9" in moved.message
    nobody = await refusal_of(operations.AdjustLedger(adjustment("nobody", "0", "7")))
    assert nobody.code is grpc.StatusCode.NOT_FOUND
    assert await house.database.value("SELECT count(*) FROM ledger_adjustments") == 0


async def test_a_corporate_action_is_announced_once_and_taken_back_until_it_begins(
    house: House, operations: operations_pb2_grpc.OperationsServiceStub
) -> None:
    made = (await operations.CreateCorporateAction(action())).corporate_action
    assert (made.ex_date, made.ratio_new, made.begun) == (LATER, 5, False)
    other = await refusal_of(operations.CreateCorporateAction(action(ratio_new=2)))
    assert other.code is grpc.StatusCode.ALREADY_EXISTS
    listed = await operations.ListCorporateActions(operations_pb2.ListCorporateActionsRequest())
    assert list(listed.corporate_actions) == [made]
    delete = operations_pb2.DeleteCorporateActionRequest(corporate_action_id=made.corporate_action_id)
    await house.database.execute(
        "INSERT INTO corporate_action_marks (action_id, partition) VALUES ($1, 7)", made.corporate_action_id
    )
    begun = await refusal_of(operations.DeleteCorporateAction(delete))
    assert begun.code is grpc.StatusCode.FAILED_PRECONDITION
    await house.database.execute("DELETE FROM corporate_action_marks")
    await operations.DeleteCorporateAction(delete)
    assert (await refusal_of(operations.DeleteCorporateAction(delete))).code is grpc.StatusCode.NOT_FOUND
    actions = [each.action for each in await house.audit(made.corporate_action_id)]
    assert actions == ["corporate_action.create", "corporate_action.delete"]


async def test_an_action_that_cannot_be_is_refused_by_field_and_rule(
    operations: operations_pb2_grpc.OperationsServiceStub,
) -> None:
    for field, asked in (
        ("ex_date", action(ex_date="2026-1-5")),
        ("ex_date", action(ex_date="2026-01-05")),
        ("kind", action(kind=0)),
        ("ratio_new", action(ratio_new=0)),
        ("reason", action(reason=" ")),
        ("instrument_id", action(instrument_id="NSE:NONE-EQ")),
        ("new_instrument_id", action(new_instrument_id="NSE:NEW-EQ")),
        ("begun", action(begun=True)),
    ):
        refused = await refusal_of(operations.CreateCorporateAction(asked))
        assert fields_of(refused) == {f"corporate_action.{field}"}


async def test_lists_of_banned_instruments_stand_in_the_place_of_the_ones_before(
    house: House, operations: operations_pb2_grpc.OperationsServiceStub
) -> None:
    wire = operations_pb2.BanList(
        source="NSE", start_date=LATER, end_date=LATER, underlyings=["sail", "PNB"], reason="daily list"
    )
    await operations.SetBanList(operations_pb2.SetBanListRequest(ban_list=wire))
    del wire.underlyings[1:]
    stands = (await operations.SetBanList(operations_pb2.SetBanListRequest(ban_list=wire))).ban_list
    assert list(stands.underlyings) == ["SAIL"]
    broker = operations_pb2.BanList(source="FYERS", start_date="2026-01-05", instrument_ids=["NSE:X-EQ"])
    await operations.SetBanList(operations_pb2.SetBanListRequest(ban_list=broker))
    pages = []
    asked = operations_pb2.ListBanListsRequest(page_size=1)
    while True:
        page = await operations.ListBanLists(asked)
        pages += [each.source for each in page.ban_lists]
        asked.page_token = page.next_page_token
        if not asked.page_token:
            break
    assert pages == ["NSE", "FYERS"]
    assert [each.action for each in await house.audit("NSE")] == ["ban_list.set", "ban_list.set"]
    for field, wrong in (
        ("source", operations_pb2.BanList(start_date=LATER)),
        ("start_date", operations_pb2.BanList(source="NSE")),
        ("end_date", operations_pb2.BanList(source="NSE", start_date=LATER, end_date="2026-01-05")),
        ("underlyings", operations_pb2.BanList(source="NSE", start_date=LATER, underlyings=[""])),
    ):
        refused = await refusal_of(operations.SetBanList(operations_pb2.SetBanListRequest(ban_list=wrong)))
        assert fields_of(refused) == {f"ban_list.{field}"}
