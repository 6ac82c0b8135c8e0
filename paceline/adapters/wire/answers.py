"""What services only tell: sessions, portfolios, results of sending, dead letters, instruments."""

from paceline.adapters.wire.decimals import text_of
from paceline.adapters.wire.enums import (
    ACCOUNT_TYPE,
    BROKER,
    COPY_STATUS,
    DEAD_LETTER_KIND,
    EXCHANGE,
    INSTRUMENT_KIND,
    SEGMENT,
    SESSION_STATE,
)
from paceline.adapters.wire.times import timestamp_of, timestamp_of_ns
from paceline.api.v1 import common_pb2, copy_order_pb2, executor_pb2, query_pb2, risk_pb2, session_pb2
from paceline.domain.errors import BrokerError, ErrorKind
from paceline.domain.ids import CopyOrderId
from paceline.domain.instrument import Instrument
from paceline.ports.copy_orders import CopyRow, SendResult
from paceline.ports.journal import DeadLetter
from paceline.ports.portfolios import Portfolio
from paceline.ports.sessions import Session

_FAILURE_CLASSES = {
    ErrorKind.NEVER_SENT: copy_order_pb2.FAILURE_CLASS_RETRYABLE,
    ErrorKind.RATE: copy_order_pb2.FAILURE_CLASS_RATE,
    ErrorKind.AUTH: copy_order_pb2.FAILURE_CLASS_AUTH,
    ErrorKind.REJECTED: copy_order_pb2.FAILURE_CLASS_TERMINAL,
    ErrorKind.UNKNOWN: copy_order_pb2.FAILURE_CLASS_UNKNOWN,
}


def session_to_wire(session: Session, into: session_pb2.Session | None = None) -> session_pb2.Session:
    wire = session_pb2.Session() if into is None else into
    wire.session_id = session.session_id
    wire.account_ids.extend(session.accounts)
    wire.broker = BROKER.wire[session.broker]
    wire.client_id = session.broker_client_id
    wire.state = SESSION_STATE.wire[session.state]
    wire.detail = session.reason
    wire.version = session.version
    wire.failed_logins = session.failed_logins
    wire.login_url = session.login_url
    if session.state_since is not None:
        wire.state_time.CopyFrom(timestamp_of(session.state_since))
    if session.token_expires_at is not None:
        wire.token_expire_time.CopyFrom(timestamp_of(session.token_expires_at))
    if session.connected_since is not None:
        wire.connect_time.CopyFrom(timestamp_of(session.connected_since))
    if session.last_frame_at is not None:
        wire.last_frame_time.CopyFrom(timestamp_of(session.last_frame_at))
    return wire


def portfolio_to_wire(portfolio: Portfolio, into: risk_pb2.Portfolio | None = None) -> risk_pb2.Portfolio:
    wire = risk_pb2.Portfolio() if into is None else into
    wire.account_id = portfolio.account_id
    wire.account_type = ACCOUNT_TYPE.wire[portfolio.type]
    wire.currency = portfolio.currency
    wire.equity.value = text_of(portfolio.equity)
    wire.cash.value = text_of(portfolio.cash)
    wire.realised.value = text_of(portfolio.realised)
    wire.unrealised.value = text_of(portfolio.unrealised)
    wire.used_margin.value = text_of(portfolio.used_margin)
    if portfolio.margin_level is not None:
        wire.margin_level_percent.value = text_of(portfolio.margin_level)
    wire.assess_time.CopyFrom(timestamp_of_ns(portfolio.computed_ns))
    wire.stale = portfolio.stale
    return wire


def failure_to_wire(error: BrokerError, into: copy_order_pb2.Failure | None = None) -> copy_order_pb2.Failure:
    wire = copy_order_pb2.Failure() if into is None else into
    wire.failure_class = _FAILURE_CLASSES[error.kind]
    wire.broker_code = error.code
    wire.message = error.words
    return wire


def result_to_wire(
    copy_order_id: CopyOrderId, result: SendResult, into: executor_pb2.CopyOrderResult | None = None
) -> executor_pb2.CopyOrderResult:
    """The class of a failure is not in the row; who knows it sets it."""
    wire = executor_pb2.CopyOrderResult() if into is None else into
    wire.copy_order_id = copy_order_id
    wire.status = COPY_STATUS.wire[result.status]
    wire.broker_order_id = result.broker_order_id or ""
    wire.tag = result.tag
    wire.attempts = result.attempts
    wire.sent_ns = result.sent_ns or 0
    wire.accepted_ns = result.accepted_ns or 0
    if result.error_code or result.error_text:
        wire.failure.broker_code = result.error_code
        wire.failure.message = result.error_text
    return wire


def latency_to_wire(
    row: CopyRow, into: copy_order_pb2.LatencySplit | None = None
) -> copy_order_pb2.LatencySplit:
    wire = copy_order_pb2.LatencySplit() if into is None else into
    wire.leader_ns = row.order.leader_time_ns
    wire.seen_ns = row.order.seen_ns
    wire.planned_ns = row.order.planned_ns
    wire.sent_ns = row.sent_ns
    wire.accepted_ns = row.accepted_ns
    wire.filled_ns = row.filled_ns
    return wire


def dead_letter_to_wire(letter: DeadLetter, into: query_pb2.DeadLetter | None = None) -> query_pb2.DeadLetter:
    wire = query_pb2.DeadLetter() if into is None else into
    wire.broker = BROKER.wire[letter.broker]
    wire.account_id = letter.account_id or ""
    wire.source = letter.source
    wire.kind = DEAD_LETTER_KIND.wire[letter.kind]
    wire.detail = letter.detail
    wire.raw = letter.raw
    wire.receive_time.CopyFrom(timestamp_of_ns(letter.received_ns))
    return wire


def instrument_to_wire(
    instrument: Instrument, into: common_pb2.Instrument | None = None
) -> common_pb2.Instrument:
    wire = common_pb2.Instrument() if into is None else into
    wire.instrument_id = instrument.instrument_id
    wire.exchange = EXCHANGE.wire[instrument.exchange]
    wire.segment = SEGMENT.wire[instrument.segment]
    wire.kind = INSTRUMENT_KIND.wire[instrument.kind]
    wire.lot.value = text_of(instrument.lot)
    wire.tick.value = text_of(instrument.tick)
    wire.multiplier.value = text_of(instrument.multiplier)
    wire.currency = instrument.currency
    wire.underlying = instrument.underlying
    wire.expiry_date = instrument.expiry.isoformat() if instrument.expiry else ""
    if instrument.freeze is not None:
        wire.freeze.value = text_of(instrument.freeze)
    if instrument.lower_band is not None:
        wire.lower_band.value = text_of(instrument.lower_band)
    if instrument.upper_band is not None:
        wire.upper_band.value = text_of(instrument.upper_band)
    if instrument.strike is not None:
        wire.strike.value = text_of(instrument.strike)
    return wire
