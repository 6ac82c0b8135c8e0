"""What services only tell says all that they know, and leaves out what nobody knows."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings

from paceline.adapters.wire.answers import (
    dead_letter_to_wire,
    failure_to_wire,
    instrument_to_wire,
    latency_to_wire,
    portfolio_to_wire,
    result_to_wire,
    session_to_wire,
)
from paceline.adapters.wire.decisions import ledger_entry_to_wire, ledger_to_wire
from paceline.adapters.wire.times import datetime_of, ns_of_timestamp
from paceline.api.v1 import copy_order_pb2, executor_pb2, query_pb2, session_pb2
from paceline.domain.account import AccountType, Broker, SessionState
from paceline.domain.copy_order import CopyOrder, CopyStatus, Intent
from paceline.domain.errors import (
    BrokerAuthFailed,
    BrokerError,
    BrokerLoginNeeded,
    BrokerNeverSent,
    BrokerOutcomeUnknown,
    BrokerRateLimited,
    BrokerRejected,
)
from paceline.domain.ids import (
    AccountId,
    BrokerOrderId,
    CopyOrderId,
    InstrumentId,
    Partition,
    SubscriptionId,
    Tag,
)
from paceline.domain.instrument import Instrument, InstrumentKey, Product
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry
from paceline.ports.broker import MalformedKind
from paceline.ports.copy_orders import CopyRow, SendResult
from paceline.ports.journal import DeadLetter
from paceline.ports.portfolios import Portfolio
from paceline.ports.sessions import Session, SessionId
from tests.unit.wire import strategies

KEY = InstrumentKey(InstrumentId("NSE:SBIN-EQ"), Product.INTRADAY)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_a_session_that_is_live() -> None:
    session = Session(
        SessionId("p1"),
        Broker.DHAN,
        "1100",
        (AccountId("dhan:1100"), AccountId("dhan:1101")),
        SessionState.LIVE,
        connected_since=NOON,
        last_frame_at=NOON,
        token_expires_at=NOON,
    )
    wire = session_to_wire(session)
    assert list(wire.account_ids) == ["dhan:1100", "dhan:1101"]
    assert wire.state == session_pb2.SESSION_STATE_LIVE
    assert {datetime_of(each, "") for each in (wire.connect_time, wire.last_frame_time)} == {NOON}


def test_a_session_that_never_was_tells_no_times() -> None:
    session = Session(
        SessionId("a"), Broker.FYERS, "a", (AccountId("a"),), SessionState.LOGIN_NEEDED, "log in first"
    )
    wire = session_to_wire(session)
    assert wire.detail == "log in first"
    for field in ("connect_time", "last_frame_time", "token_expire_time"):
        assert not wire.HasField(field)


@pytest.mark.parametrize("level", [Decimal("48.5"), None])
def test_a_portfolio(level: Decimal | None) -> None:
    zero = Decimal(0)
    portfolio = Portfolio(
        AccountId("a"), AccountType.LIVE, Decimal("10.5"), zero, zero, Decimal(11), zero, level, "INR", 7
    )
    wire = portfolio_to_wire(portfolio)
    assert (wire.cash.value, wire.equity.value, wire.currency) == ("10.5", "11", "INR")
    assert wire.HasField("margin_level_percent") == (level is not None)
    assert ns_of_timestamp(wire.assess_time, "") == 7


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (BrokerNeverSent("refused"), copy_order_pb2.FAILURE_CLASS_RETRYABLE),
        (BrokerRateLimited("slow", retry_after_ms=1), copy_order_pb2.FAILURE_CLASS_RATE),
        (BrokerAuthFailed("expired"), copy_order_pb2.FAILURE_CLASS_AUTH),
        (BrokerLoginNeeded("log in"), copy_order_pb2.FAILURE_CLASS_AUTH),
        (BrokerRejected("margin", code="-99"), copy_order_pb2.FAILURE_CLASS_TERMINAL),
        (BrokerOutcomeUnknown("lost"), copy_order_pb2.FAILURE_CLASS_UNKNOWN),
    ],
)
def test_a_failure_says_what_can_be_done_about_it(
    error: BrokerError, expected: "copy_order_pb2.FailureClass.ValueType"
) -> None:
    wire = failure_to_wire(error)
    assert (wire.failure_class, wire.broker_code, wire.message) == (expected, error.code, error.words)


def test_a_result_of_sending() -> None:
    sent = SendResult(
        Tag("t"), Partition(1), CopyStatus.WORKING, 1, BrokerOrderId("23"), sent_ns=5, accepted_ns=9
    )
    assert result_to_wire(CopyOrderId("o"), sent) == executor_pb2.CopyOrderResult(
        copy_order_id="o",
        tag="t",
        status=copy_order_pb2.COPY_STATUS_WORKING,
        broker_order_id="23",
        attempts=1,
        sent_ns=5,
        accepted_ns=9,
    )


def test_a_result_of_failing_to_send() -> None:
    failed = SendResult(Tag("t"), Partition(1), CopyStatus.REJECTED, 3, error_code="-99", error_text="margin")
    wire = result_to_wire(CopyOrderId("o"), failed)
    assert (wire.failure.broker_code, wire.failure.message, wire.sent_ns) == ("-99", "margin", 0)


@given(strategies.copy_orders)
@settings(max_examples=20, deadline=None)
def test_the_latency_split_of_a_row(order: CopyOrder) -> None:
    row = CopyRow(order, 0, 1, "", "", 11, 12, 13, None, None, 1)
    wire = latency_to_wire(row)
    assert (wire.leader_ns, wire.seen_ns, wire.planned_ns) == (
        order.leader_time_ns,
        order.seen_ns,
        order.planned_ns,
    )
    assert (wire.sent_ns, wire.accepted_ns, wire.filled_ns) == (11, 12, 13)


@pytest.mark.parametrize("account", [AccountId("fyers:XP1"), None])
def test_a_dead_letter_keeps_its_frame(account: AccountId | None) -> None:
    letter = DeadLetter(
        Broker.FYERS, account, "order_socket", MalformedKind.MISSING_FIELD, "no tradedQty", b"{}", 7
    )
    wire = dead_letter_to_wire(letter)
    assert (wire.account_id, wire.raw, wire.source) == (account or "", b"{}", "order_socket")
    assert wire.kind == query_pb2.DEAD_LETTER_KIND_MISSING_FIELD
    assert ns_of_timestamp(wire.receive_time, "") == 7


@given(strategies.instruments)
@settings(max_examples=50, deadline=None)
def test_an_instrument_tells_what_it_has(instrument: Instrument) -> None:
    wire = instrument_to_wire(instrument)
    assert wire.HasField("freeze") == (instrument.freeze is not None)
    assert wire.HasField("strike") == (instrument.strike is not None)
    assert wire.HasField("lower_band") == (instrument.lower_band is not None)
    assert wire.expiry_date == (instrument.expiry.isoformat() if instrument.expiry else "")
    assert Decimal(wire.tick.value) == instrument.tick


def test_a_ledger_with_and_without_its_lot() -> None:
    ledger = Ledger(ideal=Decimal("10.5"), entry_planned=Decimal(10), entry_filled=Decimal(10))
    known = ledger_to_wire(SubscriptionId("s"), KEY, ledger, lot=Decimal(5))
    assert (known.ideal.value, known.held.value) == ("10.5", "10")
    assert Decimal(known.target.value) == 10
    assert not ledger_to_wire(SubscriptionId("s"), KEY, ledger).HasField("target")


def test_a_line_of_a_ledger() -> None:
    line = LedgerEntry(SubscriptionId("s"), KEY, EntryKind.FORGONE, Intent.ENTRY, Decimal(-3), "e1", "CAPPED")
    wire = ledger_entry_to_wire(line)
    assert wire.kind == query_pb2.LEDGER_ENTRY_KIND_FORGONE
    assert (wire.quantity.value, wire.cause, wire.reason) == ("-3", "e1", "CAPPED")
