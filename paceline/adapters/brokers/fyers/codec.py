"""Frames of the order socket and lists of the books, decoded. Pure: nothing here waits or asks the time."""

from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from paceline.adapters.brokers.fyers import rows
from paceline.adapters.brokers.fyers.answers import JsonObject, UnreadableError, dump, parse
from paceline.adapters.brokers.fyers.fields import UnreadableRowError
from paceline.adapters.brokers.fyers.rows import Owner
from paceline.domain.order import Fill, OrderReport
from paceline.domain.position import HoldingReport, PositionReport
from paceline.ports.broker import Book, BookRow, Malformed, MalformedKind, Observed

Report = OrderReport | Fill | PositionReport
R = TypeVar("R", bound=OrderReport | Fill | PositionReport | HoldingReport)

SUBSCRIBED_CODE: Final = 1605
_GENERAL: Final = frozenset({"edis", "pricealerts", "login"})
_DECODERS: Final[dict[str, Callable[[JsonObject, Owner, int], Report]]] = {
    "orders": rows.order,
    "trades": rows.trade,
    "positions": lambda row, owner, _received_ns: rows.position(row, owner),
}


def decode_frame(raw: bytes, owner: Owner, received_ns: int) -> tuple[Observed | Malformed, ...]:
    """What one frame says, and what of it cannot be read; nothing for acknowledgements and notices."""
    try:
        document = parse(raw)
    except UnreadableError as error:
        return (Malformed(raw, MalformedKind.UNPARSEABLE, f"not JSON: {error}"),)
    if not isinstance(document, dict):
        return (Malformed(raw, MalformedKind.UNPARSEABLE, "not an object"),)
    found = [(_DECODERS[name], body) for name, body in document.items() if name in _DECODERS]
    if not found:
        return _without_reports(document, raw)
    reports: list[Report] = []
    broken: list[Malformed] = []
    for decoder, body in found:
        for row in body if isinstance(body, list) else (body,):
            outcome = _decode_row(decoder, row, owner, received_ns)
            if isinstance(outcome, UnreadableRowError):
                broken.append(Malformed(raw, outcome.kind, str(outcome)))
            else:
                reports.append(outcome)
    seen = (Observed(tuple(reports), raw, received_ns),) if reports else ()
    return (*seen, *broken)


def is_subscribed(raw: bytes) -> bool:
    """Whether this is the answer to the subscription, and a yes."""
    try:
        document = parse(raw)
    except UnreadableError:
        return False
    return isinstance(document, dict) and document.get("code") == SUBSCRIBED_CODE


def order_book(listed: object, owner: Owner, received_ns: int) -> Book[OrderReport]:
    return _book(listed, rows.order, owner, received_ns)


def trade_book(listed: object, owner: Owner, received_ns: int) -> Book[Fill]:
    return _book(listed, rows.trade, owner, received_ns)


def position_book(listed: object, owner: Owner, received_ns: int) -> Book[PositionReport]:
    return _book(listed, lambda row, whose, _received_ns: rows.position(row, whose), owner, received_ns)


def holdings(listed: object, owner: Owner, received_ns: int) -> Book[HoldingReport]:
    return _book(listed, lambda row, whose, _received_ns: rows.holding(row, whose), owner, received_ns)


def _book(
    listed: object, decoder: Callable[[JsonObject, Owner, int], R], owner: Owner, received_ns: int
) -> Book[R]:
    good: list[BookRow[R]] = []
    broken: list[Malformed] = []
    for row in listed if isinstance(listed, list) else ():
        outcome = _decode_row(decoder, row, owner, received_ns)
        if isinstance(outcome, UnreadableRowError):
            broken.append(Malformed(dump(row), outcome.kind, str(outcome)))
        else:
            good.append(BookRow(outcome, partial(dump, row)))
    return Book(tuple(good), tuple(broken), received_ns)


def _decode_row(
    decoder: Callable[[JsonObject, Owner, int], R], row: object, owner: Owner, received_ns: int
) -> R | UnreadableRowError:
    if not isinstance(row, dict):
        return UnreadableRowError(MalformedKind.UNPARSEABLE, "a row is not an object")
    try:
        return decoder(row, owner, received_ns)
    except UnreadableRowError as error:
        return error


def _without_reports(document: JsonObject, raw: bytes) -> tuple[Malformed, ...]:
    if document.get("code") == SUBSCRIBED_CODE or not _GENERAL.isdisjoint(document):
        return ()
    return (Malformed(raw, MalformedKind.MISSING_FIELD, "no orders, trades or positions in it"),)
